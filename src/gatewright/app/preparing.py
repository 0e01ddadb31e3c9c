"""From a checked gateway file to a generation on disk: authorities, certificates, configuration, published files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import PurePath, PurePosixPath

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gatewright import __version__
from gatewright.app.authority import AuthorityState, PkiDeps, change_crl_base, declared_authority
from gatewright.app.backend_identities import show_backends
from gatewright.app.backend_secrets import ensure_secrets, read_secrets
from gatewright.app.enrolled import write_entries
from gatewright.app.generations import (
    Manifest,
    Sources,
    current_number,
    is_written,
    next_number,
    pending_number,
    read_manifest,
    stored_policy,
    write_generation,
    write_manifest,
    write_policy,
)
from gatewright.app.in_place import InPlace, Made, before_change
from gatewright.app.issuing import IssuedClient, ensure_client, ensure_server_certificate
from gatewright.app.members import compare, subjects_of, synchronise
from gatewright.app.places import Places, make_places, publish
from gatewright.app.policy import Policy, applied_gateway
from gatewright.app.reports import ANCHOR, CertificateState, Example, ReadyInfo
from gatewright.app.revoking import synchronise_markers
from gatewright.app.starter import STARTER_CLIENT, examples_for
from gatewright.app.watching import publish_all
from gatewright.compile.gateway import compile_gateway
from gatewright.compile.inputs import Inputs
from gatewright.compile.passes.tls import anchor_files
from gatewright.diagnose.packages import missing_modules
from gatewright.errors import Diagnostic, EnvironmentFault, UsageError
from gatewright.model.gateway import BackendCertificate, Gateway
from gatewright.model.machine import Anchor, Artifact, BackendIdentity, Httpd, Layout, ServerIdentity
from gatewright.model.signature import KEY_DIGITS, secret_file
from gatewright.model.values import Name
from gatewright.pki.inspect import canonical_name
from gatewright.pki.names import rfc2253
from gatewright.plan.diff import Difference, Kind
from gatewright.ports.clock import Clock
from gatewright.ports.files import FileKind, Files
from gatewright.ports.mirror import Mirror
from gatewright.ports.openssl import OpenSsl

PLACEHOLDER = "made by the first 'gatewright up'"
"""Stands for what does not exist yet where a configuration is only shown."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What preparation needs of the outside."""

    files: Files
    openssl: OpenSsl
    mirror: Mirror
    httpd: Httpd
    system_anchors: PurePosixPath | None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A generation that is ready to be started, and what belongs to it.

    ``changed`` tells whether it is another generation than the one that was current before. ``ca`` is the root that
    callers must trust, ``None`` where the file brings its own server certificate. ``warnings`` are about CRLs that could
    not be brought up to date, and new secrets that a backend has to be given: no reason not to serve. ``in_place``: the generation
    stays, and only its groups' members change.
    """

    gateway: Gateway
    number: int
    layout: Layout
    certificates: tuple[CertificateState, ...]
    changed: bool
    ca: PurePath | None
    client: IssuedClient | None
    warnings: tuple[Diagnostic, ...] = ()
    in_place: InPlace | None = None

    @property
    def url(self) -> str:
        """The address of the first host."""
        port = self.gateway.listen.port
        return f"https://{self.gateway.hosts[0].in_url}" + ("" if port == 443 else f":{port}")

    def ready(self, pid: int, httpd: Httpd, *, detached: bool) -> ReadyInfo:
        """What to tell a user once it answers."""
        client = self.client
        examples: tuple[Example, ...] = examples_for(self.gateway, STARTER_CLIENT if client else None)
        return ReadyInfo(
            url=self.url,
            folder=str(self.layout.folder),
            generation=self.number,
            pid=pid,
            httpd_version=httpd.version_text,
            certificates=self.certificates,
            examples=examples,
            ca_file=_text(self.ca),
            client_certificate=_text(client.chain_path if client else None),
            client_key=_text(client.key_path if client else None),
            client_p12=_text(client.p12_path if client else None),
            client_p12_password_file=_text(client.passphrase_path if client else None),
            detached=detached,
            signing_secrets=tuple(str(self.layout.folder / secret_file(n)) for n in self.gateway.signing_names),
        )


def build(
    places: Places, gateway: Gateway, policy: bytes, tools: Tools, pki: PkiDeps, *, running: bool = False
) -> Prepared:
    """Make what is missing and leave what is there: running it twice changes nothing.

    A new generation is only written; ``current`` still points at the one before. ``policy`` is the text of the gateway
    file that declares ``gateway``. To be called by the holder of the apply lock. Raises
    :class:`~gatewright.errors.GatewrightError` with the cause. ``running``: the current generation serves, so that a change of
    nothing but members is left to be made in place.
    """
    make_places(tools.files, places)
    synchronise_markers(pki, places.revoked)
    authorities = {name: _managed(name, gateway, pki) for name in gateway.managed_authorities}
    identity, certificates, ca = _identity(places, gateway, authorities, pki)
    anchors = _told_apart(gateway, _anchors(places, gateway, authorities, tools))
    shown, told = show_backends(places, gateway, authorities, pki)
    certificates += told
    made = ensure_secrets(places, gateway, pki.files, pki.randomness)
    secrets = read_secrets(places, gateway.signing_names, pki.files)
    ingredients = _Ingredients(places, gateway, tools, anchors, identity, secrets, shown)
    number, layout, changed, in_place = _generation(ingredients, policy, pki, running=running)
    # Also of the generation in force: another policy for the same configuration may name other clients by the same names.
    write_entries(tools.files, places, layout, gateway, pki.clock.now())
    warnings = (*made, *publish_all(pki))
    publish(tools.mirror, places, gateway)
    client = _starter_client(gateway, authorities, pki)
    now = pki.clock.now()
    states = [*certificates, *(s for a in authorities.values() for s in _authority_states(a, now))]
    states += (
        state_of(ANCHOR, a.authority, x509.load_pem_x509_certificate(a.pem.encode()), now)
        for a in anchors
        if not gateway.authorities[Name(a.authority)].managed
    )
    if client is not None:
        leaf = x509.load_der_x509_certificate(client.certificate.der)
        states.append(state_of("client", STARTER_CLIENT, leaf, now))
    return Prepared(gateway, number, layout, tuple(states), changed, ca, client, warnings, in_place)


def members_only(places: Places, policy: Policy, plan: Difference, tools: Tools, clock: Clock) -> InPlace | None:
    """The change from what serves to ``policy`` where it is one of groups' members and of nothing else; ``None`` where it may be more.

    Found out from what is on disk, the anchors of the generation in force and its configuration to compare with, so that nothing
    has to be issued, signed or published first. Writes nothing. Whatever else is due waits for the next apply of anything else.
    """
    gateway, files = policy.gateway, tools.files
    number = current_number(files, places)
    layout, old = places.layout(number), applied_gateway(files, places, number)
    manifest = read_manifest(files, layout) if number and not pending_number(files, places) else None
    if old is None or manifest is None or files.kind(layout.shut) is not FileKind.MISSING:
        return None
    others = {change.kind for change in plan.changes} - {Kind.ACCESS_WIDENED, Kind.ACCESS_NARROWED}
    starter = gateway.clients.get(STARTER_CLIENT) == old.clients.get(STARTER_CLIENT)
    if (
        others
        or not starter
        or gateway.backend_certificates
        or replace(gateway, clients=old.clients, groups=old.groups) != old
    ):
        return None
    anchors = _stored_anchors(gateway, manifest, layout, tools)
    identity = ServerIdentity(PurePosixPath(manifest.chain), PurePosixPath(manifest.key))
    secrets = read_secrets(places, gateway.signing_names, files)
    ingredients = _Ingredients(places, gateway, tools, anchors, identity, secrets, {})
    if not is_written(files, layout, compiled(ingredients.inputs(layout))):
        return None
    if not compare(files, layout, gateway, ingredients.subjects) and before_change(files, layout) is None:
        return None
    return InPlace(places, number, gateway, policy.text, clock)


def _stored_anchors(gateway: Gateway, manifest: Manifest, layout: Layout, tools: Tools) -> tuple[Anchor, ...]:
    """The issuing CAs of a generation, from the very files that httpd has read."""
    known = trusted_certificates(tools.files, layout, gateway)
    return tuple(
        tools.openssl.anchor(name, _pem(known[hashed]))
        for name in gateway.authorities
        for hashed, _ in manifest.anchors.get(name, ())
        if hashed in known
    )


def trusted_certificates(files: Files, layout: Layout, gateway: Gateway) -> dict[str, x509.Certificate]:
    """The certificates in the files of anchors of a generation of ``gateway``, by :func:`fingerprint`.

    A file that was damaged by hand has none: what is missing is for whoever asks to miss, and that it was changed for ``status`` to tell.
    """
    known: dict[str, x509.Certificate] = {}
    for apart in dict.fromkeys((None, *(name for name, a in gateway.authorities.items() if a.host is not None))):
        path = layout.generation / anchor_files(apart)[1]
        if files.kind(path) is FileKind.FILE:
            with suppress(ValueError):
                known |= {fingerprint(c): c for c in x509.load_pem_x509_certificates(files.read(path))}
    return known


def preview(places: Places, gateway: Gateway, tools: Tools) -> Inputs:
    """The inputs of a compilation that writes nothing: what does not exist yet is shown as a placeholder."""
    layout = places.layout(current_number(tools.files, places) or 1)
    anchors = []
    for name, authority in gateway.authorities.items():
        for file in authority.anchors or (f"certs/ca/{name}-issuing.pem",):
            path = places.folder / file
            if tools.files.kind(path) is FileKind.FILE:
                anchors.append(tools.openssl.anchor(name, tools.files.read(path)))
            else:
                anchors.append(Anchor(name, "", "", f"CN={PLACEHOLDER}"))
    chain = places.folder / "certs" / "server" / "chain.pem"
    identity = ServerIdentity(chain, chain.with_name("key.pem"))
    secrets: dict[Name, tuple[str, ...]] = dict.fromkeys(gateway.signing_names, ("0" * 2 * KEY_DIGITS,))
    shown = {
        c: BackendIdentity(places.folder / "keys" / "backends" / "identity.pem") for c in gateway.backend_certificates
    }
    return _Ingredients(places, gateway, tools, tuple(anchors), identity, secrets, shown).inputs(layout)


def compiled(inputs: Inputs) -> Artifact:
    """Every file of the generation. Raises :class:`EnvironmentFault` naming each module that this httpd lacks."""
    artifact = compile_gateway(inputs)
    lacking = missing_modules(inputs.httpd, artifact.modules, None)
    if lacking:
        raise EnvironmentFault(*lacking)
    return artifact


def state_of(kind: str, name: str, certificate: x509.Certificate, now: datetime) -> CertificateState:
    """What a user is told of one certificate."""
    ends = certificate.not_valid_after_utc
    return CertificateState(kind, name, rfc2253(certificate.subject), ends, (ends - now).days)


def _managed(name: Name, gateway: Gateway, pki: PkiDeps) -> AuthorityState:
    return change_crl_base(declared_authority(name, gateway, pki), gateway.authorities[name].crl_url, pki)


def _identity(
    places: Places, gateway: Gateway, authorities: Mapping[Name, AuthorityState], pki: PkiDeps
) -> tuple[ServerIdentity, list[CertificateState], PurePath | None]:
    """The server's certificate: issued here, or the user's own files."""
    now = pki.clock.now()
    own = gateway.certificate
    if own is not None and own.chain is not None and own.key_file is not None:
        identity = _own_copy(places, pki.files.read(places.folder / own.chain), places.folder / own.key_file, pki.files)
        leaf = x509.load_pem_x509_certificate(pki.files.read(identity.chain))
        return identity, [state_of("server", gateway.hosts[0], leaf, now)], None
    name = gateway.server_authority
    assert name is not None  # the check layer refuses a gateway without one
    authority = authorities[name]
    issued = ensure_server_certificate(
        authority, gateway.served_names, pki, algorithm=gateway.authorities[name].key_algorithm
    )
    leaf = x509.load_der_x509_certificate(issued.certificate.der)
    identity = ServerIdentity(PurePosixPath(issued.chain_path), PurePosixPath(issued.key_path))
    return identity, [state_of("server", gateway.hosts[0], leaf, now)], authority.root_path


def _own_copy(places: Places, chain: bytes, key_file: PurePath, files: Files) -> ServerIdentity:
    """The user's certificate and key, copied to a folder named after their content.

    A generation must stay what it was: were the user's files used in place, a broken new one would keep the gateway
    from starting with its last good generation too.
    """
    key = files.read(key_file)
    name = hashlib.sha256(hashlib.sha256(chain).digest() + hashlib.sha256(key).digest()).hexdigest()[:16]
    folder = places.folder / "certs" / "server" / f"own-{name}"
    identity = ServerIdentity(folder / "chain.pem", folder / "key.pem")
    files.make_folder(folder, 0o700)
    for path, content, mode in ((identity.key, key, 0o600), (identity.chain, chain, 0o640)):
        if files.kind(path) is not FileKind.FILE or files.read(path) != content:
            files.write(path, content, mode)
    return identity


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the DER, in hex."""
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def _anchors(
    places: Places, gateway: Gateway, authorities: Mapping[Name, AuthorityState], tools: Tools
) -> Iterable[Anchor]:
    for name, authority in gateway.authorities.items():
        for path in authority.anchors:
            yield tools.openssl.anchor(name, tools.files.read(places.folder / path))
        if not authority.managed:
            continue
        for generation in authorities[name].issuing_generations:
            certificate = x509.load_der_x509_certificate(generation.der)
            yield tools.openssl.anchor(name, _pem(certificate))


