"""``gatewright ca offline``: the root key leaves this machine."""

from __future__ import annotations

import argparse

from gatewright.cli.console import Console
from gatewright.cli.pki_options import add_store, again, office, path, shown
from gatewright.errors import EXIT_OK

DESCRIPTION = """\
Write the root key of an authority to FILE, encrypted under the passphrase in the first line of --passphrase-file, read it
back, and only then remove it here. The root's CRLs are signed ahead to the end of the issuing CA, so nothing is late
while the key is away. It is needed again for the next issuing CA, or to revoke one.

Take FILE to a medium that is kept apart from this machine, and the passphrase to another place. Without either, the root
can never sign again. Interrupted, repeat the command."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whose, and where to."""
    parser.add_argument("authority", metavar="NAME", help="the authority's name in gateway.yaml")
    parser.add_argument("--out", metavar="FILE", required=True, help="the encrypted key; it must not be there yet")
    parser.add_argument(
        "--passphrase-file", metavar="FILE", required=True, help="its first line, 12 characters or more; mode 0600"
    )
    add_store(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """Export, and say what to do with it."""
    from gatewright.app.caretaking import take_offline

    out = path(args.out, "--out").absolute()
    with office(args, console) as desk:
        ahead = take_offline(desk, args.authority, out, path(args.passphrase_file, "--passphrase-file"))
    text = (
        f"The root key of {args.authority} is in {shown(out)}, encrypted, and no longer in this gateway's folder.\n"
        f"{ahead} of its CRLs are signed ahead.\n\n"
        "Now: copy that file to two media kept apart from this machine, then remove it here and the passphrase file, too.\n"
        f"When it is needed: {again(console)} ca online {args.authority} --in FILE --passphrase-file FILE\n"
    )
    console.result({"authority": args.authority, "out": str(out), "crls_signed_ahead": ahead}, text)
    return EXIT_OK
