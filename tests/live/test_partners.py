"""Partners on a running gateway: two CAs of one partner at a time, a partner shut out and let in again, what is signed for it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatewright.compile.passes.tls import ANCHORS_PLAIN, ANCHORS_TRUSTED
from gatewright.edges.openssl import OpenSsl
from tests.live.gate import Gate, gateway
from tests.live.pki import CLIENT, Pair, authority, make

pytestmark = pytest.mark.live

POLICY = """\
# The operator's own words stay.
gateway: localhost
listen: {port}
authorities:
  home:    {{ managed: true, names: [localhost, example.org] }}
  initech: {{ managed: true }}
  globex:  {{ anchor: [globex-1.pem, globex-2.pem] }}
clients:
  bot:   {{ authority: home, san: bot.example.org }}
  erp:   {{ authority: globex, san: erp.globex.example }}
  robot: {{ authority: initech, san: robot.initech.example }}
partners:
  globex:  {{ authority: globex, contact: pki@globex.example }}
  initech: {{ authority: initech, names: ["*.initech.example"] }}
routes:
  /health: {{ respond: {{ text: open }}, access: public }}
  /globex: {{ respond: {{ text: globex }}, access: [erp] }}
  /robot:  {{ respond: {{ text: robot }}, access: [robot] }}
  /any:    {{ respond: {{ text: any }}, access: any-client }}
