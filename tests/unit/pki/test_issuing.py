"""Issuing and delivering: when a certificate is made, when the old one stays, and what the files hold."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12
from tests.pki_world import World, make_world

from gatewright.app import revoking
from gatewright.app.auditing import audit
from gatewright.app.authority import (
    bring_root_online,
    ensure_authority,
    next_issuing_ca,
    take_root_offline,
)
from gatewright.app.issuing import (
    Order,
    deliver_client,
    ensure_client,
    ensure_server_certificate,
    issue,
    issue_client,
    renew,
)
from gatewright.app.publishing import publish
from gatewright.edges.store.database import open_store
from gatewright.errors import EnvironmentFault, UsageError
from gatewright.model.pki import Filter, KeyKind, ProfileName, Reason, Status
from gatewright.pki import crl
from gatewright.pki.build import NameConstraints, constraints_of
from gatewright.pki.bundle import P12Profile
from gatewright.pki.keys import generate, kind_of, public_key_of
from gatewright.pki.names import distinguished_name

HOSTS = ["localhost", "127.0.0.1", "::1"]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path)
    yield made
    made.close()


def test_an_authority_is_made_once(world: World) -> None:
    """Asked again, the same root and issuing CA are found, and missing files are written again."""
    Path(world.home.root_path).unlink()
    again = ensure_authority("home", "localhost", "p256", world.deps)
    assert (again.root, again.issuing) == (world.home.root, world.home.issuing)
    assert x509.load_pem_x509_certificate(Path(again.root_path).read_bytes()) == again.root_certificate


def test_the_server_certificate_stays_until_its_last_third(world: World) -> None:
    """The same certificate for sixty days, a new one after that."""
    first = ensure_server_certificate(world.home, HOSTS, world.deps)
    world.clock.turn(days=59)
    again = ensure_server_certificate(world.home, HOSTS, world.deps)
    world.clock.turn(days=2)
    later = ensure_server_certificate(world.home, HOSTS, world.deps)
    assert (first.renewed, again.renewed, later.renewed) == (True, False, True)
    assert first.chain_path == again.chain_path != later.chain_path
    assert Path(first.chain_path).exists(), "the running gateway may still read the old one"


@pytest.mark.parametrize("hosts", [["localhost", "127.0.0.1"], [*HOSTS, "gw.example"], ["gw.example"]])
def test_other_names_need_another_server_certificate(world: World, hosts: list[str]) -> None:
    """A certificate for other names is not kept."""
    ensure_server_certificate(world.home, HOSTS, world.deps)
    assert ensure_server_certificate(world.home, hosts, world.deps).renewed


def test_the_order_of_names_does_not_matter(world: World) -> None:
    """The same names in another order are the same names."""
    ensure_server_certificate(world.home, HOSTS, world.deps)
    assert not ensure_server_certificate(world.home, list(reversed(HOSTS)), world.deps).renewed


def test_a_revoked_server_certificate_is_replaced(world: World) -> None:
    """Nobody serves with a revoked certificate."""
    first = ensure_server_certificate(world.home, HOSTS, world.deps)
    revoking.revoke(revoking.one(first.certificate), Reason.SUPERSEDED, world.deps, world.markers, by="test")
    assert ensure_server_certificate(world.home, HOSTS, world.deps).renewed


def test_a_revoked_client_is_not_given_a_new_certificate(world: World) -> None:
    """Asking for the client again gives the revoked one, not a new one behind the back of whoever revoked it."""
    first = ensure_client(world.home, "erp", "erp.example", world.deps)
    revoking.revoke(revoking.one(first.certificate), Reason.PRIVILEGE_WITHDRAWN, world.deps, world.markers, by="test")
    assert ensure_client(world.home, "erp", "erp.example", world.deps).certificate.sha256 == first.certificate.sha256
    world.clock.turn(days=91)
    assert ensure_client(world.home, "erp", "erp.example", world.deps).certificate.sha256 == first.certificate.sha256


def test_lost_markers_come_back(world: World) -> None:
    """When the folder of markers is lost, it is made again from the store before anything is served."""
    first = world.clients()[0]
    revoking.revoke(revoking.one(first), Reason.SUPERSEDED, world.deps, world.markers, by="test")
    shutil.rmtree(world.markers)
    assert revoking.synchronise_markers(world.deps, world.markers) == (1, 0)
    assert world.marked() == {first.pem_sha1.hex()}
    assert (world.markers / revoking.READY).exists()


def test_markers_of_a_proof_with_stand_ins_are_left_alone(world: World) -> None:
    """The store knows nothing of those certificates. The twin: a marker of nobody is removed."""
    for name in ("ab" * 20, f"{revoking.TWIN}{'ab' * 20}", "cd" * 20):
        (world.markers / name).touch()
    assert revoking.synchronise_markers(world.deps, world.markers) == (0, 2)
    assert (world.markers / ("ab" * 20)).exists()
    assert not (world.markers / ("cd" * 20)).exists()


def test_a_lost_server_key_means_a_new_certificate(world: World) -> None:
    """Without its key a certificate is worthless."""
    first = ensure_server_certificate(world.home, HOSTS, world.deps)
    Path(first.key_path).unlink()
    assert ensure_server_certificate(world.home, HOSTS, world.deps).renewed


def test_no_leaf_outlives_its_issuer(world: World) -> None:
    """Close to the issuing CA's end, certificates end with it; after its end, nothing is issued."""
    world.clock.at = world.home.issuing.not_after - timedelta(days=3)
    issued = issue_client(world.home, "late", "late.example", world.deps)
    assert issued.not_after == world.home.issuing.not_after
    world.clock.turn(days=3)
    with pytest.raises(UsageError) as refused:
        issue_client(world.home, "later", "later.example", world.deps)
    assert refused.value.diagnostics[0].code == "profile-violation"


