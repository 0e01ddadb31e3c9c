"""``gatewright explain``: would this certificate be admitted there, by which line of the gateway file, and what would change it."""

from __future__ import annotations

import argparse
from pathlib import Path

from gatewright.cli.console import Console
from gatewright.cli.render import visible
from gatewright.errors import EXIT_FINDING, EXIT_OK

DESCRIPTION = """\
Say who CERT is to the gateway in -C DIR, and whether a request with it would be admitted at PATH: by which line of the
gateway file, or why not and what would change it. Asks nobody and changes nothing: authorities by the signatures of their CAs, revocations
by the gateway's own markers, the rest by gateway.yaml as it is written now. Exit code 0 admitted, 1 refused."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Who asks for what, and when."""
    parser.add_argument("--cert", metavar="FILE", help="the client's certificate (PEM, DER); without it: nobody's")
    parser.add_argument("--route", metavar="PATH", required=True, help="the path of the request, such as /orders/42")
    parser.add_argument("--method", metavar="METHOD", default="GET", help="default: GET")
    parser.add_argument(
        "--host",
        metavar="NAME",
        help="the host name of the request (default: that under which the certificate is known)",
    )
    parser.add_argument(
        "--at", metavar="TIME", help="as of this time: 2026-11-23 or 2026-11-23T13:00:00Z (default: now)"
    )


def run(args: argparse.Namespace, console: Console) -> int:
    """Print the decision and how it came about."""
    from gatewright.app.explaining import Asked
    from gatewright.cli.commands.verify import moment
    from gatewright.wiring import verify as wiring

    asked = Asked(
        Path(args.cert) if args.cert is not None else None,
        args.route,
        args.method,
        moment(args.at) if args.at is not None else None,
        args.host,
    )
    admission = wiring.explained(console.folder, asked)
    head = "admitted" if admission.admitted else f"refused: {admission.status or 'no answer'} {admission.code}"
    if admission.admitted and admission.needs:
        head += f" by its certificate, with a {admission.needs} besides"
    lines = [f"{args.method.upper()} {visible(args.route)} at {admission.host}: {head}"]
    for step in admission.steps:
        place = f"  ({step.where})" if step.where is not None else ""
        lines.append(f"  {'yes' if step.passed else 'no '} {step.what}: {visible(step.text)}{visible(place)}")
    lines += [f"To change it: {visible(change)}" for change in admission.changes]
    console.result(admission.as_dict(), "\n".join(lines))
    return EXIT_OK if admission.admitted else EXIT_FINDING
