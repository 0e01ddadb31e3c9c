"""Rows to values and back, and every query. Ids are given out here, inside the one writing transaction."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row
from sqlalchemy.exc import IntegrityError

from gatewright.edges.store import schema as t
from gatewright.errors import Diagnostic, EnvironmentFault
from gatewright.model.pki import (
    CaGeneration,
    CaRole,
    Certificate,
    Crl,
    CrlState,
    Cursor,
    Event,
    Filter,
    KeyRef,
    KeyState,
    LogEntry,
    Page,
    ProfileName,
    Reason,
    Revocation,
    RevokedSerial,
    Status,
    marker_of,
)
from gatewright.pki import audit
from gatewright.ports.store import SerialTaken

_CHUNK = 500  # ids per statement; SQLite allows 32,766 variables, PostgreSQL's protocol 65,535


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _moment_or_none(seconds: int | None) -> datetime | None:
    return None if seconds is None else _moment(seconds)


# Made once: it is asked for every request that is signed, and making it anew takes three times as long as asking.
_KNOWS_KEY = sa.select(t.certificates.c.id).where(t.certificates.c.spki_sha256 == sa.bindparam("key")).limit(1)


class StoreReader:
    """Reads through one connection inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def generations(self, authority: str | None = None, role: CaRole | None = None) -> Sequence[CaGeneration]:
        """See :class:`gatewright.ports.store.Reader`, as for every method here."""
        query = sa.select(t.generations).order_by("authority", "role", "number")
        if authority is not None:
            query = query.where(t.generations.c.authority == authority)
        if role is not None:
            query = query.where(t.generations.c.role == role.value)
        return [_generation(row) for row in self._connection.execute(query)]

    def certificate(self, sha256: bytes) -> Certificate | None:
        """By the hash of the DER."""
        row = self._connection.execute(sa.select(t.certificates).where(t.certificates.c.sha256 == sha256)).first()
        return None if row is None else _certificate(row)

    def by_serial(self, serial: bytes, issuer: int | None = None) -> Sequence[Certificate]:
        """By serial number."""
        query = sa.select(t.certificates).where(t.certificates.c.serial == serial)
        if issuer is not None:
            query = query.where(t.certificates.c.issuer == issuer)
        return [_certificate(row) for row in self._connection.execute(query)]

    def newest(self, wanted: Filter) -> Certificate | None:
        """The one recorded last."""
        query = sa.select(t.certificates).where(*_conditions(wanted)).order_by(t.certificates.c.id.desc()).limit(1)
        row = self._connection.execute(query).first()
        return None if row is None else _certificate(row)

    def page(self, wanted: Filter, limit: int, after: Cursor | None = None) -> Page:
        """One page."""
        certs = t.certificates.c
        start: int | str | None
        if wanted.name is None:
            key: sa.ColumnElement[Any] = certs.not_after
            query = sa.select(t.certificates, key.label("sort_key"))
            start = None if after is None else int(after.key)
        else:
            key = t.names.c.value
            query = _named(wanted.name)
            start = None if after is None else after.key
        query = query.where(*_conditions(wanted)).order_by(key, certs.id).limit(limit + 1)
        if after is not None:
            query = query.where(sa.tuple_(key, certs.id) > sa.tuple_(sa.literal(start), sa.literal(after.id)))
        rows = self._connection.execute(query).all()
        shown = rows[:limit]
        following = Cursor(str(shown[-1].sort_key), shown[-1].id) if len(rows) > limit and shown else None
        return Page(tuple(_certificate(row) for row in shown), following)

    def certificates(self, wanted: Filter | None = None) -> Iterator[Certificate]:
        """All of them, in pieces."""
        last, conditions = 0, _conditions(wanted or Filter())
        while True:
            query = sa.select(t.certificates).where(t.certificates.c.id > last, *conditions)
            rows = self._connection.execute(query.order_by(t.certificates.c.id).limit(1000)).all()
            yield from (_certificate(row) for row in rows)
            if len(rows) < 1000:
                return
            last = rows[-1].id

    def knows_key(self, spki_sha256: bytes) -> bool:
        """A look into the index."""
        return self._connection.execute(_KNOWS_KEY, {"key": spki_sha256}).first() is not None

    def revocations(self, certificate: int) -> Sequence[Revocation]:
        """One certificate's history."""
        query = sa.select(t.revocations).where(t.revocations.c.certificate == certificate)
        rows = self._connection.execute(query.order_by(t.revocations.c.id))
        return [
            Revocation(
                r.certificate,
                Reason(r.reason),
                _moment(r.at),
                r.by,
                _moment_or_none(r.undo_until),
                _moment_or_none(r.undone_at),
                r.id,
            )
            for r in rows
        ]

    def revoked_serials(self, issuer: int, not_expired_at: datetime, now: datetime) -> Sequence[RevokedSerial]:
        """The lines of a CRL."""
        revs = t.revocations.c
        query = sa.select(revs.serial, revs.at, revs.reason, revs.undo_until).where(
            revs.issuer == issuer, revs.not_after >= _seconds(not_expired_at), revs.undone_at.is_(None)
        )
        reasons = {reason.value: reason for reason in Reason}
        found, at_least = [], _seconds(now)
        for serial, at, code, undo_until in self._connection.execute(query.order_by(revs.id)):
            undoable = undo_until is not None and undo_until >= at_least
            reason = Reason.CERTIFICATE_HOLD if undoable else reasons[code]
            found.append(RevokedSerial(int.from_bytes(serial, "big"), _moment(at), reason))
        return found

    def revoked_markers(self, not_expired_at: datetime) -> frozenset[tuple[str, str]]:
        """What httpd must refuse."""
        revs = t.revocations.c
        current = (revs.not_after >= _seconds(not_expired_at), revs.undone_at.is_(None))
        query = sa.select(revs.pem_sha1, revs.serial).where(*current)
        return frozenset((text.hex(), marker_of(serial)) for text, serial in self._connection.execute(query))

    def crls(self, issuer: int, state: CrlState | None = None) -> Sequence[Crl]:
        """CRLs by number."""
        query = sa.select(t.crls).where(t.crls.c.issuer == issuer).order_by(t.crls.c.number)
        if state is not None:
            query = query.where(t.crls.c.state == state.value)
        return [
            Crl(r.issuer, r.number, _moment(r.this_update), _moment(r.next_update), r.der, CrlState(r.state))
            for r in self._connection.execute(query)
        ]

    def highest_crl(self, issuer: int) -> tuple[int, datetime | None]:
        """Number and thisUpdate to stay above."""
        mine = t.crls.c.issuer == issuer
        number = self._connection.execute(sa.select(sa.func.max(t.crls.c.number)).where(mine)).scalar()
        published = t.crls.c.state.in_((CrlState.PUBLISHED.value, CrlState.SUPERSEDED.value))
        update = self._connection.execute(sa.select(sa.func.max(t.crls.c.this_update)).where(mine, published)).scalar()
        return number or 0, _moment_or_none(update)

    def log(self, after: int = 0) -> Iterator[LogEntry]:
        """The chain."""
        last = after
        while True:
            query = sa.select(t.log).where(t.log.c.seq > last).order_by(t.log.c.seq).limit(1000)
            rows = self._connection.execute(query).all()
            yield from (LogEntry(r.seq, r.text, r.previous, r.hash) for r in rows)
            if len(rows) < 1000:
                return
            last = rows[-1].seq

    def last_entry(self) -> LogEntry | None:
        """The head of the chain."""
        row = self._connection.execute(sa.select(t.log).order_by(t.log.c.seq.desc()).limit(1)).first()
        return None if row is None else LogEntry(row.seq, row.text, row.previous, row.hash)


