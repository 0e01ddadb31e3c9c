"""``gatewright partner disable``."""

from __future__ import annotations

import argparse

from gatewright.cli.console import Console
from gatewright.cli.edits import EDITS, add_edit, edit

DESCRIPTION = f"""\
Shut a partner out: once it is applied, none of its CAs is trusted, so that every one of its clients is refused in the handshake,
at every route; nothing is signed for it. Its entry, its clients and their places in lists stay for 'gatewright partner enable'.

{EDITS}"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whom."""
    parser.add_argument("name", metavar="NAME", help="the partner's name in the gateway file")
    add_edit(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """Disable it."""
    from gatewright.app.partnering import disable_partner

    return edit(args, console, lambda document, gateway: disable_partner(document, gateway, args.name))
