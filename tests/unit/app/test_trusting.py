"""Putting a root into stores that fail in every way, and what the record says of it. The real stores are in tests/live/test_trust.py."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import pytest

from gatewright.app.trusting import RECORD, Trusting
from gatewright.edges.files import LocalFiles
from gatewright.errors import Diagnostic, EnvironmentFault, UsageError
from gatewright.model.pki import KeyKind
from gatewright.pki import build
from gatewright.pki.confinement import confined_to
from gatewright.pki.keys import generate
from gatewright.pki.names import distinguished_name
from gatewright.plan.trusting import Place, Root, RunTool, Seen, Standing, Step, Store, entry_name

FIRST, SECOND = (Place(Store.NSS, f"/profile/{n}", f"profile {n}") for n in (1, 2))
EVERY = tuple(Store)


@dataclass
class Shelves:
    """Stores in memory. ``broken`` ones fail when they are changed; ``deaf`` ones say they did it and did not."""

    held: dict[str, list[Seen]] = field(default_factory=lambda: {FIRST.path: [], SECOND.path: []})
    broken: set[str] = field(default_factory=set)
    deaf: set[str] = field(default_factory=set)
    known_when_changed: list[str] = field(default_factory=list)
    record: Path | None = None

    def places(self, stores: Sequence[Store]) -> tuple[Place, ...]:
        """Two profiles."""
        return (FIRST, SECOND) if Store.NSS in stores else ()

    def look(self, place: Place, wanted: str) -> tuple[Seen, ...]:
        """What is held."""
        return tuple(seen for seen in self.held[place.path] if seen.sha256 == wanted)

    def perform(self, step: Step) -> None:
        """Put in or take out, by certutil's options."""
        assert isinstance(step, RunTool)
        assert self.record is not None
        self.known_when_changed.append(self.record.read_text() if self.record.exists() else "")
        path = step.command[3].removeprefix("sql:")
        name = step.command[step.command.index("-n") + 1]
        if path in self.broken:
            raise EnvironmentFault(Diagnostic("trust-tool-failed", "broken", "", "mend it"))
        if path in self.deaf:
            return
        kept = [seen for seen in self.held[path] if seen.name != name]
        self.held[path] = [*kept, Seen(name, self.sha256, trusted=True)] if "-A" in step.command else kept

    def carries_into_java(self) -> bool:
        """No."""
        return False

    sha256: str = ""


@pytest.fixture
def made(tmp_path: Path) -> tuple[Trusting, Shelves, Root]:
    """A gateway's folder with a root for localhost only."""
    folder = tmp_path / "certs" / "ca"
    folder.mkdir(parents=True)
    certificate = build.root(
        generate(KeyKind.P256), distinguished_name("r"), 1 << 64, datetime.now(UTC), confined_to(["localhost"])
    )
    (folder / "home-root.pem").write_bytes(build.pem(certificate))
    shelves = Shelves(record=tmp_path / RECORD)
    use = Trusting(LocalFiles(), shelves, PurePosixPath(tmp_path))
    root = use.root("home")
    shelves.sha256 = root.sha256
    return use, shelves, root


def recorded(use: Trusting) -> list[str]:
    return [entry["path"] for entry in json.loads((Path(use.folder) / RECORD).read_text())["entries"]]


def test_a_plan_changes_nothing(made: tuple[Trusting, Shelves, Root]) -> None:
    """Neither a store nor the record."""
    use, shelves, root = made
    report = use.plan_install(root, EVERY, unconstrained=False)
    assert [len(item.steps) for item in report.items] == [1, 1]
    assert not report.done
    assert shelves.held == {FIRST.path: [], SECOND.path: []}
    assert not (Path(use.folder) / RECORD).exists()


def test_it_is_written_down_before_it_is_done(made: tuple[Trusting, Shelves, Root]) -> None:
    """So whatever ends the program, nothing is in a store that remove does not know."""
    use, shelves, root = made
    use.carry_out(use.plan_install(root, EVERY, unconstrained=False), installing=True)
    assert [FIRST.path in told for told in shelves.known_when_changed] == [True, True]
    assert SECOND.path not in shelves.known_when_changed[0]
    shelves.known_when_changed.clear()
    use.carry_out(use.plan_remove(root, EVERY), installing=False)
    assert FIRST.path in shelves.known_when_changed[0], "struck off only when it is out"
    assert recorded(use) == []


def test_one_store_that_fails_does_not_keep_the_others(made: tuple[Trusting, Shelves, Root]) -> None:
    """Its problem is told; the other has the root; remove takes out what is there and forgets the rest."""
    use, shelves, root = made
    shelves.broken = {FIRST.path}
    done = use.carry_out(use.plan_install(root, EVERY, unconstrained=False), installing=True)
    assert [item.standing for item in done.items] == [Standing.ABSENT, Standing.TRUSTED]
    assert [problem.code for problem in done.problems] == ["trust-tool-failed"]
    shelves.broken = set()
    gone = use.carry_out(use.plan_remove(root, EVERY), installing=False)
    assert [len(item.steps) for item in gone.items] == [0, 1]
    assert recorded(use) == []


def test_what_could_not_be_taken_out_stays_written_down(made: tuple[Trusting, Shelves, Root]) -> None:
    """A second remove can finish the work."""
    use, shelves, root = made
    use.carry_out(use.plan_install(root, EVERY, unconstrained=False), installing=True)
    shelves.broken = {SECOND.path}
    use.carry_out(use.plan_remove(root, EVERY), installing=False)
    assert recorded(use) == [SECOND.path]


def test_a_store_that_only_says_so_is_noticed(made: tuple[Trusting, Shelves, Root]) -> None:
    """Success is what is found by looking, not an exit code."""
    use, shelves, root = made
    shelves.deaf = {FIRST.path}
    done = use.carry_out(use.plan_install(root, EVERY, unconstrained=False), installing=True)
    assert [problem.code for problem in done.problems] == ["trust-not-changed"]


def test_what_others_put_in_stays(made: tuple[Trusting, Shelves, Root]) -> None:
    """Trusted under another name already, there is nothing to do and nothing to undo; untrusted there, that is told."""
    use, shelves, root = made
    shelves.held = {
        FIRST.path: [Seen("theirs", root.sha256, trusted=True)],
        SECOND.path: [Seen("theirs", root.sha256, trusted=False)],
    }
    report = use.plan_install(root, EVERY, unconstrained=False)
    assert [item.steps for item in report.items] == [(), ()]
    assert [problem.code for problem in report.problems] == ["root-present-untrusted"]
    use.carry_out(report, installing=True)
    use.carry_out(use.plan_remove(root, EVERY), installing=False)
    assert [seen.name for seen in shelves.held[FIRST.path]] == ["theirs"]


def test_remove_takes_only_the_very_certificate(made: tuple[Trusting, Shelves, Root]) -> None:
    """Another certificate that has taken our name in the meantime is not removed."""
    use, shelves, root = made
    use.carry_out(use.plan_install(root, EVERY, unconstrained=False), installing=True)
    other = Seen(entry_name(root.sha256), "ff", trusted=True)
    shelves.held[FIRST.path] = [other]
    use.carry_out(use.plan_remove(root, EVERY), installing=False)
    assert shelves.held == {FIRST.path: [other], SECOND.path: []}


def test_an_authority_without_a_root_is_named(made: tuple[Trusting, Shelves, Root]) -> None:
    """A partner's has none here, and one that was never used neither."""
    with pytest.raises(UsageError) as caught:
        made[0].root("globex")
    assert caught.value.diagnostics[0].code == "no-root-here"
