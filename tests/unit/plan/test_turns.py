"""The queue of first contacts: nobody's flood takes another's place."""

from __future__ import annotations

from gatewright.plan.turns import Turns


def test_a_flood_of_one_keeps_no_other_waiting() -> None:
    """Five hundred of one authority wait already; the first of another is among the next two."""
    turns = Turns[str](250)
    taken = [turns.add("loud", str(number), f"loud {number}") for number in range(500)]
    assert taken.count(True) == 250
    assert turns.add("quiet", "a", "quiet a")
    assert list(turns.take(2)) == ["loud 0", "quiet a"]


def test_turns_go_on_where_they_ended() -> None:
    """One of each name; what is left comes in the next calls, oldest first, and then nothing."""
    turns = Turns[str](10)
    for name, key in (("a", "1"), ("a", "2"), ("b", "1"), ("c", "1"), ("a", "3")):
        turns.add(name, key, f"{name}{key}")
    assert list(turns.take(2)) == ["a1", "b1"]
    assert list(turns.take(2)) == ["c1", "a2"]
    assert list(turns.take(2)) == ["a3"]
    assert list(turns.take(2)) == []
    assert len(turns) == 0


def test_the_same_waits_once() -> None:
    """A certificate that comes again while it waits keeps its one place, also where all are taken; another has none."""
    turns = Turns[str](1)
    assert turns.add("a", "1", "first")
    assert turns.add("a", "1", "again")
    assert not turns.add("a", "2", "other")
    assert list(turns.take(5)) == ["first"]
