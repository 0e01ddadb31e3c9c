"""``gatewright trust``: this machine and the gateway's root. Each sub-command is one line here and one module beside this one."""

from __future__ import annotations

import argparse

from gatewright.cli.console import Console
from gatewright.cli.families import Table, add_subcommands, run_subcommand

DESCRIPTION = """\
Make this machine trust the root of the gateway's own certificate, so that browsers and programs need no --cacert; say how it
stands; undo it. Nothing is changed without a yes. The page is docs/trusting-the-root.md."""

SUBCOMMANDS: Table = (
    ("install", "trust_install", "put the root into the stores of this machine"),
    ("remove", "trust_remove", "take out what install put in"),
    ("status", "trust_status", "say which stores trust the root"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One parser for each sub-command."""
    add_subcommands(parser, SUBCOMMANDS)


def run(args: argparse.Namespace, console: Console) -> int:
    """Hand over to the sub-command."""
    return run_subcommand(args, console, SUBCOMMANDS)
