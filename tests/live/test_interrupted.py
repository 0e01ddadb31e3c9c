"""A start that somebody gave up leaves nothing running."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from pathlib import Path

import pytest

from gatewright.cli.main import EXIT_INTERRUPTED
from tests.live.gate import Gate, gateway, processes_of, until

pytestmark = pytest.mark.live


def commands_of(gate: Gate) -> list[list[str]]:
    """The command lines of what runs for the gateway."""
    found = []
    for pid in processes_of(gate.folder):
        with contextlib.suppress(OSError):
            found.append(Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split("\0"))
    return found


def test_ctrl_c_ends_a_detached_start_with_all_it_began() -> None:
    """The signal reaches the command alone, for what it starts has a session of its own; both end. The twin: not given up, it stays."""
    with gateway() as gate:
        # Where the tests run in the background of a shell, Ctrl-C is ignored, and what is ignored is inherited.
        command = ["env", "--default-signal=INT", *gate.command("up", "--detach")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as up:
            until(lambda: any(words[-2:] == ["--json", "up"] for words in commands_of(gate)))
            up.send_signal(signal.SIGINT)
            up.communicate(timeout=240)
        assert up.returncode == EXIT_INTERRUPTED
        assert [words for words in commands_of(gate) if words[-2:] == ["--json", "up"]] == []
        until(lambda: processes_of(gate.folder) == [])
        again = gate.run("up", "--detach")
        assert again.returncode == 0, again.stderr
        assert processes_of(gate.folder) != []
        gate.doors_are_shut()
