"""``gatewright user remove``."""

from __future__ import annotations

import argparse

from gatewright.cli.console import Console
from gatewright.errors import EXIT_OK

DESCRIPTION = "Remove a user from FILE: refused with the next request."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which file, and who."""
    parser.add_argument("file", metavar="FILE", help="the file of users, as gateway.yaml names it")
    parser.add_argument("name", metavar="NAME", help="the user's name")


def run(args: argparse.Namespace, console: Console) -> int:
    """Remove."""
    from gatewright.wiring.credentials import users

    users(console.folder).remove(args.file, args.name)
    console.result({"file": args.file, "user": args.name}, f"{args.name} is refused from now on.\n")
    return EXIT_OK
