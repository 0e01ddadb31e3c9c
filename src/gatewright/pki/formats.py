"""What is in a file that somebody calls a certificate: PEM blocks, DER, PKCS#7, PKCS#12, or something else, said by name."""

from __future__ import annotations

import base64
import binascii
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key, pkcs7
from OpenSSL import crypto

from gatewright.errors import Diagnostic, UsageError
from gatewright.pki.verify import Certificate

# RFC 7468 §3; older programs write headers (RFC 1421) before the body of encrypted keys.
_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9][A-Z0-9 ]{0,40})-----(.*?)-----END ([A-Z0-9 ]{1,41})-----", re.DOTALL)
_CERTIFICATE_LABELS = frozenset({"CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"})
KEY_LABELS = frozenset(
    {
        "PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY",
        "RSA PRIVATE KEY",
        "EC PRIVATE KEY",
        "DSA PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
    }
)
T = TypeVar("T")
_MAX_BYTES = 16 * 1024 * 1024
UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, OverflowError)


@dataclass(frozen=True, slots=True)
class Block:
    """One thing found: its PEM label (given to DER too, after what it turned out to be), its bytes, and its PEM text if any.

    ``private`` content is kept for whoever has to load the key; it is never shown.
    """

    label: str
    der: bytes
    pem: bytes = b""

    @property
    def is_certificate(self) -> bool:
        """Whether it is a certificate, with or without OpenSSL's trust settings."""
        return self.label in _CERTIFICATE_LABELS

    @property
    def is_key(self) -> bool:
        """Whether it is a private key, encrypted or not."""
        return self.label in KEY_LABELS


def blocks(data: bytes, origin: str) -> tuple[Block, ...]:
    """Everything found in ``data``, in order; PKCS#7 bundles unpacked, PKCS#12 left as one block ``PKCS12``.

    Raises :class:`UsageError` that says what ``data`` looks like when nothing is found, or which PEM block is damaged.
    """
    if len(data) > _MAX_BYTES:
        raise unreadable(origin, f"it has {len(data):,} bytes, and no certificate file has more than 16 MiB")
    if b"-----BEGIN " in data:
        return _pem_blocks(data, origin)
    found = _der_block(data)
    if found is None:
        raise unreadable(origin, looks_like(data))
    return found


def certificates(data: bytes, origin: str) -> tuple[Certificate, ...]:
    """The certificates in a PEM, DER or PKCS#7 file, in order, each with its place.

    Raises :class:`UsageError` when there is none.
    """
    found = [block for block in blocks(data, origin) if block.is_certificate]
    if not found:
        kinds = ", ".join(dict.fromkeys(block.label for block in blocks(data, origin)))
        raise unreadable(origin, f"it holds no certificate but: {kinds}")
    many = len(found) > 1
    return tuple(
        Certificate(plain(b.der, origin), f"{origin}, certificate {n}" if many else origin)
        for n, b in enumerate(found, start=1)
    )


def plain(der: bytes, origin: str) -> bytes:
    """The certificate alone, without the trust settings that OpenSSL puts behind it in a ``TRUSTED CERTIFICATE``."""
    try:
        return crypto.dump_certificate(crypto.FILETYPE_ASN1, crypto.load_certificate(crypto.FILETYPE_ASN1, der))
    except crypto.Error as error:
        raise unreadable(origin, "it is marked as a certificate, and its content is not one") from error


def revocation_lists(data: bytes, origin: str) -> tuple[bytes, ...]:
    """The CRLs in a PEM or DER file, as DER. Raises :class:`UsageError` when there is none."""
    found = tuple(block.der for block in blocks(data, origin) if block.label == "X509 CRL")
    if not found:
        kinds = ", ".join(dict.fromkeys(block.label for block in blocks(data, origin)))
        raise unreadable(origin, f"it holds no CRL but: {kinds}")
    for der in found:
        if _reads(x509.load_der_x509_crl, der) is None:
            raise unreadable(origin, "it is marked as a CRL, and its content is not one")
    return found


def armor(label: str, der: bytes) -> bytes:
    """PEM (RFC 7468): the bytes in base64, 64 characters a line."""
    body = base64.b64encode(der)
    lines = [body[i : i + 64] for i in range(0, len(body), 64)]
    return b"\n".join([b"-----BEGIN %s-----" % label.encode(), *lines, b"-----END %s-----" % label.encode(), b""])


def unreadable(origin: str, looks: str) -> UsageError:
    """The error for a file in which nothing was found; ``looks`` says what it looks like."""
    fix = "give a certificate, CSR, CRL, PKCS#7 or PKCS#12 file, in PEM or DER"
    return UsageError(Diagnostic("not-a-certificate", f"{origin} cannot be read as a certificate", looks, fix))


