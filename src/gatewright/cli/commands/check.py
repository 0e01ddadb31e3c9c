"""``gatewright check``: every problem of a gateway file at once, without side effects."""

from __future__ import annotations

import argparse
from pathlib import Path

from gatewright.app.reports import CheckReport
from gatewright.cli.console import Console
from gatewright.cli.render import count, visible
from gatewright.errors import EXIT_OK, EXIT_USAGE, Severity

DESCRIPTION = """\
Read a gateway file and report every problem in it at once, each with its place and what to write instead.
Changes nothing, starts nothing. Exit code 0 when it can be run, 2 when it cannot."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The file to look at."""
    parser.add_argument(
        "file", nargs="?", metavar="FILE", help="the gateway file (default: gateway.yaml in the gateway's folder)"
    )


def run(args: argparse.Namespace, console: Console) -> int:
    """Report problems on standard error, and the summary of a good file on standard output."""
    from gatewright import wiring

    report = wiring.check(console.folder, Path(args.file) if args.file is not None else None)
    if console.json:
        console.result(report.as_dict(), "")
    else:
        console.complain(report.diagnostics)
        if report.passed:
            console.raw(visible(summary(report), keep="\n"))
        else:
            console.say(f"{report.file}: {problems(report)}; nothing was changed")
    return EXIT_OK if report.passed else EXIT_USAGE


def summary(report: CheckReport) -> str:
    """One line on a good file: how many routes are open to whom."""
    parts = [
        f"{number} {words}"
        for number, words in (
            (report.public, "public"),
            (report.any_client, "for any client"),
            (report.named, "for named clients"),
        )
        if number
    ]
    return f"{report.file}: good; {count(report.routes, 'route')}: {', '.join(parts) or 'none'}\n"


def problems(report: CheckReport) -> str:
    """How many errors and warnings there are."""
    errors = sum(d.severity is Severity.ERROR for d in report.diagnostics)
    warnings = sum(d.severity is Severity.WARNING for d in report.diagnostics)
    return count(errors, "error") + (f", {count(warnings, 'warning')}" if warnings else "")