class StoreTransaction(StoreReader):
    """Reads and writes inside the one writing transaction."""

    def add_generation(self, generation: CaGeneration) -> CaGeneration:
        """See :class:`gatewright.ports.store.Transaction`, as for every method here."""
        number = self._next_id(t.generations)
        parent = number if generation.parent is None else generation.parent
        values = {
            "id": number,
            "authority": generation.authority,
            "role": generation.role.value,
            "number": generation.number,
            "parent": parent,
            "key_ref": generation.key,
            "key_state": generation.key_state.value,
            "der": generation.der,
            "subject": generation.subject,
            "spki_sha256": generation.spki_sha256,
            "not_before": _seconds(generation.not_before),
            "not_after": _seconds(generation.not_after),
            "active": generation.active,
            "crl_url": generation.crl_url,
        }
        self._connection.execute(sa.insert(t.generations), values)
        return self._generation_by_id(number)

    def change_generation(
        self,
        generation: int,
        *,
        active: bool | None = None,
        key: KeyRef | None = None,
        key_state: KeyState | None = None,
    ) -> None:
        """Change what was given."""
        values: dict[str, object] = {}
        if active is not None:
            values["active"] = active
        if key is not None:
            values["key_ref"] = key
        if key_state is not None:
            values["key_state"] = key_state.value
        self._connection.execute(sa.update(t.generations).where(t.generations.c.id == generation).values(values))

    def set_crl_url(self, generation: int, url: str | None) -> None:
        """The column."""
        changed = sa.update(t.generations).where(t.generations.c.id == generation).values(crl_url=url)
        self._connection.execute(changed)

    def add_certificates(self, certificates: Sequence[Certificate]) -> None:
        """Rows and names."""
        first = self._next_id(t.certificates)
        rows, named = [], []
        for number, certificate in enumerate(certificates, first):
            rows.append(_row(number, certificate))
            values = {value: kind for kind, value in reversed(certificate.names)}
            if certificate.client is not None:
                values.setdefault(certificate.client, "client")
            named += [{"certificate": number, "value": value, "kind": kind} for value, kind in values.items()]
        try:
            self._connection.execute(_INSERT_CERTIFICATE, rows)
        except IntegrityError as problem:
            raise SerialTaken(str(problem.orig)) from problem
        if named:
            self._connection.execute(_INSERT_NAME, named)

    def revoke(
        self, certificates: Sequence[int], reason: Reason, at: datetime, by: str, undo_until: datetime | None
    ) -> None:
        """Status and history in one go."""
        hold = reason is Reason.CERTIFICATE_HOLD
        certs = t.certificates.c
        for chunk in _chunks(certificates):
            source = sa.select(
                certs.id,
                certs.issuer,
                certs.serial,
                certs.pem_sha1,
                certs.not_after,
                sa.literal(reason.value),
                sa.literal(_seconds(at)),
                sa.literal(by),
                sa.literal(None if undo_until is None else _seconds(undo_until), sa.BigInteger),
            ).where(certs.id.in_(chunk))
            columns = ["certificate", "issuer", "serial", "pem_sha1", "not_after", "reason", "at", "by", "undo_until"]
            # A revocation that is in force ends where a new one (hold to revoked) takes its place.
            self._end(chunk, at)
            self._connection.execute(sa.insert(t.revocations).from_select(columns, source))
        self._set_status(certificates, Status.HELD if hold else Status.REVOKED)

    def release(self, certificates: Sequence[int], at: datetime) -> None:
        """Valid again."""
        for chunk in _chunks(certificates):
            self._end(chunk, at)
        self._set_status(certificates, Status.VALID)

    def _set_status(self, certificates: Sequence[int], status: Status) -> None:
        for chunk in _chunks(certificates):
            change = sa.update(t.certificates).where(t.certificates.c.id.in_(chunk)).values(status=status.value)
            self._connection.execute(change)

    def add_crl(self, crl: Crl) -> None:
        """A signed CRL."""
        values = {
            "issuer": crl.issuer,
            "number": crl.number,
            "this_update": _seconds(crl.this_update),
            "next_update": _seconds(crl.next_update),
            "state": crl.state.value,
            "der": crl.der,
        }
        self._connection.execute(sa.insert(t.crls), values)

    def set_crl_state(self, issuer: int, numbers: Sequence[int], state: CrlState) -> None:
        """The next state. Lists that are over lose their content: their numbers are what must stay."""
        mine = (t.crls.c.issuer == issuer, t.crls.c.number.in_(numbers))
        values: dict[str, object] = {"state": state.value}
        if state in {CrlState.SUPERSEDED, CrlState.WITHDRAWN}:
            values["der"] = b""
        self._connection.execute(sa.update(t.crls).where(*mine).values(values))

    def append(self, events: Iterable[Event], *, clock_is_right: bool = False) -> None:
        """More links of the chain."""
        last = self.last_entry()
        seq, previous = (0, audit.FIRST) if last is None else (last.seq, last.hash)
        rows: list[dict[str, object]] = []
        for event in events:
            if last is not None and not rows and not clock_is_right:
                _refuse_clock_set_back(_time_of(last), event.at)
            entry = audit.link(seq + 1, event, previous)
            seq, previous = entry.seq, entry.hash
            rows.append({"seq": entry.seq, "text": entry.text, "previous": entry.previous, "hash": entry.hash})
        if rows:
            self._connection.execute(_INSERT_LOG, rows)

    def _end(self, certificates: Sequence[int], at: datetime) -> None:
        revs = t.revocations.c
        current = sa.update(t.revocations).where(revs.certificate.in_(certificates), revs.undone_at.is_(None))
        self._connection.execute(current.values(undone_at=_seconds(at)))

    def _generation_by_id(self, number: int) -> CaGeneration:
        return _generation(self._connection.execute(sa.select(t.generations).where(t.generations.c.id == number)).one())

    def _next_id(self, table: sa.Table) -> int:
        # Only one transaction writes at a time, so counting on from the highest is safe, and batches know their ids.
        return (self._connection.execute(_highest(table)).scalar() or 0) + 1


