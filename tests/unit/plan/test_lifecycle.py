"""The supervisor's state machine, as scripts of events and the commands that answer them."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.errors import EXIT_ENVIRONMENT, EXIT_OK, Diagnostic
from gatewright.plan import happenings as h
from gatewright.plan.lifecycle import Limits, Phase, State, step
from gatewright.plan.notices import tell

TAKEN = "(98)Address already in use: AH00072: make_sock: could not bind to address 0.0.0.0:8443"
GARBAGE = "ts=2026-11-23 13:30:04.575722 lvl=ssl:emerg pid=7 tid=1 msg=AH02562: Failed to configure certificate x:0 (with chain), check /g/s.pem"


class Dialogue:
    """A machine and what it last answered."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.state = State(limits=limits or Limits())

    def __call__(self, *events: h.Event) -> tuple[h.Command, ...]:
        """Tell it events; the commands that answer them."""
        answers: tuple[h.Command, ...] = ()
        for event in events:
            self.state, commands = step(self.state, event)
            answers += commands
        return answers

    def serving(self, pid: int = 7, at: float = 0.0) -> Dialogue:
        """Brought up."""
        self(h.Start(at), h.Spawned(at, pid), h.Ready(at, pid))
        assert self.state.phase is Phase.RUNNING
        return self

    def dies(self, pid: int, at: float) -> tuple[h.Command, ...]:
        """Killed, and its group cleared."""
        return self(h.Exited(at, pid, signal=9), h.GroupGone(at, pid))


def said(commands: Iterable[h.Command]) -> list[h.Notice]:
    """The notices among the commands."""
    return [c.notice for c in commands if isinstance(c, h.Say)]


def finish(commands: Iterable[h.Command]) -> h.Finish:
    """The one end among the commands."""
    (found,) = (c for c in commands if isinstance(c, h.Finish))
    return found


def test_a_start_that_becomes_ready() -> None:
    """Start, spawn, a limit for the start, and the news that it serves."""
    talk = Dialogue()
    assert talk(h.Start(0.0)) == (h.Spawn(),)
    assert talk(h.Spawned(0.1, 7)) == (h.WakeAt(10.1),)
    assert talk(h.Ready(0.3, 7)) == (h.Serving(7, first=True),)
    assert talk(h.Tick(10.2)) == ()


def test_readiness_of_another_process_does_not_count() -> None:
    """A line of an older httpd in the same log makes nothing ready."""
    talk = Dialogue()
    assert talk(h.Start(0.0), h.Spawned(0.0, 7), h.Ready(0.1, 6))[2:] == ()
    assert talk.state.phase is Phase.STARTING


def test_a_start_that_never_became_ready_is_not_repeated() -> None:
    """The end, with the reason from what httpd said, after its group is cleared."""
    talk = Dialogue()
    talk(h.Start(0.0), h.Spawned(0.0, 7), h.Line(0.1, TAKEN))
    assert talk(h.Exited(0.1, 7, code=1)) == (h.ClearGroup(7),)
    end = finish(talk(h.GroupGone(0.1, 7)))
    assert (end.code, [p.code for p in end.problems]) == (EXIT_ENVIRONMENT, ["port-taken"])
    assert talk(h.Tick(99.0), h.Start(99.0)) == ()


def test_a_process_that_cannot_be_made_ends_at_once() -> None:
    """No process, nothing to clear."""
    talk = Dialogue()
    problem = Diagnostic("cannot-start-process", "no such file")
    assert talk(h.Start(0.0), h.SpawnFailed(0.0, problem))[1:] == (h.Finish(EXIT_ENVIRONMENT, (problem,)),)


def test_a_start_that_takes_too_long_is_ended() -> None:
    """The limit kills the group and tells the time and what httpd said."""
    talk = Dialogue(Limits(start=10))
    talk(h.Start(0.0), h.Spawned(0.0, 7), h.Line(1.0, "waiting for the moon"))
    assert talk(h.Tick(9.9)) == ()
    assert talk(h.Tick(10.0)) == (h.ClearGroup(7),)
    end = finish(talk(h.Exited(10.0, 7, signal=9), h.GroupGone(10.0, 7)))
    assert end.problems[0].code == "start-timeout"
    assert "moon" in end.problems[0].why


