"""``gatewright ca ocsp``: the OCSP responder, in the foreground."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from gatewright.cli.console import Console
from gatewright.cli.options import usage
from gatewright.cli.pki_options import add_store, shown, words
from gatewright.errors import EXIT_OK, ValueRejected

if TYPE_CHECKING:
    from gatewright.wiring.ocsp import Responding

DESCRIPTION = """\
Answer OCSP requests (RFC 6960, RFC 5019) about every certificate that the issuing CAs here issued, until Ctrl-C: GET and
POST, over plain HTTP, because the answers are signed. A revocation shows in the next answer. Each issuing CA gets a
responder's certificate of its own, which is renewed by itself; the CA's key signs nothing else here.

Put it behind the gateway with a route, or let it listen on an address of its own: docs/pki.md. Nonces are ignored."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where."""
    parser.add_argument(
        "--listen",
        metavar="ADDRESS:PORT",
        default="127.0.0.1:8888",
        help="where to answer; a port alone means this machine only (default: %(default)s)",
    )
    add_store(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """Serve until stopped."""
    from gatewright.model.values import Listen
    from gatewright.wiring import ocsp

    try:
        listen = Listen.parse(args.listen)
    except ValueRejected as problem:
        raise usage(
            f"--listen {args.listen!r} is not ADDRESS:PORT", "write for example --listen 127.0.0.1:8888"
        ) from problem

    def ready(now: Responding) -> None:
        data = {"url": now.url, "authorities": list(now.authorities), "signed": now.signed}
        console.result(data, _text(now, console))

    if args.store is not None:
        words(args.store, "--store")
    ocsp.respond(
        console.folder,
        args.store,
        listen,
        clock_is_right=args.clock_is_right,
        say=console.say,
        ready=ready,
    )
    return EXIT_OK


def _text(now: Responding, console: Console) -> str:
    if not now.authorities:
        return f"Answering OCSP requests at {now.url}, but there is no authority here yet. Ctrl-C stops.\n"
    name = now.authorities[0]
    files = console.folder / "certs" / "ca"
    line = (
        f"openssl ocsp -issuer {shown(files / f'{name}-issuing.pem')} -CAfile {shown(files / f'{name}-root.pem')}"
        f" -url {now.url} -cert CERTIFICATE"
    )
    return f"Answering OCSP requests for {', '.join(now.authorities)} at {now.url} until Ctrl-C. Try it:\n{line}\n"