_INSERT_CERTIFICATE = sa.insert(t.certificates)
_INSERT_NAME = sa.insert(t.names)
_INSERT_LOG = sa.insert(t.log)


@functools.cache
def _highest(table: sa.Table) -> sa.Select[Any]:
    return sa.select(sa.func.max(table.c.id))


def _damaged(what: str, problem: Exception) -> EnvironmentFault:
    """The error for what no Gatewright wrote into the store."""
    return EnvironmentFault(
        Diagnostic(
            "store-damaged",
            f"the store is damaged: {what} cannot be read ({problem})",
            "it was changed by something else than Gatewright, or is half of something; nothing was changed now",
            "restore the latest backup of the gateway's folder, or of the database",
        )
    )


def _time_of(entry: LogEntry) -> datetime:
    try:
        return audit.entry_time(entry)
    except ValueError as problem:
        raise _damaged(f"entry {entry.seq} of the log", problem) from problem


def _refuse_clock_set_back(last: datetime, now: datetime) -> None:
    if now >= last - audit.CLOCK_TOLERANCE:
        return
    raise EnvironmentFault(
        Diagnostic(
            "clock-set-back",
            f"the clock says {now:%Y-%m-%d %H:%M:%S} UTC, but the last entry of the issuance log is of {last:%Y-%m-%d %H:%M:%S} UTC",
            "with a wrong clock certificates begin and end at the wrong time and CRLs go backwards; nothing was changed",
            "set the clock right (timedatectl status); if it is right now and was wrong before, repeat with --clock-is-right",
        )
    )


