"""``gatewright partner add``."""

from __future__ import annotations

import argparse

from gatewright.cli.console import Console
from gatewright.cli.edits import EDITS, add_edit, edit
from gatewright.cli.options import usage
from gatewright.cli.pki_options import path, whole, words

DESCRIPTION = f"""\
Add a partner, in one of two modes. With --ca the partner issues its clients' certificates itself: give its *issuing* CA
certificate, which is copied into partners/. With --csr the partner keeps its keys and sends requests, which
'gatewright cert sign' signs with an authority made here for it alone; --allowed-name says which names they may carry.
Clients come next: gatewright client add.

{EDITS}"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Who, and in which mode."""
    parser.add_argument("name", metavar="NAME", help="the partner's name in the gateway file")
    parser.add_argument(
        "--ca", metavar="FILE", action="append", default=[], help="its issuing CA certificate; again for a further one"
    )
    parser.add_argument("--csr", action="store_true", help="sign its requests with a managed authority of its own")
    parser.add_argument(
        "--authority", metavar="NAME", action="append", default=[], help="an authority that gateway.yaml has already"
    )
    parser.add_argument(
        "--allowed-name",
        metavar="NAME",
        action="append",
        default=[],
        help="a name that we sign for it: erp.globex.example, '*.globex.example', an e-mail address, a URI; implies --csr",
    )
    parser.add_argument("--contact", metavar="TEXT", default="", help="whom to ask: an address, a number, a name")
    parser.add_argument(
        "--host", metavar="NAME", default="", help="with --ca: a host name of its own, for a self-signed root"
    )
    parser.add_argument(
        "--depth", metavar="N", default="0", help="with --host: how many CAs may stand between that CA and its clients"
    )
    add_edit(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """Add it."""
    from gatewright.app.partnering import NewPartner, add_partner, issuing_certificates
    from gatewright.wiring.partners import given

    signs = args.csr or (args.allowed_name and not args.authority)
    if sum(map(bool, (args.ca, signs, args.authority))) != 1:
        fix = "--ca FILE where it has a CA of its own, --csr where we sign its requests, --authority NAME for one that is there"
        raise usage("say how the partner's certificates come to be, in one way", fix)
    wish = NewPartner(
        words(args.name, "NAME"),
        issuing_certificates([given(path(file, "--ca")) for file in args.ca]),
        tuple(words(name, "--authority") for name in args.authority),
        words(args.contact, "--contact"),
        tuple(words(name, "--allowed-name") for name in args.allowed_name),
        words(args.host, "--host"),
        whole(args.depth, "--depth", 0, 5),
    )
    return edit(args, console, lambda document, gateway: add_partner(document, gateway, wish))
