"""Answers OCSP requests about what the managed authorities issued. The store is asked each time; signatures are kept.

So a revocation shows in the very next answer, while most answers cost one look into an index and no signature.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice

from cryptography import x509
from cryptography.x509.ocsp import OCSPResponseStatus

from gatewright.app.authority import AuthorityState, PkiDeps, find_authority
from gatewright.app.publishing import delegated_responder
from gatewright.errors import GatewrightError
from gatewright.model.pki import CaGeneration, CaRole, Certificate, Filter, Reason, Status
from gatewright.pki import ocsp
from gatewright.ports.ocsp import OcspReply
from gatewright.ports.store import Reader

KEPT = 20_000
"""Signed answers kept in memory, of about 1 KB each; those that nobody asked for the longest time go first."""

AHEAD = 5_000
"""For how many certificates of each issuing CA answers are signed before anybody asks; about 0.1 ms each with P-256."""

SPEND_S = 1.0
"""How long one round of signing ahead may take; what is left is signed when asked for. RSA-4096 takes 5 ms for each."""

LOOK_EVERY = timedelta(minutes=1)
"""How often the responder's certificate is looked at: is it due, was it revoked."""

RENEW_IN_LAST = 1 / 2
"""An answer is signed anew in the second half of its life, so that whoever gets it can use it for a while."""


@dataclass(frozen=True, slots=True)
class _Signed:
    verdict: ocsp.Verdict | None
    at: datetime
    until: datetime
    reply: OcspReply

    def fits(self, verdict: ocsp.Verdict | None, now: datetime) -> bool:
        fresh = self.at <= now < self.until - (self.until - self.at) * RENEW_IN_LAST
        return fresh and self.verdict == verdict


class Answers:
    """:class:`gatewright.ports.ocsp.OcspAnswers` from the store. ``opened`` gives the PKI as it is now; what goes wrong is said once."""

    def __init__(self, opened: Callable[[], AbstractContextManager[PkiDeps]], say: Callable[[str], None]) -> None:
        self._opened, self._say = opened, say
        # One at a time: SQLite and one core gain nothing from more, and the books below stay simple.
        self._lock = threading.Lock()
        self._signed: OrderedDict[ocsp.Question, _Signed] = OrderedDict()
        self._responders: dict[bytes, tuple[ocsp.Responder, datetime]] = {}
        self._told: dict[str, str] = {}

    def answer(self, request: bytes) -> OcspReply:
        """See :class:`gatewright.ports.ocsp.OcspAnswers`. Where the store or a key cannot be used: "tryLater", never a guess."""
        try:
            question = ocsp.read_request(request)
        except ocsp.Malformed:
            return _refusal(OCSPResponseStatus.MALFORMED_REQUEST)
        except ocsp.Unanswerable:
            return _refusal(OCSPResponseStatus.UNAUTHORIZED)
        try:
            with self._lock, self._opened() as deps:
                found = self._answer(question, deps)
                self._told.pop("answer", None)
                return found
        except GatewrightError as problem:
            self._tell("answer", problem)
            return _refusal(OCSPResponseStatus.TRY_LATER)

    def prepare(self) -> int:
        """Renew responders that are due and sign what will be asked for before it is asked for; how many answers are kept.

        For the start, and once a minute from then on. Raises :class:`GatewrightError`, for whoever starts the server to see.
        """
        with self._lock, self._opened() as deps:
            until = deps.clock.monotonic() + SPEND_S
            asked = self._due(deps)
        for question, verdict, generation in asked:
            # Whoever asks meanwhile comes in between. A verdict that changes meanwhile is seen when somebody asks.
            with self._lock, self._opened() as deps:
                self._reply(question, verdict, generation, deps)
                if deps.clock.monotonic() >= until:
                    break
        return len(self._signed)

    def renew(self) -> None:
        """:meth:`prepare`, but what goes wrong is said and tried again at the next call."""
        try:
            self.prepare()
        except GatewrightError as problem:
            self._tell("answer", problem)

    def close(self, release: Callable[[], None]) -> None:
        """Let the answer that is being made be finished, then give back what ``opened`` holds."""
        with self._lock:
            release()

    def _due(self, deps: PkiDeps) -> list[tuple[ocsp.Question, ocsp.Verdict, CaGeneration]]:
        now = deps.clock.now()
        found: list[tuple[ocsp.Question, ocsp.Verdict, CaGeneration]] = []
        with deps.store.reading() as reader:
            current = _issuing(reader, now)
        for generation in current:
            self._responder(generation, deps)
            with deps.store.reading() as reader:
                wanted = reader.certificates(Filter(issuer=generation.id, expires_after=now))
                for certificate in islice(wanted, AHEAD):
                    question, verdict = _question(certificate, generation), _verdict(reader, certificate, now)
                    kept = self._signed.get(question)
                    if kept is None or not kept.fits(verdict, now):
                        found.append((question, verdict, generation))
        return found

    def _answer(self, question: ocsp.Question, deps: PkiDeps) -> OcspReply:
        now = deps.clock.now()
        with deps.store.reading() as reader:
            asked = [g for g in _issuing(reader, now) if question.issuer in _ids(g.der)]
            if not asked:
                return _refusal(OCSPResponseStatus.UNAUTHORIZED)
            verdict = _look_up(reader, asked[0], question.serial, now)
        return self._reply(question, verdict, asked[0], deps)

    def _reply(
        self, question: ocsp.Question, verdict: ocsp.Verdict | None, generation: CaGeneration, deps: PkiDeps
    ) -> OcspReply:
        now = deps.clock.now()
        kept = self._signed.get(question)
        if kept is None or not kept.fits(verdict, now):
            responder = self._responder(generation, deps)
            der, this_update, next_update = ocsp.reply(responder, question, verdict, now)
            kept = _Signed(verdict, now, next_update, OcspReply(der, this_update, next_update))
            self._signed[question] = kept
            if len(self._signed) > KEPT:
                self._signed.popitem(last=False)
        self._signed.move_to_end(question)
        return kept.reply

    def _responder(self, generation: CaGeneration, deps: PkiDeps) -> ocsp.Responder:
        now = deps.clock.now()
        responder, looked_at = self._responders.get(generation.der, (None, now))
        if responder is not None and looked_at <= now < looked_at + LOOK_EVERY:
            return responder
        try:
            responder = delegated_responder(_issuing_by(generation, deps), deps)
        except GatewrightError as problem:
            # Its successor is due ten days before its end, and for so long a CA key that is away harms nobody.
            if responder is None or responder.certificate.not_valid_after_utc <= now:
                raise
            self._tell("responder", problem)
        else:
            self._told.pop("responder", None)
        self._responders[generation.der] = responder, now
        return responder

    def _tell(self, topic: str, problem: GatewrightError) -> None:
        text = "; ".join(f"{d.what} ({d.fix})" if d.fix else d.what for d in problem.diagnostics)
        if self._told.get(topic) != text:
            self._say(f"Warning: {text}")
        self._told[topic] = text


