"""Every certificate is linted before it is signed: a gate in front of :mod:`gatewright.pki.build` that costs microseconds.

The linter (pkilint, RFC 5280 profile) takes about 2.6 ms per certificate on the machine where everything else takes 0.14 ms.
So the gate lints each *shape* once, as a certificate that is complete to the last byte but signed with a throw-away key. The shape is everything the linter's verdict depends on: profile, issuer and its URLs, kinds of keys, subject
attributes, kinds of alternative names, and how dates are encoded. What is left out of the shape is exactly: the values of
ordinary names, the bits of keys and serial number, and the dates. Those are *ordinary* when :func:`leaf_shape` says so, a
set chosen so that no value in it changes the verdict; a property test compares it with full lints. A certificate with
any other value (an internationalised organization, a mail address, a name with an underscore) has no shape and is linted
itself, every time. CAs are rare and always linted in full.

What a clean lint proves: the encoding and the extensions obey RFC 5280. It says nothing of whether the names are the right
ones or the key is strong; that is the profile's and the request judge's work.
"""

from __future__ import annotations

import enum
import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from gatewright.errors import Diagnostic, FindingError, ValueRejected
from gatewright.model.matchers import UriName
from gatewright.model.pki import KeyKind, ProfileName
from gatewright.model.values import HostName
from gatewright.pki import build
from gatewright.pki.build import Issuer, NameConstraints
from gatewright.pki.keys import PrivateKey, PublicKey, kind_of
from gatewright.pki.profiles import Profile


class LintSeverity(enum.StrEnum):
    """How bad a finding is. FATAL and ERROR (a broken MUST) stop the signature, the others are only told."""

    FATAL = "fatal"
    ERROR = "error"
    WARNING = "warning"
    NOTICE = "notice"
    INFO = "info"

    @property
    def refuses(self) -> bool:
        """Whether a certificate with such a finding is not signed."""
        return self in {LintSeverity.FATAL, LintSeverity.ERROR}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a linter says: how bad, its stable code, where in the certificate, and its own words, if any."""

    severity: LintSeverity
    code: str
    place: str
    message: str = ""


Lint = Callable[[bytes], tuple[Finding, ...]]
"""Lints a DER certificate. Its signature is not looked at."""

# RFC 5280 Appendix A.1: upper bounds in characters. Others are not ordinary.
_BOUNDS = {
    NameOID.ORGANIZATION_NAME: 64,
    NameOID.ORGANIZATIONAL_UNIT_NAME: 64,
    NameOID.COMMON_NAME: 64,
    NameOID.LOCALITY_NAME: 128,
    NameOID.STATE_OR_PROVINCE_NAME: 128,
}
_LARGEST_SERIAL = 1 << 159  # RFC 5280 §4.1.2.2: positive, at most 20 octets
_DNS_NAME = re.compile(r"(subjectAltName|permittedSubtrees|excludedSubtrees)\.(\d+)\.(?:base\.)?dNSName\Z")
_URI = re.compile(r"subjectAltName\.(\d+)\.uniformResourceIdentifier\Z")
_GENERALIZED_FROM = 2050  # RFC 5280 §4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050


@dataclass(frozen=True, slots=True)
class Shape:
    """Everything about a certificate that the linter's verdict depends on, but for ordinary values."""

    profile: ProfileName
    issuer: bytes
    urls: tuple[str | None, str | None]
    key: str
    subject: tuple[str, ...]
    names: frozenset[str]
    generalized: tuple[bool, bool]

    def __str__(self) -> str:
        """The same text for the same shape in every process."""
        return repr(
            (
                self.profile.value,
                self.issuer.hex(),
                self.urls,
                self.key,
                self.subject,
                sorted(self.names),
                self.generalized,
            )
        )


class Shapes(Protocol):
    """What the gate remembers clean shapes in: a set, or one that outlives the process."""

    def __contains__(self, shape: Shape, /) -> bool:
        """Whether it was found clean."""
        ...

    def add(self, shape: Shape, /) -> None:
        """It was."""
        ...


