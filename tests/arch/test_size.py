"""No file and no function of the source outgrows what one can hold in one's head."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "gatewright"
FILE_LINES = 600
FUNCTION_LINES = 80
FILES = sorted(SOURCE.rglob("*.py"))


def long_functions(text: str) -> list[str]:
    return [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > FUNCTION_LINES
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_files_and_functions_stay_small(path: Path) -> None:
    """At most 600 lines in a file, 80 in a function."""
    text = path.read_text()
    assert len(text.splitlines()) <= FILE_LINES
    assert not long_functions(text)


def test_a_long_function_is_found() -> None:
    """The measure counts from def to the last line."""
    assert long_functions("def f():\n" + "    x = 1\n" * FUNCTION_LINES) == ["f: 81 lines"]
    assert not long_functions("def f():\n" + "    x = 1\n" * (FUNCTION_LINES - 1))


def test_every_file_says_what_it_is() -> None:
    """Every module has a docstring."""
    assert not [str(path) for path in FILES if not ast.get_docstring(ast.parse(path.read_text()))]
