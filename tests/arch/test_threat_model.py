"""The threat model's tests are tests, and each of its rows has one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "threat-model.md").read_text()
NAMED = re.compile(r"`(tests/[\w./-]+)(?:::(\w+))?`")


def missing(text: str) -> list[str]:
    """The tests and cases named in ``text`` that do not exist."""
    found = []
    for path, function in NAMED.findall(text):
        file = ROOT / path
        if not file.exists() or (function and function not in functions(file)):
            found.append(f"{path}::{function}" if function else path)
    return found


def functions(file: Path) -> set[str]:
    """The functions of a file of tests."""
    return {node.name for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)}


def rows(text: str) -> list[str]:
    """The rows of tables that say by what they are shown."""
    tables = re.findall(r"^\| [^\n]+ \| Shown by \|\n\|[-|]+\|\n((?:\|[^\n]+\n)+)", text, re.MULTILINE)
    return [row for table in tables for row in table.splitlines()]


def test_every_test_that_is_named_exists() -> None:
    """Functions by name, golden cases as folders."""
    assert missing(PAGE) == []


def test_every_row_names_one() -> None:
    """No claim without a test."""
    assert len(rows(PAGE)) > 30
    assert [row for row in rows(PAGE) if not NAMED.search(row.rsplit("|", 2)[1])] == []


@pytest.mark.parametrize(
    "name",
    ["tests/live/test_doors.py::test_nothing_at_all", "tests/live/test_gone.py::test_x", "tests/golden/refuse-gone"],
)
def test_one_that_does_not_exist_is_noticed(name: str) -> None:
    """The twin."""
    assert missing(f"| an attack | a defence | `{name}` |") == [name]
