"""Killed with -9 at any instant, nothing is lost: no key, no serial, no file half written, nothing outside the log."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cryptography import x509

from gatewright.app.auditing import audit
from gatewright.app.authority import PkiDeps, ensure_authority
from gatewright.app.issuing import ensure_client, issue_client
from gatewright.app.publishing import publish
from gatewright.app.revoking import synchronise_markers
from gatewright.edges.clock import SystemClock
from gatewright.edges.files import LocalFiles
from gatewright.edges.keyfiles import KeyFiles
from gatewright.edges.randomness import SystemRandomness
from gatewright.edges.store.database import open_store
from gatewright.model.pki import Status
from gatewright.pki.crl import number_and_time
from gatewright.pki.keys import from_pem, spki_sha256

ROUNDS = 25

# One process that does everything there is, over and over, and says after each step what it was promised.
WORKER = """
import itertools, sys
from pathlib import Path
from gatewright.app import revoking
from gatewright.app.authority import PkiDeps, ensure_authority
from gatewright.app.issuing import issue_client, issue_clients, renew
from gatewright.app.publishing import publish
from gatewright.edges.clock import SystemClock
from gatewright.edges.files import LocalFiles
from gatewright.edges.keyfiles import KeyFiles
from gatewright.edges.randomness import SystemRandomness
from gatewright.edges.store.database import open_store
from gatewright.model.pki import Reason

folder = Path(sys.argv[1])
files = LocalFiles()
store = open_store(f"sqlite:///{folder}/state.db")
deps = PkiDeps(store, KeyFiles(folder / "keys", files), files, SystemClock(), SystemRandomness(), folder)
print("ready", flush=True)
home = ensure_authority("home", "localhost", "p256", deps)
for i in itertools.count():
    issued = issue_client(home, f"c{i % 5}", f"c{i % 5}.example", deps).certificate
    print("issued", issued.sha256.hex(), flush=True)
    for batch in issue_clients(home, [("b", "b.example")] * 3, deps):
        print("issued", batch.sha256.hex(), flush=True)
    print("issued", renew(home, issued, deps, requested_by="crash", why="").sha256.hex(), flush=True)
    revoking.revoke(revoking.one(issued), Reason.SUPERSEDED, deps, folder / "rev", by="crash")
    print("revoked", issued.sha256.hex(), issued.pem_sha1.hex(), flush=True)
    published = publish(home, deps)
    print("crl", published.crls[1].number, flush=True)
"""


def _run_and_kill(folder: Path, after: float) -> list[list[str]]:
    """Start the worker, kill it ``after`` seconds of work, and return what it said."""
    worker = subprocess.Popen([sys.executable, "-c", WORKER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    assert worker.stdout.readline() == "ready\n"
    time.sleep(after)  # the random instant is the point of this test, not a wait for anything
    os.kill(worker.pid, signal.SIGKILL)
    said = worker.stdout.read().splitlines(keepends=True)
    worker.stdout.close()
    worker.wait()
    return [line.split() for line in said if line.endswith("\n")]


@pytest.mark.slow
def test_kill_at_random_instants_loses_nothing(tmp_path: Path) -> None:
    """After every kill: the audit passes, everything promised is there, the next run goes on, and CRL numbers rise."""
    seed = int(os.environ.get("GATEWRIGHT_SEED", "0")) or random.randrange(1 << 32)
    print(f"GATEWRIGHT_SEED={seed}")
    chance = random.Random(seed)
    (tmp_path / "rev").mkdir()
    files, highest = LocalFiles(), 0
    for _ in range(ROUNDS):
        said = _run_and_kill(tmp_path, chance.uniform(0.0, 0.25))
        store = open_store(f"sqlite:///{tmp_path}/state.db")
        deps = PkiDeps(store, KeyFiles(tmp_path / "keys", files), files, SystemClock(), SystemRandomness(), tmp_path)
        report = audit(deps)
        assert report.faults == ()
        with store.reading() as reader:
            stored = {c.sha256.hex(): c for c in reader.certificates()}
        for what, *rest in said:
            if what == "issued":
                assert rest[0] in stored
            elif what == "revoked":
                assert stored[rest[0]].status is Status.REVOKED
                assert (tmp_path / "rev" / rest[1]).exists()
            elif what == "crl":
                assert int(rest[0]) >= highest
                highest = int(rest[0])
        serials = [(c.issuer, c.serial) for c in stored.values()]
        assert len(serials) == len(set(serials))
        _no_half_files(tmp_path)
        store.close()
    _recovers(tmp_path)


def _no_half_files(folder: Path) -> None:
    """Every file that has its final name is whole."""
    for path in folder.glob("keys/*.pem"):
        if not path.name.endswith(".batch.pem"):
            assert spki_sha256(from_pem(path.read_bytes())).hex() == path.stem
        assert path.stat().st_mode & 0o777 == 0o600
    for path in [*folder.glob("clients/*/*.pem"), *folder.glob("certs/*/*.pem")]:
        if path.parent.name != "crl":
            assert x509.load_pem_x509_certificates(path.read_bytes())
    for path in folder.glob("certs/crl/*.crl"):
        number_and_time(path.read_bytes())


def _recovers(folder: Path) -> None:
    """What a crash left undone is done by the next run: markers agree with the store, delivered files with their certificates."""
    files = LocalFiles()
    store = open_store(f"sqlite:///{folder}/state.db")
    deps = PkiDeps(store, KeyFiles(folder / "keys", files), files, SystemClock(), SystemRandomness(), folder)
    home = ensure_authority("home", "localhost", "p256", deps)
    synchronise_markers(deps, folder / "rev")
    with store.reading() as reader:
        revoked = {name for c in reader.certificates() if c.status is not Status.VALID for name in c.markers}
    assert {p.name for p in (folder / "rev").iterdir()} == revoked | {".ready"}
    client = ensure_client(home, "c0", "c0.example", deps)
    assert client.key_path is not None
    leaf = x509.load_pem_x509_certificates(files.read(client.chain_path))[0]
    assert from_pem(files.read(client.key_path)).public_key() == leaf.public_key()
    assert publish(home, deps).warnings == ()
    issue_client(home, "after", "after.example", deps)
    assert audit(deps).faults == ()
    store.close()
