"""Issuing by name, signing requests, renewing and exporting: what was asked for is checked against the gateway file first."""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePath

from cryptography import x509

from gatewright.app.authority import AuthorityState, PkiDeps, find_authority
from gatewright.app.issuing import IssuedClient, Order, deliver_client, issue, renew
from gatewright.app.office import CA_PROFILES, Office, find, is_current, the_one
from gatewright.app.partnership import refuse_for_partner
from gatewright.app.showing import read_given
from gatewright.app.signing import Signed, sign_request
from gatewright.app.starter import examples_for
from gatewright.errors import Diagnostic, FindingError, Severity, UsageError, ValueRejected
from gatewright.model.gateway import Client, Gateway
from gatewright.model.pki import Certificate, Filter, KeyKind, ProfileName, Status
from gatewright.model.values import HostName, Name
from gatewright.pki import bundle
from gatewright.pki.bundle import P12Profile
from gatewright.pki.csr import Allowed
from gatewright.pki.keys import PrivateKey, pem
from gatewright.pki.names import alternative_names, certificate_names, common_name, distinguished_name, spelled
from gatewright.ports.files import FileKind, Files
from gatewright.source.decoder import nearest

TRUSTSTORE = "truststore.p12"
"""The Java trust store that goes with a client's files; its password is that of the client's .p12."""


class Packaging(enum.StrEnum):
    """For whom a PKCS #12 file is made. ``java`` is ``modern`` (Java 8u301 and later read it) with a trust store beside it."""

    MODERN = "modern"
    LEGACY = "legacy"
    JAVA = "java"

    @property
    def protection(self) -> P12Profile:
        """How the file itself is protected."""
        return P12Profile.LEGACY if self is Packaging.LEGACY else P12Profile.MODERN


@dataclass(frozen=True, slots=True)
class Wish:
    """What ``cert issue`` was asked. Without ``authority``, ``name`` must be a client of the gateway file."""

    name: str
    profile: ProfileName = ProfileName.CLIENT
    sans: tuple[str, ...] = ()
    lifetime: timedelta | None = None
    key: KeyKind = KeyKind.P256
    packaging: Packaging = Packaging.MODERN
    why: str = ""
    authority: str | None = None


@dataclass(frozen=True, slots=True)
class Delivered:
    """A certificate and its files. ``try_it`` is a path to ask for with it, where it is for one of the gateway's clients."""

    client: IssuedClient
    authority: AuthorityState
    truststore: PurePath | None = None
    said: tuple[Diagnostic, ...] = ()
    url: str | None = None
    try_it: str | None = None


@dataclass(frozen=True, slots=True)
class Exported:
    """What ``cert export`` wrote. Every path but ``out`` may be absent."""

    certificate: Certificate
    out: PurePath
    password_file: PurePath | None = None
    truststore: PurePath | None = None


def issue_by_name(office: Office, wish: Wish) -> Delivered:
    """Make a key, issue the certificate and write the files into ``clients/<name>/``."""
    name = _name(wish.name)
    gateway = office.declared()
    client = gateway.clients.get(name) if gateway is not None else None
    if client is not None:
        authority_name, subject, sans = _of_entry(name, client, wish)
    else:
        if wish.authority is None:
            raise unknown_client(name, gateway)
        authority_name = wish.authority
        sans = tuple(_general_name(text) for text in wish.sans)
        _refuse_names_of_others(name, sans, gateway, authority_name)
        first = next((value for kind, value in spelled(sans) if kind in {"dns", "ip"}), name)
        subject = distinguished_name(common_name(first, name))
    refuse_for_partner(gateway, authority_name, sans, by_subject=client is not None and client.subject is not None)
    authority = office.authority(authority_name)
    ref, key = office.deps.keystore.create(wish.key)
    order = Order(
        wish.profile, subject, sans, key.public_key(), ref, name, wish.lifetime, office.by, wish.why or "cert issue"
    )
    try:
        certificate = issue(authority, [order], office.deps)[0]
    except (UsageError, FindingError):
        office.deps.keystore.remove(ref)  # refused before anything was signed: nothing will ever need this key
        raise
    said = (*_seldom_taken(wish.key), *_cut(office, certificate, wish.lifetime), *_earlier(office, certificate))
    return _delivered(office, authority, certificate, wish.packaging, said)


