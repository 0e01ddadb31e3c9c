"""How this program starts itself again."""

from __future__ import annotations

import sys


def ourselves(*words: str) -> list[str]:
    """The command line of this very program with other arguments.

    ``-P``: a module is never taken from the folder one happens to stand in, where anybody may have left a ``json.py``.
    """
    return [sys.executable, "-P", "-m", "gatewright", *words]
