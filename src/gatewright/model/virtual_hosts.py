"""One gateway as its virtual hosts see it.

Most authorities share one: their issuing CAs are the anchors, and the issuer's name tells them apart. An authority with a
``host`` of its own is the only one trusted there, so that it may be anchored at a root or have CAs below its anchor: whoever
passes that handshake is its client, whatever the issuer's name is. Under the public hosts nobody is trusted, so that nobody is asked
for a certificate. Each of these is an ordinary gateway, made from the whole by
leaving out whom it does not trust; what a route says otherwise stays, so nothing opens by the split.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from types import MappingProxyType

from gatewright.model.gateway import Gateway, Route
from gatewright.model.values import HostName, Name


@dataclass(frozen=True, slots=True)
class VirtualHost:
    """What is served under some of the names: ``gateway`` holds those names and whom they trust.

    ``apart`` is the one authority it is for, ``None`` for the shared one. ``depth`` counts the CAs that may stand between the
    anchor and a client. ``others`` are the names of the other virtual hosts, ``strangers`` the authorities trusted there only.
    """

    gateway: Gateway
    apart: Name | None = None
    depth: int = 0
    others: tuple[HostName, ...] = ()
    strangers: tuple[Name, ...] = ()


def in_force(gateway: Gateway) -> Gateway:
    """The gateway without its disabled partners: what is compiled, planned, explained and proved.

    Their authorities are trusted no more, so that no certificate of theirs passes a handshake, whatever a route says; their clients
    are gone from every list. A list that becomes empty admits nobody. Of partners only that remains which httpd depends on.
    """
    if not gateway.partners:
        return gateway
    partners = {name: partner.for_httpd() for name, partner in gateway.partners.items()}
    gone = {a for partner in partners.values() if partner.disabled for a in partner.authorities}
    shut_out = {name: a for name, a in gateway.authorities.items() if name in gone}
    kept = tuple(name for name in gateway.authorities if name not in gone)
    view = _only(gateway, gateway.hosts, kept) if shut_out else gateway
    return replace(
        view, partners=MappingProxyType(partners), shut_out=MappingProxyType({**gateway.shut_out, **shut_out})
    )


def virtual_hosts(gateway: Gateway) -> tuple[VirtualHost, ...]:
    """The shared one first, then one for each authority with a host of its own, in the file's order, then that of the public hosts.

    Disabled partners are in none of them, whoever asks.
    """
    gateway = in_force(gateway)
    apart = {name: a for name, a in gateway.authorities.items() if a.host is not None}
    if not apart and not gateway.public_hosts:
        return (VirtualHost(gateway),)
    together = tuple(name for name in gateway.authorities if name not in apart)
    hosts = [a.host for a in apart.values() if a.host is not None]
    public, gateway = gateway.public_hosts, replace(gateway, public_hosts=())
    elsewhere = (*hosts, *public)
    found = [VirtualHost(_only(gateway, gateway.hosts, together), others=elsewhere, strangers=tuple(apart))]
    for name, authority in apart.items():
        assert authority.host is not None
        others = (*gateway.names, *(h for h in elsewhere if h != authority.host))
        strangers = tuple(n for n in gateway.authorities if n != name)
        view = _only(gateway, (authority.host,), (name,))
        found.append(VirtualHost(view, name, authority.depth, others, strangers))
    if public:
        # With every route, so that what a protected one covers is refused there and not left to a wider public one.
        others = (*gateway.names, *hosts)
        found.append(VirtualHost(_only(gateway, public, ()), others=others, strangers=tuple(gateway.authorities)))
    return tuple(found)


def _only(gateway: Gateway, hosts: tuple[HostName, ...], authorities: tuple[Name, ...]) -> Gateway:
    clients = {name: c for name, c in gateway.clients.items() if c.authority in authorities}
    known = {*clients, *gateway.groups}
    return replace(
        gateway,
        hosts=hosts,
        authorities=MappingProxyType({name: gateway.authorities[name] for name in authorities}),
        clients=MappingProxyType(clients),
        groups=MappingProxyType(
            {name: tuple(c for c in members if c in clients) for name, members in gateway.groups.items()}
        ),
        routes=MappingProxyType({path: _route(route, known, authorities) for path, route in gateway.routes.items()}),
    )


def _route(route: Route, names: Collection[Name], authorities: Collection[Name]) -> Route:
    """The same route for those who are known here. A list that becomes empty admits nobody."""
    access = route.access
    known = replace(
        access,
        names=tuple(name for name in access.names if name in names),
        any_of=tuple(name for name in access.any_of if name in authorities),
    )
    return route if known == access else replace(route, access=known)
