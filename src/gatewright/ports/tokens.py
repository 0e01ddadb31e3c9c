"""How a key that never leaves its token is named: PKCS #11 URIs (RFC 7512)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import Self
from urllib.parse import quote, unquote

from gatewright.errors import ValueRejected

_EXAMPLE = "pkcs11:token=home?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/gatewright/home.pin"
_PATH_PARTS = {"token", "object", "type"}
_QUERY_PARTS = {"module-path", "pin-source"}


@dataclass(frozen=True, slots=True)
class TokenUri:
    """A token, and one key in it where ``label`` is set; the module that speaks to it, and where its PIN is found.

    ``pin_source`` is ``file:PATH``, or ``env:NAME`` where the environment variable NAME holds such a path. The PIN itself
    never stands in a URI, so URIs are safe to log.
    """

    token: str
    label: str | None = None
    module: PurePath | None = None
    pin_source: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """From ``pkcs11:token=…;object=…?module-path=…&pin-source=…`` (RFC 7512 §2.3). Raises :class:`ValueRejected`."""
        scheme, _, rest = text.partition(":")
        path, _, query = rest.partition("?")
        if scheme != "pkcs11":
            raise _bad("it does not start with 'pkcs11:'")
        if "pin-value" in query:
            raise ValueRejected(
                "pin-in-uri",
                "the PKCS #11 URI holds a PIN",
                "URIs appear in logs, process lists and backups",
                "put the PIN into a file of mode 0600 and write pin-source=file:PATH; change the PIN, too",
            )
        found = _parts(path, ";", _PATH_PARTS) | _parts(query, "&", _QUERY_PARTS)
        if "token" not in found:
            raise _bad("it names no token")
        if found.get("type", "private") != "private":
            raise _bad("type is not 'private'")
        source = found.get("pin-source")
        if source is not None and not source.startswith(("file:", "env:")):
            raise _bad("pin-source is neither file:PATH nor env:NAME")
        module = found.get("module-path")
        return cls(found["token"], found.get("object"), PurePath(module) if module is not None else None, source)

    def __str__(self) -> str:
        """The token and the key alone: what identifies the key on any machine."""
        label = f";object={quote(self.label, safe='')}" if self.label is not None else ""
        return f"pkcs11:token={quote(self.token, safe='')}{label}"


def _parts(text: str, separator: str, known: set[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in filter(None, text.split(separator)):
        name, equals, value = part.partition("=")
        if not equals or not value or name not in known or name in found:
            raise _bad(f"{name!r} is unknown, empty or there twice")
        found[name] = unquote(value)
    return found


def _bad(why: str) -> ValueRejected:
    return ValueRejected("bad-pkcs11-uri", f"the PKCS #11 URI is not usable: {why}", "", f"write it like {_EXAMPLE}")
