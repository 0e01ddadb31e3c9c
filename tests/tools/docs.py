"""Writes the generated documents: docs/cli.md from the parsers, docs/diagnostics.md from the source, docs/verify.md from the
table of OpenSSL's error numbers, docs/errors.md from the reasons for refusals, and the pieces of configuration in docs/in-httpd.md from what the compiler writes; docs/images/handshake-*.svg.

``python -m tests.tools.docs`` writes them; ``tests/arch/test_documents.py`` fails when they are not up to date.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gatewright.cli.main import command_parser, top_parser
from gatewright.cli.registry import COMMANDS
from gatewright.pki.openssl_errors import markdown
from tests.tools import diagram
from tests.tools.errors_page import errors_page
from tests.tools.snippets import in_httpd_page

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "gatewright"
_CODE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\Z")


def cli_page() -> str:
    """docs/cli.md: what ``--help`` says, for every listed command and its subcommands."""
    os.environ["COLUMNS"] = "100"
    parts = [
        "# The command line\n\nGenerated from `--help` by `python -m tests.tools.docs`; do not edit.\n",
        f"```text\n{top_parser().format_help()}```\n",
    ]
    for command in COMMANDS:
        if not command.hidden:
            for parser in _with_subparsers(command_parser(command)):
                level = "#" * len(parser.prog.split())
                parts.append(f"{level} `{parser.prog}`\n\n```text\n{parser.format_help()}```\n")
    return "\n".join(parts)


def _with_subparsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in dict.fromkeys(action.choices.values()):
                yield from _with_subparsers(child)


@dataclass(frozen=True, order=True)
class Told:
    """One place in the source that tells a diagnostic: its code, and its sentence with … for what varies."""

    code: str
    what: str
    fix: str


def diagnostics_page() -> str:
    """docs/diagnostics.md: every code in the source with the sentences it is told in."""
    by_code: dict[str, list[Told]] = {}
    for told in sorted(diagnostics_told()):
        by_code.setdefault(told.code, []).append(told)
    lines = [
        "# Diagnostics",
        "",
        "Every problem Gatewright reports has a code that stays the same from release to release. `…` stands for what the",
        "case at hand fills in. Generated from the source by `python -m tests.tools.docs`; do not edit.",
        "",
        "| Code | What is said | What to do |",
        "|---|---|---|",
    ]
    for code, places in by_code.items():
        whats = list(dict.fromkeys(t.what for t in places if t.what))[:3]
        fixes = list(dict.fromkeys(t.fix for t in places if t.fix))[:2]
        lines.append(f"| `{code}` | {_cell(whats)} | {_cell(fixes)} |")
    return "\n".join(lines) + "\n"


def _cell(texts: list[str]) -> str:
    return (
        "<br>".join(re.sub(r"\s+", " ", t).replace("|", "\\|").replace("<", "&lt;") for t in texts) or "see the message"
    )


def diagnostics_told() -> set[Told]:
    """Every call in the source that names a diagnostic's code as a literal.

    What takes a code is found, not listed: every class with a field and every function with a parameter called ``code``.
    """
    trees = [ast.parse(path.read_text()) for path in sorted(SOURCE.rglob("*.py"))]
    takers: dict[str, list[str]] = {}
    for tree in trees:
        for node in ast.walk(tree):
            names = _parameters(node)
            if "code" in names:
                assert isinstance(node, ast.FunctionDef | ast.ClassDef)
                takers.setdefault(node.name, names)
    return {told for tree in trees for call, names in _calls(tree, {}) for told in _told(call, takers, names)}


def _calls(scope: ast.AST, outer: dict[str, str]) -> Iterator[tuple[ast.Call, dict[str, str]]]:
    """Every call below ``scope``, with the sentences that names stand for there: those assigned exactly once."""
    assigned: dict[str, list[str]] = {}
    inner: list[ast.AST] = []
    calls: list[ast.Call] = []
    rest = list(ast.iter_child_nodes(scope))
    while rest:
        node = rest.pop()
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            inner.append(node)
            continue
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            assigned.setdefault(node.targets[0].id, []).append(_sentence(node.value, {}))
        if isinstance(node, ast.Call):
            calls.append(node)
        rest += ast.iter_child_nodes(node)
    names = outer | {name: texts[0] if len(texts) == 1 else "" for name, texts in assigned.items()}
    yield from ((call, names) for call in calls)
    for node in inner:
        yield from _calls(node, names)


def _parameters(node: ast.AST) -> list[str]:
    if isinstance(node, ast.FunctionDef):
        return [
            a.arg for a in node.args.posonlyargs + node.args.args + node.args.kwonlyargs if a.arg not in {"self", "cls"}
        ]
    if isinstance(node, ast.ClassDef):
        init = next((n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
        if init is not None:
            return _parameters(init)
        return [n.target.id for n in node.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)]
    return []


def _told(node: ast.Call, takers: dict[str, list[str]], names: dict[str, str]) -> Iterator[Told]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name not in takers:
        return
    given = dict(zip(takers[name], node.args, strict=False)) | {k.arg: k.value for k in node.keywords if k.arg}
    code = given.get("code")
    if isinstance(code, ast.Constant) and isinstance(code.value, str) and _CODE.match(code.value):
        yield Told(code.value, _sentence(given.get("what"), names), _sentence(given.get("fix"), names))


def _sentence(node: ast.AST | None, names: dict[str, str]) -> str:
    """A literal's text, … for each value in an f-string; nothing for what is only known when it runs."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_sentence(v, names) if isinstance(v, ast.Constant) else "…" for v in node.values)
    if isinstance(node, ast.Name):
        return names.get(node.id, "")
    if isinstance(node, ast.BinOp):
        left, right = _sentence(node.left, names), _sentence(node.right, names)
        return (left or "…") + (right or "…") if left or right else ""
    return ""


PAGES = {
    "docs/cli.md": cli_page,
    "docs/diagnostics.md": diagnostics_page,
    "docs/verify.md": markdown,
    "docs/errors.md": errors_page,
    "docs/in-httpd.md": in_httpd_page,
    "docs/images/handshake-tls-1.3.svg": diagram.tls_13,
    "docs/images/handshake-tls-1.2.svg": diagram.tls_12,
}


def main() -> int:
    """Write the pages that are not up to date."""
    for name, page in PAGES.items():
        path, text = ROOT / name, page()
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
            print(f"wrote {name}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
