"""What was handed over is not, or not only, one request."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    pkcs7,
    pkcs12,
)
from tests.vectors.csr.kit import accepted, common_name, key_pem, p256, refused, request


def _certificate() -> x509.Certificate:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder().subject_name(common_name()).issuer_name(common_name()).serial_number(1)
    builder = builder.not_valid_before(start).not_valid_after(start + timedelta(1))
    return builder.public_key(p256().public_key()).sign(p256(), hashes.SHA256())


@accepted()
def pem() -> bytes:
    """A plain PEM request with the right common name: accepted, and nothing to say."""
    return request()


@accepted()
def der() -> bytes:
    """The same in DER."""
    return request(encoding=Encoding.DER)


@accepted()
def leading_text() -> bytes:
    """``openssl req -text`` writes the decoded request above the PEM block; mail adds lines on both sides."""
    return b"Hello,\nplease find our request:\n\nCertificate Request:\n    Data:\n" + request() + b"\n-- \nGlobex IT\n"


@accepted()
def crlf() -> bytes:
    """Windows line ends."""
    return request().replace(b"\n", b"\r\n")


@accepted()
def new_certificate_request_label() -> bytes:
    """The label that Windows, Java's keytool and old OpenSSL write (RFC 7468 §7)."""
    return request().replace(b"CERTIFICATE REQUEST", b"NEW CERTIFICATE REQUEST")


@accepted()
def utf16() -> bytes:
    """PowerShell's ``>`` turns text into UTF-16 with a byte order mark."""
    return request().decode().encode("utf-16")


@refused("private-key-handed-over")
def private_key() -> bytes:
    """The private key instead of the request."""
    return key_pem()


@refused("private-key-handed-over")
def private_key_beside_the_request() -> bytes:
    """Both in one file: the request is fine, and must be refused all the same, because the key has been seen."""
    return request() + key_pem()


@refused("private-key-handed-over")
def private_key_encrypted() -> bytes:
    """An encrypted private key is one, too."""
    return p256().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))


@refused("private-key-handed-over")
def private_key_der() -> bytes:
    """PKCS #8 without PEM armour."""
    return p256().private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


@refused("private-key-handed-over")
def private_key_der_encrypted() -> bytes:
    """Encrypted PKCS #8 without PEM armour."""
    return p256().private_bytes(Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))


@refused("private-key-handed-over")
def private_key_openssh() -> bytes:
    """A key of ssh-keygen."""
    return p256().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())


@refused("private-key-handed-over")
def private_key_utf16() -> bytes:
    """A key that PowerShell has rewritten must not slip through."""
    return key_pem().decode().encode("utf-16")


@refused("private-key-handed-over")
def pkcs12_store() -> bytes:
    """A .p12 or .pfx holds the key."""
    return pkcs12.serialize_key_and_certificates(b"x", p256(), _certificate(), None, BestAvailableEncryption(b"x"))


@refused("csr-other-thing")
def certificate() -> bytes:
    """The certificate of last year instead of a request."""
    return _certificate().public_bytes(Encoding.PEM)


@refused("csr-other-thing")
def certificate_der() -> bytes:
    """The same in DER."""
    return _certificate().public_bytes(Encoding.DER)


@refused("csr-other-thing")
def certificate_pkcs7() -> bytes:
    """A .p7b."""
    return pkcs7.serialize_certificates([_certificate()], Encoding.PEM)


@refused("csr-other-thing")
def public_key() -> bytes:
    """A bare public key proves nothing."""
    return p256().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@refused("csr-several")
def two_requests() -> bytes:
    """Two requests in one file: taking the first would be a guess."""
    return request() + request()


@refused("csr-cut-off")
def cut_off() -> bytes:
    """The last line was lost while copying."""
    return request().rpartition(b"-----END")[0]


@refused("csr-empty")
def empty() -> bytes:
    """White space only."""
    return b" \r\n"


@refused("csr-unreadable")
def html() -> bytes:
    """The login page that a proxy served instead of the file."""
    return b"<!DOCTYPE html><title>Sign in</title>"


@refused("csr-unreadable")
def damaged_base64() -> bytes:
    """A character of the base64 text is gone."""
    text = request()
    return text[:60] + text[61:]


@refused("csr-unreadable")
def trailing_bytes() -> bytes:
    """Bytes after the end of the DER structure: room for something that one reader sees and another does not."""
    return request(encoding=Encoding.DER) + b"\0"


@refused("csr-too-large")
def huge_text() -> bytes:
    """A megabyte around a good request: refused by size, before any parsing."""
    return request() + b"x" * 1_000_000
