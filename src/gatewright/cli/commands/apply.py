"""``gatewright apply``: bring the gateway file into force, proved, or leave everything as it was."""

from __future__ import annotations

import argparse

from gatewright.app.applying import ApplyReport
from gatewright.cli.commands.plan import render_plan
from gatewright.cli.console import Console
from gatewright.cli.render import count, visible
from gatewright.plan.applying import Outcome

DESCRIPTION = """\
Bring gateway.yaml into force without dropping a request. The new configuration is first started as a shadow instance
on a private port and proved there; then it is switched to, taken by the running gateway, and proved on the real port.
If anything goes wrong, the last good generation comes back by itself, is proved again, and the reason is told.
Where no gateway runs, the next 'gatewright up' takes it. What needs a human's yes ('gatewright plan' says what) is
not applied without --yes. Exit code 0 when it is in force, 1 when it needs a yes or was not proved, 2 for a bad
gateway file, 3 when the machine is not ready."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Consent, and the way back."""
    parser.add_argument("--yes", action="store_true", help="agree to what 'gatewright plan' lists under 'Needs a yes'")
    parser.add_argument(
        "--back",
        action="store_true",
        help="bring back the generation before the current one, proved; gateway.yaml stays",
    )

    # For the supervisor, which looks after the gateway's certificate with it.
    parser.add_argument("--again", action="store_true", help=argparse.SUPPRESS)
    # For up, before it starts httpd.
    parser.add_argument("--starting", action="store_true", help=argparse.SUPPRESS)


def run(args: argparse.Namespace, console: Console) -> int:
    """Apply, telling each step on standard error, and the result on standard output."""
    from gatewright.wiring.apply import apply

    report = apply(
        console.folder,
        yes=args.yes or args.back or args.starting,
        back=args.back,
        again=args.again,
        starting=args.starting,
        say=console.say,
    )
    if not console.json:
        console.complain(report.problems)
    console.result(report.as_dict(), visible(render_applied(report), keep="\n"))
    return report.code


def render_applied(report: ApplyReport) -> str:
    """What came of it, as text."""
    now = f"generation {report.generation}" if report.generation else "nothing"
    took = f"{report.seconds:.1f} s"
    match report.outcome:
        case Outcome.UNCHANGED:
            text = f"Nothing to apply: {now} is what gateway.yaml declares.\n"
        case Outcome.ASKS:
            text = (
                render_plan(report.plan) if report.plan else ""
            ) + f"\nNot applied: it needs a yes; {now} is untouched.\n"
        case Outcome.APPLIED:
            where = "in force and proved" if report.running else "proved; the next 'gatewright up' starts it"
            text = f"Generation {report.generation} is {where} ({count(report.probes, 'probe')}, {took}).\n"
        case Outcome.REFUSED:
            text = f"Not applied; {now} is untouched.\n"
        case Outcome.ROLLED_BACK:
            text = f"Not applied: it was taken back after {took}; {now} is in force again, and proved.\n"
        case Outcome.UNSETTLED:
            text = f"Not applied, and {now} is not proved to be in force: see 'gatewright status'.\n"
    return text
