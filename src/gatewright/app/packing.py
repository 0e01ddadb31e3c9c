"""``client pack``: a client's certificate and everything its developer needs, in one folder or archive."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath

from cryptography import x509

from gatewright.app.authority import find_authority
from gatewright.app.clienting import issuers_in
from gatewright.app.handover import Door, Handover, PackFile, archive, pack
from gatewright.app.office import Office, find, is_current
from gatewright.app.ordering import Packaging, chain_of, refuse_existing, secret_of, unknown_client
from gatewright.app.starter import examples_for
from gatewright.errors import Diagnostic, FindingError, UsageError
from gatewright.model.gateway import Gateway, Openness
from gatewright.model.pki import Certificate, KeyRef, ProfileName
from gatewright.model.values import Name
from gatewright.pki import bundle
from gatewright.pki.inspect import issued_by
from gatewright.pki.keys import pem
from gatewright.pki.matching import match

ZIP = ".zip"
_DEMANDS_MORE = 401


@dataclass(frozen=True, slots=True)
class Packed:
    """What was written. ``password_file`` holds the password of the .p12, which is never in the pack itself."""

    client: str
    serial: str
    not_after: datetime
    out: PurePath
    files: tuple[str, ...]
    with_key: bool
    password_file: PurePath | None
    url: str

    def as_dict(self) -> dict[str, object]:
        """The JSON form."""
        return {
            "client": self.client,
            "serial": self.serial,
            "not_after": self.not_after.isoformat(),
            "out": str(self.out),
            "files": list(self.files),
            "with_key": self.with_key,
            "password_file": None if self.password_file is None else str(self.password_file),
            "url": self.url,
        }


@dataclass(frozen=True, slots=True)
class _Shown:
    """The certificate that the client shows, with what stands above it; ``key`` where it was made here."""

    chain: tuple[x509.Certificate, ...]
    subject: str
    serial: str
    key: KeyRef | None = None

    @property
    def leaf(self) -> x509.Certificate:
        """The client's own."""
        return self.chain[0]


def pack_client(
    office: Office, client: Name, out: PurePath, packaging: Packaging, given: tuple[x509.Certificate, ...] = ()
) -> Packed:
    """Write the pack of ``client``'s newest certificate to ``out``: a folder, or an archive where it ends in ``.zip``.

    With the private key where it was made here. ``given`` is its certificate where a partner's CA issued it, with what it sends
    along behind it. Raises :class:`UsageError` where the client has no certificate yet, may ask for nothing, or there is something
    at ``out``, and :class:`FindingError` where ``given`` is not the client's.
    """
    gateway = office.declared()
    if gateway is None or client not in gateway.clients:
        raise unknown_client(client, gateway)
    shown = _given(office, gateway, client, given) if given else _issued(office, gateway, client)
    doors = _doors(gateway, client)
    tried = _to_try(gateway, client, doors)
    refuse_existing(office.deps.files, out)
    handover, password = _handover(office, gateway, client, shown, doors, tried, out, packaging)
    files = pack(handover)
    if out.suffix == ZIP:
        content = archive(out.stem, files)
        office.deps.files.write(out, content, 0o600 if handover.key is not None else 0o644)
    else:
        _write(office, out, files)
    names = tuple(str(file.path) for file in files)
    url = handover.base + tried
    return Packed(
        client, shown.serial, shown.leaf.not_valid_after_utc, out, names, handover.key is not None, password, url
    )


def _to_try(gateway: Gateway, client: Name, doors: tuple[Door, ...]) -> str:
    """A path that the certificate alone opens, if there is one."""
    requests = [e for e in examples_for(gateway, client, limit=1000) if e.with_certificate]
    tried = [e.path for e in sorted(requests, key=lambda e: e.status == _DEMANDS_MORE)]
    tried += [str(door.path) for door in doors if door.openness is not Openness.PUBLIC]
    if not tried:
        raise _nothing_to_ask(client)
    return tried[0]


