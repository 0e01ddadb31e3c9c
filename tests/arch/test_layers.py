"""The layers hold: the linter passes, a planted violation fails it, and pure packages load nothing impure."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PURE = ("errors", "model", "source", "check", "compile", "pki", "diagnose", "plan", "prove")


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    # The linter reads the package from sys.path; -P and PYTHONPATH make that the tree under test, not the installed one.
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-P", "-c", program, "--no-cache"],
        cwd=root,
        env={"PYTHONPATH": str(root / "src"), "PATH": "/usr/bin:/bin", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_contract_is_kept() -> None:
    """The source tree breaks no contract."""
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("compile/__init__.py", "import socket"),
        ("check/__init__.py", "import random"),
        ("pki/__init__.py", "import time"),
        ("model/values.py", "from gatewright.source import load"),
        ("source/__init__.py", "import gatewright.ports.clock"),
        ("app/starter.py", "import gatewright.edges.clock"),
        ("app/starter.py", "import subprocess"),
        ("cli/banner.py", "from gatewright.edges import clock"),
        ("edges/clock.py", "import gatewright.edges.files"),
        ("ports/clock.py", "import time"),
        ("backend.py", "import gatewright.errors"),
    ],
)
def test_a_planted_violation_fails(tree: Path, module: str, line: str) -> None:
    """Each kind of forbidden import is found by a contract, so none of the gates is off."""
    planted = tree / "src" / "gatewright" / module
    planted.write_text(planted.read_text() + f"\n{line}\n")
    result = lint_imports(tree)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "BROKEN" in result.stdout


# What cryptography, ruamel.yaml and the standard library bring in by themselves is not our layer's doing.
_OURS_TO_KEEP_OUT = {"sqlite3", "sqlalchemy", "alembic", "psycopg", "asyncio", "http.client", "multiprocessing"}


@pytest.mark.parametrize("package", PURE)
def test_a_pure_package_loads_nothing_impure(package: str) -> None:
    """A fresh interpreter that imports every module of a pure package holds no edge, no database and no event loop."""
    folder = ROOT / "src" / "gatewright" / package
    files = folder.rglob("*.py") if folder.is_dir() else [folder.with_suffix(".py")]
    names = {
        ".".join(("gatewright", *path.relative_to(ROOT / "src" / "gatewright").with_suffix("").parts)).removesuffix(
            ".__init__"
        )
        for path in files
    }
    program = f"import sys\nfor name in {sorted(names)!r}: __import__(name)\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert names <= loaded
    impure = {"gatewright.edges", "gatewright.wiring", "gatewright.app", "gatewright.cli"}
    assert not {m for m in loaded if any(m == top or m.startswith(top + ".") for top in impure | _OURS_TO_KEEP_OUT)}


def test_the_contracts_name_every_pure_package() -> None:
    """The list of pure packages here and in the linter's contract is the same."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = settings["tool"]["importlinter"]["contracts"]
    pure = next(c for c in contracts if c["name"].startswith("The pure packages"))
    assert pure["source_modules"] == [f"gatewright.{name}" for name in PURE]
