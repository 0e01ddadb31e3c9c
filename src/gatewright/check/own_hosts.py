"""Rules about authorities with a host name of their own."""

from __future__ import annotations

from collections.abc import Iterator

from gatewright.check.registry import Finding, View, rule
from gatewright.model.values import HostName, Name

DEEPEST = 5
"""CAs between anchor and client. Usual hierarchies have one or two; each more is one more party that must be believed."""


@rule("host-of-managed")
def host_of_managed(view: View) -> Iterator[Finding]:
    """A managed authority has an issuing CA by design, which shares a name with others soundly."""
    for name, authority in view.gateway.authorities.items():
        if authority.host is not None and authority.managed:
            what = f"authority {name!r} is managed here and has a 'host' of its own"
            why = (
                "its clients are told apart by their issuing CA; a name of its own is for partners' CAs that cannot be"
            )
            yield Finding(("authorities", name, "host"), what, why, "remove 'host'")


@rule("host-taken")
def host_taken(view: View) -> Iterator[Finding]:
    """A name decides whom the handshake trusts, so it belongs to the gateway as a whole or to one authority."""
    owners: dict[HostName, str] = dict.fromkeys(view.gateway.hosts, "the gateway itself")
    for number, host in enumerate(view.gateway.public_hosts):
        if host in owners:
            what = f"the public host {str(host)!r} is a name of {owners[host]} too"
            why = "under one name a certificate is asked for or it is not"
            yield Finding(("public_hosts", number), what, why, "write it in one of the two places")
        owners.setdefault(host, "the public hosts")
    for name, authority in view.gateway.authorities.items():
        if authority.host is None:
            continue
        owner = owners.setdefault(authority.host, f"authority {name!r}")
        if owner != f"authority {name!r}":
            what = f"the host {str(authority.host)!r} of authority {name!r} is that of {owner}"
            why = "under one name only one set of authorities can be trusted"
            yield Finding(("authorities", name, "host"), what, why, "write another name, and let DNS point it here too")


@rule("host-is-address")
def host_is_address(view: View) -> Iterator[Finding]:
    """Clients send no address in the handshake (RFC 6066 §3), so httpd could not choose by it."""
    for name, authority in view.gateway.authorities.items():
        if authority.host is not None and authority.host.is_address:
            what = f"the host of authority {name!r} is the IP address {authority.host}"
            why = "a TLS client names no address in its handshake, so nobody could be told apart by it"
            yield Finding(("authorities", name, "host"), what, why, "write a DNS name")


@rule("public-host-unusable", of_the_whole=True)
def public_host_unusable(view: View) -> Iterator[Finding]:
    """Clients send no address in the handshake (RFC 6066 §3), and a name under which nothing answers is a mistake."""
    for number, host in enumerate(view.gateway.public_hosts):
        place = ("public_hosts", number)
        if host.is_address:
            what = f"the public host {host} is an IP address"
            why = "a TLS client names no address in its handshake, so it could not be kept from being asked"
            yield Finding(place, what, why, "write a DNS name")
        elif not any(route.access.is_public for route in view.gateway.routes.values()):
            what = f"nothing answers under the public host {str(host)!r}: no route is public"
            yield Finding(place, what, "public routes alone answer there", "remove 'public_hosts'")


@rule("anchor-depth")
def anchor_depth(view: View) -> Iterator[Finding]:
    """How many CAs may stand below an anchor is said exactly, and the anchor must allow it itself."""
    limits: dict[Name, int] = {}
    for name, _, fact in view.anchors():
        if fact.path_length is not None:
            limits[name] = min(fact.path_length, limits.get(name, fact.path_length))
    for name, authority in view.gateway.authorities.items():
        path, limit = ("authorities", name, "depth"), limits.get(name)
        if not 0 <= authority.depth <= DEEPEST:
            what = f"the depth of authority {name!r} is {authority.depth}"
            fix = f"write a number from 0 to {DEEPEST}"
            yield Finding(path, what, "it counts the CAs between anchor and client", fix)
        elif authority.depth and authority.host is None:
            what = f"authority {name!r} has a 'depth' and no 'host' of its own"
            why = "below a CA that shares a name with others, any further CA could take another partner's name"
            fix = "give it a 'host' of its own, or make the CA that issues the clients the anchor and remove 'depth'"
            yield Finding(path, what, why, fix)
        elif limit is not None and authority.depth > limit:
            what = f"the depth of authority {name!r} is {authority.depth}, and its anchor allows {limit} below it"
            why = "its path length says so (RFC 5280 §4.2.1.9), so deeper chains would be refused anyway"
            yield Finding(path, what, why, f"write 'depth: {limit}'" if limit else "remove 'depth'")
