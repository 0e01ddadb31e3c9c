"""Who the partners and clients of a gateway file are, where they are admitted, and which of their certificates there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from gatewright.app.anchors import first_certificate
from gatewright.app.enrolled import enrolled, whose
from gatewright.app.listing import Listed, Standing
from gatewright.app.places import Places
from gatewright.app.preparing import state_of
from gatewright.app.reports import ANCHOR, CertificateState
from gatewright.app.running import ending
from gatewright.errors import Diagnostic
from gatewright.model.gateway import Gateway
from gatewright.model.pki import Certificate, Filter, ProfileName
from gatewright.model.values import Name
from gatewright.pki.inspect import issued_by
from gatewright.ports.files import Files
from gatewright.ports.store import Reader

THEIR_CA = "their CA"
OUR_CA = "we sign"
"""The two modes: whose CA issues the partner's certificates."""


@dataclass(frozen=True, slots=True)
class ClientTold:
    """One client. ``routes`` are those that admit it and not everybody; empty while its partner is disabled.

    ``certificates`` are those issued here, newest first; ``enrolled`` the ends of those that were enrolled.
    """

    name: str
    authority: str
    known_as: str
    partner: str | None
    disabled: bool
    groups: tuple[str, ...]
    routes: tuple[str, ...]
    certificates: tuple[Listed, ...] = ()
    enrolled: tuple[datetime, ...] = ()

    @property
    def valid(self) -> tuple[Listed, ...]:
        """Its certificates that are valid now."""
        return tuple(c for c in self.certificates if c.standing is Standing.VALID)

    @property
    def revoked(self) -> int:
        """How many of its certificates are revoked or on hold."""
        return sum(c.standing in {Standing.REVOKED, Standing.HOLD} for c in self.certificates)

    def as_dict(self) -> dict[str, object]:
        """The JSON form; times in ISO 8601, UTC."""
        return {
            "name": self.name,
            "authority": self.authority,
            "known_as": self.known_as,
            "partner": self.partner,
            "disabled": self.disabled,
            "groups": list(self.groups),
            "routes": list(self.routes),
            "certificates": [c.as_dict() for c in self.certificates],
            "last_issued": self.certificates[0].certificate.not_before.isoformat() if self.certificates else None,
            "enrolled": [end.isoformat() for end in self.enrolled],
            "revoked": self.revoked,
        }


@dataclass(frozen=True, slots=True)
class PartnerTold:
    """One partner. ``anchors`` are its own CA certificates, with the file that holds each."""

    name: str
    mode: str
    contact: str | None
    disabled: bool
    authorities: tuple[str, ...]
    names: tuple[str, ...]
    anchors: tuple[tuple[str, CertificateState], ...]
    clients: tuple[ClientTold, ...]

    @property
    def problems(self) -> tuple[Diagnostic, ...]:
        """CA certificates that end soon, as ``status`` tells it; of a disabled partner that is nobody's concern."""
        return () if self.disabled else ending([state for _, state in self.anchors])

    def as_dict(self) -> dict[str, object]:
        """The JSON form."""
        return {
            "name": self.name,
            "mode": self.mode,
            "contact": self.contact,
            "disabled": self.disabled,
            "authorities": list(self.authorities),
            "names": list(self.names),
            "anchors": [{"file": file, **state.as_dict()} for file, state in self.anchors],
            "clients": [client.as_dict() for client in self.clients],
        }


@dataclass(frozen=True, slots=True)
class Parties:
    """The use case. ``reading`` opens the store of certificates issued here, and gives ``None`` where there is none. Writes nothing."""

    places: Places
    files: Files
    now: datetime
    reading: Callable[[], Reader | None]

    def clients(self, gateway: Gateway) -> tuple[ClientTold, ...]:
        """Every client, in the file's order."""
        issued = self._issued()
        entered = self._enrolled(gateway)
        groups: dict[Name, list[str]] = {}
        for group, members in gateway.groups.items():
            for member in members:
                groups.setdefault(member, []).append(str(group))
        told = []
        for name, client in gateway.clients.items():
            owner = gateway.partner_of(client.authority)
            out = owner is not None and gateway.partners[owner].disabled
            admitting = (
                p for p, r in gateway.routes.items() if not r.access.is_public and gateway.admits(r.access, name)
            )
            routes = () if out else tuple(admitting)
            told.append(
                ClientTold(
                    str(name),
                    str(client.authority),
                    client.known_as,
                    owner,
                    out,
                    tuple(groups.get(name, ())),
                    tuple(map(str, routes)),
                    tuple(Listed.at(c, self.now) for c in issued.get(str(name), ())),
                    tuple(entered.get(name, ())),
                )
            )
        return tuple(told)

    def partners(self, gateway: Gateway) -> tuple[PartnerTold, ...]:
        """Every partner, in the file's order."""
        clients = self.clients(gateway)
        told = []
        for name, partner in gateway.partners.items():
            managed = [gateway.authorities[a].managed for a in partner.authorities]
            mode = OUR_CA if all(managed) else THEIR_CA if not any(managed) else f"{THEIR_CA}, {OUR_CA}"
            anchors = tuple(found for a in partner.authorities for found in self._anchors(gateway, a))
            mine = tuple(c for c in clients if c.authority in partner.authorities)
            names = tuple(map(str, partner.names))
            told.append(
                PartnerTold(
                    str(name),
                    mode,
                    partner.contact,
                    partner.disabled,
                    tuple(map(str, partner.authorities)),
                    names,
                    anchors,
                    mine,
                )
            )
        return tuple(told)

    def needing(self, gateway: Gateway, authority: Name, file: str) -> tuple[Name, ...]:
        """Clients with an enrolled certificate that the CA in ``file`` issued: as far as it is known here who still needs it."""
        anchor = first_certificate(self.files, self.places.folder / file)
        if anchor is None:
            return ()
        mine = {n: c for n, c in gateway.clients.items() if c.authority == authority and c.by_enrolment}
        entries = enrolled(self.files, self.places, authority, self.now) if mine else ()
        issued = [e.certificate for e in entries if issued_by(e.certificate, anchor)]
        return tuple(dict.fromkeys(name for certificate in issued for name in whose(mine, certificate)))

    def _anchors(self, gateway: Gateway, authority: Name) -> list[tuple[str, CertificateState]]:
        found = []
        for file in gateway.authorities[authority].anchors:
            certificate = first_certificate(self.files, self.places.folder / file)
            if certificate is not None:
                found.append((str(file), state_of(ANCHOR, authority, certificate, self.now)))
        return found

    def _issued(self) -> Mapping[str, list[Certificate]]:
        """Certificates issued here, by client, the newest first."""
        reader = self.reading()
        found: dict[str, list[Certificate]] = {}
        for certificate in reader.certificates(Filter(profile=ProfileName.CLIENT)) if reader is not None else ():
            if certificate.client is not None:
                found.setdefault(certificate.client, []).insert(0, certificate)
        return found

    def _enrolled(self, gateway: Gateway) -> Mapping[Name, list[datetime]]:
        found: dict[Name, list[datetime]] = {}
        for authority in gateway.authorities:
            mine = {n: c for n, c in gateway.clients.items() if c.authority == authority and c.by_enrolment}
            for entry in enrolled(self.files, self.places, authority, self.now) if mine else ():
                for name in whose(mine, entry.certificate):
                    found.setdefault(name, []).append(entry.certificate.not_valid_after_utc)
        return found
