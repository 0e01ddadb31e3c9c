"""Options that the PKI's commands share, and how they tell certificates. Heavy modules are imported when used."""

from __future__ import annotations

import argparse
import os
import shlex
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from gatewright.cli.console import Console
from gatewright.cli.options import usage
from gatewright.cli.render import render_days, render_table
from gatewright.errors import ValueRejected
from gatewright.model.values import Duration

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gatewright.app.listing import Listed
    from gatewright.app.office import Office
    from gatewright.app.ordering import Delivered
    from gatewright.app.withdrawing import Back, Withdrawn

KEYS = ("p256", "p384", "rsa3072", "rsa4096", "ed25519")
"""Kinds of key, spelled as everywhere; written out here so that ``--help`` loads nothing heavy."""

PACKAGINGS = ("modern", "legacy", "java")
"""PKCS #12 for whom: see :class:`gatewright.app.ordering.Packaging`."""


def add_store(parser: argparse.ArgumentParser, *, writes: bool = True) -> None:
    """``--store``, and for commands that write ``--clock-is-right``."""
    parser.add_argument(
        "--store",
        metavar="URL",
        help="the store: postgresql://user@host/database, without a password (default: $GATEWRIGHT_STORE, "
        "else state.db in the gateway's folder)",
    )
    if writes:
        parser.add_argument(
            "--clock-is-right",
            action="store_true",
            help="accept a time before the last entry of the log, once, after a clock that was ahead was set right",
        )


def office(args: argparse.Namespace, console: Console, *, make: bool = False) -> AbstractContextManager[Office]:
    """The PKI of the gateway's folder, closed at the end; ``make``: made where there is none yet."""
    from gatewright.wiring import pki

    right = getattr(args, "clock_is_right", False)
    if args.store is not None:
        words(args.store, "--store")
    return pki.opened(console.folder, args.store, clock_is_right=right, make=make)


def length(text: str | None, option: str, *, at_least: timedelta = timedelta(minutes=1)) -> timedelta | None:
    """A length of time such as ``30d``. Raises :class:`UsageError` for anything else, and for less than ``at_least``."""
    if text is None:
        return None
    try:
        found = timedelta(milliseconds=Duration.parse(text).milliseconds)
    except (ValueRejected, OverflowError) as problem:
        raise usage(f"{option} {text!r} is not a length of time", "write a number and s, m, h or d: 30d") from problem
    if found < at_least:
        raise usage(
            f"{option} {text!r} is too short", f"give at least {Duration(int(at_least.total_seconds() * 1000))}"
        )
    if found > timedelta(days=36_500):
        raise usage(f"{option} {text!r} is longer than a hundred years", "give what is really meant, such as 90d")
    return found


def path(text: str, option: str) -> Path:
    """A path from the command line. Raises :class:`UsageError` for what cannot be one."""
    if not text or "\0" in text:
        raise usage(f"{option} {text!r} cannot be a path", "give the path of a file")
    return Path(text)


def reference(text: str) -> str:
    """What certificates are named by. Raises :class:`UsageError` for what cannot be a name, a serial number or a file."""
    if not text or not text.isprintable():
        raise usage(f"{text!r} names no certificate", "give a client's name, a serial number or a file")
    return text


def back(args: argparse.Namespace) -> Back:
    """What ``cert release`` and ``cert unrevoke`` are to give back. Raises :class:`UsageError`."""
    from gatewright.app.withdrawing import Back
    from gatewright.cli.commands.verify import moment

    if (args.certificate is None) == (args.since is None):
        raise usage("name a certificate, or --since TIME; one of the two", "see the command with --help")
    if args.since is None:
        return Back(reference(args.certificate), args.all, authority=args.authority)
    if args.authority is None or args.all:
        raise usage("--since goes with --authority, and not with --all", "add --authority NAME")
    return Back(since=moment(args.since, "--since"), authority=args.authority)


def way_back(console: Console, rows: Iterable[Listed], at: datetime, action: str) -> str:
    """The commands that give back what was taken at ``at``: by serial number where it was one certificate."""
    every = list(rows)
    if len(every) == 1:
        return f"{again(console)} cert {action} {every[0].certificate.serial_hex}\n"
    since = f"{at:%Y-%m-%dT%H:%M:%S}Z"
    authorities = dict.fromkeys(row.certificate.authority for row in every)
    return "".join(f"{again(console)} cert {action} --since {since} --authority {name}\n" for name in authorities)


