"""``gatewright partner renew``."""

from __future__ import annotations

import argparse

from gatewright.cli.console import Console
from gatewright.cli.edits import EDITS, add_edit, edit
from gatewright.cli.options import usage
from gatewright.cli.pki_options import path

DESCRIPTION = f"""\
A partner's CA ends, and the next one comes. With --ca the next one is trusted beside the present one: certificates of both are
admitted, and the partner can change its clients one by one. With --retire the old one goes: its clients are refused from then on.

{EDITS}"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whose, what comes, and what goes."""
    parser.add_argument("name", metavar="NAME", help="the partner's name in the gateway file")
    parser.add_argument("--ca", metavar="NEXT.pem", action="append", default=[], help="its next issuing CA certificate")
    parser.add_argument(
        "--retire",
        metavar="OLD.pem",
        default="",
        help="the file of the CA certificate that goes, as 'partner show' names it",
    )
    parser.add_argument(
        "--authority", metavar="NAME", default="", help="which of the partner's authorities, if it has several"
    )
    add_edit(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """Add, and retire."""
    from gatewright.app.partnering import issuing_certificates, renew_partner
    from gatewright.wiring.partners import given, needing

    if not args.ca and not args.retire:
        raise usage("say which CA certificate comes, or which one goes", "--ca NEXT.pem, --retire OLD.pem, or both")
    anchors = issuing_certificates([given(path(file, "--ca")) for file in args.ca])
    needed = needing(console.folder)
    return edit(
        args,
        console,
        lambda document, gateway: renew_partner(
            document,
            gateway,
            args.name,
            anchors=anchors,
            retire=args.retire,
            authority=args.authority,
            needing=needed,
        ),
    )
