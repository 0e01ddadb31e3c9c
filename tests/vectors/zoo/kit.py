"""What the zoo is made with: the clients it speaks of, orders for certificates, and the register of cases."""

from __future__ import annotations

import datetime as dt
import functools
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from asn1crypto import core, parser
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from gatewright.pki.matching import Match, by_email, by_key, by_san, by_serial, by_subject, by_uri

SAN = "billing.example.org"
EMAIL = "erp@globex.example"
URI = "spiffe://globex.example/ns/prod/sa/job"
SERIAL = "0A1B2C"
SUBJECT = (("O", "Globex"), ("CN", "erp"))
# A key of the tests' own, fixed so that its pin can stand in a gateway file. It guards nothing.
PINNED_KEY = bytes.fromhex(
    "308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b02010104208a3dde2b1e1d869b553bc2fa"
    "8958183cc0f27a4eccaf923769b467f138637315a14403420004eb004eea9f9423eb5f6b3f64b22ca226db28f5ca15a8"
    "7e5c0bae5d1ef093b5649ee25aa99565517e2a4402c3d9d9df171d622322a800062d87f39813359ae0ed"
)
PIN = "sha256:dZEaqJxfe3rzSKJTkceHehVR3SprOQaxjJg0Ksgb9To="


@functools.cache
def pinned_key() -> ec.EllipticCurvePrivateKey:
    """The key that the client ``key`` is known by."""
    key = load_der_private_key(PINNED_KEY, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


@functools.cache
def other_key() -> ec.EllipticCurvePrivateKey:
    """One key for every case in which the key does not matter."""
    return ec.generate_private_key(ec.SECP256R1())


CLIENTS: dict[str, Callable[[x509.Certificate], Match]] = {
    "san": lambda certificate: by_san(SAN, certificate),
    "email": lambda certificate: by_email(EMAIL, certificate),
    "uri": lambda certificate: by_uri(URI, certificate),
    "serial": lambda certificate: by_serial(SERIAL, certificate),
    "key": lambda certificate: by_key(PIN, certificate),
    "subject": lambda certificate: by_subject(SUBJECT, certificate),
}
"""The clients that cases are tried as: each known by one thing only."""

Tamper = Callable[[bytes], bytes]
"""From the DER of what is signed to what is signed instead."""


@dataclass(frozen=True)
class Order:
    """What a certificate is to hold. ``tamper`` has the last word before it is signed."""

    subject: x509.Name = field(default_factory=lambda: name("stranger"))
    sans: tuple[x509.GeneralName, ...] = ()
    serial: int | None = None
    key: ec.EllipticCurvePrivateKey | None = None
    san_critical: bool = False
    more: tuple[x509.ExtensionType, ...] = ()
    tamper: Tamper | None = None


@dataclass(frozen=True)
class Case:
    """One certificate, the clients it is, and what must be said to the others (client: words of the reason)."""

    name: str
    page: str
    order: Callable[[], Order]
    matches: frozenset[str]
    because: dict[str, str]
    loads: bool = True

    def build(
        self, issuer: x509.Certificate, signer: ec.EllipticCurvePrivateKey
    ) -> tuple[bytes, ec.EllipticCurvePrivateKey]:
        """The certificate in DER, truly signed by ``issuer``, and its key."""
        return build(self.order(), issuer, signer)


CASES: list[Case] = []


def case(*matches: str, **because: str) -> Callable[[Callable[[], Order]], Callable[[], Order]]:
    """Enter an order: it is the clients ``matches`` and nobody else; ``because`` are words of the reasons."""

    def enter(order: Callable[[], Order]) -> Callable[[], Order]:
        assert order.__doc__, f"{order.__name__} has no page"
        assert all(c.name != order.__name__ for c in CASES), f"{order.__name__} exists twice"
        CASES.append(Case(order.__name__, order.__doc__, order, frozenset(matches), because))
        return order

    return enter


def unreadable(order: Callable[[], Order]) -> Callable[[], Order]:
    """Enter an order whose certificate the product's library does not even load, though OpenSSL does: it is nobody."""
    CASES.append(Case(order.__name__, order.__doc__ or "", order, frozenset(), {}, loads=False))
    return order


def build(
    order: Order, issuer: x509.Certificate, signer: ec.EllipticCurvePrivateKey
) -> tuple[bytes, ec.EllipticCurvePrivateKey]:
    """The certificate in DER as ordered, and its key."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library only warns of much that X.509 forbids
        return _built(order, issuer, signer)


def _built(
    order: Order, issuer: x509.Certificate, signer: ec.EllipticCurvePrivateKey
) -> tuple[bytes, ec.EllipticCurvePrivateKey]:
    now = dt.datetime.now(dt.UTC)
    key = order.key or other_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(order.subject)
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(order.serial or x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    )
    if order.sans:
        builder = builder.add_extension(x509.SubjectAlternativeName(order.sans), critical=order.san_critical)
    for extension in order.more:
        builder = builder.add_extension(extension, critical=False)
    der = builder.sign(signer, hashes.SHA256()).public_bytes(Encoding.DER)
    return (der if order.tamper is None else _tampered(der, order.tamper, signer)), key


def _tampered(der: bytes, tamper: Tamper, signer: ec.EllipticCurvePrivateKey) -> bytes:
    made = loaded(der)
    tbs = tamper(made.tbs_certificate_bytes)
    algorithm = asn1.SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"}).dump()
    signature = core.OctetBitString(signer.sign(tbs, ec.ECDSA(hashes.SHA256()))).dump()
    # A SEQUENCE (X.680 §25) around the three parts as they are: parsed and written again, they would be tidied up.
    return bytes(parser.emit(0, 1, 16, tbs + algorithm + signature))


def loaded(der: bytes) -> x509.Certificate:
    """The certificate as the product reads it; the library's remarks about it are no failure of the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return x509.load_der_x509_certificate(der)


# --- names ------------------------------------------------------------------------------------------------------------

CN, ORG, OU, C = NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.COUNTRY_NAME
BMP, T61 = _ASN1Type.BMPString, _ASN1Type.T61String
UNIVERSAL = _ASN1Type.UniversalString


def part(oid: ObjectIdentifier, value: str, kind: _ASN1Type | None = None) -> x509.NameAttribute[str]:
    """One attribute, of any length and string type."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library only warns of what X.520 forbids
        return x509.NameAttribute(oid, value, kind, _validate=False)


def name(common_name: str, organization: str = "Zoo") -> x509.Name:
    """A plain subject."""
    return x509.Name([part(ORG, organization), part(CN, common_name)])


def parts(*attributes: x509.NameAttribute[str]) -> x509.Name:
    """One attribute to a relative name."""
    return x509.Name(attributes)


def joined(*groups: Iterable[x509.NameAttribute[str]]) -> x509.Name:
    """Several attributes to a relative name."""
    return x509.Name([x509.RelativeDistinguishedName(list(group)) for group in groups])


def dns(*values: str) -> tuple[x509.GeneralName, ...]:
    """dNSNames, unchecked."""
    return tuple(x509.DNSName._init_without_validation(value) for value in values)


def email(*values: str) -> tuple[x509.GeneralName, ...]:
    """rfc822Names, unchecked."""
    return tuple(x509.RFC822Name._init_without_validation(value) for value in values)


def uri(*values: str) -> tuple[x509.GeneralName, ...]:
    """URIs, unchecked."""
    return tuple(x509.UniformResourceIdentifier._init_without_validation(value) for value in values)


# --- what no honest library builds ------------------------------------------------------------------------------------


def changed(change: Callable[[asn1.TbsCertificate], None]) -> Tamper:
    """A tampering that works on the parsed certificate."""

    def tamper(der: bytes) -> bytes:
        tbs = asn1.TbsCertificate.load(der)
        change(tbs)
        return bytes(tbs.dump(force=True))

    return tamper


def raw_san(*names: bytes) -> x509.UnrecognizedExtension:
    """A subjectAltName of these general names in DER."""
    return x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, bytes(parser.emit(0, 1, 16, b"".join(names))))


def edi_party_name(party: str) -> bytes:
    """An ediPartyName in DER (RFC 5280 §4.2.1.6: [5] with the party's name as [1])."""
    return bytes(parser.emit(2, 1, 5, parser.emit(2, 1, 1, core.UTF8String(party).dump())))


def uri_name(value: bytes) -> bytes:
    """A URI in DER ([6], IA5String), whatever its octets."""
    return bytes(parser.emit(2, 0, 6, value))


def octets(old: bytes, new: bytes) -> Tamper:
    """Replaces octets of equal length: what a string type forbids, or another type's tag."""
    assert len(old) == len(new)

    def tamper(der: bytes) -> bytes:
        assert old in der
        return der.replace(old, new)

    return tamper
