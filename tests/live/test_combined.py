"""What was each tried alone, together, in sections and in a table.

Clients that are enrolled, an authority with a name of its own and CAs below its anchor, a public route for everything, backends that
are signed for, partners stood in for.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from gatewright.compile.inputs import TABLE_FROM
from tests.live.backend import backend
from tests.live.gate import Gate, until
from tests.live.pki import CLIENT, Pair, authority, make
from tests.ports import free_port

pytestmark = pytest.mark.live

JOB, OTHER = "spiffe://initech.example/job", "spiffe://initech.example/other"
OWN = "legacy.localhost"
POLICY = """\
gateway: localhost
listen: {port}
authorities:
  home:    {{ managed: true }}
  globex:  {{ anchor: globex.pem }}
  initech: {{ anchor: initech.pem }}
  legacy:  {{ anchor: legacy.pem, host: legacy.localhost, depth: 4 }}
clients:
  bot:  {{ authority: home, san: bot.example.org }}
  erp:  {{ authority: globex, subject: {{ common_name: erp }} }}
  job:  {{ authority: initech, uri: "spiffe://initech.example/job" }}
  till: {{ authority: legacy, san: till.legacy.example }}
groups:
  jobs: [job]
routes:
  /:       {{ backend: "http://127.0.0.1:{backend}", access: public }}
  /job/:   {{ respond: {{ text: job }}, access: [jobs] }}
  /erp/:   {{ backend: {{ url: "http://127.0.0.1:{backend}", signed: orders }}, access: [erp, bot] }}
  /till/:  {{ respond: {{ text: till }}, access: [till] }}
{more}"""


@dataclass
class World:
    """The gateway and the files of everybody who asks."""

    gate: Gate
    files: dict[str, tuple[Path, Path]]

    @property
    def configuration(self) -> Path:
        """The generation's httpd.conf."""
        return self.gate.folder / "generations" / "current" / "httpd.conf"


def callers(folder: Path) -> dict[str, tuple[Path, Path]]:
    """Partners' clients; the anchors are written to ``folder``."""
    globex, initech, top = authority("globex"), authority("initech"), make("legacy root", ca=True)
    for name, anchor in (("globex", globex), ("initech", initech), ("legacy", top)):
        (folder / f"{name}.pem").write_bytes(anchor.pem)
    below: list[Pair] = [top]
    for number in range(1, 6):
        below.append(make(f"legacy {number}", below[-1], ca=True))
    sans = ["till.legacy.example"]
    pairs = {
        "erp": make("erp", globex, usage=[CLIENT]),
        "job": make("job", initech, usage=[CLIENT], sans=[x509.UniformResourceIdentifier(JOB)]),
        "other": make("job", initech, usage=[CLIENT], sans=[x509.UniformResourceIdentifier(OTHER)]),
        "job of globex": make("job", globex, usage=[CLIENT], sans=[x509.UniformResourceIdentifier(JOB)]),
        **{f"till at {n}": make("till", below[n], usage=[CLIENT], sans=sans) for n in (0, 3, 4, 5)},
    }
    return {name: pair.write(folder / "given", name.replace(" ", "-")) for name, pair in pairs.items()}


