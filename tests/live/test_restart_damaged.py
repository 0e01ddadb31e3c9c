"""httpd dies while its files on disk are not what was proved: what was proved comes back, and nothing else is started."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.gate import Gate, running_gateway, until

pytestmark = pytest.mark.live


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A running gateway."""
    with running_gateway() as running:
        yield running


def httpd_of(gate: Gate) -> int:
    """The process number of its httpd."""
    return int((gate.folder / "run" / "httpd.process").read_text().split()[0].split(":")[0])


def log_of(gate: Gate) -> str:
    """What the detached gateway said."""
    return (gate.folder / "logs" / "gatewright.log").read_text()


def serves_again(gate: Gate, times: int) -> None:
    """Wait until httpd was brought back that many times."""
    until(lambda: log_of(gate).count("httpd serves again") == times, 90)


def source(gate: Gate, which: str) -> Path:
    """The file that the current generation's manifest names."""
    return Path(json.loads((gate.folder / "generations" / "current" / "manifest.json").read_text())[which])


def weaken(gate: Gate) -> Path:
    """Open the protected route by hand."""
    file = gate.folder / "generations" / "current" / "httpd.conf"
    text = file.read_text()
    start, end = text.rindex("<RequireAll>"), text.rindex("</RequireAll>") + len("</RequireAll>")
    file.write_text(text.replace(text[start:end], "Require all granted"))
    return file


def emptied(gate: Gate) -> Path:
    """Empty the file of trusted authorities."""
    file = gate.folder / "generations" / "current" / "anchors.trusted.pem"
    file.write_bytes(b"")
    return file


def another_key(gate: Gate) -> Path:
    """Garbage instead of the server's key."""
    file = source(gate, "key")
    file.write_text("garbage\n")
    return file


@pytest.mark.slow
def test_what_was_proved_comes_back(gate: Gate) -> None:
    """The damage is named, what is in force is made anew and proved, and the doors are as declared; a whole tree starts at once."""
    os.kill(httpd_of(gate), signal.SIGKILL)
    serves_again(gate, 1)
    assert "made anew" not in log_of(gate)
    for deaths, damage in enumerate((weaken, emptied, another_key), start=2):
        file = damage(gate)
        os.kill(httpd_of(gate), signal.SIGKILL)
        serves_again(gate, deaths)
        told = log_of(gate).rpartition("are not as they were written: ")[2]
        assert told.startswith(f"{file if file.parent.name == 'keys' else file.name}.")
        gate.doors_are_shut()
    assert gate.run("status").returncode == 0


def test_what_cannot_be_told_is_not_started(gate: Gate) -> None:
    """The policy in force is lost, too, and gateway.yaml says something else: httpd stays down, status says why, up begins anew."""
    damaged = weaken(gate)
    (damaged.parent / "gateway.yaml").write_text("gateway: elsewhere\n")
    gate.mark(2)
    os.kill(httpd_of(gate), signal.SIGKILL)
    until(lambda: not gate.json("status")["running"], 60)
    assert "[generation-changed-by-hand]" in log_of(gate).partition("made anew")[2]
    told = gate.json("status")["problems"][0]
    assert told["code"] == "generation-changed-by-hand"
    assert told["what"].startswith("it ended by itself at ")
    assert gate.run("up", "--detach").returncode == 0
    assert gate.marked() == 2
    gate.doors_are_shut()
    assert gate.run("status").returncode == 0