def leaf_shape(
    issuer: Issuer,
    profile: Profile,
    public_key: PublicKey,
    *,
    name: x509.Name,
    alternative_names: Sequence[x509.GeneralName],
    serial: int,
    validity: tuple[datetime, datetime],
) -> Shape | None:
    """The shape of such a certificate, or ``None`` if one of its values is out of the ordinary."""
    subject = tuple([_ordinary_part(attribute) for attribute in name])
    names = [_ordinary_name(general) for general in alternative_names]
    if "" in subject or "" in names or len(set(subject)) != len(subject) or not 0 < serial < _LARGEST_SERIAL:
        return None
    start, end = validity
    if start > end:
        return None
    return Shape(
        profile.name,
        issuer.certificate.fingerprint(hashes.SHA256()),
        (issuer.crl_url, issuer.ocsp_url),
        _key_label(public_key),
        subject,
        frozenset(names),
        (start.year >= _GENERALIZED_FROM, end.year >= _GENERALIZED_FROM),
    )


def _ordinary_part(attribute: x509.NameAttribute[str | bytes]) -> str:
    value = attribute.value
    bound = _BOUNDS.get(attribute.oid, 0)
    ordinary = isinstance(value, str) and 0 < len(value) <= bound and value.isascii() and value.isprintable()
    return attribute.oid.dotted_string if ordinary else ""


def _ordinary_name(name: x509.GeneralName) -> str:
    if isinstance(name, x509.IPAddress):
        return "ip"
    return "dns" if isinstance(name, x509.DNSName) and _is_host(name.value) else ""


def _is_host(text: str) -> bool:
    try:
        host = HostName.parse(text)
    except ValueRejected:
        return False
    return host == text and not host.is_address


def _key_label(key: PublicKey) -> str:
    if isinstance(key, rsa.RSAPublicKey):
        return f"rsa{key.key_size}"
    return key.curve.name if isinstance(key, ec.EllipticCurvePublicKey) else "ed25519"


class LintGate:
    """Builds certificates as :mod:`gatewright.pki.build` does, and signs only what the linter has nothing against.

    ``lint`` is the linter, ``new_key`` makes the throw-away keys (:func:`gatewright.pki.keys.generate`), ``clean`` remembers the
    clean shapes, by default as long as the gate is there. Each method raises :class:`~gatewright.errors.FindingError` with the linter's
    findings instead of signing, and :class:`~gatewright.pki.build.ProfileViolation` as ``build`` does.
    """

    def __init__(self, lint: Lint, new_key: Callable[[KeyKind], PrivateKey], clean: Shapes | None = None) -> None:
        self._lint, self._new_key = lint, new_key
        self._clean: Shapes = set[Shape]() if clean is None else clean
        self._stand_ins: dict[KeyKind, PrivateKey] = {}

    def leaf(
        self,
        issuer: Issuer,
        profile: Profile,
        public_key: PublicKey,
        *,
        name: x509.Name,
        alternative_names: Sequence[x509.GeneralName],
        serial: int,
        now: datetime,
        lifetime: timedelta | None = None,
    ) -> x509.Certificate:
        """As :func:`gatewright.pki.build.leaf`."""
        validity = build.validity(profile, issuer.certificate, now, lifetime)
        shape = leaf_shape(
            issuer,
            profile,
            public_key,
            name=name,
            alternative_names=alternative_names,
            serial=serial,
            validity=validity,
        )
        sign = functools.partial(
            build.leaf,
            profile=profile,
            public_key=public_key,
            name=name,
            alternative_names=alternative_names,
            serial=serial,
            now=now,
            lifetime=lifetime,
        )
        if shape is None or shape not in self._clean:
            self.demand_clean(sign(self._unsigned(issuer)))
            if shape is not None:
                self._clean.add(shape)
        return sign(issuer)

    def issuing_ca(
        self,
        issuer: Issuer,
        public_key: PublicKey,
        *,
        name: x509.Name,
        serial: int,
        now: datetime,
        constraints: NameConstraints | None = None,
    ) -> x509.Certificate:
        """As :func:`gatewright.pki.build.issuing_ca`; linted every time."""
        sign = functools.partial(
            build.issuing_ca, public_key=public_key, name=name, serial=serial, now=now, constraints=constraints
        )
        self.demand_clean(sign(self._unsigned(issuer)))
        return sign(issuer)

    def root(
        self, key: PrivateKey, name: x509.Name, serial: int, now: datetime, constraints: NameConstraints | None = None
    ) -> x509.Certificate:
        """As :func:`gatewright.pki.build.root`; linted every time, with a throw-away key of the same kind in its place."""
        stand_in = self._stand_in(kind_of(key.public_key()) or KeyKind.P256)
        self.demand_clean(build.root(stand_in, name, serial, now, constraints))
        return build.root(key, name, serial, now, constraints)

    def demand_clean(self, certificate: x509.Certificate) -> None:
        """Raise :class:`FindingError` if the linter has something serious against ``certificate``."""
        findings = self._lint(certificate.public_bytes(Encoding.DER))
        serious = [f for f in findings if f.severity.refuses and not _overruled(f, certificate)]
        if serious:
            raise FindingError(*(_diagnostic(finding) for finding in serious))

    def _unsigned(self, issuer: Issuer) -> Issuer:
        """The same issuer with a throw-away key that signs by the same algorithm: all but the signature's bits is final."""
        key = issuer.certificate.public_key()
        if isinstance(key, rsa.RSAPublicKey):
            kind = KeyKind.RSA3072  # the algorithm's name does not tell the size, and larger keys take long to make
        elif isinstance(key, ed25519.Ed25519PublicKey):
            kind = KeyKind.ED25519
        else:
            p384 = isinstance(key, ec.EllipticCurvePublicKey) and key.curve.key_size > 256
            kind = KeyKind.P384 if p384 else KeyKind.P256
        return replace(issuer, key=self._stand_in(kind))

    def _stand_in(self, kind: KeyKind) -> PrivateKey:
        if kind not in self._stand_ins:
            self._stand_ins[kind] = self._new_key(kind)
        return self._stand_ins[kind]


