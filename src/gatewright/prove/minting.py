"""Test certificates of every kind, good and bad. Keys, serial numbers and the time come in as arguments.

Each carries the mark that sends its requests to the canary, so that even a gateway that wrongly admits it shows it nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from gatewright.model.canary import MARK
from gatewright.model.gateway import Client, Gateway
from gatewright.model.values import Name
from gatewright.prove.cases import Identity, Kind
from gatewright.prove.sha1 import resigned

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

LIFETIME = timedelta(hours=1)
BACKDATED = timedelta(minutes=5)
NOBODYS_NAME = "nobody.canary.gatewright.invalid"
"""A name that can never be a client's (RFC 6761 §6.4)."""
NOBODY_IN = "nobody-canary-gatewright"
"""The first label of the name that stands for it below the names of an authority that can vouch for those only."""

_SHORT = {
    "C": NameOID.COUNTRY_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "L": NameOID.LOCALITY_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "CN": NameOID.COMMON_NAME,
}
# Under the arc for examples (RFC 4512 uses 1.3.6.1.4.1.1466; 1.3.6.1.4.1.32473 is IANA's for documentation, RFC 5612).
_UNKNOWN_EXTENSION = ObjectIdentifier("1.3.6.1.4.1.32473.4.1")


@dataclass(frozen=True, slots=True)
class Credential:
    """What a caller presents: a certificate, its key, and whatever is sent after the certificate.

    ``issued`` are the certificates that the authority's own key had to sign for it.
    """

    certificate: x509.Certificate
    key: Key
    chain: tuple[x509.Certificate, ...] = ()
    issued: tuple[x509.Certificate, ...] = ()


@dataclass(frozen=True, slots=True)
class Signer:
    """An issuing CA whose key is at hand. ``twin`` marks a stand-in that only a shadow instance trusts.

    ``above`` are CA certificates over it, to be sent along.
    """

    certificate: x509.Certificate
    key: Key
    twin: bool = False
    above: tuple[x509.Certificate, ...] = ()

    @property
    def top(self) -> x509.Certificate:
        """The certificate at the top of its chain."""
        return self.above[-1] if self.above else self.certificate


@dataclass(frozen=True, slots=True)
class Supplies:
    """What minting needs of the outside: the time, keys, serial numbers, the authorities.

    ``anchors`` has the issuing CA certificates by :func:`.cases.issuer_key`, ``signers`` those whose keys are at hand.
    """

    now: datetime
    new_key: Callable[[], Key]
    weak_key: Callable[[], Key]
    serial: Callable[[], int]
    anchors: Mapping[str, x509.Certificate]
    signers: Mapping[str, Signer]


def subject_of(gateway: Gateway, identity: Identity) -> tuple[x509.Name, tuple[x509.GeneralName, ...]]:
    """Subject (with the mark) and SANs of the certificate that ``identity`` presents."""
    client = gateway.clients.get(Name(identity.client)) if identity.client else None
    parts: list[tuple[str, str]] = [("OU", MARK)]
    san: x509.GeneralName = x509.DNSName(_nobody(gateway, identity))
    if client is None:
        parts.append(("CN", "gatewright canary"))
    elif client.subject is not None:
        parts = parts + _subject_parts(client, identity)
    else:
        parts.append(("CN", str(client.matcher)[:64]))
        san = san if identity.kind is Kind.NAME_IN_CN else _general_name(client, san.value)
    name = x509.Name([x509.NameAttribute(_SHORT[short], value) for short, value in parts])
    return name, (san,)


LONGEST_SERIAL = 159
"""Bits of the longest serial number: 20 octets in DER, and positive (RFC 5280 §4.1.2.2)."""


def serial_of(gateway: Gateway, identity: Identity) -> int | None:
    """The serial number that ``identity`` must present, because the client is known by it; ``None`` for any."""
    client = gateway.clients.get(Name(identity.client)) if identity.client else None
    if client is None or client.serial is None or identity.kind is Kind.NAME_IN_CN:
        return None
    return int(client.serial, 16)


def _nobody(gateway: Gateway, identity: Identity) -> str:
    """A name that is no client's, and that the identity's authority can vouch for unless the identity is about that."""
    authority = gateway.every_authority.get(Name(identity.authority or ""))
    if authority is None or identity.kind is Kind.OUTSIDE_NAMES:
        return NOBODYS_NAME
    above = next((name for name in authority.names if not name.is_address), None)
    return NOBODYS_NAME if above is None else f"{NOBODY_IN}.{above}"