def test_delivered_files_are_made_again(world: World) -> None:
    """Whatever was deleted comes back with the same content; what holds secrets is 0600."""
    first = ensure_client(world.home, "erp", "erp.example", world.deps)
    assert first.key_path is not None
    assert first.p12_path is not None
    key = Path(first.key_path).read_bytes()
    shutil.rmtree(Path(first.chain_path).parent)
    again = ensure_client(world.home, "erp", "erp.example", world.deps)
    assert again.certificate.sha256 == first.certificate.sha256
    assert Path(first.key_path).read_bytes() == key
    for path in (first.key_path, first.p12_path, first.passphrase_path):
        assert path is not None
        assert Path(path).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("profile", list(P12Profile))
def test_the_p12_opens_with_its_passphrase(world: World, profile: P12Profile) -> None:
    """Key, certificate and issuing CA come out of it."""
    issued = issue_client(world.home, "erp", "erp.example", world.deps, p12=profile)
    assert issued.p12_path is not None
    assert issued.passphrase_path is not None
    passphrase = Path(issued.passphrase_path).read_bytes().strip()
    key, certificate, above = pkcs12.load_key_and_certificates(Path(issued.p12_path).read_bytes(), passphrase)
    assert key is not None
    assert certificate is not None
    assert key.public_key() == certificate.public_key()
    assert above == [world.home.issuing_certificate]


def test_a_renewed_client_gets_matching_files(world: World) -> None:
    """After renewal, certificate, key and .p12 belong together."""
    first = issue_client(world.home, "erp", "erp.example", world.deps)
    second = renew(world.home, world.stored(first.certificate), world.deps, requested_by="test", why="")
    delivered = deliver_client(world.home, second, world.deps)
    assert delivered.p12_path is not None
    assert delivered.passphrase_path is not None
    passphrase = Path(delivered.passphrase_path).read_bytes().strip()
    _, certificate, _ = pkcs12.load_key_and_certificates(Path(delivered.p12_path).read_bytes(), passphrase)
    assert certificate == x509.load_der_x509_certificate(second.der)
    assert second.spki_sha256 != first.certificate.spki_sha256
    assert second.not_after - second.not_before == first.not_after - first.certificate.not_before


@pytest.mark.parametrize("kind", list(KeyKind))
def test_every_kind_of_key_is_certified(world: World, kind: KeyKind) -> None:
    """P-256, P-384, RSA and Ed25519 leaves under a P-256 CA."""
    issued = issue_client(world.home, "erp", "erp.example", world.deps, algorithm=kind)
    certificate = x509.load_der_x509_certificate(issued.certificate.der)
    certificate.verify_directly_issued_by(world.home.issuing_certificate)
    assert kind_of(public_key_of(certificate)) is kind


def test_ed25519_is_not_for_authorities(world: World) -> None:
    """Verifiers refuse it there."""
    with pytest.raises(ValueError, match="keys of these kinds only"):
        ensure_authority("edwards", "localhost", KeyKind.ED25519, world.deps)


def test_name_constraints_bind_at_every_issuing_ca(world: World) -> None:
    """Each generation repeats the root's, because the gateway trusts it by itself; what they forbid is not issued, nor recorded."""
    limits = NameConstraints(permitted=(x509.DNSName("example.org"),), excluded=(x509.DNSName("bad.example.org"),))
    first = ensure_authority("bound", "localhost", "p256", world.deps, constraints=limits)
    for state in (first, next_issuing_ca("bound", "localhost", "p256", world.deps)):
        assert constraints_of(state.root_certificate) == constraints_of(state.issuing_certificate) == limits
        assert issue_client(state, "in", "in.example.org", world.deps).certificate.status is Status.VALID
        with world.store.reading() as reader:
            before = len(list(reader.certificates()))
        for name in ("example.com", "x.bad.example.org"):
            with pytest.raises(UsageError) as refused:
                issue_client(state, "out", name, world.deps)
            assert refused.value.diagnostics[0].code == "name-not-permitted"
        with world.store.reading() as reader:
            assert len(list(reader.certificates())) == before


