"""``gatewright up``: from whatever is there to a running gateway."""

from __future__ import annotations

import argparse

from gatewright.app.reports import ReadyInfo
from gatewright.cli.banner import render_ready
from gatewright.cli.console import Console

DESCRIPTION = """\
Run the gateway of this folder. In an empty folder: write a commented gateway.yaml and a small site, make the
authority and the certificates, then run. When it answers, the requests to try are printed as curl lines.
In the foreground until Ctrl-C, with log lines on standard error. Where it runs already, nothing is changed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Foreground or not."""
    parser.add_argument("--detach", action="store_true", help="return once it answers; 'gatewright down' stops it")


def run(args: argparse.Namespace, console: Console) -> int:
    """Bring the gateway up; in the foreground, stay until it is stopped."""
    from gatewright import wiring

    def ready(info: ReadyInfo) -> None:
        console.result(info.as_dict(), render_ready(info, console.program))

    return wiring.up(console.folder_to_be, detach=args.detach, console=console.say, ready=ready)
