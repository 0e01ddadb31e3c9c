"""The store on PostgreSQL: the same promises as on SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.pki_world import World, make_world
from tests.store_contract import StoreContract

from gatewright.edges.store.database import open_store
from gatewright.errors import EnvironmentFault

pytestmark = pytest.mark.sql


@pytest.fixture
def world(tmp_path: Path, database: str) -> Iterator[World]:
    made = make_world(tmp_path, database)
    yield made
    made.close()


class TestPostgresql(StoreContract):
    """Every promise, kept by PostgreSQL."""


def test_an_unreachable_server_is_told_without_the_password() -> None:
    """The message names the place, and neither it nor its cause holds the password."""
    with pytest.raises(EnvironmentFault) as refused:
        open_store("postgresql://gw:sesame@127.0.0.1:1/none")
    told = refused.value.diagnostics[0]
    assert told.code == "store-unusable"
    assert "sesame" not in str(told.as_dict())