def test_an_authority_is_not_taken_for_one_of_other_names(world: World) -> None:
    """Whoever declares names that its root does not have, more or fewer, is told so; the same ones, or none, are fine."""
    local = NameConstraints(permitted=(x509.DNSName("localhost"),))
    first = ensure_authority("bound", "localhost", "p256", world.deps, constraints=local)
    assert ensure_authority("bound", "localhost", "p256", world.deps, constraints=local).root.der == first.root.der
    assert ensure_authority("bound", "localhost", "p256", world.deps).root.der == first.root.der
    more = NameConstraints(permitted=(*local.permitted, x509.DNSName("example.org")))
    for name, constraints in (("bound", more), ("home", local)):
        with pytest.raises(UsageError) as refused:
            ensure_authority(name, "localhost", "p256", world.deps, constraints=constraints)
        assert refused.value.diagnostics[0].code == "authority-has-other-names"


def test_names_of_another_kind_are_refused(world: World) -> None:
    """A server certificate with an e-mail address, or without a name; a client's without any."""
    key = generate(KeyKind.P256)
    named, nobody = distinguished_name("x"), x509.Name([])
    for profile, subject, names in (
        (ProfileName.SERVER, named, (x509.RFC822Name("a@b.example"),)),
        (ProfileName.SERVER, named, ()),
        (ProfileName.CLIENT, nobody, ()),
    ):
        with pytest.raises(UsageError):
            issue(world.home, [Order(profile, subject, names, key.public_key())], world.deps)


class _Repeating:
    """Randomness that repeats itself so often before it goes on."""

    def __init__(self, doubles: int) -> None:
        self.left = doubles

    def serial(self) -> int:
        """The same number, then others."""
        if self.left:
            self.left -= 1
            return 4711
        return x509.random_serial_number()

    def secret(self) -> str:
        """Nothing here asks for one."""
        raise NotImplementedError

    def passphrase(self) -> str:
        """Any."""
        return "x" * 24


def test_a_repeated_serial_is_drawn_again(world: World) -> None:
    """One double is survived; randomness that only repeats is refused."""
    world.deps = dataclasses.replace(world.deps, randomness=_Repeating(2))
    first, second = world.clients()[0], world.clients()[0]
    assert first.serial != second.serial
    world.deps = dataclasses.replace(world.deps, randomness=_Repeating(99))
    with pytest.raises(EnvironmentFault) as refused:
        world.clients()
    assert refused.value.diagnostics[0].code == "randomness-repeats"
    assert audit(world.deps).faults == ()


def test_a_key_that_others_can_read_is_not_used(world: World) -> None:
    """A mode wider than 0600 is refused with the command that repairs it."""
    for path in (world.folder / "keys").iterdir():
        path.chmod(0o644)
    with pytest.raises(EnvironmentFault) as refused:
        world.clients()
    told = refused.value.diagnostics[0]
    assert told.code == "key-readable-by-others"
    assert "chmod 600" in told.fix


def test_the_root_goes_offline_and_comes_back(world: World) -> None:
    """Without the root key, leaves are issued and no issuing CA; with the passphrase it comes back, with another it does not."""
    away = world.folder.parent / f"{world.folder.name}-root.pem"
    take_root_offline("home", away, "correct horse battery", world.deps)
    world.home = ensure_authority("home", "localhost", "p256", world.deps)
    assert not world.deps.keystore.holds(world.home.root.key)
    assert b"ENCRYPTED" in away.read_bytes()
    assert away.stat().st_mode & 0o777 == 0o600
    world.clients()
    assert audit(world.deps).faults == ()
    with pytest.raises(EnvironmentFault) as refused:
        next_issuing_ca("home", "localhost", "p256", world.deps)
    assert refused.value.diagnostics[0].code == "key-offline"
    assert len(ensure_authority("home", "localhost", "p256", world.deps).issuing_generations) == 1
    with pytest.raises(UsageError):
        bring_root_online("home", away, "wrong horse battery", world.deps)
    bring_root_online("home", away, "correct horse battery", world.deps)
    state = next_issuing_ca("home", "localhost", "p256", world.deps)
    assert [g.number for g in state.issuing_generations] == [1, 2]
    assert len({g.subject for g in state.issuing_generations}) == 2
    assert audit(world.deps).faults == ()


