"""What one probe saw, and whether that is what had to come of it. Refusals and network faults are told apart by number."""

from __future__ import annotations

import errno
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from gatewright.prove.cases import Case, Expected, Outcome
from gatewright.prove.told import fault

_NO_SECRETS: Mapping[str, Sequence[str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Seen:
    """What one probe saw.

    ``alert`` is the number of the TLS alert received (RFC 8446 §6), ``errno`` the operating system's error number where the
    connection broke without one; ``closed`` an orderly end by the other side. ``status`` is the HTTP status, ``code`` the gateway's
    reason code from the body. ``headers`` are what the canary was sent, ``None`` where the answer is not the canary's; ``request`` is the method and target
    that it was sent.
    ``stream_error`` is the HTTP/2 error code (RFC 9113 §7) of a reset stream or a closed connection. ``milliseconds`` is how long it took.
    ``answers`` counts the HTTP answers to one request, ``certificate`` is the SHA-256 (hex) of what the server showed,
    ``server`` what it said of itself in the field of that name.
    """

    handshake: bool = False
    alert: int | None = None
    errno: int | None = None
    closed: bool = False
    status: int | None = None
    code: str = ""
    stream_error: int | None = None
    resumed: bool = False
    headers: tuple[tuple[str, str], ...] | None = None
    request: tuple[str, str] = ("", "")
    answers: int = 0
    certificate: str = ""
    server: str = ""
    milliseconds: float = 0.0
    note: str = ""

    def __str__(self) -> str:
        """For readers, in one line: ``403 client_certificate_required``, ``alert 48``, ``errno 111 (ECONNREFUSED)``."""
        told = []
        if self.status is not None:
            told.append(f"{self.status}{f' {self.code}' if self.code else ''}")
        if self.headers is not None:
            told.append("from the canary")
        if self.answers > 1:
            told.append(f"{self.answers} answers")
        if self.alert is not None:
            told.append(f"alert {self.alert}")
        if self.stream_error is not None:
            told.append(f"HTTP/2 error {self.stream_error}")
        if self.errno is not None:
            told.append(f"errno {self.errno} ({errno.errorcode.get(self.errno, 'unknown')})")
        if self.resumed:
            told.append("session resumed")
        if self.note:
            told.append(self.note)
        if not told:
            told.append("closed" if self.closed else "nothing")
        return ", ".join(told)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether ``case`` passed, and the evidence: numbers and codes, in one line for readers.

    ``inconclusive`` marks a probe that did not get far enough to say anything; it is no pass.
    """

    case: Case
    seen: Seen
    passed: bool
    inconclusive: bool
    evidence: str


def judge(case: Case, seen: Seen, certificate: str = "", secrets: Mapping[str, Sequence[str]] = _NO_SECRETS) -> Verdict:
    """Whether ``seen`` is what had to come of ``case``.

    ``certificate`` is the SHA-256 (hex) of the server certificate that a completed handshake must have shown, empty for any.
    ``secrets`` are those that requests to backends are signed with, by name.
    """
    if certificate and seen.certificate and seen.certificate != certificate:
        shown = f"another server certificate was shown: {seen.certificate[:16]}"
        return Verdict(case, seen, passed=False, inconclusive=False, evidence=shown)
    problem = _RULES[case.expected.outcome](case.expected, seen)
    if not problem and case.expected.signed:
        problem = fault(seen.request, seen.headers or (), secrets.get(case.expected.signed, ()))
    if not problem and "/" in seen.server:
        problem = f"the server tells its version: {seen.server[:80]}"  # RFC 9110 §10.2.4: product/version
    passed = not problem
    evidence = str(seen) if passed else f"{problem} (seen: {seen})"
    return Verdict(case, seen, passed, not passed and _says_nothing(seen), evidence)


def _says_nothing(seen: Seen) -> bool:
    return seen.status is None and seen.alert is None and seen.stream_error is None


def _admitted(expected: Expected, seen: Seen) -> str:
    if seen.status is None:
        return "no answer"
    if seen.status not in expected.statuses:
        return f"status is not {_either(expected.statuses)}"
    if expected.canary and seen.headers is None:
        return "answered by something else than the canary"
    if not expected.canary and seen.headers is not None:
        return "answered by the canary"
    if expected.codes and seen.code not in expected.codes:
        return f"reason is not {_either(expected.codes)}"
    return _headers(expected, seen)


def _headers(expected: Expected, seen: Seen) -> str:
    sent = {name.lower(): value for name, value in seen.headers or ()}
    gone = [name for name in expected.present if name.lower() not in sent]
    if gone:
        return f"the canary was not sent {', '.join(gone)}"
    there = [name for name in expected.missing if name.lower() in sent]
    if there:
        return f"the canary was sent {', '.join(there)}"
    wrong = [name for name, shape in expected.shaped if not re.fullmatch(shape, sent.get(name.lower(), ""))]
    if wrong:
        return f"the canary was sent a wrong {', '.join(wrong)}"
    if expected.absent:
        lies = [name for name, value in seen.headers or () if expected.absent in value]
        if lies:
            return f"the canary was sent the client's own {', '.join(lies)}"
    return ""


def _no_handshake(expected: Expected, seen: Seen) -> str:
    if seen.status is not None or seen.stream_error is not None:
        return "the handshake succeeded"
    if seen.alert is None:
        return "no TLS alert"
    if expected.alerts and seen.alert not in expected.alerts:
        return f"alert is not {_either(expected.alerts)}"
    return ""


def _refused(expected: Expected, seen: Seen) -> str:
    if seen.headers is not None:
        return "admitted, to the canary"
    if seen.status is None:
        return "no answer"
    if seen.status not in expected.statuses:
        return f"status is not {_either(expected.statuses)}"
    if expected.codes and seen.code not in expected.codes:
        return f"reason is not {_either(expected.codes)}"
    return ""


def _shut(expected: Expected, seen: Seen) -> str:
    if seen.headers is not None:
        return "admitted, to the canary"
    if seen.answers > 1:
        return "more than one answer to one request"
    if seen.status is not None:
        return "" if seen.status in expected.statuses else f"status is not {_either(expected.statuses)}"
    if seen.alert is not None or seen.stream_error is not None or seen.closed:
        return ""
    # A reset is the other side's refusal too; anything else (timeout, nobody listening) says nothing.
    return "" if seen.errno in {errno.ECONNRESET, errno.EPIPE} else "neither refused nor answered"


def _not_resumed(expected: Expected, seen: Seen) -> str:
    if seen.resumed:
        return "the session was resumed"
    if not seen.handshake:
        return "no handshake"
    return _admitted(expected, seen) if expected.canary else _refused(expected, seen)


def _either(values: tuple[int, ...] | tuple[str, ...]) -> str:
    return " or ".join(map(str, values)) or "any"


_RULES = {
    Outcome.ADMITTED: _admitted,
    Outcome.NO_HANDSHAKE: _no_handshake,
    Outcome.REFUSED: _refused,
    Outcome.SHUT: _shut,
    Outcome.NOT_RESUMED: _not_resumed,
}