def _overruled(finding: Finding, certificate: x509.Certificate) -> bool:
    """Whether ``finding`` is one of the two things in which pkilint is stricter than RFC 5280.

    It knows a few schemes of URIs (``http``, ``ssh`` …), and takes all others, ``spiffe`` among them, for bad syntax. §4.2.1.6 asks for
    an absolute URI by RFC 3986 with a host.

    It takes names of one label (``localhost``, ``db``) and names under a one-letter top level for bad syntax. RFC 5280
    §4.2.1.6 asks for the "preferred name syntax" of RFC 1034 §3.5 as changed by RFC 1123 §2.1, which allows both. So such a
    finding stands only against a name that is not of that syntax.
    """
    uri = _URI.search(finding.place)
    if finding.code == "pkix.invalid_uri_syntax" and uri is not None:
        named = list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
        return _is_uri(str(named[int(uri[1])].value))
    place = _DNS_NAME.search(finding.place)
    if finding.code != "pkix.invalid_domain_name_syntax" or place is None:
        return False
    extensions = certificate.extensions
    if place[1] == "subjectAltName":
        listed = list(extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    else:
        constraints = extensions.get_extension_for_class(x509.NameConstraints).value
        trees = constraints.permitted_subtrees if place[1] == "permittedSubtrees" else constraints.excluded_subtrees
        listed = trees or []
    name = listed[int(place[2])]
    return isinstance(name, x509.DNSName) and _is_host(name.value)


def _is_uri(text: str) -> bool:
    try:
        return bool(urlsplit(UriName.parse(text)).hostname)
    except ValueError:  # ValueRejected is one
        return False


def _diagnostic(finding: Finding) -> Diagnostic:
    return Diagnostic(
        "lint-" + finding.code.replace(".", "-").replace("_", "-"),
        f"the certificate was not signed: {finding.code} at {finding.place}"
        + (f" ({finding.message})" if finding.message else ""),
        "it would break a rule of RFC 5280, and strict verifiers would refuse it",
        "change the name or value that it speaks of; if it speaks of none that you chose, report this as a bug of Gatewright",
    )
