"""The audit notices every single kind of tampering, and nothing where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.pki_world import World, make_world

from gatewright.app import revoking
from gatewright.app.auditing import audit
from gatewright.app.issuing import issue_client
from gatewright.errors import EnvironmentFault
from gatewright.model.pki import Reason
from gatewright.pki.audit import _hash


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path)
    issue_client(made.home, "erp", "erp.example", made.deps)
    first = made.clients(3)[0]
    revoking.revoke(revoking.one(first), Reason.SUPERSEDED, made.deps, made.markers, by="test")
    yield made
    made.close()


def _tamper(world: World, statement: str) -> None:
    with world.store._engine.connect() as connection, connection.begin():
        connection.execute(sa.text(statement))


def test_an_honest_store_passes(world: World) -> None:
    """No fault, and the head is that of the last entry."""
    report = audit(world.deps)
    assert report.faults == ()
    assert audit(world.deps, expected_head=report.head).faults == ()


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("UPDATE log SET text = replace(text, 'erp', 'eve') WHERE text LIKE '%erp.example%'", "entry-changed"),
        ("UPDATE log SET text = 'no JSON' WHERE seq = 3", "entry-changed"),
        ("UPDATE log SET text = '[1]' WHERE seq = 3", "entry-changed"),
        ("UPDATE log SET hash = zeroblob(32) WHERE seq = 2", "entry-changed"),
        ("UPDATE log SET previous = zeroblob(32) WHERE seq = 3", "chain-broken"),
        ("DELETE FROM log WHERE seq = 4", "entry-missing"),
        ("DELETE FROM log WHERE seq = 1", "entry-missing"),
        ("UPDATE certificates SET status = 'valid' WHERE status = 'revoked'", "status-unlogged"),
        ("UPDATE certificates SET status = 'held' WHERE status = 'revoked'", "status-unlogged"),
        ("UPDATE certificates SET der = zeroblob(100) WHERE id = 3", "certificate-unlogged"),
        ("DELETE FROM log WHERE seq = (SELECT max(seq) FROM log)", "status-unlogged"),
    ],
)
def test_tampering_is_noticed(world: World, statement: str, code: str) -> None:
    """Each change to log or certificates gives its own fault."""
    _tamper(world, statement)
    assert code in {fault.code for fault in audit(world.deps).faults}


def test_a_removed_certificate_is_noticed(world: World) -> None:
    """What was issued must stay on record."""
    _tamper(world, "DELETE FROM names WHERE certificate = 5")
    _tamper(world, "DELETE FROM certificates WHERE id = 5")
    assert "certificate-missing" in {fault.code for fault in audit(world.deps).faults}


def test_a_log_cut_back_is_noticed_by_whoever_noted_its_head(world: World) -> None:
    """Log and certificates cut back together agree with each other, but not with a head noted before."""
    head = audit(world.deps).head
    _tamper(world, "UPDATE certificates SET status = 'valid'")
    _tamper(world, 'DELETE FROM log WHERE text LIKE \'%"kind":"revoked"%\'')
    assert audit(world.deps).faults == ()
    assert [f.code for f in audit(world.deps, expected_head=head).faults] == ["head-unknown"]


def test_a_lost_key_is_noticed(world: World) -> None:
    """A certificate whose key we should have, and have not."""
    for path in (world.folder / "keys").glob("*.batch.pem"):
        path.unlink()
    assert {f.code for f in audit(world.deps).faults} == {"key-missing"}


@pytest.mark.parametrize("text", ["no JSON", "[1]", "{}"])
def test_an_entry_that_nobody_wrote_is_noticed_although_its_hash_is_right(world: World, text: str) -> None:
    """Whoever can write into the store can compute the hash of what they write; the last entry, so that the chain holds."""
    with world.store.reading() as reader:
        last = reader.last_entry()
    assert last is not None
    _tamper(
        world, f"UPDATE log SET text = '{text}', hash = x'{_hash(last.previous, text).hex()}' WHERE seq = {last.seq}"
    )
    found = {fault.code for fault in audit(world.deps).faults}
    assert found & {"entry-unreadable", "entry-moved"}, found


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE certificates SET status = 'lost' WHERE id = 3",
        "UPDATE certificates SET names = 'x' WHERE id = 3",
        "UPDATE ca_generations SET role = 'x' WHERE id = 1",
    ],
)
def test_a_row_that_nobody_wrote_is_a_damaged_store(world: World, statement: str) -> None:
    """What no Gatewright writes is told as damage with the way out, whichever command meets it."""
    _tamper(world, statement)
    with pytest.raises(EnvironmentFault) as caught:
        audit(world.deps)
    assert caught.value.diagnostics[0].code == "store-damaged"


def test_nothing_is_issued_after_an_entry_that_cannot_be_read(world: World) -> None:
    """The time of the last entry guards against a clock set back; without it nothing is signed."""
    _tamper(world, "UPDATE log SET text = 'no JSON' WHERE seq = (SELECT max(seq) FROM log)")
    with pytest.raises(EnvironmentFault) as caught:
        world.clients()
    assert caught.value.diagnostics[0].code == "store-damaged"
