"""``gatewright cert unrevoke``: take back, effective at the gateway when the command ends."""

from __future__ import annotations

import argparse

from gatewright.cli.console import Console
from gatewright.cli.giving_back import add_options, give_back

DESCRIPTION = """\
Take back a mistaken revocation within the time that --undo-within stated for it. The gateway admits the certificate again
when the command ends. After that time it is final: issue a new certificate instead."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which one."""
    add_options(parser, "revoked")


def run(args: argparse.Namespace, console: Console) -> int:
    """Give it back, and say so."""
    from gatewright.app.withdrawing import undo

    return give_back(args, console, undo, "Taken back")
