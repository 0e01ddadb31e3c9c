"""``gatewright partner list``."""

from __future__ import annotations

import argparse

from gatewright.app.parties import PartnerTold
from gatewright.cli.console import Console
from gatewright.cli.pki_options import add_store
from gatewright.cli.render import render_days, render_table
from gatewright.errors import EXIT_FINDING, EXIT_OK

DESCRIPTION = """\
List the partners of gateway.yaml: whose CA issues their certificates and how long it lasts, how many clients they have, and whether
they are let in. Changes nothing. Exit code 1 when a partner's CA has ended or ends within two weeks and no other one goes on."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The store only."""
    add_store(parser, writes=False)


def run(args: argparse.Namespace, console: Console) -> int:
    """Print the list; what ends soon goes to standard error."""
    from gatewright.wiring.partners import declared, parties

    with parties(console.folder, args.store) as found:
        told = found.partners(declared(console.folder))
    problems = tuple(problem for one in told for problem in one.problems)
    data = {"partners": [t.as_dict() for t in told], "problems": [p.as_dict() for p in problems]}
    header = ("PARTNER", "MODE", "STATE", "CLIENTS", "CA ENDS", "", "CONTACT")
    text = render_table(header, map(_row, told)) or "no partners yet: gatewright partner add --help\n"
    console.result(data, text)
    if not console.json:
        console.complain(problems)
    return EXIT_FINDING if problems else EXIT_OK


def _row(told: PartnerTold) -> tuple[str, ...]:
    last = max((state for _, state in told.anchors), key=lambda state: state.not_after, default=None)
    return (
        told.name,
        told.mode,
        "disabled" if told.disabled else "let in",
        str(len(told.clients)),
        "" if last is None else f"{last.not_after:%Y-%m-%d}",
        "" if last is None else render_days(last.days_left),
        told.contact or "",
    )
