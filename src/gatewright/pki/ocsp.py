"""OCSP answers, signed by a delegated responder (RFC 6960, in the lightweight profile of RFC 5019)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from gatewright.model.pki import Reason
from gatewright.pki.build import whole_seconds
from gatewright.pki.crl import flag
from gatewright.pki.keys import PrivateKey, signature_hash
from gatewright.pki.profiles import BACKDATED


@dataclass(frozen=True, slots=True)
class Responder:
    """A delegated responder: a certificate with id-kp-OCSPSigning from the same issuer, and its key."""

    certificate: x509.Certificate
    key: PrivateKey


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to answer about one certificate; ``revoked_at`` is ``None`` for good."""

    revoked_at: datetime | None = None
    reason: Reason = Reason.UNSPECIFIED


LIFETIME = timedelta(hours=1)
"""How long an answer holds. Somebody may show it again until its end, revocation or not, so that is short; nobody needs it longer,
because the next one is there for the asking. RFC 5019 §6 lets caches keep it as long, too."""

UNKNOWN_LIFETIME = timedelta(minutes=5)
"""How long "unknown" holds: the certificate may be issued, or its record restored, in the next moment."""

# What a CertID may be hashed with: SHA-1 is what nearly everybody sends (RFC 5019 §2.1.1), SHA-256 what RFC 9654 asks for.
_HASHES: Final = (hashes.SHA1(), hashes.SHA256(), hashes.SHA384(), hashes.SHA512())  # noqa: S303 - they name, and protect nothing
_BY_NAME: Final = {algorithm.name: algorithm for algorithm in _HASHES}

IssuerId = tuple[str, bytes, bytes]
"""By what a request names the issuer: the hash's name, and the hashes of its DN and of its public key (RFC 6960 §4.1.1)."""


@dataclass(frozen=True, slots=True)
class Question:
    """The one certificate that a request asks about."""

    issuer: IssuerId
    serial: int


class Malformed(ValueError):
    """What came is no OCSP request."""


class Unanswerable(ValueError):
    """An OCSP request that this responder is not able to answer with authority."""


def read_request(der: bytes) -> Question:
    """What is asked. A nonce, a signature and the requestor's name have no influence: the answer is the same for everybody.

    Raises :class:`Malformed`, and :class:`Unanswerable` for more than one certificate (RFC 5019 §2.1.1: exactly one) and for
    a hash that is not in use.
    """
    try:
        request = ocsp.load_der_ocsp_request(der)
        algorithm, serial = request.hash_algorithm.name, request.serial_number
    except NotImplementedError as problem:
        raise Unanswerable(str(problem)) from problem
    except UnsupportedAlgorithm as problem:
        raise Unanswerable(str(problem)) from problem
    except ValueError as problem:
        raise Malformed(str(problem)) from problem
    if serial < 0:
        msg = "the serial number is negative"
        raise Malformed(msg)
    return Question((algorithm, request.issuer_name_hash, request.issuer_key_hash), serial)


def issuer_ids(issuer: x509.Certificate) -> tuple[IssuerId, ...]:
    """Every way in which a request can name ``issuer``."""
    found = []
    for algorithm in _HASHES:
        # The request's name hash would be that of the certificate's issuer, so only the key's is taken from it.
        key_hash = ocsp.OCSPRequestBuilder().add_certificate(issuer, issuer, algorithm).build().issuer_key_hash
        name = hashes.Hash(algorithm)
        name.update(issuer.subject.public_bytes())
        found.append((algorithm.name, name.finalize(), key_hash))
    return tuple(found)


def reply(
    responder: Responder, question: Question, verdict: Verdict | None, now: datetime
) -> tuple[bytes, datetime, datetime]:
    """The signed answer in DER, its thisUpdate and its nextUpdate. A ``verdict`` of ``None`` says "unknown" (RFC 6960 §2.2).

    ``question`` must name an issuer of :func:`issuer_ids`, and that issuer must have signed the responder's certificate.
    Never holds longer than the responder's certificate.
    """
    status, revoked_at, reason = ocsp.OCSPCertStatus.UNKNOWN, None, None
    if verdict is not None:
        status = ocsp.OCSPCertStatus.GOOD
        if verdict.revoked_at is not None:
            status, revoked_at = ocsp.OCSPCertStatus.REVOKED, verdict.revoked_at
            reason = flag(verdict.reason) if verdict.reason is not Reason.UNSPECIFIED else None
    lifetime = UNKNOWN_LIFETIME if verdict is None else LIFETIME
    until = min(whole_seconds(now) + lifetime, responder.certificate.not_valid_after_utc)
    since = whole_seconds(now - BACKDATED)
    algorithm, name, key = question.issuer
    builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
        name, key, question.serial, _BY_NAME[algorithm], status, since, until, revoked_at, reason
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, responder.certificate)
    builder = builder.certificates([responder.certificate])
    signed = builder.sign(responder.key, signature_hash(responder.key))
    return signed.public_bytes(Encoding.DER), since, until


def refusal(status: ocsp.OCSPResponseStatus) -> bytes:
    """An unsigned answer that says why there is none (RFC 6960 §2.3), in DER."""
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)
