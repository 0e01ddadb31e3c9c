"""One gateway's PKI on real files and a real database, with a clock that tests can turn."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gatewright.app.authority import AuthorityState, PkiDeps, ensure_authority
from gatewright.app.issuing import issue_clients
from gatewright.app.revoking import synchronise_markers
from gatewright.edges.files import LocalFiles
from gatewright.edges.keyfiles import KeyFiles
from gatewright.edges.randomness import SystemRandomness
from gatewright.edges.store.database import Database, open_store
from gatewright.model.pki import Certificate, KeyKind

START = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)


class TurnableClock:
    """A clock that stands still until it is turned."""

    def __init__(self, start: datetime = START) -> None:
        self.at = start

    def now(self) -> datetime:
        """The time it was turned to."""
        return self.at

    def monotonic(self) -> float:
        """Seconds since the epoch, which is monotonic enough for a clock that only tests turn."""
        return self.at.timestamp()

    def turn(self, **parts: float) -> None:
        """Forwards, or backwards with negative parts: those of ``timedelta``."""
        self.at += timedelta(**parts)


@dataclass
class World:
    """Everything a test of the PKI needs. ``close`` when done."""

    folder: Path
    clock: TurnableClock
    store: Database
    deps: PkiDeps
    home: AuthorityState

    @property
    def markers(self) -> Path:
        """The folder whose entries revoke."""
        return self.folder / "rev"

    def clients(self, count: int = 1) -> list[Certificate]:
        """Certificates for ``count`` clients."""
        with self.store.reading() as reader:
            last = reader.last_entry()
        first = 0 if last is None else last.seq
        return issue_clients(self.home, [(f"c{first + i}", f"c{first + i}.example") for i in range(count)], self.deps)

    def stored(self, certificate: Certificate) -> Certificate:
        """The same certificate as the store has it now."""
        with self.store.reading() as reader:
            found = reader.certificate(certificate.sha256)
        assert found is not None
        return found

    def marked(self) -> set[str]:
        """Names of the marker files."""
        return {path.name for path in self.markers.iterdir() if not path.name.startswith(".")}

    def close(self) -> None:
        """Give back the database."""
        self.store.close()


def make_world(folder: Path, url: str | None = None, algorithm: KeyKind = KeyKind.P256) -> World:
    """A fresh PKI in ``folder``, with the authority ``home``, at noon on the first day of 2030."""
    files, clock = LocalFiles(), TurnableClock()
    store = open_store(url or f"sqlite:///{folder}/state.db")
    deps = PkiDeps(store, KeyFiles(folder / "keys", files), files, clock, SystemRandomness(), folder)
    world = World(folder, clock, store, deps, ensure_authority("home", "localhost", algorithm, deps))
    synchronise_markers(deps, world.markers)
    return world
