"""``gatewright verify``: OpenSSL's verdict on a chain, drawn and explained."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

from gatewright.cli.console import Console
from gatewright.cli.options import usage
from gatewright.errors import EXIT_FINDING, EXIT_OK, UsageError, ValueRejected
from gatewright.model.values import HostName

DESCRIPTION = """\
Say whether CERT is good, by OpenSSL's verdict: pyOpenSSL's, confirmed by the host's 'openssl verify'. Draws the
chain from the root down, marks where it breaks, and says for each error number the cause and the fix.

What is trusted: the files given with --anchor and, with --system, what this host trusts. With neither, the
authorities of the gateway in -C DIR, judged as the gateway's httpd judges clients (--as-gateway), what it has revoked
or put on hold included; with --purpose server their roots, as the gateway's callers judge it. Where there is no gateway either, nothing
is trusted. Exit code 0 valid, 1 not valid, 2 a file cannot be read."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to verify, against what, for what, and when."""
    parser.add_argument(
        "certificate", metavar="CERT", help="PEM, DER or PKCS#7; further certificates in it are --chain"
    )
    for option, words in (
        ("--chain", "intermediate certificates, not trusted"),
        ("--anchor", "certificates that are trusted"),
        ("--crl", "revocation lists; with any, CERT must be covered by one"),
    ):
        parser.add_argument(option, action="append", default=[], metavar="FILE", help=f"{words}; may be repeated")
    parser.add_argument(
        "--crl-chain", action="store_true", help="every certificate but the root must be covered by a CRL"
    )
    parser.add_argument("--purpose", choices=("client", "server"), default="client", help="default: client")
    parser.add_argument("--host", metavar="NAME", help="the host name or IP address CERT must be good for")
    parser.add_argument("--at", metavar="TIME", help="judge as of this time: 2026-11-23 or 2026-11-23T13:00:00Z")
    parser.add_argument("--system", action="store_true", help="trust what this host trusts")
    parser.add_argument(
        "--as-gateway", action="store_true", help="the gateway's rule: an anchor must have issued CERT directly"
    )
    parser.add_argument("--partial-chain", action="store_true", help="an anchor need not be a root")
    parser.add_argument("--strict", action="store_true", help="also check what RFC 5280 asks of the form")


def run(args: argparse.Namespace, console: Console) -> int:
    """Print the verdict."""
    from gatewright.app.verifying import Request
    from gatewright.pki import explain
    from gatewright.pki.verify import Purpose
    from gatewright.wiring import verify as wiring

    request = Request(
        certificate=Path(args.certificate),
        chain=tuple(map(Path, args.chain)),
        anchors=tuple(map(Path, args.anchor)),
        crls=tuple(map(Path, args.crl)),
        purpose=Purpose(args.purpose),
        at=moment(args.at) if args.at is not None else None,
        host=host(args.host) if args.host is not None else None,
        system=args.system,
        as_gateway=args.as_gateway,
        partial_chain=args.partial_chain,
        strict=args.strict,
        crl_chain=args.crl_chain,
    )
    folder = console.folder if not (args.anchor or args.system) else Path()
    judgement = wiring.verifying()(request, folder)
    console.result(explain.as_dict(judgement), explain.text(judgement))
    return EXIT_OK if judgement.accepted else EXIT_FINDING


def moment(text: str, option: str = "--at") -> datetime:
    """A time in ISO 8601 (RFC 3339); UTC where no offset is written. Raises :class:`UsageError`."""
    try:
        read = datetime.fromisoformat(text)
        # An offset may push the first or last day of the calendar over its edge.
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise usage(f"{option} {text!r} is not a time", "write 2026-11-23 or 2026-11-23T13:00:00Z") from error


def host(text: str) -> HostName:
    """A host name or IP address. Raises :class:`UsageError`."""
    try:
        return HostName.parse(text)
    except ValueRejected as error:
        raise UsageError(error.at(None)) from error
