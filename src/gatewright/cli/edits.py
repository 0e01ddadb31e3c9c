"""How the commands that edit the gateway file share options, and tell what they did."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from gatewright.cli.console import Console
from gatewright.errors import EXIT_OK

if TYPE_CHECKING:
    from gatewright.app.editing import EditReport, Wanted
    from gatewright.model.gateway import Gateway
    from gatewright.source.editing import Document

EDITS = """\
gateway.yaml is edited in place: comments, order and quotes stay, and nothing is written unless the whole file checks.
What changed and who gains or loses access is told; it is in force once it is applied."""


def add_edit(parser: argparse.ArgumentParser) -> None:
    """``--apply`` and the consent that it may need."""
    parser.add_argument("--apply", action="store_true", help="bring it into force at once, as 'gatewright apply' does")
    parser.add_argument("--yes", action="store_true", help="with --apply: agree to what the plan says needs a yes")


def edit(
    args: argparse.Namespace, console: Console, change: Callable[[Document, Gateway], Wanted], more: str = ""
) -> int:
    """Make the change, tell it, and apply it where that is wanted. ``more`` is said at the end."""
    from gatewright.cli.commands.apply import render_applied
    from gatewright.cli.options import usage
    from gatewright.cli.render import visible
    from gatewright.wiring import apply as wiring_apply
    from gatewright.wiring import partners

    if args.yes and not args.apply:
        raise usage("--yes goes with --apply", "add --apply")
    report = partners.edit(console.folder, change)
    if not console.json:
        console.complain(report.notes)
    applied = None
    if args.apply and (report.plan.difference.reload or report.plan.difference.changes):
        if not console.json:
            console.raw(visible(_told(report, hint=False), keep="\n"))
        applied = wiring_apply.apply(console.folder, yes=args.yes, back=False, again=False, say=console.say)
        if not console.json:
            console.complain(applied.problems)
    text = _told(report) if applied is None else "\n" + render_applied(applied)
    data = {**report.as_dict(), "applied": None if applied is None else applied.as_dict()}
    console.result(data, visible(text + more, keep="\n"))
    return EXIT_OK if applied is None else applied.code


def _changed(report: EditReport) -> str:
    """What is another in the file, and beside it."""
    return report.difference + "".join(f"wrote {file}\n" for file in report.written)


def _told(report: EditReport, *, hint: bool = True) -> str:
    from gatewright.cli.commands.plan import render_plan

    if not report.changed:
        return (
            "Nothing to change: gateway.yaml says so already.\n"  # what is not applied yet is told by 'gatewright plan'
        )
    text = _changed(report) + "\n"
    if report.pending:
        text += "gateway.yaml held other changes that are not in force yet; the plan has them too.\n"
    return text + render_plan(report.plan, hint=hint)