def words(text: str, option: str) -> str:
    """Free text for the log or a search. Raises :class:`UsageError` for control characters and what is no text at all."""
    if not text.isprintable() or len(text) > 1000:
        raise usage(f"{option} {text[:60]!r} is not plain text of at most 1000 characters", "write it in one line")
    return text


def whole(text: str, option: str, low: int, high: int) -> int:
    """A whole number from ``low`` to ``high``. Raises :class:`UsageError`."""
    if not text.isascii() or not text.isdecimal() or len(text) > 9 or not low <= int(text) <= high:
        raise usage(f"{option} {text!r} is not a number from {low} to {high}", f"write {option} {min(50, high)}")
    return int(text)


def table(rows: Iterable[Listed]) -> str:
    """Certificates, one a line."""
    header = ("SERIAL", "FOR", "AUTHORITY", "PROFILE", "STATUS", "ENDS", "")
    return render_table(
        header,
        (
            (
                row.certificate.serial_hex,
                row.name,
                row.certificate.authority,
                row.certificate.profile.value,
                row.standing.value,
                f"{row.certificate.not_after:%Y-%m-%d}",
                render_days(row.days_left),
            )
            for row in rows
        ),
    )


def shown(place: object) -> str:
    """A path ready to be pasted into a shell, relative to the current folder where that is shorter."""
    text = str(place)
    try:
        relative = os.path.relpath(text)
    except (OSError, ValueError):
        relative = text
    return shlex.quote(relative if len(relative) < len(text) and not relative.startswith("../..") else text)


def delivered_dict(delivered: Delivered, listed: Listed) -> dict[str, object]:
    """The JSON form of a delivery: files by their paths, nothing secret."""
    client = delivered.client
    files = {
        "chain": client.chain_path,
        "ca": client.ca_path,
        "key": client.key_path,
        "p12": client.p12_path,
        "p12_password": client.passphrase_path,
        "truststore": delivered.truststore,
    }
    return {
        "certificate": listed.as_dict(),
        "files": {kind: None if place is None else str(place) for kind, place in files.items()},
        "said": [diagnostic.as_dict() for diagnostic in delivered.said],
        "curl": curl(delivered),
    }


def delivered_text(delivered: Delivered, listed: Listed, head: str) -> str:
    """A delivery for a human: what, where, and what to do next."""
    client, certificate = delivered.client, listed.certificate
    lines = [
        f"{head} {certificate.serial_hex} for {certificate.subject}",
        f"by {certificate.authority}, until {certificate.not_after:%Y-%m-%d %H:%M} UTC ({render_days(listed.days_left)})",
        "",
        f"  {shown(client.chain_path)}   certificate and chain",
    ]
    if client.key_path is not None:
        lines.append(f"  {shown(client.key_path)}   private key: for its holder only")
    if client.p12_path is not None and client.passphrase_path is not None:
        lines.append(f"  {shown(client.p12_path)}   both, for browsers, Postman, Windows and Java")
        lines.append(f"  {shown(client.passphrase_path)}   the password of the .p12: hand it over by another way")
    if delivered.truststore is not None:
        lines.append(f"  {shown(delivered.truststore)}   Java trust store with the root, same password")
    lines.append(f"  {shown(client.ca_path)}   the root: what the holder trusts the gateway's certificate by")
    line = curl(delivered)
    if line is not None:
        lines += ["", "Try it:", line]
    return "\n".join(lines) + "\n"


def curl(delivered: Delivered) -> str | None:
    """A request that the new certificate opens, for a POSIX shell. A partner puts in the name of their own key file."""
    if delivered.url is None or delivered.try_it is None:
        return None
    client = delivered.client
    key = str(client.key_path) if client.key_path is not None else "YOUR-KEY"
    words = ["curl", "-sS", "-i", "--cacert", str(client.ca_path), "--cert", str(client.chain_path), "--key", key]
    return shlex.join([*words, delivered.url + delivered.try_it])


def withdrawn_dict(done: Withdrawn, rows: Iterable[Listed]) -> dict[str, object]:
    """The JSON form of what was revoked or given back."""
    return {
        "certificates": [row.as_dict() for row in rows],
        "at": done.at.isoformat(),
        "undo_until": None if done.undo_until is None else done.undo_until.isoformat(),
        "crls_published": done.published,
        "warnings": [warning.as_dict() for warning in done.warnings],
    }


def again(console: Console) -> str:
    """How the reader starts Gatewright on this very gateway, for lines to be pasted."""
    chosen = console.chosen_folder
    return console.program if chosen == "." else f"{console.program} -C {shlex.quote(str(console.folder_to_be))}"
