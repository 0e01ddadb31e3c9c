"""A change on its way into force, as a state machine: what happened in, the next step out, no I/O.

::

    SETTLE ─> CHOOSE ─> START_SHADOW ─> PROVE_SHADOW ─> STOP_SHADOW ─> REMEMBER ─> SWITCH ─> RELOAD ─> PROVE ─> KEEP ─> end
                 │            └── any failure: STOP_SHADOW ─> DISCARD ─> end      │                │
                 └─> end (nothing to do, or a human has to say yes)              └── any failure: BACK ─> RELOAD_BACK
                                                                            ─> PROVE_BACK ─> FORGET ─> DISCARD ─> end

Where nothing changes but the members of groups, and a gateway runs, httpd has nothing to read anew::

    CHOOSE ─> MEMBERS ─> PROVE ─> KEEP ─> end
                 └────────┴── any failure: MEMBERS_BACK ─> PROVE_BACK ─> end

Until REMEMBER nothing that runs is touched. From REMEMBER to KEEP (or to the end of the way back) the link ``back`` on
disk names the last good generation; whoever finds it after we were killed returns to that. Where no gateway runs, the
steps that speak to one are left out: what the shadow instance proved is what the next start takes.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from gatewright.errors import Diagnostic


class Step(enum.StrEnum):
    """What is to be done next; each is answered by exactly one event."""

    SETTLE = "settle"
    """Finish what a killed apply left."""
    CHOOSE = "choose"
    """Read, check, compare, issue and compile, or find the generation to go back to. Answered by :class:`Chosen`."""
    START_SHADOW = "start-shadow"
    PROVE_SHADOW = "prove-shadow"
    STOP_SHADOW = "stop-shadow"
    REMEMBER = "remember"
    """Write down the last good generation, durably."""
    SWITCH = "switch"
    RELOAD = "reload"
    """Have httpd take it, and wait until it says that it has and lives."""
    PROVE = "prove"
    KEEP = "keep"
    """Settled: mark it as kept, forget what to go back to."""
    BACK = "back"
    RELOAD_BACK = "reload-back"
    PROVE_BACK = "prove-back"
    FORGET = "forget"
    MEMBERS = "members"
    """Change the members of groups in place, effective with the next request."""
    MEMBERS_BACK = "members-back"
    DISCARD = "discard"
    """Remove the generation that did not stay."""


class Outcome(enum.StrEnum):
    """How it ended."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    ASKS = "asks"
    """A human has to say yes first; nothing was done."""
    REFUSED = "refused"
    """It never came into force."""
    ROLLED_BACK = "rolled-back"
    """It was in force for a moment; the last good generation is in force again, and proved."""
    UNSETTLED = "unsettled"
    """It was taken back on disk, but that the last good generation serves is not proved."""


@dataclass(frozen=True, slots=True)
class Begin:
    """The first event. ``running``: a supervisor runs here."""

    running: bool


@dataclass(frozen=True, slots=True)
class Chosen:
    """CHOOSE was done: generation ``number`` is whole on disk.

    ``changed`` is false when it is the current one already; ``asks`` when a human's yes is missing: then nothing was
    written. ``new`` tells whether the generation was made by this very run. ``members``: it is the current one, and only
    the members of its groups change.
    """

    number: int
    changed: bool = True
    asks: bool = False
    new: bool = True
    members: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """A step succeeded."""

    step: Step


@dataclass(frozen=True, slots=True)
class Failed:
    """A step did not succeed, or was interrupted, and why."""

    step: Step
    problems: tuple[Diagnostic, ...]


Event = Begin | Chosen | Done | Failed


@dataclass(frozen=True, slots=True)
class End:
    """Nothing more to do. ``problems`` are the reasons, the one that came first in front."""

    outcome: Outcome
    problems: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """Everything the machine knows. ``expected`` is the step whose answer it waits for.

    ``signalled``: httpd was told to take the change. ``unproved``: that the last good generation serves is not certain.
    ``members``: it is about members only.
    """

    expected: Step | None = None
    running: bool = False
    new: bool = True
    problems: tuple[Diagnostic, ...] = ()
    signalled: bool = False
    unproved: bool = False
    members: bool = False


Command = Step | End

