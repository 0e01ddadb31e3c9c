"""A newcomer's first minutes: a fresh clone, a clean home, the README's command, and the printed lines as printed."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
_REQUEST = re.compile(r"^# (?P<path>/\S*) (?P<who>with\S* .*): (?P<status>\d{3})\n(?P<line>curl .*)$", re.MULTILINE)

# How this machine reaches the package index is the machine's affair; everything else of our environment is left out.
_NETWORK = re.compile(r"PIP_.*|.*_proxy|SSL_CERT_.*|REQUESTS_CA_BUNDLE", re.IGNORECASE)
_PIP_CONFIGURATION = Path.home() / ".config" / "pip" / "pip.conf"

pytestmark = [
    pytest.mark.live,
    pytest.mark.slow,
    pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs a git clone to clone from"),
    pytest.mark.skipif(shutil.which("git") is None, reason="needs git"),
]


@dataclass(frozen=True)
class Newcomer:
    """Somebody with a fresh clone, at its top, and a home of their own with a blank in its name."""

    clone: Path
    home: Path

    def run(self, line: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """One line typed into a POSIX shell."""
        environment = {k: v for k, v in os.environ.items() if _NETWORK.fullmatch(k)}
        if _PIP_CONFIGURATION.exists():
            environment.setdefault("PIP_CONFIG_FILE", str(_PIP_CONFIGURATION))
        path = [folder for folder in os.environ["PATH"].split(os.pathsep) if Path(folder).parent.name != ".venv"]
        environment |= {"PATH": os.pathsep.join(path), "HOME": str(self.home)}
        return subprocess.run(
            ["sh", "-c", line],
            cwd=cwd or self.clone,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


def is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    """The newcomer; whatever they start is stopped in the end."""
    home = tmp_path_factory.mktemp("a newcomer")
    clone = home / "gatewright"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True, capture_output=True)
    person = Newcomer(clone, home)
    yield person
    person.run("./gatewright down")


@pytest.fixture(scope="module")
def printed(newcomer: Newcomer) -> str:
    """What ``./gatewright up --detach`` prints."""
    first = None
    if not is_free(8443):
        # Somebody else's gateway runs here. The newcomer edits the one line, as its message would tell them.
        first = newcomer.run("./gatewright init")
        assert first.returncode == 0, first.stderr
        file = newcomer.clone / "gateway" / "gateway.yaml"
        file.write_text(file.read_text().replace("8443 ", f"{free_port()} ", 1))
    done = newcomer.run("./gatewright up --detach")
    assert done.returncode == 0, done.stderr
    assert (first or done).stderr.count("setting up Python packages") == 1
    assert "Traceback" not in done.stderr
    return done.stdout


def test_every_printed_request_is_answered_as_said(newcomer: Newcomer, printed: str) -> None:
    """Each curl line, pasted into a shell in another folder, gets the status that was printed above it."""
    requests = list(_REQUEST.finditer(printed))
    tried = {}
    for request in requests:
        done = newcomer.run(request["line"], cwd=Path("/"))
        assert done.returncode == 0, done.stderr
        status = re.match(r"HTTP/[0-9.]+ (\d{3})", done.stdout)
        assert status is not None, done.stdout
        assert status[1] == request["status"], (request["line"], done.stdout)
        tried[request["path"], "--cert " in request["line"]] = int(status[1])
    assert tried == {
        ("/main.html", False): 200,
        ("/health", False): 200,
        ("/unprotected/unprotected.html", False): 200,
        ("/protected/protected.html", False): 403,
        ("/protected/protected.html", True): 200,
        ("/protected/confidential.html", True): 200,
    }


def test_a_refusal_says_what_is_missing(newcomer: Newcomer, printed: str) -> None:
    """The body of the 403 says that a certificate is missing and how to present one, as JSON when asked for it."""
    line = next(r["line"] for r in _REQUEST.finditer(printed) if r["status"] == "403")
    body = newcomer.run(line.replace("curl -sS -i", "curl -sS -H 'Accept: application/json'")).stdout
    assert isinstance(json.loads(body), dict)
    assert "certificate" in body
    assert "--cert" in body


def test_status_and_a_second_up(newcomer: Newcomer, printed: str) -> None:
    """While it runs, status says so, and another up changes nothing and says that."""
    status = newcomer.run("./gatewright status")
    assert status.returncode == 0, status.stderr
    assert "running for" in status.stdout
    assert "days left" in status.stdout
    before = json.loads(newcomer.run("./gatewright status --json").stdout)
    again = newcomer.run("./gatewright up --detach")
    assert again.returncode == 0
    assert again.stdout.startswith("The gateway runs already; nothing was changed.")
    after = json.loads(newcomer.run("./gatewright status --json").stdout)
    assert (after["pid"], after["generation"]) == (before["pid"], before["generation"])


def test_nothing_is_for_others_eyes(newcomer: Newcomer, printed: str) -> None:
    """The gateway's folder is closed to other users, and every key in it is its owner's alone."""
    folder = newcomer.clone / "gateway"
    assert folder.stat().st_mode & 0o007 == 0
    secrets = [
        p for p in folder.rglob("*") if p.is_file() and (p.suffix in {".key", ".p12"} or p.parent.name == "keys")
    ]
    assert len(secrets) >= 4
    assert not [p for p in secrets if p.stat().st_mode & 0o077]


def test_down_stops_it(newcomer: Newcomer, printed: str) -> None:
    """The printed command stops it; a second one says that there is nothing to stop, and status agrees."""
    stop = re.search(r"^Stop it with: (.*)$", printed, re.MULTILINE)
    assert stop is not None
    done = newcomer.run(stop[1], cwd=Path("/"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("stopped")
    assert newcomer.run("./gatewright down").stdout == "no gateway runs in this folder\n"
    assert newcomer.run("./gatewright status").returncode == 1
