"""Certificate revocation lists: when the next is due, what its number and times are, and the signed list itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gatewright.model.pki import CaRole, Reason, RevokedSerial
from gatewright.pki.build import Issuer, whole_seconds
from gatewright.pki.keys import signature_hash
from gatewright.pki.profiles import BACKDATED


@dataclass(frozen=True, slots=True)
class Calendar:
    """How long a CRL holds (``lifetime``), and when its successor is published even if nothing changed (``refresh``).

    OpenSSL refuses every certificate of an issuer whose CRL is past nextUpdate (error 12), so the time between refresh and lifetime
    is how long publication may fail before anybody notices.
    """

    lifetime: timedelta
    refresh: timedelta


CALENDARS = {
    # A revocation is published at once; the week is for those who fetch seldom, half of it for repairs.
    CaRole.ISSUING: Calendar(timedelta(days=7), timedelta(days=3, hours=12)),
    # A root revokes an issuing CA perhaps once in its life. Five weeks, a fresh list each four: these can be signed ahead.
    CaRole.ROOT: Calendar(timedelta(days=35), timedelta(days=28)),
}


@dataclass(frozen=True, slots=True)
class Window:
    """Number and times of one CRL."""

    number: int
    this_update: datetime
    next_update: datetime


def window(calendar: Calendar, now: datetime, highest: int, last: datetime | None) -> Window:
    """The window of a CRL signed ``now``, after one numbered ``highest`` whose thisUpdate was ``last``.

    The number is never below the seconds since 1970: a store restored from a backup does not know the numbers used since, but time
    has passed them. thisUpdate is backdated for slow clocks, and always later than the last one, because OpenSSL may take
    either of two lists with equal times.
    """
    this_update = whole_seconds(now - BACKDATED)
    if last is not None and this_update <= last:
        this_update = last + timedelta(seconds=1)
    number = max(highest + 1, int(now.timestamp()))
    return Window(number, this_update, whole_seconds(now) + calendar.lifetime)


def windows_ahead(calendar: Calendar, first: Window, until: datetime) -> list[Window]:
    """The windows after ``first`` that follow each other at the calendar's pace until one holds past ``until``.

    For a key that will be away: the lists are signed now and published one by one. They say nothing that one list of the whole
    time would not say, but caches ask again at every nextUpdate, and so learn of a newer list in weeks instead of years.
    """
    found: list[Window] = []
    last = first
    while last.next_update < until:
        shift = calendar.refresh
        last = Window(last.number + 1, last.this_update + shift, last.next_update + shift)
        found.append(last)
    return found


def build(issuer: Issuer, revoked: Sequence[RevokedSerial], when: Window) -> bytes:
    """The signed CRL (RFC 5280 §5) in DER.

    The whole list goes to the builder at once: adding one by one copies the list each time, and takes 10 seconds instead
    of one for 100,000 entries.
    """
    extensions: dict[Reason, list[x509.Extension[x509.ExtensionType]]] = {Reason.UNSPECIFIED: []}
    for reason in Reason:
        # RFC 5280 §5.3.1: "the reason code CRL entry extension SHOULD be absent instead of using the unspecified (0) value".
        if reason is not Reason.UNSPECIFIED:
            extensions[reason] = [_reason_extension(reason)]
    entries = [
        x509.RevokedCertificateBuilder(
            line.serial, line.at.astimezone(UTC).replace(tzinfo=None), extensions[line.reason]
        ).build()
        for line in revoked
    ]
    identifier = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        x509.CertificateRevocationListBuilder(revoked_certificates=entries)
        .issuer_name(issuer.certificate.subject)
        .last_update(when.this_update)
        .next_update(when.next_update)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .add_extension(x509.CRLNumber(when.number), critical=False)
    )
    return builder.sign(issuer.key, signature_hash(issuer.key)).public_bytes(Encoding.DER)


def pem(der: bytes) -> bytes:
    """A CRL in PEM."""
    return x509.load_der_x509_crl(der).public_bytes(Encoding.PEM)


def content(der: bytes) -> frozenset[tuple[int, Reason]]:
    """What a CRL lists, for telling whether a new one would say anything else."""
    return frozenset((entry.serial_number, _reason(entry)) for entry in x509.load_der_x509_crl(der))


def number_and_time(der: bytes) -> tuple[int, datetime]:
    """CRL number and thisUpdate. Raises ``ValueError`` where ``der`` is no CRL with a number."""
    crl = x509.load_der_x509_crl(der)
    try:
        number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except x509.ExtensionNotFound as problem:
        msg = "the CRL has no number"
        raise ValueError(msg) from problem
    return number, crl.last_update_utc


_FLAGS = {
    Reason.KEY_COMPROMISE: x509.ReasonFlags.key_compromise,
    Reason.CA_COMPROMISE: x509.ReasonFlags.ca_compromise,
    Reason.AFFILIATION_CHANGED: x509.ReasonFlags.affiliation_changed,
    Reason.SUPERSEDED: x509.ReasonFlags.superseded,
    Reason.CESSATION_OF_OPERATION: x509.ReasonFlags.cessation_of_operation,
    Reason.CERTIFICATE_HOLD: x509.ReasonFlags.certificate_hold,
    Reason.PRIVILEGE_WITHDRAWN: x509.ReasonFlags.privilege_withdrawn,
}
_BACK = {flag: reason for reason, flag in _FLAGS.items()}


def flag(reason: Reason) -> x509.ReasonFlags:
    """The reason as ``cryptography`` names it."""
    return _FLAGS.get(reason, x509.ReasonFlags.unspecified)


def _reason_extension(reason: Reason) -> x509.Extension[x509.ExtensionType]:
    value = x509.CRLReason(_FLAGS[reason])
    return x509.Extension(value.oid, critical=False, value=value)


def _reason(entry: x509.RevokedCertificate) -> Reason:
    try:
        value = entry.extensions.get_extension_for_class(x509.CRLReason).value
    except x509.ExtensionNotFound:
        return Reason.UNSPECIFIED
    return _BACK.get(value.reason, Reason.UNSPECIFIED)
