"""``gatewright client add``."""

from __future__ import annotations

import argparse

from gatewright.cli.console import Console
from gatewright.cli.edits import EDITS, add_edit, edit
from gatewright.cli.pki_options import path, words

DESCRIPTION = f"""\
Add a client: who vouches for it, and the one thing it is known by. --cert takes both from a certificate of its: its one URI, DNS
name or e-mail address, else its subject, else its key. --group and --route say where it is admitted.

{EDITS}"""

_KEYS = ("san", "email", "uri", "serial", "key")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Who, known by what, and where."""
    parser.add_argument("name", metavar="NAME", help="the client's name in the gateway file")
    parser.add_argument("--authority", metavar="NAME", default="", help="who vouches for it; --cert can say it")
    parser.add_argument(
        "--cert", metavar="FILE", help="a certificate of the client's, any intermediates behind it (PEM or DER)"
    )
    parser.add_argument("--san", metavar="NAME", help="the DNS name in its certificate")
    parser.add_argument("--email", metavar="ADDRESS", help="the e-mail address in its certificate")
    parser.add_argument("--uri", metavar="URI", help="the URI in its certificate, such as a SPIFFE ID")
    parser.add_argument("--serial", metavar="HEX", help="the serial number of its one certificate")
    parser.add_argument("--key", metavar="sha256:BASE64", help="the hash of its public key")
    parser.add_argument("--subject", metavar="O=…,CN=…", help="parts of its subject")
    parser.add_argument("--group", metavar="NAME", action="append", default=[], help="a group that it joins")
    parser.add_argument("--route", metavar="/PATH/", action="append", default=[], help="a route that is to admit it")
    add_edit(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """Add it."""
    from gatewright.app.clienting import NewClient, add_client, subject_parts
    from gatewright.wiring.partners import certificates, issuers

    known_by: dict[str, object] = {
        key: words(getattr(args, key), f"--{key}") for key in _KEYS if getattr(args, key) is not None
    }
    if args.subject is not None:
        known_by["subject"] = subject_parts(words(args.subject, "--subject"))
    shown = () if args.cert is None else certificates(path(args.cert, "--cert"))
    wish = NewClient(
        words(args.name, "NAME"),
        words(args.authority, "--authority"),
        known_by,
        shown[0] if shown else None,
        tuple(words(group, "--group") for group in args.group),
        tuple(words(route, "--route") for route in args.route),
        shown[1:],
    )
    find = issuers(console.folder)
    return edit(args, console, lambda document, gateway: add_client(document, gateway, wish, find))
