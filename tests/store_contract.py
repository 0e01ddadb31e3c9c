"""What the store promises, whichever database is behind it. The tests of each database inherit this."""

from __future__ import annotations

import dataclasses
import itertools
import threading
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from gatewright.app import revoking
from gatewright.app.auditing import audit
from gatewright.app.authority import ensure_authority, next_issuing_ca
from gatewright.app.issuing import issue_clients
from gatewright.app.publishing import publish, sign_ahead
from gatewright.edges.store import schema
from gatewright.errors import EnvironmentFault, FindingError
from gatewright.model.pki import Certificate, Event, Filter, KeyState, Reason, Status
from gatewright.pki import crl
from gatewright.ports.store import SerialTaken
from tests.pki_world import World, make_world


class StoreContract:
    """Inherit and provide the fixture ``world``."""

    def test_the_migrations_make_the_schema_that_the_queries_assume(self, world: World) -> None:
        """Tables, columns, nullability and indexes in the database equal those of the schema module."""
        engine = world.store._engine
        found = sa.inspect(engine)
        for table in schema.metadata.sorted_tables:
            columns = {c["name"]: c["nullable"] for c in found.get_columns(table.name)}
            assert columns == {c.name: c.nullable for c in table.columns}
            made = {
                i["name"]: tuple(i["column_names"])
                for i in found.get_indexes(table.name)
                if "duplicates_constraint" not in i
            }
            assert made == {str(i.name): tuple(c.name for c in i.columns) for i in table.indexes}
        assert set(found.get_table_names()) == {t.name for t in schema.metadata.sorted_tables} | {"alembic_version"}

    def test_a_serial_number_is_recorded_once_per_issuer(self, world: World) -> None:
        """The same serial of the same issuer is refused, and the rest of that transaction with it."""
        (first,) = world.clients()

        def twice() -> None:
            with world.store.writing() as tx:
                tx.append([Event("note", world.clock.now())])
                tx.add_certificates([dataclasses.replace(first, sha256=bytes(32))])

        with pytest.raises(SerialTaken):
            twice()
        with world.store.reading() as reader:
            last = reader.last_entry()
            assert last is not None
            assert '"note"' not in last.text

    def test_one_serial_under_two_issuers_is_allowed(self, world: World) -> None:
        """Serial numbers are unique per issuer, not altogether (RFC 5280 §4.1.2.2)."""
        (first,) = world.clients()
        with world.store.writing() as tx:
            tx.add_certificates([dataclasses.replace(first, sha256=bytes(32), issuer=world.home.root.id)])
        with world.store.reading() as reader:
            assert len(reader.by_serial(first.serial)) == 2
            assert len(reader.by_serial(first.serial, world.home.root.id)) == 1

    def test_what_is_read_back_equals_what_was_recorded(self, world: World) -> None:
        """Every field of a certificate survives the round trip."""
        (first,) = world.clients()
        assert dataclasses.replace(world.stored(first), id=0) == first

    def test_a_key_is_known_by_its_hash(self, world: World) -> None:
        """A recorded key is known, any other is not."""
        (first,) = world.clients()
        with world.store.reading() as reader:
            assert reader.knows_key(first.spki_sha256)
            assert not reader.knows_key(bytes(32))

    def test_the_address_of_crls_can_change(self, world: World) -> None:
        """What a generation writes into certificates changes alone, and can be taken away again."""
        before = world.home.issuing
        for url in ("http://crl.example.org/x.crl", None):
            with world.store.writing() as tx:
                tx.set_crl_url(before.id, url)
            with world.store.reading() as reader:
                assert dataclasses.replace(before, crl_url=url) in reader.generations("home")

    def test_pages_cover_everything_once(self, world: World) -> None:
        """Following the cursor shows each certificate exactly once, in the order of expiry."""
        issued = {c.sha256 for c in world.clients(25)}
        seen: list[Certificate] = []
        cursor = None
        with world.store.reading() as reader:
            while True:
                page = reader.page(Filter(authority="home", profile=None, issuer=world.home.issuing.id), 7, cursor)
                seen += page.certificates
                cursor = page.following
                if cursor is None:
                    break
        assert [c.not_after for c in seen] == sorted(c.not_after for c in seen)
        assert len(seen) == 25
        assert {c.sha256 for c in seen} == issued

    def test_names_are_found_by_their_beginning(self, world: World) -> None:
        """A prefix finds the names that begin with it, each certificate once, and no others; wildcards mean nothing."""
        issue_clients(
            world.home, [("erp", "erp.globex.example"), ("erq", "b.example"), ("x%", "c.example")], world.deps
        )
        with world.store.reading() as reader:
            found = reader.page(Filter(name="er"), 10).certificates
            assert [c.client for c in found] == ["erp", "erq"]
            assert [c.client for c in reader.page(Filter(name="x%"), 10).certificates] == ["x%"]
            assert reader.page(Filter(name="%"), 10).certificates == ()

    def test_expiring_certificates_are_listed(self, world: World) -> None:
        """Bounds on the end select what lies between, the upper one excluded."""
        (first,) = world.clients()
        end = first.not_after
        with world.store.reading() as reader:
            inside = Filter(issuer=first.issuer, expires_after=end, expires_before=end + timedelta(seconds=1))
            assert len(reader.page(inside, 10).certificates) == 1
            assert reader.page(Filter(issuer=first.issuer, expires_before=end), 10).certificates == ()

    def test_a_failed_transaction_leaves_nothing(self, world: World) -> None:
        """An exception inside the block undoes certificates and log together."""
        (first,) = world.clients()
        before = audit(world.deps)

        def fail_halfway() -> None:
            with world.store.writing() as tx:
                tx.revoke([world.stored(first).id], Reason.UNSPECIFIED, world.clock.now(), "test", None)
                tx.append([Event("revoked", world.clock.now())])
                raise RuntimeError

        with pytest.raises(RuntimeError):
            fail_halfway()
        assert world.stored(first).status is Status.VALID
        assert audit(world.deps) == before

    def test_two_issuers_at_once_both_succeed(self, world: World) -> None:
        """Threads that issue at the same time wait for each other, and the log stays one chain."""
        failures: list[BaseException] = []

        def work() -> None:
            try:
                for _ in range(10):
                    world.clients()
            except BaseException as problem:  # noqa: BLE001 - handed to the test
                failures.append(problem)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        report = audit(world.deps)
        assert report.faults == ()
        assert report.certificates == 42

    def test_two_gateways_make_one_authority_at_once(self, world: World) -> None:
        """Whoever comes second finds what the first has made."""
        found: list[bytes] = []

        def work() -> None:
            found.append(ensure_authority("other", "localhost", "p256", world.deps).root.der)

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 3
        assert len(set(found)) == 1

    def test_a_clock_set_back_is_refused(self, world: World) -> None:
        """More than five minutes before the last entry: nothing is issued until somebody vouches for the clock."""
        world.clock.turn(hours=2)
        world.clients()
        world.clock.turn(hours=-1)
        with pytest.raises(EnvironmentFault) as refused:
            world.clients()
        assert refused.value.diagnostics[0].code == "clock-set-back"
        world.deps = dataclasses.replace(world.deps, clock_is_right=True)
        world.clients()
        assert audit(world.deps).faults == ()
        world.clock.turn(days=-400)
        with pytest.raises(EnvironmentFault, match="is valid from") as before_its_ca:
            world.clients()
        assert before_its_ca.value.diagnostics[0].code == "clock-set-back"

    def test_revocation_reaches_markers_crl_and_log(self, world: World) -> None:
        """A revoked certificate has its marker and its CRL line, and the audit agrees."""
        first, second = world.clients(2)
        revoking.revoke(revoking.one(first), Reason.KEY_COMPROMISE, world.deps, world.markers, by="test")
        assert world.stored(first).status is Status.REVOKED
        assert world.stored(second).status is Status.VALID
        assert world.marked() == {first.pem_sha1.hex()}
        published = publish(world.home, world.deps)
        assert crl.content(published.crls[1].der) == {(int(first.serial_hex, 16), Reason.KEY_COMPROMISE)}
        assert audit(world.deps).faults == ()

    def test_undo_within_its_time_and_not_after(self, world: World) -> None:
        """A mistaken revocation is published as a hold while it may be undone, and is final afterwards."""
        first, second = world.clients(2)
        for certificate in (first, second):
            revoking.revoke(
                revoking.one(certificate),
                Reason.SUPERSEDED,
                world.deps,
                world.markers,
                by="test",
                undo_within=timedelta(hours=1),
            )
        number = int(second.serial_hex, 16)
        assert (number, Reason.CERTIFICATE_HOLD) in crl.content(publish(world.home, world.deps).crls[1].der)
        revoking.undo(revoking.one(first), world.deps, world.markers, by="test")
        assert world.stored(first).status is Status.VALID
        assert world.marked() == {second.pem_sha1.hex()}
        world.clock.turn(hours=1, seconds=1)
        assert crl.content(publish(world.home, world.deps).crls[1].der) == {(number, Reason.SUPERSEDED)}
        with pytest.raises(FindingError) as refused:
            revoking.undo(revoking.one(second), world.deps, world.markers, by="test")
        assert refused.value.diagnostics[0].code == "undo-too-late"
        assert audit(world.deps).faults == ()

    def test_crl_numbers_and_times_only_rise(self, world: World) -> None:
        """However fast lists follow each other, numbers and thisUpdate rise strictly."""
        seen = []
        for step in range(6):
            published = publish(world.home, world.deps, force=True)
            seen.append([(c.number, c.this_update) for c in published.crls])
            world.clock.turn(milliseconds=100 * step)
        for before, after in itertools.pairwise(seen):
            assert all(b[0] < a[0] and b[1] < a[1] for b, a in zip(before, after, strict=True))

    def test_publishing_without_a_change_changes_nothing(self, world: World) -> None:
        """Until the calendar wants a new list, the same one stays published."""
        first = publish(world.home, world.deps)
        world.clock.turn(days=3)
        again = publish(world.home, world.deps)
        assert (first.renewed, again.renewed) == (2, 0)
        assert again.crls == first.crls
        world.clock.turn(days=1)
        assert publish(world.home, world.deps).renewed == 1

    def test_lists_signed_ahead_bridge_the_time_without_the_root_key(self, world: World) -> None:
        """With a year on the shelf there is always a current root CRL, and none of a time to come is shown."""
        signed = sign_ahead(world.home, world.clock.now() + timedelta(days=365), world.deps)
        assert signed > 10
        with world.store.writing() as tx:
            tx.change_generation(world.home.root.id, key_state=KeyState.OFFLINE)
        home = ensure_authority("home", "localhost", "p256", world.deps)
        for _ in range(36):
            world.clock.turn(days=10)
            published = publish(home, world.deps)
            assert published.warnings == ()
            for current in published.crls:
                assert current.this_update <= world.clock.now() < current.next_update
        world.clock.turn(days=60)
        assert [d.code for d in publish(home, world.deps).warnings] == ["crl-overdue"]

    def test_a_retired_generation_still_publishes(self, world: World) -> None:
        """After a change of the issuing CA, what the old one issued can still be revoked, and the bundle has both lists."""
        (old,) = world.clients()
        world.home = next_issuing_ca("home", "localhost", "p256", world.deps)
        (new,) = world.clients()
        assert old.issuer != new.issuer
        revoking.revoke(revoking.one(old), Reason.SUPERSEDED, world.deps, world.markers, by="test")
        published = publish(world.home, world.deps)
        assert len(published.crls) == 3
        assert [len(crl.content(c.der)) for c in published.crls] == [0, 1, 0]

    def test_a_store_too_new_is_refused(self, world: World) -> None:
        """A schema of a later version is not touched."""
        with world.store._engine.connect() as connection, connection.begin():
            connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
        url = world.store._engine.url.render_as_string(hide_password=False)
        with pytest.raises(EnvironmentFault) as refused:
            make_world(Path(world.folder), url.replace("postgresql+psycopg", "postgresql"))
        assert refused.value.diagnostics[0].code == "store-too-new"
