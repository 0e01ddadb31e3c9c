"""Opens the database, keeps its schema current, and turns its failures into messages with a way out."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from gatewright.edges.store.rows import StoreReader, StoreTransaction
from gatewright.edges.store.schema import REVISION
from gatewright.errors import Diagnostic, EnvironmentFault

BUSY_SECONDS = 30
"""How long one process waits for another's transaction. Transactions take milliseconds; a batch of 1,000 about 100."""

CONNECT_SECONDS = 5
"""How long a connection to PostgreSQL may take, unless the URL has a ``connect_timeout`` of its own."""

SPARE_BYTES = 1024 * 1024
"""With less space left than this, SQLite's "disk I/O error" is put down to a full disk: its shared memory alone takes 32 KiB."""

_WRITE = "gatewright_write"
# Any constant will do, as long as every Gatewright takes the same: it is the right to extend the log.
_POSTGRESQL_LOCK = 0x6761746577726774


class Database:
    """A store behind an SQLAlchemy engine. Implements :class:`gatewright.ports.store.Store`."""

    def __init__(self, engine: Engine, place: str) -> None:
        self._engine = engine
        self.place = place

    @contextmanager
    def reading(self) -> Iterator[StoreReader]:
        """One snapshot: WAL gives that on SQLite, REPEATABLE READ on PostgreSQL."""
        with _told(self.place), self._engine.connect() as connection, connection.begin():
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield StoreReader(connection)

    @contextmanager
    def writing(self) -> Iterator[StoreTransaction]:
        """One writer at a time, so that the log is one chain: BEGIN IMMEDIATE on SQLite, an advisory lock on PostgreSQL."""
        with _told(self.place), self._engine.connect() as raw:
            connection = raw.execution_options(**{_WRITE: True})
            with connection.begin():
                if connection.dialect.name == "postgresql":
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_POSTGRESQL_LOCK})")
                yield StoreTransaction(connection)

    def close(self) -> None:
        """Give back every connection."""
        self._engine.dispose()


def open_store(url: str) -> Database:
    """The store at ``url``: ``sqlite:////absolute/path/state.db`` or ``postgresql://user@host/database``.

    The database is made, and its schema brought up to date, where needed. An SQLite file is 0600 from birth.
    Raises :class:`EnvironmentFault` with the cause and the way out.
    """
    parsed = sa.make_url(url)
    place = parsed.render_as_string(hide_password=True)
    if parsed.get_backend_name() == "sqlite":
        path = Path(str(parsed.database))
        place = str(path)
        with _told(place):
            engine = _sqlite(parsed, path)
    else:
        # Without a limit, a server that does not answer would hold up a running gateway for minutes (libpq waits for TCP).
        waiting = {} if "connect_timeout" in parsed.query else {"connect_timeout": CONNECT_SECONDS}
        engine = sa.create_engine(parsed.set(drivername="postgresql+psycopg"), connect_args=waiting)
    with _told(place):
        try:
            _migrate(engine, place)
        except BaseException:
            engine.dispose()
            raise
    return Database(engine, place)


def _sqlite(url: sa.URL, path: Path) -> Engine:
    try:
        if not path.exists():  # touching what is there would change its time, and reading changes nothing
            path.touch(mode=0o600, exist_ok=True)
    except OSError as problem:
        raise _unusable(str(path), problem.strerror or str(problem)) from problem
    if _at_rest(path):
        # WAL needs files beside the database even for reading; a backup on a read-only disk can be listed and audited without.
        source = f"file:{quote(str(path))}?mode=ro&immutable=1"
        return sa.create_engine(
            url, creator=lambda: sqlite3.connect(source, uri=True, isolation_level=None, check_same_thread=False)
        )
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_SECONDS, "isolation_level": None})

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: object, _record: object) -> None:
        cursor = connection.cursor()  # type: ignore[attr-defined]  # any DB-API connection (PEP 249); SQLAlchemy names no type for it
        # FULL: a commit survives a power cut, not only a crash of the process (sqlite.org/pragma.html#pragma_synchronous).
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # Taking the write lock at the start avoids the deadlock of two readers that both want to write.
        write = connection.get_execution_options().get(_WRITE)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _at_rest(path: Path) -> bool:
    """Whether the database is whole in its one file, which nobody has open, and stands where nothing can be written."""
    return _read_only(path.parent) and not path.with_name(f"{path.name}-wal").exists()