def sign_file(office: Office, path: PurePath, client_name: str, *, lifetime: timedelta | None, why: str) -> Delivered:
    """Judge a partner's request by the client's entry and sign what is left of it.

    Raises :class:`FindingError` with every reason where it is refused.
    """
    name = _name(client_name)
    gateway = office.declared()
    client = gateway.clients.get(name) if gateway is not None else None
    if client is None:
        raise unknown_client(name, gateway)
    request, allowed = read_given(office.deps.files, path), Allowed.of(name, client)
    if client.serial is None:  # nothing can be signed for one, which is said below
        refuse_for_partner(gateway, client.authority, allowed.compose()[1], by_subject=client.subject is not None)
    authority = office.authority(client.authority)
    signed: Signed = sign_request(
        authority, request, allowed, office.deps, lifetime=lifetime, requested_by=office.by, why=why
    )
    certificate = signed.client.certificate
    said = (
        *signed.said,
        *_stale_key(office, signed.client),
        *_cut(office, certificate, lifetime),
        *_earlier(office, certificate),
    )
    return _described(office, authority, signed.client, said=said)


def renew_by_reference(
    office: Office, reference: str, *, authority: str | None, packaging: Packaging, why: str
) -> tuple[Certificate, Delivered]:
    """A successor of the newest certificate that ``reference`` means; the old one stays valid until its end."""
    current = is_current(office.deps.clock.now())
    found = find(office, reference, current, authority=authority)
    if len({(c.authority, c.client, c.profile) for c in found}) == 1:
        found = found[-1:]  # of one client's certificates, the newest is the one to go on from
    old = the_one(found, reference, "renew", otherwise=", or add --authority")
    _refuse_renewal(office, old)
    state = find_authority(old.authority, office.deps)
    fresh = renew(state, old, office.deps, requested_by=office.by, why=why)
    return old, _delivered(office, state, fresh, packaging)


def export_p12(
    office: Office, reference: str, out: PurePath, packaging: Packaging, *, authority: str | None, password: PurePath
) -> Exported:
    """The newest certificate that ``reference`` means, with its key, as PKCS #12 under the password in the file ``password``.

    That file is made, with a random password, if it is not there.
    """
    certificate = _newest(office, reference, authority)
    key = key_of(office, certificate)
    refuse_existing(office.deps.files, out)
    secret = secret_of(office.deps, password)
    state = find_authority(certificate.authority, office.deps)
    leaf, above = chain_of(state, certificate)
    name = certificate.client or certificate.serial_hex
    content = bundle.p12(key, leaf, above, name=name, passphrase=secret, profile=packaging.protection)
    office.deps.files.write(out, content, 0o600)
    truststore = None
    if packaging is Packaging.JAVA:
        truststore = out.with_name(f"{out.stem}-{TRUSTSTORE}")
        _write_truststore(office.deps, state, truststore, secret)
    return Exported(certificate, out, password, truststore)


def export_pem(office: Office, reference: str, *, authority: str | None, with_key: bool) -> tuple[Certificate, bytes]:
    """Certificate and chain as PEM text; with the private key in front of it if asked for: secret then."""
    certificate = _newest(office, reference, authority)
    leaf, above = chain_of(find_authority(certificate.authority, office.deps), certificate)
    text = bundle.chain([leaf, *above])
    return certificate, pem(key_of(office, certificate)) + text if with_key else text


def write_new(files: Files, path: PurePath, content: bytes, mode: int) -> None:
    """Write a file that is not there yet. Raises :class:`UsageError` if it is."""
    refuse_existing(files, path)
    files.write(path, content, mode)


def chain_of(authority: AuthorityState, certificate: Certificate) -> tuple[x509.Certificate, list[x509.Certificate]]:
    """The leaf, and the issuing CA above it."""
    above = [g.der for g in authority.issuing_generations if g.id == certificate.issuer]
    return x509.load_der_x509_certificate(certificate.der), [x509.load_der_x509_certificate(der) for der in above]


def key_of(office: Office, certificate: Certificate) -> PrivateKey:
    """The private key of a certificate. Raises :class:`UsageError` where its holder has it, or it stays in a token."""
    if certificate.key is None:
        raise UsageError(
            Diagnostic(
                "key-not-here",
                f"the private key of {certificate.serial_hex} ({certificate.subject}) is not here",
                "its holder made it and sent a request; it never left them",
                "export the certificate alone: --pem",
            )
        )
    return office.deps.keystore.load(certificate.key)


