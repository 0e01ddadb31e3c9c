"""``gatewright init``: the starter file and site, and nothing else."""

from __future__ import annotations

import argparse
import shlex

from gatewright.cli.console import Console
from gatewright.cli.render import visible
from gatewright.errors import EXIT_OK

DESCRIPTION = """\
Write a commented gateway.yaml, its JSON Schema and a small site into the gateway's folder.
Files that are there already are kept as they are. No key or certificate is made; 'gatewright up' does that."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the starter file says."""
    parser.add_argument("--host", metavar="NAME", default="", help="the public host name (default: localhost)")
    parser.add_argument("--listen", metavar="PORT", default="", help="the port, or address:port (default: 8443)")


def run(args: argparse.Namespace, console: Console) -> int:
    """Write the files and list them."""
    from gatewright import wiring  # brings in everything; only commands that work need it

    report = wiring.init(console.folder_to_be, host=args.host, listen=args.listen)
    lines = [f"wrote {name}\n" for name in report.written] + [f"kept {name}\n" for name in report.kept]
    console.result(report.as_dict(), visible("".join(lines), keep="\n"))
    console.say(f"The gateway's folder is {report.folder}. Next: {console.program} -C {shlex.quote(report.folder)} up")
    return EXIT_OK
