"""CRLs over the years: the calendar, what others change in the store, and everything that keeps a list from being signed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path, PurePath, PurePosixPath

import pytest
from cryptography import x509
from tests.pki_world import TurnableClock, World, make_world

from gatewright.app import revoking
from gatewright.app.authority import PkiDeps, ensure_authority, next_issuing_ca, take_root_offline
from gatewright.app.places import Places, make_places
from gatewright.app.places import publish as publish_files
from gatewright.app.publishing import publish, sign_ahead
from gatewright.app.revoking import synchronise_markers
from gatewright.app.upkeep import STORE_S, Upkeep
from gatewright.app.watching import StoreWatch, publish_all
from gatewright.edges.files import LocalFiles
from gatewright.edges.mirror import LocalMirror
from gatewright.errors import Diagnostic, EnvironmentFault
from gatewright.model.gateway import Publication
from gatewright.model.machine import RunAs
from gatewright.model.pki import CaRole, KeyKind, KeyRef, Reason
from gatewright.pki import crl
from gatewright.pki.keys import PrivateKey
from gatewright.source import load
from gatewright.wiring.pki import close_pki, open_pki

GATEWAY = load(
    "gateway: localhost\nlisten: 8443\nauthorities: { home: { managed: true } }\n"
    "routes: { /crl/: { publish: crl, access: public } }\n",
    "gateway.yaml",
).gateway
PASSPHRASE = "correct horse battery staple"


WORKER = """
import sys
from pathlib import Path
from gatewright.app import revoking
from gatewright.app.authority import find_authority
from gatewright.app.issuing import issue_clients
from gatewright.app.publishing import publish
from gatewright.model.pki import Reason
from gatewright.wiring.pki import open_pki

folder = Path(sys.argv[1])
deps = open_pki(folder)
home = find_authority("home", deps)
for i in range(12):
    (one,) = issue_clients(home, [(sys.argv[2], "c.example")], deps)
    revoking.revoke(revoking.one(one), Reason.SUPERSEDED, deps, folder / "rev", by="test")
    assert publish(home, deps).warnings == ()
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """One authority on the first of January 2030."""
    world = make_world(tmp_path)
    yield world
    world.close()


@contextmanager
def _open(deps: PkiDeps) -> Iterator[PkiDeps]:
    yield deps


def watch(world: World, said: list[str] | None = None, deps: PkiDeps | None = None) -> StoreWatch:
    return StoreWatch(lambda: _open(deps or world.deps), world.markers, (said if said is not None else []).append)


def served(world: World) -> dict[str, bytes]:
    """What httpd serves, by file name."""
    return {path.name: path.read_bytes() for path in (world.folder / Publication.CRL.folder).iterdir()}


def lists(world: World) -> dict[str, x509.CertificateRevocationList]:
    """The CRLs that are served, by file name."""
    return {n: x509.load_der_x509_crl(body) for n, body in served(world).items() if n.endswith(".crl")}


def shortest(world: World) -> timedelta:
    """How long the first of the served CRLs, in the bundle too, still holds."""
    bundle = served(world)["home.pem"]
    both = [*lists(world).values(), *(x509.load_pem_x509_crl(p) for p in _pems(bundle))]
    assert all(found.next_update_utc is not None for found in both)
    return min(found.next_update_utc - world.clock.now() for found in both if found.next_update_utc is not None)


def _pems(bundle: bytes) -> list[bytes]:
    end = b"-----END X509 CRL-----\n"
    return [part + end for part in bundle.split(end) if part]


def number(found: x509.CertificateRevocationList) -> int:
    return found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def test_in_a_year_no_served_crl_is_ever_near_its_end(world: World) -> None:
    """Looked at every six hours for a year, every served CRL holds for at least three days more; numbers only rise."""
    eye, highest = watch(world), dict.fromkeys(("home-root-1.crl", "home-issuing-1.crl"), 0)
    signed = 0
    for step in range(4 * 365):
        eye.look()
        assert shortest(world) >= timedelta(days=3)
        for name, found in lists(world).items():
            assert number(found) >= highest[name]
            signed += number(found) > highest[name]
            highest[name] = number(found)
        if step == 777:
            (victim,) = world.clients()
            revoking.revoke(revoking.one(victim), Reason.KEY_COMPROMISE, world.deps, world.markers, by="test")
        world.clock.turn(hours=6)
    assert 100 < signed < 150, "as often as the calendar says: twice a week, and the root's every four weeks"


def test_twin_without_anybody_looking_the_crls_end(world: World) -> None:
    """The year's test can fail: a week after the last look the served CRL has ended."""
    watch(world).look()
    world.clock.turn(days=7, minutes=1)
    assert shortest(world) < timedelta(0)


