"""``gatewright ca crl``: CRLs up to date, and where to find them."""

from __future__ import annotations

import argparse

from gatewright.cli.console import Console
from gatewright.cli.pki_options import add_store, office, path, shown
from gatewright.cli.render import render_table
from gatewright.errors import EXIT_ENVIRONMENT, EXIT_OK

DESCRIPTION = """\
Bring every authority's CRLs up to date: a new one where the list changed or the calendar wants it. They are written to
certs/crl/ in the gateway's folder: one file for each CA (DER), and one PEM file for each authority with all of them,
because OpenSSL refuses a chain of which one CRL is missing. --out copies them for another web server. Exit code 3 when
one is overdue because its key is offline."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to."""
    parser.add_argument("--out", metavar="DIR", help="copy them into this folder, too")
    add_store(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """Publish, and say what is published."""
    from gatewright.app.caretaking import publish_all

    out = None if args.out is None else path(args.out, "--out").absolute()
    with office(args, console) as desk:
        found = publish_all(desk, out)
    rows = [
        (name, str(c.number), f"{c.this_update:%Y-%m-%d %H:%M}", f"{c.next_update:%Y-%m-%d %H:%M} UTC")
        for name, published in found
        for c in published.crls
    ]
    text = render_table(("AUTHORITY", "NUMBER", "SINCE", "GOOD UNTIL"), rows)
    text += "".join(f"{shown(published.bundle)}\n" for _, published in found)
    if out is not None:
        text += f"copied to {shown(out)}\n"
    warnings = [w for _, published in found for w in published.warnings]
    data = {
        "crls": [
            {
                "authority": name,
                "number": c.number,
                "this_update": c.this_update.isoformat(),
                "next_update": c.next_update.isoformat(),
            }
            for name, published in found
            for c in published.crls
        ],
        "bundles": {name: str(published.bundle) for name, published in found},
        "renewed": sum(published.renewed for _, published in found),
        "out": None if out is None else str(out),
        "warnings": [w.as_dict() for w in warnings],
    }
    console.result(data, text)
    if not console.json:
        console.complain(warnings)
    return EXIT_ENVIRONMENT if warnings else EXIT_OK
