"""Builds and signs certificates. Everything that varies (keys, serial numbers, the time) comes in as an argument."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID

from gatewright.model.pki import Certificate, KeyRef, ProfileName
from gatewright.pki.csr_keys import refusals
from gatewright.pki.keys import PrivateKey, PublicKey, kind_of, public_key_of, signature_hash, spki_sha256
from gatewright.pki.names import certificate_names, rfc2253, spelled
from gatewright.pki.profiles import BACKDATED, PROFILES, Profile

_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


class ProfileViolation(ValueError):
    """What was asked for does not fit the profile; the text says which part and why."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """A CA ready to sign: its certificate and its key."""

    certificate: x509.Certificate
    key: PrivateKey
    crl_url: str | None = None
    ocsp_url: str | None = None


@dataclass(frozen=True, slots=True)
class NameConstraints:
    """Names that everything below a CA must (``permitted``) or must not (``excluded``) have (RFC 5280 §4.2.1.10)."""

    permitted: tuple[x509.GeneralName, ...] = ()
    excluded: tuple[x509.GeneralName, ...] = ()


def constraints_of(certificate: x509.Certificate) -> NameConstraints | None:
    """The name constraints that ``certificate`` has, if any."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return None
    return NameConstraints(tuple(found.permitted_subtrees or ()), tuple(found.excluded_subtrees or ()))


def whole_seconds(moment: datetime) -> datetime:
    """``moment`` in UTC without its fraction: certificates carry whole seconds (RFC 5280 §4.1.2.5)."""
    return moment.astimezone(UTC).replace(microsecond=0)


def root(
    key: PrivateKey, name: x509.Name, serial: int, now: datetime, constraints: NameConstraints | None = None
) -> x509.Certificate:
    """A self-signed root CA certificate."""
    profile = PROFILES[ProfileName.ROOT]
    _check_key(profile, key.public_key())
    start = whole_seconds(now - BACKDATED)
    builder = _ca_builder(
        profile,
        issuer=name,
        subject=name,
        public_key=key.public_key(),
        serial=serial,
        start=start,
        end=start + profile.validity,
        constraints=constraints,
    )
    return builder.sign(key, signature_hash(key))


def issuing_ca(
    issuer: Issuer,
    public_key: PublicKey,
    *,
    name: x509.Name,
    serial: int,
    now: datetime,
    constraints: NameConstraints | None = None,
) -> x509.Certificate:
    """An issuing CA certificate under ``issuer``, never outliving it."""
    profile = PROFILES[ProfileName.ISSUING]
    _check_key(profile, public_key)
    start, end = validity(profile, issuer.certificate, now)
    builder = _ca_builder(
        profile,
        issuer=issuer.certificate.subject,
        subject=name,
        public_key=public_key,
        serial=serial,
        start=start,
        end=end,
        constraints=constraints,
    )
    return _add_issuer_parts(builder, issuer).sign(issuer.key, signature_hash(issuer.key))


