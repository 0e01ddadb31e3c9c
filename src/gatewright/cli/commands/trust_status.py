"""``gatewright trust status``."""

from __future__ import annotations

import argparse

from gatewright.cli.console import Console
from gatewright.cli.trust_options import add_stores, render, stores
from gatewright.errors import EXIT_FINDING, EXIT_OK

DESCRIPTION = """\
Say which stores of this machine trust the root of the gateway's own certificate. Every store is looked at; what was once done
does not count. Exit code 0 when every store that was found trusts it, else 1."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which stores, whose root."""
    add_stores(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """Look, and say."""
    from gatewright.wiring.trust import chosen_root, trusting

    report = trusting(console.folder).status(chosen_root(console.folder, args.authority), stores(args))
    if not console.json:
        console.complain(report.problems)
    console.result(report.as_dict(), render(report))
    return EXIT_OK if report.trusted_everywhere else EXIT_FINDING
