"""``cert revoke``, ``release`` and ``unrevoke``: which certificates are meant, the marker files, and the lists published afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePath

from gatewright.app import revoking
from gatewright.app.authority import find_authority
from gatewright.app.office import CA_PROFILES, Office, find, the_one, unknown_authority
from gatewright.app.places import make_places
from gatewright.app.publishing import publish
from gatewright.app.revoking import Selection
from gatewright.errors import Diagnostic, FindingError, GatewrightError, Severity, UsageError
from gatewright.model.pki import CaRole, Certificate, Filter, Reason, Revocation, Status
from gatewright.ports.files import FileKind
from gatewright.ports.store import Reader


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be revoked: one reference, with ``every`` all certificates it stands for, with ``same_key`` all with their keys.

    Or, with ``issued_since`` and ``authority``, everything that authority issued since then.
    """

    reference: str | None = None
    every: bool = False
    same_key: bool = False
    issued_since: datetime | None = None
    authority: str | None = None


@dataclass(frozen=True, slots=True)
class Back:
    """What is to be given back: one reference, with ``every`` all certificates it stands for.

    Or, with ``since`` and ``authority``, everything of that authority that was taken back since then and can be given back still.
    """

    reference: str | None = None
    every: bool = False
    since: datetime | None = None
    authority: str | None = None


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """What was changed, when, and what stood in the way of publishing it in CRLs (the gateway itself obeys already)."""

    certificates: tuple[Certificate, ...]
    at: datetime
    undo_until: datetime | None = None
    warnings: tuple[Diagnostic, ...] = ()

    @property
    def published(self) -> bool:
        """Whether every list is up to date."""
        return not self.warnings


def revoke(office: Office, target: Target, reason: Reason, *, undo_within: timedelta | None) -> Withdrawn:
    """Revoke ``target``: refused by the gateway when this returns, on open connections too; then published.

    Raises :class:`FindingError` if nothing of it is left to revoke.
    """
    deps = office.deps
    chosen = _selection(office, target, reason)
    markers = _markers(office)
    done = revoking.revoke(chosen, reason, deps, markers, by=office.by, undo_within=undo_within)
    if not done.certificates:
        raise FindingError(
            Diagnostic(
                "nothing-to-revoke",
                "nothing of what was selected is still valid",
                "",
                "see what is: gatewright cert list --status valid",
            )
        )
    return Withdrawn(done.certificates, done.at, done.undo_until, _publish(office, done.certificates))


def release(office: Office, what: Back) -> Withdrawn:
    """End a hold: admitted again when this returns. Raises :class:`FindingError` for what is not on hold."""
    found = _given_back(office, what, Status.HELD)
    deps = office.deps
    done = revoking.release(_these(found), deps, _markers(office), by=office.by)
    return Withdrawn(done, deps.clock.now(), None, _publish(office, done))


def undo(office: Office, what: Back) -> Withdrawn:
    """Take back a mistaken revocation within its time. Raises :class:`FindingError` when that is over, or there is none."""
    found = _given_back(office, what, Status.REVOKED)
    deps = office.deps
    done = revoking.undo(_these(found), deps, _markers(office), by=office.by)
    return Withdrawn(done, deps.clock.now(), None, _publish(office, done))


def _selection(office: Office, target: Target, reason: Reason) -> Selection:
    now = office.deps.clock.now()

    def revocable(certificate: Certificate) -> bool:
        open_still = certificate.status is Status.VALID
        if reason is not Reason.CERTIFICATE_HOLD:
            open_still = certificate.status is not Status.REVOKED
        return open_still and certificate.not_after > now

    if target.issued_since is not None:
        return _since(office, target.issued_since, target.authority or "", now)
    reference = target.reference or ""
    found = find(office, reference, revocable, authority=target.authority)
    if not any(map(revocable, found)):
        raise _already(office, reference, found[-1], now)
    if not target.every:
        one = the_one(found, reference, "revoke", otherwise=", or add --all to revoke every one of them")
        _refuse_own_ca(one, target.authority)
        found = (one,)
    if not target.same_key:
        return _these(found)
    keys = {c.spki_sha256 for c in found}
    return lambda reader: [c for key in sorted(keys) for c in revoking.same_key(key)(reader) if c.not_after > now]


def _refuse_own_ca(certificate: Certificate, authority: str | None) -> None:
    """An issuing CA is revoked by its serial and its authority, said twice, because everything below it ends with it."""
    if certificate.profile in CA_PROFILES and authority != certificate.authority:
        raise UsageError(
            Diagnostic(
                "revoke-ca",
                f"{certificate.subject} is a CA of authority {certificate.authority!r}",
                "with it ends every certificate it issued, wherever CRLs are checked; the gateway itself judges certificates of clients one by one",
                f"make the next one first (gatewright ca next {certificate.authority}), then repeat with --authority {certificate.authority}",
            )
        )


def _since(office: Office, moment: datetime, authority: str, now: datetime) -> Selection:
    if authority not in office.authority_names():
        raise unknown_authority(authority, office.authority_names())
    if moment > now:
        raise UsageError(
            Diagnostic("issued-since-future", f"{moment:%Y-%m-%d %H:%M:%S} UTC is yet to come", "", "give a past time")
        )

    def select(reader: Reader) -> Sequence[Certificate]:
        issuers = reader.generations(authority, CaRole.ISSUING)
        found = [c for g in issuers for c in revoking.issued_since(g.id, moment)(reader)]
        return [c for c in found if c.not_after > now]

    return select


