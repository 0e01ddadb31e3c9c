"""The documents cannot drift from the program."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from tests.tools.docs import PAGES, diagnostics_told

from gatewright.cli.main import command_parser, top_parser
from gatewright.cli.registry import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
PROSE = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    *(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md")),
]

# argparse words its help differently from one Python to the next; the page is that of the oldest one supported.
_PAGE_PYTHON = (3, 11)


@pytest.mark.parametrize("name", PAGES)
def test_generated_pages_are_up_to_date(name: str) -> None:
    """Each generated page is what its generator writes now (python -m tests.tools.docs)."""
    if name == "docs/cli.md" and sys.version_info[:2] != _PAGE_PYTHON:
        pytest.skip("the page is generated with Python 3.11's argparse")
    assert (ROOT / name).read_text() == PAGES[name](), "run: python -m tests.tools.docs"


def test_the_generator_sees_what_is_told() -> None:
    """Codes given to classes and to helpers are found, with their sentences."""
    told = {(t.code, t.what) for t in diagnostics_told()}
    assert ("bad-name", "… is not a usable name") in told
    assert ("no-such-folder", "there is no folder …") in told
    assert len({code for code, _ in told}) > 100


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_explains_itself(command: object) -> None:
    """Each command has one line in the list, a paragraph of its own, and help for each argument."""
    chosen = next(c for c in COMMANDS if c is command)
    parser = command_parser(chosen)
    assert parser.description
    assert chosen.help
    assert not [a.dest for a in parser._actions if not a.help]
    assert chosen.hidden or f"  {chosen.name} " in top_parser().format_help()


@pytest.mark.parametrize("name", PROSE)
def test_links_lead_somewhere(name: str) -> None:
    """Every relative link of a document leads to a file of the repository."""
    page = ROOT / name
    targets = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text())
    assert not [t for t in targets if not (page.parent / t).exists()]


def linked(start: str, without: str = "") -> set[str]:
    """The documents that links lead to from ``start``; those in ``without`` do not count."""
    found, rest = set[str](), [start]
    while rest:
        name = rest.pop()
        if name in found or name == without:
            continue
        found.add(name)
        page = ROOT / name
        targets = re.findall(r"\]\((?!https?:|#)([^)#\s]+\.md)", page.read_text())
        rest += [str((page.parent / target).resolve().relative_to(ROOT)) for target in targets]
    return found


def test_every_page_is_linked() -> None:
    """On a forge, too, where there is no navigation, links lead from the README to every page."""
    assert set(PROSE) - linked("README.md") == set()


def test_a_page_that_is_not_linked_is_noticed() -> None:
    """The twin: without the page that alone links to it, the report's page is not reached."""
    assert "docs/library.md" not in linked("README.md", without="docs/index.md")


@pytest.mark.parametrize("name", PROSE)
def test_commands_named_in_prose_exist(name: str) -> None:
    """Every `gatewright …` in a document names a command that exists."""
    known = {c.name for c in COMMANDS}
    named = re.findall(r"`(?:\./)?gatewright (?:-C \S+ )?([a-z]+)", (ROOT / name).read_text())
    assert set(named) <= known
