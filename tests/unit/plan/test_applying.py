"""The way of a change as a dialogue: what was done goes in, the next step comes out."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from gatewright.errors import Diagnostic
from gatewright.plan.applying import Begin, Chosen, Command, Done, End, Event, Failed, Outcome, State, Step, step

BROKEN = Diagnostic("broken", "it broke")
WORSE = Diagnostic("worse", "that broke too")

SHADOW = [Step.START_SHADOW, Step.PROVE_SHADOW, Step.STOP_SHADOW]
LIVE = [*SHADOW, Step.REMEMBER, Step.SWITCH, Step.RELOAD, Step.PROVE, Step.KEEP]
BACK = [Step.BACK, Step.RELOAD_BACK, Step.PROVE_BACK, Step.FORGET, Step.DISCARD]


def talk(*, running: bool = True, chosen: Event | None = None, fail: Iterable[Step] = ()) -> tuple[list[Step], End]:
    """The whole dialogue, in which the steps in ``fail`` fail each time they are tried; steps taken, and the end."""
    fails = set(fail)
    taken: list[Step] = []
    command: Command
    state, command = step(State(), Begin(running))
    while not isinstance(command, End):
        taken.append(command)
        assert len(taken) < 50
        event: Event = Done(command)
        if command in fails:
            event = Failed(command, (BROKEN if not state.problems else WORSE,))
        elif command is Step.CHOOSE:
            event = chosen or Chosen(7)
        state, command = step(state, event)
    return taken, command


def test_a_change_is_proved_twice_and_kept() -> None:
    """Shadow first, then switched, taken, proved, kept."""
    taken, end = talk()
    assert taken == [Step.SETTLE, Step.CHOOSE, *LIVE]
    assert end == End(Outcome.APPLIED)


def test_where_none_runs_the_shadow_is_the_proof() -> None:
    """Nobody is signalled and no port is knocked at."""
    taken, end = talk(running=False)
    assert taken == [Step.SETTLE, Step.CHOOSE, *SHADOW, Step.REMEMBER, Step.SWITCH, Step.KEEP]
    assert end.outcome is Outcome.APPLIED


@pytest.mark.parametrize(
    ("chosen", "outcome"),
    [(Chosen(3, changed=False), Outcome.UNCHANGED), (Chosen(0, asks=True), Outcome.ASKS)],
)
def test_nothing_to_do_ends_at_once(chosen: Chosen, outcome: Outcome) -> None:
    """No shadow, no switch."""
    assert talk(chosen=chosen) == ([Step.SETTLE, Step.CHOOSE], End(outcome))


@pytest.mark.parametrize("failing", [Step.SETTLE, Step.CHOOSE])
def test_what_cannot_be_chosen_is_refused(failing: Step) -> None:
    """The reason is told, nothing else happens."""
    taken, end = talk(fail=[failing])
    assert taken[-1] is failing
    assert end == End(Outcome.REFUSED, (BROKEN,))


@pytest.mark.parametrize("failing", [Step.START_SHADOW, Step.PROVE_SHADOW])
def test_a_shadow_that_fails_is_ended_and_its_generation_removed(failing: Step) -> None:
    """What runs is never touched."""
    taken, end = talk(fail=[failing])
    assert taken[taken.index(failing) + 1 :] == [Step.STOP_SHADOW, Step.DISCARD]
    assert end == End(Outcome.REFUSED, (BROKEN,))


@pytest.mark.parametrize("failing", [Step.RELOAD, Step.PROVE, Step.KEEP])
def test_after_the_signal_every_failure_leads_all_the_way_back(failing: Step) -> None:
    """The last good generation is switched to, taken, proved; the failed one is removed; the first reason is told."""
    taken, end = talk(fail=[failing])
    assert taken[taken.index(failing) + 1 :] == BACK
    assert end == End(Outcome.ROLLED_BACK, (BROKEN,))


def test_a_switch_that_fails_tells_nobody() -> None:
    """Httpd was not signalled, so it is not signalled back; the link is put right."""
    taken, end = talk(fail=[Step.SWITCH])
    assert taken[-3:] == [Step.BACK, Step.FORGET, Step.DISCARD]
    assert end.outcome is Outcome.REFUSED


def test_what_cannot_be_remembered_is_not_switched() -> None:
    """Without a way back there is no way forward."""
    taken, end = talk(fail=[Step.REMEMBER])
    assert Step.SWITCH not in taken
    assert taken[-2:] == [Step.FORGET, Step.DISCARD]
    assert end.outcome is Outcome.REFUSED


@pytest.mark.parametrize("failing", [Step.BACK, Step.RELOAD_BACK])
def test_a_way_back_that_fails_stays_open(failing: Step) -> None:
    """The link is not forgotten, so that the supervisor or the next command takes it; both reasons are told."""
    taken, end = talk(fail=[Step.PROVE, failing])
    assert taken[-1] is failing
    assert Step.FORGET not in taken
    assert end == End(Outcome.UNSETTLED, (BROKEN, WORSE))


def test_a_last_good_generation_that_is_not_proved_any_more() -> None:
    """It is in force, and that it is not proved is said."""
    taken, end = talk(fail=[Step.PROVE, Step.PROVE_BACK])
    assert taken[-2:] == [Step.FORGET, Step.DISCARD]
    assert end == End(Outcome.UNSETTLED, (BROKEN, WORSE))


def test_an_older_generation_is_never_removed() -> None:
    """What --back wanted back and could not have stays on disk."""
    taken, end = talk(chosen=Chosen(2, new=False), fail=[Step.PROVE])
    assert Step.DISCARD not in taken
    assert end.outcome is Outcome.ROLLED_BACK


IN_PLACE = Chosen(7, changed=False, new=False, members=True)


def test_members_change_in_place() -> None:
    """No shadow, no switch, no reload: the files, the proof, and it is kept."""
    taken, end = talk(chosen=IN_PLACE)
    assert taken == [Step.SETTLE, Step.CHOOSE, Step.MEMBERS, Step.PROVE, Step.KEEP]
    assert end == End(Outcome.APPLIED)


@pytest.mark.parametrize("failing", [Step.MEMBERS, Step.PROVE, Step.KEEP])
def test_members_that_are_not_proved_are_taken_back(failing: Step) -> None:
    """And that the old ones are back is proved; no generation is touched."""
    taken, end = talk(chosen=IN_PLACE, fail=[failing])
    assert taken[taken.index(failing) + 1 :] == [Step.MEMBERS_BACK, Step.PROVE_BACK]
    assert end == End(Outcome.ROLLED_BACK, (BROKEN,))


@pytest.mark.parametrize("failing", [Step.MEMBERS_BACK, Step.PROVE_BACK])
def test_members_that_cannot_be_taken_back_are_said_to_be_unsettled(failing: Step) -> None:
    """Both reasons are told."""
    taken, end = talk(chosen=IN_PLACE, fail=[Step.PROVE, failing])
    assert taken[-1] is failing
    assert end == End(Outcome.UNSETTLED, (BROKEN, WORSE))


@pytest.mark.parametrize("running", [True, False])
def test_whatever_fails_it_ends_and_is_never_called_applied(running: bool) -> None:
    """Every pair of failing steps: an end, the first reason in front, and no switch without something remembered."""
    for first in Step:
        for second in Step:
            taken, end = talk(running=running, fail={first, second})
            if {first, second} & set(taken):
                assert end.outcome is not Outcome.APPLIED
                assert end.problems[0] == BROKEN
            else:
                assert end.outcome is Outcome.APPLIED
            if Step.SWITCH in taken:
                assert taken.index(Step.REMEMBER) < taken.index(Step.SWITCH)
                assert taken.index(Step.PROVE_SHADOW) < taken.index(Step.SWITCH)
            if Step.SWITCH in taken and end.outcome not in {Outcome.APPLIED, Outcome.UNSETTLED}:
                assert Step.BACK in taken
            if Step.START_SHADOW in taken:
                assert Step.STOP_SHADOW in taken


def test_answers_to_other_questions_are_refused() -> None:
    """An event that nobody waits for is a bug, not a step."""
    state, _ = step(State(), Begin(running=True))
    for event in (Begin(running=True), Done(Step.KEEP), Chosen(1), Failed(Step.PROVE, (BROKEN,))):
        with pytest.raises(ValueError, match=r".*"):
            step(state, event)
