"""``gatewright cert sign``: a partner's request becomes a certificate; the partner keeps the key."""

from __future__ import annotations

import argparse

from gatewright.cli.console import Console
from gatewright.cli.pki_options import add_store, delivered_dict, delivered_text, length, office, path, words
from gatewright.errors import EXIT_OK

DESCRIPTION = """\
Judge the certificate request in FILE by the client's entry in gateway.yaml and sign what is left of it. Only the public
key goes from the request into the certificate; names and purpose come from the entry. What will not be in the
certificate is said; what is dangerous is refused, with every reason at once (exit code 1).

Certificate and chain go into clients/NAME/: send the partner that file and ca.pem."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The request, and whose it is."""
    parser.add_argument("request", metavar="FILE", help="the request, PEM or DER (.csr)")
    parser.add_argument("--client", metavar="NAME", required=True, help="the client of gateway.yaml that sent it")
    parser.add_argument("--lifetime", metavar="LENGTH", help="such as 30d (default: the profile's)")
    parser.add_argument("--reason", metavar="TEXT", default="", help="why, for the log")
    add_store(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """Sign, say what was dropped, and where the files are."""
    from gatewright.app.listing import Listed
    from gatewright.app.ordering import sign_file

    request, lifetime = path(args.request, "FILE"), length(args.lifetime, "--lifetime")
    with office(args, console, make=True) as desk:
        delivered = sign_file(desk, request, args.client, lifetime=lifetime, why=words(args.reason, "--reason"))
        listed = Listed.at(delivered.client.certificate, desk.deps.clock.now())
    if not console.json:
        console.complain(delivered.said)
    console.result(delivered_dict(delivered, listed), delivered_text(delivered, listed, "Signed"))
    return EXIT_OK
