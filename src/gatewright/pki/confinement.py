"""Name constraints that confine an authority to a few names, and what those of a given certificate leave it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Final

from cryptography import x509

from gatewright.pki.build import NameConstraints, constraints_of
from gatewright.pki.names import alternative_names

_EVERY_ADDRESS: Final = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))


def confined_to(names: Iterable[str]) -> NameConstraints | None:
    """The constraints that permit DNS names (with all below them) and IP addresses, and no others; ``None`` for no names.

    At least one of ``names`` must be a DNS name. Addresses of a version of IP of which none is permitted are excluded as a whole:
    verifiers differ on whether permitting one version forbids the other (RFC 5280 §4.2.1.10 knows one kind of address only).
    """
    listed = alternative_names(names)
    if not listed:
        return None
    permitted = tuple(
        x509.IPAddress(ipaddress.ip_network(str(name.value))) if isinstance(name, x509.IPAddress) else name
        for name in listed
    )
    assert any(isinstance(name, x509.DNSName) for name in permitted)
    versions = {name.value.version for name in permitted if isinstance(name, x509.IPAddress)}
    excluded = tuple(x509.IPAddress(every) for every in _EVERY_ADDRESS if every.version not in versions)
    return NameConstraints(permitted, excluded)


def names_left(certificate: x509.Certificate) -> tuple[str, ...] | None:
    """The DNS names and addresses that a CA is confined to; ``None`` where its constraints leave some kind of them free.

    A CA is confined if it is limited in DNS names and in both versions of IP: with any of them free, it could vouch for servers
    that are nobody's business of its owner.
    """
    constraints = constraints_of(certificate)
    if constraints is None:
        return None
    dns = [name.value for name in constraints.permitted if isinstance(name, x509.DNSName)]
    if not all(dns):
        return None  # the empty name permits everything
    addresses = [name.value for name in constraints.permitted if isinstance(name, x509.IPAddress)]
    excluded = {name.value for name in constraints.excluded if isinstance(name, x509.IPAddress)}
    limited = {a.version for a in addresses if getattr(a, "prefixlen", 0)} | {
        every.version for every in _EVERY_ADDRESS if every in excluded
    }
    if not dns or limited != {4, 6}:
        return None
    return (*dns, *(str(_single(a)) for a in addresses))


def _single(network: object) -> object:
    """An address as itself where the network is just that one."""
    if isinstance(network, ipaddress.IPv4Network | ipaddress.IPv6Network) and network.num_addresses == 1:
        return network.network_address
    return network