def test_a_gateway_that_was_down_for_three_days_was_never_late(world: World) -> None:
    """An outage of three days at any moment leaves every served CRL good until it is over."""
    eye = watch(world)
    for _ in range(40):
        eye.look()
        world.clock.turn(days=3)
        assert shortest(world) > timedelta(0)
        eye.look()
        world.clock.turn(hours=11)


def test_a_root_taken_offline_is_never_late_either(world: World) -> None:
    """With the root's key away, its CRLs come from the shelf until the issuing CA's end; then it is taken down."""
    publish(world.home, world.deps)
    sign_ahead(world.home, world.home.issuing.not_after, world.deps)
    take_root_offline("home", PurePosixPath(world.folder / "root.key"), PASSPHRASE, world.deps)
    said: list[str] = []
    eye = watch(world, said)
    while world.clock.now() < world.home.issuing.not_after - timedelta(days=2):
        eye.look()
        assert shortest(world) >= timedelta(days=2)
        world.clock.turn(days=2)
    assert said == []
    world.clock.turn(days=4)
    eye.look()
    assert set(lists(world)) == {"home-root-1.crl"}, "nothing that an ended CA signed is believed, and none is served"


def test_what_another_process_revokes_takes_effect_at_the_next_look(world: World) -> None:
    """A revocation by somebody who neither set a marker here nor published: both are there after the next look."""
    (client,) = world.clients()
    eye = watch(world)
    eye.look()
    before = number(lists(world)["home-issuing-1.crl"])
    elsewhere = world.folder / "elsewhere"
    elsewhere.mkdir()
    revoking.revoke(revoking.one(client), Reason.SUPERSEDED, world.deps, elsewhere, by="another gateway")
    assert world.marked() == set()
    eye.look()
    assert world.marked() == {client.pem_sha1.hex()}
    now = lists(world)["home-issuing-1.crl"]
    assert number(now) > before
    assert now.get_revoked_certificate_by_serial_number(int.from_bytes(client.serial, "big")) is not None


def test_a_look_that_finds_nothing_new_changes_no_file(world: World) -> None:
    """Nothing is signed or written unless the store or the calendar says so."""
    eye = watch(world)
    eye.look()
    before = {p: p.stat().st_mtime_ns for p in world.folder.rglob("*") if p.is_file()}
    for _ in range(50):
        world.clock.turn(seconds=5)
        eye.look()
    assert {p: p.stat().st_mtime_ns for p in world.folder.rglob("*") if p.is_file()} == before


def test_a_store_that_forgot_takes_no_revocation_back(world: World) -> None:
    """When an older copy of the store stands in its place, markers stay, it is said once, and CRLs go on."""
    (client,) = world.clients()
    watch(world).look()
    world.store.close()
    old = (world.folder / "state.db").read_bytes()
    said: list[str] = []
    eye = watch(world, said)
    eye.look()
    revoking.revoke(revoking.one(client), Reason.KEY_COMPROMISE, world.deps, world.markers, by="test")
    eye.look()
    before = number(lists(world)["home-issuing-1.crl"])
    world.store.close()
    for name in ("state.db-wal", "state.db-shm"):
        (world.folder / name).unlink(missing_ok=True)
    (world.folder / "state.db").write_bytes(old)
    world.clock.turn(hours=2)
    for _ in range(3):
        eye.look()
    assert world.marked() == {client.pem_sha1.hex()}
    assert len([s for s in said if "store was replaced" in s]) == 1
    assert number(lists(world)["home-issuing-1.crl"]) > before


def test_files_lost_while_the_gateway_was_down_are_back_at_its_start(world: World) -> None:
    """Whatever is missing or damaged in the folder of CRLs is written again, with numbers that go on."""
    publish_all(world.deps)
    before = {name: number(found) for name, found in lists(world).items()}
    folder = world.folder / Publication.CRL.folder
    (folder / "home-root-1.crl").unlink()
    (folder / "home-issuing-1.crl").write_bytes(b"half")
    (folder / "home.pem").unlink()
    assert publish_all(world.deps) == ()
    assert {name: number(found) for name, found in lists(world).items()} == before


class _NoRootKey:
    """Keys of which the root's token was taken out."""

    def __init__(self, world: World) -> None:
        self._world = world

    def load(self, ref: KeyRef) -> PrivateKey:
        """Not the root's."""
        if ref == self._world.home.root.key:
            raise EnvironmentFault(Diagnostic("token-missing", "the token is not there", "", "put it back"))
        return self._world.deps.keystore.load(ref)

    def __getattr__(self, name: str) -> object:
        return getattr(self._world.deps.keystore, name)