_FORWARD = (
    Step.START_SHADOW,
    Step.PROVE_SHADOW,
    Step.STOP_SHADOW,
    Step.REMEMBER,
    Step.SWITCH,
    Step.RELOAD,
    Step.PROVE,
    Step.KEEP,
)
_BACKWARD = (Step.BACK, Step.RELOAD_BACK, Step.PROVE_BACK, Step.FORGET, Step.DISCARD)
_MEMBERS = {Step.MEMBERS, Step.PROVE, Step.KEEP, Step.MEMBERS_BACK, Step.PROVE_BACK}
_LIVE = {Step.RELOAD, Step.PROVE, Step.RELOAD_BACK, Step.PROVE_BACK}


def step(state: State, event: Event) -> tuple[State, Command]:
    """What follows from ``event``. Raises :class:`ValueError` for an answer to what was not asked."""
    match event:
        case Begin(running):
            if state.expected is not None:
                raise ValueError(event)
            return _next(replace(state, running=running), Step.SETTLE)
        case Chosen() if state.expected is Step.CHOOSE:
            return _chosen(state, event)
        case Done(done) if done is state.expected:
            return _done(state, done)
        case Failed(failed, problems) if failed is state.expected:
            return _failed(replace(state, problems=(*state.problems, *problems)), failed)
        case _:
            raise ValueError(event)


def _next(state: State, command: Step) -> tuple[State, Command]:
    return replace(state, expected=command, signalled=state.signalled or command is Step.RELOAD), command


def _end(state: State, outcome: Outcome) -> tuple[State, Command]:
    return replace(state, expected=None), End(outcome, state.problems)


def _chosen(state: State, event: Chosen) -> tuple[State, Command]:
    if event.asks:
        return _end(state, Outcome.ASKS)
    if event.members:
        return _next(replace(state, members=True, signalled=True), Step.MEMBERS)
    if not event.changed:
        return _end(state, Outcome.UNCHANGED)
    return _next(replace(state, new=event.new), _FORWARD[0])


def _done(state: State, done: Step) -> tuple[State, Command]:
    match done:
        case Step.PROVE_BACK if state.members:
            return _end(state, _outcome(state))
        case Step.SETTLE:
            return _next(state, Step.CHOOSE)
        case Step.KEEP:
            return _end(state, Outcome.APPLIED)
        case Step.STOP_SHADOW if state.problems:
            return _discard(state)
        case Step.DISCARD:
            return _end(state, _outcome(state))
        case _:
            return _after(state, done)


def _after(state: State, done: Step) -> tuple[State, Command]:
    """The step after ``done`` in its direction, without those that speak to a gateway where none runs or none was told."""
    if state.members:
        return _next(
            state, Step.KEEP if done is Step.PROVE else Step.PROVE if done is Step.MEMBERS else Step.PROVE_BACK
        )
    way = _FORWARD if done in _FORWARD else _BACKWARD
    for following in way[way.index(done) + 1 :]:
        if following in _LIVE and not (state.running and (state.signalled or way is _FORWARD)):
            continue
        return _discard(state) if following is Step.DISCARD else _next(state, following)
    raise ValueError(done)


_INSTEAD = {
    Step.START_SHADOW: Step.STOP_SHADOW,
    Step.PROVE_SHADOW: Step.STOP_SHADOW,
    Step.REMEMBER: Step.FORGET,
    **dict.fromkeys((Step.SWITCH, Step.RELOAD, Step.PROVE, Step.KEEP), Step.BACK),
}
"""Where a failure leads."""


def _failed(state: State, failed: Step) -> tuple[State, Command]:
    if state.members and failed in _MEMBERS:
        back = failed in {Step.MEMBERS_BACK, Step.PROVE_BACK}
        return _end(state, Outcome.UNSETTLED) if back else _next(state, Step.MEMBERS_BACK)
    if failed in _INSTEAD:
        return _next(state, _INSTEAD[failed])
    match failed:
        case Step.STOP_SHADOW:
            return _discard(state)
        case Step.BACK | Step.RELOAD_BACK:
            # The link stays, so that the supervisor or the next command tries again.
            return _end(state, Outcome.UNSETTLED)
        case Step.PROVE_BACK | Step.FORGET:
            return _after(replace(state, unproved=True), failed)
        case _:
            return _end(state, _outcome(state))


def _discard(state: State) -> tuple[State, Command]:
    """Remove what did not stay, if this run made it: an older generation that was to come back is left as it was."""
    return _next(state, Step.DISCARD) if state.new else _end(state, _outcome(state))


def _outcome(state: State) -> Outcome:
    if state.unproved:
        return Outcome.UNSETTLED
    return Outcome.ROLLED_BACK if state.signalled else Outcome.REFUSED
