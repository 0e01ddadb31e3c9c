"""``gatewright client enrol``: make a client's certificate known before it first comes."""

from __future__ import annotations

import argparse
from pathlib import Path

from gatewright.cli.console import Console
from gatewright.errors import EXIT_OK

DESCRIPTION = """\
Clients known by URI or key are enrolled, one certificate at a time, because httpd cannot compare those names. The gateway does
that by itself when a certificate first comes, and answers 503 until it has looked, within a second. This command does it
beforehand: the certificate must be valid and exactly the client's."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whose, and which."""
    parser.add_argument("client", metavar="NAME", help="the client's name in the gateway file")
    parser.add_argument("certificate", metavar="CERT", type=Path, help="its certificate (PEM or DER)")


def run(args: argparse.Namespace, console: Console) -> int:
    """Enrol it, and say from when on it counts."""
    from gatewright.wiring.enrolment import enrol

    done = enrol(console.folder, args.client, args.certificate)
    counts = "admitted from its first request on" if done.admitted else "admitted once the gateway file is applied"
    console.result(done.as_dict(), f"Enrolled as {done.client} until {done.not_after:%Y-%m-%d}: {counts}.")
    return EXIT_OK
