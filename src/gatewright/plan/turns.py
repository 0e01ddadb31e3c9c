"""A queue in which everybody waits for themselves: who comes often takes up only their own places, and turns go round."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Turns(Generic[T]):
    """Things that wait, each under the name of whoever brought it and under a key of its own: the same key waits once.

    ``most`` is how many of one name may wait; what is beyond is dropped, and has to come again.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: dict[str, dict[str, T]] = {}

    def __len__(self) -> int:
        """How many wait, of all names together."""
        return sum(map(len, self._waiting.values()))

    def add(self, name: str, key: str, thing: T) -> bool:
        """Let it wait; ``False`` where it does not, because ``name`` has no place left."""
        queue = self._waiting.setdefault(name, {})
        if key not in queue and len(queue) >= self._most:
            return False
        queue.setdefault(key, thing)
        return True

    def take(self, count: int) -> Iterator[T]:
        """At most ``count`` of them, one of each name in turn, each name's oldest first; the next call goes on from there."""
        for _ in range(count):
            name = next(iter(self._waiting), None)
            if name is None:
                return
            queue = self._waiting.pop(name)
            thing = queue.pop(next(iter(queue)))
            if queue:
                self._waiting[name] = queue
            yield thing
