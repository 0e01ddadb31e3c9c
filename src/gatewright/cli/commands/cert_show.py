"""``gatewright cert show``: any certificate, CSR, CRL, key or bundle explained."""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path

from gatewright.cli.console import Console
from gatewright.errors import EXIT_OK, Diagnostic, UsageError

DESCRIPTION = """\
Explain what is in FILE: certificates, CSRs, CRLs, keys, PKCS#7 and PKCS#12, in PEM or DER. Who it is, who issued it,
what it may be used for, how long, and what is wrong with it. A private key is described, never printed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The files, and where their password stands."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="what to look at")
    parser.add_argument(
        "--password-file", metavar="FILE", help="a file whose first line is the password of FILE (default: asked for)"
    )


def run(args: argparse.Namespace, console: Console) -> int:
    """Print one description for each thing found, in order."""
    from gatewright.pki.describe import Description
    from gatewright.pki.describe_files import PasswordNeeded
    from gatewright.wiring import verify as wiring

    showing = wiring.showing()
    given = showing.password(Path(args.password_file)) if args.password_file is not None else None
    found: list[Description] = []
    for path in map(Path, args.files):
        try:
            found += showing(path, given)
        except PasswordNeeded:
            if console.json or not sys.stdin.isatty():
                raise
            found += showing(path, _ask(path))
    text = "\n".join(description.text() for description in found)
    console.result({"found": [description.as_dict() for description in found]}, text)
    return EXIT_OK


def _ask(path: Path) -> bytes:
    try:
        return getpass.getpass(f"Password of {path}: ").encode()
    except EOFError as error:
        what = f"no password for {str(path)!r} was given"
        raise UsageError(Diagnostic("password-needed", what, "", "give it with --password-file FILE")) from error
