"""Rules about partners: whose an authority is, and what certificates that we sign for a partner may carry."""

from __future__ import annotations

from collections.abc import Iterator

from gatewright.check.registry import Finding, View, rule
from gatewright.model.gateway import Path
from gatewright.model.values import Name


@rule("authority-of-two-partners")
def authority_of_two_partners(view: View) -> Iterator[Finding]:
    """Who is behind a certificate is said by its authority alone, and disabling one partner must not disable another."""
    owner: dict[Name, Name] = {}
    for name, partner in view.gateway.partners.items():
        for index, authority in enumerate(partner.authorities):
            other = owner.setdefault(authority, name)
            if other != name:
                what = f"partners {other!r} and {name!r} have the same authority {authority!r}"
                why = "disabling the one would shut out the other"
                fix = "give each an authority of its own; two of them may be 'managed'"
                yield Finding(("partners", name, "authority", index), what, why, fix)


@rule("own-authority-of-partner")
def own_authority_of_partner(view: View) -> Iterator[Finding]:
    """What the gateway itself shows to clients and backends must not end when a partner is disabled."""
    places: list[tuple[Path, Name, str]] = []
    certificate = view.gateway.certificate
    if certificate is not None and certificate.authority is not None:
        places.append((("certificate", "authority"), certificate.authority, "the gateway's own certificate comes"))
    for path, route in view.gateway.routes.items():
        shown = route.backend.client_certificate if route.backend is not None else None
        if shown is not None and shown.authority is not None:
            where = ("routes", path, "backend", "client_certificate", "authority")
            places.append((where, shown.authority, f"the certificate shown to the backend of route {path!r} comes"))
    for place, authority, whence in places:
        partner = view.gateway.partner_of(authority)
        if partner is not None:
            what = f"{whence} from the authority {authority!r}, which belongs to partner {partner!r}"
            fix = "name a managed authority that is no partner's"
            yield Finding(place, what, "it would end when the partner is disabled", fix)


@rule("names-without-managed")
def names_without_managed(view: View) -> Iterator[Finding]:
    """What a partner's own CA puts into its certificates is not ours to allow."""
    for name, partner in view.gateway.partners.items():
        known = [view.gateway.authorities.get(authority) for authority in partner.authorities]
        if partner.names and not any(authority is None or authority.managed for authority in known):
            what = f"partner {name!r} has 'names', and issues its certificates itself"
            why = "nothing would hold its CA to them"
            fix = "remove 'names'; routes admit exactly the clients that they name, whatever else its CA issues"
            yield Finding(("partners", name, "names"), what, why, fix)


@rule("client-beyond-names")
def client_beyond_names(view: View) -> Iterator[Finding]:
    """A client of a partner that is known by a name we do not sign for it is a mistake in one of the two places."""
    for name, client in view.gateway.clients.items():
        owner = view.gateway.partner_of(client.authority)
        authority = view.gateway.authorities.get(client.authority)
        if owner is None or authority is None or not authority.managed:
            continue
        partner, wanted = view.gateway.partners[owner], client.san or client.email or client.uri
        if wanted is not None and not partner.allows(wanted):
            what = f"client {name!r} is known by {str(wanted)!r}, which is not among the 'names' of partner {owner!r}"
            why = "no certificate with that name is signed for this partner"
            fix = f"add it to 'names' of partner {owner!r}, or correct the client"
            yield Finding(("clients", name), what, why, fix)
        elif partner.names and client.subject is not None:
            what = f"client {name!r} is known by its subject, and partner {owner!r} has 'names'"
            why = "'names' says all that its certificates may carry, and holds no subjects"
            fix = f"know the client by 'san', 'email' or 'uri', or remove 'names' of partner {owner!r}"
            yield Finding(("clients", name, "subject"), what, why, fix)
