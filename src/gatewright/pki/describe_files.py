"""Everything in a file explained: certificates, CSRs, CRLs, keys and PKCS#12, one description each. No secret is shown."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
    load_pem_private_key,
    load_ssh_private_key,
    pkcs12,
)

from gatewright.errors import Diagnostic, UsageError
from gatewright.pki import describe
from gatewright.pki.describe import Description
from gatewright.pki.formats import UNREADABLE, Block, blocks, plain, unreadable
from gatewright.pki.verify import Certificate

# Group or others may read or write (chmod(2)).
_OPEN_MODE = 0o077


class PasswordNeeded(UsageError):
    """The content is encrypted, and no password was given."""


def describe_file(
    data: bytes, origin: str, at: datetime, *, password: bytes | None = None, mode: int | None = None
) -> tuple[Description, ...]:
    """Each thing in ``data``, in order, as of ``at`` (aware). ``mode`` is the file's permission bits where known.

    Raises :class:`PasswordNeeded` for an encrypted file without ``password``, and :class:`UsageError` for what cannot be
    read, with what it looks like.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return tuple(d for block in blocks(data, origin) for d in _describe(block, origin, at, password, mode))


def _describe(
    block: Block, origin: str, at: datetime, password: bytes | None, mode: int | None
) -> Iterator[Description]:
    if block.is_certificate:
        yield describe.describe_certificate(Certificate(plain(block.der, origin), origin), at)
    elif block.is_key:
        yield _key(block, origin, password, mode)
    elif block.label == "PKCS12":
        yield from _pkcs12(block.der, origin, at, password, mode)
    else:
        try:
            yield _public(block, origin, at)
        except UNREADABLE as error:
            raise unreadable(origin, f"its {block.label} block is damaged: {describe.readable(str(error))}") from error


def _public(block: Block, origin: str, at: datetime) -> Description:
    shown = describe.readable(origin)
    if block.label == "CERTIFICATE REQUEST":
        return _request(x509.load_der_x509_csr(block.der), shown)
    if block.label == "X509 CRL":
        return _crl(x509.load_der_x509_crl(block.der), shown, at)
    if block.label == "PUBLIC KEY":
        words, weak = _public_key_words(load_der_public_key(block.der))
        remarks = ("it is a public key without a name: it says nothing about whose it is", *_weak(words, weak=weak))
        return Description("public key", f"Public key ({shown})", (("Key", words),), remarks)
    facts = (("Bytes", f"{len(block.der):,}"),)
    return Description("other", f"{block.label} ({shown})", facts, ("it is nothing that a gateway uses",))


def _request(request: x509.CertificateSigningRequest, shown: str) -> Description:
    key, weak = describe.key_of(request)
    ca, _ = describe.is_ca(request)
    try:
        proved = request.is_signature_valid
    except (ValueError, UnsupportedAlgorithm):
        proved = False
    facts = (
        ("Subject", describe.dn(request.subject)),
        ("Names", ", ".join(describe.sans(request)) or "none (no subjectAltName)"),
        ("Asks to be used for", ", ".join(describe.ekus(request) or []) or "not stated"),
        ("Key", key),
        ("Signature", describe.hash_words(request)),
    )
    remarks = [*_weak(key, weak=weak)]
    if not proved:
        remarks.append("its signature is wrong: whoever sent it has not shown that the private key is theirs")
    if ca:
        remarks.append("it asks to be a CA; a gateway's authority never grants that")
    return Description("request", f"Certificate signing request ({shown})", facts, tuple(remarks))


def _crl(crl: x509.CertificateRevocationList, shown: str, at: datetime) -> Description:
    following = crl.next_update_utc
    try:
        number = str(crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number)
    except x509.ExtensionNotFound:
        number = "none"
    facts = (
        ("Issuer", describe.dn(crl.issuer)),
        ("Number", number),
        ("This update", describe.when(crl.last_update_utc)),
        ("Next update", describe.when(following) if following else "never"),
        ("Revoked", f"{len(crl):,} certificates"),
        ("Signature", describe.hash_words(crl)),
    )
    late = following is not None and following < at
    remarks = ("it has expired: whoever checks it refuses every certificate of this CA (error 12)",) if late else ()
    return Description("crl", f"Certificate revocation list ({shown})", facts, remarks)