def _pem_blocks(data: bytes, origin: str) -> tuple[Block, ...]:
    found: list[Block] = []
    for number, match in enumerate(_BLOCK.finditer(data), start=1):
        label = match[1].decode("ascii")
        if match[3].decode("ascii") != label:
            raise unreadable(origin, f"PEM block {number} begins as {label} and ends as {match[3].decode('ascii')}")
        body = match[2]
        if b":" in body:  # RFC 1421 headers end at an empty line
            body = body.replace(b"\r\n", b"\n").partition(b"\n\n")[2]
        try:
            der = base64.b64decode(b"".join(body.split()), validate=True)
        except binascii.Error as error:
            why = f"PEM block {number} ({label}) is damaged: {error}"
            raise unreadable(origin, why) from error
        found += _unpacked(Block(label, der, match[0] + b"\n"))
    if not found:
        raise unreadable(origin, "it begins a PEM block and never ends it: the file is cut off")
    return tuple(found)


def _unpacked(block: Block) -> tuple[Block, ...]:
    if block.label in {"PKCS7", "CMS", "PKCS #7 SIGNED DATA"}:
        return _bundle(block.der) or (block,)
    if block.label == "NEW CERTIFICATE REQUEST":
        return (Block("CERTIFICATE REQUEST", block.der, block.pem),)
    return (block,)


def _bundle(der: bytes) -> tuple[Block, ...] | None:
    found = _reads(pkcs7.load_der_pkcs7_certificates, der)
    return None if found is None else tuple(Block("CERTIFICATE", c.public_bytes(Encoding.DER)) for c in found)


def _der_block(data: bytes) -> tuple[Block, ...] | None:
    if not data.startswith(b"\x30"):
        return None
    readers: tuple[tuple[str, Callable[[bytes], object]], ...] = (
        ("CERTIFICATE", lambda d: crypto.load_certificate(crypto.FILETYPE_ASN1, d)),
        ("CERTIFICATE REQUEST", x509.load_der_x509_csr),
        ("X509 CRL", x509.load_der_x509_crl),
        ("PUBLIC KEY", load_der_public_key),
    )
    for label, reader in readers:
        if _reads(reader, data) is not None:
            return (Block(label, data),)
    bundle = _bundle(data)
    if bundle:
        return bundle
    secret = _secret_label(data)
    return None if secret is None else (Block(secret, data),)


def _secret_label(data: bytes) -> str | None:
    """What DER is that only a password or a key loader can open, by its first bytes.

    PKCS#12 begins with version 3 (RFC 7292 §4), keys with version 0 or 1 (RFC 5958 §2, RFC 8017 A.1.2, RFC 5915 §3);
    id-PBES2 (RFC 8018 A.4) or a PKCS#12 algorithm opens an EncryptedPrivateKeyInfo.
    """
    head = data[:32]
    if b"\x02\x01\x03" in head[:16]:
        return "PKCS12"
    if b"\x02\x01\x00" in head[:16] or b"\x02\x01\x01" in head[:16]:
        return "PRIVATE KEY"
    if b"\x2a\x86\x48\x86\xf7\x0d\x01\x05" in head or b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01" in head:
        return "ENCRYPTED PRIVATE KEY"
    return None


def _reads(reader: Callable[[bytes], T], data: bytes) -> T | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return reader(data)
        except (*UNREADABLE, crypto.Error):
            return None


_LOOKS: tuple[tuple[bytes, str], ...] = (
    (b"ssh-", "it is an SSH public key; TLS needs an X.509 certificate"),
    (b"ecdsa-sha2-", "it is an SSH public key; TLS needs an X.509 certificate"),
    (b"PuTTY-User-Key", "it is a PuTTY private key; TLS needs an X.509 certificate"),
    (b"\xfe\xed\xfe\xed", "it is a Java keystore (JKS); convert it: keytool -importkeystore -srckeystore FILE -destkeystore out.p12 -deststoretype PKCS12"),
    (b"\xce\xce\xce\xce", "it is a Java keystore (JCEKS); convert it: keytool -importkeystore -srckeystore FILE -destkeystore out.p12 -deststoretype PKCS12"),
    (b"PK\x03\x04", "it is a ZIP archive; unpack it first"),
    (b"\x1f\x8b", "it is compressed with gzip; unpack it first"),
    (b"\xff\xfe", "it is text in UTF-16, as Windows writes it; save it as ASCII or UTF-8"),
    (b"\xfe\xff", "it is text in UTF-16; save it as ASCII or UTF-8"),
    (b"%PDF", "it is a PDF document"),
    (b"{", "it looks like JSON"),
    (b"\x30", "it begins as DER, and is cut off, damaged, or of a kind that is not known here"),
)  # fmt: skip


def looks_like(data: bytes) -> str:
    """What ``data`` seems to be, as the second half of a sentence for a human."""
    text = data.lstrip(b"\xef\xbb\xbf \t\r\n")
    if not text:
        return "it is empty"
    low = text[:512].lower()
    if low.startswith((b"<!doctype html", b"<html", b"<?xml")) or b"<html" in low:
        return "it is a web page or XML; the download gave an error or a login page instead of the certificate"
    for magic, words in _LOOKS:
        if text.startswith(magic):
            return words
    if re.fullmatch(rb"[A-Za-z0-9+/=\s]+", text[:4096]) and text.startswith(b"MI"):
        return "it is base64 without the lines '-----BEGIN CERTIFICATE-----' and '-----END CERTIFICATE-----'; add them"
    if all(c in b"\t\r\n" or 0x20 <= c < 0x7F for c in text[:512]):
        return "it is plain text without a PEM block"
    return "it is binary data of an unknown kind"