def _handover(  # noqa: PLR0917 - what a pack is made from
    office: Office,
    gateway: Gateway,
    client: Name,
    shown: _Shown,
    doors: tuple[Door, ...],
    tried: str,
    out: PurePath,
    packaging: Packaging,
) -> tuple[Handover, PurePath | None]:
    leaf, *above = shown.chain
    key = p12 = password = None
    if shown.key is not None:
        loaded = office.deps.keystore.load(shown.key)
        password = out.with_name(f"{out.name}.password")
        secret = secret_of(office.deps, password)
        key = pem(loaded)
        p12 = bundle.p12(loaded, leaf, tuple(above), name=client, passphrase=secret, profile=packaging.protection)
    server = gateway.server_authority
    ca = bundle.chain([find_authority(server, office.deps).root_certificate]) if server is not None else None
    own = gateway.authorities[gateway.clients[client].authority].host
    handover = Handover(
        client,
        own or gateway.hosts[0],
        gateway.listen.port,
        tried,
        doors,
        shown.subject,
        leaf.not_valid_before_utc,
        leaf.not_valid_after_utc,
        bundle.chain(shown.chain),
        key,
        p12,
        ca,
        enrolled=gateway.clients[client].by_enrolment,
    )
    return handover, password


def _issued(office: Office, gateway: Gateway, client: Name) -> _Shown:
    """Its newest certificate of ours."""
    authority = gateway.clients[client].authority
    if not gateway.authorities[authority].managed:
        raise UsageError(
            Diagnostic(
                "nothing-to-pack",
                f"the certificates of client {client!r} are issued by a partner ({authority}), and none is here",
                "a pack hands over a certificate",
                f"give one that the partner issued, with any intermediates behind it: gatewright client pack {client} --cert FILE",
            )
        )
    certificate = _newest(office, client)
    leaf, above = chain_of(find_authority(certificate.authority, office.deps), certificate)
    return _Shown((leaf, *above), certificate.subject, certificate.serial_hex, certificate.key)


def _given(office: Office, gateway: Gateway, client: Name, chain: tuple[x509.Certificate, ...]) -> _Shown:
    """A certificate that a partner's CA issued. Raises :class:`FindingError` where the client would be refused with it."""
    leaf, declared = chain[0], gateway.clients[client]
    authority = gateway.authorities[declared.authority]
    answer = match(declared, leaf)
    wrong = "" if answer.matches else answer.reason
    if not wrong and leaf.not_valid_after_utc <= office.deps.clock.now():
        wrong = f"it ended on {leaf.not_valid_after_utc:%Y-%m-%d}"
    if not wrong and not authority.depth:
        issuers = issuers_in(office.deps.files, office.places.folder)(gateway)[declared.authority]
        if not any(issued_by(leaf, one) for one in issuers):
            wrong = f"no CA of {declared.authority} signed it"
    if wrong:
        what = f"the certificate is not one that client {client!r} is admitted with: {wrong}"
        fix = f"see: gatewright client show {client}; and for the whole answer: gatewright explain --cert FILE --route PATH"
        raise FindingError(Diagnostic("certificate-not-the-clients", what, "its holder would be refused", fix))
    return _Shown(chain, leaf.subject.rfc4514_string(), f"{leaf.serial_number:X}")


def _newest(office: Office, client: Name) -> Certificate:
    found = find(office, client, is_current(office.deps.clock.now()), authority=None)
    fitting = [c for c in found if c.client == client and c.profile is ProfileName.CLIENT]
    if not fitting:
        raise UsageError(
            Diagnostic(
                "nothing-to-pack",
                f"client {client!r} has no valid certificate",
                "a pack hands over a certificate",
                f"gatewright cert issue {client}; or, where its developer made the key: gatewright cert sign FILE.csr --client {client}",
            )
        )
    return fitting[-1]


def _doors(gateway: Gateway, client: Name) -> tuple[Door, ...]:
    return tuple(
        Door(
            path,
            route.access.openness,
            tuple(map(str, route.methods)),
            str(route.access.during or ""),
            route.credentials,
        )
        for path, route in gateway.routes.items()
        if gateway.admits(route.access, client)
    )


def _nothing_to_ask(client: Name) -> UsageError:
    return UsageError(
        Diagnostic(
            "no-route-for-client",
            f"no route of the gateway admits client {client!r}",
            "its developer would be refused everywhere",
            f"name {client!r} in a route's 'access', then: gatewright apply",
        )
    )


def _write(office: Office, out: PurePath, files: tuple[PackFile, ...]) -> None:
    office.deps.files.make_folder(out, 0o700)
    for file in files:
        for parent in reversed(file.path.parents[:-1]):
            office.deps.files.make_folder(out / parent)
        office.deps.files.write(out / file.path, file.content, 0o600 if file.secret else 0o644)
