"""Judging a certificate request (PKCS #10, RFC 2986) from a partner who keeps the key.

The request proves possession of its key and says what its maker wishes. Nothing in it reaches the certificate except the
public key: subject and names are composed from the client's entry in the gateway file. What differs from the entry is
either *refused* (it would be dangerous, or shows that the request was meant for something else) or *dropped* (a wish that
does no harm), and always said. ``docs/csr.md`` is the table of both.
"""

from __future__ import annotations

import enum
import ipaddress
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID, SignatureAlgorithmOID

from gatewright.errors import Diagnostic, Severity, ValueRejected
from gatewright.model.gateway import Client, Subject
from gatewright.model.matchers import EmailAddress, KeyPin, UriName
from gatewright.model.values import HostName
from gatewright.pki.csr_extensions import judge_attributes, judge_extensions
from gatewright.pki.csr_keys import judge_key, load_key_refusal
from gatewright.pki.csr_reading import read_request
from gatewright.pki.keys import PublicKey, spki_sha256

MAX_NAMES = 100
"""Subject parts and alternative names a request may list; a client's certificate holds a handful."""

_OIDS = {
    "C": NameOID.COUNTRY_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "L": NameOID.LOCALITY_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "CN": NameOID.COMMON_NAME,
}
_TAKEN = (rsa.RSAPublicKey, ec.EllipticCurvePublicKey, ed25519.Ed25519PublicKey)
_UNCLEAR_STRINGS = {"T61String", "BMPString", "UniversalString", "GeneralString", "VisibleString", "NumericString"}
_GOOD_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512, hashes.SHA3_256, hashes.SHA3_384, hashes.SHA3_512)


class KeyStanding(enum.StrEnum):
    """What the store knows of a public key."""

    FREE = "free"
    BLOCKED = "blocked"
    AUTHORITY = "authority"
    OTHER_CLIENT = "other-client"


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a client's certificate may hold, from its entry in the gateway file. Exactly one of the ways to know it is set."""

    client: str
    san: HostName | None = None
    subject: Subject | None = None
    email: EmailAddress | None = None
    uri: UriName | None = None
    pin: KeyPin | None = None

    @classmethod
    def of(cls, name: str, client: Client) -> Self:
        """What the entry ``clients: {name: client}`` allows."""
        return cls(name, client.san, client.subject, client.email, client.uri, client.pin)

    def compose(self) -> tuple[x509.Name, tuple[x509.GeneralName, ...]]:
        """Subject and alternative names of the certificate. Raises ``ValueError`` where X.509 cannot hold the entry's values.

        For a ``san`` entry the common name repeats the name where it fits into 64 characters (RFC 5280 ub-common-name),
        otherwise it is the client's name; it decides nothing and helps whoever reads a log. So it does for entries with an e-mail
        address, a URI or a key.
        """
        if self.san is not None:
            common = str(self.san) if len(self.san) <= 64 else self.client
            general: x509.GeneralName = x509.DNSName(self.san)
            if self.san.is_address:
                general = x509.IPAddress(ipaddress.ip_address(self.san))
            return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)]), (general,)
        named = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.client)])
        if self.email is not None:
            return named, (x509.RFC822Name(self.email),)
        if self.uri is not None:
            return named, (x509.UniformResourceIdentifier(self.uri),)
        if self.pin is not None:
            return named, ()
        parts = self.subject.parts() if self.subject is not None else ()
        if not parts:
            msg = "it names one certificate by its serial number, and that one exists already or never will"
            raise ValueError(msg)
        return x509.Name([x509.NameAttribute(_OIDS[short], value) for short, value in parts]), ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """What becomes of a request.

    ``public_key``, ``subject`` and ``sans`` are what the certificate will hold, and are set only if ``accepted``.
    ``dropped`` (warnings) lists wishes that the certificate will not fulfil; ``refused`` (errors) why there will be none;
    ``noted`` (notes) what else its maker should know. Nothing is accepted with a non-empty ``refused``.
    """

    accepted: bool
    public_key: PublicKey | None = None
    subject: x509.Name | None = None
    sans: tuple[x509.GeneralName, ...] = ()
    dropped: tuple[Diagnostic, ...] = ()
    refused: tuple[Diagnostic, ...] = ()
    noted: tuple[Diagnostic, ...] = ()


