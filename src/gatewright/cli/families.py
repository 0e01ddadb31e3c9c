"""Commands with sub-commands (``cert list``, ``ca show``): one line in a table and one module for each."""

from __future__ import annotations

import argparse
import importlib
from typing import cast

from gatewright.cli.console import Console
from gatewright.cli.main import CommandModule

Table = tuple[tuple[str, str, str], ...]
"""(name, module in :mod:`gatewright.cli.commands`, one line of help)."""


def add_subcommands(parser: argparse.ArgumentParser, table: Table) -> None:
    """One parser for each sub-command."""
    choices = parser.add_subparsers(dest="action", metavar="ACTION", required=True, help="what to do")
    for name, module, words in table:
        found = _module(module)
        child = choices.add_parser(name, help=words, description=found.DESCRIPTION)
        found.add_arguments(child)


def run_subcommand(args: argparse.Namespace, console: Console, table: Table) -> int:
    """Hand over to the sub-command that was chosen."""
    chosen = next(module for name, module, _ in table if name == args.action)
    return _module(chosen).run(args, console)


def _module(name: str) -> CommandModule:
    return cast("CommandModule", importlib.import_module(f"gatewright.cli.commands.{name}"))
