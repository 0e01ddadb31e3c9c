"""``gatewright user list``."""

from __future__ import annotations

import argparse

from gatewright.cli.console import Console
from gatewright.errors import EXIT_OK

DESCRIPTION = "List the users of FILE. Hashes are not shown."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which file."""
    parser.add_argument("file", metavar="FILE", help="the file of users, as gateway.yaml names it")


def run(args: argparse.Namespace, console: Console) -> int:
    """List."""
    from gatewright.wiring.credentials import users

    names = users(console.folder).names(args.file)
    console.result({"file": args.file, "users": list(names)}, "".join(f"{name}\n" for name in names))
    return EXIT_OK
