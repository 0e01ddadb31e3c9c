"""Rules about clients and the names of authorities."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gatewright.check.registry import Finding, View, rule
from gatewright.errors import Severity
from gatewright.model.gateway import Path
from gatewright.model.values import Name

_PART_KEYS = {
    "C": "country",
    "ST": "state",
    "L": "locality",
    "O": "organization",
    "OU": "organizational_unit",
    "CN": "common_name",
}


@rule("unknown-authority")
def unknown_authority(view: View) -> Iterator[Finding]:
    """Who vouches for a client decides who the client is; a name that nobody has leaves that open."""
    places: list[tuple[Path, str, Name]] = [
        (("clients", name, "authority"), f"client {name!r}", c.authority) for name, c in view.gateway.clients.items()
    ]
    certificate = view.gateway.certificate
    if certificate is not None and certificate.authority is not None:
        places.append((("certificate", "authority"), "'certificate'", certificate.authority))
    for path, route in view.gateway.routes.items():
        for index, name in enumerate(route.access.any_of):
            places.append((("routes", path, "access", "any-of", index), f"route {path!r}", name))
    for path, route in view.gateway.routes.items():
        shown = route.backend.client_certificate if route.backend is not None else None
        if shown is not None and shown.authority is not None:
            where = ("routes", path, "backend", "client_certificate", "authority")
            places.append((where, f"the backend of route {path!r}", shown.authority))
    for name, partner in view.gateway.partners.items():
        for index, authority in enumerate(partner.authorities):
            places.append((("partners", name, "authority", index), f"partner {name!r}", authority))
    for place, owner, authority in places:
        if authority not in view.gateway.authorities:
            meant = view.nearest(authority, view.gateway.authorities)
            fix = f"did you mean '{meant}'?" if meant else f"declare '{authority}' under 'authorities'"
            what = f"{owner} names the authority {authority!r}, which is not declared"
            yield Finding(place, what, "only a declared authority can vouch for anybody", fix)


@rule("same-client")
def same_client(view: View) -> Iterator[Finding]:
    """Two names for one identity look like two parties in every route and every report, and are one."""
    first: dict[object, Name] = {}
    for name, client in view.gateway.clients.items():
        other = first.setdefault((client.authority, client.matcher), name)
        if other != name:
            what = f"clients {other!r} and {name!r} are the same certificate holder"
            why = "revoking or removing one of the two names would not shut the door"
            yield Finding(("clients", name), what, why, "remove one, or identify them differently")


@rule("san-is-address")
def san_is_address(view: View) -> Iterator[Finding]:
    """Apache httpd offers the DNS names of a certificate to its conditions, but not its IP addresses (mod_ssl variables)."""
    for name, client in view.gateway.clients.items():
        if client.san is not None and client.san.is_address:
            what = f"the 'san' of client {name!r} is the IP address {client.san}"
            why = "httpd cannot compare IP addresses in client certificates, so nobody would ever match"
            yield Finding(("clients", name, "san"), what, why, "write a DNS name, or match by 'subject'")


@rule("subject-not-exact")
def subject_not_exact(view: View) -> Iterator[Finding]:
    """Only what httpd can compare byte for byte is accepted; an approximate match would be a hole or a locked door.

    An empty value would match every certificate without that part.
    """
    for name, client in view.gateway.clients.items():
        for short, value in client.subject.parts() if client.subject is not None else ():
            path = ("clients", name, "subject", _PART_KEYS[short])
            bad = next((c for c in value if not 0x20 <= ord(c) <= 0x7E or c == "\\"), None)
            if bad is not None:
                what = f"{_PART_KEYS[short]} of client {name!r} contains {bad!r}"
                why = "names with such characters are not yet compared exactly, and an approximate match could admit somebody else"
                yield Finding(path, what, why, "match by 'san', or by other parts of the subject in printable ASCII")
            elif not value or value != value.strip():
                what = f"{_PART_KEYS[short]} of client {name!r} is empty, or starts or ends with a space"
                why = "an empty value would match every certificate without that part"
                yield Finding(path, what, why, "write the value exactly as in the certificate, or remove the key")


@rule("country-code")
def country_code(view: View) -> Iterator[Finding]:
    """A country in a certificate has two letters (RFC 5280 Appendix A.1, X520countryName); nothing else ever matches."""
    for name, client in view.gateway.clients.items():
        country = client.subject.country if client.subject is not None else None
        if country is not None and len(country) != 2:
            what = f"country of client {name!r} is {country!r}"
            yield Finding(
                ("clients", name, "subject", "country"), what, "a country has two letters", "write it as 'DE'"
            )


@rule("names-differ-in-case")
def names_differ_in_case(view: View) -> Iterator[Finding]:
    """Names become file names, and some file systems do not tell upper from lower case."""
    groups: tuple[tuple[str, Iterable[Name]], ...] = (
        ("clients", view.gateway.clients),
        ("groups", view.gateway.groups),
        ("authorities", view.gateway.authorities),
        ("partners", view.gateway.partners),
    )
    for section, names in groups:
        first: dict[str, Name] = {}
        for name in names:
            other = first.setdefault(name.casefold(), name)
            if other != name:
                what = f"{other!r} and {name!r} under '{section}' differ only in upper and lower case"
                yield Finding(
                    (section, name), what, "they would share one file on some file systems", "rename one of them"
                )


@rule("unused-client")
def unused_client(view: View) -> Iterator[Finding]:
    """A client that no route names can do nothing; where some route is open to any client, it is still admitted there."""
    if view.any_client:
        return
    for name in view.gateway.clients:
        if name not in view.named_clients and view.gateway.clients[name].authority not in view.named_authorities:
            what = f"no route names the client {name!r}"
            yield Finding(
                ("clients", name),
                what,
                "it can use nothing",
                f"add '{name}' to a route's access, or remove it",
                Severity.WARNING,
            )


@rule("unused-authority")
def unused_authority(view: View) -> Iterator[Finding]:
    """An authority that vouches for nobody is trusted for nothing; it is better gone."""
    if view.any_client:
        return
    used = {client.authority for client in view.gateway.clients.values()} | view.named_authorities
    for name in view.gateway.authorities:
        if name not in used and name != view.gateway.server_authority:
            what = f"no client belongs to the authority {name!r}"
            yield Finding(
                ("authorities", name),
                what,
                "it vouches for nobody",
                "add a client of it, or remove it",
                Severity.WARNING,
            )


@rule("key-without-managed")
def key_without_managed(view: View) -> Iterator[Finding]:
    """The kind of key is Gatewright's choice only where it makes the key."""
    for name, authority in view.gateway.authorities.items():
        path = ("authorities", name, "key")
        if not authority.managed and path in view.declared.places:
            what = f"authority {name!r} has a 'key', and its keys are not made here"
            yield Finding(path, what, "it would do nothing", "remove 'key'")