def _general_name(client: Client, nobody: str) -> x509.GeneralName:
    """The name by which a client is known, of its own type; ``nobody`` where that is no alternative name."""
    if client.email is not None:
        return x509.RFC822Name(str(client.email))
    if client.uri is not None:
        return x509.UniformResourceIdentifier(str(client.uri))
    return x509.DNSName(nobody if client.san is None else str(client.san))


def _subject_parts(client: Client, identity: Identity) -> list[tuple[str, str]]:
    assert client.subject is not None
    wanted = list(client.subject.parts())
    # Countries have two letters; anything else may say what it is.
    others = {short: "ZZ" if short == "C" else "second" for short, _ in wanted if identity.part in {None, short}}
    if identity.kind is Kind.WRONG_PART:
        return [(short, others.get(short, value)) for short, value in wanted]
    return wanted + list(others.items()) if identity.kind is Kind.SECOND_NAME else wanted


def mint(gateway: Gateway, identity: Identity, supplies: Supplies) -> Credential:
    """The credential of any kind of identity but ``none``. Signed by the authority's key only where that must be."""
    makers: dict[Kind, Callable[[_Mint], Credential]] = {
        Kind.FOREIGN: _foreign,
        Kind.LOOK_ALIKE: _look_alike,
        Kind.SELF_SIGNED: lambda m: m.leaf(None),
        Kind.LEAF_AS_CA: _leaf_as_ca,
        Kind.STUFFED: _stuffed,
        Kind.SUB_CA: lambda m: m.leaf(m.ca(_plain("gatewright canary sub-CA"), None, m.signer)),
        Kind.SUB_CA_OTHER: lambda m: m.leaf(m.ca(m.anchor.subject, None, m.signer)),
        Kind.SUB_CA_COPY: lambda m: m.leaf(m.ca(m.anchor.subject, _key_identifier(m.anchor), m.signer)),
        Kind.SPELLED_AS_OTHER: lambda m: m.leaf(m.signer, issuer=m.anchor.subject),
        Kind.EXPIRED: lambda m: m.leaf(m.signer, start=-timedelta(days=2), end=-timedelta(days=1)),
        Kind.NOT_YET_VALID: lambda m: m.leaf(m.signer, start=timedelta(days=1), end=timedelta(days=1) + LIFETIME),
        Kind.SERVER_ONLY: lambda m: m.leaf(m.signer, purpose=ExtendedKeyUsageOID.SERVER_AUTH),
        Kind.WEAK_KEY: lambda m: m.leaf(m.signer, key=supplies.weak_key()),
        Kind.WEAK_HASH: _weak_hash,
        Kind.CRITICAL: lambda m: m.leaf(m.signer, extra=x509.UnrecognizedExtension(_UNKNOWN_EXTENSION, b"\x05\x00")),
    }
    made = _Mint(gateway, identity, supplies)
    maker = makers.get(identity.kind)
    return made.leaf(made.signer) if maker is None else maker(made)


@dataclass(frozen=True, slots=True)
class _Mint:
    gateway: Gateway
    identity: Identity
    supplies: Supplies

    @property
    def signer(self) -> Signer:
        """The authority's own."""
        return self.supplies.signers[self.identity.issuer]

    @property
    def anchor(self) -> x509.Certificate:
        """The issuing CA that is imitated."""
        return self.supplies.anchors[self.identity.other or self.identity.issuer]

    def ca(self, name: x509.Name, identifier: bytes | None, by: Signer | None) -> Signer:
        """A CA of ``name``, its key identifier chosen freely; signed by itself where nobody else does."""
        key = self.supplies.new_key()
        own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        builder = (
            self._builder(key, name, by.certificate.subject if by else name, -BACKDATED, LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage(sign_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier(identifier) if identifier else own, critical=False)
        )
        signed = builder.sign(by.key if by else key, _digest(by.key if by else key))
        return Signer(signed, key, twin=True, above=(by.certificate, *by.above) if by else ())

    def leaf(
        self,
        by: Signer | None,
        *,
        start: timedelta = -BACKDATED,
        end: timedelta = LIFETIME,
        purpose: ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH,
        key: Key | None = None,
        issuer: x509.Name | None = None,
        extra: x509.UnrecognizedExtension | None = None,
    ) -> Credential:
        """A client certificate with the identity's names, signed by ``by`` or by itself, wrong where told so."""
        key = key or self.supplies.new_key()
        name, sans = subject_of(self.gateway, self.identity)
        above = by.certificate.subject if by else name
        builder = (
            self._builder(key, name, issuer or above, start, end, serial_of(self.gateway, self.identity))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(sign_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.SubjectAlternativeName(sans), critical=False)
        )
        if by is not None:
            builder = builder.add_extension(_authority_key(by.certificate), critical=False)
        if extra is not None:
            builder = builder.add_extension(extra, critical=True)
        signing = by.key if by else key
        signed = builder.sign(signing, _digest(signing))
        issued = (signed,) if by is not None and by is self.supplies.signers.get(self.identity.issuer) else ()
        return Credential(signed, key, (by.certificate, *by.above) if by else (), issued)

    def _builder(  # noqa: PLR0917 - the fields of a certificate, in their order
        self,
        key: Key,
        subject: x509.Name,
        issuer: x509.Name,
        start: timedelta,
        end: timedelta,
        serial: int | None = None,
    ) -> x509.CertificateBuilder:
        now = self.supplies.now.replace(microsecond=0)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(self.supplies.serial() if serial is None else serial)
            .not_valid_before(now + start)
            .not_valid_after(now + end)
        )


