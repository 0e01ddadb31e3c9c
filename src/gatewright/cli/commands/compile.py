"""``gatewright compile``: the configuration that a gateway file stands for."""

from __future__ import annotations

import argparse

from gatewright.cli.console import Console
from gatewright.errors import EXIT_OK

DESCRIPTION = """\
Print the httpd configuration that the gateway file stands for, as 'up' would write it. Changes nothing."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to print."""
    parser.add_argument(
        "--emit",
        choices=("httpd", "ir"),
        default="httpd",
        help="httpd: httpd.conf (the default); ir: the tree of directives it is made from, as JSON",
    )


def run(args: argparse.Namespace, console: Console) -> int:
    """Print it."""
    from gatewright import wiring

    text = wiring.compile_gateway(console.folder, args.emit)
    if console.json:
        console.result({"emit": args.emit, "text": text}, "")
    else:
        console.raw(text)  # what is written for httpd, not a message
    return EXIT_OK
