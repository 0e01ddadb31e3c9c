"""A certificate with one octet changed, wherever it is: refused with a number, or called unreadable, and never a crash."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from tests.live.pki import authority

from gatewright.errors import UsageError
from gatewright.pki import explain
from gatewright.pki.verify import Certificate, Question, ask_pyopenssl, judge

SOUND = authority("damaged").certificate.public_bytes(Encoding.DER)


@pytest.mark.parametrize("anchored", [False, True])
def test_no_damage_is_more_than_a_refusal(anchored: bool) -> None:
    """Judged alone, and with the sound one as anchor: among the damages is a key that OpenSSL cannot write back."""
    anchors = (Certificate(SOUND),) if anchored else ()
    now = datetime.now(UTC)
    unreadable = 0
    for place, value in [(p, v) for p, sound in enumerate(SOUND) for v in (0, 255, sound ^ 1)]:
        if SOUND[place] == value:
            continue
        damaged = bytearray(SOUND)
        damaged[place] = value
        question = Question(Certificate(bytes(damaged)), now, (), anchors)
        try:
            verdict = ask_pyopenssl(question)
        except UsageError:
            unreadable += 1
            continue
        assert not verdict.accepted, place
        assert explain.text(judge(question, verdict, None, "not asked"))
    assert 0 < unreadable < 3 * len(SOUND)
