"""Files of users and of token issuers' keys for a shadow instance: those of the gateway, and one user and one key more in each.

Both are made for one proof, are known to nobody else, and open nothing: the real gateway reads other files, and test identities end
at the canary.
"""

from __future__ import annotations

from pathlib import PurePosixPath

import bcrypt
from joserfc.jwk import ECKey

from gatewright.compile.ir import directive
from gatewright.compile.render import render
from gatewright.errors import Diagnostic, EnvironmentFault
from gatewright.model.gateway import Gateway
from gatewright.model.machine import Layout
from gatewright.ports.files import Files
from gatewright.ports.keystore import Randomness
from gatewright.prove.vouching import Vouching

_ROUNDS = 4
"""bcrypt's least (2^4 rounds): the password has 128 random bits, and each probe costs what the hash does."""


def vouching(randomness: Randomness) -> Vouching:
    """Who vouches in one proof."""
    return Vouching(randomness.passphrase(), ECKey.generate_key("P-256"), ECKey.generate_key("P-256"))


def demands_credentials(gateway: Gateway) -> bool:
    """Whether there is anything to vouch for."""
    return any(route.credentials is not None for route in gateway.routes.values())


def write_vouched(  # noqa: PLR0917 - where from, where to, for whom
    files: Files, gateway: Gateway, layout: Layout, folder: PurePosixPath, who: Vouching, gid: int | None
) -> dict[bytes, bytes]:
    """Write the files below ``folder``. Returns the lines of the configuration that name files of users, and what must stand instead.

    Raises :class:`EnvironmentFault` for a file that is not what it is for.
    """
    lines: dict[bytes, bytes] = {}
    for credentials in dict.fromkeys(r.credentials for r in gateway.routes.values() if r.credentials is not None):
        path = credentials.basic if credentials.bearer is None else credentials.bearer.jwks.file
        assert path is not None
        content = files.read(layout.credentials / path)
        try:
            more = who.users(content, bcrypt.gensalt(_ROUNDS)) if credentials.bearer is None else who.keys(content)
        except ValueError as problem:
            what = f"{path} is not what it is used for"
            raise EnvironmentFault(
                Diagnostic("credentials-unreadable", what, str(problem), "see: gatewright check")
            ) from problem
        target = folder / path
        for above in [p for p in reversed(target.parents) if p.is_relative_to(folder)]:
            files.make_folder(above)
            if gid is not None:
                files.own(above, gid)
        files.write(target, more, 0o640)
        if gid is not None:
            files.own(target, gid)
        if credentials.bearer is None:
            lines[_users(layout.credentials / path)] = _users(target)
    return lines


def _users(path: PurePosixPath) -> bytes:
    return render((directive("AuthUserFile", str(path)),)).encode("utf-8", "surrogateescape")