def _read_only(folder: Path) -> bool:
    return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)


def _migrate(engine: Engine, place: str) -> None:
    with engine.connect() as connection:
        found = _revision(connection)
    if found == REVISION:
        return
    with engine.connect().execution_options(**{_WRITE: True}) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_POSTGRESQL_LOCK})")
        found = _revision(connection)  # another process may have done it meanwhile
        if found == REVISION:
            return
        if found is not None and found > REVISION:
            raise EnvironmentFault(
                Diagnostic(
                    "store-too-new",
                    f"the store {place} was written by a newer Gatewright (schema {found}, this one knows {REVISION})",
                    "an older program would misread it",
                    "install the newer Gatewright again, or restore the backup made before the update",
                )
            )
        from gatewright.edges.store.migrations.run import upgrade  # noqa: PLC0415 - alembic costs 120 ms, seldom needed

        upgrade(connection)


def _revision(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


@contextmanager
def _told(place: str) -> Iterator[None]:
    try:
        yield
    except OperationalError as problem:
        raise _unusable(place, str(problem.orig)) from problem
    except DBAPIError as problem:
        if "malformed" in str(problem.orig) or "not a database" in str(problem.orig):
            raise _unusable(place, str(problem.orig)) from problem
        raise


def _behind(place: str, text: str) -> str:
    """What is behind SQLite's "disk I/O error" and "unable to open database file", where the file system can tell; else ``text``."""
    folder = Path(place).parent
    if not ("disk I/O" in text or "unable to open" in text) or not folder.is_dir():
        return text
    disk = os.statvfs(folder)
    if disk.f_bavail * disk.f_frsize < SPARE_BYTES:
        return f"{text} (the disk is full)"
    if _read_only(folder):
        return f"{text} (the disk is mounted read-only)"
    return text if os.access(folder, os.W_OK | os.X_OK) else f"{text} (permission denied in {folder})"


def _unusable(place: str, text: str) -> EnvironmentFault:
    text = _behind(place, text)
    for mark, code, what, fix in (
        (
            "locked",
            "store-busy",
            f"the store {place} was locked by another process for {BUSY_SECONDS} seconds",
            f"see who holds it: fuser -v {place}",
        ),
        (
            "full",
            "disk-full",
            f"no space left for the store {place}",
            f"make room, then repeat the command: df -h {place}",
        ),
        (
            "readonly",
            "store-read-only",
            f"the store {place} cannot be written",
            f"make it writable for this account: ls -l {place}; df {place}",
        ),
        (
            "read-only",
            "store-read-only",
            f"the store {place} cannot be written",
            f"make it writable for this account: ls -l {place}; df {place}",
        ),
        (
            "ermission",
            "store-permission",
            f"no permission for the store {place}",
            f"run as the account that owns it: ls -l {place}",
        ),
        (
            "malformed",
            "store-damaged",
            f"the store {place} is damaged",
            "restore the latest backup of the gateway's folder",
        ),
        (
            "not a database",
            "store-damaged",
            f"the store {place} is not an SQLite database",
            "restore the latest backup of the gateway's folder",
        ),
    ):
        if mark in text:
            return EnvironmentFault(Diagnostic(code, what, f"nothing was changed; the database says: {text}", fix))
    return EnvironmentFault(
        Diagnostic(
            "store-unusable",
            f"the store {place} cannot be used: {text.strip()}",
            "without it nothing can be issued or revoked; nothing was changed",
            "check that the folder exists and belongs to this account, or that the database server runs",
        )
    )
