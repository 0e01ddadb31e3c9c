"""Clients that httpd cannot recognise by itself: whose they are, and how their certificates are written down.

An enrolled certificate is an empty file named after the SHA-1 of its PEM text, which is all that httpd can compute:
``members/NNNN/CLIENT/AUTHORITY/cert-SHA1`` admits, ``contacts/known/AUTHORITY/SHA1`` says that it was looked at, whatever came
of it, and ``contacts/quiet/AUTHORITY`` that first contacts of an authority are not logged for now.
"""

from __future__ import annotations

from gatewright.model.gateway import Client, Gateway
from gatewright.model.values import Name

ENTRY = "cert-"
"""What the name of a member's file begins with; the SHA-1 follows."""

CANARY = "canary-"
"""What the name of the file begins with that says an entry is the prover's own: the second since 1970 at which it ends, a
hyphen, and the SHA-1. The entry stays until then, whatever the policy says; its requests end at the canary."""

KNOWN, QUIET = "known", "quiet"
"""Folders below ``contacts``."""


def clients_by_enrolment(gateway: Gateway, authority: Name | None = None) -> dict[Name, Client]:
    """The clients of ``authority`` (of any, without it) that are recognised by an enrolled certificate, in the file's order."""
    return {
        name: client
        for name, client in gateway.clients.items()
        if client.by_enrolment and authority in (None, client.authority)
    }


def enrolling_authorities(gateway: Gateway) -> tuple[Name, ...]:
    """The authorities with such clients, in the file's order."""
    wanted = {client.authority for client in clients_by_enrolment(gateway).values()}
    return tuple(name for name in gateway.authorities if name in wanted)
