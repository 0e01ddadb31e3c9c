"""``gatewright cert renew``: a successor with the same names; the old certificate stays valid until its end."""

from __future__ import annotations

import argparse

from gatewright.cli.console import Console
from gatewright.cli.pki_options import (
    PACKAGINGS,
    add_store,
    again,
    delivered_dict,
    delivered_text,
    office,
    reference,
    words,
)
from gatewright.errors import EXIT_OK

DESCRIPTION = """\
Issue a successor of a certificate: same names, profile and lifetime, with a new key where the key was made here, and
written into clients/NAME/. The old one stays valid until its end, so that its holder can change over without haste;
revoke it when that is done. A partner who keeps the key had better send a new request ('gatewright cert sign')."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which one."""
    parser.add_argument("certificate", metavar="NAME|SERIAL|FILE", help="a client's name, a serial number, or a file")
    parser.add_argument("--authority", metavar="NAME", help="only certificates of this authority")
    parser.add_argument("--p12", choices=PACKAGINGS, default="modern", help="PKCS #12 for whom (default: modern)")
    parser.add_argument("--reason", metavar="TEXT", default="", help="why, for the log")
    add_store(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """Renew, and say where the files are."""
    from gatewright.app.listing import Listed
    from gatewright.app.ordering import Packaging, renew_by_reference

    wanted = reference(args.certificate)
    with office(args, console) as desk:
        old, delivered = renew_by_reference(
            desk, wanted, authority=args.authority, packaging=Packaging(args.p12), why=words(args.reason, "--reason")
        )
        listed = Listed.at(delivered.client.certificate, desk.deps.clock.now())
    text = delivered_text(delivered, listed, "Renewed as")
    text += (
        f"\n{old.serial_hex} stays valid until {old.not_after:%Y-%m-%d %H:%M} UTC. When its holder has changed over:\n"
    )
    text += f"{again(console)} cert revoke {old.serial_hex} --reason superseded\n"
    console.result(delivered_dict(delivered, listed) | {"renews": old.serial_hex}, text)
    return EXIT_OK
