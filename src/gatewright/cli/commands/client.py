"""``gatewright client``: the clients that routes name. Each sub-command is one line here and one module beside this one."""

from __future__ import annotations

import argparse

from gatewright.cli.console import Console
from gatewright.cli.families import Table, add_subcommands, run_subcommand

DESCRIPTION = """\
Look after the clients that the gateway file names. 'gatewright client ACTION --help' explains one of these."""

SUBCOMMANDS: Table = (
    ("add", "client_add", "a new client, in groups and at routes"),
    ("list", "client_list", "every client, where it is admitted and until when"),
    ("show", "client_show", "one client, with its certificates"),
    ("remove", "client_remove", "take a client out of the gateway file"),
    ("enrol", "client_enrol", "make a client's certificate known before it first comes"),
    ("pack", "client_pack", "write the folder that a client's developer is handed"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One parser for each sub-command."""
    add_subcommands(parser, SUBCOMMANDS)


def run(args: argparse.Namespace, console: Console) -> int:
    """Hand over to the sub-command."""
    return run_subcommand(args, console, SUBCOMMANDS)
