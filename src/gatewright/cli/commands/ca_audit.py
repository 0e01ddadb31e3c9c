"""``gatewright ca audit``: is the issuance log whole, and does everything agree with it."""

from __future__ import annotations

import argparse
import re

from gatewright.cli.console import Console
from gatewright.cli.options import usage
from gatewright.cli.pki_options import add_store, office
from gatewright.cli.render import count
from gatewright.errors import EXIT_FINDING, EXIT_OK, Diagnostic

DESCRIPTION = """\
Verify the issuance log: every entry's hash, the chain of all of them, and that certificates, revocations, keys and
delivered files agree with it. Changes nothing. Prints the head of the chain: note it elsewhere, and give it later as
--expect-head to prove that nothing before it was changed or left out. Exit code 1 with what is wrong."""

_HEAD = re.compile(r"[0-9a-fA-F]{64}\Z")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to expect."""
    parser.add_argument("--expect-head", metavar="HASH", help="a head noted earlier, which must be in the chain still")
    add_store(parser, writes=False)


def run(args: argparse.Namespace, console: Console) -> int:
    """Print the result; what is wrong goes to standard error."""
    from gatewright.app.auditing import audit

    if args.expect_head is not None and not _HEAD.match(args.expect_head):
        raise usage(
            f"--expect-head {args.expect_head!r} is not a hash", "give the 64 digits that an earlier audit printed"
        )
    with office(args, console) as desk:
        report = audit(desk.deps, expected_head=args.expect_head)
    data = {
        "entries": report.entries,
        "certificates": report.certificates,
        "head": report.head,
        "faults": [{"code": f.code, "entry": f.seq or None, "what": f.what} for f in report.faults],
    }
    verdict = "they agree" if not report.faults else f"{count(len(report.faults), 'fault')} found"
    entries = count(report.entries, "entry of the log", "entries of the log")
    text = f"{entries}, {count(report.certificates, 'certificate')}: {verdict}\nhead {report.head}\n"
    console.result(data, text)
    if not console.json:
        console.complain(Diagnostic(f.code, f.what, "", _FIX.get(f.code, _LOOK)) for f in report.faults)
    return EXIT_FINDING if report.faults else EXIT_OK


_LOOK = "compare with a backup of the gateway's folder, and find out who could write the store"
_FIX = {
    "key-missing": "restore keys/ from the backup; if the key is lost, revoke the certificate and issue a new one",
    "delivered-unknown": "revoking it needs its record: restore the newer backup, or make a new issuing CA: gatewright ca next",
    "delivered-unreadable": "write it again: gatewright cert export",
    "head-unknown": "compare with a backup made when that head was noted",
}
