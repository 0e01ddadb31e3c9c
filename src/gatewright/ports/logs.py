"""Files that grow while we read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Protocol


@dataclass(frozen=True, slots=True)
class LogLine:
    """One complete line, without its line end, of the file known as ``source``."""

    source: str
    text: str


class Follower(Protocol):
    """Follows several files at once, through truncation and rotation, in bounded memory."""

    def follow(self, source: str, path: PurePath, *, from_start: bool = False) -> None:
        """Begin with ``path`` at its end (or start); it need not exist yet. The name ``source`` marks its lines."""
        ...

    def read(self) -> Sequence[LogLine]:
        """The lines completed since the last call, at most some thousands; never waits."""
        ...
