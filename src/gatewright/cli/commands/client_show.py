"""``gatewright client show``."""

from __future__ import annotations

import argparse

from gatewright.cli.clients import standing
from gatewright.cli.console import Console
from gatewright.cli.pki_options import add_store, table
from gatewright.cli.render import visible
from gatewright.errors import EXIT_OK

DESCRIPTION = """\
Show one client: who vouches for it, what it is known by, its groups, the routes that admit it, and its certificates as far as they
are known here. Changes nothing."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whom."""
    parser.add_argument("name", metavar="NAME", help="the client's name in the gateway file")
    add_store(parser, writes=False)


def run(args: argparse.Namespace, console: Console) -> int:
    """Print it."""
    from gatewright.app.clienting import unknown
    from gatewright.wiring.partners import declared, parties

    gateway = declared(console.folder)
    with parties(console.folder, args.store) as found:
        told = next((one for one in found.clients(gateway) if one.name == args.name), None)
    if told is None:
        raise unknown("client", args.name, gateway.clients)
    rows = [
        ("client", told.name),
        ("authority", told.authority + (f" (partner {told.partner})" if told.partner else "")),
        ("known as", told.known_as),
        ("groups", ", ".join(told.groups) or "none"),
        ("routes", "none: its partner is disabled" if told.disabled else ", ".join(told.routes) or "none"),
        ("certificate", standing(told) or "none issued here"),
    ]
    text = "".join(f"{label + ':':<13}{visible(value)}\n" for label, value in rows)
    certificates = table(told.certificates)
    console.result(told.as_dict(), text + ("\n" + certificates if certificates else ""))
    return EXIT_OK
