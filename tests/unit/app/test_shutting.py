"""Which routes a finding shuts, and how that is compiled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from tests.unit.prove.reports import proven, unproven

from gatewright.app.generations import apply_lock
from gatewright.app.places import Places
from gatewright.app.shutting import are_shut, shut, to_shut
from gatewright.edges.files import LocalFiles
from gatewright.model.gateway import Gateway
from gatewright.prove.report import Report
from gatewright.source import load

_FILE = """\
gateway: localhost
listen: 8443
authorities: {{ home: {{ managed: true }} }}
routes:
  /open: {{ respond: {{ text: o }}, access: public }}
  /orders/: {{ respond: {{ text: a }}, access: any-client }}
  /billing/: {{ respond: {{ text: b }}, access: any-client }}
proof: {{ on_finding: {word} }}
"""


def _gateway(word: str = "shut") -> Gateway:
    return load(_FILE.format(word=word), "gateway.yaml").gateway


def _about(route: str) -> Report:
    """The unproven report with its open door at ``route``."""
    report = unproven()
    moved = tuple(v if v.passed else replace(v, case=replace(v.case, route=route)) for v in report.verdicts)
    return replace(report, verdicts=moved)


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (proven(), ()),
        (_about("/orders/"), ("/orders/",)),
        (_about("/open"), ("/open",)),
        (_about(""), ("/orders/", "/billing/")),
    ],
)
def test_a_finding_shuts_its_route(report: Report, expected: tuple[str, ...]) -> None:
    """Its own route, public or not; what belongs to no route shuts every protected one; a passed proof shuts nothing."""
    assert to_shut(_gateway(), report) == expected
    assert not to_shut(_gateway("report"), report)


def test_what_came_to_nothing_shuts_nothing() -> None:
    """A probe without an answer is a finding, but no reason to refuse everybody."""
    report = unproven()
    kept = tuple(v for v in report.verdicts if v.passed or v.inconclusive)
    assert len(kept) < len(report.verdicts)
    assert not to_shut(_gateway(), replace(report, verdicts=kept))


def test_marks_are_made_and_read(tmp_path: Path) -> None:
    """Only for the current generation and while nobody applies; another generation begins with every route open."""
    files, places = LocalFiles(), Places(PurePosixPath(tmp_path))
    for number in (1, 2):
        files.make_folder(places.generations / f"{number:04d}")
    files.make_folder(places.run)
    files.point(places.current, "0001")
    assert not shut(files, places, 2, ["/orders/"])
    with files.lock(apply_lock(places)) as ours:
        assert ours
        assert not shut(files, places, 1, ["/orders/"])
    assert not are_shut(files, places, 1, _gateway())
    assert shut(files, places, 1, ["/orders/"])
    assert are_shut(files, places, 1, _gateway()) == ("/orders/",)
    assert not are_shut(files, places, 2, _gateway())
