"""Explaining what is in a file. Reads it, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath

from gatewright.errors import Diagnostic, UsageError
from gatewright.pki.describe import Description
from gatewright.pki.describe_files import describe_file
from gatewright.ports.clock import Clock
from gatewright.ports.files import FileKind, Files


@dataclass(frozen=True, slots=True)
class Showing:
    """The use case over its ports."""

    files: Files
    clock: Clock

    def __call__(self, path: PurePath, password: bytes | None) -> tuple[Description, ...]:
        """One description for each thing in the file. Raises :class:`UsageError` for what cannot be read."""
        data = read_given(self.files, path)
        return describe_file(data, str(path), self.clock.now(), password=password, mode=self.files.mode(path))

    def password(self, path: PurePath) -> bytes:
        """The first line of a password file, without its line end."""
        return read_given(self.files, path).split(b"\n", 1)[0].removesuffix(b"\r")


def read_given(files: Files, path: PurePath) -> bytes:
    """The content of a file named on the command line. Raises :class:`UsageError` where there is none to read."""
    kind = files.kind(path)
    words = {
        FileKind.MISSING: f"there is no file {str(path)!r}",
        FileKind.FOLDER: f"{str(path)!r} is a folder",
        FileKind.UNREADABLE: f"{str(path)!r} may not be read",
    }
    if kind in words:
        raise UsageError(Diagnostic("no-such-file", words[kind], "", "give the path of a file that you may read"))
    return files.read(path)
