"""A small PKI for tests, apart from the product's own: certificates good, foreign, expired, and wrong in single ways."""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH
SERVER = ExtendedKeyUsageOID.SERVER_AUTH
DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Pair:
    """A certificate with its key and the issuers to send along."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def pem(self) -> bytes:
        """The certificate alone."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Certificate with chain, and key, as two PEM files."""
        folder.mkdir(parents=True, exist_ok=True)
        cert, key = folder / f"{name}.pem", folder / f"{name}.key"
        chain = b"".join(c.public_bytes(serialization.Encoding.PEM) for c in self.chain)
        cert.write_bytes(self.pem + chain)
        key.write_bytes(
            self.key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        key.chmod(0o600)
        return cert, key


def name(common_name: str, *more: tuple[ObjectIdentifier, str]) -> x509.Name:
    """A subject: further attributes first, the common name last."""
    return x509.Name(
        [x509.NameAttribute(o, v) for o, v in more] + [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    )


def make(
    subject: str | x509.Name,
    issuer: Pair | None = None,
    *,
    ca: bool = False,
    path_length: int | None = None,
    usage: Sequence[ObjectIdentifier] = (),
    sans: Sequence[str | x509.GeneralName] = (),
    not_before: dt.timedelta = -DAY,
    not_after: dt.timedelta = 30 * DAY,
    more: Sequence[x509.ExtensionType] = (),
) -> Pair:
    """One certificate. Without ``issuer`` it signs itself; times are relative to now; ``more`` are further extensions."""
    now = dt.datetime.now(dt.UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    who = name(subject) if isinstance(subject, str) else subject
    builder = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(issuer.certificate.subject if issuer else who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + not_before)
        .not_valid_after(now + not_after)
        .add_extension(x509.BasicConstraints(ca, path_length), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if issuer is not None:
        above = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        by = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(above)
        builder = builder.add_extension(by, critical=False)
    if usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(usage)), critical=False)
    if sans:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(s) for s in sans]), critical=False)
    for extension in more:
        builder = builder.add_extension(extension, critical=False)
    signed = builder.sign(issuer.key if issuer else key, hashes.SHA256())
    chain = (
        (issuer.certificate, *issuer.chain)
        if issuer and issuer.certificate.issuer != issuer.certificate.subject
        else ()
    )
    return Pair(signed, key, chain)


def _general(text: str | x509.GeneralName) -> x509.GeneralName:
    if isinstance(text, x509.GeneralName):
        return text
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def authority(label: str) -> Pair:
    """An issuing CA under a root of its own."""
    root = make(f"{label} root", ca=True)
    return make(f"{label} issuing", root, ca=True, path_length=0)