def _told_apart(gateway: Gateway, anchors: Iterable[Anchor]) -> tuple[Anchor, ...]:
    """The anchors, if no two authorities under one name of the gateway have CAs of one name, as OpenSSL compares names.

    The check has said so of files; this is about what is trusted in the end: files that were changed since, and CAs made since.
    Raises :class:`UsageError`.
    """
    found = tuple(anchors)
    first: dict[tuple[str, str], str] = {}
    for anchor in found:
        name = x509.load_pem_x509_certificate(anchor.pem.encode()).subject
        apart = gateway.authorities[Name(anchor.authority)].host is not None
        key = (anchor.authority if apart else "", canonical_name(name))
        other = first.setdefault(key, anchor.authority)
        if other != anchor.authority:
            raise UsageError(
                Diagnostic(
                    "same-anchor-name",
                    f"the anchors of authorities {other!r} and {anchor.authority!r} have one name: {anchor.subject}",
                    "clients of the one could be taken for clients of the other",
                    "see which file it is: gatewright check",
                )
            )
    return found


@dataclass(frozen=True, slots=True)
class _Ingredients:
    """Everything of a compilation but the generation's number."""

    places: Places
    gateway: Gateway
    tools: Tools
    anchors: tuple[Anchor, ...]
    identity: ServerIdentity
    secrets: Mapping[Name, tuple[str, ...]]
    shown: Mapping[BackendCertificate, BackendIdentity]

    def inputs(self, layout: Layout) -> Inputs:
        return Inputs(
            gateway=self.gateway,
            httpd=self.tools.httpd,
            layout=layout,
            identity=self.identity,
            anchors=self.anchors,
            run_as=self.places.run_as,
            system_anchors=self.tools.system_anchors,
            secrets=self.secrets,
            backend_identities=self.shown,
        )

    @property
    def subjects(self) -> Mapping[str, tuple[str, ...]]:
        """The issuing CAs' DNs by authority."""
        return subjects_of((anchor.authority, anchor.subject) for anchor in self.anchors)

    def sources(self, policy: bytes, now: datetime) -> Sources:
        leaf = x509.load_pem_x509_certificate(self.tools.files.read(self.identity.chain))
        anchors: dict[str, tuple[tuple[str, str], ...]] = {}
        for anchor in self.anchors:
            certificate = x509.load_pem_x509_certificate(anchor.pem.encode())
            pair = (fingerprint(certificate), anchor.subject)
            anchors[anchor.authority] = (*anchors.get(anchor.authority, ()), pair)
        return Sources(
            policy, fingerprint(leaf), str(self.identity.chain), str(self.identity.key), anchors, now, __version__
        )


