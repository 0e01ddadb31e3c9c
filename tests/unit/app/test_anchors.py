"""Which CAs a proof takes for those of a generation, whatever stands in the gateway's folder by now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import pytest
from tests.live.pki import authority
from tests.pki_world import World, make_world

from gatewright.app import generations as g
from gatewright.app.anchors import anchors_of
from gatewright.app.places import Places
from gatewright.app.preparing import fingerprint
from gatewright.edges.files import LocalFiles
from gatewright.model.gateway import Gateway
from gatewright.model.machine import Artifact, OutputFile
from gatewright.model.virtual_hosts import in_force
from gatewright.source import load

POLICY = """
gateway: localhost
listen: 8443
authorities:
  home:    { managed: true }
  globex:  { anchor: [globex-1.pem, globex-2.pem] }
  initech: { anchor: initech.pem }
partners: { initech: { authority: initech, disabled: true } }
clients: { erp: { authority: globex, san: erp.example } }
routes: { /a: { respond: { text: a }, access: [erp] } }
"""
GATEWAY: Gateway = in_force(load(POLICY, "gateway.yaml").gateway)
FIRST, SECOND, OTHER, SHUT_OUT = (authority(name) for name in ("one", "two", "one", "initech"))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A PKI, and a generation that was made with both CAs of the partner; the folder holds them too."""
    made = make_world(tmp_path)
    places = Places(PurePosixPath(tmp_path))
    for name, pair in (("globex-1", FIRST), ("globex-2", SECOND), ("initech", SHUT_OUT)):
        (tmp_path / f"{name}.pem").write_bytes(pair.pem)
    anchors = tuple((fingerprint(pair.certificate), "CN=x") for pair in (FIRST, SECOND))
    sources = g.Sources(POLICY.encode(), "ab", "c", "k", {"globex": anchors}, datetime.now(UTC), "1")
    file = OutputFile(PurePosixPath("anchors.pem"), FIRST.pem + SECOND.pem)
    g.write_generation(LocalFiles(), places, places.layout(1), Artifact((file,), ()), sources)
    yield made
    made.close()


def found(world: World, number: int = 1) -> dict[str, str]:
    """The common names of what was found, ours left out, and whether the first is the one that was applied."""
    anchors = anchors_of(Places(PurePosixPath(world.folder)), GATEWAY, number, world.deps)
    assert anchors.pop("home") == world.home.issuing_certificate
    names = {
        FIRST.certificate: "first",
        SECOND.certificate: "second",
        OTHER.certificate: "other",
        SHUT_OUT.certificate: "out",
    }
    return {key: names[certificate] for key, certificate in anchors.items()}


ALL = {"globex": "first", "globex/2": "second", "initech": "out"}


@pytest.mark.parametrize("content", [OTHER.pem, b"hello\n", None])
def test_what_is_not_applied_does_not_count(world: World, content: bytes | None) -> None:
    """Another CA of the same name in the file, none in it, or no file: the one that was applied is taken all the same."""
    path = world.folder / "globex-1.pem"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert found(world) == ALL


def test_a_generation_that_lost_a_ca_does_not_hide_it(world: World) -> None:
    """The generation is what is judged: what its manifest names is taken from the folder. Where that has it no more either, it is left out."""
    (world.folder / "generations" / "0001" / "anchors.pem").write_bytes(FIRST.pem)
    assert found(world) == ALL
    (world.folder / "globex-2.pem").unlink()
    assert found(world) == {"globex": "first", "initech": "out"}


def test_a_generation_whose_anchors_are_damaged_is_told_as_one_that_lost_them(world: World) -> None:
    """Torn by hand, its file of anchors has none; what the folder has still counts, and nothing crashes."""
    (world.folder / "generations" / "0001" / "anchors.pem").write_bytes(FIRST.pem[:200])
    assert found(world) == ALL
    (world.folder / "globex-1.pem").unlink()
    assert found(world) == {"globex/2": "second", "initech": "out"}


def test_before_the_first_generation_the_folder_counts(world: World) -> None:
    """Nothing was applied here yet: what the gateway file names is taken."""
    (world.folder / "globex-1.pem").write_bytes(OTHER.pem)
    assert found(world, 0) == {**ALL, "globex": "other"}


def test_a_disabled_partner_may_have_taken_its_ca_away(world: World) -> None:
    """Its file may be gone: nothing of it is trusted, so nothing of it is needed."""
    (world.folder / "initech.pem").unlink()
    assert found(world) == {"globex": "first", "globex/2": "second"}


def test_pairs_differ() -> None:
    """The CA in the other's place has the same name and another key, or nothing above could fail."""
    assert OTHER.certificate.subject == FIRST.certificate.subject
    assert OTHER.pem != FIRST.pem
