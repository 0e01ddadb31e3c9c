"""A certificate, CSR, CRL or key in words for a human. Whatever a stranger wrote into it is shown with escapes, never raw."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID
from cryptography.x509.oid import ExtendedKeyUsageOID as Eku

from gatewright.pki.formats import armor
from gatewright.pki.reading import serial_of
from gatewright.pki.verify import Certificate, parsed

_SHOWN_NAMES = 20
_SHOWN_CHARACTERS = 400
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# Debian's and Ubuntu's OpenSSL ask security level 2: 112 bits (SSL_CTX_set_security_level(3)).
_WEAK_RSA, _WEAK_EC = 2048, 224
_WEAK_HASHES = frozenset({"md5", "sha1"})
_EKU_WORDS = {
    Eku.SERVER_AUTH: "server (serverAuth)",
    Eku.CLIENT_AUTH: "client (clientAuth)",
    Eku.CODE_SIGNING: "signing programs (codeSigning)",
    Eku.EMAIL_PROTECTION: "e-mail (emailProtection)",
    Eku.TIME_STAMPING: "time stamps (timeStamping)",
    Eku.OCSP_SIGNING: "OCSP answers (OCSPSigning)",
    Eku.ANY_EXTENDED_KEY_USAGE: "anything (anyExtendedKeyUsage)",
    Eku.SMARTCARD_LOGON: "smart card logon (smartcardLogon)",
    Eku.KERBEROS_PKINIT_KDC: "Kerberos KDC (pkInitKDC)",
    Eku.IPSEC_IKE: "IPsec (ipsecIKE)",
    Eku.CERTIFICATE_TRANSPARENCY: "Certificate Transparency",
}
_ATTRIBUTE_NAMES = {NameOID.EMAIL_ADDRESS: "emailAddress", NameOID.SERIAL_NUMBER: "serialNumber"}
_LAZY = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension)


@dataclass(frozen=True, slots=True)
class Description:
    """One thing explained: what it is, its facts in order, and remarks a reader should act on."""

    kind: str
    title: str
    facts: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """The JSON form; fact names in snake_case."""
        facts = {label.lower().replace(" ", "_").replace("-", "_"): value for label, value in self.facts}
        return {"kind": self.kind, "title": self.title, **facts, "remarks": list(self.remarks)}

    def text(self) -> str:
        """The terminal form, ended by a line end."""
        width = max((len(label) for label, _ in self.facts), default=0)
        lines = [self.title, *(f"  {label.ljust(width)}  {value}" for label, value in self.facts)]
        lines += [f"  note: {remark}" for remark in self.remarks]
        return "\n".join(lines) + "\n"


def readable(text: str, limit: int = _SHOWN_CHARACTERS) -> str:
    r"""``text`` on one line, control and invisible characters as escapes (``\x1b``), cut after ``limit`` characters."""
    cut = text if len(text) <= limit else f"{text[:limit]}… ({len(text):,} characters)"
    return "".join(c.encode("unicode_escape").decode("ascii") if unicodedata.category(c) in _HIDDEN else c for c in cut)


def dn(name: x509.Name) -> str:
    """A distinguished name, most specific part first (RFC 4514), fit to be shown; ``(empty)`` for an empty one."""
    try:
        return readable(name.rfc4514_string(_ATTRIBUTE_NAMES)) or "(empty)"
    except _LAZY:
        return "(unreadable name)"


def key_words(key: CertificatePublicKeyTypes) -> tuple[str, bool]:
    """A public key's kind and size, and whether it is too weak for security level 2."""
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}", key.key_size < _WEAK_RSA
    if isinstance(key, ec.EllipticCurvePublicKey):
        names = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
        return f"EC {names.get(key.curve.name, key.curve.name)}", key.key_size < _WEAK_EC
    if isinstance(key, dsa.DSAPublicKey):
        return f"DSA {key.key_size}", key.key_size < _WEAK_RSA
    if isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
        return type(key).__name__.removesuffix("PublicKey"), False
    return type(key).__name__.removesuffix("PublicKey"), False


def key_of(certificate: x509.Certificate | x509.CertificateSigningRequest) -> tuple[str, bool]:
    """As :func:`key_words`, for a certificate whose key may be unreadable."""
    try:
        return key_words(certificate.public_key())
    except _LAZY:
        return "unreadable or of unknown kind", True


