"""docs/in-httpd.md: its pieces of configuration are what the compiler writes for the article's gateway, filled in again here.

A comment ``<!-- compiled: START ... END -->`` before a block says which lines: from the first one that begins with START to the next one that begins
with END; without END, START alone, or the whole section that it opens. What comes before the comment above is over.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "in-httpd.md"
COMPILED = ROOT / "tests" / "golden" / "compile-article" / "httpd.conf"
"""What the compiler writes for it; ``tests/test_golden_compile.py`` compares it with what the compiler writes now."""

_MARKED = re.compile(r"^<!-- compiled: (?P<what>.+?) -->\n```apache\n.*?^```$", re.MULTILINE | re.DOTALL)


def in_httpd_page() -> str:
    """The page with every block as compiled; ``LookupError`` names what is no longer there."""
    return filled(PAGE.read_text(), COMPILED.read_text())


def filled(page: str, compiled: str) -> str:
    """``page`` with each marked block from ``compiled``."""
    return _MARKED.sub(lambda m: f"<!-- compiled: {m['what']} -->\n```apache\n{piece(compiled, m['what'])}```", page)


def piece(compiled: str, what: str) -> str:
    """The lines that ``what`` names, without the indentation they have in common; the last host's, if it is in several."""
    lines = compiled.splitlines()
    start, _, end = what.partition(" ... ")
    first = _find(lines, start, max((n for n, line in enumerate(lines) if line.lstrip().startswith(start)), default=0))
    if not end and start.startswith("<"):
        indent = lines[first][: len(lines[first]) - len(lines[first].lstrip())]
        last = lines.index(f"{indent}</{start[1:].split()[0].rstrip('>')}>", first)
    else:
        last = _find(lines, end, first) if end else first
    return textwrap.dedent("\n".join(lines[first : last + 1]) + "\n")


def _find(lines: list[str], text: str, after: int) -> int:
    for number in range(after, len(lines)):
        if lines[number].lstrip().startswith(text):
            return number
    raise LookupError(f"no compiled line begins with '{text}'")
