"""``gatewright partner``: who stands behind authorities. Each sub-command is one line here and one module beside this one."""

from __future__ import annotations

import argparse

from gatewright.cli.console import Console
from gatewright.cli.families import Table, add_subcommands, run_subcommand

DESCRIPTION = """\
Look after the partners of the gateway: parties whose clients' certificates are issued by their own CA, or signed here from
their requests. 'gatewright partner ACTION --help' explains one of these."""

SUBCOMMANDS: Table = (
    ("add", "partner_add", "a new partner: its own CA, or one that signs its requests"),
    ("list", "partner_list", "every partner, and how long its CA lasts"),
    ("show", "partner_show", "one partner, with its clients and their certificates"),
    ("disable", "partner_disable", "shut a partner out everywhere"),
    ("enable", "partner_enable", "let a partner in again"),
    ("renew", "partner_renew", "a partner's next CA beside the present one, or the old one gone"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One parser for each sub-command."""
    add_subcommands(parser, SUBCOMMANDS)


def run(args: argparse.Namespace, console: Console) -> int:
    """Hand over to the sub-command."""
    return run_subcommand(args, console, SUBCOMMANDS)