def test_one_key_that_is_away_keeps_no_other_crl_from_being_renewed(world: World) -> None:
    """Without the root's token the issuing CA's CRL is renewed all the same; what is wrong is said once."""
    publish_all(world.deps)
    before = {name: number(found) for name, found in lists(world).items()}
    said: list[str] = []
    eye = watch(world, said, replace(world.deps, keystore=_NoRootKey(world)))  # type: ignore[arg-type]
    world.clock.turn(days=29)
    for _ in range(3):
        eye.look()
    now = {name: number(found) for name, found in lists(world).items()}
    assert now["home-root-1.crl"] == before["home-root-1.crl"]
    assert now["home-issuing-1.crl"] > before["home-issuing-1.crl"]
    assert [s for s in said if "token" in s] == ["Warning: the token is not there (put it back)"]
    watch(world).look()
    assert number(lists(world)["home-root-1.crl"]) > before["home-root-1.crl"]


def test_two_that_publish_at_once_never_put_an_older_list_back(tmp_path: Path) -> None:
    """Two processes revoke and publish: whoever reads meanwhile sees whole lists with numbers that never fall."""
    deps = open_pki(tmp_path)
    home = ensure_authority("home", "localhost", KeyKind.P256, deps)
    publish(home, deps)
    synchronise_markers(deps, tmp_path / "rev")
    workers = [subprocess.Popen([sys.executable, "-c", WORKER, str(tmp_path), name]) for name in ("x", "y")]
    path, seen = tmp_path / Publication.CRL.folder / "home-issuing-1.crl", [0]
    while any(worker.poll() is None for worker in workers):
        seen.append(crl.number_and_time(path.read_bytes())[0])
    assert [worker.returncode for worker in workers] == [0, 0]
    assert seen == sorted(seen)
    assert len(set(seen)) > 5
    assert len(x509.load_der_x509_crl(path.read_bytes())) == 24
    close_pki(deps)


def test_every_generation_is_served(world: World) -> None:
    """After the next issuing CA is made, CRLs of both are served, and the bundle holds all three."""
    next_issuing_ca("home", "localhost", KeyKind.P256, world.deps)
    publish_all(world.deps)
    assert set(lists(world)) == {"home-root-1.crl", "home-issuing-1.crl", "home-issuing-2.crl"}
    assert len(_pems(served(world)["home.pem"])) == 3


def test_the_calendar_leaves_half_the_life_of_a_crl_for_repairs() -> None:
    """Between the day a CRL should be replaced and its end lie days, not hours, for every kind of CA."""
    for role in CaRole:
        calendar = crl.CALENDARS[role]
        assert calendar.lifetime - calendar.refresh >= timedelta(days=3, hours=12)


class _FullDisk:
    """A mirror on a disk that is full."""

    def sync(self, source: PurePath, target: PurePath, group: int) -> int:
        """Never works."""
        raise EnvironmentFault(Diagnostic("disk-full", "the disk is full", "", "make room"))


def test_upkeep_looks_every_few_seconds_and_survives_what_goes_wrong(tmp_path: Path) -> None:
    """The loop of a running gateway looks into the store when it is due; what it cannot publish is said once, not raised."""
    clock, said, looks, renewals = TurnableClock(), list[str](), list[datetime](), list[datetime]()
    upkeep = Upkeep(
        Places(PurePosixPath(tmp_path), RunAs("www-data", "www-data", 33, 33), PurePosixPath(tmp_path / "lib")),
        GATEWAY,
        mirror=_FullDisk(),
        clock=clock,
        say=said.append,
        watch_store=lambda: looks.append(clock.now()),
        renew=lambda: renewals.append(clock.now()),
    )
    for _ in range(4 * 3600):
        clock.turn(seconds=0.5)
        upkeep()
    assert 7200 / STORE_S * 0.9 <= len(looks) <= 7200 / STORE_S
    assert len(renewals) == 2
    assert said == ["Warning: the disk is full (make room)"]


def test_root_publishes_the_crls_to_httpds_children(world: World, tmp_path: Path) -> None:
    """Started by root, the copy that httpd's children can see follows the folder of CRLs."""
    group = os.getgid()
    places = Places(
        PurePosixPath(world.folder), RunAs("www-data", "www-data", 33, group), PurePosixPath(tmp_path / "lib")
    )
    make_places(LocalFiles(), places)
    publish_all(world.deps)
    assert publish_files(LocalMirror(), places, GATEWAY) > 0
    assert places.published is not None
    copy = Path(places.published / "files" / Publication.CRL.folder / "home-issuing-1.crl")
    assert copy.read_bytes() == (world.folder / Publication.CRL.folder / copy.name).read_bytes()
    assert publish_files(LocalMirror(), places, GATEWAY) == 0
