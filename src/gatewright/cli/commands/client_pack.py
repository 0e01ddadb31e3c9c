"""``gatewright client pack``: what a client's developer is handed."""

from __future__ import annotations

import argparse

from gatewright.cli.console import Console
from gatewright.cli.pki_options import PACKAGINGS, add_store, office, path, reference, shown
from gatewright.errors import EXIT_OK

DESCRIPTION = """\
Write one folder (or, with --out FILE.zip, one archive) for the developer who calls the gateway as this client: certificate
and chain, the CA to trust, a one-page README, curl lines, collections for Postman and Bruno, and programs in Python, Java,
Node.js, Go, .NET and PowerShell. With the private key and a .p12 where the key was made here; where the developer made
it, nothing in the pack is secret: so it is where a partner's own CA issues, whose certificate is given with --cert. The password of the .p12 is written beside the pack, not into it: send it another way."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whose, where, and for which programs."""
    parser.add_argument("client", metavar="NAME", help="a client of the gateway file")
    parser.add_argument("--out", metavar="FOLDER|FILE.zip", help="where; it must not be there yet (default: NAME-pack)")
    parser.add_argument("--cert", metavar="FILE", help="its certificate, where a partner's CA issues it (PEM or DER)")
    choices = [p for p in PACKAGINGS if p != "java"]
    parser.add_argument(
        "--p12", choices=choices, default="modern", help="protection of the .p12 (default: %(default)s)"
    )
    add_store(parser, writes=False)


def run(args: argparse.Namespace, console: Console) -> int:
    """Write it, and say what to send how."""
    from gatewright.app.ordering import Packaging
    from gatewright.app.packing import pack_client
    from gatewright.model.values import Name
    from gatewright.wiring.partners import certificates

    name = reference(args.client)
    out = path(args.out or f"{name}-pack", "--out").absolute()
    given = () if args.cert is None else certificates(path(args.cert, "--cert"))
    with office(args, console) as desk:
        packed = pack_client(desk, Name(name), out, Packaging(args.p12), given)
    lines = [f"wrote {shown(out)}: {len(packed.files)} files for {packed.url}"]
    if packed.with_key:
        lines.append("it holds the private key: send it encrypted, or have the developer make the key (cert sign)")
    if packed.password_file is not None:
        lines.append(f"the password of the .p12 is in {shown(packed.password_file)}: send it another way")
    console.result(packed.as_dict(), "\n".join(lines) + "\n")
    return EXIT_OK
