"""``gatewright plan``: what applying the gateway file would do."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

from gatewright.app.planning import PlanReport
from gatewright.cli.console import Console
from gatewright.cli.render import render_table, visible
from gatewright.errors import EXIT_FINDING, EXIT_OK
from gatewright.plan.diff import Change
from gatewright.plan.handshake_plan import HandshakePlan

DESCRIPTION = """\
Say what 'gatewright apply' would do, before it happens: routes opened, closed and changed with who gains and who
loses access, authorities, certificates, and what each name asks of clients in the TLS handshake. Changes nothing.
Exit code 0 when nothing changes or nothing needs a human's yes, 1 when something does, 2 for a bad gateway file."""

_CERTIFICATE = {"none": "not asked for", "optional": "asked for, may be left out", "require": "demanded"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing beyond the global options."""


def run(args: argparse.Namespace, console: Console) -> int:
    """Print the plan."""
    from gatewright.wiring.apply import plan

    report = plan(console.folder)
    if not console.json:
        console.complain(report.warnings)
    console.result(report.as_dict(), visible(render_plan(report), keep="\n"))
    return EXIT_FINDING if report.difference.asks else EXIT_OK


def render_plan(report: PlanReport, *, hint: bool = True) -> str:
    """The plan as text; ``hint``: and how to apply it."""
    difference = report.difference
    before = f"generation {report.generation}" if report.generation else "nothing"
    if not difference.changes and not difference.reload:
        return f"Nothing to apply: {before} is what gateway.yaml declares.\n"
    lines = [f"In force: {before}." + (" Nothing was applied before." if difference.first else "")]
    if difference.asks:
        lines += ["", "Needs a yes:", *_changes(difference.asks, "! ")]
    others = [change for change in difference.changes if not change.asks]
    if others:
        lines += ["", "Changes:", *_changes(others, "- ")]
    if not difference.changes:
        lines += ["", "No door changes; the configuration is written anew."]
    lines += ["", "Handshakes:" if difference.handshakes != difference.handshakes_before else "Handshakes (as before):"]
    text = "\n".join(lines) + "\n" + _handshakes(difference.handshakes)
    text += (
        "\nConnections: new ones meet the new configuration; open requests are finished, idle kept-alive ones closed.\n"
    )
    if hint:
        text += f"\nApply it with: gatewright apply{' --yes' if difference.asks else ''}\n"
    return text


def _changes(changes: Sequence[Change], mark: str) -> Iterator[str]:
    for change in changes:
        yield f"  {mark}{change.text}"
        if change.gains:
            yield f"      gains access: {', '.join(change.gains)}"
        if change.loses:
            yield f"      loses access: {', '.join(change.loses)}"


def _handshakes(plans: Sequence[HandshakePlan]) -> str:
    rows = [
        (
            f"{plan.host}:{plan.port}" if ":" not in plan.host else f"[{plan.host}]:{plan.port}",
            _CERTIFICATE[plan.certificate],
            "ask their user" if plan.prompts else "ask nothing",
            "HTTP/2 and 1.1" if plan.http2 else "HTTP/1.1",
        )
        for plan in plans
    ]
    text = render_table(("AT", "CLIENT CERTIFICATE", "BROWSERS", "PROTOCOLS"), rows, indent="  ")
    names = plans[0].authorities if plans else ()
    if names:
        text += "  CA names sent: " + "; ".join(visible(name) for name in names) + "\n"
    return text
