"""``gatewright cert release``: end a hold, effective at the gateway when the command ends."""

from __future__ import annotations

import argparse

from gatewright.cli.console import Console
from gatewright.cli.giving_back import add_options, give_back

DESCRIPTION = """\
End a hold: the gateway admits the certificate again when the command ends. What is revoked for good stays so."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which one."""
    add_options(parser, "put on hold")


def run(args: argparse.Namespace, console: Console) -> int:
    """Give it back, and say so."""
    from gatewright.app.withdrawing import release

    return give_back(args, console, release, "Released")
