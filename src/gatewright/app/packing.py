"""``client pack``: a client's certificate and everything its developer needs, in one folder or archive."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath

from gatewright.app.authority import find_authority
from gatewright.app.handover import Door, Handover, PackFile, archive, pack
from gatewright.app.office import Office, find, is_current
from gatewright.app.ordering import Packaging, chain_of, refuse_existing, secret_of, unknown_client
from gatewright.app.starter import examples_for
from gatewright.errors import Diagnostic, UsageError
from gatewright.model.gateway import Gateway, Openness
from gatewright.model.pki import Certificate, ProfileName
from gatewright.model.values import Name
from gatewright.pki import bundle
from gatewright.pki.keys import pem

ZIP = ".zip"


@dataclass(frozen=True, slots=True)
class Packed:
    """What was written. ``password_file`` holds the password of the .p12, which is never in the pack itself."""

    client: str
    certificate: Certificate
    out: PurePath
    files: tuple[str, ...]
    with_key: bool
    password_file: PurePath | None
    url: str

    def as_dict(self) -> dict[str, object]:
        """The JSON form."""
        return {
            "client": self.client,
            "serial": self.certificate.serial_hex,
            "not_after": self.certificate.not_after.isoformat(),
            "out": str(self.out),
            "files": list(self.files),
            "with_key": self.with_key,
            "password_file": None if self.password_file is None else str(self.password_file),
            "url": self.url,
        }


def pack_client(office: Office, client: Name, out: PurePath, packaging: Packaging) -> Packed:
    """Write the pack of ``client``'s newest certificate to ``out``: a folder, or an archive where it ends in ``.zip``.

    With the private key where it was made here. Raises :class:`UsageError` where the client has no certificate yet, may ask for
    nothing, or there is something at ``out``.
    """
    gateway = office.declared()
    if gateway is None or client not in gateway.clients:
        raise unknown_client(client, gateway)
    certificate = _newest(office, client)
    doors = _doors(gateway, client)
    tried = next((e.path for e in examples_for(gateway, client, limit=1000) if e.with_certificate), None)
    if tried is None:
        tried = next((str(d.path) for d in doors if d.openness is not Openness.PUBLIC), None)
    if tried is None:
        raise _nothing_to_ask(client)
    refuse_existing(office.deps.files, out)
    handover, password = _handover(office, gateway, client, certificate, doors, tried, out, packaging)
    files = pack(handover)
    if out.suffix == ZIP:
        content = archive(out.stem, files)
        office.deps.files.write(out, content, 0o600 if handover.key is not None else 0o644)
    else:
        _write(office, out, files)
    names = tuple(str(file.path) for file in files)
    url = handover.base + tried
    return Packed(client, certificate, out, names, handover.key is not None, password, url)


def _handover(  # noqa: PLR0917 - what a pack is made from
    office: Office,
    gateway: Gateway,
    client: Name,
    certificate: Certificate,
    doors: tuple[Door, ...],
    tried: str,
    out: PurePath,
    packaging: Packaging,
) -> tuple[Handover, PurePath | None]:
    authority = find_authority(certificate.authority, office.deps)
    leaf, above = chain_of(authority, certificate)
    key = p12 = password = None
    if certificate.key is not None:
        loaded = office.deps.keystore.load(certificate.key)
        password = out.with_name(f"{out.name}.password")
        secret = secret_of(office.deps, password)
        key = pem(loaded)
        p12 = bundle.p12(loaded, leaf, above, name=client, passphrase=secret, profile=packaging.protection)
    server = gateway.server_authority
    ca = bundle.chain([find_authority(server, office.deps).root_certificate]) if server is not None else None
    own = gateway.authorities[gateway.clients[client].authority].host
    handover = Handover(
        client,
        own or gateway.hosts[0],
        gateway.listen.port,
        tried,
        doors,
        certificate.subject,
        leaf.not_valid_before_utc,
        leaf.not_valid_after_utc,
        bundle.chain([leaf, *above]),
        key,
        p12,
        ca,
    )
    return handover, password


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
        Door(path, route.access.openness, tuple(map(str, route.methods)))
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
