"""The dialogue of first contacts: what is looked at, what is remembered, and what a flood gets."""

from __future__ import annotations

from gatewright.plan.contacts import (
    Command,
    Enrol,
    Event,
    Forget,
    Limits,
    Look,
    Looked,
    Quiet,
    Remember,
    Reviewed,
    Seen,
    State,
    Tell,
    Time,
    step,
)

LIMITS = Limits(looks=3, window=60.0, refused=2, enrolled=2, told=1)


def play(*events: Event, state: State | None = None) -> tuple[State, list[Command]]:
    """The state after ``events``, and the commands of the last."""
    state = state or State(LIMITS)
    commands: tuple[Command, ...] = ()
    for event in events:
        state, commands = step(state, event)
    return state, list(commands)


def test_a_new_certificate_is_looked_at_once() -> None:
    """Seen: a look. Its answer: enrolled, or remembered as refused. Seen again: no second look."""
    state, commands = play(Seen(0, "a", "1"))
    assert commands == [Look("a", "1")]
    state, commands = play(Looked(0, "a", "1", matches=True, reason="it is job"), state=state)
    assert commands == [Enrol("a", "1"), Tell("Enrolled a certificate of a: it is job.")]
    assert play(Seen(1, "a", "1"), state=state)[1] == [Remember("a", "1")]
    state, commands = play(Seen(1, "a", "2"), Looked(1, "a", "2", matches=False, reason="no"), state=state)
    assert commands[0] == Remember("a", "2")
    assert play(Seen(2, "a", "2"), state=state)[1] == [Remember("a", "2")]


def test_a_flood_is_met_with_silence_for_one_authority() -> None:
    """Beyond the limit nothing of that authority is looked at until the window is over; others are not concerned."""
    state, commands = play(*(Seen(float(n), "a", str(n)) for n in range(4)))
    assert commands[0] == Quiet("a", quiet=True)
    assert isinstance(commands[1], Tell)
    assert play(Seen(5, "a", "x"), state=state)[1] == []
    assert play(Seen(5, "b", "x"), state=state)[1] == [Look("b", "x")]
    assert play(Time(59), state=state)[1] == []
    state, commands = play(Time(60), state=state)
    assert commands == [Quiet("a", quiet=False)]
    assert play(Seen(61, "a", "x"), state=state)[1] == [Look("a", "x")]


def test_memory_is_bounded() -> None:
    """The oldest refusal is forgotten for a new one; beyond the limit nothing more is enrolled, and that is told."""
    refusals = [Looked(0, "a", str(n), matches=False, reason="no") for n in range(3)]
    state, commands = play(*refusals)
    assert commands == [Remember("a", "2"), Forget("a", "0")]
    assert state.ledgers["a"].refused == ("1", "2")
    state, commands = play(*(Looked(0, "b", str(n), matches=True, reason="job") for n in range(3)))
    assert commands[0] == Remember("b", "2")
    assert "which is the most" in str(commands[1])
    assert state.ledgers["b"].enrolled == {"0", "1"}


def test_refusals_are_told_sparingly() -> None:
    """One by one up to the limit of a window, then silently."""
    _, first = play(Looked(0, "a", "0", matches=False, reason="no"))
    _, second = play(*(Looked(float(n), "a", str(n), matches=False, reason="no") for n in range(2)))
    _, later = play(*(Looked(n * 61.0, "a", str(n), matches=False, reason="no") for n in range(2)))
    assert [sum(isinstance(c, Tell) for c in told) for told in (first, second, later)] == [1, 0, 1]


def test_a_review_forgets_what_may_be_otherwise_now() -> None:
    """Refused ones are looked at again; what is no longer enrolled is forgotten; what is, is remembered."""
    state, _ = play(
        Looked(0, "a", "1", matches=True, reason="job"),
        Looked(0, "a", "2", matches=False, reason="no"),
        Looked(0, "a", "3", matches=True, reason="job"),
    )
    state, commands = play(Reviewed({"a": frozenset({"3", "4"})}), state=state)
    assert commands == [Forget("a", "2"), Forget("a", "1"), Remember("a", "4")]
    assert play(Seen(1, "a", "1"), state=state)[1] == [Look("a", "1")]
    assert play(Seen(1, "a", "4"), state=state)[1] == [Remember("a", "4")]
