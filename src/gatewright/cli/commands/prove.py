"""``gatewright prove``: attack the running gateway from outside, along its own declared policy."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from gatewright.cli.console import Console
from gatewright.cli.options import usage
from gatewright.cli.render import visible
from gatewright.errors import EXIT_FINDING, EXIT_OK, ValueRejected
from gatewright.model.values import Listen

if TYPE_CHECKING:
    from gatewright.app.reporting import Saved

DESCRIPTION = """\
Try every door of the running gateway from outside, along the policy it was last given: who must be refused is
refused, who must be admitted is admitted, over TLS 1.2 and 1.3, HTTP/1.1 and HTTP/2. Test certificates are issued
for minutes, never reach a backend (their requests end at Gatewright's own canary), and are revoked afterwards.
Exit code 0 proven, 1 something ended otherwise than it must, 3 no gateway runs here.

The report is kept in the folder 'reports' as JSON and HTML, signed by the gateway's own PKI. With --verify nothing is
tried: it says whether a report is untouched and whose it is. Exit code 0 authentic and proven, 1 otherwise."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How much, and where."""
    parser.add_argument(
        "--all",
        action="store_true",
        help="every route with everything (default: of each kind of route one, and every boundary)",
    )
    parser.add_argument("--at", metavar="HOST:PORT", help="where to reach it, if not on its own port here")
    parser.add_argument("--verify", metavar="FILE", help="check this report instead, offline")
    parser.add_argument(
        "--anchor",
        action="append",
        default=[],
        metavar="FILE",
        help="with --verify, the root that must have signed it (default: those of the gateway in -C DIR); may be repeated",
    )


def run(args: argparse.Namespace, console: Console) -> int:
    """Print what was proved, and every finding in full; or what a report is worth."""
    if args.verify is not None:
        return _verify(args, console)
    if args.anchor:
        raise usage("--anchor belongs to --verify", "write: gatewright prove --verify FILE --anchor ROOT.pem")
    from gatewright.prove.rendering import as_data, to_text
    from gatewright.wiring import prove as wiring

    saved: list[Saved] = []
    report = wiring.prove(console.folder, thorough=args.all, at=_place(args.at), kept=saved.append)
    console.result(as_data(report) | {"kept": [str(s.report) for s in saved if s.report]}, to_text(report))
    for written in saved:
        console.complain([written.problem] if written.problem else [])
        if written.page is not None:
            console.say(f"Report: {written.page}")
    return EXIT_OK if report.proven else EXIT_FINDING


def _verify(args: argparse.Namespace, console: Console) -> int:
    from gatewright.wiring import reports as wiring

    if args.all or args.at is not None:
        raise usage("--verify tries nothing, so --all and --at do not go with it", "leave them out")
    given, *anchors = wiring.absolute([args.verify, *args.anchor])
    checked = wiring.reporting(console.folder_to_be).verify(given, anchors)
    console.result(checked.as_dict(), visible(checked.text(), keep="\n"))
    return EXIT_OK if checked.proven else EXIT_FINDING


def _place(text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    host, _, port = text.rpartition(":")
    try:
        return host.strip("[]") or "127.0.0.1", Listen.parse(port).port
    except ValueRejected as problem:
        raise usage(f"--at {text!r} is not HOST:PORT", "write for example --at gateway.example.org:8443") from problem
