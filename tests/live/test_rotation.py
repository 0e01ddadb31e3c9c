"""Logs begin anew while httpd writes them: no reload, nothing lost, and what is told of them goes on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gatewright.app.rotation import LARGEST
from tests.live.gate import running_gateway, until

pytestmark = pytest.mark.live


@pytest.mark.slow
def test_large_logs_are_rotated_and_others_are_not() -> None:
    """The access and the error log are copied and emptied; the next request is a first line; the same httpd serves, and is told of."""
    with running_gateway() as gate:
        logs = gate.folder / "logs"
        httpd = (gate.folder / "run" / "httpd.process").read_text()
        assert gate.get("/private/")[0] == 403
        until(lambda: "/private/" in (logs / "access.log").read_text())
        small = (logs / "gatewright.log").read_bytes()
        for name in ("access.log", "error.log"):
            os.truncate(logs / name, LARGEST + 1)
        until(lambda: all((logs / f"{name}.1").exists() for name in ("access.log", "error.log")))
        assert b"/private/" in (logs / "access.log.1").read_bytes()[:100_000]
        assert gate.get("/nowhere/")[0] == 403
        until(lambda: "/nowhere/" in (logs / "access.log").read_text())
        assert (logs / "access.log").read_text().startswith("{")
        until(lambda: "/nowhere/" in (logs / "gatewright.log").read_text())
        assert (logs / "gatewright.log").read_bytes().startswith(small)
        assert not list(Path(logs).glob("gatewright.log.*"))
        assert (gate.folder / "run" / "httpd.process").read_text() == httpd
        gate.doors_are_shut()