def unknown_client(name: str, gateway: Gateway | None) -> UsageError:
    """The error for a client that the gateway file does not declare, with the nearest that it does."""
    known = tuple(gateway.clients) if gateway is not None else ()
    near = nearest(name, known)
    declare = (
        f"declare it in gateway.yaml, or name its authority: gatewright cert issue {name} --authority home --san NAME"
    )
    return UsageError(
        Diagnostic(
            "unknown-client",
            f"there is no client {name!r} in gateway.yaml",
            "a client's entry says which authority issues to it, and which name stands in its certificate",
            f"write {near!r}" if near else declare,
        )
    )


def _of_entry(name: Name, client: Client, wish: Wish) -> tuple[str, x509.Name, tuple[x509.GeneralName, ...]]:
    if wish.authority not in {None, client.authority}:
        raise UsageError(
            Diagnostic(
                "other-authority",
                f"client {name!r} belongs to authority {client.authority!r}, not to {wish.authority!r}",
                "a certificate of another authority would not be admitted where this client is named",
                f"leave --authority out, or write --authority {client.authority}",
            )
        )
    if client.pin is not None:
        raise UsageError(
            Diagnostic(
                "key-is-given",
                f"client {name!r} is known by a key that exists already",
                "a certificate with a new key would not be admitted as this client",
                f"have its holder make a request with that key, then: gatewright cert sign FILE.csr --client {name}",
            )
        )
    try:
        subject, sans = Allowed.of(name, client).compose()
    except ValueError as problem:
        fix = f"know it by a name instead: 'san', 'email', 'uri' or 'subject' in the entry of {name!r}"
        what = f"no certificate can be issued for client {name!r}: {problem}"
        raise UsageError(Diagnostic("client-entry-unusable", what, "", fix)) from problem
    asked = tuple(_general_name(text) for text in wish.sans)
    if set(asked) - set(sans):
        other = next(value for _, value in spelled([a for a in asked if a not in sans]))
        raise UsageError(
            Diagnostic(
                "san-not-of-client",
                f"the entry of client {name!r} does not give it the name {other!r}",
                "routes are opened to the name in the entry; any other name could be another client's",
                f"leave --san out, or change the entry of {name!r} in gateway.yaml",
            )
        )
    return client.authority, subject, sans


def _refuse_names_of_others(
    name: str, sans: Sequence[x509.GeneralName], gateway: Gateway | None, authority: str
) -> None:
    if not sans:
        raise UsageError(
            Diagnostic(
                "san-missing",
                f"{name!r} is not declared in gateway.yaml, and no --san says what its certificate is to name",
                "the names in a certificate are what it is recognised by",
                f"gatewright cert issue {name} --authority {authority} --san {name}.example.org",
            )
        )
    values = {value for _, value in spelled(sans)}
    for other, client in gateway.clients.items() if gateway is not None else ():
        if client.authority != authority:
            continue
        # The common name repeats the first name, and an entry may ask for nothing but a common name.
        by_subject = client.subject is not None and set(client.subject.parts()) <= {("CN", value) for value in values}
        if by_subject or (client.subject is None and str(client.matcher) in values):
            raise UsageError(
                Diagnostic(
                    "san-of-other-client",
                    f"the name {str(client.matcher if client.subject is None else next(iter(values)))!r} is that of client {str(other)!r}",
                    "whoever holds such a certificate would be admitted as that client",
                    f"issue it for that client: gatewright cert issue {other}",
                )
            )


def _general_name(text: str) -> x509.GeneralName:
    kind, colon, value = text.partition(":")
    try:
        if colon and kind == "email":
            return x509.RFC822Name(value)
        if colon and kind == "uri":
            return x509.UniformResourceIdentifier(value)
        if colon and kind in {"dns", "ip"}:
            text = value
        host = HostName.parse(text)
        return x509.IPAddress(ipaddress.ip_address(host)) if host.is_address else alternative_names([host])[0]
    except (ValueRejected, ValueError) as problem:
        raise UsageError(
            Diagnostic(
                "bad-san",
                f"{text!r} cannot stand in a certificate: {problem}",
                "",
                "write a DNS name, an IP address, email:… or uri:…, in ASCII",
            )
        ) from problem


