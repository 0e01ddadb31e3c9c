"""Verdicts: what counts as refused, and that what says nothing is never a pass."""

from __future__ import annotations

import errno

import pytest

from gatewright.prove.cases import NOBODY, Ask, Case, Expected, Family, Outcome, Protocol
from gatewright.prove.verdict import Seen, judge


def case(expected: Expected) -> Case:
    """A case that expects this."""
    return Case("id", Family.NO_CERTIFICATE, Ask(), NOBODY, Protocol(), expected, "why")


ADMITTED = Expected(
    Outcome.ADMITTED, (200,), canary=True, present=("Client-Cert",), absent="lie", shaped=(("A", ".*b.*"),)
)
SAW = (("Client-Cert", ":x:"), ("a", "abc"))
REFUSED = Expected(Outcome.REFUSED, (403,), ("client_certificate_required",))
HANDSHAKE = Expected(Outcome.NO_HANDSHAKE, alerts=(48,))
SHUT = Expected(Outcome.SHUT, (400, 403))
NOT_RESUMED = Expected(Outcome.NOT_RESUMED, (200,), canary=True)


@pytest.mark.parametrize(
    ("expected", "seen"),
    [
        (ADMITTED, Seen(status=200, headers=SAW)),
        (Expected(Outcome.ADMITTED, (404,)), Seen(status=404, code="not_found")),
        (REFUSED, Seen(status=403, code="client_certificate_required")),
        (HANDSHAKE, Seen(alert=48)),
        (HANDSHAKE, Seen(handshake=True, alert=48, errno=errno.ECONNRESET)),
        (Expected(Outcome.NO_HANDSHAKE), Seen(alert=40)),
        (SHUT, Seen(status=400, answers=1)),
        (SHUT, Seen(alert=112)),
        (SHUT, Seen(closed=True)),
        (SHUT, Seen(stream_error=1)),
        (SHUT, Seen(errno=errno.ECONNRESET)),
        (NOT_RESUMED, Seen(handshake=True, status=200, headers=())),
    ],
)
def test_passes(expected: Expected, seen: Seen) -> None:
    """What had to come of it did."""
    assert judge(case(expected), seen).passed


@pytest.mark.parametrize(
    ("expected", "seen", "inconclusive"),
    [
        (ADMITTED, Seen(status=403), False),
        (ADMITTED, Seen(status=200), False),
        (ADMITTED, Seen(status=200, headers=()), False),
        (ADMITTED, Seen(status=200, headers=(*SAW, ("X", "a lie"))), False),
        (ADMITTED, Seen(status=200, headers=(("Client-Cert", ""), ("A", "c"))), False),
        (Expected(Outcome.ADMITTED, (200,)), Seen(status=200, headers=()), False),
        (ADMITTED, Seen(errno=errno.ECONNREFUSED), True),
        (REFUSED, Seen(status=200), False),
        (REFUSED, Seen(status=403, code="no_such_route"), False),
        (REFUSED, Seen(status=403, code="client_certificate_required", headers=()), False),
        (REFUSED, Seen(closed=True), True),
        (HANDSHAKE, Seen(status=403), False),
        (HANDSHAKE, Seen(alert=40), False),
        (HANDSHAKE, Seen(errno=errno.ECONNRESET), True),
        (HANDSHAKE, Seen(errno=errno.ETIMEDOUT), True),
        (HANDSHAKE, Seen(closed=True), True),
        (SHUT, Seen(status=200), False),
        (SHUT, Seen(status=403, answers=2), False),
        (SHUT, Seen(errno=errno.ETIMEDOUT), True),
        (SHUT, Seen(errno=errno.ECONNREFUSED), True),
        (SHUT, Seen(), True),
        (NOT_RESUMED, Seen(handshake=True, resumed=True, status=200, headers=()), False),
        (NOT_RESUMED, Seen(handshake=True, status=403), False),
        (NOT_RESUMED, Seen(), True),
    ],
)
def test_twin_does_not_pass(expected: Expected, seen: Seen, inconclusive: bool) -> None:
    """Anything else is no pass, and network faults are told apart from refusals."""
    verdict = judge(case(expected), seen)
    assert not verdict.passed
    assert verdict.inconclusive == inconclusive
    assert verdict.evidence


def test_another_server_is_never_a_pass() -> None:
    """What was seen at somebody else's door proves nothing about ours."""
    seen = Seen(handshake=True, status=403, code="client_certificate_required", certificate="aa" * 32)
    assert judge(case(REFUSED), seen, "aa" * 32).passed
    assert not judge(case(REFUSED), seen, "bb" * 32).passed


def test_evidence_is_numbers() -> None:
    """Alert, errno with its name, status with the reason's code."""
    assert "alert 48" in judge(case(HANDSHAKE), Seen(alert=48)).evidence
    assert "errno 111 (ECONNREFUSED)" in judge(case(SHUT), Seen(errno=errno.ECONNREFUSED)).evidence
    assert "403 no_such_route" in judge(case(REFUSED), Seen(status=403, code="no_such_route")).evidence
