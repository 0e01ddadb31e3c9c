"""The supervisor of one httpd as a state machine: events in, commands out, no I/O.

::

    NEW ── Start ──> STARTING ── Ready ──> RUNNING <── Ready / timeout ── RELOADING
                        │                     │                              ^
                     Exited,               Exited                            └─ ReloadRequested
                     timeout                  v
                        ├───────────────> CLEARING ── GroupGone ──> WAITING ── Tick ──> STARTING
                        v                     │
                    (first start)             v  stop asked, hopeless, or too many deaths
                     CLEARING ──────────> FINISHED

Never ready is not the same as died later. A first start that fails ends at once with the reason, because trying again
would fail again. A gateway that had served is brought back: at once the first time, then after 1, 2, 4 … seconds,
until it has died too often within a window, or a restart fails for a reason that time does not heal.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from gatewright.diagnose.startup import Attempt, explain_start, gave_up, heals
from gatewright.errors import EXIT_ENVIRONMENT, EXIT_OK, Diagnostic
from gatewright.plan import happenings as h


@dataclass(frozen=True, slots=True)
class Limits:
    """The supervisor's patience. All times in seconds.

    ``start`` is how long httpd may take to report that it serves: 1.4 s is the longest measured, with a CRL of a
    million entries. ``stop`` is how long it may take to end: requests under way are finished, within less than the 10 s after
    which container engines kill what they stop. ``reload`` is how long it may take to confirm a new configuration. Deaths older
    than ``window`` are forgotten; at ``deaths`` of them it gives up. ``longest`` caps the wait between restarts.
    """

    start: float = 10.0
    stop: float = 8.0
    reload: float = 10.0
    window: float = 300.0
    deaths: int = 8
    longest: float = 30.0
    lines: int = 60


class Phase(enum.Enum):
    """Where the supervisor stands; see the drawing above."""

    NEW = "new"
    STARTING = "starting"
    RUNNING = "running"
    RELOADING = "reloading"
    CLEARING = "clearing"
    WAITING = "waiting"
    STOPPING = "stopping"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class State:
    """Everything the supervisor knows.

    ``since`` is when the phase began and ``until`` when it ends by itself; ``served`` whether httpd was ever ready;
    ``deaths`` are the times of recent deaths; ``lines`` the last raw lines of this attempt; ``ending`` is set when the
    next end is the last one.
    """

    limits: Limits = Limits()
    phase: Phase = Phase.NEW
    pid: int = 0
    since: float = 0.0
    until: float | None = None
    served: bool = False
    deaths: tuple[float, ...] = ()
    lines: tuple[str, ...] = ()
    reload_wanted: bool = False
    ending: h.Finish | None = None


Step = tuple[State, tuple[h.Command, ...]]


def step(state: State, event: h.Event) -> Step:
    """What follows from ``event``. Events that mean nothing in the current phase change nothing."""
    result: Step = (state, ())
    if state.phase is Phase.FINISHED:
        return result
    match event:
        case h.Start() if state.phase is Phase.NEW:
            result = _spawn(state, event.at)
        case h.Spawned():
            result = _spawned(state, event)
        case h.SpawnFailed():
            result = _spawn_failed(state, event)
        case h.Line():
            result = replace(state, lines=(*state.lines, event.text)[-state.limits.lines :]), ()
        case h.Ready():
            result = _ready(state, event)
        case h.Exited() if event.pid == state.pid:
            result = _exited(state, event)
        case h.GroupGone() if event.pid == state.pid:
            result = _cleared(state, event.at)
        case h.Tick():
            result = _tick(state, event.at)
        case h.StopRequested():
            result = _stop(state, event.at)
        case h.ReloadRequested():
            result = _reload(state, event.at)
        case _:
            pass
    return result


def _spawn(state: State, at: float) -> Step:
    begun = replace(state, phase=Phase.STARTING, pid=0, since=at, until=None, lines=())
    return begun, (h.Spawn(),)


def _spawned(state: State, event: h.Spawned) -> Step:
    if state.phase is not Phase.STARTING:
        # Asked to stop between the order and its execution.
        return replace(state, pid=event.pid), (h.ClearGroup(event.pid),)
    until = event.at + state.limits.start
    return replace(state, pid=event.pid, until=until), (h.WakeAt(until),)


def _spawn_failed(state: State, event: h.SpawnFailed) -> Step:
    if state.phase is not Phase.STARTING:
        return _finish(state, h.Finish(EXIT_OK))
    return _start_failed(state, event.at, (event.problem,))


def _ready(state: State, event: h.Ready) -> Step:
    if event.pid != state.pid or state.phase not in {Phase.STARTING, Phase.RELOADING}:
        return state, ()
    commands: tuple[h.Command, ...]
    if state.phase is Phase.RELOADING:
        running = replace(state, phase=Phase.RUNNING, until=None, lines=())
        commands = (h.Say(h.Reloaded()),)
    else:
        running = replace(state, phase=Phase.RUNNING, since=event.at, until=None, served=True, lines=())
        commands = (h.Serving(event.pid, first=not state.served),)
        if state.served and state.deaths:
            commands += (h.Say(h.Back(event.pid, event.at - state.deaths[-1])),)
    return _wanted_still(running, event.at, commands)


def _wanted_still(running: State, at: float, commands: tuple[h.Command, ...]) -> Step:
    """A reload that was asked for while another was under way: httpd may have read the old files for that one, answered or not."""
    if not running.reload_wanted:
        return running, commands
    reloading, more = _reload(replace(running, reload_wanted=False), at)
    return reloading, commands + more


def _exited(state: State, event: h.Exited) -> Step:
    clear = h.ClearGroup(event.pid)
    match state.phase:
        case Phase.STOPPING:
            ending = state.ending or h.Finish(EXIT_OK)
            return replace(state, phase=Phase.CLEARING, since=event.at, until=None, ending=ending), (clear,)
        case Phase.STARTING:
            attempt = Attempt(state.lines, event.code, event.signal, timed_out=None)
            failed, commands = _start_failed(state, event.at, explain_start(attempt))
            return failed, (clear, *commands)
        case Phase.RUNNING | Phase.RELOADING:
            died = h.Died(event.pid, event.code, event.signal, event.at - state.since)
            dying, commands = _another_death(state, event.at)
            return dying, (clear, h.Say(died), *commands)
        case _:
            return state, ()


def _start_failed(state: State, at: float, problems: tuple[Diagnostic, ...]) -> Step:
    """A start that never became ready: the end, unless it had served before and time may heal it."""
    if not (state.served and all(heals(problem) for problem in problems)):
        return _end_after_clearing(state, at, h.Finish(EXIT_ENVIRONMENT, problems))
    dying, commands = _another_death(state, at, problems)
    return dying, (h.Say(h.RestartFailed(problems)), *commands)


def _end_after_clearing(state: State, at: float, finish: h.Finish) -> Step:
    if state.pid == 0:
        return _finish(state, finish)
    return replace(state, phase=Phase.CLEARING, since=at, until=None, ending=finish), ()


def _another_death(state: State, at: float, problems: tuple[Diagnostic, ...] = ()) -> Step:
    """Count it, and say when the next try is, or give up."""
    limits = state.limits
    deaths = (*(death for death in state.deaths if at - death < limits.window), at)
    if len(deaths) >= limits.deaths:
        why = gave_up(len(deaths), at - deaths[0], state.lines)
        finish = h.Finish(EXIT_ENVIRONMENT, (why, *problems))
        return _end_after_clearing(replace(state, deaths=deaths), at, finish)
    wait = 0.0 if len(deaths) == 1 else min(limits.longest, 2.0 ** (len(deaths) - 2))
    waiting = replace(state, phase=Phase.CLEARING, since=at, until=at + wait, deaths=deaths)
    said = h.Say(h.RestartingIn(wait, len(deaths), limits.deaths))
    return (waiting, (said,)) if state.pid else _cleared_after(waiting, at, said)


def _cleared_after(state: State, at: float, said: h.Say) -> Step:
    next_state, commands = _cleared(state, at)
    return next_state, (said, *commands)


def _cleared(state: State, at: float) -> Step:
    """Nothing of the old group runs: go on as decided."""
    if state.phase is Phase.STOPPING:
        return _finish(state, state.ending or h.Finish(EXIT_OK))
    if state.phase is not Phase.CLEARING:
        return state, ()
    if state.ending is not None:
        return _finish(state, state.ending)
    until = state.until if state.until is not None else at
    if until <= at:
        return _spawn(state, at)
    return replace(state, phase=Phase.WAITING, pid=0, since=at, until=until), (h.WakeAt(until),)


def _tick(state: State, at: float) -> Step:
    if state.until is None or at < state.until:
        return state, ()
    match state.phase:
        case Phase.WAITING:
            return _spawn(state, at)
        case Phase.STARTING:
            problems = explain_start(Attempt(state.lines, None, None, timed_out=state.limits.start))
            failed, commands = _start_failed(state, at, problems)
            return failed, (h.ClearGroup(state.pid), *commands)
        case Phase.RELOADING:
            problems = explain_start(Attempt(state.lines, None, None, timed_out=state.limits.reload))
            said = h.Say(h.ReloadUnanswered(state.limits.reload, problems))
            return _wanted_still(replace(state, phase=Phase.RUNNING, until=None), at, (said,))
        case Phase.STOPPING:
            said = h.Say(h.StopOverdue(state.limits.stop))
            return replace(state, until=None), (said, h.ClearGroup(state.pid))
        case _:
            return state, ()


def _stop(state: State, at: float) -> Step:
    done = h.Finish(EXIT_OK)
    match state.phase:
        case Phase.NEW | Phase.WAITING:
            return _finish(state, done)
        case Phase.STARTING if state.pid == 0:
            # The process is being made; Spawned or SpawnFailed follows and finds this phase.
            return replace(state, phase=Phase.STOPPING, since=at, until=None, ending=done), (
                h.Say(h.Stopping(at_once=False)),
            )
        case Phase.STARTING | Phase.RUNNING | Phase.RELOADING:
            until = at + state.limits.stop
            stopping = replace(state, phase=Phase.STOPPING, since=at, until=until, ending=done)
            # Before it serves there is nothing to finish, and httpd does not listen to DRAIN yet.
            how = h.Signal.STOP if state.phase is Phase.STARTING else h.Signal.DRAIN
            return stopping, (
                h.Say(h.Stopping(at_once=False)),
                h.SignalParent(state.pid, how),
                h.WakeAt(until),
            )
        case Phase.STOPPING if state.pid:
            return replace(state, until=None), (h.Say(h.Stopping(at_once=True)), h.ClearGroup(state.pid))
        case Phase.CLEARING if state.ending is None:
            return replace(state, ending=done), (h.Say(h.Stopping(at_once=False)),)
        case _:
            return state, ()


def _reload(state: State, at: float) -> Step:
    match state.phase:
        case Phase.RUNNING:
            until = at + state.limits.reload
            reloading = replace(state, phase=Phase.RELOADING, until=until, lines=())
            told = (h.Say(h.Reloading()), h.SignalParent(state.pid, h.Signal.GRACEFUL), h.WakeAt(until))
            return reloading, told
        case Phase.STARTING | Phase.RELOADING:
            # It may have read the old files already; a second reading when it is ready settles it.
            return replace(state, reload_wanted=True), ()
        case _:
            # The next start reads the files as they are then.
            return state, ()


def _finish(state: State, finish: h.Finish) -> Step:
    return replace(state, phase=Phase.FINISHED, until=None, ending=finish), (finish,)
