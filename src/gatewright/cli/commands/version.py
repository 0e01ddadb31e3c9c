"""``gatewright version``: kept free of every heavy import, so that it answers at once."""

from __future__ import annotations

import argparse
import sys

from gatewright import __version__
from gatewright.cli.console import Console
from gatewright.errors import EXIT_OK

DESCRIPTION = "Print Gatewright's version."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing beyond the global options."""


def run(args: argparse.Namespace, console: Console) -> int:
    """Print it."""
    python = ".".join(map(str, sys.version_info[:3]))
    console.result({"version": __version__, "python": python}, f"gatewright {__version__}\n")
    return EXIT_OK
