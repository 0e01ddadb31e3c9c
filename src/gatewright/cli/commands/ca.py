"""``gatewright ca``: the authorities kept here. Each sub-command is one line here and one module beside this one."""

from __future__ import annotations

import argparse

from gatewright.cli.console import Console
from gatewright.cli.families import Table, add_subcommands, run_subcommand

DESCRIPTION = """\
Look after the authorities of this gateway: a root each, and the issuing CAs below it, one generation after the other.
'gatewright up' makes those that gateway.yaml declares with 'managed: true'."""

SUBCOMMANDS: Table = (
    ("list", "ca_list", "list the authorities, their generations and where their keys are"),
    ("show", "ca_show", "everything about one authority"),
    ("offline", "ca_offline", "export the root key under a passphrase, and remove it here"),
    ("online", "ca_online", "take the root key back for as long as it is needed"),
    ("next", "ca_next", "make the next generation of the issuing CA"),
    ("crl", "ca_crl", "bring the CRLs up to date, and copy them elsewhere"),
    ("ocsp", "ca_ocsp", "answer OCSP requests about what was issued here"),
    ("audit", "ca_audit", "verify the issuance log and all that must agree with it"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One parser for each sub-command."""
    add_subcommands(parser, SUBCOMMANDS)


def run(args: argparse.Namespace, console: Console) -> int:
    """Hand over to the sub-command."""
    return run_subcommand(args, console, SUBCOMMANDS)