def _these(certificates: Sequence[Certificate]) -> Selection:
    return lambda reader: [c for one in certificates for c in revoking.one(one)(reader)]


def _given_back(office: Office, what: Back, status: Status) -> tuple[Certificate, ...]:
    if what.since is not None:
        return _taken_since(office, what.since, what.authority or "", status)
    reference = what.reference or ""
    found = find(office, reference, lambda c: c.status is status, authority=what.authority)
    if found[-1].status is not status:
        raise _not_there(found[-1], status)
    if not what.every:
        doing = "release" if status is Status.HELD else "take back"
        return (the_one(found, reference, doing, otherwise=", or add --all"),)
    return found


def _taken_since(office: Office, moment: datetime, authority: str, status: Status) -> tuple[Certificate, ...]:
    if authority not in office.authority_names():
        raise unknown_authority(authority, office.authority_names())
    now = office.deps.clock.now()

    def can_return(past: Revocation | None) -> bool:
        if past is None or past.at < moment:
            return False
        return status is Status.HELD or (past.undo_until is not None and past.undo_until >= now)

    with office.deps.store.reading() as reader:
        taken = list(reader.certificates(Filter(authority=authority, status=status, expires_after=now)))
        found = tuple(c for c in taken if can_return(_latest(reader, c)))
    if not found:
        state = "put on hold" if status is Status.HELD else "revoked with a way back that is open still"
        raise FindingError(
            Diagnostic(
                "nothing-to-give-back",
                f"nothing of {authority!r} was {state} since {moment:%Y-%m-%d %H:%M:%S} UTC",
                "",
                f"see what is: gatewright cert list --authority {authority}",
            )
        )
    return found


def _not_there(certificate: Certificate, wanted: Status) -> FindingError:
    which = f"certificate {certificate.serial_hex} ({certificate.subject})"
    if wanted is Status.HELD:
        if certificate.status is Status.REVOKED:
            fix = f"within the time that was stated for it: gatewright cert unrevoke {certificate.serial_hex}"
            return FindingError(
                Diagnostic("not-on-hold", f"{which} is revoked, not on hold", "only a hold can be released", fix)
            )
        return FindingError(Diagnostic("not-on-hold", f"{which} is not on hold", "", "nothing is to be done"))
    if certificate.status is Status.HELD:
        fix = f"gatewright cert release {certificate.serial_hex}"
        return FindingError(Diagnostic("not-revoked", f"{which} is on hold, not revoked", "", fix))
    return FindingError(Diagnostic("not-revoked", f"{which} is not revoked", "", "nothing is to be done"))


def _already(office: Office, reference: str, certificate: Certificate, now: datetime) -> FindingError:
    which = f"certificate {certificate.serial_hex} ({certificate.subject})"
    if certificate.status is Status.VALID or certificate.not_after <= now:
        what = f"{which} ended on {certificate.not_after:%Y-%m-%d %H:%M} UTC"
        why = "nobody accepts it any more, and CRLs do not list what has ended"
        return FindingError(Diagnostic("already-expired", what, why, "nothing is to be done"))
    past = _current(office, certificate)
    state = "on hold" if certificate.status is Status.HELD else "revoked"
    since = f" since {past.at:%Y-%m-%d %H:%M:%S} UTC ({past.reason.spelling})" if past is not None else ""
    fix = "nothing is to be done"
    if certificate.status is Status.HELD:
        fix = f"to revoke it for good: gatewright cert revoke {reference} --reason cessation-of-operation"
    return FindingError(Diagnostic("already-revoked", f"{which} is {state}{since}", "", fix))


def _current(office: Office, certificate: Certificate) -> Revocation | None:
    with office.deps.store.reading() as reader:
        return _latest(reader, certificate)


def _latest(reader: Reader, certificate: Certificate) -> Revocation | None:
    return next((r for r in reversed(reader.revocations(certificate.id)) if r.undone_at is None), None)


def _markers(office: Office) -> PurePath:
    """The folder that httpd looks into; made, with the rights that a later ``up`` expects, where the gateway never ran."""
    if office.deps.files.kind(office.places.revoked) is FileKind.MISSING:
        make_places(office.deps.files, office.places)
    return office.places.revoked


def _publish(office: Office, changed: Sequence[Certificate]) -> tuple[Diagnostic, ...]:
    warnings: list[Diagnostic] = []
    for name in dict.fromkeys(c.authority for c in changed):
        try:
            warnings += publish(find_authority(name, office.deps), office.deps).warnings
        except GatewrightError as problem:
            # What was asked has taken effect at the gateway; that must not be hidden behind a list that could not be written.
            told = problem.diagnostics[0]
            warnings.append(
                Diagnostic(
                    "crl-not-published",
                    f"the CRLs of {name!r} could not be brought up to date: {told.what}",
                    "this gateway obeys already; others who read the CRL do not know yet",
                    f"{told.fix}; then: gatewright ca crl",
                    severity=Severity.WARNING,
                )
            )
    return tuple(warnings)
