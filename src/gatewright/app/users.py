"""The ``user`` commands: files of users and hashed passwords, of routes that demand a password."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePath

import bcrypt

from gatewright.errors import Diagnostic, EnvironmentFault, UsageError, ValueRejected
from gatewright.model.values import RelativePath
from gatewright.pki import users
from gatewright.ports.files import FileKind, Files
from gatewright.ports.keystore import Randomness

MADE_ROUNDS, CHOSEN_ROUNDS = 5, 10
"""bcrypt's cost. A made password has 138 bits, which no speed of guessing makes up for; a chosen one is made slow to guess. Each request
costs the same (measured on httpd 2.4.71, bench/credentials.py): 2 ms at 5, 52 ms at 10."""


_PATIENCE_S = 0.2
"""Seconds to wait for another change, which takes a few thousandths: passwords are hashed before."""


@dataclass(frozen=True, slots=True)
class Users:
    """The use case over its ports. ``folder`` is the gateway's; files are named as gateway.yaml names them.

    Every method raises :class:`UsageError` for a path that leads elsewhere, and for a file that is none of users.
    """

    files: Files
    randomness: Randomness
    folder: PurePath

    def names(self, file: str) -> tuple[str, ...]:
        """Who stands in the file, in its order."""
        return tuple(self._read(file))

    def add(self, file: str, name: str, password: str | None) -> str:
        """Give ``name`` the password, or one that is made here; it is the result. An earlier one is replaced, a missing file made."""
        word = self.randomness.passphrase() if password is None else password
        salt = bcrypt.gensalt(MADE_ROUNDS if password is None else CHOSEN_ROUNDS)
        try:
            entry = {users.name_of(name): users.hashed(word, salt)}
        except ValueRejected as problem:
            raise UsageError(problem.at(None)) from problem
        with self._alone():
            known = self._read(file, missing_ok=True)
            self.files.make_folder(self._path(file).parent)
            self._write(file, known | entry)
        return word

    def remove(self, file: str, name: str) -> None:
        """Take ``name`` out; effective with the next request. Raises :class:`UsageError` if there is no such user."""
        with self._alone():
            known = self._read(file)
            if name not in known:
                what = f"{file} has no user {name!r}"
                raise UsageError(Diagnostic("unknown-user", what, "", f"see who is there: gatewright user list {file}"))
            del known[name]
            self._write(file, known)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else reads and writes a file of users meanwhile: one of two changes would be lost, perhaps one that shuts somebody out."""
        run = self.folder / "run"
        self.files.make_folder(run)
        with self.files.lock(run / "users.lock", patience=_PATIENCE_S) as ours:
            if not ours:
                raise EnvironmentFault(
                    Diagnostic(
                        "users-under-change",
                        f"another process is changing the users of the gateway in {self.folder}",
                        "one of the two changes would be lost",
                        "run it again",
                    )
                )
            yield

    def _path(self, file: str) -> PurePath:
        try:
            return self.folder / RelativePath.parse(file)
        except ValueRejected as problem:
            raise UsageError(problem.at(None)) from problem

    def _read(self, file: str, *, missing_ok: bool = False) -> dict[str, str]:
        path = self._path(file)
        kind = self.files.kind(path)
        if kind is FileKind.MISSING and missing_ok:
            return {}
        if kind is not FileKind.FILE:
            fix = f"gatewright user add {file} NAME"
            raise UsageError(Diagnostic("no-users-file", f"there is no file {file!r} of users", "", fix))
        try:
            return users.read(self.files.read(path))
        except ValueError as problem:
            what = f"{file!r} is not usable as a file of users: {problem}"
            raise UsageError(
                Diagnostic("no-users-file", what, "", "remove that line, or begin with another file")
            ) from problem

    def _write(self, file: str, known: dict[str, str]) -> None:
        self.files.write(self._path(file), users.text(known), 0o640)
