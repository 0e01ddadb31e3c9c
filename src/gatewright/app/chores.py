"""What a supervisor looks after beside httpd, one thing after the other."""

from __future__ import annotations

from collections.abc import Callable

from gatewright.errors import GatewrightError


class Chores:
    """Each is called in turn, several times a second. What goes wrong in one is said once, tried again, and keeps no other back.

    httpd ends with its supervisor, so nothing that a machine can lack for a while, such as memory or room on its disk, may end that.
    """

    def __init__(self, say: Callable[[str], None], *chores: Callable[[], None]) -> None:
        self._say, self._chores = say, chores
        self._told = [""] * len(chores)

    def __call__(self) -> None:
        """One turn."""
        for number, chore in enumerate(self._chores):
            told = ""
            try:
                chore()
            except GatewrightError as problem:
                told = "; ".join(f"{d.what} ({d.fix})" if d.fix else d.what for d in problem.diagnostics)
            except OSError as problem:
                told = str(problem)
            if told and told != self._told[number]:
                self._say(f"Warning: {told}")
            self._told[number] = told
