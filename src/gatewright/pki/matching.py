"""Is this certificate that client's? The exact matcher: every kind of name by its own type, nothing approximate.

A URI is never taken for a DNS name, a common name never for a subjectAltName, one name never for a part of another. What
httpd can compare by itself (a DNS name, an e-mail address, a serial number, parts of the subject) is matched here as httpd
matches it, so that both always agree; where this cannot read a certificate with certainty, it says no and why.

Whether an authority really issued the certificate is not asked here: that is for whoever verified the chain.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID, ObjectIdentifier

from gatewright.model.gateway import Client, Subject
from gatewright.model.matchers import EmailAddress, KeyPin, SerialNumber, UriName
from gatewright.model.values import HostName
from gatewright.pki.csr import shown
from gatewright.pki.reading import serial_of

NAMES_READ = 4
"""How many DNS names and e-mail addresses of a certificate are looked at, from the first: httpd numbers them, and each one
that a route asks for is one more comparison per request."""

PIN_PREFIX = "sha256:"
"""What a key pin begins with; the rest is base64 of the SHA-256 of the SubjectPublicKeyInfo in DER (as RFC 7469 §2.4)."""

_PARTS: dict[str, tuple[ObjectIdentifier, str]] = {
    "C": (NameOID.COUNTRY_NAME, "country"),
    "ST": (NameOID.STATE_OR_PROVINCE_NAME, "state"),
    "L": (NameOID.LOCALITY_NAME, "locality"),
    "O": (NameOID.ORGANIZATION_NAME, "organization"),
    "OU": (NameOID.ORGANIZATIONAL_UNIT_NAME, "organizational unit"),
    "CN": (NameOID.COMMON_NAME, "common name"),
}

# The string types whose every character has one reading; beyond ASCII the others (T61String …) have character sets that
# readers guess (RFC 5280 §4.1.2.4 and Appendix B).
_CLEAR_TYPES = frozenset(
    {"UTF8String", "PrintableString", "BMPString", "UniversalString", "IA5String", "NumericString"}
)


@dataclass(frozen=True, slots=True)
class Match:
    """The answer, and why: one sentence without its full stop, in plain words. Names of the certificate are quoted and cut."""

    matches: bool
    reason: str


def _yes(reason: str) -> Match:
    return Match(matches=True, reason=reason)


def _no(reason: str) -> Match:
    return Match(matches=False, reason=reason)


class _UnreadableError(Exception):
    """The certificate cannot be read with certainty; the text says what cannot."""


def match(client: Client, certificate: x509.Certificate) -> Match:
    """Whether a certificate of the client's authority is this client's. Never raises for what a certificate holds."""
    matcher = client.matcher
    match matcher:
        case EmailAddress():
            found = by_email(matcher, certificate)
        case UriName():
            found = by_uri(matcher, certificate)
        case SerialNumber():
            found = by_serial(matcher, certificate)
        case KeyPin():
            found = by_key(matcher, certificate)
        case Subject():
            found = by_subject(matcher.parts(), certificate)
        case HostName():
            found = by_san(matcher, certificate)
    return found


def by_san(name: str, certificate: x509.Certificate) -> Match:
    """One of the first :data:`NAMES_READ` dNSNames is ``name`` to the octet (httpd compares so; case counts, ``*`` is a letter)."""
    return _guarded(lambda: _one_of(name, _alternatives(certificate, x509.DNSName), "DNS name"))


def by_email(address: str, certificate: x509.Certificate) -> Match:
    """One of the first :data:`NAMES_READ` rfc822Names is ``address`` to the octet. The subject's emailAddress does not count."""
    return _guarded(lambda: _one_of(address, _alternatives(certificate, x509.RFC822Name), "e-mail address"))


def by_uri(uri: str, certificate: x509.Certificate) -> Match:
    """The certificate has exactly one URI name, and it is ``uri`` to the octet (RFC 3986 §6.2.1, simple string comparison).

    One, because that is what makes an X.509-SVID's identity (SPIFFE X509-SVID §2: more than one must be refused).
    """
    return _guarded(lambda: _only(uri, _alternatives(certificate, x509.UniformResourceIdentifier), "URI"))


def by_serial(serial: str, certificate: x509.Certificate) -> Match:
    """The serial number is ``serial`` (hexadecimal, in any case, leading zeros allowed), and positive (RFC 5280 §4.1.2.2)."""
    wanted, found = int(serial, 16), serial_of(certificate)
    if found <= 0:
        return _no(f"its serial number is {'zero' if found == 0 else 'negative'}, which names no certificate")
    if found != wanted:
        return _no(f"its serial number is {found:X}, not {wanted:X}")
    return _yes(f"its serial number is {wanted:X}")


