"""Checks that log, certificates, revocations, keys and delivered files agree. Reads only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography.hazmat.primitives.serialization import Encoding

from gatewright.app.authority import PkiDeps
from gatewright.model.pki import KeyState, LogEntry, Status
from gatewright.pki.audit import Fault, check_chain, content
from gatewright.pki.reading import pem_certificate
from gatewright.ports.files import FileKind
from gatewright.ports.store import Reader

_STATUS_AFTER = {"revoked": Status.REVOKED, "released": Status.VALID, "undone": Status.VALID}


@dataclass(frozen=True, slots=True)
class AuditReport:
    """The result. ``head`` is the hash of the last entry: noted elsewhere, it proves later that nothing before it was changed."""

    entries: int
    certificates: int
    head: str
    faults: tuple[Fault, ...]


def audit(deps: PkiDeps, *, expected_head: str | None = None) -> AuditReport:
    """Verify the whole log and everything it should agree with.

    ``expected_head`` is a hash noted earlier; it must still be in the chain, or the log was cut back or rewritten.
    """
    with deps.store.reading() as reader:
        walk = _Walk()
        faults = list(check_chain(walk.through(reader.log())))
        if expected_head is not None and expected_head.lower() not in walk.hashes:
            what = f"no entry has the hash {expected_head}: the log was cut back, rewritten, or is another one"
            faults.append(Fault("head-unknown", 0, what))
        faults += _rows(reader, walk, deps)
        missing = sorted(set(walk.issued) - walk.seen)
        faults += [
            Fault("certificate-missing", walk.issued[h], f"logged certificate {h} is not stored") for h in missing
        ]
    faults += _delivered(walk, deps)
    return AuditReport(walk.entries, len(walk.seen), walk.head, tuple(faults))


class _Walk:
    """What the log says, gathered while the chain is checked."""

    def __init__(self) -> None:
        self.entries = 0
        self.head = ""
        self.issued: dict[str, int] = {}
        self.status: dict[str, Status] = {}
        self.hashes: set[str] = set()
        self.seen: set[str] = set()

    def through(self, entries: Iterator[LogEntry]) -> Iterator[LogEntry]:
        """The same entries, noted in passing."""
        for entry in entries:
            self._note(entry)
            yield entry

    def _note(self, entry: LogEntry) -> None:
        self.entries += 1
        self.head = entry.hash.hex()
        self.hashes.add(self.head)
        try:
            body = content(entry)
        except ValueError:
            return  # which is a fault of the chain
        which = str(body.get("certificate", ""))
        kind = body.get("kind")
        if kind == "issued":
            self.issued[which] = entry.seq
        elif kind in _STATUS_AFTER:
            held = kind == "revoked" and body.get("reason") == "certificate-hold"
            self.status[which] = Status.HELD if held else _STATUS_AFTER[str(kind)]


def _rows(reader: Reader, walk: _Walk, deps: PkiDeps) -> Iterator[Fault]:
    keys = set(deps.keystore.references())
    offline = {g.key for g in reader.generations() if g.key_state is not KeyState.ONLINE}
    for certificate in reader.certificates():
        digest = hashlib.sha256(certificate.der).digest()
        name = certificate.sha256.hex()
        walk.seen.add(name)
        what = f"certificate {certificate.serial_hex} ({certificate.subject})"
        if digest != certificate.sha256 or name not in walk.issued:
            yield Fault("certificate-unlogged", 0, f"{what} is stored, but the log does not know it")
        if certificate.status is not walk.status.get(name, Status.VALID):
            yield Fault("status-unlogged", 0, f"{what} is stored as {certificate.status}, which the log does not say")
        key = certificate.key
        if key is not None and key not in keys and key not in offline and not deps.keystore.holds(key):
            yield Fault("key-missing", 0, f"the private key of {what} is not at hand: {key}")


def _delivered(walk: _Walk, deps: PkiDeps) -> Iterator[Fault]:
    """Certificates among the delivered files that the store does not know: it was restored from an older backup."""
    folder = deps.folder / "clients"
    if deps.files.kind(folder) is not FileKind.FOLDER:
        return
    for name in deps.files.list(folder):
        path = folder / name / f"{name}.pem"
        if deps.files.kind(path) is not FileKind.FILE:
            continue
        try:
            leaf = pem_certificate(deps.files.read(path))
        except ValueError:
            yield Fault("delivered-unreadable", 0, f"{path} is not a certificate")
            continue
        if hashlib.sha256(leaf.public_bytes(Encoding.DER)).hexdigest() not in walk.seen:
            yield Fault(
                "delivered-unknown",
                0,
                f"{path} was issued, but the store does not know it: restored from an older backup?",
            )