@pytest.fixture(scope="module", params=[0, TABLE_FROM + 8], ids=["sections", "table"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """The gateway, with so many further routes; it is up, so its first proof, with stand-ins for all partners, has passed."""
    folder = Path(tempfile.mkdtemp(prefix="gatewright-combined-"))
    gate, files = Gate(folder, free_port()), callers(folder)
    more = "".join(
        f"  /filler/{n}/: {{ respond: {{ text: filler }}, access: [bot, job] }}\n" for n in range(request.param)
    )
    with backend() as port:
        gate.policy = POLICY.format(port=gate.port, backend=port, more=more)
        try:
            done = gate.run("up", "--detach")
            assert done.returncode == 0, done.stdout + done.stderr
            yield World(gate, files)
        finally:
            gate.run("down")
            shutil.rmtree(folder)


@contextmanager
def line(world: World, who: str = "", host: str = "localhost") -> Iterator[ssl.SSLSocket]:
    """A connection under ``host``, with somebody's certificate."""
    context = world.gate.context()
    if who:
        context.load_cert_chain(*world.files[who])
    raw = socket.create_connection(("127.0.0.1", world.gate.port), 20)
    with closing(raw), context.wrap_socket(raw, server_hostname=host) as wrapped:
        yield wrapped


def ask(world: World, path: str, who: str = "", host: str = "localhost") -> tuple[int, str]:
    """Status, and the reason of a refusal; 0 where the handshake fails."""
    try:
        with line(world, who, host) as wrapped:
            connection = http.client.HTTPSConnection(host, world.gate.port)
            connection.sock = wrapped
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read().decode()
    except (ssl.SSLError, ConnectionError, http.client.HTTPException):
        return 0, ""
    return response.status, str(json.loads(body).get("error", "")) if body.startswith("{") else ""


def report(world: World) -> Any:
    """A proof's report."""
    done = world.gate.run("prove", "--json")
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def test_it_is_proved_with_every_partner_stood_in_for(world: World) -> None:
    """Each partner's client was admitted by a stand-in, the signed requests among them; nothing of partners is left out."""
    told = report(world)
    assert told["proven"], [case for case in told["verdicts"] if not case["passed"]][:5]
    admitted = {case["id"] for case in told["verdicts"] if "with stand-ins: admitted: client of" in case["id"]}
    for whose in ("globex as erp, /erp/", "initech as job, /job/", f"legacy as till, /till/ at {OWN}"):
        assert any(whose in case for case in admitted), (whose, admitted)
    signed = [v for v in told["verdicts"] if v["id"].startswith("with stand-ins") and "signed" in v["expected"]]
    assert {v["route"] for v in signed} == {"/erp/"}, [v["expected"] for v in told["verdicts"] if "/erp/" in v["id"]][
        :5
    ]
    assert not [left for left in told["not_covered"] if left["what"].startswith("clients of ")]


def test_a_first_contact_is_enrolled_and_others_are_not(world: World) -> None:
    """Told to come again, then in; another URI and the same one of another partner stay out; filler routes are no exception."""
    assert ask(world, "/job/x", "job") == (503, "certificate_not_enrolled_yet")
    until(lambda: ask(world, "/job/x", "job") == (200, ""))
    assert ask(world, "/job/x", "other") == (503, "certificate_not_enrolled_yet")
    until(lambda: ask(world, "/job/x", "other") == (403, "certificate_not_authorised"))
    assert ask(world, "/job/x", "job of globex") == (403, "certificate_not_authorised")
    assert ask(world, "/job/x") == (403, "client_certificate_required")
    if "/filler/7/" in world.gate.policy:
        assert ask(world, "/filler/7/x", "job") == (200, "")
        assert ask(world, "/filler/7/x", "other") == (403, "certificate_not_authorised")


def test_chains_as_long_as_declared_and_no_longer(world: World) -> None:
    """Four CAs below the anchor are admitted under their own name, a fifth is refused in the handshake, and all under other names."""
    for number in (0, 3, 4):
        assert ask(world, "/till/x", f"till at {number}", OWN) == (200, "")
        assert ask(world, "/till/x", f"till at {number}")[0] == 0
    assert ask(world, "/till/x", "till at 5", OWN)[0] == 0


TARGETS = (
    "127.0.0.1:{port}",
    "localhost:{port}",
    "127.0.0.1:22",
    "/",
    "http://127.0.0.1:{port}/",
    "elsewhere.example:443",
)


@pytest.mark.parametrize("who", ["", "erp"])
@pytest.mark.parametrize("target", TARGETS)
def test_the_route_for_everything_takes_no_tunnel(world: World, target: str, who: str) -> None:
    """A CONNECT is refused whatever it names, by whoever, and no byte of it is passed on; a GET beside it is answered."""
    port = world.gate.port
    for host in ("localhost", f"127.0.0.1:{port}", "127.0.0.1:22"):
        with line(world, who) as wrapped:
            wrapped.sendall(f"CONNECT {target.format(port=port)} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            answer = wrapped.recv(4096).decode("latin-1")
        assert re.match(r"HTTP/1\.1 4\d\d ", answer), answer
    assert ask(world, "/anything")[0] == 200


def test_no_tunnel_over_http_2(world: World) -> None:
    """Neither there."""
    server_root = world.gate.folder / "certs" / "ca" / "home-root.pem"
    command = [
        "curl",
        "-sS",
        "--http2",
        "-m",
        "15",
        "--cacert",
        str(server_root),
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
    ]

    def status(method: str) -> str:
        url = f"https://localhost:{world.gate.port}/x"
        return subprocess.run([*command, "-X", method, url], capture_output=True, text=True, check=False).stdout

    assert status("CONNECT") in {"000", "400", "403", "405"}
    assert status("GET") == "200"


def loads(world: World) -> int:
    """How often httpd has taken a configuration."""
    return (world.gate.folder / "logs" / "error.log").read_text(errors="replace").count("AH00489")


@contextmanager
def weakened(world: World, change: Callable[[str], str]) -> Iterator[None]:
    """The generation runs with its configuration changed by hand, for the length of the block."""
    text = world.configuration.read_text()
    weak = change(text)
    assert weak != text

    def take(content: str) -> None:
        before = loads(world)
        world.configuration.write_text(content)
        os.kill(world.gate.json("status")["pid"], signal.SIGUSR1)
        until(lambda: loads(world) > before)

    take(weak)
    try:
        yield
    finally:
        take(text)


WEAKER: dict[str, tuple[str, str, str]] = {
    "tunnels": (r'(?s)<If "%\{REQUEST_METHOD\} == \'CONNECT\'">.*?</If>', "", "tunnel"),
    "one CA more": ("SSLVerifyDepth 5", "SSLVerifyDepth 6", "with stand-ins"),
    "whoever is of that partner": (
        r"""-e '[^']*/members/[^']*/cert-%\{sha1:%\{SSL_CLIENT_CERT\}\}'""", "true", "with stand-ins: wrong-client",
    ),
    "unsigned": (r'Include(Optional)? "?[^\n]*sign[^\n]*', "", "with stand-ins: header-spoofing: client of globex as erp, /erp/"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("weakness", WEAKER)
def test_twin_each_weakness_is_found(world: World, weakness: str) -> None:
    """The same gateway with one thing less is not proven, and what is found is about that thing."""
    pattern, instead, found = WEAKER[weakness]
    with weakened(world, lambda text: re.sub(pattern, lambda _: instead, text)):
        told = report(world)
    assert not told["proven"]
    failed = [case["id"] for case in told["verdicts"] if not case["passed"]]
    assert any(found in case for case in failed), failed[:10]
