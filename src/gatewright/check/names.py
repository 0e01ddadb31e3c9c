"""Rules about authorities that can vouch for some names only."""

from __future__ import annotations

from collections.abc import Iterator

from gatewright.check.registry import Finding, View, rule
from gatewright.model.gateway import Path
from gatewright.model.values import HostName, Name

_WHY = "its name constraints are checked by whoever verifies the certificate, so it would be good for nothing"


@rule("names-of-partner")
def names_of_partner(view: View) -> Iterator[Finding]:
    """What a partner's CA can vouch for stands in the partner's certificate."""
    for name, authority in view.gateway.authorities.items():
        if authority.names and not authority.managed:
            what = f"authority {name!r} has 'names', and its CAs are not made here"
            yield Finding(("authorities", name, "names"), what, "it would do nothing", "remove 'names'")


@rule("names-need-dns")
def names_need_dns(view: View) -> Iterator[Finding]:
    """Constraints limit only the kinds of names they list, so a list of addresses would leave every DNS name free."""
    for name, authority in view.gateway.authorities.items():
        if authority.names and all(n.is_address for n in authority.names):
            what = f"the 'names' of authority {name!r} are IP addresses only"
            why = "name constraints limit the kinds of names that they list (RFC 5280 §4.2.1.10), and DNS names would be free"
            yield Finding(("authorities", name, "names"), what, why, "add a DNS name, such as localhost")


@rule("outside-names")
def outside_names(view: View) -> Iterator[Finding]:
    """An authority that can vouch for some names only can issue nothing for others."""
    for authority, place, wanted, whose, then in _issued(view):
        declared = view.gateway.authorities.get(authority)
        if declared is not None and declared.managed and not declared.permits(wanted):
            what = f"{whose} is {str(wanted)!r}, which authority {authority!r} cannot vouch for: its 'names' are {', '.join(declared.names)}"
            fix = (
                f"before the authority is first used: add {str(wanted)!r} to its 'names'; afterwards: declare another "
                f"managed authority that has it{then}"
            )
            yield Finding(place, what, _WHY, fix)


def _issued(view: View) -> Iterator[tuple[Name, Path, HostName, str, str]]:
    """Every name that a managed authority is to put into a certificate: authority, place, name, whose it is, and what a fix needs too."""
    gateway = view.gateway
    server = gateway.server_authority
    if server is not None:
        place: Path = ("authorities", server, "names")
        for host in gateway.served_names:
            yield server, place, host, "a name of the gateway", ", and write 'certificate: { authority: NAME }'"
    for name, client in gateway.clients.items():
        if client.san is not None:
            yield client.authority, ("clients", name, "san"), client.san, f"the 'san' of client {name!r}", ""
    for path, route in gateway.routes.items():
        shown = route.backend.client_certificate if route.backend is not None else None
        if shown is not None and shown.authority is not None and gateway.names:
            where = ("routes", path, "backend", "client_certificate", "authority")
            yield shown.authority, where, gateway.names[0], f"what the backend of route {path!r} is shown", ""
