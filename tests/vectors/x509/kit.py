"""Certificates to order: a good chain by default, and one thing changed by each vector."""

from __future__ import annotations

import datetime as dt
import ipaddress
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID as Eku
from cryptography.x509.oid import NameOID

from gatewright.pki.verify import Certificate, Purpose, Question

NOW = dt.datetime(2026, 11, 23, 12, 0, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
type_key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
CA_USAGE = ("key_cert_sign", "crl_sign")


@cache
def rsa_1024() -> rsa.RSAPrivateKey:
    """One weak key for all vectors: making one takes time."""
    return rsa.generate_private_key(65537, 1024)


def name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Vectors"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def usage(*flags: str) -> x509.KeyUsage:
    known = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{flag: flag in flags for flag in known})


@dataclass
class Holder:
    """A certificate with its key, as it will be found in the file ``<name>.pem``."""

    certificate: x509.Certificate
    key: type_key

    @property
    def der(self) -> bytes:
        """The certificate's bytes."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def common_name(self) -> str:
        """Its common name."""
        return str(self.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)

    @property
    def found(self) -> Certificate:
        """The certificate as a file holds it."""
        return Certificate(self.der, f"{self.common_name}.pem")


@dataclass
class Order:
    """What a certificate is to be like. Extensions given as ``None`` are left out."""

    common_name: str
    ca: bool = False
    path_length: int | None = None
    not_before: dt.datetime = NOW - 30 * DAY
    not_after: dt.datetime = NOW + 30 * DAY
    key: type_key | None = None
    eku: Sequence[x509.ObjectIdentifier] | None = (Eku.CLIENT_AUTH,)
    key_usage: Sequence[str] | None = None
    sans: Sequence[x509.GeneralName] = ()
    constraints: x509.NameConstraints | None = None
    extra: Sequence[tuple[x509.ExtensionType, bool]] = ()
    subject: x509.Name | None = None
    key_ids: bool = True
    basic: bool = True
    basic_critical: bool = True


def issue(order: Order, by: Holder | None = None) -> Holder:
    """A certificate as ordered, signed by ``by`` or by itself."""
    key = order.key or ec.generate_private_key(ec.SECP256R1())
    subject = order.subject if order.subject is not None else name(order.common_name)
    signer = by.key if by else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(order.not_before)
        .not_valid_after(order.not_after)
    )
    wanted: list[tuple[x509.ExtensionType, bool]] = []
    if order.basic:
        basic = x509.BasicConstraints(ca=order.ca, path_length=order.path_length)
        wanted.append((basic, order.basic_critical))
    flags = order.key_usage if order.key_usage is not None else (CA_USAGE if order.ca else ("digital_signature",))
    if flags:
        wanted.append((usage(*flags), True))
    if order.eku and not order.ca:
        wanted.append((x509.ExtendedKeyUsage(order.eku), False))
    if order.sans:
        wanted.append((x509.SubjectAlternativeName(order.sans), False))
    if order.constraints:
        wanted.append((order.constraints, True))
    if order.key_ids:
        wanted.append((x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False))
        wanted.append((x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False))
    for extension, critical in (*wanted, *order.extra):
        builder = builder.add_extension(extension, critical=critical)
    return Holder(builder.sign(signer, hashes.SHA256()), key)


def root(**changes: object) -> Holder:
    return issue(Order("root", ca=True, **changes))  # type: ignore[arg-type]


def issuing(by: Holder, **changes: object) -> Holder:
    return issue(Order(str(changes.pop("common_name", "issuing")), ca=True, **changes), by)  # type: ignore[arg-type]


def leaf(by: Holder, **changes: object) -> Holder:
    return issue(Order(str(changes.pop("common_name", "leaf")), **changes), by)  # type: ignore[arg-type]


def crl(
    by: Holder,
    revoked: Sequence[Holder] = (),
    this: dt.datetime = NOW - DAY,
    following: dt.datetime = NOW + DAY,
    key: type_key | None = None,
    extra: Sequence[tuple[x509.ExtensionType, bool]] = (),
) -> bytes:
    """A CRL of ``by``, as DER."""
    entries = [
        x509.RevokedCertificateBuilder()
        .serial_number(h.certificate.serial_number)
        .revocation_date(this)
        .add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), critical=False)
        .build()
        for h in revoked
    ]
    signer = key or by.key
    builder = x509.CertificateRevocationListBuilder(by.certificate.subject, this, following, [], entries)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(by.key.public_key()), critical=False
    ).add_extension(x509.CRLNumber(1), critical=False)
    for extension, critical in extra:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(signer, hashes.SHA256()).public_bytes(Encoding.DER)


def ask(
    certificate: Holder, chain: Sequence[Holder] = (), anchors: Sequence[Holder] = (), **changes: object
) -> Question:
    """The question about a leaf, everything else at its default."""
    settings: dict[str, object] = {"at": NOW, "purpose": Purpose.CLIENT} | changes
    return Question(
        certificate.found,
        chain=tuple(h.found for h in chain),
        anchors=tuple(h.found for h in anchors),
        **settings,  # type: ignore[arg-type]
    )


def signed_with_sha1(by: Holder) -> bytes:
    """A client certificate ``leaf``, as DER, with a hash that cryptography refuses to sign with; ``openssl`` does it."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "ca.pem").write_bytes(by.certificate.public_bytes(Encoding.PEM))
        (place / "key.pem").write_bytes(by.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        (place / "leaf.ext").write_text("basicConstraints=CA:FALSE\nextendedKeyUsage=clientAuth\n")
        request = (
            x509.CertificateSigningRequestBuilder()
            .subject_name(name("leaf"))
            .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
        )
        command = (
            "openssl x509 -req -sha1 -days 3650 -CA ca.pem -CAkey key.pem -set_serial 7 -extfile leaf.ext -outform DER"
        )
        pem = request.public_bytes(Encoding.PEM)
        return subprocess.run(command.split(), input=pem, cwd=place, capture_output=True, check=True).stdout


def dns(value: str) -> x509.DNSName:
    return x509.DNSName(value)


def ip(value: str) -> x509.IPAddress:
    return x509.IPAddress(ipaddress.ip_address(value))


@dataclass(frozen=True)
class Vector:
    """One chain, and what must be said of it. ``number`` 0 means accepted; ``names`` must stand in cause or fix.

    ``ours`` is pyOpenSSL's number where it differs, because it stops at the first error, or cannot be asked (0).
    """

    label: str
    page: str
    make: Callable[[], Question]
    number: int
    depth: int
    names: tuple[str, ...]
    ours: int


VECTORS: list[Vector] = []


def vector(
    number: int, depth: int = 0, names: Sequence[str] = (), ours: int | None = None
) -> Callable[[Callable[[], Question]], Callable[[], Question]]:
    """Enter a function that makes a question into the table."""

    def enter(make: Callable[[], Question]) -> Callable[[], Question]:
        VECTORS.append(
            Vector(
                make.__name__,
                (make.__doc__ or "").strip(),
                make,
                number,
                depth,
                tuple(names),
                number if ours is None else ours,
            )
        )
        return make

    return enter
