"""The commands of the PKI against a gateway that runs: revocation bites on open connections, and the guide is true."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "pki.md"
_BLOCK = re.compile(r"^```(?P<kind>[a-z0-9]+(?: title=\"[a-z0-9]+\")?)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_SOFTHSM = Path("/usr/lib/softhsm/libsofthsm2.so")

pytestmark = [pytest.mark.live]


@dataclass(frozen=True)
class Shell:
    """A user in a gateway's folder, with ``gatewright`` on the path."""

    folder: Path
    extra: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, line: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run one script; its exit code must be ``code``."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["sh", "-euc", line],
            cwd=self.folder,
            env={"PATH": path, "HOME": str(self.folder), "LANG": "C.UTF-8", **self.extra},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == code, (line, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done

    def result(self, line: str) -> dict[str, object]:
        """The JSON that a command prints."""
        found: dict[str, object] = json.loads(self(f"{line} --json").stdout)
        return found


def blocks(kind: str) -> list[str]:
    """The guide's code of one kind, in order."""
    language, _, title = kind.partition(" ")
    wanted = f'{language} title="{title}"' if title else language
    return [m["text"] for m in _BLOCK.finditer(GUIDE.read_text()) if m["kind"] == wanted]


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """The guide's gateway on a free port; stopped in the end."""
    folder = tmp_path / "gateway"
    folder.mkdir()
    (gateway,) = blocks("yaml")
    (folder / "gateway.yaml").write_text(gateway.replace("8443", str(free_port())))
    user = Shell(folder)
    yield user
    user("gatewright down")


class KeepAlive:
    """One TLS connection with a client certificate, kept open from request to request."""

    def __init__(self, folder: Path, client: str) -> None:
        port = int(re.search(r"listen: (\d+)", (folder / "gateway.yaml").read_text())[1])  # type: ignore[index]
        files = folder / "clients" / client
        context = ssl.create_default_context(cafile=str(files / "ca.pem"))
        context.load_cert_chain(files / f"{client}.pem", files / f"{client}.key")
        self.connection = http.client.HTTPSConnection("localhost", port, timeout=60, context=context)
        self.connection.connect()
        self.opened = 1

    def __enter__(self) -> KeepAlive:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def status(self) -> int:
        """The status of one request; on the same connection, unless httpd ended it after its hundred requests."""
        if self.connection.sock is None:
            self.connection.connect()
            self.opened += 1
        self.connection.request("GET", "/protected")
        response = self.connection.getresponse()
        response.read()
        return response.status

    def during(self, shell: Shell, line: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a script, and ask now and then meanwhile: httpd ends what is idle for 15 seconds, and a busy machine may take longer."""
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(shell, line, code)
            while not wait([running], timeout=2).done:
                self.status()
            return running.result()


def test_revocation_bites_on_an_open_connection(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    """Revoked, held, released and taken back by command: each shows in the very next request of one open connection."""
    shell("gatewright up --detach")
    shell("gatewright cert issue billing-bot")
    told = []
    with KeepAlive(shell.folder, "billing-bot") as connection:
        assert connection.status() == 200
        for command, status in (
            ("cert revoke billing-bot --reason certificate-hold", 403),
            ("cert release billing-bot", 200),
            ("cert revoke billing-bot --undo-within 1h", 403),
            ("cert unrevoke billing-bot", 200),
            ("cert revoke billing-bot --reason key-compromise", 403),
        ):
            start = time.monotonic()
            connection.during(shell, f"gatewright {command}")
            ended = time.monotonic()
            assert connection.status() == status, command
            asked = (time.monotonic() - ended) * 1000
            told.append(f"{command}: took {ended - start:.2f} s, then {status}, answered in {asked:.1f} ms")
        assert connection.during(shell, "gatewright cert unrevoke billing-bot", 1).stderr.count("undo-too-late") == 1
        assert connection.status() == 403
        assert connection.opened == 1
    with capsys.disabled():
        print("", *told, sep="\n  ")


def test_a_revocation_takes_effect_before_its_command_ends(shell: Shell) -> None:
    """Asked all the while, the gateway refuses from one request on and never admits again; well under a second."""
    shell("gatewright up --detach")
    shell("gatewright cert issue billing-bot")
    command = [
        str(Path(sys.executable).parent / "gatewright"),
        "-C",
        str(shell.folder),
        "cert",
        "revoke",
        "billing-bot",
    ]
    seen: list[int] = []
    with (
        KeepAlive(shell.folder, "billing-bot") as connection,
        subprocess.Popen(command, stdout=subprocess.DEVNULL) as running,
    ):
        while running.poll() is None:
            seen.append(connection.status())
        seen += [connection.status() for _ in range(3)]
    assert running.returncode == 0
    assert seen == sorted(seen)
    assert seen[-3:] == [403, 403, 403]
    assert seen[0] == 200


def test_revoked_while_the_gateway_was_down(shell: Shell) -> None:
    """What is revoked before the first start, or while nothing runs, is refused from the first request on."""
    shell("gatewright cert issue billing-bot")
    shell("gatewright cert revoke billing-bot")
    shell("gatewright up --detach")
    with KeepAlive(shell.folder, "billing-bot") as connection:
        assert connection.status() == 403
    shell("gatewright cert issue billing-bot")
    with KeepAlive(shell.folder, "billing-bot") as connection:
        assert connection.status() == 200


def test_openssl_agrees_with_the_published_crls(shell: Shell) -> None:
    """The bundle that revoking publishes makes OpenSSL refuse the certificate (error 23), and accept its neighbour."""
    for client in ("billing-bot", "erp"):
        shell(f"gatewright cert issue {client}")
    shell("gatewright cert revoke erp")
    ask = "openssl verify -crl_check_all -CAfile certs/ca/home-root.pem -untrusted certs/ca/home-issuing.pem -CRLfile certs/crl/home.pem"
    assert "OK" in shell(f"{ask} clients/billing-bot/billing-bot.pem").stdout
    assert "error 23" in shell(f"{ask} clients/erp/erp.pem", 2).stderr


@pytest.mark.slow
def test_every_command_of_the_guide_works(shell: Shell) -> None:
    """docs/pki.md from top to bottom, each block as one script; then what it says must have come true."""
    said = [shell(text).stdout for text in blocks("sh")]
    assert len(said) >= 12
    assert "dropped" not in said[0]
    folder = shell.folder
    secrets = [
        *folder.glob("*.p12"),
        *folder.glob("*.password"),
        *folder.glob("home-root*.key"),
        folder / "billing.pem",
    ]
    assert len(secrets) == 7
    assert not [p for p in secrets if p.stat().st_mode & 0o077]
    passwords = [p.read_text().strip() for p in [*folder.glob("*.password"), folder / "passphrase"]]
    assert not [p for p in passwords for text in said if p in text]
    listed = shell.result("gatewright ca list")["generations"]
    assert isinstance(listed, list)
    assert [(g["role"], g["number"], g["active"], g["key_state"]) for g in listed] == [
        ("root", 1, True, "offline"),
        ("issuing", 1, False, "online"),
        ("issuing", 2, True, "online"),
    ]
    shell("gatewright ca audit")


@pytest.mark.skipif(not _SOFTHSM.exists(), reason="SoftHSM is not installed")
def test_the_guide_on_tokens_works(shell: Shell) -> None:
    """The issuing CA's key is made in a token and signs there; its clients are admitted; no file holds the key."""
    pytest.importorskip("pkcs11")
    (shell.folder / "tokens").mkdir()
    (shell.folder / "softhsm2.conf").write_text(f"directories.tokendir = {shell.folder}/tokens\nlog.level = ERROR\n")
    holder = Shell(shell.folder, {"SOFTHSM2_CONF": str(shell.folder / "softhsm2.conf")})
    shell("(umask 077; echo a passphrase of length > passphrase)")
    shell("gatewright cert issue erp")
    shell("gatewright ca offline home --out home-root-again.key --passphrase-file passphrase")
    (text,) = blocks("sh pkcs11")
    said = holder(text)
    assert "in a token" in said.stdout
    assert "48151623" not in said.stdout + said.stderr
    holder("gatewright up --detach")
    with KeepAlive(shell.folder, "billing-bot") as connection:
        assert connection.status() == 200
    holder("gatewright cert revoke billing-bot")
    holder("gatewright ca audit")


def test_the_guide_has_no_other_code() -> None:
    """Every block of code in the guide is of a kind that a test runs."""
    kinds = {
        "yaml",
        "sh",
        *(f'{k} title="{t}"' for k, t in (("yaml", "route"), *(("sh", t) for t in ("ocsp", "pkcs11", "postgresql")))),
    }
    assert {m["kind"] for m in _BLOCK.finditer(GUIDE.read_text())} == kinds
    assert shutil.which("openssl") is not None
