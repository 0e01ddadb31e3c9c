"""Partners that cannot share a name: a root that issues by itself, and CAs below an anchor, each under a host of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gatewright.prove.minting import Signer
from tests.live.conftest import Lab
from tests.live.httpd import Running, curl, running
from tests.live.pki import CLIENT, Pair, make
from tests.live.proving import prove

pytestmark = pytest.mark.live

GATEWAY = """
gateway: localhost
listen: 0
authorities:
  home:    { managed: true }
  legacy:  { anchor: legacy.pem, host: legacy.localhost }
  initech: { anchor: initech.pem, host: initech.localhost, depth: 1 }
clients:
  alice: { authority: home, san: alice.example.org }
  till:  { authority: legacy, subject: { common_name: till } }
  robot: { authority: initech, san: robot.initech.example }
routes:
  /health: { respond: { text: open }, access: public }
  /any/:   { respond: { text: any }, access: any-client }
  /alice/: { respond: { text: alice }, access: [alice] }
  /till/:  { respond: { text: till }, access: [till] }
  /robot/: { respond: { text: robot }, access: [robot, alice] }
"""
HOSTS = ("localhost", "legacy.localhost", "initech.localhost")
PATHS = ("/health", "/any/x", "/alice/x", "/till/x", "/robot/x")


@dataclass(frozen=True)
class Partners:
    """Two roots, an issuing CA below the second, and clients: right ones, and those of a CA one too many."""

    legacy: Pair
    initech: Pair
    issuing: Pair
    clients: dict[str, tuple[Path, Path]]

    @property
    def authorities(self) -> dict[str, Pair]:
        """What is anchored."""
        return {"legacy": self.legacy, "initech": self.initech}


@pytest.fixture(scope="module")
def partners(open_folder: Path) -> Partners:
    """The same name for both roots: only the host tells them apart."""
    legacy, initech = make("One Name For Both", ca=True), make("One Name For Both", ca=True)
    issuing = make("initech issuing", initech, ca=True)
    deeper = make("initech deeper", issuing, ca=True)
    below = make("legacy issuing", legacy, ca=True)
    pairs = {
        "till": make("till", legacy, usage=[CLIENT], sans=["till.legacy.example"]),
        "till below a CA": make("till", below, usage=[CLIENT], sans=["till.legacy.example"]),
        "robot": make("robot", issuing, usage=[CLIENT], sans=["robot.initech.example"]),
        "robot of the root": make("robot", initech, usage=[CLIENT], sans=["robot.initech.example"]),
        "robot too deep": make("robot", deeper, usage=[CLIENT], sans=["robot.initech.example"]),
        "alice of initech": make("alice", issuing, usage=[CLIENT], sans=["alice.example.org"]),
    }
    files = {name: pair.write(open_folder / "clients", name.replace(" ", "-")) for name, pair in pairs.items()}
    return Partners(legacy, initech, issuing, files)


Served = Callable[[str, str, str], str]


@pytest.fixture(scope="module")
def gate(lab: Lab, partners: Partners, open_folder: Path) -> Iterator[Running]:
    """The gateway as compiled."""
    with running(GATEWAY, open_folder, {"home": lab.home, **partners.authorities}) as gate:
        gate.expect("AH01630", "AH02040", "AH02032")
        yield gate


@pytest.fixture(scope="module")
def served(gate: Running, lab: Lab, partners: Partners) -> Served:
    """The status that a client gets for a path under a host; ``refused`` where the handshake ends it."""

    def status(client: str, host: str, path: str) -> str:
        certificate = lab.arguments(client) if client in {*lab.clients, "none"} else ()
        if not certificate and client != "none":
            chain, key = partners.clients[client]
            certificate = ("--cert", str(chain), "--key", str(key))
        done = curl(gate, path, *certificate, "--resolve", f"{host}:{gate.port}:127.0.0.1", host=host)
        return "refused" if done.returncode else done.stdout.rsplit("\n", 1)[-1].split()[0]

    return status


ADMITTED: dict[tuple[str, str], tuple[str, ...]] = {
    ("alice", "localhost"): ("/health", "/any/x", "/alice/x", "/robot/x"),
    ("till", "legacy.localhost"): ("/health", "/any/x", "/till/x"),
    ("robot", "initech.localhost"): ("/health", "/any/x", "/robot/x"),
    ("robot of the root", "initech.localhost"): ("/health", "/any/x", "/robot/x"),
    ("alice of initech", "initech.localhost"): ("/health", "/any/x"),
}
EVERYBODY = ("alice", "till", "till below a CA", "robot", "robot of the root", "robot too deep", "alice of initech")


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("client", EVERYBODY)
def test_each_client_is_known_under_one_name_only(served: Served, client: str, host: str) -> None:
    """Under the name of its authority a client gets what the file gives it; under any other the handshake refuses it."""
    admitted = ADMITTED.get((client, host))
    for path in PATHS:
        expected = "refused" if admitted is None else "200" if path in admitted else "403"
        assert served(client, host, path) == expected, path


@pytest.mark.parametrize("host", HOSTS)
def test_nobody_gets_what_is_public_under_every_name(served: Served, host: str) -> None:
    """Without a certificate public routes answer, and nothing else does."""
    assert [served("none", host, path) for path in PATHS] == ["200", "403", "403", "403", "403"]


def test_a_handshake_under_one_name_is_no_good_for_another(gate: Running, partners: Partners) -> None:
    """Verified by its own root, a client that asks for another name in the same connection is misdirected (421)."""
    chain, key = partners.clients["till"]
    resolve = ("--resolve", f"legacy.localhost:{gate.port}:127.0.0.1")
    for host in ("localhost", "initech.localhost"):
        asked = ("-H", f"Host: {host}:{gate.port}")
        done = curl(gate, "/any/x", "--cert", str(chain), "--key", str(key), *resolve, *asked, host="legacy.localhost")
        assert done.stdout.rsplit("\n", 1)[-1].split()[0] == "421"


def signers(lab: Lab, partners: Partners) -> dict[str, Signer]:
    """Who issues test identities: for initech the deepest CA that is allowed."""
    lowest = Signer(
        partners.issuing.certificate, partners.issuing.key, twin=True, above=(partners.initech.certificate,)
    )
    return {
        "home": Signer(lab.home.certificate, lab.home.key, twin=True),
        "legacy": Signer(partners.legacy.certificate, partners.legacy.key, twin=True),
        "initech": lowest,
    }


def test_it_is_proved(gate: Running, lab: Lab, partners: Partners) -> None:
    """The prover finds nothing, and it has tried every name."""
    report = prove(gate, GATEWAY, {"home": lab.home, **partners.authorities}, signers=signers(lab, partners))
    assert report.proven, [f"{v.case.id}: {v.evidence}" for v in report.findings]
    asked = {v.case.ask.sni for v in report.verdicts}
    assert set(HOSTS) <= asked


WEAKER = {
    "one CA more": ("SSLVerifyDepth 2", "SSLVerifyDepth 3"),
    "a CA below the root": ("SSLVerifyDepth 1", "SSLVerifyDepth 2"),
    "the neighbour's root": ("anchors-legacy.trusted.pem", "anchors-initech.trusted.pem"),
    "names that do not count": ("SSLVHostSNIPolicy strict", "SSLVHostSNIPolicy insecure"),
}


@pytest.mark.parametrize("label", WEAKER)
def test_twin_a_weaker_own_host_is_found(lab: Lab, partners: Partners, tmp_path: Path, label: str) -> None:
    """Deeper chains, the wrong root or a loose name policy: the proof fails."""
    before, after = WEAKER[label]

    def weaken(text: str) -> str:
        assert before in text
        return text.replace(before, after)

    authorities = {"home": lab.home, **partners.authorities}
    with running(GATEWAY, tmp_path, authorities, weaken) as gate:
        gate.expect("AH01630", "AH02040", "AH02032")
        assert not prove(gate, GATEWAY, authorities, signers=signers(lab, partners)).proven
