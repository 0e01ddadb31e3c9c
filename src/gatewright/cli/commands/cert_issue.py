"""``gatewright cert issue``: a key and a certificate for a client, delivered as files."""

from __future__ import annotations

import argparse

from gatewright.cli.console import Console
from gatewright.cli.pki_options import (
    KEYS,
    PACKAGINGS,
    add_store,
    delivered_dict,
    delivered_text,
    length,
    office,
    words,
)
from gatewright.errors import EXIT_OK

DESCRIPTION = """\
Make a private key and issue a certificate for NAME, a client of gateway.yaml: its entry says which authority issues and
which name stands in the certificate. With --authority and --san, NAME need not be in gateway.yaml.

The files go into clients/NAME/ in the gateway's folder: key, certificate with chain, PKCS #12 with its password beside
it, and the root. Earlier certificates of NAME stay valid until they end or are revoked. Where the client can make its
own key, 'gatewright cert sign' is better: then no key is ever sent."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whom it is for, and what it is to be."""
    parser.add_argument("name", metavar="NAME", help="a client of gateway.yaml, or any name with --authority and --san")
    parser.add_argument(
        "--profile",
        choices=("client", "server", "admin", "backend-client"),
        default="client",
        help="what it is for (default: client)",
    )
    parser.add_argument("--authority", metavar="NAME", help="the managed authority that issues")
    parser.add_argument(
        "--san",
        action="append",
        default=[],
        metavar="NAME",
        help="a DNS name, an IP address, email:… or uri:… to stand in it; may be repeated",
    )
    parser.add_argument("--lifetime", metavar="LENGTH", help="such as 12h or 30d (default: the profile's)")
    parser.add_argument("--key", choices=KEYS, default="p256", help="the kind of key (default: p256)")
    parser.add_argument(
        "--p12",
        choices=PACKAGINGS,
        default="modern",
        help="PKCS #12 for whom: legacy for Windows before 2019 and macOS before 15, java adds a trust store",
    )
    parser.add_argument("--reason", metavar="TEXT", default="", help="why, for the log")
    add_store(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """Issue, and say where the files are."""
    from gatewright.app.listing import Listed
    from gatewright.app.ordering import Packaging, Wish, issue_by_name
    from gatewright.model.pki import KeyKind, ProfileName

    wish = Wish(
        args.name,
        ProfileName(args.profile),
        tuple(args.san),
        length(args.lifetime, "--lifetime"),
        KeyKind(args.key),
        Packaging(args.p12),
        words(args.reason, "--reason"),
        args.authority,
    )
    with office(args, console, make=True) as desk:
        delivered = issue_by_name(desk, wish)
        listed = Listed.at(delivered.client.certificate, desk.deps.clock.now())
    if not console.json:
        console.complain(delivered.said)
    console.result(delivered_dict(delivered, listed), delivered_text(delivered, listed, "Issued"))
    return EXIT_OK