def _name(text: str) -> Name:
    try:
        return Name.parse(text)
    except ValueRejected as problem:
        raise UsageError(problem.at(None)) from problem


def _delivered(
    office: Office,
    authority: AuthorityState,
    certificate: Certificate,
    packaging: Packaging,
    said: tuple[Diagnostic, ...] = (),
) -> Delivered:
    issued = deliver_client(authority, certificate, office.deps, p12=packaging.protection)
    truststore = None
    if packaging is Packaging.JAVA and issued.passphrase_path is not None:
        truststore = issued.ca_path.with_name(TRUSTSTORE)
        secret = office.deps.files.read(issued.passphrase_path).decode().strip()
        _write_truststore(office.deps, authority, truststore, secret)
    return _described(office, authority, issued, truststore, said)


def _described(
    office: Office,
    authority: AuthorityState,
    issued: IssuedClient,
    truststore: PurePath | None = None,
    said: tuple[Diagnostic, ...] = (),
) -> Delivered:
    gateway = office.declared()
    name = issued.certificate.client or ""
    if gateway is None or issued.certificate.profile is not ProfileName.CLIENT or Name(name) not in gateway.clients:
        return Delivered(issued, authority, truststore, said)
    admitted = (e.path for e in examples_for(gateway, Name(name), limit=1000) if e.with_certificate)
    port = gateway.listen.port
    url = f"https://{gateway.hosts[0].in_url}" + ("" if port == 443 else f":{port}")
    return Delivered(issued, authority, truststore, said, url, next(admitted, None))


def _write_truststore(deps: PkiDeps, authority: AuthorityState, path: PurePath, secret: str) -> None:
    entries = [(f"{authority.name}-root", authority.root_certificate)]
    deps.files.write(path, bundle.java_truststore(entries, secret), 0o600)


def _seldom_taken(kind: KeyKind) -> Iterator[Diagnostic]:
    """That not everybody can use a key of this kind, who takes it being what the tests with those programs show."""
    if kind is KeyKind.ED25519:
        yield Diagnostic(
            "key-ed25519",
            "the key is Ed25519, which not every program takes",
            "httpd, OpenSSL, curl, GnuTLS, Java and Node take it; browsers, NSS and Windows do not offer it as a client certificate",
            "if its holder uses one of those: gatewright cert issue --key p256",
            severity=Severity.WARNING,
        )


def _cut(office: Office, certificate: Certificate, lifetime: timedelta | None) -> Iterator[Diagnostic]:
    """That the certificate ends earlier than asked for."""
    if lifetime is not None and certificate.not_after < office.deps.clock.now() + lifetime - timedelta(hours=1):
        yield Diagnostic(
            "lifetime-cut",
            f"it ends on {certificate.not_after:%Y-%m-%d}, not after the {lifetime.days} days asked for",
            "nothing outlives the CA that issued it",
            f"for a later end, make the next issuing CA first: gatewright ca next {certificate.authority}",
            severity=Severity.WARNING,
        )


def _earlier(office: Office, certificate: Certificate) -> Iterator[Diagnostic]:
    """That the client has others which are good: whoever issues anew often means to replace one."""
    wanted = Filter(client=certificate.client, status=Status.VALID, expires_after=office.deps.clock.now())
    with office.deps.store.reading() as reader:
        others = [c for c in reader.page(wanted, 2).certificates if c.sha256 != certificate.sha256]
    if certificate.client is not None and others:
        yield Diagnostic(
            "earlier-stays-valid",
            f"an earlier certificate of {certificate.client!r} stays valid, until {others[0].not_after:%Y-%m-%d}",
            "issuing takes nothing back",
            f"when its holder has changed over: gatewright cert revoke {others[0].serial_hex} --reason superseded",
            severity=Severity.NOTE,
        )


def _stale_key(office: Office, issued: IssuedClient) -> Iterator[Diagnostic]:
    """An older key in the folder would be taken for this certificate's."""
    name = issued.certificate.client or ""
    old = issued.chain_path.with_name(f"{name}.key")
    if office.deps.files.kind(old) is FileKind.FILE:
        yield Diagnostic(
            "key-of-earlier-certificate",
            f"{old} is the key of an earlier certificate, not of this one",
            "the key of this one is with whoever made the request",
            f"put it away: rm {old} {old.with_suffix('.p12')} (they can be had again: gatewright cert export)",
            severity=Severity.WARNING,
        )


