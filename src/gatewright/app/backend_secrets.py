"""The secrets that requests to backends are signed with: one file for each name, made here, given to the backend by a person.

A file holds one secret a line, all of which sign every request. A secret is replaced without an outage by three steps: a second
line is added and applied, the backend is given the second, the first is removed and that applied.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from gatewright.app.places import Places
from gatewright.errors import Diagnostic, EnvironmentFault, Severity
from gatewright.model.gateway import Gateway
from gatewright.model.signature import KEY_DIGITS, secret_file
from gatewright.model.values import Name
from gatewright.ports.files import FileKind, Files
from gatewright.ports.keystore import Randomness

_SECRET = re.compile(f"[0-9a-f]{{{2 * KEY_DIGITS}}}\\Z")
_MOST = 3
"""More secrets at once than an overlap needs are a rotation that somebody forgot to finish."""


def ensure_secrets(places: Places, gateway: Gateway, files: Files, randomness: Randomness) -> tuple[Diagnostic, ...]:
    """Make what is missing, and say of each new one where it is. Raises :class:`EnvironmentFault`."""
    told = []
    for name in gateway.signing_names:
        path = places.folder / secret_file(name)
        if files.kind(path) is FileKind.MISSING:
            files.make_folder(path.parent, 0o700)
            files.write(path, f"{randomness.secret()}\n".encode(), 0o600)
            told.append(
                Diagnostic(
                    "signing-secret-made",
                    f"requests to the backends signed as {name!r} are signed with a new secret: {secret_file(name)}",
                    "the backend needs the same file to tell them from requests that did not come through the gateway",
                    "copy it there by a safe way, readable for the backend's account only (docs/backends.md)",
                    severity=Severity.WARNING,
                )
            )
    return tuple(told)


def read_secrets(places: Places, names: Iterable[Name], files: Files) -> dict[Name, tuple[str, ...]]:
    """The secrets of each name. Raises :class:`EnvironmentFault` for a file that others can read, or that holds anything else."""
    return {name: _read(places, name, files) for name in names}


def _read(places: Places, name: Name, files: Files) -> tuple[str, ...]:
    path = places.folder / secret_file(name)
    if files.kind(path) is not FileKind.FILE:
        raise _fault(
            "signing-secret-missing", f"{path} is not there", "put it back, or run 'gatewright apply' for a new one"
        )
    mode = files.mode(path)
    if mode & 0o077:
        what = f"{path} has mode {mode:04o}: others than its owner can read or change it"
        raise _fault(
            "signing-secret-readable", what, f"chmod 600 {path}; if somebody may have read it, replace the secret"
        )
    lines = [line.strip() for line in files.read(path).decode("ascii", "replace").splitlines()]
    secrets = tuple(line for line in lines if line and not line.startswith("#"))
    if not secrets or len(secrets) > _MOST or len(set(secrets)) < len(secrets):
        what = f"{path} holds {len(secrets)} secrets, or one of them twice"
        raise _fault("bad-signing-secret", what, f"leave one to {_MOST} lines, each with another secret")
    for number, secret in enumerate(secrets, 1):
        if not _SECRET.match(secret):
            what = f"{path}: secret {number} is not {2 * KEY_DIGITS} hexadecimal digits in lower case"
            raise _fault("bad-signing-secret", what, f"write it with: openssl rand -hex {KEY_DIGITS} >> {path}")
    return secrets


def _fault(code: str, what: str, fix: str) -> EnvironmentFault:
    why = "the backend could no longer tell the gateway's requests from anybody's"
    return EnvironmentFault(Diagnostic(code, what, why, fix))
