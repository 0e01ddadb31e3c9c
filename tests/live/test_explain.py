"""``explain`` says what the real gateway does, over a matrix of certificates, names, paths, methods; and says why."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import socket
import ssl
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256

from gatewright.app.explaining import Asked
from gatewright.app.generations import current_number
from gatewright.app.shutting import shut
from gatewright.edges.files import LocalFiles
from gatewright.plan.admission import Admission
from gatewright.prove.sha1 import resigned
from gatewright.wiring import places_of
from gatewright.wiring.verify import explained
from tests.live.backend import backend
from tests.live.gate import Gate, until
from tests.live.pki import CLIENT, SERVER, Pair, authority, make
from tests.ports import free_port

pytestmark = pytest.mark.live

JOB, OTHER_JOB = "spiffe://initech.example/job", "spiffe://initech.example/other"
POLICY = f"""\
gateway: localhost
listen: {{port}}
proof: {{{{ on_finding: shut }}}}
authorities:
  home:    {{{{ managed: true }}}}
  globex:  {{{{ anchor: globex.pem }}}}
  initech: {{{{ anchor: initech.pem }}}}
  legacy:  {{{{ anchor: legacy.pem, host: legacy.localhost, depth: 3 }}}}
clients:
  bot:  {{{{ authority: home, san: bot.example.org }}}}
  cat:  {{{{ authority: home, san: cat.example.org }}}}
  dog:  {{{{ authority: home, san: dog.example.org }}}}
  erp:  {{{{ authority: globex, subject: {{{{ common_name: erp }}}} }}}}
  job:  {{{{ authority: initech, uri: "{JOB}" }}}}
  till: {{{{ authority: legacy, san: till.legacy.example }}}}
groups:
  staff: [cat, till]
routes:
  /open/:   {{{{ respond: {{{{ text: open }}}}, access: public }}}}
  /any/:    {{{{ respond: {{{{ text: any }}}}, access: any-client }}}}
  /bot/:    {{{{ backend: "http://127.0.0.1:{{backend}}", access: [bot], methods: [GET, POST] }}}}
  /staff/:  {{{{ respond: {{{{ text: staff }}}}, access: [staff] }}}}
  /globex/: {{{{ respond: {{{{ text: globex }}}}, access: {{{{ any-of: [globex] }}}} }}}}
  /erp:     {{{{ respond: {{{{ text: erp }}}}, access: {{{{ clients: [erp, job] }}}} }}}}
  /page:    {{{{ files: globex.pem, access: public }}}}
  /never/:  {{{{ respond: {{{{ text: never }}}}, access: {{{{ any-of: [globex, initech], during: {{{{ from: "{{begin}}", to: "{{end}}" }}}} }}}} }}}}
  /basic/:  {{{{ respond: {{{{ text: basic }}}}, access: [bot, erp], credentials: {{{{ basic: users }}}} }}}}
  /job/:    {{{{ respond: {{{{ text: job }}}}, access: [job] }}}}
  /shut/:   {{{{ respond: {{{{ text: shut }}}}, access: [bot], methods: [GET] }}}}
  /shut/but/public/: {{{{ respond: {{{{ text: below }}}}, access: public }}}}
"""
PATHS = (
    "/open/x", "/any/x", "/bot/x", "/staff/", "/globex/x?q=1", "/erp", "/erp/below", "/never/x", "/nowhere", "/page",
    "/bo%74/x", "/basic/x", "/job/x", "/shut/x", "/shut/but/public/x",
)  # fmt: skip
METHODS = ("HEAD", "POST", "DELETE", "OPTIONS", "TRACE")
OWN = "legacy.localhost"


@dataclass(frozen=True)
class World:
    """The gateway, and the files of everybody who asks."""

    gate: Gate
    files: dict[str, tuple[Path, Path] | None]


def weak_key(issuer: Pair) -> tuple[x509.Certificate, rsa.RSAPrivateKey]:
    """A certificate like erp's for an RSA key of 1024 bits."""
    model, key = make("erp", issuer, usage=[CLIENT]).certificate, rsa.generate_private_key(65537, 1024)
    builder = x509.CertificateBuilder(
        model.issuer,
        model.subject,
        key.public_key(),
        x509.random_serial_number(),
        model.not_valid_before_utc,
        model.not_valid_after_utc,
        list(model.extensions),
    )
    return builder.sign(issuer.key, SHA256()), key


