"""One small PKI for all live tests of a session, and folders that httpd's unprivileged children can reach."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from tests.live.httpd import ACTIVE
from tests.live.pki import CLIENT, DAY, SERVER, Pair, authority, make


@dataclass(frozen=True)
class Lab:
    """Two authorities the gateways know, one they do not, and clients that are right or wrong in one way each."""

    folder: Path
    home: Pair
    globex: Pair
    clients: dict[str, tuple[Path, Path]]

    def arguments(self, client: str) -> tuple[str, ...]:
        """Arguments for curl to present ``client``; ``none`` presents nothing."""
        if client == "none":
            return ()
        certificate, key = self.clients[client]
        return ("--cert", str(certificate), "--key", str(key))


def _clients(home: Pair, globex: Pair) -> dict[str, Pair]:
    stranger = authority("stranger")
    return {
        "alice": make("alice", home, usage=[CLIENT], sans=["alice.example.org"]),
        "bob": make("bob", home, usage=[CLIENT], sans=["bob.example.org"]),
        "erp": make("erp", globex, usage=[CLIENT], sans=["erp.globex.example"]),
        "foreign": make("alice", stranger, usage=[CLIENT], sans=["alice.example.org"]),
        "self-signed": make("alice", usage=[CLIENT], sans=["alice.example.org"]),
        "expired": make("alice", home, usage=[CLIENT], sans=["alice.example.org"], not_after=-timedelta(hours=1)),
        "not yet valid": make("alice", home, usage=[CLIENT], sans=["alice.example.org"], not_before=DAY),
        "server certificate": make("localhost", home, usage=[SERVER], sans=["localhost"]),
    }


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The PKI, as files."""
    folder = Path(tempfile.mkdtemp(prefix="gatewright-lab-"))
    home, globex = authority("home"), authority("globex")
    clients = {n: p.write(folder, n.replace(" ", "-")) for n, p in _clients(home, globex).items()}
    yield Lab(folder, home, globex, clients)
    shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def log_is_clean() -> Iterator[None]:
    """After each test, a line at level error that no test declared fails it."""
    yield
    lines = [line for gate in ACTIVE for line in gate.undeclared()]
    assert not lines, "undeclared errors in httpd's log:\n" + "\n".join(lines)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Like pytest's, but every account may enter it: other runs of pytest close the folder that theirs share."""
    yield from _folder()


@pytest.fixture(scope="module")
def open_folder() -> Iterator[Path]:
    """A folder for all tests of a module."""
    yield from _folder()


def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="gatewright-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)
