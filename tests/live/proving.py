"""Proofs of gateways that tests run: every authority is stood in for, because tests hold all the keys."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gatewright.app.authority import PkiDeps
from gatewright.app.proving import Proving, Target
from gatewright.edges.accounts import LocalAccounts
from gatewright.edges.clock import SystemClock
from gatewright.edges.files import LocalFiles
from gatewright.edges.keyfiles import KeyFiles
from gatewright.edges.probing.prober import LocalProber
from gatewright.edges.randomness import SystemRandomness
from gatewright.edges.store.database import open_store
from gatewright.model.canary import SOCKET
from gatewright.prove.derive import Depth
from gatewright.prove.minting import Signer
from gatewright.prove.report import Report
from gatewright.source import load
from tests.live.httpd import Running, secrets_of
from tests.live.pki import Pair

# What probes cause in httpd's log: denials, odd requests, refused handshakes at depth 0, misdirected names. A body that ends in the
# middle, or a backend that hangs up on an odd method, is AH01095, AH01097 with AH01084, or AH01102 with AH00898, by who is faster.
PROBED = (
    "AH01630", "AH01623", "AH01139", "AH02032", "AH02031", "AH02040", "AH02033", "AH10244", "AH00026", "AH01095", "AH00127",
    "AH00126", "AH10158", "AH10410", "AH01587", "AH02429", "AH03508", "AH00566", "AH00135", "AH00561", "AH00957", "AH01114",
    "AH01097", "AH01084", "AH01102", "AH00898",
)  # fmt: skip


@contextmanager
def proving(folder: Path) -> Iterator[Proving]:
    """The use case, with an empty store."""
    files = LocalFiles()
    store = open_store(f"sqlite:///{folder / 'prove.db'}")
    deps = PkiDeps(store, KeyFiles(folder / "keys", files), files, SystemClock(), SystemRandomness(), folder)
    try:
        yield Proving(deps, LocalProber(), folder / "rev", folder / "run" / "prove.lock", lambda: time.sleep(0.05))
    finally:
        store.close()


def prove(
    gate: Running,
    text: str,
    authorities: dict[str, Pair],
    *,
    thorough: bool = False,
    signers: dict[str, Signer] | None = None,
) -> Report:
    """A proof of a gateway that runs ``text``. ``signers`` issue test identities where the anchors themselves do not."""
    gateway = load(text.replace("listen: 0", f"listen: {gate.port}"), "gateway.yaml").gateway
    gate.expect(*PROBED)
    account = LocalAccounts().unprivileged()
    target = Target(
        gateway,
        hashlib.sha256(text.encode()).hexdigest(),
        1,
        "127.0.0.1",
        gate.port,
        (gate.folder if account else gate.folder / "run") / SOCKET,
        {name: pair.certificate for name, pair in authorities.items()},
        gid=account.gid if account else None,
        shadow=True,
        secrets={str(name): found for name, found in secrets_of(gateway).items()},
        twins=signers or {name: Signer(pair.certificate, pair.key, twin=True) for name, pair in authorities.items()},
    )
    with proving(gate.folder) as attack:
        return attack(target, depth=Depth.THOROUGH if thorough else Depth.SAMPLED)


Change = Callable[[str], str]
