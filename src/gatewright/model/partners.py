"""Partners: whose authorities vouch for whom, whom to ask, and whether they are let in at all at present."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from gatewright.errors import ValueRejected
from gatewright.model.keys import key
from gatewright.model.matchers import EmailAddress, UriName
from gatewright.model.values import HostName, Name

_BELOW = "*."


class AllowedName(str):
    """A name that certificates may carry: a DNS name, ``*.`` and a DNS name (every name below it), an e-mail address or a URI."""

    __slots__ = ()
    schema: ClassVar[dict[str, object]] = {"type": "string", "minLength": 1, "maxLength": 2048}

    @classmethod
    def parse(cls, text: str) -> Self:
        """From one of the four. Raises :class:`ValueRejected` for an IP address, which no client is known by, and anything else."""
        try:
            if ":" in text and not text.startswith(_BELOW):
                return cls(UriName.parse(text))
            if "@" in text:
                return cls(EmailAddress.parse(text))
            host = HostName.parse(text.removeprefix(_BELOW))
        except ValueRejected:
            host = HostName("")
        if not host or host.is_address:
            raise ValueRejected(
                "bad-allowed-name",
                f"{text[:80]!r} is no name that a client's certificate can carry",
                "it says which names we sign for this partner",
                "write a DNS name, '*.' and a DNS name, an e-mail address or a URI",
            )
        return cls(f"{_BELOW}{host}" if text.startswith(_BELOW) else host)

    def covers(self, name: HostName | EmailAddress | UriName) -> bool:
        """Whether ``name`` is this one, or a DNS name below it. A name of one kind is never one of another."""
        if isinstance(name, HostName):
            below = self.startswith(_BELOW) and name.endswith(self[1:]) and len(name) >= len(self)
            return str(name) == str(self) or (below and not name.is_address)
        return str(name) == str(self)


@dataclass(frozen=True, slots=True)
class Partner:
    """One partner: its authorities, which are nobody else's, whom to ask, and whether it is let in.

    An authority with an `anchor` is the partner's own CA, and the partner issues its clients' certificates. A `managed` one is kept
    here for the partner alone: it keeps its keys and sends requests, which `gatewright cert sign` signs.
    """

    authorities: tuple[Name, ...] = key(
        "The partner's authority, or a list of them. No other partner has it, and neither the gateway nor a backend is shown a "
        "certificate of it.",
        name="authority",
        example="globex",
    )
    contact: str | None = key(
        "Whom to ask when something is wrong or about to end: an address, a number, a name.",
        example="pki@globex.example",
        default=None,
    )
    names: tuple[AllowedName, ...] = key(
        "What certificates that we sign for this partner may carry: DNS names, `*.` and a DNS name for every name below it, e-mail "
        "addresses, URIs. A client with another name is refused, here and by `gatewright cert sign`. Without it: what its clients' "
        "entries say. Only where an authority of the partner is `managed`.",
        example='["*.globex.example"]',
        default=(),
    )
    disabled: bool = key(
        "`true`: none of its authorities is trusted for anything, so that none of its clients is admitted anywhere and no certificate "
        "is signed for it. Everything else about it stays as it is.",
        default=False,
    )

    def allows(self, name: HostName | EmailAddress | UriName) -> bool:
        """Whether a certificate that we sign for this partner may carry ``name``."""
        return not self.names or any(allowed.covers(name) for allowed in self.names)

    def for_httpd(self) -> Self:
        """What of it matters to a running gateway: two that are equal so make the same configuration."""
        return replace(self, contact=None, names=())
