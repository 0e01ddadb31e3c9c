"""``gatewright cert list``: what was issued here, page by page."""

from __future__ import annotations

import argparse
import shlex

from gatewright.cli.console import Console
from gatewright.cli.pki_options import add_store, again, length, office, table, whole, words
from gatewright.errors import EXIT_OK

DESCRIPTION = """\
List the certificates that were issued here, those that end soonest first; by name, where --name is given. Changes
nothing. One page at a time: the end of a page says how to see the next. The test certificates of 'prove' are shown with
--profile canary only."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which ones."""
    parser.add_argument("--expiring", metavar="LENGTH", help="valid ones that end within so long, such as 30d")
    parser.add_argument("--name", metavar="NAME", help="a name in it, or the client's name, or the beginning of one")
    parser.add_argument("--status", choices=("valid", "revoked", "hold", "expired"), help="only these")
    parser.add_argument("--authority", metavar="NAME", help="only of this authority")
    parser.add_argument(
        "--profile",
        choices=("root", "issuing", "server", "client", "admin", "backend-client", "ocsp", "canary", "report"),
        help="only of this kind",
    )
    parser.add_argument("--limit", metavar="N", default="50", help="how many on one page, 1 to 1000 (default: 50)")
    parser.add_argument("--after", metavar="PLACE", help="where the page before ended, as it said")
    add_store(parser, writes=False)


def run(args: argparse.Namespace, console: Console) -> int:
    """Print one page."""
    from gatewright.app.listing import Standing, Wanted, list_certificates
    from gatewright.model.pki import ProfileName

    wanted = Wanted(
        length(args.expiring, "--expiring"),
        words(args.name, "--name") if args.name else None,
        None if args.status is None else Standing(args.status),
        args.authority,
        None if args.profile is None else ProfileName(args.profile),
        whole(args.limit, "--limit", 1, 1000),
        args.after,
    )
    with office(args, console) as desk:
        listing = list_certificates(desk, wanted)
    text = table(listing.rows) or "no certificates\n"
    if listing.following is not None:
        text += f"\nmore: {again(console)} cert list {_again(args)}--after {listing.following}\n"
    console.result({"certificates": [row.as_dict() for row in listing.rows], "after": listing.following}, text)
    return EXIT_OK


def _again(args: argparse.Namespace) -> str:
    """The same options, ready to be pasted."""
    given = [
        ("expiring", None),
        ("name", None),
        ("status", None),
        ("authority", None),
        ("profile", None),
        ("limit", "50"),
    ]
    words = [w for name, default in given if getattr(args, name) != default for w in (f"--{name}", getattr(args, name))]
    return shlex.join(words) + " " if words else ""