def _key(block: Block, origin: str, password: bytes | None, mode: int | None) -> Description:
    shown = describe.readable(origin)
    encrypted = block.label == "ENCRYPTED PRIVATE KEY" or b"Proc-Type: 4,ENCRYPTED" in block.pem[:200]
    if encrypted and password is None:
        facts: tuple[tuple[str, str], ...] = (("Encrypted", "yes; its kind shows with --password-file FILE"),)
        return Description("private key", f"Private key ({shown})", facts)
    try:
        public = _public_half(block, password if encrypted else None)
    except UNREADABLE as error:
        raise _cannot_open(origin, "private key", encrypted=encrypted) from error
    words, weak = _public_key_words(public)
    facts = (("Key", words), ("Encrypted", "yes" if encrypted else "no"), ("Key SHA-256", _spki(public)))
    remarks = ["it is a private key: it belongs to whoever made it, and is not to be sent to anybody"]
    remarks += _weak(words, weak=weak)
    if not encrypted and mode is not None and mode & _OPEN_MODE:
        remarks.append(f"others may read or change it (mode {mode & 0o777:04o}): chmod 600 {shown}")
    return Description("private key", f"Private key ({shown})", facts, tuple(remarks))


def _public_half(block: Block, password: bytes | None) -> object:
    """The public key of a private one, which is all that is looked at."""
    if block.label == "OPENSSH PRIVATE KEY":
        return load_ssh_private_key(block.pem, password).public_key()
    if block.pem:
        return load_pem_private_key(block.pem, password).public_key()
    return load_der_private_key(block.der, password).public_key()


def _pkcs12(der: bytes, origin: str, at: datetime, password: bytes | None, mode: int | None) -> Iterator[Description]:
    try:
        content = pkcs12.load_pkcs12(der, password)
    except UNREADABLE as error:
        if password is None:
            raise PasswordNeeded(
                Diagnostic(
                    "password-needed",
                    f"{origin} is a PKCS#12 file with a password",
                    "",
                    f"put the password into a file of mode 0600 and run: gatewright cert show {origin} --password-file FILE",
                )
            ) from error
        raise _cannot_open(origin, "PKCS#12 file", encrypted=True) from error
    certificates = [c for c in (content.cert, *content.additional_certs) if c is not None]
    has_key = content.key is not None
    facts = [("Certificates", str(len(certificates))), ("Private key", "yes" if has_key else "no")]
    remarks: list[str] = []
    if content.key is not None:
        public = content.key.public_key()
        words, weak = _public_key_words(public)
        facts.append(("Key", words))
        remarks += _weak(words, weak=weak)
        if content.cert is None or _spki(content.cert.certificate.public_key()) != _spki(public):
            remarks.append("no certificate in it belongs to its private key")
        if mode is not None and mode & _OPEN_MODE:
            remarks.append(f"others may read it (mode {mode & 0o777:04o}): chmod 600 {describe.readable(origin)}")
    yield Description("pkcs12", f"PKCS#12 file ({describe.readable(origin)})", tuple(facts), tuple(remarks))
    for number, entry in enumerate(certificates, start=1):
        found = Certificate(entry.certificate.public_bytes(Encoding.DER), f"{origin}, certificate {number}")
        yield describe.describe_certificate(found, at)


def _cannot_open(origin: str, kind: str, *, encrypted: bool) -> UsageError:
    if encrypted:
        what, fix = f"{origin} is a {kind} that does not open with this password", "check the password"
        return UsageError(Diagnostic("wrong-password", what, "or the file is damaged", fix))
    return unreadable(origin, f"it is marked as a {kind}, and its content is damaged or of an unknown kind")


def _public_key_words(key: object) -> tuple[str, bool]:
    return describe.key_words(key)  # type: ignore[arg-type]  # any other kind is named after its class


def _spki(key: object) -> str:
    """SHA-256 of the public key's SubjectPublicKeyInfo, by which key and certificate can be matched."""
    der: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]  # every kind of public key has it
    return describe.fingerprint(der)


def _weak(words: str, *, weak: bool) -> list[str]:
    return [f"its key ({words}) is too weak for security level 2: make a new one, EC P-256 or RSA 3072"] if weak else []