def test_a_death_after_ready_restarts_at_once() -> None:
    """The group is cleared before the new start, so that the port is free; then it is back."""
    talk = Dialogue().serving()
    assert talk(h.Exited(60.0, 7, signal=9)) == (
        h.ClearGroup(7),
        h.Say(h.Died(7, None, 9, 60.0)),
        h.Say(h.RestartingIn(0.0, 1, 8)),
    )
    assert talk(h.GroupGone(60.01, 7)) == (h.Spawn(),)
    assert talk(h.Spawned(60.02, 8), h.Ready(60.25, 8))[1:] == (
        h.Serving(8, first=False),
        h.Say(h.Back(8, 0.25)),
    )


def test_repeated_deaths_wait_longer_each_time_and_then_end() -> None:
    """0, 1, 2, 4, 8, 16, 30 s; the eighth death within the window is the last."""
    talk = Dialogue().serving()
    at, pid, waits = 0.0, 7, []
    for _ in range(7):
        commands = talk.dies(pid, at)
        (notice,) = (n for n in said(commands) if isinstance(n, h.RestartingIn))
        waits.append(notice.seconds)
        at, pid = at + notice.seconds, pid + 1
        if notice.seconds:
            assert h.WakeAt(at) in commands
            assert talk(h.Tick(at - 0.5)) == ()
            assert talk(h.Tick(at)) == (h.Spawn(),)
        talk(h.Spawned(at, pid), h.Ready(at, pid))
    assert waits == [0, 1, 2, 4, 8, 16, 30]
    end = finish(talk.dies(pid, at))
    assert (end.code, end.problems[0].code) == (EXIT_ENVIRONMENT, "restarts-exhausted")


def test_old_deaths_are_forgotten() -> None:
    """A death each hour is always followed by an immediate restart."""
    talk = Dialogue().serving()
    for hour in range(1, 20):
        at = hour * 3600.0
        assert h.Say(h.RestartingIn(0.0, 1, 8)) in talk.dies(6 + hour, at)
        talk(h.Spawned(at, 7 + hour), h.Ready(at, 7 + hour))


def test_a_restart_that_fails_for_good_ends() -> None:
    """A certificate that is garbage now stays garbage: no loop."""
    talk = Dialogue().serving()
    talk.dies(7, 5.0)
    talk(h.Spawned(5.0, 8), h.Line(5.1, GARBAGE))
    end = finish(talk(h.Exited(5.1, 8, code=1), h.GroupGone(5.1, 8)))
    assert [p.code for p in end.problems] == ["server-certificate-bad"]


def test_a_restart_that_fails_for_now_is_tried_again() -> None:
    """A port that is taken may be free a second later; patience ends all the same, naming both reasons."""
    talk = Dialogue(Limits(deaths=3)).serving()
    talk.dies(7, 5.0)
    talk(h.Spawned(5.0, 8), h.Line(5.1, TAKEN))
    notices = said(talk(h.Exited(5.1, 8, code=1), h.GroupGone(5.1, 8)))
    assert [type(n) for n in notices] == [h.RestartFailed, h.RestartingIn]
    assert talk(h.Tick(6.1)) == (h.Spawn(),)
    talk(h.Spawned(6.1, 9), h.Line(6.2, TAKEN))
    end = finish(talk(h.Exited(6.2, 9, code=1), h.GroupGone(6.2, 9)))
    assert [p.code for p in end.problems] == ["restarts-exhausted", "port-taken"]


def test_a_restart_whose_process_cannot_be_made_is_tried_again() -> None:
    """A full disk may be emptied; nothing is cleared where nothing was made."""
    talk = Dialogue().serving()
    talk.dies(7, 5.0)
    commands = talk(h.SpawnFailed(5.0, Diagnostic("disk-full", "x")))
    assert [type(c) for c in commands] == [h.Say, h.Say, h.WakeAt]
    assert talk(h.Tick(6.0)) == (h.Spawn(),)
    commands = talk(h.StopRequested(6.0), h.SpawnFailed(6.0, Diagnostic("disk-full", "x")))
    assert finish(commands).code == EXIT_OK


