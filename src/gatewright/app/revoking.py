"""Takes certificates back: revoke, hold, release, undo. What httpd looks at is one marker file per revoked certificate.

Markers are made inside the transaction, before it commits: killed in between, the gateway refuses a certificate that the
store still calls valid, until :func:`synchronise_markers` has made markers and store agree. The other order could admit a revoked one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePath

from gatewright.app.authority import PkiDeps
from gatewright.errors import Diagnostic, FindingError, UsageError
from gatewright.model.pki import SERIAL, Certificate, Event, Filter, ProfileName, Reason, Status
from gatewright.ports.files import FileKind
from gatewright.ports.store import Reader, Transaction

READY = ".ready"
"""The sentinel: without it the gateway refuses every certificate, because the markers cannot be relied on."""

TWIN = ".twin-"
"""What the name of a file begins with that says: the rest names a marker of a proof with stand-ins, to be left alone."""

Selection = Callable[[Reader], Sequence[Certificate]]
"""Chooses, inside the transaction, what is meant, so that nothing issued meanwhile is missed."""


@dataclass(frozen=True, slots=True)
class Revoked:
    """What was revoked, when, and until when it may be undone (``None``: never)."""

    certificates: tuple[Certificate, ...]
    at: datetime
    undo_until: datetime | None


def one(certificate: Certificate) -> Selection:
    """The one certificate."""
    return lambda reader: [found for found in [reader.certificate(certificate.sha256)] if found is not None]


def by_serial(text: str) -> Selection:
    """The certificate with this serial number in hexadecimal, colons allowed. Unknown or ambiguous: refused."""

    def select(reader: Reader) -> Sequence[Certificate]:
        found = reader.by_serial(_serial(text))
        if len(found) != 1:
            raise UsageError(
                Diagnostic(
                    "serial-unknown" if not found else "serial-ambiguous",
                    f"{len(found) or 'no'} certificates here have the serial number {text}",
                    "revoking the wrong certificate locks somebody out",
                    "see which there are: gatewright cert list",
                )
            )
        return found

    return select


def same_key(spki_sha256: bytes) -> Selection:
    """Every certificate for this key, whoever it names."""
    return lambda reader: list(reader.certificates(Filter(spki_sha256=spki_sha256)))


def issued_since(issuer: int, moment: datetime) -> Selection:
    """Everything this CA generation issued since ``moment`` (judged by notBefore, which is five minutes early: rather more than less)."""
    return lambda reader: list(reader.certificates(Filter(issuer=issuer, issued_since=moment - timedelta(minutes=5))))


def revoke(
    selection: Selection,
    reason: Reason,
    deps: PkiDeps,
    markers: PurePath,
    *,
    by: str,
    undo_within: timedelta | None = None,
) -> Revoked:
    """Revoke what is selected and not revoked yet; durable and effective at the gateway when this returns.

    A held certificate is revoked for good by any reason but hold. ``markers`` is the folder that httpd looks into. ``undo_within`` allows :func:`undo`
    for that long; until then CRLs call it a hold. Raises :class:`UsageError` for selected roots: a root cannot revoke itself.
    """
    now = deps.clock.now()
    undo_until = None if undo_within is None else now + undo_within
    with deps.store.writing() as tx:
        chosen = [c for c in selection(tx) if _changes(c, reason)]
        _refuse_roots(chosen)
        if chosen:
            tx.revoke([c.id for c in chosen], reason, now, by, undo_until)
            events = (_event("revoked", c, now, by, reason=reason.spelling) for c in chosen)
            tx.append(events, clock_is_right=deps.clock_is_right)
            for certificate in chosen:
                for name in certificate.markers:
                    deps.files.touch(markers / name)
    return Revoked(tuple(chosen), now, undo_until)


def release(selection: Selection, deps: PkiDeps, markers: PurePath, *, by: str) -> tuple[Certificate, ...]:
    """End the hold of what is selected. What is revoked for good, or valid anyway, is left alone."""
    with deps.store.writing() as tx:
        chosen = [c for c in selection(tx) if c.status is Status.HELD]
        _give_back(tx, chosen, "released", deps, by)
    return _unmark(chosen, deps, markers)


def undo(selection: Selection, deps: PkiDeps, markers: PurePath, *, by: str) -> tuple[Certificate, ...]:
    """Take back mistaken revocations within the time stated for them. If it has passed for any of them, nothing is changed."""
    now = deps.clock.now()
    with deps.store.writing() as tx:
        chosen = [c for c in selection(tx) if c.status is not Status.VALID]
        for certificate in chosen:
            current = next(r for r in reversed(tx.revocations(certificate.id)) if r.undone_at is None)
            held = certificate.status is Status.HELD
            if not held and (current.undo_until is None or current.undo_until < now):
                raise FindingError(
                    Diagnostic(
                        "undo-too-late",
                        f"the revocation of {certificate.serial_hex} ({certificate.subject}) cannot be undone any more",
                        "it is published as final; a CRL entry other than a hold must never disappear (RFC 5280 §5.3.1)",
                        f"issue a new one: gatewright cert issue {certificate.client or certificate.subject}",
                    )
                )
        _give_back(tx, chosen, "undone", deps, by)
    return _unmark(chosen, deps, markers)


def synchronise_markers(deps: PkiDeps, markers: PurePath) -> tuple[int, int]:
    """Make the marker files say what the store says, then set the sentinel. Returns how many were added and removed.

    What a proof with stand-ins has marked for its own length is left alone: the store knows nothing of those certificates.
    Done before every start of the gateway, and whenever another gateway shares the store. Inside a transaction, because a revocation that
    is under way has its markers already while the store does not know it yet.
    """
    deps.files.make_folder(markers)
    with deps.store.writing() as tx:
        revoked = tx.revoked_markers(deps.clock.now())
        names = deps.files.list(markers)
        present = {name for name in names if not name.startswith(".")}
        wanted = {texts for texts, _ in revoked}
        serials = {serial for _, serial in revoked}
        hidden = {name for name in names if name.startswith(SERIAL)}
        of_twins = {name.removeprefix(TWIN) for name in names if name.startswith(TWIN)}
        for name in sorted((wanted - present) | (serials - hidden)):
            deps.files.touch(markers / name)
        for name in sorted(((present - wanted) | (hidden - serials)) - of_twins):
            deps.files.remove(markers / name)
    if deps.files.kind(markers / READY) is not FileKind.FILE:
        deps.files.touch(markers / READY)
    return len(wanted - present), len(present - wanted)


def _give_back(tx: Transaction, chosen: Sequence[Certificate], kind: str, deps: PkiDeps, by: str) -> None:
    now = deps.clock.now()
    tx.release([c.id for c in chosen], now)
    tx.append((_event(kind, c, now, by) for c in chosen), clock_is_right=deps.clock_is_right)


def _unmark(chosen: Sequence[Certificate], deps: PkiDeps, markers: PurePath) -> tuple[Certificate, ...]:
    # After the commit: until then, the certificate is still revoked. In a transaction of its own, so that a new
    # revocation of the same certificate cannot slip between looking and removing.
    with deps.store.writing() as tx:
        for certificate in chosen:
            present = tx.certificate(certificate.sha256)
            if present is not None and present.status is Status.VALID:
                for name in certificate.markers:
                    deps.files.remove(markers / name)
    return tuple(chosen)


def _changes(certificate: Certificate, reason: Reason) -> bool:
    if certificate.status is Status.VALID:
        return True
    return certificate.status is Status.HELD and reason is not Reason.CERTIFICATE_HOLD


def _refuse_roots(chosen: Sequence[Certificate]) -> None:
    for certificate in chosen:
        if certificate.profile is ProfileName.ROOT:
            raise UsageError(
                Diagnostic(
                    "root-cannot-be-revoked",
                    f"{certificate.subject} is a root: nobody above it could say that it is revoked",
                    "verifiers trust a root because it is in their list, whatever it says about itself",
                    "remove it from every trust list, and make a new authority under another name",
                )
            )


def _event(kind: str, certificate: Certificate, now: datetime, by: str, **more: object) -> Event:
    body: dict[str, object] = {"certificate": certificate.sha256.hex(), "serial": certificate.serial_hex, "by": by}
    return Event(kind, now, body | more)


def _serial(text: str) -> bytes:
    try:
        return int(text.replace(":", ""), 16).to_bytes(20, "big")
    except (ValueError, OverflowError) as problem:
        raise UsageError(
            Diagnostic(
                "bad-serial",
                f"{text!r} is not a serial number",
                "serial numbers are written in hexadecimal, at most 40 digits",
                "copy it from: gatewright cert list",
            )
        ) from problem
