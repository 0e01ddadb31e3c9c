"""``gatewright partner enable``."""

from __future__ import annotations

import argparse

from gatewright.cli.console import Console
from gatewright.cli.edits import EDITS, add_edit, edit

DESCRIPTION = f"""\
Let a partner in again that was disabled, to whatever the routes say of its clients by now. That gives access, so applying it
needs a yes.

{EDITS}"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whom."""
    parser.add_argument("name", metavar="NAME", help="the partner's name in the gateway file")
    add_edit(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """Enable it."""
    from gatewright.app.partnering import enable_partner

    return edit(args, console, lambda document, gateway: enable_partner(document, gateway, args.name))