"""
BOTH = "anchor: [globex-1.pem, globex-2.pem]"


class World:
    """A gateway, and a partner with an old and a new CA."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.old, self.new = authority("Globex G1"), authority("Globex G2")
        for number, pair in enumerate((self.old, self.new), 1):
            (gate.folder / f"globex-{number}.pem").write_bytes(pair.pem)
        self.clients = {"old": self._client(self.old), "new": self._client(self.new)}

    def _client(self, ca: Pair) -> tuple[Path, Path]:
        pair = make("erp", ca, usage=[CLIENT], sans=["erp.globex.example"])
        return pair.write(self.gate.folder / "theirs", str(ca.certificate.serial_number))

    def ask(self, path: str, certificate: Path | None = None, key: Path | None = None) -> str:
        """The status of one request; ``refused`` where the handshake ends it."""
        ours = self.gate.folder / "certs" / "ca" / "home-root.pem"
        command = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", str(ours)]
        if certificate is not None:
            command += ["--cert", str(certificate), "--key", str(key)]
        done = subprocess.run(
            [*command, f"https://localhost:{self.gate.port}{path}"],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        return done.stdout if done.returncode == 0 else "refused"

    def as_(self, name: str, path: str) -> str:
        """The same, as one of the partner's clients."""
        return self.ask(path, *self.clients[name])

    def ours(self, name: str, path: str) -> str:
        """The same, as a client whose key is here."""
        folder = self.gate.folder / "clients" / name
        return self.ask(path, folder / f"{name}.pem", folder / f"{name}.key")

    def apply(self, before: str, after: str, *words: str) -> None:
        """Change the gateway file and bring it into force."""
        assert before in self.gate.policy
        self.gate.policy = self.gate.policy.replace(before, after)
        done = self.gate.run("apply", *words)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def serving() -> Iterator[World]:
    """One that serves."""
    with gateway(POLICY) as gate:
        world = World(gate)
        done = gate.run("up", "--detach")
        assert done.returncode == 0, done.stderr
        for name in ("bot", "robot"):
            assert gate.run("cert", "issue", name).returncode == 0
        yield world


@pytest.fixture
def world(serving: World) -> Iterator[World]:
    """The same for each test: what the last one changed is taken back."""
    policy, current = serving.gate.policy, serving.gate.current
    yield serving
    changed = serving.gate.policy != policy or serving.gate.current != current
    serving.gate.policy = policy
    if changed or serving.gate.run("plan").returncode:
        done = serving.gate.run("apply", "--yes")
        assert done.returncode == 0, done.stderr


def findings(gate: Gate) -> list[str]:
    """The ids of what a proof found wrong."""
    return [v["id"] for v in gate.json("prove")["verdicts"] if not v["passed"]]


@pytest.mark.slow
def test_two_cas_of_one_partner_at_a_time(world: World) -> None:
    """Clients of both are served and the proof tries both; once the old one is retired its clients are refused."""
    assert [world.as_(name, "/globex") for name in ("old", "new")] == ["200", "200"]
    told = world.gate.json("prove")
    assert told["proven"], told
    with_new = [v for v in told["verdicts"] if "by its CA 2" in v["id"]]
    assert any(v["expected"]["outcome"] == "admitted" for v in with_new)

    world.apply(BOTH, "anchor: globex-2.pem", "--yes")
    assert [world.as_(name, "/globex") for name in ("old", "new")] == ["refused", "200"]
    world.apply("anchor: globex-2.pem", "anchor: globex-1.pem", "--yes")
    assert [world.as_(name, "/globex") for name in ("old", "new")] == ["200", "refused"], "the negative twin"


@pytest.mark.slow
def test_a_generation_that_lost_the_second_ca_is_found(world: World) -> None:
    """The proof with stand-ins fails when the generation trusts the first CA only."""
    _rewrite(world, [world.old])
    found = findings(world.gate)
    assert any("of globex as erp by its CA 2" in case for case in found), found


def test_a_disabled_partner_is_let_in_nowhere(world: World) -> None:
    """Not by name, not as any client, whoever holds the key; others go on, and enabling needs a yes and gives it back."""
    before = [world.as_("new", path) for path in ("/globex", "/any", "/health")]
    assert before == ["200", "200", "200"]
    assert [world.ours("robot", path) for path in ("/robot", "/any")] == ["200", "200"]

    world.gate.policy = world.gate.policy.replace("{ authority: globex, c", "{ disabled: true, authority: globex, c")
    world.apply("{ authority: initech, n", "{ disabled: true, authority: initech, n")
    assert [world.as_("new", path) for path in ("/globex", "/any", "/health")] == ["refused"] * 3
    assert [world.ours("robot", path) for path in ("/robot", "/any")] == ["refused"] * 2
    assert [world.ours("bot", path) for path in ("/any", "/globex", "/robot")] == ["200", "403", "403"]
    assert [world.ask(path) for path in ("/health", "/any", "/globex")] == ["200", "403", "403"]
    told = world.gate.json("prove")
    assert told["proven"], told
    tried = {v["id"] for v in told["verdicts"] if "unnamed of" in v["id"] and "handshake" in v["id"]}
    assert any("initech" in case for case in tried)
    assert any("globex by its CA 2" in case for case in tried)

    explained = world.gate.run("explain", "--cert", str(world.clients["new"][0]), "--route", "/globex")
    assert "its partner 'globex' is disabled" in explained.stdout, explained.stdout + explained.stderr
    world.gate.policy = world.gate.policy.replace("disabled: true, ", "")
    assert world.gate.run("apply").returncode == 1, "whoever gains access is agreed to"
    assert world.gate.run("apply", "--yes").returncode == 0
    assert [world.as_("new", "/globex"), world.ours("robot", "/robot")] == ["200", "200"]


@pytest.mark.slow
def test_a_generation_that_still_trusts_a_disabled_partner_is_found(world: World) -> None:
    """The proof with stand-ins fails when the generation has the CA of a disabled partner after all."""
    world.apply("{ authority: globex, c", "{ disabled: true, authority: globex, c")
    assert not findings(world.gate)
    _rewrite(world, [world.old])
    found = findings(world.gate)
    assert any("unnamed of globex" in case for case in found), found


def _rewrite(world: World, partners: list[Pair]) -> None:
    """Have the generation in force trust these CAs of the partner, and no others of it, behind Gatewright's back."""
    folder = world.gate.folder / "generations" / "current"
    plain, trusted = folder / ANCHORS_PLAIN, folder / ANCHORS_TRUSTED
    ours = b"".join(
        path.read_bytes() for path in sorted((world.gate.folder / "certs" / "ca").glob("home-issuing*.pem"))
    )
    pems = [ours, *(pair.pem for pair in partners)]
    plain.write_bytes(b"".join(pems))
    trusted.write_text("".join(OpenSsl().trusted(pem) for pem in pems))


def test_two_certificates_of_one_client_at_a_time(world: World) -> None:
    """While a client changes over to its next certificate both are served; the old one revoked, only the new one is."""
    gate = world.gate
    folder, old = gate.folder / "clients" / "robot", gate.folder / "robot-before"
    shutil.copytree(folder, old)
    assert gate.run("cert", "renew", "robot").returncode == 0
    before = (old / "robot.pem", old / "robot.key")
    assert before[0].read_bytes() != (folder / "robot.pem").read_bytes()
    assert [world.ask("/robot", *before), world.ours("robot", "/robot")] == ["200", "200"]

    assert gate.run("cert", "revoke", str(before[0]), "--reason", "superseded").returncode == 0
    assert [world.ask("/robot", *before), world.ours("robot", "/robot")] == ["403", "200"]
    (client,) = (c for c in gate.json("client", "list")["clients"] if c["name"] == "robot")
    assert [c["status"] for c in client["certificates"]] == ["valid", "revoked"]
    shutil.rmtree(old)


@pytest.mark.slow
def test_commands_bring_it_into_force(world: World, tmp_path: Path) -> None:
    """One command adds the next CA and proves it, another one retires the old; a client is admitted and removed likewise."""
    gate = world.gate
    third = authority("Globex G3")
    (tmp_path / "g3.pem").write_bytes(third.pem)
    pair = make("till", third, usage=[CLIENT], sans=["till.globex.example"]).write(tmp_path, "till")
    refused = gate.run("partner", "renew", "globex", "--ca", str(tmp_path / "g3.pem"), "--apply")
    assert refused.returncode == 1, "whoever is trusted more is agreed to"
    assert world.ask("/any", *pair) == "refused"
    assert gate.run("apply", "--yes").returncode == 0
    assert world.ask("/any", *pair) == "200"
    assert world.ask("/globex", *pair) == "403"
    added = gate.run("client", "add", "till", "--cert", str(pair[0]), "--route", "/globex", "--apply", "--yes")
    assert added.returncode == 0, added.stderr
    assert "+  till:  { " not in added.stdout
    assert "+  till: { authority: globex, san: till.globex.example }" in added.stdout
    assert [world.ask("/globex", *pair), world.as_("new", "/globex")] == ["200", "200"]
    assert gate.run("client", "remove", "till", "--apply", "--yes").returncode == 0
    assert [world.ask("/globex", *pair), world.as_("new", "/globex")] == ["403", "200"]
    retired = gate.run("partner", "renew", "globex", "--retire", "globex-1.pem", "--apply", "--yes")
    assert retired.returncode == 0, retired.stderr
    assert [world.as_("old", "/globex"), world.as_("new", "/globex")] == ["refused", "200"]
    assert gate.policy.startswith("# The operator's own words stay.\n")
    assert {c["name"] for c in gate.json("status")["certificates"] if c["kind"] == "anchor"} == {"globex"}
    assert (
        'gatewright_certificate_not_after_seconds{kind="anchor",name="globex"}'
        in (gate.folder / "run" / "certificates.prom").read_text()
    )


def _request(folder: Path, name: str) -> Path:
    """A certificate request for a DNS name, with a key that stays where it is."""
    key, request = folder / f"{name}.key", folder / f"{name}.csr"
    subprocess.run(
        ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(key),
         "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-out", str(request)],
        check=True, capture_output=True,
    )  # fmt: skip
    return request


