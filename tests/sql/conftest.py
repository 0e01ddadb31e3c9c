"""A private PostgreSQL for the tests: its own folder, a free port, an unprivileged account, gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError
from tests.ports import free_port

_ACCOUNTS = ("postgres", "nobody")


def _programs() -> Path:
    """The folder with ``initdb`` and ``postgres``: Debian keeps them off PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    # Not skipped: a test that silently does not run looks like one that passes. `./test` installs what is needed.
    assert on_path is not None, "PostgreSQL's initdb is missing; on Debian: apt-get install -y postgresql"
    return Path(on_path).parent


def _account() -> tuple[int, int] | None:
    """PostgreSQL refuses to run as root; this is who runs it instead, or ``None`` for ourselves."""
    if os.geteuid() != 0:
        return None
    for name in _ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    msg = "no unprivileged account to run PostgreSQL"
    raise AssertionError(msg)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a running server's maintenance database."""
    programs, account = _programs(), _account()
    folder = Path(tempfile.mkdtemp(prefix="gatewright-pg-"))
    user, group = account if account is not None else (None, None)
    if account is not None:
        os.chown(folder, *account)
    data, port = folder / "data", free_port()
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": str(folder)}
    try:
        # A locale that does not sort by code point, so that a missing collation shows.
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", "gatewright", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"],
            check=True,
            capture_output=True,
            cwd=folder,
            env=environment,
            user=user,
            group=group,
        )
        options = ["-k", str(folder), "-h", "127.0.0.1", "-p", str(port)]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [programs / "postgres", "-D", data, *options],
                stdout=log,
                stderr=log,
                cwd=folder,
                env=environment,
                user=user,
                group=group,
            )
        try:
            url = f"postgresql://gatewright@127.0.0.1:{port}/postgres"
            _await(url, server, folder / "log")
            yield url
        finally:
            server.send_signal(signal.SIGINT)  # fast shutdown
            server.wait(timeout=120)
    finally:
        shutil.rmtree(folder)


def _await(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    engine = sa.create_engine(url.replace("postgresql", "postgresql+psycopg", 1))
    deadline = time.monotonic() + 120
    while True:
        assert server.poll() is None, log.read_text(errors="replace")
        try:
            engine.connect().close()
        except OperationalError:
            assert time.monotonic() < deadline, log.read_text(errors="replace")
            time.sleep(0.05)
        else:
            break
    engine.dispose()


@pytest.fixture
def database(postgresql: str) -> Iterator[str]:
    """The URL of an empty database of its own."""
    name = f"t{time.monotonic_ns()}"
    engine = sa.create_engine(postgresql.replace("postgresql", "postgresql+psycopg", 1), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    yield postgresql.rsplit("/", 1)[0] + f"/{name}"
    with engine.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()