def _issuing(reader: Reader, now: datetime) -> list[CaGeneration]:
    """Every issuing CA that is not past its end; those that retired answer for what they issued.

    Not the roots: a root's responder would need its key, which is offline. Their CRLs say which issuing CA is revoked.
    """
    return [g for g in reader.generations(role=CaRole.ISSUING) if g.not_after > now]


def _issuing_by(generation: CaGeneration, deps: PkiDeps) -> AuthorityState:
    """The authority as if ``generation`` issued: a delegated certificate must come from the very CA that is asked about."""
    certificate = x509.load_der_x509_certificate(generation.der)
    return replace(find_authority(generation.authority, deps), issuing=generation, issuing_certificate=certificate)


@lru_cache(maxsize=256)
def _ids(issuer: bytes) -> tuple[ocsp.IssuerId, ...]:
    return ocsp.issuer_ids(x509.load_der_x509_certificate(issuer))


def _question(certificate: Certificate, issuer: CaGeneration) -> ocsp.Question:
    """How nearly every client asks about ``certificate``."""
    return ocsp.Question(_ids(issuer.der)[0], int.from_bytes(certificate.serial, "big"))


def _look_up(reader: Reader, issuer: CaGeneration, serial: int, now: datetime) -> ocsp.Verdict | None:
    if serial.bit_length() > 160:
        return None  # RFC 5280 §4.1.2.2: no conforming CA issues such a number, and the store has no place for it
    found = reader.by_serial(serial.to_bytes(20, "big"), issuer.id)
    return _verdict(reader, found[0], now) if found else None


def _verdict(reader: Reader, certificate: Certificate, now: datetime) -> ocsp.Verdict:
    """As the CRL says it: what may still be undone is on hold."""
    if certificate.status is Status.VALID:
        return ocsp.Verdict()
    current = next(r for r in reversed(reader.revocations(certificate.id)) if r.undone_at is None)
    undoable = current.undo_until is not None and current.undo_until >= now
    return ocsp.Verdict(current.at, Reason.CERTIFICATE_HOLD if undoable else current.reason)


def _refusal(status: OCSPResponseStatus) -> OcspReply:
    return OcspReply(ocsp.refusal(status))