def leaf(
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
    """An end-entity certificate. ``lifetime`` replaces the profile's; the end is never past the issuer's.

    Raises :class:`ProfileViolation` when the key or the names do not fit ``profile``.
    """
    _check_key(profile, public_key)
    _check_names(profile, name, alternative_names)
    start, end = validity(profile, issuer.certificate, now, lifetime)
    builder = (
        x509.CertificateBuilder()
        .issuer_name(issuer.certificate.subject)
        .subject_name(name)
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(profile), critical=True)
        .add_extension(x509.ExtendedKeyUsage(list(profile.purposes)), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )
    if alternative_names:
        # Critical only if the subject is empty (RFC 5280 §4.2.1.6), and ours never is.
        builder = builder.add_extension(x509.SubjectAlternativeName(alternative_names), critical=not list(name))
    if profile.no_check:
        builder = builder.add_extension(x509.OCSPNoCheck(), critical=False)
    return _add_issuer_parts(builder, issuer).sign(issuer.key, signature_hash(issuer.key))


def validity(
    profile: Profile, issuer: x509.Certificate, now: datetime, lifetime: timedelta | None = None
) -> tuple[datetime, datetime]:
    """Start and end for a certificate made ``now`` under ``issuer``.

    The start is backdated by five minutes for verifiers whose clocks are slow, the end cut to the issuer's end, because
    whatever outlives its issuer fails for a reason that nobody looks for. Raises :class:`ProfileViolation` if nothing is left.
    """
    end = whole_seconds(min(now + (lifetime or profile.validity), issuer.not_valid_after_utc))
    start = max(whole_seconds(now - BACKDATED), issuer.not_valid_before_utc)
    if end <= whole_seconds(now):
        msg = f"the issuing CA expires at {issuer.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC, so it can issue nothing any more"
        raise ProfileViolation(msg)
    return start, end


def pem(certificate: x509.Certificate) -> bytes:
    """``certificate`` as PEM: 64 columns and a newline at the end, byte for byte what OpenSSL writes."""
    return certificate.public_bytes(Encoding.PEM)


def record(
    certificate: x509.Certificate,
    issuer: int,
    profile: ProfileName,
    authority: str,
    *,
    client: str | None = None,
    key: KeyRef | None = None,
    requested_by: str = "",
    why: str = "",
) -> Certificate:
    """What the store keeps of ``certificate``."""
    der = certificate.public_bytes(Encoding.DER)
    return Certificate(
        issuer=issuer,
        serial=certificate.serial_number.to_bytes(20, "big"),
        der=der,
        spki_sha256=spki_sha256(public_key_of(certificate)),
        pem_sha1=hashlib.sha1(pem(certificate), usedforsecurity=False).digest(),
        sha256=hashlib.sha256(der).digest(),
        subject=rfc2253(certificate.subject),
        names=certificate_names(certificate),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        profile=profile,
        authority=authority,
        client=client,
        key=key,
        requested_by=requested_by,
        why=why,
    )


def _ca_builder(
    profile: Profile,
    *,
    issuer: x509.Name,
    subject: x509.Name,
    public_key: PublicKey,
    serial: int,
    start: datetime,
    end: datetime,
    constraints: NameConstraints | None,
) -> x509.CertificateBuilder:
    builder = (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=True, path_length=profile.path_length), critical=True)
        .add_extension(_key_usage(profile), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )
    if constraints is not None and (constraints.permitted or constraints.excluded):
        extension = x509.NameConstraints(list(constraints.permitted) or None, list(constraints.excluded) or None)
        builder = builder.add_extension(extension, critical=True)
    return builder


def _add_issuer_parts(builder: x509.CertificateBuilder, issuer: Issuer) -> x509.CertificateBuilder:
    identifier = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    authority_key = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    builder = builder.add_extension(authority_key, critical=False)
    if issuer.crl_url is not None:
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(issuer.crl_url)], None, None, None)
        builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
    if issuer.ocsp_url is not None:
        where = x509.UniformResourceIdentifier(issuer.ocsp_url)
        access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, where)
        builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
    return builder


def _key_usage(profile: Profile) -> x509.KeyUsage:
    return x509.KeyUsage(**{usage: usage in profile.usages for usage in _USAGES})


def _check_key(profile: Profile, public_key: PublicKey) -> None:
    kind = kind_of(public_key)
    if kind is None and profile.name is ProfileName.CLIENT and not refusals(public_key):
        return  # a partner's own key, of a kind that we do not make: RSA-2048, P-521
    if kind not in profile.keys:
        allowed = ", ".join(sorted(profile.keys))
        msg = f"a {profile.name} certificate takes keys of these kinds only: {allowed}"
        raise ProfileViolation(msg)


def _check_names(profile: Profile, subject: x509.Name, names: Sequence[x509.GeneralName]) -> None:
    if not names and not list(subject):
        msg = f"a {profile.name} certificate without subject and alternative names would name nobody"
        raise ProfileViolation(msg)
    if profile.san_required and not names:
        msg = f"a {profile.name} certificate needs at least one subject alternative name"
        raise ProfileViolation(msg)
    kinds = [kind for kind, _ in spelled(names)]
    if len(kinds) != len(set(names)) or not profile.san_kinds.issuperset(kinds):
        allowed = ", ".join(sorted(profile.san_kinds)) or "none"
        msg = f"a {profile.name} certificate may hold alternative names of these kinds only: {allowed}"
        raise ProfileViolation(msg)
