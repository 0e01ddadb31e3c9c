"""``gatewright ca ocsp`` asked by OpenSSL: directly, through the gateway, and with answers that somebody else signed."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.live.test_cert_commands import Shell, blocks
from tests.ports import free_port

pytestmark = [pytest.mark.live]

GATEWAY = """\
gateway: localhost
listen: {gateway}
authorities:
  home: {{ managed: true }}
clients:
  billing-bot: {{ authority: home, san: billing.example.org }}
  erp:         {{ authority: home, san: erp.globex.example }}
routes:
  /health: {{ respond: {{ status: 200, text: ok }}, access: public }}
  /ocsp/:  {{ backend: "http://127.0.0.1:{responder}/", access: public }}
"""
ISSUER = "-issuer certs/ca/home-issuing.pem -CAfile certs/ca/home-root.pem"


@dataclass(frozen=True)
class Responder:
    """A gateway's folder with two clients, and a responder that runs there."""

    shell: Shell
    process: subprocess.Popen[str]
    url: str
    gateway_port: int

    def ask(self, what: str, code: int = 0) -> str:
        """What ``openssl ocsp`` says."""
        done = self.shell(f"openssl ocsp {ISSUER} -url {self.url} {what}", code)
        return done.stdout + done.stderr

    def end(self, number: signal.Signals) -> tuple[int, str]:
        """Stop it by ``number``; its exit code and what it wrote to standard error."""
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=120)
        return self.process.returncode, said


