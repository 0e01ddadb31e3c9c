"""``gatewright setup`` where httpd is there. Installing is tested with the package managers' edge."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from gatewright.cli.main import main
from gatewright.edges.httpd import LocalHttpd


def test_httpd_that_is_there_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """Where httpd is found nothing is installed, and it is said which one."""
    found = LocalHttpd(os.environ).find()
    assert main(["setup", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "httpd": str(found.binary),
        "version": found.version_text,
        "installed": False,
    }


def test_a_named_httpd_that_is_not_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """GATEWRIGHT_HTTPD that names something else is the user's to correct; nothing is installed in its place."""
    monkeypatch.setenv("GATEWRIGHT_HTTPD", str(tmp_path / "none"))
    assert main(["setup"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert str(tmp_path / "none") in err