def strangers(folder: Path) -> dict[str, Pair]:
    """Clients of partners, good and bad; the partners' anchors are written to ``folder``."""
    globex, initech, legacy = authority("globex"), authority("initech"), make("legacy root", ca=True)
    for name, anchor in (("globex", globex), ("initech", initech), ("legacy", legacy)):
        (folder / f"{name}.pem").write_bytes(anchor.pem)
    one = make("legacy 1", legacy, ca=True)
    two = make("legacy 2", one, ca=True)
    three = make("legacy 3", two, ca=True)
    four = make("legacy 4", three, ca=True)
    till = ["till.legacy.example"]
    good = make("erp", globex, usage=[CLIENT])
    weak, key = weak_key(globex)
    return {
        "erp": good,
        "other": make("other", globex, usage=[CLIENT]),
        "late": make("erp", globex, usage=[CLIENT], not_after=-timedelta(hours=1)),
        "early": make("erp", globex, usage=[CLIENT], not_before=timedelta(hours=1)),
        "server": make("erp", globex, usage=[SERVER]),
        "stranger": make("erp", authority("globex"), usage=[CLIENT]),
        "sub-ca": make("erp", make("globex below", globex, ca=True), usage=[CLIENT]),
        "weak key": Pair(weak, key, good.chain),  # type: ignore[arg-type] # pairs have EC keys, this one a small RSA key
        "sha-1": replace(good, certificate=resigned(good.certificate, globex.key)),
        "job": make("job", initech, usage=[CLIENT], sans=[x509.UniformResourceIdentifier(JOB)]),
        "other job": make("job", initech, usage=[CLIENT], sans=[x509.UniformResourceIdentifier(OTHER_JOB)]),
        "till": make("till", legacy, usage=[CLIENT], sans=till),
        "till at 3": make("till", three, usage=[CLIENT], sans=till),
        "till at 4": make("till", four, usage=[CLIENT], sans=till),
        "erp of legacy": make("erp", legacy, usage=[CLIENT]),
    }


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """A running gateway with four authorities, clients good and bad, one revoked, one on hold, one route shut."""
    folder = Path(tempfile.mkdtemp(prefix="gatewright-explain-"))
    files: dict[str, tuple[Path, Path] | None] = {"nobody": None}
    for name, pair in strangers(folder).items():
        files[name] = pair.write(folder / "given", name.replace(" ", "-"))
    now = datetime.now(UTC)
    begin, end = (now + timedelta(hours=6)).strftime("%H:00"), (now + timedelta(hours=7)).strftime("%H:00")
    gate = Gate(folder, free_port())
    with backend() as port:
        gate.policy = POLICY.format(port=gate.port, backend=port, begin=begin, end=end)
        assert gate.run("user", "add", "users", "joe", "--stdin", input="a long enough one\n").returncode == 0
        try:
            started = gate.run("up", "--detach")
            assert started.returncode == 0, started.stderr
            issued(gate, files)
            settle(World(gate, files))
            places = places_of(folder)
            assert shut(LocalFiles(), places, current_number(LocalFiles(), places), ["/shut/"])
            yield World(gate, files)
        finally:
            gate.run("down")
            shutil.rmtree(folder)


def issued(gate: Gate, files: dict[str, tuple[Path, Path] | None]) -> None:
    """Clients of ours: two good ones, one revoked, one on hold."""
    for name in ("bot", "cat", "dog"):
        assert gate.run("cert", "issue", name).returncode == 0
        files[name] = (gate.folder / "clients" / name / f"{name}.pem", gate.folder / "clients" / name / f"{name}.key")
    shutil.copytree(gate.folder / "clients" / "cat", gate.folder / "given" / "revoked")
    files["revoked"] = (gate.folder / "given" / "revoked" / "cat.pem", gate.folder / "given" / "revoked" / "cat.key")
    assert gate.run("cert", "revoke", "cat").returncode == 0
    assert gate.run("cert", "issue", "cat").returncode == 0
    assert gate.run("cert", "revoke", "dog", "--reason", "certificate-hold").returncode == 0


def settle(world: World) -> None:
    """First contacts, each told beforehand: come again. After that the gateway has looked at them."""
    first = (503, "certificate_not_enrolled_yet")
    for who, code in (("job", ""), ("other job", "certificate_not_authorised")):
        assert told(world, who, "/job/x") == first
        assert asked(world, who, "/job/x") == first
        until(lambda who=who: asked(world, who, "/job/x") != first)  # type: ignore[misc]
        assert asked(world, who, "/job/x") == told(world, who, "/job/x") == ((403, code) if code else (200, ""))


