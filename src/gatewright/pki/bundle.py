"""Keys and certificates packed for other programs: PEM chains and PKCS #12 in profiles for those who cannot read the modern one."""

from __future__ import annotations

import enum
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import KeySerializationEncryption, PrivateFormat, pkcs12

from gatewright.pki.build import pem
from gatewright.pki.keys import PrivateKey


class P12Profile(enum.StrEnum):
    """How a PKCS #12 file is protected."""

    MODERN = "modern"
    LEGACY = "legacy"


_ROUNDS = 20_000
"""PBKDF2 rounds. The passphrase is random (138 bits), so rounds protect nothing here; more would only slow down devices."""


def chain(certificates: Sequence[x509.Certificate]) -> bytes:
    """PEM, leaf first, each certified by the next (RFC 8446 §4.4.2 order)."""
    return b"".join(map(pem, certificates))


def p12(
    key: PrivateKey,
    certificate: x509.Certificate,
    above: Sequence[x509.Certificate],
    *,
    name: str,
    passphrase: str,
    profile: P12Profile = P12Profile.MODERN,
) -> bytes:
    """A PKCS #12 file (RFC 7292) with the key, its certificate and the CAs ``above`` it, under ``passphrase``.

    ``legacy`` is for Windows before 2019, macOS before 15 and old appliances, which call AES "wrong password". Its
    protection (3DES, SHA-1) rests on the passphrase alone: it must be a random one.
    """
    return pkcs12.serialize_key_and_certificates(
        name.encode(), key, certificate, list(above), _protection(passphrase, profile)
    )


def java_truststore(certificates: Sequence[tuple[str, x509.Certificate]], passphrase: str) -> bytes:
    """A PKCS #12 file that Java reads as a trust store: (alias, CA certificate) entries that it will believe."""
    entries = [pkcs12.PKCS12Certificate(certificate, alias.encode()) for alias, certificate in certificates]
    return pkcs12.serialize_java_truststore(entries, _protection(passphrase, P12Profile.MODERN))


def _protection(passphrase: str, profile: P12Profile) -> KeySerializationEncryption:
    builder = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(_ROUNDS)
    if profile is P12Profile.LEGACY:
        scheme = pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC
        return builder.key_cert_algorithm(scheme).hmac_hash(hashes.SHA1()).build(passphrase.encode())  # noqa: S303 - asked for by name
    scheme = pkcs12.PBES.PBESv2SHA256AndAES256CBC
    return builder.key_cert_algorithm(scheme).hmac_hash(hashes.SHA256()).build(passphrase.encode())