def _chunks(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(numbers), _CHUNK):
        yield numbers[start : start + _CHUNK]


def _conditions(wanted: Filter) -> list[sa.ColumnElement[bool]]:
    certs = t.certificates.c
    exact = (
        (certs.authority, wanted.authority),
        (certs.client, wanted.client),
        (certs.status, None if wanted.status is None else wanted.status.value),
        (certs.profile, None if wanted.profile is None else wanted.profile.value),
        (certs.issuer, wanted.issuer),
        (certs.spki_sha256, wanted.spki_sha256),
    )
    found: list[sa.ColumnElement[bool]] = [column == value for column, value in exact if value is not None]
    if wanted.status not in {None, Status.VALID}:
        # In the words of the partial index, without which neither database would use it.
        found.append(certs.status != sa.literal_column("'valid'"))
    if wanted.unlike is not None:
        found.append(certs.profile != wanted.unlike.value)
    if wanted.expires_before is not None:
        found.append(certs.not_after < _seconds(wanted.expires_before))
    if wanted.expires_after is not None:
        found.append(certs.not_after >= _seconds(wanted.expires_after))
    if wanted.issued_since is not None:
        found.append(certs.not_before >= _seconds(wanted.issued_since))
    return found


def _named(prefix: str) -> sa.Select[Any]:
    """Certificates joined to their first name that begins with ``prefix``, so that none is listed twice."""
    # The highest code point ends the range of everything that begins with the prefix; both indexes sort by code point.
    end = prefix + "\U0010ffff"
    value, earlier = t.names.c.value, t.names.alias("earlier")
    twice = sa.exists().where(
        earlier.c.certificate == t.names.c.certificate, earlier.c.value >= prefix, earlier.c.value < value
    )
    joined = t.names.join(t.certificates, t.certificates.c.id == t.names.c.certificate)
    query = sa.select(t.certificates, value.label("sort_key")).select_from(joined)
    return query.where(value >= prefix, value < end, ~twice)