def _generation(
    ingredients: _Ingredients, policy: bytes, pki: PkiDeps, *, running: bool
) -> tuple[int, Layout, bool, InPlace | None]:
    """The current generation where it is exactly what is wanted, or all but its members, else a new one; whether it is new."""
    places, files = ingredients.places, ingredients.tools.files
    sources = ingredients.sources(policy, pki.clock.now())
    number = current_number(files, places)
    old = applied_gateway(files, places, number) if number else None
    # Other routes never give the same configuration, so that there is no need to compile in order to compare.
    if number and (old is None or old.routes == ingredients.gateway.routes):
        layout = places.layout(number)
        artifact = compiled(ingredients.inputs(layout))
        # Routes that a proof has shut open again with a new generation only, which is proved before it is used.
        sound = files.kind(layout.shut) is FileKind.MISSING
        if sound and files.kind(layout.pages) is FileKind.FOLDER and is_written(files, layout, artifact):
            members = compare(files, layout, ingredients.gateway, ingredients.subjects)
            waiting = before_change(files, layout) is not None
            if (members or waiting) and running:
                made = Made(artifact, sources)
                return number, layout, False, InPlace(places, number, ingredients.gateway, policy, pki.clock, made)
            # Members that were never proved are proved as those of a new generation where none runs that could be asked.
            if not members and not waiting:
                if stored_policy(files, layout) != policy or read_manifest(files, layout) is None:
                    # Another text for the very same configuration, such as a comment.
                    write_manifest(files, layout, artifact, sources)
                    write_policy(files, layout, policy)
                return number, layout, False, None
    number = next_number(files, places)
    layout = places.layout(number)
    files.remove(layout.shut)
    files.remove(layout.members)
    synchronise(files, places, layout, ingredients.gateway, ingredients.subjects)
    write_generation(files, places, layout, compiled(ingredients.inputs(layout)), sources)
    return number, layout, True, None


def _starter_client(gateway: Gateway, authorities: Mapping[Name, AuthorityState], pki: PkiDeps) -> IssuedClient | None:
    """The newcomer's first client, issued without being asked so that there is something to try."""
    client = gateway.clients.get(STARTER_CLIENT)
    if client is None or client.san is None or client.authority not in authorities:
        return None
    return ensure_client(authorities[client.authority], STARTER_CLIENT, client.san, pki)


def _authority_states(authority: AuthorityState, now: datetime) -> Iterable[CertificateState]:
    yield state_of("root", authority.name, authority.root_certificate, now)
    yield state_of("issuing", authority.name, authority.issuing_certificate, now)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def _text(path: PurePath | None) -> str | None:
    return None if path is None else str(path)