def _foreign(m: _Mint) -> Credential:
    root = m.ca(_plain("gatewright canary foreign root"), None, None)
    return m.leaf(m.ca(_plain("gatewright canary foreign issuing"), None, root))


def _look_alike(m: _Mint) -> Credential:
    return m.leaf(m.ca(m.anchor.subject, _key_identifier(m.anchor), None))


def _leaf_as_ca(m: _Mint) -> Credential:
    above = m.leaf(m.signer)
    made = m.leaf(Signer(above.certificate, above.key, twin=True, above=(m.signer.certificate, *m.signer.above)))
    return replace(made, issued=above.issued)


def _stuffed(m: _Mint) -> Credential:
    foreign, real = _foreign(m), m.leaf(m.signer)
    chain = (m.signer.certificate, *m.signer.above, real.certificate, *foreign.chain)
    return Credential(foreign.certificate, foreign.key, chain, real.issued)


def _weak_hash(m: _Mint) -> Credential:
    good = m.leaf(m.signer)
    if isinstance(
        m.signer.key, ed25519.Ed25519PrivateKey
    ):  # has one hash of its own; no such authority can be made here
        return good
    weak = resigned(good.certificate, m.signer.key)
    return Credential(weak, good.key, good.chain, (weak,))


# Two belong to the key. Name constraints are the partner's own affair, and would end test identities in the handshake whose names are
# made up here, before the routes that they are for.
_NOT_COPIED = (x509.SubjectKeyIdentifier, x509.AuthorityKeyIdentifier, x509.NameConstraints)


def twin_of(anchor: x509.Certificate, key: Key, serial: int, now: datetime) -> Signer:
    """A stand-in of a partner's issuing CA: its very subject and extensions but name constraints, signed by ``key`` itself. A root stays one.

    To be trusted by a shadow instance in the partner's place, so that the partner's routes can be tried with certificates
    that only we can make.
    """
    builder = (
        x509.CertificateBuilder()
        .subject_name(anchor.subject)
        .issuer_name(anchor.subject if anchor.issuer == anchor.subject else _plain("gatewright twin root"))
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now.replace(microsecond=0) - BACKDATED)
        .not_valid_after(now.replace(microsecond=0) + LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    for extension in anchor.extensions:
        if not isinstance(extension.value, _NOT_COPIED):
            builder = builder.add_extension(extension.value, critical=extension.critical)
    return Signer(builder.sign(key, _digest(key)), key, twin=True)


def descend(by: Signer, depth: int, new_key: Callable[[], Key], serial: Callable[[], int], now: datetime) -> Signer:
    """The last of ``depth`` CAs below ``by``, each issued by the one before: the farthest from its anchor that may issue."""
    for number in range(1, depth + 1):
        key = new_key()
        name, identifier = (
            _plain(f"gatewright twin CA {number}"),
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
        )
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(by.certificate.subject)
            .public_key(key.public_key())
            .serial_number(serial())
            .not_valid_before(now.replace(microsecond=0) - BACKDATED)
            .not_valid_after(now.replace(microsecond=0) + LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage(sign_certificates=True), critical=True)
            .add_extension(identifier, critical=False)
            .add_extension(_authority_key(by.certificate), critical=False)
        )
        by = Signer(builder.sign(by.key, _digest(by.key)), key, by.twin, (by.certificate, *by.above))
    return by


def _plain(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, MARK),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _key_identifier(certificate: x509.Certificate) -> bytes | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return None


def _authority_key(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    identifier = _key_identifier(issuer)
    if identifier is None:
        identifier = x509.SubjectKeyIdentifier.from_public_key(issuer.public_key()).digest
    return x509.AuthorityKeyIdentifier(identifier, None, None)


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _digest(key: Key) -> hashes.SHA256 | hashes.SHA384 | None:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return None
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.key_size > 256:
        return hashes.SHA384()
    return hashes.SHA256()
