"""Issues certificates, and delivers them as files that can be made again at any time from the store and the keys.

Order of durable effects, so that a crash at any instant loses nothing: the private key's file first, then one
transaction with serial number, certificate and log entry, then the files for people. A signature that never got into the
store never left this process's memory.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePath

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gatewright.app.authority import (
    DRAWS,
    AuthorityState,
    PkiDeps,
    broken_randomness,
    issuer_of,
    sha256_of,
    write_if_different,
)
from gatewright.errors import Diagnostic, EnvironmentFault, UsageError
from gatewright.model.pki import Certificate, Filter, KeyKind, KeyRef, ProfileName, Status
from gatewright.pki import audit, build, bundle, openssl_errors, verify
from gatewright.pki.build import Issuer, ProfileViolation
from gatewright.pki.bundle import P12Profile
from gatewright.pki.keys import PublicKey, kind_of, pem, public_key_of
from gatewright.pki.names import alternative_names, certificate_names, common_name, distinguished_name
from gatewright.pki.profiles import BACKDATED, PROFILES
from gatewright.ports.files import FileKind
from gatewright.ports.store import SerialTaken

RENEW_IN_LAST = 1 / 3
"""A certificate is renewed in the last third of its life, as ACME clients do: 30 days of slack for one of 90 days."""


@dataclass(frozen=True, slots=True)
class IssuedFiles:
    """The gateway's own certificate as httpd takes it. ``chain_path`` changes with every certificate, so that

    chain and key always belong together, whichever moment a process reads them. ``renewed`` tells whether it is new.
    """

    chain_path: PurePath
    key_path: PurePath
    not_after: datetime
    certificate: Certificate
    renewed: bool


@dataclass(frozen=True, slots=True)
class IssuedClient:
    """A client's certificate and the files made of it. The passphrase of the .p12 stands in ``passphrase_path``, nowhere else.

    ``key_path``, ``p12_path`` and ``passphrase_path`` are ``None`` where the client keeps its own key.
    """

    certificate: Certificate
    chain_path: PurePath
    ca_path: PurePath
    key_path: PurePath | None
    p12_path: PurePath | None
    passphrase_path: PurePath | None

    @property
    def not_after(self) -> datetime:
        """When it ends."""
        return self.certificate.not_after


@dataclass(frozen=True, slots=True)
class Order:
    """One certificate to be issued. ``key`` is where the private key is kept, ``None`` where its holder made it.

    ``lifetime`` replaces the profile's. ``requested_by`` and ``why`` go into the log.
    """

    profile: ProfileName
    subject: x509.Name
    names: tuple[x509.GeneralName, ...]
    public_key: PublicKey
    key: KeyRef | None = None
    client: str | None = None
    lifetime: timedelta | None = None
    requested_by: str = ""
    why: str = ""


def issue(authority: AuthorityState, orders: Sequence[Order], deps: PkiDeps) -> list[Certificate]:
    """Sign and record every order in one transaction: all are durable and in the log when this returns, or none is.

    Keys must be durable already. Raises :class:`UsageError` where an order does not fit its profile.
    """
    issuer = issuer_of(authority.issuing, deps)
    for _ in range(DRAWS):
        now = deps.clock.now()
        _refuse_early(authority, now, deps)
        records = [_signed(order, issuer, authority, now, deps) for order in orders]
        try:
            with deps.store.writing() as tx:
                tx.add_certificates(records)
                above = sha256_of(authority.issuing)
                tx.append((audit.issued(r, above, now) for r in records), clock_is_right=deps.clock_is_right)
        except SerialTaken:
            continue  # the transaction is undone; draw again
        return records
    raise broken_randomness()


def _refuse_early(authority: AuthorityState, now: datetime, deps: PkiDeps) -> None:
    begins = authority.issuing_certificate.not_valid_before_utc
    # Made while the clock was hours ahead, which its owner says: what is issued then begins with its CA.
    vouched = deps.clock_is_right and begins - now < timedelta(days=1)
    if now < begins and not vouched:
        raise EnvironmentFault(
            Diagnostic(
                "clock-set-back",
                f"the clock says {now:%Y-%m-%d %H:%M:%S} UTC; the issuing CA of {authority.name} is valid from "
                f"{begins:%Y-%m-%d %H:%M:%S} UTC",
                "a certificate dated before its CA would be refused by everybody",
                "set the clock right: timedatectl status",
            )
        )


def ensure_server_certificate(
    authority: AuthorityState, hosts: Iterable[str], deps: PkiDeps, *, algorithm: KeyKind | str = KeyKind.P256
) -> IssuedFiles:
    """The gateway's own certificate for exactly ``hosts``.

    A new one is made when there is none, when the names or the issuing CA changed, when it was revoked, when its key is
    gone, or in the last third of its life; else the files of the present one are checked and the missing ones written.
    """
    wanted = tuple(dict.fromkeys(hosts))
    why = "the gateway's own certificate"
    certificate, renewed = _ensure_own(authority, ProfileName.SERVER, wanted, deps, algorithm=algorithm, why=why)
    return _deliver_server(authority, certificate, deps, renewed=renewed)


def ensure_backend_certificate(
    authority: AuthorityState, host: str, deps: PkiDeps, *, algorithm: KeyKind | str = KeyKind.P256
) -> tuple[bytes, bytes, Sequence[x509.Certificate]]:
    """What the gateway shows to backends: certificate and key (PEM), and the CAs above it, root last.

    Made anew for the same reasons as :func:`ensure_server_certificate`'s.
    """
    why = "shown to backends"
    certificate, _ = _ensure_own(authority, ProfileName.BACKEND_CLIENT, (host,), deps, algorithm=algorithm, why=why)
    assert certificate.key is not None  # by _ensure_own
    leaf = x509.load_der_x509_certificate(certificate.der)
    above = [*_above(authority, certificate), authority.root_certificate]
    return build.pem(leaf), pem(deps.keystore.load(certificate.key)), above


def _ensure_own(
    authority: AuthorityState,
    profile: ProfileName,
    names: tuple[str, ...],
    deps: PkiDeps,
    *,
    algorithm: KeyKind | str,
    why: str,
) -> tuple[Certificate, bool]:
    """The gateway's newest certificate of this profile if it still serves, else a new one; whether it is new."""
    with deps.store.reading() as reader:
        found = reader.newest(Filter(authority=authority.name, profile=profile))
    if found is not None and _names_exactly(found, names) and serves_still(found, authority, deps):
        return found, False
    ref, key = deps.keystore.create(KeyKind(str(algorithm)))
    order = Order(
        profile,
        distinguished_name(common_name(names[0], "gateway")),
        tuple(alternative_names(names)),
        key.public_key(),
        ref,
        requested_by="gatewright",
        why=why,
    )
    return issue(authority, [order], deps)[0], True


