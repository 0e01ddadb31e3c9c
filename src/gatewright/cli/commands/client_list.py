"""``gatewright client list``."""

from __future__ import annotations

import argparse

from gatewright.cli.clients import client_table
from gatewright.cli.console import Console
from gatewright.cli.pki_options import add_store
from gatewright.errors import EXIT_OK

DESCRIPTION = """\
List the clients of gateway.yaml: who vouches for them, what they are known by, which routes admit them, and what is known here of
their certificates. Those that a partner issues are the partner's to count. Changes nothing."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The store only."""
    add_store(parser, writes=False)


def run(args: argparse.Namespace, console: Console) -> int:
    """Print the list."""
    from gatewright.wiring.partners import declared, parties

    with parties(console.folder, args.store) as found:
        told = found.clients(declared(console.folder))
    text = client_table(told) or "no clients yet: gatewright client add --help\n"
    console.result({"clients": [t.as_dict() for t in told]}, text)
    return EXIT_OK
