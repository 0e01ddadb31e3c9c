"""What a PEM file says about itself, as facts for the rules. Content may be hostile: every refusal is an answer."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from gatewright.check.facts import AnchorFact, ServerFact, Unusable

MAX_PEM = 1024 * 1024
"""Bytes of a certificate file. A chain has a few kilobytes; the bundle of a whole operating system about 250."""

# What OpenSSL takes for one space in a name, and which it folds (crypto/x509/x_name.c, asn1_string_canon).
_SPACES = re.compile(r"[ \t\n\v\f\r]+")
_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}

_LABEL = re.compile(rb"-----BEGIN ([A-Z0-9 ]*CERTIFICATE)-----")
_PLAIN = frozenset({b"CERTIFICATE", b"X509 CERTIFICATE"})

# cryptography says ValueError for nearly everything; TypeError for a password that is missing or not wanted.
_BAD = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, x509.UnsupportedGeneralNameType)


class PemInspector:
    """:class:`gatewright.ports.inspect.CertificateInspector` by ``cryptography``."""

    def anchor(self, pem: bytes) -> AnchorFact | Unusable:
        """What the first certificate of ``pem`` is as a trust anchor, and how many certificates there are."""
        certificates = _certificates(pem)
        if isinstance(certificates, Unusable):
            return certificates
        try:
            return _anchor(certificates, pem)
        except (*_BAD, x509.DuplicateExtension) as error:
            return Unusable(f"its certificate is malformed ({error})")

    def server(self, chain: bytes, key: bytes) -> ServerFact | Unusable:
        """What the first certificate of ``chain`` names, and whether ``key`` (PEM) is its private key."""
        certificates = _certificates(chain)
        if isinstance(certificates, Unusable):
            return certificates
        own = certificates[0]
        try:
            names = _names(own)
            public = own.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        except (*_BAD, x509.DuplicateExtension) as error:
            return Unusable(f"its first certificate is malformed ({error})")
        return ServerFact(names, own.not_valid_before_utc, own.not_valid_after_utc, _key_problem(public, key))


def issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether ``issuer`` signed ``certificate`` itself. Never raises for what the two hold."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, *_BAD):
        return False
    return True


def canonical_name(name: x509.Name) -> str:
    """A text that is equal for two names exactly when OpenSSL takes them for the same name (``X509_NAME_cmp``).

    Text is compared without its string type, with spaces stripped and folded and ASCII letters in lower case.
    """
    parts = []
    for rdn in name.rdns:
        attributes = sorted(f"{a.oid.dotted_string}={_canonical(a.value)}" for a in rdn)
        parts.append("+".join(attributes))
    return ",".join(parts)


def _canonical(value: str | bytes) -> str:
    if isinstance(value, bytes):
        return f"#{value.hex()}"
    return repr(_SPACES.sub(" ", value.strip(" \t\n\v\f\r")).translate(_LOWER))


def _certificates(pem: bytes) -> list[x509.Certificate] | Unusable:
    labels = _LABEL.findall(pem)
    strange = _unlike(pem, labels)
    if strange:
        return Unusable(strange)
    try:
        found = x509.load_pem_x509_certificates(pem)
    except _BAD as error:
        if b"-----BEGIN CERTIFICATE-----" in pem:
            return Unusable(f"its certificate is malformed ({error})")
        label = pem[pem.index(b"-----BEGIN") + 10 :].split(b"-----", 1)[0].strip()
        return Unusable(f"it holds '{label.decode('ascii', 'replace')[:40]}', not a certificate")
    if len(found) != len(labels):
        return Unusable(f"{len(labels)} certificates begin in it, and {len(found)} can be read")
    return found


def _unlike(pem: bytes, labels: Sequence[bytes]) -> str:
    """Why this is not looked at any further; empty where it is PEM certificates, as far as can be seen from outside."""
    if len(pem) > MAX_PEM:
        return f"it has {len(pem):,} bytes"
    if b"-----BEGIN" not in pem:
        return "it is DER, not PEM" if pem[:1] == b"\x30" else "it is not PEM"
    if b"-----BEGIN CERTIFICATE REQUEST-----" in pem or b"-----BEGIN NEW CERTIFICATE REQUEST-----" in pem:
        return "it is a certificate request, not a certificate"
    # OpenSSL takes these for certificates and cryptography passes over them: the one would trust what the other never saw.
    other = next((label for label in labels if label not in _PLAIN), None)
    return "" if other is None else f"it holds a '{other.decode('ascii')[:40]}', which is no plain certificate"


def _anchor(certificates: list[x509.Certificate], pem: bytes) -> AnchorFact:
    first = certificates[0]
    is_ca, length, may_sign = False, None, True
    for extension in first.extensions:
        if isinstance(extension.value, x509.BasicConstraints):
            is_ca, length = extension.value.ca, extension.value.path_length
        elif isinstance(extension.value, x509.KeyUsage):
            may_sign = extension.value.key_cert_sign
    canonical = canonical_name(first.subject)
    return AnchorFact(
        first.subject.rfc4514_string(),
        canonical,
        canonical == canonical_name(first.issuer),
        is_ca,
        may_sign,
        length,
        first.not_valid_before_utc,
        first.not_valid_after_utc,
        len(certificates),
        b"PRIVATE KEY-----" in pem,
        first.fingerprint(hashes.SHA256()).hex(),
    )


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    dns = names.get_values_for_type(x509.DNSName)
    addresses = names.get_values_for_type(x509.IPAddress)
    return (*dns, *(str(address) for address in addresses))


def _key_problem(public: bytes, key: bytes) -> str:
    if b"-----BEGIN" not in key:
        return "it is not PEM"
    if b"ENCRYPTED" in key:
        return "it is encrypted, and nobody can type a passphrase when httpd restarts"
    try:
        private = load_pem_private_key(key, None)
    except _BAD as error:
        return f"it cannot be read ({error})"
    if private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != public:
        return "it does not belong to the first certificate of the chain"
    return ""
