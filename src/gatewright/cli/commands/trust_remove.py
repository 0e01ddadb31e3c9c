"""``gatewright trust remove``."""

from __future__ import annotations

import argparse

from gatewright.cli.console import Console
from gatewright.cli.trust_options import add_consent, add_stores, carry_out, stores

DESCRIPTION = """\
Take out of this machine's stores what 'gatewright trust install' put in, and nothing else: an entry is ours if it has our name for
it and the root's SHA-256. What somebody else put in stays. Exit code 0 when it is gone, 1 when a yes is missing, 3 when a store
could not be changed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which stores, whose root, and consent."""
    add_stores(parser)
    add_consent(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """Say, ask, do."""
    from gatewright.wiring.trust import chosen_root, trusting

    use = trusting(console.folder)
    report = use.plan_remove(chosen_root(console.folder, args.authority), stores(args))
    return carry_out(args, console, use, report, installing=False)