def test_stop_is_clean_and_a_second_one_is_at_once() -> None:
    """First the parent is told to finish what is under way, with a limit; then the whole group is killed."""
    talk = Dialogue().serving()
    assert talk(h.StopRequested(5.0)) == (
        h.Say(h.Stopping(at_once=False)),
        h.SignalParent(7, h.Signal.DRAIN),
        h.WakeAt(13.0),
    )
    assert talk(h.StopRequested(5.5)) == (h.Say(h.Stopping(at_once=True)), h.ClearGroup(7))
    assert finish(talk(h.Exited(5.6, 7, signal=9), h.GroupGone(5.6, 7), h.GroupGone(5.6, 7))).code == EXIT_OK


def test_stop_clears_the_group_after_the_parent_has_ended() -> None:
    """Exit 0 only when nothing of it runs any more."""
    talk = Dialogue().serving()
    talk(h.StopRequested(5.0))
    assert talk(h.Exited(5.2, 7, code=0)) == (h.ClearGroup(7),)
    assert talk(h.GroupGone(5.2, 7)) == (h.Finish(EXIT_OK),)


def test_a_stop_that_takes_too_long_is_enforced() -> None:
    """After the limit the group is killed, and that is said."""
    talk = Dialogue().serving()
    talk(h.StopRequested(5.0))
    assert talk(h.Tick(13.0)) == (h.Say(h.StopOverdue(8.0)), h.ClearGroup(7))
    assert talk(h.GroupGone(13.1, 7)) == (h.Finish(EXIT_OK),)


@pytest.mark.parametrize(
    "events",
    [
        (),
        (
            h.Start(0.0),
            h.Spawned(0.0, 7),
            h.Ready(0.0, 7),
            h.Exited(1.0, 7, signal=9),
            h.GroupGone(1.0, 7),
            h.Spawned(1.0, 8),
            h.Ready(1.0, 8),
            h.Exited(2.0, 8, signal=9),
            h.GroupGone(2.0, 8),
        ),
    ],
    ids=["before the start", "while waiting to restart"],
)
def test_stop_when_nothing_runs_is_the_end(events: tuple[h.Event, ...]) -> None:
    """There is nothing to wait for."""
    talk = Dialogue()
    talk(*events)
    assert talk(h.StopRequested(3.0)) == (h.Finish(EXIT_OK),)


def test_stop_while_the_dead_group_is_cleared_prevents_the_restart() -> None:
    """The restart that was about to happen does not."""
    talk = Dialogue().serving()
    talk(h.Exited(5.0, 7, signal=9))
    assert said(talk(h.StopRequested(5.0))) == [h.Stopping(at_once=False)]
    assert talk(h.GroupGone(5.0, 7)) == (h.Finish(EXIT_OK),)


def test_stop_before_the_process_exists_clears_it_when_it_does() -> None:
    """No process outlives a stop that came between order and execution."""
    talk = Dialogue()
    talk(h.Start(0.0), h.StopRequested(0.0))
    assert talk(h.Spawned(0.0, 7)) == (h.ClearGroup(7),)
    assert finish(talk(h.GroupGone(0.0, 7))).code == EXIT_OK


def test_reload_is_confirmed() -> None:
    """SIGUSR1, then httpd's own word that it serves; the parent stays the same."""
    talk = Dialogue().serving()
    assert talk(h.ReloadRequested(5.0)) == (
        h.Say(h.Reloading()),
        h.SignalParent(7, h.Signal.GRACEFUL),
        h.WakeAt(15.0),
    )
    assert talk(h.Ready(5.1, 7)) == (h.Say(h.Reloaded()),)
    assert talk(h.Exited(65.0, 7, signal=9))[1] == h.Say(h.Died(7, None, 9, 65.0))


def test_a_reload_without_answer_is_told_and_it_goes_on() -> None:
    """It lives under the old configuration."""
    talk = Dialogue().serving()
    talk(h.ReloadRequested(5.0))
    (notice,) = said(talk(h.Tick(15.0)))
    assert isinstance(notice, h.ReloadUnanswered)
    assert talk.state.phase is Phase.RUNNING