def _row(number: int, certificate: Certificate) -> dict[str, object]:
    return {
        "id": number,
        "issuer": certificate.issuer,
        "serial": certificate.serial,
        "der": certificate.der,
        "spki_sha256": certificate.spki_sha256,
        "pem_sha1": certificate.pem_sha1,
        "sha256": certificate.sha256,
        "subject": certificate.subject,
        "names": json.dumps(certificate.names),
        "not_before": _seconds(certificate.not_before),
        "not_after": _seconds(certificate.not_after),
        "status": certificate.status.value,
        "profile": certificate.profile.value,
        "authority": certificate.authority,
        "client": certificate.client,
        "key_ref": certificate.key,
        "requested_by": certificate.requested_by,
        "why": certificate.why,
    }


def _certificate(row: Row[Any]) -> Certificate:
    try:
        return _certificate_of(row)
    except (ValueError, TypeError) as problem:
        raise _damaged(f"certificate {row.id}", problem) from problem


def _certificate_of(row: Row[Any]) -> Certificate:
    return Certificate(
        issuer=row.issuer,
        serial=row.serial,
        der=row.der,
        spki_sha256=row.spki_sha256,
        pem_sha1=row.pem_sha1,
        sha256=row.sha256,
        subject=row.subject,
        names=tuple((kind, value) for kind, value in json.loads(row.names)),
        not_before=_moment(row.not_before),
        not_after=_moment(row.not_after),
        profile=ProfileName(row.profile),
        authority=row.authority,
        client=row.client,
        key=None if row.key_ref is None else KeyRef(row.key_ref),
        requested_by=row.requested_by,
        why=row.why,
        status=Status(row.status),
        id=row.id,
    )


def _generation(row: Row[Any]) -> CaGeneration:
    try:
        return _generation_of(row)
    except (ValueError, TypeError) as problem:
        raise _damaged(f"CA generation {row.id}", problem) from problem


def _generation_of(row: Row[Any]) -> CaGeneration:
    return CaGeneration(
        id=row.id,
        authority=row.authority,
        role=CaRole(row.role),
        number=row.number,
        parent=None if row.parent == row.id else row.parent,
        key=KeyRef(row.key_ref),
        key_state=KeyState(row.key_state),
        der=row.der,
        subject=row.subject,
        spki_sha256=row.spki_sha256,
        not_before=_moment(row.not_before),
        not_after=_moment(row.not_after),
        active=row.active,
        crl_url=row.crl_url,
    )
