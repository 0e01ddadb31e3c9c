"""What each name of a gateway asks of every client in the TLS handshake, before any request is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gatewright.errors import Diagnostic, Severity
from gatewright.model.gateway import Gateway

ANY_OTHER = "any other name"


@dataclass(frozen=True, slots=True)
class HandshakePlan:
    """The handshake at one host and port.

    ``certificate`` is ``none`` (not asked for), ``optional`` (asked for; a client without one goes on) or ``require``.
    ``authorities`` are the subjects of the CAs whose names are sent to the client. ``prompts``: a browser that holds a
    certificate of one of them asks its user which to show; one that holds none says nothing. ``http2`` is offered by ALPN.
    """

    host: str
    port: int
    certificate: str
    authorities: tuple[str, ...] = ()
    prompts: bool = False
    http2: bool = True

    def as_dict(self) -> dict[str, object]:
        """The JSON form."""
        return {
            "host": self.host,
            "port": self.port,
            "certificate": self.certificate,
            "authorities": list(self.authorities),
            "browsers_prompt": self.prompts,
            "http2": self.http2,
        }


def handshake_plan(
    gateway: Gateway, mode: str, subjects: Mapping[str, tuple[str, ...]], *, rest: bool = True
) -> tuple[HandshakePlan, ...]:
    """One entry for each host of a virtual host and, with ``rest``, one for every other name, which is answered but never served.

    ``mode`` is what the listener asks (see :mod:`gatewright.compile.handshake`); ``subjects`` are the issuing CAs' by
    authority. Names that share their authorities ask the same; the name of one authority alone asks for its clients only, and a
    request under another name than the handshake's is refused.
    """
    names = tuple(s for authority in gateway.authorities for s in subjects.get(authority, ())) if mode != "none" else ()
    hosts = (*gateway.names, *gateway.addresses, *((ANY_OTHER,) if rest else ()))
    return tuple(HandshakePlan(str(h), gateway.listen.port, mode, names, bool(names)) for h in hosts)


def browsers_asked(plans: tuple[HandshakePlan, ...], gateway: Gateway) -> tuple[Diagnostic, ...]:
    """A note where browsers ask their users on public pages too, and no name spares them that.

    Measured with Chromium 156: with a certificate that fits and no policy, a public page is not shown before the user has chosen.
    """
    asking = [plan.host for plan in plans if plan.certificate == "optional" and plan.prompts and plan.host != ANY_OTHER]
    if not asking or gateway.public_hosts:
        return ()
    return (
        Diagnostic(
            "browsers-asked",
            f"public and protected routes share {', '.join(asking)}: a browser that holds a certificate asks its user which to show, on "
            "public pages too",
            "what is wanted is known only after the handshake; programs and browsers without a certificate notice nothing",
            "where people visit the public pages: give them a name of their own with 'public_hosts'; see docs/browser.md",
            severity=Severity.NOTE,
        ),
    )
