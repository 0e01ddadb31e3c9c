"""Enrolled certificates on disk and their entries: exactly those that match, removals included."""

from __future__ import annotations

import datetime as dt
from pathlib import Path, PurePosixPath

import pytest
from tests.live.pki import Pair, authority
from tests.vectors.zoo.kit import URI, Order, build, loaded, uri

from gatewright.app.enrolled import clean_up, digest_of, enrolled, keep, write_entries
from gatewright.app.enrolling import Contact
from gatewright.app.places import Places
from gatewright.edges.files import LocalFiles
from gatewright.source import load

FILES = LocalFiles()
GLOBEX = authority("globex")
NOW = dt.datetime.now(dt.UTC)
POLICY = """
gateway: localhost
listen: 8443
authorities:
  home: {{ managed: true }}
  globex: {{ anchor: globex.pem }}
clients:
  job: {{ authority: globex, uri: "{uri}" }}
routes:
  /job/: {{ respond: {{}}, access: [job] }}
"""


def holder() -> Pair:
    der, key = build(Order(sans=uri(URI)), GLOBEX.certificate, GLOBEX.key)
    return Pair(loaded(der), key)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(PurePosixPath(tmp_path))


def entries(places: Places) -> list[str]:
    folder = Path(places.layout(1).members / "job" / "globex")
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_entries_follow_the_policy(places: Places) -> None:
    """Who matches has an entry; by another policy it is gone; by the first one it is back. Foreign files stay."""
    mine, other = (load(POLICY.format(uri=u), "gateway.yaml").gateway for u in (URI, URI + "/x"))
    digest = keep(FILES, places, "globex", holder().pem)
    assert write_entries(FILES, places, places.layout(1), mine, NOW) == {"globex": frozenset({digest})}
    assert entries(places) == [f"cert-{digest}"]
    (Path(places.layout(1).members / "job" / "globex") / "dns-0").touch()
    assert write_entries(FILES, places, places.layout(1), other, NOW) == {"globex": frozenset()}
    assert entries(places) == ["dns-0"]
    write_entries(FILES, places, places.layout(1), mine, NOW)
    assert entries(places) == [f"cert-{digest}", "dns-0"]


def test_an_entry_that_nobody_enrolled_goes(places: Places) -> None:
    """An entry without a certificate admits nobody for long; the prover's own stay until they end."""
    mine = load(POLICY.format(uri=URI), "gateway.yaml").gateway
    folder = Path(places.layout(1).members / "job" / "globex")
    folder.mkdir(parents=True)
    past, future = int(NOW.timestamp()) - 1, int(NOW.timestamp()) + 600
    for name in ("cert-aa", "cert-bb", "cert-cc", f"canary-{future}-bb", f"canary-{past}-cc", "canary-x-aa"):
        (folder / name).touch()
    write_entries(FILES, places, places.layout(1), mine, NOW)
    assert entries(places) == sorted([f"canary-{future}-bb", "cert-bb"])


def test_expired_and_altered_files_count_for_nothing(places: Places) -> None:
    """What has expired, what is not what its name says, and what is no certificate is left out, then removed."""
    pem = holder().pem
    digest = keep(FILES, places, "globex", pem)
    folder = Path(places.folder / "enrolled" / "globex")
    (folder / f"{'0' * 40}.pem").write_bytes(pem)
    (folder / f"{'1' * 40}.pem").write_bytes(b"nothing")
    assert [e.digest for e in enrolled(FILES, places, "globex", NOW)] == [digest]
    assert clean_up(FILES, places, "globex", NOW) == 2
    assert enrolled(FILES, places, "globex", NOW + dt.timedelta(days=3)) == ()
    assert clean_up(FILES, places, "globex", NOW + dt.timedelta(days=3)) == 1
    assert not list(folder.iterdir())
    assert folder.stat().st_mode & 0o777 == 0o700


def test_lines_of_the_log_are_read_strictly() -> None:
    """A whole line is a contact; a torn or foreign one is none."""
    pem = holder().pem
    text = pem.decode().replace("\n", "\\n")
    contact = Contact.parse(f"globex|{text}|-|{text}")
    assert contact == Contact("globex", pem, (pem,))
    assert contact is not None
    assert contact.digest == digest_of(pem)
    for line in (
        "",
        "globex",
        f"globex|{text}",
        f"globex|{text[:-8]}|-|-",
        "globex|-|-|-",
        f"globex|{text}|x|-",
        f"a|b|{text}|-|-",
    ):
        assert Contact.parse(line) is None
