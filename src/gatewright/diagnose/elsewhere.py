"""What an operator is told of a CA that a handshake did not trust, where the gateway has several names with a trust of their own."""

from __future__ import annotations

from collections.abc import Mapping

from gatewright.diagnose.refusals import spelled_dn
from gatewright.model.gateway import Gateway


def elsewhere(gateway: Gateway, subjects: Mapping[str, tuple[str, ...]], issuer: str) -> str:
    """What follows ``certificate CN=x was issued by CN=y``; empty where nothing is known that the general words do not say.

    ``subjects`` are the DNs of each authority's CAs as mod_ssl spells them, ``issuer`` is a DN as it was told. The line in the log
    does not say which name was asked for, so that this is a question and no verdict.
    """
    if not gateway.own_hosts:
        return ""
    names: dict[str, None] = {}
    for name, authority in gateway.authorities.items():
        if any(spelled_dn(subject) == issuer for subject in subjects.get(name, ())):
            names |= dict.fromkeys(map(str, gateway.hosts if authority.host is None else (authority.host,)))
    if names:
        return f": a CA of that name is trusted under {', '.join(names)} only, was another name asked for?"
    deep = [str(name) for name, authority in gateway.authorities.items() if authority.depth]
    if deep:
        return f", which no authority of this gateway trusts; a client of {' or '.join(deep)} must send the CAs in between along"
    return ""
