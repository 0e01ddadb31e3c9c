"""``gatewright status``: what runs in this folder."""

from __future__ import annotations

import argparse

from gatewright.app.reports import StatusReport, worst_first
from gatewright.cli.console import Console
from gatewright.cli.render import render_days, render_length, render_table, visible
from gatewright.errors import EXIT_FINDING, EXIT_OK

DESCRIPTION = """\
Say what runs in this folder, since when, which generation of the configuration, and how many days each
certificate has left. Changes nothing. Exit code 0 when it runs, 1 when it does not or something is wrong.
With --serving, as a health check asks: 0 as long as it runs and answers, whatever else is to be told."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What counts."""
    parser.add_argument("--serving", action="store_true", help="exit code 0 while it answers, for health checks")


def run(args: argparse.Namespace, console: Console) -> int:
    """Print the state; problems go to standard error."""
    from gatewright import wiring

    report = wiring.status(console.folder)
    console.result(report.as_dict(), render_status(report))
    if not console.json:
        console.complain(report.problems)
    counted = [p for p in report.problems if not args.serving or p.code == "no-answer"]
    return EXIT_OK if report.running and not counted else EXIT_FINDING


def render_status(report: StatusReport) -> str:
    """The state as a short table."""
    rows = [("folder", report.folder)]
    if report.running:
        rows += [
            ("state", f"running for {render_length(report.uptime_seconds)} (process {report.pid})"),
            ("since", report.since.strftime("%Y-%m-%d %H:%M:%S UTC") if report.since else "unknown"),
            ("address", report.url or "unknown"),
            ("httpd", report.httpd_version),
        ]
    elif any(problem.code == "supervisor-lost" for problem in report.problems):
        rows.append(("state", "httpd serves on, but nothing looks after it; see below"))
    else:
        rows.append(("state", "not running; start it with 'gatewright up'"))
    rows.append(("generation", str(report.generation) if report.generation else "none yet"))
    if report.proof:
        rows.append(("last proof", report.proof))
    text = "".join(f"{name + ':':<12}{visible(value)}\n" for name, value in rows)
    certificates = render_certificates(report)
    return text + ("\n" + certificates if certificates else "")


def render_certificates(report: StatusReport) -> str:
    """One line for each certificate, those that end soonest first."""
    header = ("CERTIFICATE", "FOR", "SUBJECT", "ENDS", "")
    rows = (
        (c.kind, c.name, c.subject, c.not_after.strftime("%Y-%m-%d"), render_days(c.days_left))
        for c in worst_first(report.certificates)
    )
    return render_table(header, rows)