def _refuse_renewal(office: Office, old: Certificate) -> None:
    if old.profile in CA_PROFILES:
        fix = f"gatewright ca next {old.authority}"
        raise UsageError(Diagnostic("renew-ca", f"{old.subject} is a CA", "CAs are followed by new generations", fix))
    if old.client is None:
        raise UsageError(
            Diagnostic(
                "renewed-by-itself",
                f"{old.subject} is the gateway's own certificate",
                "it is renewed by itself in the last third of its life",
                "gatewright up, if the gateway does not run",
            )
        )
    if old.not_after <= office.deps.clock.now() and old.status is Status.VALID:
        raise UsageError(
            Diagnostic(
                "renew-expired",
                f"certificate {old.serial_hex} ended on {old.not_after:%Y-%m-%d}",
                "whoever let it end may not be there any more; that is for a person to decide",
                f"issue a new one: gatewright cert issue {old.client}",
            )
        )
    gateway = office.declared()
    entry = gateway.clients.get(Name(old.client)) if gateway is not None else None
    by_subject = entry is not None and entry.subject is not None
    refuse_for_partner(gateway, old.authority, _sans(old), by_subject=by_subject)
    if entry is None or old.profile is not ProfileName.CLIENT:
        return
    before = x509.load_der_x509_certificate(old.der)
    names = {n for n in certificate_names(before) if n[0] != "cn"}
    subject, sans = (None, ()) if entry.serial is not None else Allowed.of(Name(old.client), entry).compose()
    if entry.authority != old.authority or names != set(spelled(sans)) or (not sans and before.subject != subject):
        raise UsageError(
            Diagnostic(
                "entry-changed",
                f"certificate {old.serial_hex} is not what the entry of client {old.client!r} says any more",
                "its successor would have the same names and not be admitted as this client",
                f"issue one by the entry: gatewright cert issue {old.client}",
            )
        )


def _sans(certificate: Certificate) -> Sequence[x509.GeneralName]:
    found = x509.load_der_x509_certificate(certificate.der).extensions
    try:
        return tuple(found.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return ()


def _newest(office: Office, reference: str, authority: str | None) -> Certificate:
    found = find(office, reference, is_current(office.deps.clock.now()), authority=authority)
    if len({(c.authority, c.client, c.profile) for c in found}) == 1:
        return found[-1]
    return the_one(found, reference, "export", otherwise=", or add --authority")


def refuse_existing(files: Files, path: PurePath) -> None:
    """Raises :class:`UsageError` where there is something already, or no folder to write into."""
    if files.kind(path) is not FileKind.MISSING:
        raise UsageError(
            Diagnostic(
                "output-exists",
                f"{path} is there already",
                "it may hold the only copy of something",
                "give another name, or move that file away",
            )
        )
    if files.kind(path.parent) is not FileKind.FOLDER:
        what = f"there is no folder {str(path.parent)!r}"
        raise UsageError(Diagnostic("no-such-folder", what, "", f"mkdir -p {path.parent}"))


def secret_line(files: Files, path: PurePath) -> str:
    """The first line of a password file. Raises :class:`UsageError` where others may read it, or it is empty."""
    content = read_given(files, path)
    mode = files.mode(path)
    if mode & 0o077:
        raise UsageError(
            Diagnostic(
                "password-file-readable",
                f"the password file {path} has mode {mode:04o}: others may read it",
                "what it protects is only as secret as this file",
                f"chmod 600 {path}; choose another password if others use this machine",
            )
        )
    try:
        line = content.split(b"\n", 1)[0].removesuffix(b"\r").decode()
    except UnicodeDecodeError as problem:
        fix = "write the password as text in its first line"
        raise UsageError(Diagnostic("password-file-unusable", f"{path} is not text", "", fix)) from problem
    if not line:
        fix = "write the password into its first line"
        raise UsageError(Diagnostic("password-file-unusable", f"the first line of {path} is empty", "", fix))
    return line


def secret_of(deps: PkiDeps, path: PurePath) -> str:
    """The password in a file, which is made (mode 0600, random) if it is not there."""
    if deps.files.kind(path) is FileKind.MISSING:
        secret = deps.randomness.passphrase()
        deps.files.write(path, secret.encode() + b"\n", 0o600)
        return secret
    return secret_line(deps.files, path)
