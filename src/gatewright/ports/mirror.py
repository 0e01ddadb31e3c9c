"""A copy of files for eyes that may not see the original."""

from __future__ import annotations

from pathlib import PurePath
from typing import Protocol


class Mirror(Protocol):
    """Keeps a copy of a file or folder, readable by one group and nobody else."""

    def sync(self, source: PurePath, target: PurePath, group: int) -> int:
        """Make ``target`` equal to ``source`` and tell how many files or folders that changed.

        Symbolic links and special files are left out. Files are replaced whole; a reader never sees half of one.
        Raises :class:`~gatewright.errors.EnvironmentFault`.
        """
        ...