def ensure_client(authority: AuthorityState, client_name: str, san: str, deps: PkiDeps) -> IssuedClient:
    """The newest certificate of this client, issued if there is none, or only an expired one or one for another name.

    Not renewed here: whoever holds the files decides when to take new ones. A revoked or held one is not replaced either:
    what somebody took away is not given back without being asked for. Missing files are written again.
    """
    with deps.store.reading() as reader:
        found = reader.newest(Filter(authority=authority.name, client=client_name, profile=ProfileName.CLIENT))
    if found is None:
        return issue_client(authority, client_name, san, deps)
    outdated = found.not_after <= deps.clock.now() or san not in {value for _, value in found.names}
    if found.status is Status.VALID and outdated:
        return issue_client(authority, client_name, san, deps)
    return deliver_client(authority, found, deps)


def issue_client(
    authority: AuthorityState,
    client_name: str,
    san: str,
    deps: PkiDeps,
    *,
    profile: ProfileName = ProfileName.CLIENT,
    lifetime: timedelta | None = None,
    algorithm: KeyKind | str = KeyKind.P256,
    p12: P12Profile = P12Profile.MODERN,
    requested_by: str = "gatewright",
    why: str = "",
) -> IssuedClient:
    """A new key and certificate for a client, delivered into ``clients/<name>/``."""
    ref, key = deps.keystore.create(KeyKind(str(algorithm)))
    order = Order(
        profile,
        distinguished_name(common_name(san, client_name)),
        tuple(alternative_names([san])),
        key.public_key(),
        ref,
        client_name,
        lifetime,
        requested_by,
        why,
    )
    return deliver_client(authority, issue(authority, [order], deps)[0], deps, p12=p12)


