"""``gatewright ca next``: the next generation of an issuing CA."""

from __future__ import annotations

import argparse

from gatewright.cli.console import Console
from gatewright.cli.pki_options import add_store, again, office
from gatewright.errors import EXIT_OK

DESCRIPTION = """\
Make the next generation of an authority's issuing CA, under a name and key of its own. It issues from now on; what older
generations issued stays valid, and they keep signing their CRLs. Needs the root key ('ca online').

A gateway that runs trusts the new generation after 'gatewright apply', without an outage. With --keys, the new CA's key is made in a PKCS #11
token and never leaves it; the URI is remembered in the gateway's folder, the PIN is read from its pin-source."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whose, and with what key."""
    parser.add_argument("authority", metavar="NAME", help="the authority's name in gateway.yaml")
    parser.add_argument(
        "--key",
        choices=("p256", "p384", "rsa3072", "rsa4096"),
        help="the kind of key (default: that of the one before)",
    )
    parser.add_argument(
        "--keys",
        metavar="URI",
        help="make the key in this token: pkcs11:token=NAME?module-path=FILE&pin-source=file:FILE (RFC 7512)",
    )
    add_store(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """Make it, and say what follows."""
    from gatewright.app.caretaking import next_generation
    from gatewright.model.pki import KeyKind
    from gatewright.wiring import pki

    kind = None if args.key is None else KeyKind(args.key)
    with office(args, console) as desk:
        keys = None if args.keys is None else pki.token_keys(console.folder, desk.deps.keystore, args.keys)
        state, published = next_generation(desk, args.authority, kind, keys)
    program = again(console)
    text = (
        f"{state.issuing.subject} issues for {args.authority} from now on, until {state.issuing.not_after:%Y-%m-%d}.\n"
        f"What the older {'one' if len(state.issuing_generations) == 2 else 'ones'} issued stays valid.\n\n"
        f"A gateway that runs trusts it after: {program} apply\n"
        "Issue nothing for it before that: such a certificate would be refused.\n"
    )
    data = {
        "authority": args.authority,
        "generation": state.issuing.number,
        "subject": state.issuing.subject,
        "not_after": state.issuing.not_after.isoformat(),
        "issuing_file": str(state.issuing_path),
        "warnings": [w.as_dict() for w in published.warnings],
    }
    console.result(data, text)
    if not console.json:
        console.complain(published.warnings)
    return EXIT_OK