def by_key(pin: str, certificate: x509.Certificate) -> Match:
    """The SHA-256 of its public key (SubjectPublicKeyInfo, DER) is ``pin``, whatever names the certificate holds."""
    return _guarded(lambda: _pinned(pin, certificate))


def by_subject(parts: Sequence[tuple[str, str]], certificate: x509.Certificate) -> Match:
    """Each part (short name, value) is in the subject exactly once, with exactly this value, whatever its string type.

    More parts may be there, and several may share one relative name (``CN=erp + O=Globex``): httpd does not tell either.
    """
    return _guarded(lambda: _subject(parts, certificate))


def pin_of(certificate: x509.Certificate) -> str:
    """The key pin of a certificate, as the gateway file writes it. Raises ``ValueError`` for a key that cannot be read."""
    spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return PIN_PREFIX + base64.b64encode(hashlib.sha256(spki).digest()).decode()


def _guarded(decide: Callable[[], Match]) -> Match:
    """What a hostile certificate makes the library say is a no."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the library's remarks on odd but readable values
            return decide()
    except _UnreadableError as problem:
        return _no(str(problem))


def _alternatives(certificate: x509.Certificate, kind: type[x509.GeneralName]) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as problem:
        msg = f"its extensions cannot be read: {shown(str(problem))}"
        raise _UnreadableError(msg) from problem
    # IA5String is ASCII; what else stands there is shown as it was read, and can be nobody's declared name.
    return [str(name.value) for name in names if isinstance(name, kind)]


def _one_of(wanted: str, found: list[str], kind: str) -> Match:
    if wanted.isascii() and wanted in found[:NAMES_READ]:
        return _yes(f"it has the {kind} {shown(wanted)}")
    if wanted in found:
        return _no(f"{shown(wanted)} is among its {len(found)} {kind}s, but only the first {NAMES_READ} are looked at")
    return _no(f"it does not have the {kind} {shown(wanted)}: {_listed(found, kind)}")


def _only(wanted: str, found: list[str], kind: str) -> Match:
    if len(found) > 1:
        return _no(f"it has {len(found)} {kind}s, and which of them it stands for is open")
    if found != [wanted] or not wanted.isascii():
        return _no(f"it does not have the {kind} {shown(wanted)}: {_listed(found, kind)}")
    return _yes(f"its one {kind} is {shown(wanted)}")


def _listed(found: list[str], kind: str) -> str:
    if not found:
        return f"it has no {kind}"
    more = f" and {len(found) - NAMES_READ} more" if len(found) > NAMES_READ else ""
    return f"it has {', '.join(shown(name) for name in found[:NAMES_READ])}{more}"


def _pinned(pin: str, certificate: x509.Certificate) -> Match:
    try:
        wanted = base64.b64decode(pin.removeprefix(PIN_PREFIX), validate=True)
    except binascii.Error as problem:
        msg = f"{shown(pin)} is no key pin"
        raise _UnreadableError(msg) from problem
    try:
        found = pin_of(certificate)
    except Exception as problem:  # whatever the library says of a key it cannot read
        msg = f"its key cannot be read: {shown(str(problem))}"
        raise _UnreadableError(msg) from problem
    if base64.b64decode(found.removeprefix(PIN_PREFIX)) != wanted:
        return _no(f"its key is {found}, not the one pinned")
    return _yes(f"its key is the one pinned, {found}")


def _subject(parts: Sequence[tuple[str, str]], certificate: x509.Certificate) -> Match:
    if not parts:
        return _no("no part of the subject is asked for")
    try:
        subject = certificate.subject
    except ValueError as problem:
        msg = f"its subject cannot be read: {shown(str(problem))}"
        raise _UnreadableError(msg) from problem
    for short, wanted in parts:
        oid, called = _PARTS[short]
        found = subject.get_attributes_for_oid(oid)
        if len(found) != 1:
            count = "no" if not found else str(len(found))
            return _no(f"it has {count} {called}{'' if len(found) == 1 else 's'}, and exactly one is asked for")
        kind, text = _string_type(found[0]), str(found[0].value)
        if kind not in _CLEAR_TYPES and not text.isascii():
            return _no(f"its {called} is a {kind or 'value of unknown type'}, which readers read in different ways")
        if text != wanted:
            return _no(f"its {called} is {shown(text)}, not {shown(wanted)}")
    return _yes("its subject has " + ", ".join(f"{short}={shown(value)}" for short, value in parts))


def _string_type(attribute: x509.NameAttribute[str | bytes]) -> str:
    # cryptography has no public name for it; absent, nothing matches.
    return str(getattr(getattr(attribute, "_type", None), "name", ""))
