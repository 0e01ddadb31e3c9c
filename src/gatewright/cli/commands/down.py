"""``gatewright down``: stop what runs in this folder."""

from __future__ import annotations

import argparse

from gatewright.cli.console import Console
from gatewright.errors import EXIT_OK

DESCRIPTION = """\
Stop the gateway of this folder and wait until it has ended. Requests under way are finished first.
Where none runs, that is said and is no error."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing beyond the global options."""


def run(args: argparse.Namespace, console: Console) -> int:
    """Stop it, and say what was stopped."""
    from gatewright import wiring

    report = wiring.down(console.folder)
    if not report.was_running:
        text = "no gateway runs in this folder\n"
    else:
        how = "killed, because it did not stop by itself" if report.forced else "stopped"
        text = f"{how} (process {report.pid}, {report.seconds:.1f} s)\n"
    console.result(report.as_dict(), text)
    return EXIT_OK
