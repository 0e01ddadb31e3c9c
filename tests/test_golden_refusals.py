"""Gateway files that are refused, and word for word what their author is told: ``tests/golden/refuse-*/``.

``pytest tests/test_golden_refusals.py --update-golden`` writes ``error.txt`` anew; read the difference before you commit it.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path, PurePath

import pytest

from gatewright.app.checking import check_gateway
from gatewright.cli.render import render_diagnostics
from gatewright.edges.files import LocalFiles
from gatewright.errors import Diagnostic, Severity, UsageError
from gatewright.pki.inspect import PemInspector

CASES = sorted((Path(__file__).parent / "golden").glob("refuse-*"))
NOW = datetime(2026, 6, 1, tzinfo=UTC)


class StoppedClock:
    """A clock that stands still, so that certificates of the cases never end."""

    def now(self) -> datetime:
        """Always the same."""
        return NOW

    def monotonic(self) -> float:
        """Always the start."""
        return 0.0


def judge(case: Path) -> list[Diagnostic]:
    try:
        _, found = check_gateway(LocalFiles(), case, PurePath("gateway.yaml"), StoppedClock(), PemInspector())
    except UsageError as error:
        return list(error.diagnostics)
    return found


def with_links(case: Path, scratch: Path) -> Path:
    """The case itself, or a copy with the symbolic links that its ``links.txt`` lists, a line ``PATH -> TARGET`` each.

    They are not links in the repository, because archives and some checkouts turn links into files.
    """
    listed = case / "links.txt"
    if not listed.exists():
        return case
    copy = scratch / case.name
    shutil.copytree(case, copy)
    for line in listed.read_text(encoding="utf-8").splitlines():
        path, target = line.split(" -> ")
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        (copy / path).symlink_to(target)
    return copy


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_refusal_is_told_word_for_word(case: Path, update_golden: bool, tmp_path: Path) -> None:
    """Each case is refused with exactly the text of its error.txt, and every message has a way out."""
    found = judge(with_links(case, tmp_path))
    assert any(d.severity is Severity.ERROR for d in found), "this file is accepted"
    assert all(d.what and d.fix and "\n" not in d.what for d in found)
    text = render_diagnostics(found)
    expected = case / "error.txt"
    if update_golden:
        expected.write_text(text, encoding="utf-8")
    assert text == expected.read_text(encoding="utf-8")


def test_there_are_enough_cases() -> None:
    """The cases are found at all: a wrong folder would test nothing and look green."""
    assert len(CASES) >= 40
