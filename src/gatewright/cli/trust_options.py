"""What the sub-commands of ``trust`` share: which stores, consent, and how a report looks."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from gatewright.cli.console import Console
from gatewright.cli.render import visible
from gatewright.errors import EXIT_ENVIRONMENT, EXIT_FINDING, EXIT_OK

if TYPE_CHECKING:
    from gatewright.app.trusting import Item, Trusting, TrustReport
    from gatewright.plan.trusting import Store

_ALL = "all"
_STORES = ("system", "nss", "java", _ALL)


def add_stores(parser: argparse.ArgumentParser) -> None:
    """``--store`` and ``--authority``."""
    parser.add_argument(
        "--store",
        choices=_STORES,
        default=_ALL,
        help="system: what curl and most programs read; nss: Firefox and Chromium of this account; java: every JDK (default: all)",
    )
    parser.add_argument(
        "--authority", metavar="NAME", help="the managed authority (default: that of the gateway's own certificate)"
    )


def add_consent(parser: argparse.ArgumentParser) -> None:
    """``--yes``."""
    parser.add_argument(
        "--yes", action="store_true", help="do it; without, it is said what would be done, and asked on a terminal"
    )


def stores(args: argparse.Namespace) -> tuple[Store, ...]:
    """The kinds of stores that were chosen."""
    from gatewright.plan.trusting import Store

    return tuple(Store) if args.store == _ALL else (Store(args.store),)


def carry_out(
    args: argparse.Namespace, console: Console, use: Trusting, report: TrustReport, *, installing: bool
) -> int:
    """Do what the report says if there is a yes: given beforehand, or typed on a terminal after it was read."""
    if report.to_do and not args.yes:
        asked = not console.json and sys.stdin.isatty() and sys.stderr.isatty()
        if asked:
            for line in render(report).splitlines():
                console.say(line)
        if not asked or not _typed_yes():
            console.result(report.as_dict(), f"{'' if asked else render(report)}Nothing was changed: it needs --yes.\n")
            return EXIT_FINDING
    done = use.carry_out(report, installing=installing)
    if not console.json:
        console.complain(done.problems)
    console.result(done.as_dict(), render(done))
    return EXIT_ENVIRONMENT if done.problems else EXIT_OK


def _typed_yes() -> bool:
    sys.stderr.write("Go on? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def render(report: TrustReport) -> str:
    """A report as text."""
    return visible("\n".join(_lines(report)) + "\n", keep="\n")


def _lines(report: TrustReport) -> Iterator[str]:
    root = report.root
    yield f"root  {root.subject}"
    yield f"      SHA-256 {root.sha256}"
    yield f"      vouches for {'every name' if root.names is None else ', '.join(root.names) + ', and names below them'}"
    if not report.items:
        yield "no store concerned"
    for item in report.items:
        yield f"{item.place.label}: {item.standing}"
        yield from _steps(item, done=report.done)
    if not report.done:
        yield from (f"! {danger}" for danger in report.dangers)


def _steps(item: Item, *, done: bool) -> Iterator[str]:
    if item.place.manual:
        yield from (f"  yours to {step}" for step in item.steps)
    else:
        yield from (f"  {'did' if done else 'would'} {step}" for step in item.steps)
