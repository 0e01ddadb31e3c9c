"""What ``status`` says of certificates that end: ours, and partners' CAs, of which another one may go on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gatewright.app.reports import ANCHOR, CertificateState
from gatewright.app.running import SOON_DAYS, ending
from gatewright.errors import Severity

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def state(kind: str, name: str, days: int) -> CertificateState:
    return CertificateState(kind, name, f"CN={name} {days}", NOW + timedelta(days=days), days)


def test_a_partners_ca_that_ends_soon_is_a_problem() -> None:
    """With the command that adds the next one; once it has ended it is an error."""
    (soon,) = ending([state(ANCHOR, "globex", SOON_DAYS - 1), state("root", "home", 4000)])
    assert (soon.code, soon.severity) == ("anchor-ends-soon", Severity.WARNING)
    assert "gatewright partner renew globex --ca FILE" in soon.fix
    (ended,) = ending([state(ANCHOR, "globex", -1)])
    assert (ended.code, ended.severity) == ("anchor-ended", Severity.ERROR)


def test_an_old_ca_beside_a_new_one_is_none() -> None:
    """Of the same authority; another partner's new CA does not help, and of ours each counts."""
    assert ending([state(ANCHOR, "globex", 3), state(ANCHOR, "globex", SOON_DAYS)]) == ()
    assert len(ending([state(ANCHOR, "globex", 3), state(ANCHOR, "globex", 5)])) == 2
    assert len(ending([state(ANCHOR, "globex", 3), state(ANCHOR, "initech", 300)])) == 1
    assert len(ending([state("issuing", "globex", 3), state(ANCHOR, "globex", 300)])) == 1
    assert ending([state("server", "localhost", SOON_DAYS)]) == ()


@pytest.mark.parametrize(
    ("kind", "fix"),
    [
        ("server", "gatewright apply"),
        ("backend-client", "gatewright apply"),
        ("issuing", "gatewright ca next home"),
        ("client", "gatewright cert issue home"),
        ("root", "declare another managed authority"),
    ],
)
def test_each_kind_has_a_way_out_without_an_outage(kind: str, fix: str) -> None:
    """A command for what ends; none that stops the gateway."""
    (soon,) = ending([state(kind, "home", 3)])
    assert fix in soon.fix
    assert "down" not in soon.fix
