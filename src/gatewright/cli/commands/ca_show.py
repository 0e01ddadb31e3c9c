"""``gatewright ca show``: everything about one authority."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from gatewright.cli.console import Console
from gatewright.cli.pki_options import add_store, office, shown
from gatewright.cli.render import render_days, visible
from gatewright.errors import EXIT_OK

if TYPE_CHECKING:
    from gatewright.app.caretaking import GenerationTold

DESCRIPTION = """\
Say everything about one authority: each generation's subject, key, fingerprint, end and CRL. Changes nothing."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which one."""
    parser.add_argument("authority", metavar="NAME", help="the authority's name in gateway.yaml")
    add_store(parser, writes=False)


def run(args: argparse.Namespace, console: Console) -> int:
    """Print it."""
    from gatewright.app.caretaking import generations

    with office(args, console) as desk:
        told = generations(desk, args.authority)
    files = console.folder / "certs" / "ca"
    trusted = files / f"{args.authority}-root.pem"
    text = "\n".join(_told(t) for t in told)
    text += f"\nWhat others trust: {shown(trusted)}\n"
    console.result({"generations": [t.as_dict() for t in told], "root_file": str(trusted)}, text)
    return EXIT_OK


def _told(told: GenerationTold) -> str:
    g, crl = told.generation, told.crl
    state = "in use" if g.active else "retired: signs its CRLs only"
    key = (
        "in a PKCS #11 token" if told.in_token else {"online": "in the folder keys/"}.get(g.key_state, str(g.key_state))
    )
    rows = [
        ("subject", visible(g.subject)),
        ("key", f"{told.key}, {key}"),
        ("valid", f"{g.not_before:%Y-%m-%d} to {g.not_after:%Y-%m-%d} ({render_days(told.days_left)})"),
        ("SHA-256", told.sha256),
    ]
    if crl is None:
        rows.append(("CRL", "none yet: gatewright ca crl"))
    else:
        ahead = f", {crl.ahead} more signed ahead" if crl.ahead else ""
        rows.append(("CRL", f"number {crl.number}, good until {crl.next_update:%Y-%m-%d %H:%M} UTC{ahead}"))
    head = f"{g.authority}: {'root' if g.role == 'root' else 'issuing CA'}, generation {g.number}, {state}\n"
    return head + "".join(f"  {name + ':':<10}{value}\n" for name, value in rows)