def test_a_reload_during_start_or_reload_is_done_afterwards() -> None:
    """No request for a reload is lost."""
    talk = Dialogue()
    talk(h.Start(0.0), h.Spawned(0.0, 7), h.ReloadRequested(0.1))
    assert h.SignalParent(7, h.Signal.GRACEFUL) in talk(h.Ready(0.2, 7))
    assert talk(h.ReloadRequested(0.3)) == ()
    assert h.SignalParent(7, h.Signal.GRACEFUL) in talk(h.Ready(0.4, 7))
    assert talk(h.Ready(0.5, 7)) == (h.Say(h.Reloaded()),)


def test_a_reload_behind_one_without_answer_is_done_too() -> None:
    """That the first was not answered is told, and the second goes out at once; it is the only one."""
    talk = Dialogue().serving()
    talk(h.ReloadRequested(5.0), h.ReloadRequested(6.0))
    late = talk(h.Tick(15.0))
    assert isinstance(said(late)[0], h.ReloadUnanswered)
    assert h.SignalParent(7, h.Signal.GRACEFUL) in late
    assert h.WakeAt(25.0) in late
    assert talk(h.Ready(15.1, 7)) == (h.Say(h.Reloaded()),)


def test_lines_are_bounded() -> None:
    """A chatty httpd does not fill the memory."""
    talk = Dialogue(Limits(lines=5)).serving()
    talk(*(h.Line(1.0, str(n)) for n in range(100)))
    assert talk.state.lines == ("95", "96", "97", "98", "99")


def test_every_notice_has_words() -> None:
    """Plain sentences, the cause of a death included."""
    problem = Diagnostic("port-taken", "port 8443 is in use")
    told = [
        tell(notice)
        for notice in (
            h.Died(7, None, 9, 12.3),
            h.Died(7, None, 11, 600.0),
            h.Died(7, 0, None, 9000.0),
            h.Died(7, 1, None, 1.0),
            h.RestartingIn(0.0, 1, 8),
            h.RestartingIn(4.0, 4, 8),
            h.RestartFailed((problem,)),
            h.Back(8, 0.2),
            h.Stopping(at_once=False),
            h.Stopping(at_once=True),
            h.StopOverdue(10.0),
            h.Reloading(),
            h.Reloaded(),
            h.ReloadUnanswered(10.0, (problem,)),
        )
    ]
    assert all(text.endswith(".") for text in told)
    assert "signal 9" in told[0]
    assert "out-of-memory" in told[0]
    assert "gatewright down" in told[2]
    assert "port 8443 is in use" in told[6]


EVENTS = st.one_of(
    st.builds(h.Spawned, st.just(0.0), st.integers(1, 3)),
    st.builds(h.Ready, st.just(0.0), st.integers(1, 3)),
    st.builds(h.Exited, st.just(0.0), st.integers(1, 3), st.none(), st.just(9)),
    st.builds(h.GroupGone, st.just(0.0), st.integers(1, 3)),
    st.builds(h.Line, st.just(0.0), st.sampled_from([TAKEN, GARBAGE, "x"])),
    st.builds(h.StopRequested, st.just(0.0)),
    st.builds(h.ReloadRequested, st.just(0.0)),
    st.builds(h.Tick, st.floats(0, 100)),
)


@given(st.lists(EVENTS, max_size=40))
def test_whatever_happens_it_ends_once_and_starts_only_on_cleared_ground(events: list[h.Event]) -> None:
    """In any order of events: one end at most, nothing ordered after it, and no start while a group may still run."""
    state, commands = step(State(), h.Start(0.0))
    finished, dirty = False, False
    for event in events:
        state, commands = step(state, event)
        assert not (finished and commands)
        dirty = dirty and not (isinstance(event, h.GroupGone) and event.pid == state.pid)
        for command in commands:
            assert not (isinstance(command, h.Spawn) and dirty and not isinstance(event, h.GroupGone))
            dirty = dirty or isinstance(command, h.ClearGroup)
            finished = finished or isinstance(command, h.Finish)
