"""How this program starts itself again."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from gatewright.errors import Diagnostic, EnvironmentFault, FindingError, GatewrightError, UsageError


def ourselves(*words: str) -> list[str]:
    """The command line of this very program with other arguments.

    ``-P``: a module is never taken from the folder one happens to stand in, where anybody may have left a ``json.py``.
    """
    return [sys.executable, "-P", "-m", "gatewright", *words]


def ended_with(code: int, said: bytes, otherwise: Diagnostic) -> GatewrightError:
    """What another run of this program failed with, as an error that ends this one with the same exit code.

    ``said`` is its ``--json`` output; ``otherwise`` is told where that holds no diagnostics, such as of one that was killed.
    """
    try:
        told = json.loads(said)
        problems = [Diagnostic.from_dict(d) for d in (*told.get("problems", ()), *told.get("diagnostics", ()))]
    except (ValueError, KeyError, TypeError, AttributeError):
        problems = []
    return with_code(code, problems or (otherwise,))


def with_code(code: int, problems: Sequence[Diagnostic]) -> GatewrightError:
    """The error that ends with this exit code; what is no code of ours (a bug, a signal) is a fault of this run's surroundings."""
    kinds: tuple[type[GatewrightError], ...] = (FindingError, UsageError)
    return next((kind for kind in kinds if kind.exit_code == code), EnvironmentFault)(*problems)
