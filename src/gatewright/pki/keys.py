"""Private keys: making them, naming them, writing them down.

Anything with ``cryptography``'s private-key interface will do as a signing key, so keys that never leave a token fit too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from gatewright.model.pki import KeyKind

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey

_RSA_BITS: Mapping[KeyKind, int] = MappingProxyType({KeyKind.RSA3072: 3072, KeyKind.RSA4096: 4096})


def generate(kind: KeyKind) -> PrivateKey:
    """A new private key from the operating system's randomness (through OpenSSL)."""
    if kind is KeyKind.P256:
        return ec.generate_private_key(ec.SECP256R1())
    if kind is KeyKind.P384:
        return ec.generate_private_key(ec.SECP384R1())
    if kind is KeyKind.ED25519:
        return ed25519.Ed25519PrivateKey.generate()
    # 65537: FIPS 186-5 §A.1.1 wants an odd exponent above 2^16; everybody uses the smallest.
    return rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS[kind])


def spki(key: PrivateKey | PublicKey) -> bytes:
    """The DER SubjectPublicKeyInfo of ``key`` (RFC 5280 §4.1.2.7)."""
    public = key.public_key() if hasattr(key, "public_key") else key
    return public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def public_key_of(certificate: x509.Certificate | x509.CertificateSigningRequest) -> PublicKey:
    """The public key inside. Raises ``ValueError`` where it is of a kind that is not used here."""
    public = certificate.public_key()
    if not isinstance(public, (ec.EllipticCurvePublicKey, rsa.RSAPublicKey, ed25519.Ed25519PublicKey)):
        msg = f"keys of type {type(public).__name__} are not used here"
        raise ValueError(msg)
    return public


def spki_sha256(key: PrivateKey | PublicKey) -> bytes:
    """SHA-256 of the SubjectPublicKeyInfo: the name of a key, whoever certifies it."""
    return hashlib.sha256(spki(key)).digest()


def signature_hash(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384 | None:
    """The hash to sign with: SHA-384 for P-384 (equal strength, RFC 5480 §4), none for Ed25519 (RFC 8032), else SHA-256."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return None
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.key_size > 256:
        return hashes.SHA384()
    return hashes.SHA256()


def pem(key: PrivateKey) -> bytes:
    """The key as unencrypted PKCS #8 PEM. Secret: write it with mode 0600 only."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def encrypted_pem(key: PrivateKey, passphrase: str) -> bytes:
    """The key as PKCS #8 PEM under ``passphrase`` (the strongest scheme that ``cryptography`` offers, today PBES2 with AES-256)."""
    protection = serialization.BestAvailableEncryption(passphrase.encode())
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)


def from_pem(text: bytes, passphrase: str | None = None) -> PrivateKey:
    """The private key in ``text``. Raises ``ValueError`` or ``TypeError`` as ``cryptography`` does."""
    key = serialization.load_pem_private_key(text, passphrase.encode() if passphrase is not None else None)
    if not isinstance(key, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey, ed25519.Ed25519PrivateKey)):
        msg = f"keys of type {type(key).__name__} are not used here"
        raise ValueError(msg)
    return key


def kind_of(key: PrivateKey | PublicKey) -> KeyKind | None:
    """Which of our kinds ``key`` is, or ``None`` if it is none of them."""
    public = key.public_key() if hasattr(key, "public_key") else key
    if isinstance(public, ed25519.Ed25519PublicKey):
        return KeyKind.ED25519
    if isinstance(public, ec.EllipticCurvePublicKey):
        return {"secp256r1": KeyKind.P256, "secp384r1": KeyKind.P384}.get(public.curve.name)
    return {3072: KeyKind.RSA3072, 4096: KeyKind.RSA4096}.get(public.key_size)