def test_what_is_signed_for_a_partner(world: World, tmp_path: Path) -> None:
    """A request within the partner's names is signed; one for another name, or of a disabled partner, is not."""
    gate = world.gate
    request = _request(tmp_path, "robot.initech.example")
    assert gate.run("cert", "sign", str(request), "--client", "robot").returncode == 0

    gate.policy = gate.policy.replace("*.initech.example", "other.initech.example")
    again = gate.run("--json", "cert", "sign", str(request), "--client", "robot")
    assert again.returncode == 1
    assert [d["code"] for d in json.loads(again.stdout)["diagnostics"]] == ["name-not-allowed"]
    by_hand = gate.run("--json", "cert", "issue", "x", "--authority", "initech", "--san", "evil.example")
    assert [d["code"] for d in json.loads(by_hand.stdout)["diagnostics"]] == ["name-not-allowed"]

    gate.policy = gate.policy.replace("other.initech", "*.initech").replace(
        "{ authority: initech, n", "{ disabled: true, authority: initech, n"
    )
    refused = gate.run("--json", "cert", "sign", str(request), "--client", "robot")
    assert refused.returncode == 1
    assert [d["code"] for d in json.loads(refused.stdout)["diagnostics"]] == ["partner-disabled"]


def test_a_pack_for_a_client_whose_certificates_a_partner_issues(world: World, tmp_path: Path) -> None:
    """With the certificate given, the lines of the pack work; without, or with one that would be refused, nothing is written."""
    gate, (certificate, key) = world.gate, world.clients["new"]
    out = tmp_path / "erp-pack"

    def pack(*words: str) -> list[str]:
        told = gate.json("client", "pack", "erp", "--out", str(out), *words)
        return [problem["code"] for problem in told.get("diagnostics", ())]

    stranger = authority("Globex G2")
    forged = make("erp", stranger, usage=[CLIENT], sans=["erp.globex.example"]).write(tmp_path, "forged")
    another = make("till", world.new, usage=[CLIENT], sans=["till.globex.example"]).write(tmp_path, "till")
    assert pack() == ["nothing-to-pack"]
    assert pack("--cert", str(forged[0])) == ["certificate-not-the-clients"]
    assert pack("--cert", str(another[0])) == ["certificate-not-the-clients"]
    assert not out.exists()
    assert pack("--cert", str(certificate)) == []
    assert not [file.name for file in out.iterdir() if file.suffix in {".key", ".p12"}], "nothing in it is secret"
    (out / "erp.key").write_bytes(key.read_bytes())
    tried = subprocess.run(["sh", "curl.txt"], cwd=out, capture_output=True, text=True, timeout=240, check=True)
    assert re.findall(r"HTTP/[\d.]+ (\d+)", tried.stdout) == ["200", "200", "403"]
