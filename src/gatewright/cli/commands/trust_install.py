"""``gatewright trust install``."""

from __future__ import annotations

import argparse

from gatewright.cli.console import Console
from gatewright.cli.trust_options import add_consent, add_stores, carry_out, stores

DESCRIPTION = """\
Put the root of the gateway's own certificate into the stores in which this machine's programs look for roots. Says first what it
changes and where, and changes nothing without a yes: --yes, or typed on a terminal. What it did is written down in the gateway's
folder, for 'gatewright trust remove'. A root that is not confined to certain names ('names' of a managed authority) is refused
without --unconstrained. Exit code 0 when the root is trusted, 1 when a yes is missing, 3 when a store could not be changed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which stores, whose root, and consent."""
    add_stores(parser)
    add_consent(parser)
    parser.add_argument(
        "--unconstrained", action="store_true", help="also a root that may vouch for every website: know what you do"
    )


def run(args: argparse.Namespace, console: Console) -> int:
    """Say, ask, do."""
    from gatewright.wiring.trust import chosen_root, trusting

    use = trusting(console.folder)
    root = chosen_root(console.folder, args.authority)
    report = use.plan_install(root, stores(args), unconstrained=args.unconstrained)
    return carry_out(args, console, use, report, installing=True)
