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


def frozen_at_end(before: str) -> int:
    """How many objects the end of a process leaves to the system, after ``before``."""
    program = f"import atexit, gc\natexit.register(lambda: print(gc.get_freeze_count()))\n{before}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[-1])


def test_a_command_ends_without_searching_its_memory() -> None:
    """What a command has loaded is not searched for garbage when it ends; Python by itself would do so."""
    assert frozen_at_end("from gatewright.cli.main import main; main(['version'])") > 1000
    assert frozen_at_end("from gatewright.cli.main import main") == 0
