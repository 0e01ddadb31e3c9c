"""The hash-chained issuance log: how entries are chained, and how an auditor checks the chain without us.

An entry's hash is SHA-256 over the ASCII line ``gatewright-log-v1``, the 32 bytes of the previous entry's hash (zeros for the
first) and the entry's text, which is JSON with sorted keys and no white space (the canonical form of RFC 8785 for the
strings and integers used here). Whoever notes the last hash can show later that nothing before it was changed or left out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gatewright.model.pki import Certificate, Event, LogEntry

FIRST = bytes(32)
_DOMAIN = b"gatewright-log-v1\n"
CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far the clock may lie before the last entry's time: corrections by NTP are smaller, a wrong clock is usually not."""


def link(seq: int, event: Event, previous: bytes) -> LogEntry:
    """``event`` as entry number ``seq`` after the entry whose hash is ``previous``."""
    content = {"seq": seq, "at": _stamp(event.at), "kind": event.kind, **event.body}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return LogEntry(seq, text, previous, _hash(previous, text))


def issued(certificate: Certificate, issuer_sha256: bytes, at: datetime) -> Event:
    """The event of issuing ``certificate`` under the CA certificate whose hash is ``issuer_sha256``."""
    return Event(
        "issued",
        at,
        {
            "certificate": certificate.sha256.hex(),
            "issuer": issuer_sha256.hex(),
            "serial": certificate.serial_hex,
            "subject": certificate.subject,
            "names": [f"{kind}:{value}" for kind, value in certificate.names],
            "spki": certificate.spki_sha256.hex(),
            "not_after": _stamp(certificate.not_after),
            "profile": certificate.profile.value,
            "authority": certificate.authority,
            "client": certificate.client,
            "by": certificate.requested_by,
            "why": certificate.why,
        },
    )


def content(entry: LogEntry) -> Mapping[str, object]:
    """What ``entry`` says. Raises ``ValueError`` for a text that :func:`link` did not write."""
    found = json.loads(entry.text)
    if not isinstance(found, dict):
        raise ValueError("it is no JSON object")
    return found


def entry_time(entry: LogEntry) -> datetime:
    """When ``entry`` says it was written. Raises ``ValueError`` where it does not say that."""
    return datetime.strptime(str(content(entry).get("at")), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with the log or with what it should agree with. ``seq`` is 0 where no entry is concerned."""

    code: str
    seq: int
    what: str


def check_chain(entries: Iterable[LogEntry]) -> Iterator[Fault]:
    """Every break in the chain, in one pass over entries in the order of their numbers."""
    previous, expected = FIRST, 1
    for entry in entries:
        if entry.seq != expected:
            yield Fault("entry-missing", expected, f"entries {expected} to {entry.seq - 1} are missing")
        elif entry.previous != previous:
            yield Fault("chain-broken", entry.seq, f"entry {entry.seq} does not follow from entry {entry.seq - 1}")
        if _hash(entry.previous, entry.text) != entry.hash:
            yield Fault(
                "entry-changed", entry.seq, f"the text of entry {entry.seq} does not have the hash kept with it"
            )
        else:
            yield from _said(entry)
        previous, expected = entry.hash, entry.seq + 1


def _said(entry: LogEntry) -> Iterator[Fault]:
    """What is wrong with an entry whose hash is right: whoever can write here can compute hashes, too."""
    try:
        moved = content(entry).get("seq") != entry.seq
    except ValueError as problem:
        yield Fault("entry-unreadable", entry.seq, f"entry {entry.seq} is not as Gatewright writes them: {problem}")
        return
    if moved:
        yield Fault("entry-moved", entry.seq, f"entry {entry.seq} was written as another entry")


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _hash(previous: bytes, text: str) -> bytes:
    return hashlib.sha256(_DOMAIN + previous + text.encode()).digest()
