"""Following files that grow, are truncated, or are renamed away by log rotation."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

from gatewright.ports.logs import LogLine

_CHUNK = 256 * 1024
"""Octets read from one file per call: bounds memory, and a burst is taken in several calls."""
LONGEST_LINE = 32 * 1024
"""Longer lines are cut: httpd writes at most 8 KiB of error message, and a request line of at most 8 KiB thrice."""


@dataclass(slots=True)
class _Tail:
    source: str
    path: PurePath
    handle: int | None = None
    inode: tuple[int, int] = (0, 0)
    position: int = 0
    partial: bytearray = field(default_factory=bytearray)

    def open(self, *, at_end: bool) -> None:
        try:
            self.handle = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            return  # not there yet, or not readable for the moment; tried again at the next read
        status = os.fstat(self.handle)
        if not stat.S_ISREG(status.st_mode):
            self.close()
            return
        self.inode = (status.st_dev, status.st_ino)
        self.position = status.st_size if at_end else 0
        self.partial.clear()

    def close(self) -> None:
        if self.handle is not None:
            os.close(self.handle)
        self.handle = None

    def replaced(self) -> bool:
        """Whether the path now leads to another file (rotation)."""
        try:
            status = os.stat(self.path)  # noqa: PTH116 -- the path is pure
        except OSError:
            return False
        return (status.st_dev, status.st_ino) != self.inode

    def lines(self) -> Iterator[bytes]:
        if self.handle is None:
            self.open(at_end=False)
        if self.handle is None:
            return
        if os.fstat(self.handle).st_size < self.position:  # truncated in place
            self.position = 0
            self.partial.clear()
        chunk = os.pread(self.handle, _CHUNK, self.position)
        self.position += len(chunk)
        yield from self._split(chunk)
        if not chunk and self.replaced():
            # Only after the old file is read to its end, so that no line is lost between the two.
            self.close()
            self.open(at_end=False)

    def _split(self, chunk: bytes) -> Iterator[bytes]:
        *complete, rest = chunk.split(b"\n")
        for part in complete:
            yield bytes(self.partial + part)[:LONGEST_LINE]
            self.partial.clear()
        self.partial += rest[: max(0, LONGEST_LINE - len(self.partial))]


class FileFollower:
    """:class:`gatewright.ports.logs.Follower` by reading at intervals. Close it with :meth:`close`."""

    def __init__(self) -> None:
        self._tails: dict[str, _Tail] = {}

    def follow(self, source: str, path: PurePath, *, from_start: bool = False) -> None:
        """Begin with ``path`` at its end (or start); it need not exist yet. The name ``source`` marks its lines."""
        if source in self._tails:
            self._tails[source].close()
        tail = _Tail(source, path)
        tail.open(at_end=not from_start)
        self._tails[source] = tail

    def read(self) -> Sequence[LogLine]:
        """The lines completed since the last call, at most 256 KiB of each file; never waits."""
        return [
            LogLine(tail.source, line.decode("utf-8", "replace"))
            for tail in self._tails.values()
            for line in tail.lines()
        ]

    def close(self) -> None:
        """Let go of every file."""
        for tail in self._tails.values():
            tail.close()
        self._tails.clear()
