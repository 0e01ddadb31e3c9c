"""``gatewright cert export``: a certificate packed again for another program."""

from __future__ import annotations

import argparse
from pathlib import Path

from gatewright.cli.console import Console
from gatewright.cli.options import usage
from gatewright.cli.pki_options import PACKAGINGS, add_store, office, path, reference, shown
from gatewright.errors import EXIT_OK

DESCRIPTION = """\
Pack a certificate again. --p12 makes a PKCS #12 file with key, certificate and chain: modern, legacy (Windows before
2019, macOS before 15, old appliances), or java (with a trust store beside it). Its password is read from
--password-file, or made and written there. --pem gives certificate and chain, on standard output without --out; with
--with-key, the private key first, into --out only."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which one, and how."""
    parser.add_argument("certificate", metavar="NAME|SERIAL|FILE", help="a client's name, a serial number, or a file")
    form = parser.add_mutually_exclusive_group(required=True)
    form.add_argument("--p12", choices=PACKAGINGS, help="as PKCS #12")
    form.add_argument("--pem", action="store_true", help="as PEM")
    parser.add_argument("--out", metavar="FILE", help="the file to write; it must not be there yet")
    parser.add_argument("--with-key", action="store_true", help="with --pem: the private key, too")
    parser.add_argument(
        "--password-file", metavar="FILE", help="the password of the .p12, mode 0600 (default: OUT.password, made)"
    )
    parser.add_argument("--authority", metavar="NAME", help="only certificates of this authority")
    add_store(parser, writes=False)


def run(args: argparse.Namespace, console: Console) -> int:
    """Write the file, and say where."""
    wanted = reference(args.certificate)
    out = None if args.out is None else path(args.out, "--out").absolute()
    if args.pem:
        return _pem(args, console, wanted, out)
    if out is None:
        raise usage("--p12 needs --out FILE", f"add --out {args.certificate}.p12")
    if args.with_key:
        raise usage("--with-key goes with --pem; a .p12 always holds the key", "leave it out")
    return _p12(args, console, wanted, out)


def _pem(args: argparse.Namespace, console: Console, wanted: str, out: Path | None) -> int:
    from gatewright.app.listing import Listed
    from gatewright.app.ordering import export_pem, write_new

    if args.with_key and out is None:
        raise usage("--with-key needs --out FILE: a private key is not printed", "add --out FILE")
    if args.password_file is not None:
        raise usage("--password-file goes with --p12", "leave it out")
    with office(args, console) as desk:
        certificate, text = export_pem(desk, wanted, authority=args.authority, with_key=args.with_key)
        if out is not None:
            write_new(desk.deps.files, out, text, 0o600 if args.with_key else 0o644)
        listed = Listed.at(certificate, desk.deps.clock.now())
    data = {"certificate": listed.as_dict(), "out": None if out is None else str(out)}
    if out is None:
        console.result(data | {"pem": text.decode()}, text.decode())
    else:
        console.result(data, f"wrote {shown(out)}\n")
    return EXIT_OK


def _p12(args: argparse.Namespace, console: Console, wanted: str, out: Path) -> int:
    from gatewright.app.listing import Listed
    from gatewright.app.ordering import Packaging, export_p12

    password = out.with_name(f"{out.name}.password")
    if args.password_file is not None:
        password = path(args.password_file, "--password-file").absolute()
    with office(args, console) as desk:
        done = export_p12(desk, wanted, out, Packaging(args.p12), authority=args.authority, password=password)
        listed = Listed.at(done.certificate, desk.deps.clock.now())
    lines = [f"wrote {shown(out)}", f"its password is in {shown(password)}"]
    if done.truststore is not None:
        lines.append(f"wrote {shown(done.truststore)}, a Java trust store with the root, same password")
    data = {
        "certificate": listed.as_dict(),
        "out": str(out),
        "password_file": str(password),
        "truststore": None if done.truststore is None else str(done.truststore),
    }
    console.result(data, "\n".join(lines) + "\n")
    return EXIT_OK