def test_a_foreign_root_key_is_refused(world: World, tmp_path: Path) -> None:
    """The file of another authority does not come online as this one."""
    ensure_authority("other", "localhost", "p256", world.deps)
    away = tmp_path / "other.pem"
    take_root_offline("other", away, "correct horse battery", world.deps)
    with pytest.raises(UsageError) as refused:
        bring_root_online("home", away, "correct horse battery", world.deps)
    assert refused.value.diagnostics[0].code == "root-key-of-another"


def test_a_restored_backup_repeats_neither_serials_nor_crl_numbers(world: World) -> None:
    """What was issued after the backup is told by the audit; new serials and CRL numbers are above and beside the lost ones."""
    publish(world.home, world.deps)
    world.store.close()
    backup = world.folder.parent / f"{world.folder.name}-backup.db"
    shutil.copy(world.folder / "state.db", backup)
    world.store = open_store(f"sqlite:///{world.folder}/state.db")
    world.deps = dataclasses.replace(world.deps, store=world.store)
    lost = issue_client(world.home, "lost", "lost.example", world.deps).certificate
    for _ in range(400):  # faster than one per second, so that time alone would not have passed their numbers
        before = publish(world.home, world.deps, force=True)
        if before.crls[1].number > world.clock.at.timestamp() + 3:
            break
    world.store.close()
    for suffix in ("-wal", "-shm"):
        (world.folder / f"state.db{suffix}").unlink(missing_ok=True)
    shutil.copy(backup, world.folder / "state.db")
    world.store = open_store(f"sqlite:///{world.folder}/state.db")
    world.deps = dataclasses.replace(world.deps, store=world.store)
    assert [f.code for f in audit(world.deps).faults] == ["delivered-unknown"]
    after = publish(world.home, world.deps)
    for old, new in zip(before.crls, after.crls, strict=True):
        assert new.number > old.number
        assert new.this_update > old.this_update
    assert lost.serial not in {c.serial for c in world.clients(50)}


def test_everything_with_one_key_is_revoked(world: World) -> None:
    """A compromised key takes every certificate for it along, and no other."""
    key = generate(KeyKind.P256)
    orders = [
        Order(ProfileName.CLIENT, distinguished_name(n), (x509.DNSName(n),), key.public_key(), client=n)
        for n in ("a.example", "b.example")
    ]
    issued = issue(world.home, orders, world.deps)
    other = world.clients()[0]
    done = revoking.revoke(
        revoking.same_key(issued[0].spki_sha256), Reason.KEY_COMPROMISE, world.deps, world.markers, by="test"
    )
    assert {c.client for c in done.certificates} == {"a.example", "b.example"}
    assert other.pem_sha1.hex() not in world.marked()


def test_a_root_cannot_revoke_itself(world: World) -> None:
    """Nothing is changed, and the message says what to do instead."""
    with world.store.reading() as reader:
        root = reader.newest(Filter(profile=ProfileName.ROOT))
    assert root is not None
    with pytest.raises(UsageError):
        revoking.revoke(revoking.one(root), Reason.CA_COMPROMISE, world.deps, world.markers, by="test")


def test_a_revoked_issuing_ca_is_on_the_roots_list(world: World) -> None:
    """The root's CRL names the issuing CA."""
    with world.store.reading() as reader:
        ca = reader.newest(Filter(profile=ProfileName.ISSUING))
    assert ca is not None
    revoking.revoke(revoking.one(ca), Reason.CA_COMPROMISE, world.deps, world.markers, by="test")
    assert crl.content(publish(world.home, world.deps).crls[0].der) == {(int(ca.serial_hex, 16), Reason.CA_COMPROMISE)}


def test_a_folder_of_somebody_else_is_told(world: World) -> None:
    """Without permission nothing is issued, the message says whose turn it is, and nothing is lost."""
    keys = world.folder / "keys"
    ours = os.geteuid()
    keys.chmod(0o500 if ours else 0o700)
    try:
        if ours == 0:
            os.seteuid(65534)  # root may write anywhere, so the test is somebody else for a moment
        with pytest.raises(EnvironmentFault) as refused:
            world.clients()
    finally:
        os.seteuid(ours)
        keys.chmod(0o700)
    assert refused.value.diagnostics[0].code == "no-permission"
    assert audit(world.deps).faults == ()
    world.clients()


def test_a_database_that_cannot_be_written_is_told(world: World) -> None:
    """SQLite's own refusal becomes a message, and what was there stays."""
    with world.store._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only=ON")
    with pytest.raises(EnvironmentFault) as refused:
        world.clients()
    assert refused.value.diagnostics[0].code == "store-read-only"
    with world.store._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only=OFF")
    assert audit(world.deps).faults == ()
