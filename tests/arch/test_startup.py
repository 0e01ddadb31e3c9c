"""``gatewright version`` answers at once, because nothing heavy is imported for it."""

from __future__ import annotations

import subprocess
import sys

# Each of these costs more than the whole of `gatewright version` may.
_HEAVY = {
    "cryptography",
    "OpenSSL",
    "ruamel",
    "sqlalchemy",
    "alembic",
    "gatewright.wiring",
    "asyncio",
    "importlib.metadata",
}


def modules_after(*words: str) -> set[str]:
    program = (
        "import sys\nfrom gatewright.cli.main import main\n"
        f"code = main({list(words)!r})\nprint(*sys.modules, file=sys.stderr)\nsys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    return set(done.stderr.split())


def test_version_loads_nothing_heavy() -> None:
    """Fewer than 130 modules, none of them heavy, and of the commands only this one."""
    loaded = modules_after("version")
    assert not {m for m in loaded if any(m == heavy or m.startswith(heavy + ".") for heavy in _HEAVY)}
    assert len(loaded) < 130
    assert {m for m in loaded if m.startswith("gatewright.cli.commands.")} == {"gatewright.cli.commands.version"}


def test_a_mistyped_command_loads_nothing_heavy() -> None:
    """Neither does telling that there is no such command."""
    loaded = modules_after("versoin")
    assert not {m for m in loaded if any(m == heavy or m.startswith(heavy + ".") for heavy in _HEAVY)}
