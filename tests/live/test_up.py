"""Starting a gateway from a folder in which other things lie about."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gatewright.wiring import PATIENCE
from tests.live.gate import POLICY, Gate
from tests.ports import free_port

pytestmark = pytest.mark.live

PROGRAM = str(Path(sys.executable).with_name("gatewright"))
TRAP = "import pathlib; pathlib.Path('sprung').touch(); raise SystemExit(9)\n"


def test_no_module_is_taken_from_the_folder_one_stands_in(tmp_path: Path) -> None:
    """A ``json.py`` beside the gateway file is nobody's module: neither ``up`` nor what it starts runs it.

    On the way: the first ``up`` says that it takes a while, one that has nothing to make does not.
    """
    gate = Gate(tmp_path, free_port())
    gate.policy = POLICY.format(port=gate.port)
    (tmp_path / "json.py").write_text(TRAP)
    try:
        done = subprocess.run(
            [PROGRAM, "up", "--detach"], cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == 0, done.stderr
        assert PATIENCE in done.stderr
        assert gate.marked() == 1
        assert PATIENCE not in gate.run("up", "--detach").stderr
    finally:
        subprocess.run([PROGRAM, "down"], cwd=tmp_path, capture_output=True, timeout=240, check=False)
    assert not (tmp_path / "sprung").exists()


def test_the_trap_works(tmp_path: Path) -> None:
    """Python started as usual does take a module from there."""
    (tmp_path / "json.py").write_text(TRAP)
    done = subprocess.run([sys.executable, "-c", "import json"], cwd=tmp_path, check=False)
    assert done.returncode == 9
    assert (tmp_path / "sprung").exists()
