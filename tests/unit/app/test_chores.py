"""What a supervisor looks after: one thing that fails neither ends it nor keeps the others back."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from gatewright.app.chores import Chores, unfailing
from gatewright.errors import Diagnostic, EnvironmentFault

_FULL = EnvironmentFault(Diagnostic("disk-full", "the disk is full", "", "make room"))
_NO_MEMORY = OSError(errno.ENOMEM, "Cannot allocate memory")


@dataclass
class Chore:
    """Counts its turns, and fails for as long as the test wants it to."""

    problem: Exception | None = None
    turns: int = 0

    def __call__(self) -> None:
        """One turn."""
        self.turns += 1
        if self.problem is not None:
            raise self.problem


@dataclass
class World:
    """Two chores and what is said."""

    first: Chore = field(default_factory=Chore)
    second: Chore = field(default_factory=Chore)
    said: list[str] = field(default_factory=list)

    def chores(self) -> Callable[[], None]:
        """Both, the first one first."""
        return Chores(self.said.append, self.first, self.second)


@pytest.mark.parametrize(
    ("problem", "told"),
    [(_FULL, "Warning: the disk is full (make room)"), (_NO_MEMORY, "Cannot allocate memory")],
)
def test_what_a_machine_lacks_is_said_once_and_tried_again(problem: Exception, told: str) -> None:
    """A full disk or a lack of memory is told once for as long as it lasts; the same and every other chore go on."""
    world = World(Chore(problem))
    chores = world.chores()
    for _ in range(3):
        chores()
    assert (world.first.turns, world.second.turns) == (3, 3)
    assert len(world.said) == 1
    assert told in world.said[0]
    world.first.problem = None
    chores()
    world.first.problem = problem
    chores()
    assert len(world.said) == 2


def test_a_bug_is_said_with_all_that_is_known_and_ends_nothing() -> None:
    """Once, with its traceback, while it lasts; the others go on. An interrupt is none."""
    world = World(Chore(KeyError("x")))
    chores = world.chores()
    chores()
    chores()
    assert (world.first.turns, world.second.turns) == (2, 2)
    assert world.said[0] == "This is a bug in Gatewright, and the gateway serves on: KeyError: 'x'"
    assert sum("raise self.problem" in line for line in world.said) == 1
    assert not [line for line in world.said if "\n" in line]


def test_an_interrupt_goes_through() -> None:
    """Whoever stops the program stops it."""
    world = World()

    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Chores(world.said.append, interrupted)()


def test_a_line_that_cannot_be_told_ends_nothing() -> None:
    """The first one is said as a bug, further ones of its kind are passed over, and the lines that can be told are."""

    def tell(text: str) -> tuple[str, ...]:
        return (f"1/{1 // int(text)}",)

    told = unfailing(tell)
    assert told("1") == ("1/1",)
    assert told("0")[0].startswith("This is a bug in Gatewright, and the gateway serves on: ZeroDivisionError")
    assert told("0") == ()
    assert told("x")[0].startswith("This is a bug in Gatewright, and the gateway serves on: ValueError")
    assert told("1") == ("1/1",)
