"""``gatewright client remove``."""

from __future__ import annotations

import argparse

from gatewright.cli.console import Console
from gatewright.cli.edits import EDITS, add_edit, edit
from gatewright.cli.pki_options import add_store, again

DESCRIPTION = f"""\
Take a client out of gateway.yaml: its entry, its groups, and every route that names it. A route that would be left for nobody is
refused. Its certificates stay valid where any client is admitted; the command that revokes them is told.

{EDITS}"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whom."""
    parser.add_argument("name", metavar="NAME", help="the client's name in the gateway file")
    add_edit(parser)
    add_store(parser, writes=False)


def run(args: argparse.Namespace, console: Console) -> int:
    """Remove it, and say what of it is still valid."""
    from gatewright.app.clienting import remove_client
    from gatewright.wiring.partners import declared, parties

    with parties(console.folder, args.store) as found:
        told = next((one for one in found.clients(declared(console.folder)) if one.name == args.name), None)
    valid = told.valid if told is not None else ()
    more = "".join(
        f"\nStill valid: {c.certificate.serial_hex}, until {c.certificate.not_after:%Y-%m-%d}. "
        f"Revoke it with: {again(console)} cert revoke {c.certificate.serial_hex}\n"
        for c in valid
    )
    return edit(args, console, lambda document, gateway: remove_client(document, gateway, args.name), more)