def asked(world: World, who: str, path: str, method: str = "GET", host: str = "localhost") -> tuple[int, str]:
    """What the gateway really answers: status and reason; 0 where the handshake fails."""
    context = world.gate.context()
    context.set_ciphers("DEFAULT@SECLEVEL=0")  # else the client itself would not use a weak certificate
    pair = world.files[who]
    if pair is not None:
        context.load_cert_chain(*pair)
    try:
        with contextlib.closing(socket.create_connection(("127.0.0.1", world.gate.port), 20)) as raw:
            connection = http.client.HTTPSConnection(host, world.gate.port, context=context)
            connection.sock = context.wrap_socket(raw, server_hostname=host)
            with contextlib.closing(connection):
                connection.request(method, path)
                response = connection.getresponse()
                body = response.read()
    except (ssl.SSLError, ConnectionError, http.client.HTTPException):
        return 0, "handshake_refused"
    if response.status < 400:
        return 200, ""
    return response.status, str(json.loads(body)["error"]) if body else "?"


def decision(world: World, who: str, path: str, method: str = "GET", host: str = "localhost") -> Admission:
    """What ``explain`` says of it, in this process (the command line is tried below)."""
    pair = world.files[who]
    return explained(world.gate.folder, Asked(pair[0] if pair else None, path, method, host=host))


def told(world: World, who: str, path: str, method: str = "GET", host: str = "localhost") -> tuple[int, str]:
    """The same as status and reason; where credentials are needed besides, what comes without them."""
    found = decision(world, who, path, method, host)
    if found.needs:
        return 401, "credentials_required"
    return (200, "") if found.admitted else (found.status, found.code)


Question = tuple[str, str, str, str]


def differences(world: World, questions: Iterable[Question]) -> list[str]:
    """Where ``explain`` and the gateway do not say the same."""
    found = []
    for question in questions:
        real, said = asked(world, *question), told(world, *question)
        if real[0] != said[0] or (real[1] not in {"?", said[1]}):
            found.append(f"{question}: gateway {real}, explain {said}")
    return found


WHO = (
    "nobody", "bot", "cat", "dog", "revoked", "erp", "other", "late", "early", "server", "stranger", "sub-ca", "weak key", "sha-1",
    "job", "other job",
)  # fmt: skip
AT_OWN_HOST = ("nobody", "till", "till at 3", "till at 4", "erp of legacy", "bot", "erp", "revoked")
QUESTIONS: dict[str, list[Question]] = {
    **{who: [(who, path, "GET", "localhost") for path in PATHS] for who in WHO},
    **{f"{who} there": [(who, path, "GET", OWN) for path in PATHS] for who in AT_OWN_HOST},
    "under another's name": [(who, p, "GET", "localhost") for who in ("till", "till at 3") for p in ("/any/x", "/open/x")],
    **{
        f"{who}'s methods": [(who, p, m, "localhost") for m in METHODS for p in ("/any/x", "/bot/x", "/basic/x", "/shut/x")]
        for who in ("nobody", "bot", "erp")
    },
}  # fmt: skip


@pytest.mark.parametrize("part", QUESTIONS)
def test_explain_says_what_httpd_does(world: World, part: str) -> None:
    """Status and reason agree, in every single case; and the cases are not all of one kind."""
    different = differences(world, QUESTIONS[part])
    assert not different, "\n".join(different)


def test_the_matrix_has_every_kind_of_answer(world: World) -> None:
    """What is compared is not one refusal over and over."""
    codes = {
        told(world, *question)[1]
        for part in ("nobody", "bot", "erp", "revoked", "late")
        for question in QUESTIONS[part]
    }
    assert codes == {
        "", "handshake_refused", "client_certificate_required", "certificate_revoked", "certificate_not_authorised", "outside_hours",
        "no_such_route", "route_shut", "credentials_required",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "question"),
    [
        ("access: [staff]", "access: [bot]", ("bot", "/staff/", "GET", "localhost")),
        ("depth: 3", "depth: 4", ("till at 4", "/any/x", "GET", OWN)),
        ("credentials: { basic: users }", "methods: [GET]", ("bot", "/basic/x", "GET", "localhost")),
        ("any-of: [globex, initech]", "any-of: [initech]", ("erp", "/never/x", "GET", "localhost")),
    ],
    ids=["who", "depth", "credentials", "hours"],
)
def test_twin_another_policy_than_the_running_one_is_seen(
    world: World, tmp_path: Path, before: str, after: str, question: Question
) -> None:
    """The comparison fails where ``explain`` reads a file that says otherwise than what httpd runs."""
    assert before in world.gate.policy
    for name in ("certs", "rev", "generations", "contacts"):
        (tmp_path / name).symlink_to(world.gate.folder / name)
    for name in ("globex.pem", "initech.pem", "legacy.pem", "users"):
        shutil.copy(world.gate.folder / name, tmp_path / name)
    elsewhere = World(Gate(tmp_path, world.gate.port), world.files)
    elsewhere.gate.policy = world.gate.policy
    assert not differences(elsewhere, [question])
    elsewhere.gate.policy = world.gate.policy.replace(before, after)
    assert differences(elsewhere, [question])


