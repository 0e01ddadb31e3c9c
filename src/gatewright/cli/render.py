"""How diagnostics, tables and lengths of time look on a terminal. Text in, text out; nothing here prints."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from gatewright.cli.registry import COMMANDS
from gatewright.errors import Diagnostic, Severity

PROGRAM = "gatewright"
"""How commands are written in messages."""

# SGR codes of ECMA-48 §8.3.117: bold red, bold yellow, bold cyan.
_SEVERITY_COLOR = {Severity.ERROR: "1;31", Severity.WARNING: "1;33", Severity.NOTE: "1;36"}
# Cc: control, Cf: format (bidirectional overrides), Cs: lone surrogates, Zl/Zp: line and paragraph separators.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def visible(text: str, *, keep: str = "") -> str:
    r"""``text`` with every control or invisible formatting character written as an escape (``\x1b``, ``\u202e``).

    A file name or a value from the gateway file may hold anything; printed raw it could rewrite the terminal or hide
    what it really says. Characters in ``keep`` pass unchanged.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c in keep or unicodedata.category(c) not in _HIDDEN else _escape(c) for c in text)


def _escape(character: str) -> str:
    """The Python escape of one character, lone surrogates included."""
    return character.encode("unicode_escape").decode("ascii")


def as_typed(text: str, program: str) -> str:
    """``text`` with the commands in it as this user starts Gatewright: from its source folder, ``gatewright`` is on no PATH."""
    if program == PROGRAM:
        return text
    names = "|".join(command.name for command in COMMANDS)
    return re.sub(rf"(?<![\w./-]){PROGRAM}(?= (?:-C\b|{names})\b)", lambda _: program, text)


def paint(text: str, sgr: str, *, color: bool) -> str:
    """``text`` inside the SGR code ``sgr`` when colour is wanted, else unchanged."""
    return f"\x1b[{sgr}m{text}\x1b[0m" if color else text


def render_diagnostics(diagnostics: Iterable[Diagnostic], *, color: bool = False) -> str:
    """Every diagnostic as ``place: severity: what [code]``, with indented ``why`` and ``fix`` lines, each ended by LF.

    Continuation lines of a ``why`` or ``fix`` of several lines are indented under its first line.
    """
    return "".join(_diagnostic(diagnostic, color=color) for diagnostic in diagnostics)


def _diagnostic(diagnostic: Diagnostic, *, color: bool) -> str:
    place = f"{visible(str(diagnostic.where))}: " if diagnostic.where is not None else ""
    severity = paint(f"{diagnostic.severity.value}:", _SEVERITY_COLOR[diagnostic.severity], color=color)
    code = paint(f"[{diagnostic.code}]", "2", color=color)
    lines = [f"{place}{severity} {visible(diagnostic.what)} {code}"]
    for label, text in (("why", diagnostic.why), ("fix", diagnostic.fix)):
        if text:
            first, *rest = visible(text, keep="\n").split("\n")
            lines.append(f"    {label}: {first}")
            lines += [f"         {line}" for line in rest]
    return "\n".join(lines) + "\n"


def render_table(header: Sequence[str], rows: Iterable[Sequence[str]], *, indent: str = "") -> str:
    """Columns as wide as their widest cell, two spaces apart, each line ended by LF; nothing at all without rows."""
    cells = [[visible(cell) for cell in row] for row in rows]
    if not cells:
        return ""
    table = [list(header), *cells]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table)
    return "".join(f"{indent}{line}\n" for line in lines)


def render_length(seconds: float) -> str:
    """A length of time as people say it, in its two largest units: ``3 d 4 h``, ``5 min 2 s``, ``0 s``."""
    left = max(0, int(seconds))
    parts: list[str] = []
    for name, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or (name == "s" and not parts):
            parts.append(f"{count} {name}")
    return " ".join(parts[:2])


def render_days(days: int) -> str:
    """Days left of a certificate: ``89 days left``, ``1 day left``, ``ends today``, ``expired 3 days ago``."""
    if days == 0:
        return "ends today"
    noun = "day" if abs(days) == 1 else "days"
    return f"{days} {noun} left" if days > 0 else f"expired {-days} {noun} ago"


def count(number: int, noun: str, plural: str = "") -> str:
    """``1 route``, ``2 routes``; ``plural`` where an ``s`` does not do."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
