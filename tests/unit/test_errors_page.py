"""docs/errors.md tells every reason and every number that a caller can meet."""

from __future__ import annotations

import pytest
from tests.tools import errors_page
from tests.tools.errors_page import OPERATOR

from gatewright.model import reasons


def test_every_reason_has_a_word_for_the_operator() -> None:
    """Each reason, and nothing that is none."""
    assert set(OPERATOR) == {reason.code for reason in reasons.ALL}


def test_what_a_reason_says_is_on_the_page() -> None:
    """What happened, what the caller and the operator can do, and the log, for each."""
    page = errors_page.errors_page()
    for reason in reasons.ALL:
        section = page.split(f"\n### `{reason.code}`\n")[1].split("\n##")[0]
        for text in (f"{reason.status} {reason.phrase}", reason.what, reason.remedy, *OPERATOR[reason.code]):
            assert text in section


def test_a_reason_without_one_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: a reason nobody wrote anything about."""
    monkeypatch.delitem(OPERATOR, "no_such_route")
    with pytest.raises(KeyError, match="no_such_route"):
        errors_page.errors_page()
