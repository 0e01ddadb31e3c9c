"""``gatewright partner show``."""

from __future__ import annotations

import argparse

from gatewright.cli.clients import client_table
from gatewright.cli.console import Console
from gatewright.cli.pki_options import add_store
from gatewright.cli.render import render_days, render_table, visible
from gatewright.errors import EXIT_FINDING, EXIT_OK

DESCRIPTION = """\
Show one partner: whom to ask, its CA certificates and how long they last, the names that are signed for it, and its clients with
the routes that admit them and their certificates. Changes nothing. Exit code 1 as for 'gatewright partner list'."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whom."""
    parser.add_argument("name", metavar="NAME", help="the partner's name in the gateway file")
    add_store(parser, writes=False)


def run(args: argparse.Namespace, console: Console) -> int:
    """Print it; what ends soon goes to standard error."""
    from gatewright.app.partnering import known_partner
    from gatewright.wiring.partners import declared, parties

    gateway = declared(console.folder)
    name = known_partner(gateway, args.name)
    with parties(console.folder, args.store) as found:
        (told,) = (one for one in found.partners(gateway) if one.name == name)
    rows = [
        ("partner", told.name),
        ("state", "disabled: admitted nowhere" if told.disabled else "let in"),
        ("mode", told.mode),
        ("contact", told.contact or "none"),
        ("authority", ", ".join(told.authorities)),
    ]
    if told.names:
        rows.append(("names", ", ".join(told.names)))
    text = "".join(f"{label + ':':<12}{visible(value)}\n" for label, value in rows)
    anchors = (
        (file, state.subject, f"{state.not_after:%Y-%m-%d}", render_days(state.days_left))
        for file, state in told.anchors
    )
    for table in (render_table(("CA CERTIFICATE", "SUBJECT", "ENDS", ""), anchors), client_table(told.clients)):
        text += "\n" + table if table else ""
    console.result({**told.as_dict(), "problems": [p.as_dict() for p in told.problems]}, text)
    if not console.json:
        console.complain(told.problems)
    return EXIT_FINDING if told.problems else EXIT_OK
