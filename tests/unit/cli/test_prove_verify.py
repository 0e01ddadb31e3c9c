"""``gatewright prove --verify``: exit codes and words, on a report kept in the repository."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from gatewright.cli.main import main

STORED = Path(__file__).resolve().parents[2] / "vectors" / "report"


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the stored report, judged after it was made, whatever the clock of this machine says."""
    # The report is of 2030; a report from the future is refused, and that has a test of its own.
    monkeypatch.setattr("gatewright.app.reporting.AHEAD", timedelta(days=36_500))
    folder = tmp_path / "reports"
    shutil.copytree(STORED, folder)
    return folder / "report.json"


def test_an_authentic_report(report: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0, for readers and as JSON; no folder of a gateway is needed."""
    words = ["prove", "--verify", str(report), "--anchor", str(report.with_name("root.pem"))]
    assert main(words) == 0
    assert "authentic: " in capsys.readouterr().out
    assert main([*words, "--json", "-C", "/nonexistent"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["authentic"], told["proven"], told["generation"]) == (True, True, 7)


def test_an_altered_report(report: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1 and the reason, on standard error or as JSON."""
    report.write_bytes(report.read_bytes().replace(b'"passed":true', b'"passed":True', 1))
    words = ["prove", "--verify", str(report), "--anchor", str(report.with_name("root.pem"))]
    assert main(words) == 1
    assert "[report-altered]" in capsys.readouterr().err
    assert main([*words, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["diagnostics"][0]["code"] == "report-altered"


@pytest.mark.parametrize("more", [["--all"], ["--at", "localhost:1"]])
def test_verify_tries_nothing(report: Path, more: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Options of a proof do not go with --verify: exit code 2."""
    assert main(["prove", "--verify", str(report), *more]) == 2
    assert "--verify tries nothing" in capsys.readouterr().err


def test_an_anchor_without_verify(capsys: pytest.CaptureFixture[str]) -> None:
    """--anchor by itself is refused: a proof trusts nothing that it is given."""
    assert main(["prove", "--anchor", "root.pem"]) == 2
    assert "--anchor belongs to --verify" in capsys.readouterr().err


def test_a_folder_without_a_root(report: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --anchor and without a gateway there is nothing to trust: exit code 2, and what to give."""
    assert main(["-C", str(tmp_path), "prove", "--verify", str(report)]) == 2
    assert "--anchor ROOT.pem" in capsys.readouterr().err