def issue_clients(
    authority: AuthorityState,
    wanted: Sequence[tuple[str, str]],
    deps: PkiDeps,
    *,
    algorithm: KeyKind | str = KeyKind.P256,
    requested_by: str = "gatewright",
    why: str = "",
) -> list[Certificate]:
    """Keys and certificates for many (client, san) at once, durable together; delivered one by one later if wanted."""
    keys = deps.keystore.create_many(KeyKind(str(algorithm)), len(wanted))
    orders = [
        Order(
            ProfileName.CLIENT,
            distinguished_name(common_name(san, client)),
            tuple(alternative_names([san])),
            key.public_key(),
            ref,
            client,
            None,
            requested_by,
            why,
        )
        for (client, san), (ref, key) in zip(wanted, keys, strict=True)
    ]
    return issue(authority, orders, deps)


def renew(authority: AuthorityState, old: Certificate, deps: PkiDeps, *, requested_by: str, why: str) -> Certificate:
    """A successor of ``old`` with the same names, profile and client; a new key where we made the old one.

    The old certificate stays valid until its end, so that its holder can change over. A revoked one has no successor.
    """
    if old.status is not Status.VALID:
        raise UsageError(
            Diagnostic(
                "renew-revoked",
                f"certificate {old.serial_hex} is {old.status}",
                "renewing it would give back what was taken away",
                "issue a new one if its holder is to be trusted again: gatewright cert issue",
            )
        )
    before = x509.load_der_x509_certificate(old.der)
    public_key, ref = public_key_of(before), None
    if old.key is not None:
        kind = kind_of(public_key)
        ref, key = deps.keystore.create(kind or KeyKind.P256)
        public_key = key.public_key()
    try:
        names = tuple(before.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        names = ()
    order = Order(
        old.profile,
        before.subject,
        names,
        public_key,
        ref,
        old.client,
        before.not_valid_after_utc - before.not_valid_before_utc - BACKDATED,
        requested_by,
        why or f"renews {old.serial_hex}",
    )
    return issue(authority, [order], deps)[0]


def deliver_client(
    authority: AuthorityState, certificate: Certificate, deps: PkiDeps, *, p12: P12Profile = P12Profile.MODERN
) -> IssuedClient:
    """Write the client's files where they are missing or belong to an older certificate.

    The certificate goes last: where it is the right one, everything before it is complete.
    """
    name = certificate.client or certificate.serial_hex
    folder = deps.folder / "clients" / name
    deps.files.make_folder(folder, 0o700)
    ca_path, chain_path = folder / "ca.pem", folder / f"{name}.pem"
    chain = bundle.chain([x509.load_der_x509_certificate(certificate.der), *_above(authority, certificate)])
    complete = deps.files.kind(chain_path) is FileKind.FILE and deps.files.read(chain_path) == chain
    write_if_different(deps.files, ca_path, build.pem(authority.root_certificate), 0o644)
    key_path = p12_path = passphrase_path = None
    if certificate.key is not None:
        key_path, p12_path, passphrase_path = (
            folder / f"{name}.key",
            folder / f"{name}.p12",
            folder / "p12-password.txt",
        )
        key = deps.keystore.load(certificate.key)
        write_if_different(deps.files, key_path, pem(key), 0o600)
        if deps.files.kind(passphrase_path) is FileKind.MISSING:
            deps.files.write(passphrase_path, deps.randomness.passphrase().encode() + b"\n", 0o600)
            complete = False  # a .p12 under a lost passphrase is useless
        if not complete or deps.files.kind(p12_path) is FileKind.MISSING:
            passphrase = deps.files.read(passphrase_path).decode().strip()
            leaf = x509.load_der_x509_certificate(certificate.der)
            content = bundle.p12(
                key, leaf, _above(authority, certificate), name=name, passphrase=passphrase, profile=p12
            )
            deps.files.write(p12_path, content, 0o600)
    write_if_different(deps.files, chain_path, chain, 0o644)
    return IssuedClient(certificate, chain_path, ca_path, key_path, p12_path, passphrase_path)


def _signed(order: Order, issuer: Issuer, authority: AuthorityState, now: datetime, deps: PkiDeps) -> Certificate:
    profile = PROFILES[order.profile]
    try:
        certificate = deps.builder.leaf(
            issuer,
            profile,
            order.public_key,
            name=order.subject,
            alternative_names=order.names,
            serial=deps.randomness.serial(),
            now=now,
            lifetime=order.lifetime,
        )
    except ProfileViolation as problem:
        raise UsageError(
            Diagnostic(
                "profile-violation",
                str(problem),
                f"a {order.profile} certificate made otherwise would be refused by whom it is shown to",
                "change the request, or choose another profile",
            )
        ) from problem
    _within_constraints(certificate, profile.name, authority, now)
    return build.record(
        certificate,
        authority.issuing.id,
        order.profile,
        authority.name,
        client=order.client,
        key=order.key,
        requested_by=order.requested_by,
        why=order.why,
    )


def _within_constraints(
    certificate: x509.Certificate, profile: ProfileName, authority: AuthorityState, now: datetime
) -> None:
    """Refuse, before anything is recorded, what every verifier would refuse by the CA's name constraints; OpenSSL decides."""
    if build.constraints_of(authority.issuing_certificate) is None:
        return
    leaf = verify.Certificate(certificate.public_bytes(Encoding.DER))
    anchor = verify.Certificate(authority.issuing.der)
    purpose = verify.Purpose.SERVER if profile is ProfileName.SERVER else verify.Purpose.CLIENT
    asked = verify.Question(leaf, now, anchors=(anchor,), purpose=purpose, partial_chain=True)
    numbers = {finding.number for finding in verify.ask_pyopenssl(asked).findings}
    if numbers & openssl_errors.NAME_CONSTRAINTS:
        raise UsageError(
            Diagnostic(
                "name-not-permitted",
                f"{authority.issuing.subject} may not vouch for every name in this certificate: "
                f"{', '.join(value for _, value in certificate_names(certificate))}",
                "its name constraints (RFC 5280 §4.2.1.10) are checked by whoever verifies the certificate",
                "issue it with an authority that may vouch for these names; declare one beside this where there is none",
            )
        )


def serves_still(found: Certificate, authority: AuthorityState, deps: PkiDeps) -> bool:
    """Whether a certificate of our own needs no successor: not revoked, of the CA that issues now, not in its last third, its key at hand."""
    now, life = deps.clock.now(), found.not_after - found.not_before
    return (
        found.status is Status.VALID
        and found.issuer == authority.issuing.id
        and found.not_before <= now < found.not_after - life * RENEW_IN_LAST
        and found.key is not None
        and deps.keystore.holds(found.key)
    )


def _names_exactly(found: Certificate, hosts: Sequence[str]) -> bool:
    named = {_canonical(value) for kind, value in found.names if kind in {"dns", "ip"}}
    return named == set(map(_canonical, hosts))


def _canonical(host: str) -> str:
    try:
        return ipaddress.ip_address(host).compressed
    except ValueError:
        return host


def _deliver_server(
    authority: AuthorityState, certificate: Certificate, deps: PkiDeps, *, renewed: bool
) -> IssuedFiles:
    folder = deps.folder / "certs" / "server"
    deps.files.make_folder(folder)
    chain_path = folder / f"chain-{certificate.sha256.hex()[:12]}.pem"
    leaf = x509.load_der_x509_certificate(certificate.der)
    write_if_different(deps.files, chain_path, bundle.chain([leaf, *_above(authority, certificate)]), 0o644)
    if deps.files.target(folder / "chain.pem") != chain_path.name:
        deps.files.point(folder / "chain.pem", chain_path.name)
    assert certificate.key is not None
    key_path = deps.keystore.path(certificate.key)
    if key_path is None:
        raise EnvironmentFault(
            Diagnostic(
                "server-key-not-a-file",
                f"the gateway's own key {certificate.key} is not in a file",
                "httpd reads the key of its certificate from a file",
                "keep the keys of servers in files",
            )
        )
    return IssuedFiles(chain_path, key_path, certificate.not_after, certificate, renewed)


def _above(authority: AuthorityState, certificate: Certificate) -> list[x509.Certificate]:
    for generation in authority.issuing_generations:
        if generation.id == certificate.issuer:
            return [x509.load_der_x509_certificate(generation.der)]
    return []
