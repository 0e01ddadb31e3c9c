"""``gatewright user add``."""

from __future__ import annotations

import argparse
import sys

from gatewright.cli.console import Console
from gatewright.cli.options import usage
from gatewright.errors import EXIT_OK

DESCRIPTION = """\
Add a user to FILE (in the gateway's folder), or give one another password. Without --stdin a password is made and printed,
once: nobody can read it again. With --stdin it is the first line of standard input, 12 characters or more. A password is
never an argument, where other users of this machine could see it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which file, who, and where the password comes from."""
    parser.add_argument(
        "file", metavar="FILE", help="the file of users, as gateway.yaml names it; made if it is not there"
    )
    parser.add_argument("name", metavar="NAME", help="the user's name")
    parser.add_argument("--stdin", action="store_true", help="take the password from standard input")


def _first_line() -> str:
    try:
        return sys.stdin.buffer.readline().decode().rstrip("\r\n")
    except UnicodeDecodeError as problem:
        raise usage("the password on standard input is not UTF-8", "give it as text, in the first line") from problem


def run(args: argparse.Namespace, console: Console) -> int:
    """Add, and print a password that was made."""
    from gatewright.wiring.credentials import users

    given = _first_line() if args.stdin else None
    made = users(console.folder).add(args.file, args.name, given)
    result: dict[str, object] = {"file": args.file, "user": args.name}
    if args.stdin:
        console.result(result, f"{args.name} may use the password that was given.\n")
    else:
        console.result(
            {**result, "password": made}, f"{args.name}: {made}\nThis is shown once; only its hash is kept.\n"
        )
    return EXIT_OK
