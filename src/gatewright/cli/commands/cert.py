"""``gatewright cert``: one certificate's life. Each sub-command is one line here and one module beside this one."""

from __future__ import annotations

import argparse

from gatewright.cli.console import Console
from gatewright.cli.families import Table, add_subcommands, run_subcommand

DESCRIPTION = """\
Issue, sign, renew, revoke, list, export and explain certificates. 'gatewright cert ACTION --help' explains one of these.
Certificates are named by their client (the newest one is meant), by serial number, or by file."""

SUBCOMMANDS: Table = (
    ("issue", "cert_issue", "make a key and issue a certificate for a client"),
    ("sign", "cert_sign", "sign a partner's request; the partner keeps the key"),
    ("renew", "cert_renew", "issue a successor; the old one stays valid until its end"),
    ("revoke", "cert_revoke", "refuse a certificate from now on, on open connections too"),
    ("release", "cert_release", "end a hold"),
    ("unrevoke", "cert_unrevoke", "take back a mistaken revocation within its time"),
    ("list", "cert_list", "list what was issued here"),
    ("export", "cert_export", "pack a certificate again: PKCS #12 or PEM"),
    ("show", "cert_show", "explain any certificate, CSR, CRL, key or bundle"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One parser for each sub-command."""
    add_subcommands(parser, SUBCOMMANDS)


def run(args: argparse.Namespace, console: Console) -> int:
    """Hand over to the sub-command."""
    return run_subcommand(args, console, SUBCOMMANDS)