def judge(request: bytes, allowed: Allowed, standing: Callable[[bytes], KeyStanding]) -> Judgement:
    """Judge ``request`` (PEM or DER, as handed over) for the client that ``allowed`` describes.

    ``standing`` is asked with :func:`gatewright.pki.keys.spki_sha256` of the key what the store knows of it. Never raises for any input.
    """
    try:
        csr = read_request(request)
    except ValueRejected as rejected:
        return Judgement(accepted=False, refused=(rejected.at(None),))
    said: list[Diagnostic] = []
    key = _judge_possession(csr, standing, said)
    said += _judge_key(key, allowed)
    said += _judge_subject(csr, allowed)
    said += judge_attributes(csr)
    extensions, names = judge_extensions(csr)
    said += extensions
    said += _judge_names(names, allowed)
    subject: x509.Name | None = None
    sans: tuple[x509.GeneralName, ...] = ()
    try:
        subject, sans = allowed.compose()
    except ValueError as error:
        what = f"the entry of client {allowed.client!r} cannot be put into a certificate: {error}"
        said.append(
            Diagnostic("client-entry-unusable", what, "", "correct san or subject of this client in the gateway file")
        )
    refused = tuple(d for d in said if d.severity is Severity.ERROR)
    dropped = tuple(d for d in said if d.severity is Severity.WARNING)
    noted = tuple(d for d in said if d.severity is Severity.NOTE)
    if refused or key is None:
        return Judgement(accepted=False, dropped=dropped, refused=refused, noted=noted)
    return Judgement(accepted=True, public_key=key, subject=subject, sans=sans, dropped=dropped, noted=noted)


def _judge_possession(
    csr: x509.CertificateSigningRequest, standing: Callable[[bytes], KeyStanding], said: list[Diagnostic]
) -> PublicKey | None:
    try:
        key = csr.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        said.append(load_key_refusal(error))
        return None
    said += judge_key(key)
    said += _judge_signature(csr)
    if any(d.severity is Severity.ERROR for d in said) or not isinstance(key, _TAKEN):
        return None
    known = standing(spki_sha256(key))
    if known is not KeyStanding.FREE:
        said.append(_STANDING[known])
        return None
    return key


_NEW_KEY = "make a new key and a new request"
_STANDING = {
    KeyStanding.BLOCKED: Diagnostic(
        "csr-key-blocked", "this key is blocked", "it was reported as compromised, and stays so for ever", _NEW_KEY
    ),
    KeyStanding.AUTHORITY: Diagnostic(
        "csr-key-of-authority",
        "this is the key of a certificate authority",
        "an authority's key signs certificates only",
        _NEW_KEY,
    ),
    KeyStanding.OTHER_CLIENT: Diagnostic(
        "csr-key-of-other-client",
        "another client's certificate holds this key",
        "two clients with one key are one client: each could act as the other",
        _NEW_KEY + " for this client; a key that was copied should be replaced on the other client too",
    ),
}


def _judge_signature(csr: x509.CertificateSigningRequest) -> Iterator[Diagnostic]:
    redo = "make the request again with: openssl req -new -sha256 -key erp.key -out erp.csr"
    if csr.signature_algorithm_oid not in {SignatureAlgorithmOID.ED25519, SignatureAlgorithmOID.ED448}:
        try:
            algorithm = csr.signature_hash_algorithm
        except UnsupportedAlgorithm:
            algorithm = None
        if not isinstance(algorithm, _GOOD_HASHES):
            name = algorithm.name.upper() if algorithm is not None else "an unknown algorithm"
            yield Diagnostic(
                "csr-signature-hash",
                f"the request is signed with {name}",
                "only the SHA-2 and SHA-3 families, from 256 bits, prove possession today",
                redo,
            )
            return
    try:
        valid = csr.is_signature_valid
    except (ValueError, UnsupportedAlgorithm):
        valid = False
    if not valid:
        yield Diagnostic(
            "csr-signature-invalid",
            "the request's signature does not fit its key",
            "whoever made it did not hold the key, or the request was changed afterwards",
            redo,
        )


def _judge_key(key: PublicKey | None, allowed: Allowed) -> Iterator[Diagnostic]:
    if allowed.pin is not None and key is not None and spki_sha256(key) != allowed.pin.digest:
        yield Diagnostic(
            "csr-other-key",
            f"the request is for another key than the one that client {allowed.client!r} is known by",
            "a certificate with it would not be admitted as this client",
            "make the request with that key, or write the new key's hash into the client's entry",
        )


def _judge_subject(csr: x509.CertificateSigningRequest, allowed: Allowed) -> Iterator[Diagnostic]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of over-long values, which are judged below like any other
            attributes = list(csr.subject)
    except ValueError:
        yield Diagnostic(
            "csr-subject-unreadable",
            "the request's subject cannot be read",
            "a value is not valid in its own string type",
            "make the request with UTF-8 names: openssl req -new -utf8 -key erp.key -out erp.csr",
        )
        return
    if len(attributes) > MAX_NAMES:
        yield _too_many("subject parts", len(attributes))
        return
    for attribute in attributes:
        yield from _judge_text(attribute)
    yield from _judge_common_name([_text(a) for a in attributes if a.oid == NameOID.COMMON_NAME], allowed)
    wanted = dict(allowed.subject.parts()) if allowed.subject is not None else {}
    extra: list[str] = []
    for short, oid in _OIDS.items():
        values = [_text(a) for a in attributes if a.oid == oid]
        if short == "CN" or not values:
            continue
        if short not in wanted:
            extra.append(short)
        elif values != [wanted[short]]:
            yield _other_name(f"{short}={shown(values[0])}", allowed)
    extra += sorted({a.rfc4514_attribute_name for a in attributes if a.oid not in _OIDS.values()})
    if allowed.subject is not None and "CN" not in wanted and any(a.oid == NameOID.COMMON_NAME for a in attributes):
        extra.append("CN")
    if extra:
        yield Diagnostic(
            "csr-subject-parts",
            f"subject parts {', '.join(shown(e) for e in extra)} will not be in the certificate",
            "the subject is composed from the client's entry in the gateway file",
            severity=Severity.WARNING,
        )
    if not attributes:
        what = "the request names nobody; the certificate will name what the client's entry says"
        yield Diagnostic("csr-names-supplied", what, severity=Severity.NOTE)


