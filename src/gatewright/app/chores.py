"""What a supervisor looks after beside httpd, one thing after the other."""

from __future__ import annotations

import traceback
from collections.abc import Callable

from gatewright.errors import GatewrightError


class Chores:
    """Each is called in turn, several times a second. What goes wrong in one is said once, tried again, and keeps no other back.

    httpd ends with its supervisor, so nothing may end that: not what a machine lacks for a while, such as memory or room on its disk,
    and not a bug of ours either, for which somebody's certificate or a torn line of a log may be enough.
    """

    def __init__(self, say: Callable[[str], None], *chores: Callable[[], None]) -> None:
        self._say, self._chores = say, chores
        self._told = [""] * len(chores)

    def __call__(self) -> None:
        """One turn."""
        for number, chore in enumerate(self._chores):
            told: tuple[str, ...] = ()
            try:
                chore()
            except GatewrightError as problem:
                words = "; ".join(f"{d.what} ({d.fix})" if d.fix else d.what for d in problem.diagnostics)
                told = (f"Warning: {words}",)
            except OSError as problem:
                told = (f"Warning: {problem}",)
            except Exception as bug:  # noqa: BLE001 - see the class: it is said with all that is known of it, and httpd serves on
                told = bug_told(bug)
            first = told[0] if told else ""
            for line in told if first != self._told[number] else ():
                self._say(line)
            self._told[number] = first


def unfailing(tell: Callable[[str], tuple[str, ...]]) -> Callable[[str], tuple[str, ...]]:
    """``tell``, but a bug in it is told instead, the first time. Strangers write into logs, and telling a line is not worth the gateway."""
    seen: set[str] = set()

    def told(text: str) -> tuple[str, ...]:
        try:
            return tell(text)
        except Exception as bug:  # noqa: BLE001 - see above
            lines = () if type(bug).__name__ in seen else bug_told(bug)
            seen.add(type(bug).__name__)
            return lines

    return told


def bug_told(bug: Exception) -> tuple[str, ...]:
    """A bug of ours in lines for the log, to be sent with a report."""
    lines = "".join(traceback.format_exception(bug)).splitlines()
    return (f"This is a bug in Gatewright, and the gateway serves on: {type(bug).__name__}: {bug}", *lines)
