"""The store on SQLite."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.pki_world import World, make_world
from tests.store_contract import StoreContract

from gatewright.edges.store.database import open_store
from gatewright.errors import EnvironmentFault


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path)
    yield made
    made.close()


class TestSqlite(StoreContract):
    """Every promise, kept by SQLite."""


def test_the_database_is_durable_and_private(world: World) -> None:
    """WAL with synchronous=FULL, and no file of it readable by others."""
    with world.store._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    for path in world.folder.glob("state.db*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_damaged_database_is_told(tmp_path: Path) -> None:
    """A file that is no database gets a message with a way out, not a traceback."""
    (tmp_path / "state.db").write_bytes(b"this is not a database" * 100)
    with pytest.raises(EnvironmentFault) as refused:
        open_store(f"sqlite:///{tmp_path}/state.db")
    assert refused.value.diagnostics[0].code == "store-damaged"


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    """The store cannot be made where there is no folder."""
    with pytest.raises(EnvironmentFault):
        open_store(f"sqlite:///{tmp_path}/missing/state.db")


def test_a_full_disk_is_told_and_loses_nothing(world: World) -> None:
    """With no page left, issuing fails with the cause; what was there stays, and issuing works again once there is room."""
    before = world.clients(3)
    with world.store._engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    with pytest.raises(EnvironmentFault) as refused:
        world.clients(500)
    assert refused.value.diagnostics[0].code == "disk-full"
    with world.store._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1000000")
    assert [world.stored(c).status for c in before]
    world.clients(500)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own with a store on it that holds an authority and three clients."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "gatewright", str(folder)], check=True)
    try:
        world = make_world(folder)
        world.clients(3)
        world.close()
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_full_is_called_so(disk: Path) -> None:
    """Not even SQLite's shared memory fits: it says "disk I/O error", we say that the disk is full. With room, all is there."""
    with contextlib.suppress(OSError), (disk / "fill").open("wb", buffering=0) as fill:
        while fill.write(bytes(4096)):
            pass
    with pytest.raises(EnvironmentFault) as refused, contextlib.closing(open_store(f"sqlite:///{disk}/state.db")):
        pass
    assert refused.value.diagnostics[0].code == "disk-full"
    (disk / "fill").unlink()
    with contextlib.closing(open_store(f"sqlite:///{disk}/state.db")) as store, store.reading() as reader:
        assert len(list(reader.certificates())) == 5


def test_a_read_only_disk_is_read_and_never_written(disk: Path) -> None:
    """A backup on a read-only medium can be listed and audited; writing is refused with the cause."""
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with contextlib.closing(open_store(f"sqlite:///{disk}/state.db")) as store:
        with store.reading() as reader:
            assert len(list(reader.certificates())) == 5
        with pytest.raises(EnvironmentFault) as refused, store.writing() as tx:
            tx.set_crl_url(1, "http://example.org/x.crl")
    assert refused.value.diagnostics[0].code == "store-read-only"


def test_changes_not_merged_yet_are_not_passed_over(disk: Path) -> None:
    """Where a log of changes stands beside a database on a read-only disk, it is read too or the store is refused."""
    with contextlib.closing(open_store(f"sqlite:///{disk}/state.db")) as store:
        with store.writing() as tx:
            tx.set_crl_url(1, "http://example.org/x.crl")
        for name in ("state.db", "state.db-wal"):
            shutil.copy(disk / name, disk / name.replace("state", "copy"))
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(EnvironmentFault) as refused:
        open_store(f"sqlite:///{disk}/copy.db")
    assert refused.value.diagnostics[0].code == "store-read-only"
