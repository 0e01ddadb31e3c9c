"""Files and folders, with the two promises everything rests on: writes are whole or absent, secrets are 0600 from birth."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import PurePath
from typing import Protocol


class FileKind(enum.StrEnum):
    """What stands at a path."""

    MISSING = "missing"
    FILE = "file"
    FOLDER = "folder"
    OTHER = "other"
    UNREADABLE = "unreadable"


class Files(Protocol):
    """A file system. Every method raises :class:`~gatewright.errors.EnvironmentFault` with the path and the way out."""

    def kind(self, path: PurePath) -> FileKind:
        """What stands at ``path`` (symbolic links followed), as this process may see it."""
        ...

    def mode(self, path: PurePath) -> int:
        """The permission bits of what stands at ``path`` (symbolic links followed), e.g. ``0o600``."""
        ...

    def read(self, path: PurePath) -> bytes:
        """The whole content."""
        ...

    def write(self, path: PurePath, content: bytes, mode: int = 0o640) -> None:
        """Whole or not at all: temporary file with ``mode`` from birth, fsync, rename, fsync of the folder."""
        ...

    def write_new(self, files: Sequence[tuple[PurePath, bytes, int]]) -> None:
        """Many files (path, content, mode) that nobody reads yet, in folders that are there; durable when this returns."""
        ...

    def touch(self, path: PurePath) -> None:
        """An empty file, there at once for every process, but not waited for to reach the disk."""
        ...

    def stamp(self, path: PurePath) -> tuple[int, int, int]:
        """Three numbers of what stands at ``path`` that are others once it was written again; zeros where there is nothing."""
        ...

    def rotate(self, path: PurePath, most: int, keep: int) -> bool:
        """Where the file holds more than ``most`` octets, copy it to ``path.1`` and empty it in place; whether that was done.

        ``keep`` copies stay, the newest is ``.1``. Whoever appends to the file goes on at its new end.
        """
        ...

    def make_folder(self, path: PurePath, mode: int = 0o750) -> None:
        """The folder, and missing parents, with ``mode``; nothing happens to one that is there."""
        ...

    def remove(self, path: PurePath) -> None:
        """The file, link or whole tree at ``path``; nothing happens if there is none."""
        ...

    def list(self, path: PurePath) -> Sequence[str]:
        """Names in a folder, sorted."""
        ...

    def point(self, link: PurePath, target: str) -> None:
        """Make ``link`` a symbolic link to ``target``, replacing an older link atomically."""
        ...

    def target(self, link: PurePath) -> str | None:
        """Where the symbolic link points, or ``None`` if it is none."""
        ...

    def lock(self, path: PurePath, *, patience: float = 0.0) -> AbstractContextManager[bool]:
        """Hold an exclusive lock while inside; yields ``False`` when another process holds it.

        ``patience``: seconds for which that is waited out. Whoever only looks whether a lock is held holds it for an instant.
        """
        ...

    def own(self, path: PurePath, group: int) -> None:
        """Give the file or folder to the group with this id, so that its group bits mean httpd's children."""
        ...
