"""Generations on a real disk: whole or not, kept, pruned, settled after a crash."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import pytest

from gatewright.app import generations as g
from gatewright.app.places import Places
from gatewright.edges.files import LocalFiles
from gatewright.model.machine import Artifact, OutputFile

NOW = datetime(2026, 5, 1, tzinfo=UTC)
FILES = LocalFiles()


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """A folder without root's published copy."""
    return Places(PurePosixPath(tmp_path))


def make(places: Places, number: int, *, kept: bool = True) -> None:
    """A whole generation of two files."""
    artifact = Artifact(
        (
            OutputFile(PurePosixPath("httpd.conf"), b"Listen 1\n"),
            OutputFile(PurePosixPath("a.asis"), b"x", public=True),
        ),
        (),
    )
    sources = g.Sources(b"gateway: x\n", "ab", "chain.pem", "key.pem", {"home": (("aa", "CN=home"),)}, NOW, "1")
    g.write_generation(FILES, places, places.layout(number), artifact, sources)
    if kept:
        g.mark_kept(FILES, places, number, "proved", NOW)


def numbers(places: Places) -> list[int]:
    return sorted(int(n) for n in FILES.list(places.generations) if n.isdigit())


def test_what_was_written_is_whole(places: Places) -> None:
    """The manifest is read back as it was given, and nothing counts as changed."""
    make(places, 1)
    manifest = g.read_manifest(FILES, places.layout(1))
    assert manifest is not None
    assert (manifest.number, manifest.certificate, manifest.anchors) == (1, "ab", {"home": (("aa", "CN=home"),)})
    assert g.changed_by_hand(FILES, places.layout(1), manifest) == ()
    assert g.stored_policy(FILES, places.layout(1)) == b"gateway: x\n"


@pytest.mark.parametrize("damage", ["change", "remove", "add", "policy"])
def test_every_change_by_hand_is_named(places: Places, damage: str) -> None:
    """A file changed, removed, or added among the pages, and the kept copy of the gateway file."""
    make(places, 1)
    layout = places.layout(1)
    name = {"change": "httpd.conf", "remove": "pages/a.asis", "add": "pages/b.asis", "policy": "gateway.yaml"}[damage]
    path = Path(layout.generation) / name
    if damage == "remove":
        path.unlink()
    else:
        path.write_bytes(b"other\n")
    manifest = g.read_manifest(FILES, layout)
    assert manifest is not None
    assert g.changed_by_hand(FILES, layout, manifest) == (name,)
    assert not g.is_whole(FILES, places, 1)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"number": 1}', b"\xff"])
def test_a_manifest_that_is_none(places: Places, content: bytes) -> None:
    """Nothing that stands there instead is taken for one."""
    make(places, 1)
    FILES.write(places.layout(1).generation / g.MANIFEST, content)
    assert g.read_manifest(FILES, places.layout(1)) is None


def test_only_so_many_are_kept(places: Places) -> None:
    """The newest kept ones stay, and the current one; what was never kept goes."""
    for number in range(1, 16):
        make(places, number, kept=number != 14)
    g.switch_to(FILES, places, 15)
    g.prune(FILES, places)
    assert numbers(places) == [*range(4, 14), 15]
    assert g.next_number(FILES, places) == 16


def test_the_one_to_go_back_to(places: Places) -> None:
    """The newest kept one before the current: not one that was never kept, not a newer one."""
    for number, kept in ((1, True), (2, False), (3, True), (4, True)):
        make(places, number, kept=kept)
    g.switch_to(FILES, places, 3)
    assert g.previous_number(FILES, places) == 1
    g.switch_to(FILES, places, 1)
    assert g.previous_number(FILES, places) == 0


def test_a_changed_generation_is_no_way_back(places: Places) -> None:
    """What somebody changed by hand is not the last good one, if there is another."""
    make(places, 1)
    make(places, 2)
    g.switch_to(FILES, places, 2)
    assert g.last_good(FILES, places) == 2
    (Path(places.layout(2).generation) / "httpd.conf").write_text("by hand")
    assert g.last_good(FILES, places) == 1
    (Path(places.layout(1).generation) / "httpd.conf").write_text("by hand")
    assert g.last_good(FILES, places) == 2


def test_a_crash_after_the_switch_is_settled(places: Places) -> None:
    """The link back says where to; settling twice is settling once."""
    make(places, 1)
    make(places, 2)
    g.switch_to(FILES, places, 1)
    assert g.settle(FILES, places) == 0
    g.remember(FILES, places, 1)
    g.switch_to(FILES, places, 2)
    assert g.pending_number(FILES, places) == 1
    assert g.settle(FILES, places) == 1
    assert (g.current_number(FILES, places), g.pending_number(FILES, places)) == (1, 0)
    assert g.settle(FILES, places) == 0


def test_what_is_in_use_is_not_discarded(places: Places) -> None:
    """Neither the current generation nor the one to go back to; any other goes with everything in it."""
    for number in (1, 2, 3):
        make(places, number)
    g.switch_to(FILES, places, 2)
    g.remember(FILES, places, 1)
    for number in (1, 2, 3):
        g.discard(FILES, places, number)
    assert numbers(places) == [1, 2]