def _judge_text(attribute: x509.NameAttribute[str | bytes]) -> Iterator[Diagnostic]:
    where = attribute.rfc4514_attribute_name
    if not isinstance(attribute.value, str) or any(not c.isprintable() for c in attribute.value):
        yield Diagnostic(
            "csr-subject-control",
            f"{where} in the request's subject holds control, invisible or binary characters",
            "readers disagree about such names: one stops at a NUL that another reads over",
            "make the request again with plain text",
        )
    # The string type has no public accessor in cryptography; without it nothing is lost but this refusal.
    kind = getattr(getattr(attribute, "_type", None), "name", "")
    if kind in _UNCLEAR_STRINGS:
        yield Diagnostic(
            "csr-subject-string-type",
            f"{where} in the request's subject is a {kind}",
            "RFC 5280 §4.1.2.4 asks for UTF8String or PrintableString; others compare differently from reader to reader",
            "make the request with: openssl req -new -utf8 -key erp.key -out erp.csr (string_mask = utf8only)",
        )


def _judge_common_name(values: list[str], allowed: Allowed) -> Iterator[Diagnostic]:
    if len(values) > 1:
        yield Diagnostic(
            "csr-several-common-names",
            f"the request's subject has {len(values)} common names",
            "readers disagree which of them counts",
            "make the request with one CN",
        )
        return
    if not values:
        return
    if allowed.subject is not None:
        fits = allowed.subject.common_name in {None, values[0]}
    else:
        fits = values[0].lower() in {str(allowed.san or ""), allowed.client.lower()}
    if not fits:
        yield _other_name(f"CN={shown(values[0])}", allowed)


def _judge_names(names: tuple[x509.GeneralName, ...], allowed: Allowed) -> Iterator[Diagnostic]:
    if len(names) > MAX_NAMES:
        yield _too_many("alternative names", len(names))
        return
    for name in names:
        if (isinstance(name, x509.RFC822Name) and name.value == allowed.email) or (
            isinstance(name, x509.UniformResourceIdentifier) and name.value == allowed.uri
        ):
            continue
        if not isinstance(name, x509.DNSName | x509.IPAddress):
            yield _other_name(f"a {_KINDS.get(type(name), 'name of an unusual kind')}", allowed)
            continue
        value = str(name.value)
        if allowed.san is not None and value.lower() == str(allowed.san):
            if isinstance(name, x509.IPAddress) is allowed.san.is_address:
                continue
        elif "*" in value:
            yield Diagnostic(
                "csr-wildcard",
                f"the request asks for the wildcard {shown(value)}",
                "a client certificate names one client",
                f"ask for {_entry(allowed)}, or for no name at all",
            )
            continue
        elif allowed.subject is not None and value == allowed.subject.common_name:
            yield Diagnostic(
                "csr-san-of-subject-client",
                f"the alternative name {shown(value)} will not be in the certificate",
                f"client {allowed.client!r} is known by its subject, and an alternative name could be another client's",
                severity=Severity.WARNING,
            )
            continue
        yield _other_name(f"alternative name {shown(value)}", allowed)


_KINDS: dict[type[x509.GeneralName], str] = {
    x509.RFC822Name: "mail address",
    x509.UniformResourceIdentifier: "URI",
    x509.DirectoryName: "directory name",
    x509.RegisteredID: "registered identifier",
    x509.OtherName: "Windows or other private name",
}


def _other_name(what: str, allowed: Allowed) -> Diagnostic:
    return Diagnostic(
        "csr-other-name",
        f"the request asks for {what}, which client {allowed.client!r} may not have",
        "a certificate may name only what the client's entry in the gateway file says",
        f"ask for {_entry(allowed)}, or for no name at all; or change the entry, if the request is right",
    )


def _too_many(what: str, count: int) -> Diagnostic:
    return Diagnostic(
        "csr-too-many-names",
        f"the request lists {count} {what}; {MAX_NAMES} is the limit",
        "a client's certificate names one client",
        "ask for one name, or for none",
    )


def _entry(allowed: Allowed) -> str:
    if allowed.san is not None:
        return str(allowed.san)
    known = allowed.email or allowed.uri
    if known is not None:
        return str(known)
    return ", ".join(f"{k}={v}" for k, v in allowed.subject.parts()) if allowed.subject is not None else "what it says"


def _text(attribute: x509.NameAttribute[str | bytes]) -> str:
    return attribute.value if isinstance(attribute.value, str) else ""


def shown(text: str) -> str:
    """``text`` for a message: quoted, in ASCII, escapes visible, at most 80 characters."""
    return ascii(text if len(text) <= 80 else text[:77] + "...")
