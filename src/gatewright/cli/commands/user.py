"""``gatewright user``: files of users and hashed passwords. Each sub-command is one line here and one module beside this one."""

from __future__ import annotations

import argparse

from gatewright.cli.console import Console
from gatewright.cli.families import Table, add_subcommands, run_subcommand

DESCRIPTION = """\
Look after the users of routes with 'credentials: { basic: FILE }'. Passwords are kept as bcrypt hashes; a change is
effective with the next request, within a second where root's gateway publishes a copy."""

SUBCOMMANDS: Table = (
    ("add", "user_add", "add a user, or give one another password"),
    ("list", "user_list", "list the users of a file"),
    ("remove", "user_remove", "remove a user"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One parser for each sub-command."""
    add_subcommands(parser, SUBCOMMANDS)


def run(args: argparse.Namespace, console: Console) -> int:
    """Hand over to the sub-command."""
    return run_subcommand(args, console, SUBCOMMANDS)
