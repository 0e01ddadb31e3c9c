"""What ``cert release`` and ``cert unrevoke`` share: which certificate, and what is said when it is admitted again."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from gatewright.cli.console import Console
from gatewright.cli.pki_options import add_store, back, office, table, withdrawn_dict
from gatewright.errors import EXIT_ENVIRONMENT, EXIT_OK

if TYPE_CHECKING:
    from gatewright.app.office import Office
    from gatewright.app.withdrawing import Back, Withdrawn


def add_options(parser: argparse.ArgumentParser, happened: str) -> None:
    """Which certificate; ``happened`` says what befell it, as in "everything that was revoked"."""
    parser.add_argument(
        "certificate", nargs="?", metavar="NAME|SERIAL|FILE", help="a client's name, a serial number, or a file"
    )
    parser.add_argument("--all", action="store_true", help="every certificate that the name stands for")
    parser.add_argument(
        "--since", metavar="TIME", help=f"everything that was {happened} since 2026-11-23T13:00:00Z; with --authority"
    )
    parser.add_argument("--authority", metavar="NAME", help="only certificates of this authority")
    add_store(parser)


def give_back(
    args: argparse.Namespace, console: Console, how: Callable[[Office, Back], Withdrawn], done_word: str
) -> int:
    """Give back by ``how``, and say so; the exit code."""
    from gatewright.app.listing import Listed

    what = back(args)
    with office(args, console) as desk:
        done = how(desk, what)
        now = desk.deps.clock.now()
        rows = [Listed.at(desk.current(c), now) for c in done.certificates]
    console.result(withdrawn_dict(done, rows), f"{done_word}; the gateway admits again\n\n{table(rows)}")
    if not console.json:
        console.complain(done.warnings)
    return EXIT_OK if done.published else EXIT_ENVIRONMENT
