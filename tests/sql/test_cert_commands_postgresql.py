"""The commands of the PKI on PostgreSQL, as the guide has them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gatewright.cli.main import main

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "pki.md"

pytestmark = pytest.mark.sql


def test_the_commands_on_postgresql(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By option and by environment, one store: issued, revoked, listed and audited; no file of a database is made."""
    gateway = re.search(r"^```yaml\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    assert gateway is not None
    (tmp_path / "gateway.yaml").write_text(gateway[1])
    monkeypatch.chdir(tmp_path)
    assert main(["cert", "issue", "erp", "--store", database]) == 0
    monkeypatch.setenv("GATEWRIGHT_STORE", database)
    assert main(["cert", "revoke", "erp", "--reason", "superseded"]) == 0
    capsys.readouterr()
    assert main(["cert", "list", "--profile", "client", "--json"]) == 0
    assert [c["status"] for c in json.loads(capsys.readouterr().out)["certificates"]] == ["revoked"]
    assert main(["ca", "audit"]) == 0
    assert not list(tmp_path.glob("state.db*"))
