"""``gatewright ca list``: the authorities, generation by generation."""

from __future__ import annotations

import argparse

from gatewright.cli.console import Console
from gatewright.cli.pki_options import add_store, office
from gatewright.cli.render import render_days, render_table
from gatewright.errors import EXIT_OK

DESCRIPTION = """\
List every authority kept here: root and issuing CAs by generation, which one issues now, where its key is, and when it
ends. Changes nothing."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The store only."""
    add_store(parser, writes=False)


def run(args: argparse.Namespace, console: Console) -> int:
    """Print the list."""
    from gatewright.app.caretaking import generations

    with office(args, console) as desk:
        told = generations(desk)
    rows = (
        (
            t.generation.authority,
            f"{t.generation.role} G{t.generation.number}",
            "issues"
            if t.generation.active and t.generation.role == "issuing"
            else ""
            if t.generation.active
            else "retired",
            f"{t.key} {'in a token' if t.in_token else t.generation.key_state}",
            f"{t.generation.not_after:%Y-%m-%d}",
            render_days(t.days_left),
            t.generation.subject,
        )
        for t in told
    )
    text = render_table(("AUTHORITY", "CA", "", "KEY", "ENDS", "", "SUBJECT"), rows) or "no authorities yet\n"
    console.result({"generations": [t.as_dict() for t in told]}, text)
    return EXIT_OK
