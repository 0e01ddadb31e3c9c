"""The systemd unit, judged by systemd itself."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[2] / "packaging" / "gatewright@.service"
pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False)


def exposure(unit: Path) -> float:
    """0 is none, 10 is everything."""
    said = analyze("security", "--offline=true", "--json=short", "--no-pager", str(unit))
    rows = json.loads(said.stdout)
    assert rows
    told = analyze("security", "--offline=true", "--no-pager", str(unit)).stdout
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", told)
    assert found, told
    return float(found[1])


def test_the_unit_is_one(tmp_path: Path) -> None:
    """Systemd finds nothing unknown in it; the twin has a setting that systemd does not know."""
    for text, problem in ((UNIT.read_text(), False), (UNIT.read_text().replace("UMask=", "Umask="), True)):
        copy = tmp_path / "gatewright@x.service"
        copy.write_text(text.replace("/opt/gatewright/bin/gatewright", "/bin/true"))
        said = analyze("verify", "--man=no", str(copy))
        assert ("Unknown key" in said.stderr) is problem, said.stderr


def test_little_is_exposed(tmp_path: Path) -> None:
    """What docs/deploy.md says; the twin runs without its hardening."""
    assert exposure(UNIT) <= 1.6
    bare = tmp_path / "bare@.service"
    bare.write_text("[Service]\nExecStart=/bin/true\n")
    assert exposure(bare) > 9
