"""``gatewright cert revoke``: refused by the gateway when the command ends, on open connections too."""

from __future__ import annotations

import argparse

from gatewright.cli.commands.verify import moment
from gatewright.cli.console import Console
from gatewright.cli.options import usage
from gatewright.cli.pki_options import add_store, length, office, reference, table, way_back, withdrawn_dict
from gatewright.cli.render import count
from gatewright.errors import EXIT_ENVIRONMENT, EXIT_OK

DESCRIPTION = """\
Revoke a certificate: by its client's name, its serial number or its file; with --same-key, every certificate for its
key; with --issued-since and --authority, everything that authority issued since then.

The gateway refuses it as soon as the command ends, on connections that are open already, too; nothing is reloaded. CRLs
for others are published afterwards. A revocation is final, but for a hold (--reason certificate-hold, ended by 'cert
release') and one with --undo-within (taken back by 'cert unrevoke'; CRLs call it a hold until then)."""

REASONS = (
    "unspecified",
    "key-compromise",
    "ca-compromise",
    "affiliation-changed",
    "superseded",
    "cessation-of-operation",
    "certificate-hold",
    "privilege-withdrawn",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which, why, and for how long it can be taken back."""
    parser.add_argument(
        "certificate", nargs="?", metavar="NAME|SERIAL|FILE", help="a client's name, a serial number, or a file"
    )
    parser.add_argument(
        "--reason", choices=REASONS, default="unspecified", help="the reason of RFC 5280 §5.3.1 (default: unspecified)"
    )
    parser.add_argument("--all", action="store_true", help="every certificate that the name stands for")
    parser.add_argument("--same-key", action="store_true", help="every certificate with the same key, whoever it names")
    parser.add_argument(
        "--issued-since",
        metavar="TIME",
        help="everything issued since 2026-11-23 or 2026-11-23T13:00:00Z; with --authority",
    )
    parser.add_argument("--authority", metavar="NAME", help="only certificates of this authority")
    parser.add_argument("--undo-within", metavar="LENGTH", help="it can be taken back for so long, such as 1h")
    add_store(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """Revoke, and say what was revoked."""
    from gatewright.app.listing import Listed
    from gatewright.app.withdrawing import Target, revoke
    from gatewright.model.pki import Reason

    if (args.certificate is None) == (args.issued_since is None):
        raise usage("name a certificate, or --issued-since TIME; one of the two", "see 'gatewright cert revoke --help'")
    if args.issued_since is not None and (args.authority is None or args.same_key or args.all):
        raise usage(
            "--issued-since goes with --authority, and with neither --all nor --same-key", "add --authority NAME"
        )
    reason = Reason[args.reason.upper().replace("-", "_")]
    target = Target(
        None if args.certificate is None else reference(args.certificate),
        args.all,
        args.same_key,
        None if args.issued_since is None else moment(args.issued_since, "--issued-since"),
        args.authority,
    )
    undo_within = length(args.undo_within, "--undo-within")
    with office(args, console) as desk:
        done = revoke(desk, target, reason, undo_within=undo_within)
        now = desk.deps.clock.now()
        rows = [Listed.at(desk.current(c), now) for c in done.certificates]
    verb = "on hold" if reason is Reason.CERTIFICATE_HOLD else "revoked"
    text = f"{count(len(rows), 'certificate')} {verb} ({args.reason}); the gateway refuses from now on\n\n{table(rows)}"
    if reason is Reason.CERTIFICATE_HOLD:
        text += f"\nEnd the hold with: {way_back(console, rows, done.at, 'release')}"
    elif done.undo_until is not None:
        until = f"{done.undo_until:%Y-%m-%d %H:%M:%S} UTC"
        text += f"\nUntil {until} it can be taken back: {way_back(console, rows, done.at, 'unrevoke')}"
    console.result(withdrawn_dict(done, rows), text)
    if not console.json:
        console.complain(done.warnings)
    return EXIT_OK if done.published else EXIT_ENVIRONMENT
