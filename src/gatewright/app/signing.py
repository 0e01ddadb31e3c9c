"""Signs a partner's certificate request: the partner keeps the key, the client's entry decides every name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from gatewright.app.authority import AuthorityState, PkiDeps
from gatewright.app.issuing import IssuedClient, Order, deliver_client, issue
from gatewright.errors import Diagnostic, FindingError
from gatewright.model.pki import Certificate, Filter, ProfileName, Reason, Status
from gatewright.pki.csr import Allowed, Judgement, KeyStanding, judge
from gatewright.ports.store import Reader


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed request: the certificate and its files, and everything that was said about the request."""

    client: IssuedClient
    said: tuple[Diagnostic, ...]


def sign_request(
    authority: AuthorityState,
    request: bytes,
    allowed: Allowed,
    deps: PkiDeps,
    *,
    lifetime: timedelta | None = None,
    requested_by: str,
    why: str = "",
) -> Signed:
    """Judge ``request`` (PEM or DER) against the client's entry and sign what is left of it.

    Raises :class:`FindingError` with every reason at once where the request is refused.
    """
    with deps.store.reading() as reader:
        judgement = judge(request, allowed, lambda spki_sha256: key_standing(reader, spki_sha256, allowed.client))
    certificate = issue(authority, [_order(judgement, allowed, lifetime, requested_by, why)], deps)[0]
    return Signed(deliver_client(authority, certificate, deps), judgement.dropped + judgement.noted)


def sign_requests(
    authority: AuthorityState,
    requests: Sequence[tuple[bytes, Allowed]],
    deps: PkiDeps,
    *,
    lifetime: timedelta | None = None,
    requested_by: str,
    why: str = "",
) -> list[Certificate]:
    """Many requests at once, each judged as :func:`sign_request` does: all are signed in one transaction, or none is.

    No files are written for them. Raises :class:`FindingError` for the first that is refused.
    """
    with deps.store.reading() as reader:
        standing = _Standing(reader)
        orders = [
            _order(standing.judge(request, allowed), allowed, lifetime, requested_by, why)
            for request, allowed in requests
        ]
    return issue(authority, orders, deps)


def key_standing(reader: Reader, spki_sha256: bytes, client: str) -> KeyStanding:
    """What the store knows of a key: an authority's, blocked after a compromise, another client's, or free for this one.

    A key blocked once stays blocked, whoever shows it.
    """
    return _Standing(reader).of(spki_sha256, client)


class _Standing:
    """What one view of the store knows of keys; the authorities' own are read once."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._authorities = {generation.spki_sha256 for generation in reader.generations()}
        self._shown: dict[bytes, str] = {}

    def judge(self, request: bytes, allowed: Allowed) -> Judgement:
        """Judge one request of several; a key that two clients show in one go is nobody's."""
        return judge(request, allowed, lambda spki_sha256: self._among_others(spki_sha256, allowed.client))

    def of(self, spki_sha256: bytes, client: str) -> KeyStanding:
        """See :func:`key_standing`."""
        if spki_sha256 in self._authorities:
            return KeyStanding.AUTHORITY
        if not self._reader.knows_key(spki_sha256):
            return KeyStanding.FREE
        known = list(self._reader.certificates(Filter(spki_sha256=spki_sha256)))
        if any(_compromised(self._reader, certificate) for certificate in known):
            return KeyStanding.BLOCKED
        if any(certificate.client != client for certificate in known):
            return KeyStanding.OTHER_CLIENT
        return KeyStanding.FREE

    def _among_others(self, spki_sha256: bytes, client: str) -> KeyStanding:
        if self._shown.setdefault(spki_sha256, client) != client:
            return KeyStanding.OTHER_CLIENT
        return self.of(spki_sha256, client)


def _compromised(reader: Reader, certificate: Certificate) -> bool:
    if certificate.status is not Status.REVOKED:
        return False
    return any(
        revocation.undone_at is None and revocation.reason in {Reason.KEY_COMPROMISE, Reason.CA_COMPROMISE}
        for revocation in reader.revocations(certificate.id)
    )


def _order(judgement: Judgement, allowed: Allowed, lifetime: timedelta | None, requested_by: str, why: str) -> Order:
    if not judgement.accepted or judgement.public_key is None or judgement.subject is None:
        raise FindingError(*judgement.refused, *judgement.dropped)
    return Order(
        ProfileName.CLIENT,
        judgement.subject,
        judgement.sans,
        judgement.public_key,
        client=allowed.client,
        lifetime=lifetime,
        requested_by=requested_by,
        why=why or "certificate request",
    )
