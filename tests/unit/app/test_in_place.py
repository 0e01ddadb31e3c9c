"""A change of members on a real disk: finished by whoever comes next, at whatever write it was interrupted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import pytest

from gatewright.app import generations as g
from gatewright.app.in_place import InPlace, before_change, proved, restate, take_back, touched
from gatewright.app.members import compare, rederive
from gatewright.app.places import Places
from gatewright.edges.clock import SystemClock
from gatewright.edges.files import LocalFiles
from gatewright.errors import FindingError
from gatewright.model.gateway import Gateway
from gatewright.model.machine import Artifact, OutputFile
from gatewright.source import load

NOW = datetime(2026, 5, 1, tzinfo=UTC)
POLICY = """\
gateway: localhost
listen: 8443
authorities: { home: { managed: true } }
clients:
  ann: { authority: home, san: ann.example.org }
  bob: { authority: home, san: bob.example.org }
  cat: { authority: home, san: cat.example.org }
groups: { staff: [ann, bob], others: [ann] }
routes:
  /staff/: { respond: { text: x }, access: [staff] }
  /others/: { respond: { text: x }, access: [others] }
  /public/: { respond: { text: x }, access: public }
"""
OTHER = POLICY.replace("[ann, bob]", "[ann, cat]")
SUBJECTS = {"home": ("CN=home",)}


class Killed(Exception):
    """What a kill is to the code that it hits."""


class Mortal(LocalFiles):
    """The real files, until so many changes were made."""

    def __init__(self, lives: int) -> None:
        self.lives = lives

    def _live(self) -> None:
        if not self.lives:
            raise Killed
        self.lives -= 1

    def write(self, path: object, content: bytes, mode: int = 0o640) -> None:
        """One change."""
        self._live()
        super().write(path, content, mode)  # type: ignore[arg-type] # the fake files take PurePosixPath only

    def touch(self, path: object) -> None:
        """One change."""
        self._live()
        super().touch(path)  # type: ignore[arg-type] # the fake files take PurePosixPath only

    def remove(self, path: object) -> None:
        """One change."""
        self._live()
        super().remove(path)  # type: ignore[arg-type] # the fake files take PurePosixPath only


FILES = LocalFiles()


def gateway(text: str) -> Gateway:
    return load(text, "gateway.yaml").gateway


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Generation 1, whole, with the members of its policy."""
    places = Places(PurePosixPath(tmp_path))
    artifact = Artifact((OutputFile(PurePosixPath("httpd.conf"), b"Listen 1\n"),), ())
    sources = g.Sources(POLICY.encode(), "ab", "chain.pem", "key.pem", {"home": (("aa", "CN=home"),)}, NOW, "1")
    g.write_generation(FILES, places, places.layout(1), artifact, sources)
    g.switch_to(FILES, places, 1)
    rederive(FILES, places, 1)
    return places


def change(places: Places, text: str = OTHER) -> InPlace:
    return InPlace(places, 1, gateway(text), text.encode(), SystemClock())


def is_as(places: Places, text: str) -> bool:
    """Whether members and policy are those of ``text``, and the manifest says so."""
    layout = places.layout(1)
    manifest = g.read_manifest(FILES, layout)
    assert manifest is not None
    return (
        not compare(FILES, layout, gateway(text), SUBJECTS)
        and g.stored_policy(FILES, layout) == text.encode()
        and g.changed_by_hand(FILES, layout, manifest) == ()
    )


def test_a_change_keeps_what_was_proved_before_until_it_is(places: Places) -> None:
    """The members are those of the new policy; the old one stands beside it until the new one is proved."""
    layout = places.layout(1)
    assert is_as(places, POLICY)
    assert not is_as(places, OTHER)
    change(places)(FILES)
    assert is_as(places, OTHER)
    assert before_change(FILES, layout) == POLICY.encode()
    change(places, POLICY.replace("[ann, bob]", "[cat]"))(FILES)
    assert before_change(FILES, layout) == POLICY.encode()  # not what was never proved
    proved(FILES, layout)
    assert before_change(FILES, layout) is None


def test_taking_back_needs_what_was_proved(places: Places) -> None:
    """Back to the last; where nothing was changed there is nothing to take back."""
    with pytest.raises(FindingError):
        take_back(FILES, places, 1)
    change(places)(FILES)
    take_back(FILES, places, 1)
    assert is_as(places, POLICY)
    assert before_change(FILES, places.layout(1)) is not None


def settle(places: Places) -> None:
    """What apply does first."""
    restate(FILES, places.layout(1))
    rederive(FILES, places, 1)


@pytest.mark.parametrize("undo", [False, True])
def test_killed_at_any_write(places: Places, undo: bool) -> None:
    """After any number of changes on disk: whoever settles gets one of the two policies, whole; never bob who left beside cat who joined."""
    layout, lives, seen = places.layout(1), 0, set()
    if undo:
        change(places)(FILES)

    def work(files: LocalFiles) -> None:
        if undo:
            take_back(files, places, 1)
        else:
            change(places)(files)

    begin = snapshot(layout.generation, layout.members)
    while True:
        try:
            work(Mortal(lives))
        except Killed:
            settle(places)
            assert is_as(places, POLICY) != is_as(places, OTHER)
            if is_as(places, OTHER) or undo:
                assert before_change(FILES, layout) == POLICY.encode()  # it is known not to be proved
            seen.add(is_as(places, OTHER))
            begin()
            lives += 1
            continue
        break
    assert lives > 3
    assert seen == {True, False}


def snapshot(*folders: PurePosixPath) -> Callable[[], None]:
    """Remembers what is in folders; called, it makes them so again."""
    paths = [p for folder in folders for p in Path(folder).rglob("*") if p.is_file()]
    kept = {path: path.read_bytes() for path in paths}

    def restore() -> None:
        for folder in folders:
            for path in Path(folder).rglob("*"):
                if path.is_file() and path not in kept:
                    path.unlink()
        for path, content in kept.items():
            path.write_bytes(content)

    return restore


def test_what_is_touched() -> None:
    """The routes of the group that changed, and whoever joined or left; nothing where nobody did."""
    found = touched(gateway(POLICY), gateway(OTHER))
    assert found is not None
    assert (found.routes, set(found.clients)) == (("/staff/",), {"bob", "cat"})
    assert touched(gateway(POLICY), gateway(POLICY)) is None
    other = gateway(POLICY.replace("san: ann.", "san: anna."))
    found = touched(gateway(POLICY), other)
    assert found is not None
    assert (set(found.routes), found.clients) == ({"/staff/", "/others/"}, ("ann",))