def hash_words(certificate: x509.Certificate | x509.CertificateSigningRequest | x509.CertificateRevocationList) -> str:
    """The signature's hash, or the algorithm where it has none of its own (Ed25519)."""
    try:
        found = certificate.signature_hash_algorithm
    except _LAZY:
        found = None
    return found.name if found is not None else certificate.signature_algorithm_oid._name


def general_names(names: x509.GeneralNames | x509.SubjectAlternativeName) -> list[str]:
    """Each subject alternative name as ``kind:value``."""
    kinds: dict[type, str] = {
        x509.DNSName: "DNS",
        x509.IPAddress: "IP",
        x509.RFC822Name: "email",
        x509.UniformResourceIdentifier: "URI",
    }
    return [
        f"directory:{dn(n.value)}"
        if isinstance(n, x509.DirectoryName)
        else readable(f"{kinds.get(type(n), type(n).__name__)}:{n.value}")
        for n in names
    ]


def sans(certificate: x509.Certificate | x509.CertificateSigningRequest) -> list[str]:
    """The subject alternative names, or an empty list."""
    try:
        return general_names(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except (x509.ExtensionNotFound, *_LAZY):
        return []


def ekus(certificate: x509.Certificate | x509.CertificateSigningRequest) -> list[str] | None:
    """The extended key usages in words; ``None`` where there is no such extension: any use is allowed."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, *_LAZY):
        return None
    return [_EKU_WORDS.get(oid, oid.dotted_string) for oid in found]


def is_ca(certificate: x509.Certificate | x509.CertificateSigningRequest) -> tuple[bool, int | None]:
    """Whether basicConstraints make it a CA, and its path length."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (x509.ExtensionNotFound, *_LAZY):
        return False, None
    return found.ca, found.path_length


def fingerprint(der: bytes) -> str:
    """SHA-256 over the DER bytes, hexadecimal with colons."""
    return _digest(hashes.SHA256(), der).hex(":").upper()


def revocation_marker(der: bytes) -> str:
    """SHA-1 of the PEM text, lower-case hexadecimal: the name of the file that revokes this certificate at the gateway.

    httpd computes the same from ``%{sha1:%{SSL_CLIENT_CERT}}`` (measured on httpd 2.4.71).
    """
    return _digest(hashes.SHA1(), armor("CERTIFICATE", der)).hex()  # noqa: S303  # a file name, not a signature


def _digest(algorithm: hashes.HashAlgorithm, data: bytes) -> bytes:
    context = hashes.Hash(algorithm)
    context.update(data)
    return context.finalize()


def describe_certificate(certificate: Certificate, at: datetime) -> Description:
    """A certificate explained as of ``at`` (aware)."""
    read = parsed(certificate)
    prints = (
        ("SHA-256", fingerprint(certificate.der)),
        ("Revocation marker", revocation_marker(certificate.der)),
    )
    if read is None:
        remark = "it has a field that a strict reader refuses; see: openssl x509 -text"
        return Description("certificate", f"Certificate ({readable(certificate.origin)})", prints, (remark,))
    ca, path_length = is_ca(read)
    uses = ekus(read)
    key, _ = key_of(read)
    authority = "no" if not ca else "yes" + ("" if path_length is None else f", with {path_length} CAs below it")
    facts = [
        ("Subject", dn(read.subject)),
        ("Issuer", dn(read.issuer)),
        ("Serial", f"{serial_of(read):x}"),
        ("Valid", f"{when(read.not_valid_before_utc)} to {when(read.not_valid_after_utc)}, {_left(read, at)}"),
        ("Names", _shortened(sans(read)) or "none (no subjectAltName)"),
        ("May be used for", "anything (no extended key usage)" if uses is None else _shortened(uses) or "nothing"),
        ("CA", authority),
        ("Key usage", ", ".join(_key_usage(read)) or "not restricted"),
        ("Key", key),
        ("Signature", hash_words(read)),
        *_places(read),
        *prints,
    ]
    return Description(
        "certificate", f"{_title(read)} ({readable(certificate.origin)})", tuple(facts), tuple(_remarks(read, at))
    )


def _title(read: x509.Certificate) -> str:
    ca, _ = is_ca(read)
    uses = ekus(read) or []
    roles = [role for role in ("server", "client") if any(use.startswith(role) for use in uses)]
    kind = " and ".join(roles) + " " if roles else ""
    if ca:
        kind = "root CA " if read.subject == read.issuer else "CA "
    return f"{kind}certificate".capitalize() if not ca else f"{kind[0].upper()}{kind[1:]}certificate"


def when(moment: datetime) -> str:
    """A moment in UTC, to the second."""
    return moment.strftime("%Y-%m-%d %H:%M:%SZ")


def _left(read: x509.Certificate, at: datetime) -> str:
    if at < read.not_valid_before_utc:
        return f"begins in {(read.not_valid_before_utc - at).days} days"
    days = (read.not_valid_after_utc - at).days
    return f"{days} days left" if at <= read.not_valid_after_utc else f"expired {-days - 1} days ago"


def _shortened(items: list[str]) -> str:
    more = f" and {len(items) - _SHOWN_NAMES:,} more" if len(items) > _SHOWN_NAMES else ""
    return ", ".join(items[:_SHOWN_NAMES]) + more


def _key_usage(read: x509.Certificate) -> Iterator[str]:
    try:
        usage = read.extensions.get_extension_for_class(x509.KeyUsage).value
    except (x509.ExtensionNotFound, *_LAZY):
        return
    for flag, word in (
        ("digital_signature", "digitalSignature"),
        ("content_commitment", "nonRepudiation"),
        ("key_encipherment", "keyEncipherment"),
        ("data_encipherment", "dataEncipherment"),
        ("key_agreement", "keyAgreement"),
        ("key_cert_sign", "keyCertSign"),
        ("crl_sign", "cRLSign"),
    ):
        if getattr(usage, flag):
            yield word


def _places(read: x509.Certificate) -> Iterator[tuple[str, str]]:
    """Where revocation and the issuer's certificate can be asked for."""
    try:
        for extension in read.extensions:
            value = extension.value
            if isinstance(value, x509.CRLDistributionPoints):
                names = [n for point in value for n in general_names_or_none(point)]
                yield "CRL", _shortened(names) or "named, without an address"
            elif isinstance(value, x509.AuthorityInformationAccess):
                for access in value:
                    label = "OCSP" if access.access_method == AuthorityInformationAccessOID.OCSP else "Issuer at"
                    yield label, readable(str(access.access_location.value))
    except _LAZY:
        return


def general_names_or_none(point: x509.DistributionPoint) -> list[str]:
    """The full names of one CRL distribution point."""
    return [readable(str(n.value)) for n in point.full_name or ()]


def _remarks(read: x509.Certificate, at: datetime) -> Iterator[str]:
    ca, _ = is_ca(read)
    uses = ekus(read)
    if at > read.not_valid_after_utc:
        yield "it has expired: every verifier refuses it; renew it"
    elif at < read.not_valid_before_utc:
        yield "it is not valid yet: check this machine's clock, or wait"
    elif (read.not_valid_after_utc - at).days < 30:
        yield "it ends within 30 days: renew it"
    if not ca and uses is not None and not any(use.startswith(("client", "anything")) for use in uses):
        yield "it has no extended key usage clientAuth: it cannot be used as a client certificate here (error 26)"
    if not ca and not sans(read) and read.subject.get_attributes_for_oid(NameOID.COMMON_NAME):
        yield "it has only a common name and no subjectAltName: as a server certificate it is refused by every browser"
    key, weak = key_of(read)
    if weak:
        yield f"its key ({key}) is too weak: OpenSSL refuses it at security level 2 (error 66)"
    if hash_words(read).lower() in _WEAK_HASHES and read.subject != read.issuer:
        yield f"it is signed with {hash_words(read).upper()}, for which collisions can be made: OpenSSL refuses it (error 68)"
    if ca:
        yield "it is a CA: it is what one trusts, not what a client or server presents"
    elif "keyCertSign" in set(_key_usage(read)):
        yield "it may sign certificates by its key usage and is not a CA: one of the two is a mistake"
    if read.subject == read.issuer:
        yield _self_signed(read)
    if any("\\x" in text or "\\u" in text for text in (dn(read.subject), dn(read.issuer), *sans(read))):
        yield "its names hold control or invisible characters, shown here as escapes: somebody may mean to deceive"


def _self_signed(read: x509.Certificate) -> str:
    try:
        read.verify_directly_issued_by(read)
    except (InvalidSignature, *_LAZY):
        return "it names itself as issuer, and its signature is not its own"
    return "it is self-signed: it is trusted only where it is itself an anchor"
