"""The process that looks after httpd is killed: nothing is hidden, and every command does the sensible thing."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.ports import free_port

pytestmark = pytest.mark.live


@dataclass(frozen=True)
class Gateway:
    """A starter gateway on a port of its own."""

    folder: Path
    port: int

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """One command about it."""
        command = [sys.executable, "-m", "gatewright", "-C", str(self.folder), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)

    def status(self) -> dict[str, Any]:
        """What ``status --json`` tells."""
        found: dict[str, Any] = json.loads(self.run("status", "--json").stdout)
        return found

    def answers(self) -> bool:
        """Whether anything accepts a connection on its port."""
        with socket.socket(socket.AF_INET6) as probe:
            return probe.connect_ex(("::1", self.port)) == 0


@pytest.fixture
def orphaned(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway whose supervisor was killed with SIGKILL."""
    gateway = Gateway(tmp_path / "gateway", free_port())
    assert gateway.run("init").returncode == 0
    file = gateway.folder / "gateway.yaml"
    file.write_text(file.read_text().replace("listen: 8443", f"listen: {gateway.port}"))
    up = gateway.run("up", "--detach")
    assert up.returncode == 0, up.stderr
    os.kill(gateway.status()["pid"], signal.SIGKILL)
    yield gateway
    gateway.run("up", "--detach")
    gateway.run("down")


def test_status_says_that_httpd_serves_alone(orphaned: Gateway) -> None:
    """Status ends with 1 and names the httpd that nobody looks after."""
    status = orphaned.run("status")
    assert status.returncode == 1
    assert "[supervisor-lost]" in status.stderr
    assert "not running" not in status.stdout
    assert orphaned.answers()


def test_down_stops_the_httpd_that_was_left(orphaned: Gateway) -> None:
    """After down nothing answers any more, and a second one finds nothing."""
    assert orphaned.run("down").stdout.startswith("stopped")
    assert not orphaned.answers()
    assert orphaned.run("down").stdout == "no gateway runs in this folder\n"


def test_up_takes_its_place(orphaned: Gateway) -> None:
    """A new up serves on the same port, with a supervisor of its own."""
    up = orphaned.run("up", "--detach")
    assert up.returncode == 0, up.stderr
    assert not up.stdout.startswith("The gateway runs already")
    assert orphaned.status()["running"]