@pytest.fixture
def responder(tmp_path: Path) -> Iterator[Responder]:
    gateway, port = free_port(), free_port()
    (tmp_path / "gateway.yaml").write_text(GATEWAY.format(gateway=gateway, responder=port))
    shell = Shell(tmp_path)
    shell("gatewright cert issue billing-bot; gatewright cert issue erp")
    command = [sys.executable, "-m", "gatewright", "-C", str(tmp_path), "ca", "ocsp", "--listen", f"127.0.0.1:{port}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert f"http://127.0.0.1:{port}/" in process.stdout.readline()
            yield Responder(shell, process, f"http://127.0.0.1:{port}/", gateway)
        finally:
            if process.poll() is None:
                process.terminate()
                process.communicate(timeout=120)


def test_good_then_revoked_and_unknown(responder: Responder) -> None:
    """OpenSSL verifies each answer up to the root; a revocation shows in the first answer after its command."""
    bot = "-cert clients/billing-bot/billing-bot.pem"
    for digest in ("", "-sha256 "):
        asked = time.monotonic()
        told = responder.ask(f"{digest}{bot}")
        usual = time.monotonic() - asked
        assert "Response verify OK" in told
        assert "billing-bot.pem: good" in told
    responder.shell("gatewright cert revoke billing-bot --reason key-compromise")
    ended = time.monotonic()
    told = responder.ask(bot)
    assert time.monotonic() - ended < 1 + 2 * usual
    assert "Response verify OK" in told
    assert "billing-bot.pem: revoked" in told
    assert "Reason: keyCompromise" in told
    assert "erp.pem: good" in responder.ask("-cert clients/erp/erp.pem")
    assert "0x4711: unknown" in responder.ask("-serial 0x4711")
    assert responder.end(signal.SIGTERM) == (0, "")


def test_other_issuers_and_several_certificates_at_once_are_refused(responder: Responder) -> None:
    """With "unauthorized", unsigned: a stranger's CA, our own root, and two certificates in one request (RFC 5019 §2.2.3)."""
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=stranger -days 2"
    responder.shell(f"{make} -keyout stranger.key -out stranger.pem 2>/dev/null")
    for issuer in ("stranger.pem", "certs/ca/home-root.pem"):
        line = f"openssl ocsp -issuer {issuer} -CAfile {issuer} -url {responder.url} -serial 0x4711"
        done = responder.shell(line, 1)
        assert "unauthorized (6)" in done.stdout + done.stderr
    both = "-cert clients/erp/erp.pem -cert clients/billing-bot/billing-bot.pem"
    assert "unauthorized (6)" in responder.ask(both, 1)
    assert responder.end(signal.SIGINT) == (0, "")


def test_an_answer_signed_by_another_key_is_refused(responder: Responder) -> None:
    """The twin of every "good" above: the same certificate is called good by a forger, and OpenSSL does not believe it."""
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=forger -days 2"
    responder.shell(f"{make} -addext extendedKeyUsage=OCSPSigning -keyout forger.key -out forger.pem 2>/dev/null")
    asked = f"{ISSUER} -cert clients/erp/erp.pem"
    responder.shell(f"openssl ocsp {asked} -no_nonce -reqout q.der")
    responder.shell(f"curl -sS --data-binary @q.der -o true.der {responder.url}")
    serial = responder.shell("openssl x509 -in clients/erp/erp.pem -noout -serial").stdout.strip().partition("=")[2]
    responder.shell("openssl x509 -in clients/erp/erp.pem -noout -subject")
    (responder.shell.folder / "index.txt").write_text(f"V\t391231235959Z\t\t{serial}\tunknown\t/CN=erp\n")
    answer = "openssl ocsp -index index.txt -rsigner forger.pem -rkey forger.key -CA certs/ca/home-issuing.pem -ndays 1"
    responder.shell(f"{answer} -reqin q.der -respout forged.der")
    told = responder.shell(f"openssl ocsp {asked} -no_nonce -respin true.der")
    assert "Response verify OK" in told.stdout + told.stderr
    told = responder.shell(f"openssl ocsp {asked} -no_nonce -respin forged.der", 1)
    assert "Response Verify Failure" in told.stdout + told.stderr
    changed = bytearray((responder.shell.folder / "true.der").read_bytes())
    changed[changed.index(b"\x80\x00")] = 0x82  # good becomes unknown: [0] NULL to [2] NULL, under the old signature
    (responder.shell.folder / "changed.der").write_bytes(changed)
    told = responder.shell(f"openssl ocsp {asked} -no_nonce -respin changed.der", 1)
    assert "Response Verify Failure" in told.stdout + told.stderr


def test_behind_the_gateway(responder: Responder) -> None:
    """A public route carries POST requests and their answers; httpd refuses a GET whose base64 holds an encoded slash."""
    shell = responder.shell
    try:
        shell("gatewright up --detach")
        base = f"https://localhost:{responder.gateway_port}/ocsp/"
        curl = "curl -sS --cacert certs/ca/home-root.pem"
        asked = f"{ISSUER} -cert clients/erp/erp.pem -no_nonce"
        shell(f"openssl ocsp {asked} -reqout q.der")
        head = shell(
            f"{curl} -D - --data-binary @q.der -H 'Content-Type: application/ocsp-request' -o a.der {base}"
        ).stdout
        assert "application/ocsp-response" in head
        assert "max-age=" in head
        assert "erp.pem: good" in shell(f"openssl ocsp {asked} -respin a.der").stdout
        text = base64.b64encode((shell.folder / "q.der").read_bytes()).decode()
        status = shell(f"{curl} -o b.der -w '%{{http_code}}' '{base}{urllib.parse.quote(text, safe='')}'").stdout
        assert status == ("404" if "/" in text else "200")
        assert (
            shell(f"{curl} -o b.der -w '%{{http_code}}' '{responder.url}{urllib.parse.quote(text, safe='')}'").stdout
            == "200"
        )
        assert (shell.folder / "a.der").read_bytes() == (shell.folder / "b.der").read_bytes()
    finally:
        shell("gatewright down")


def test_what_it_cannot_do_is_said(responder: Responder, tmp_path: Path) -> None:
    """A taken port with its holder, a folder without a PKI, an address that is none: each with exit code and way out."""
    shell = responder.shell
    address = urllib.parse.urlsplit(responder.url).netloc
    told = shell(f"gatewright ca ocsp --listen {address}", 3).stderr
    assert "ocsp-cannot-listen" in told
    assert f"pid {responder.process.pid}" in told or os.geteuid() != 0
    assert "is not ADDRESS:PORT" in shell("gatewright ca ocsp --listen here", 2).stderr
    (tmp_path / "empty").mkdir()
    assert "no-pki-here" in shell("gatewright -C empty ca ocsp", 2).stderr


def test_the_guide_is_true(tmp_path: Path) -> None:
    """The blocks of docs/pki.md about OCSP, on a free port: good first, then revoked; and every route is a valid one."""
    (gateway,), (route,) = blocks("yaml"), blocks("yaml route")
    (tmp_path / "gateway.yaml").write_text(gateway + route)
    shell = Shell(tmp_path)
    shell("gatewright check; gatewright cert issue billing-bot")
    first, second = (block.replace("8888", str(free_port())) for block in blocks("sh ocsp"))
    told = shell(first).stdout
    assert told.index("billing-bot.pem: good") < told.index("billing-bot.pem: revoked")
    shell(second)