def test_twin_marks_of_the_gateway_are_looked_at(world: World, tmp_path: Path) -> None:
    """Without the folders of revocations, of what was shut and of who is enrolled, the answers are others."""
    (tmp_path / "certs").symlink_to(world.gate.folder / "certs")
    for name in ("globex.pem", "initech.pem", "legacy.pem", "users"):
        shutil.copy(world.gate.folder / name, tmp_path / name)
    elsewhere = World(Gate(tmp_path, world.gate.port), world.files)
    elsewhere.gate.policy = world.gate.policy
    questions = [
        ("revoked", "/any/x"),
        ("dog", "/any/x"),
        ("bot", "/shut/x"),
        ("job", "/job/x"),
        ("other job", "/job/x"),
    ]
    assert len(differences(elsewhere, [(*q, "GET", "localhost") for q in questions])) == len(questions)


def test_the_command_names_the_line_and_the_way_out(world: World) -> None:
    """Exit code 0 admitted and 1 refused; the place is the line of the gateway file, the near miss is told."""
    gate, bot = world.gate, str(world.files["bot"][0])  # type: ignore[index]
    good = gate.run("explain", "--cert", bot, "--route", "/bot/x")
    assert good.returncode == 0, good.stderr
    line = next(n for n, text in enumerate(gate.policy.splitlines(), 1) if text.startswith("  /bot/:"))
    assert f"gateway.yaml:{line}:" in good.stdout
    assert "admitted as bot" in good.stdout
    bad = gate.run("--json", "explain", "--cert", bot, "--route", "/staff/")
    answer = json.loads(bad.stdout)
    assert (bad.returncode, answer["code"], answer["clients"]) == (1, "certificate_not_authorised", ["bot"])
    assert any("cat.example.org" in step["text"] for step in answer["steps"])
    assert any("add bot" in change for change in answer["changes"])
    both = gate.run("explain", "--cert", bot, "--route", "/basic/x")
    assert (both.returncode, "admitted by its certificate, with a password besides" in both.stdout) == (0, True)
    till = str(world.files["till"][0])  # type: ignore[index]
    there = gate.json("explain", "--cert", till, "--route", "/staff/x")
    assert (there["admitted"], there["host"]) == (True, OWN)
    here = gate.json("explain", "--cert", till, "--route", "/staff/x", "--host", "localhost")
    assert (here["code"], here["changes"]) == ("handshake_refused", [f"ask under the name {OWN}"])
    nowhere = gate.run("explain", "--route", "/staff/x", "--host", "elsewhere.example")
    assert (nowhere.returncode, "host-not-served" in nowhere.stderr) == (2, True)


def test_a_weak_certificate_is_refused_for_its_weakness(world: World) -> None:
    """Of the two OpenSSLs, pyOpenSSL's cannot be asked that; the host's OpenSSL, which is httpd's, can."""
    for who, number in (("weak key", 66), ("sha-1", 68)):
        (step,) = decision(world, who, "/any/x").steps
        assert f"X.509 error {number}" in step.text


def test_time_changes_the_answer(world: World) -> None:
    """``--at`` inside the window admits whom it refuses now."""
    gate, erp = world.gate, str(world.files["erp"][0])  # type: ignore[index]
    assert gate.run("explain", "--cert", erp, "--route", "/never/x").returncode == 1
    begin = gate.policy.split('from: "')[1][:5]
    day = datetime.now(UTC) + timedelta(hours=6)
    at = f"{day:%Y-%m-%d}T{begin}:30Z"
    done = gate.run("explain", "--cert", erp, "--route", "/never/x", "--at", at)
    assert done.returncode == 0, done.stdout + done.stderr
