"""``gatewright ca online``: the root key comes back."""

from __future__ import annotations

import argparse

from gatewright.cli.console import Console
from gatewright.cli.pki_options import add_store, office, path
from gatewright.errors import EXIT_OK

DESCRIPTION = """\
Take the root key of an authority back from the file that 'ca offline' wrote, which stays as it is. Take it offline again
('ca offline' with another --out) when the work is done."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whose, and where from."""
    parser.add_argument("authority", metavar="NAME", help="the authority's name in gateway.yaml")
    parser.add_argument("--in", dest="source", metavar="FILE", required=True, help="the encrypted key")
    parser.add_argument("--passphrase-file", metavar="FILE", required=True, help="its first line; mode 0600")
    add_store(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """Bring it back."""
    from gatewright.app.caretaking import bring_online

    source = path(args.source, "--in").absolute()
    with office(args, console) as desk:
        bring_online(desk, args.authority, source, path(args.passphrase_file, "--passphrase-file"))
    text = f"The root key of {args.authority} is online. Take it offline again when the work is done.\n"
    console.result({"authority": args.authority, "key_state": "online"}, text)
    return EXIT_OK
