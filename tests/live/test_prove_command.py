"""``gatewright prove`` against a gateway as a user runs it: from ``up`` to the exit code, and nothing left behind."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.pki import authority
from tests.ports import free_port

pytestmark = pytest.mark.live


def gatewright(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """One command in a gateway's folder."""
    return subprocess.run(
        [sys.executable, "-m", "gatewright", "-C", str(folder), *words],
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """The starter gateway on a free port, running."""
    assert gatewright(tmp_path, "init").returncode == 0
    file = tmp_path / "gateway.yaml"
    file.write_text(re.sub(r"(?m)^listen: \d+", f"listen: {free_port()}", file.read_text()))
    up = gatewright(tmp_path, "up", "--detach")
    assert up.returncode == 0, up.stderr
    yield tmp_path
    gatewright(tmp_path, "down")


def test_the_starter_gateway_is_proven(folder: Path) -> None:
    """Exit code 0, every probe passed; every test certificate is recorded, revoked and in the log, and no key is left."""
    keys = sorted(path.name for path in (folder / "keys").iterdir())
    done = gatewright(folder, "prove", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["identities"]
    assert all(identity["gone"] for identity in told["identities"])
    assert sorted(path.name for path in (folder / "keys").iterdir()) == keys
    kept = {path.name for path in (folder / "rev").iterdir()} if (folder / "rev").exists() else None
    assert kept is None or len(kept) > len(told["identities"])
    assert gatewright(folder, "ca", "audit").returncode == 0
    assert not list((folder / "run").glob("canary.sock"))
    text = gatewright(folder, "prove")
    assert text.returncode == 0
    assert "proven" in text.stdout


def test_a_gateway_changed_behind_our_back_is_not_proven(folder: Path) -> None:
    """A route opened by hand, and httpd told to take it: exit code 1, and the route is named."""
    configuration = folder / "generations" / "current" / "httpd.conf"
    configuration.write_text(
        re.sub(r"(?s)<RequireAll>.*?</RequireAll>", "Require all granted", configuration.read_text())
    )
    status = json.loads(gatewright(folder, "status", "--json").stdout)
    os.kill(status["pid"], 10)  # SIGUSR1: the supervisor's reload
    for _ in range(100):
        done = gatewright(folder, "prove")
        if done.returncode:
            break
    assert done.returncode == 1, done.stdout
    assert "/protected/" in done.stdout
    assert "no-certificate" in done.stdout


def test_without_a_gateway_there_is_nothing_to_prove(tmp_path: Path) -> None:
    """Exit code 3, with the command that starts it."""
    gatewright(tmp_path, "init")
    done = gatewright(tmp_path, "prove")
    assert done.returncode == 3
    assert "gateway-not-running" in done.stderr
    assert "up --detach" in done.stderr


PARTNER = """
gateway: localhost
listen: {port}
authorities:
  home: {{ managed: true }}
  globex: {{ anchor: globex.pem }}
clients:
  billing: {{ authority: home, san: billing.example.org }}
  erp: {{ authority: globex, subject: {{ organization: Globex, common_name: erp }} }}
routes:
  /health: {{ respond: {{ status: 200 }}, access: public }}
  /billing/: {{ respond: {{ text: billing }}, access: [billing] }}
  /erp/: {{ backend: "http://127.0.0.1:9", access: [erp] }}
"""


@pytest.fixture
def partnered(tmp_path: Path) -> Iterator[Path]:
    """A running gateway with a partner whose key it does not have."""
    (tmp_path / "globex.pem").write_bytes(authority("globex").pem)
    (tmp_path / "gateway.yaml").write_text(PARTNER.format(port=free_port()))
    up = gatewright(tmp_path, "up", "--detach")
    assert up.returncode == 0, up.stderr
    yield tmp_path
    gatewright(tmp_path, "down")


def test_partners_routes_are_proved_with_stand_ins(partnered: Path) -> None:
    """What only the partner could sign is signed by a stand-in that a shadow instance trusts; the real one does not."""
    done = gatewright(partnered, "prove", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    used = {(identity["authority"], identity["twin"]) for identity in told["identities"]}
    assert used == {("home", False), ("globex", True)}
    assert "with stand-ins: admitted: client of globex as erp, /erp/, tls1.3 h2" in done.stdout
    assert not [left for left in told["not_covered"] if "globex" in left["what"]]
    assert not (partnered / "run" / "twin").exists()


def test_a_partners_ca_that_is_not_applied_yet_is_no_finding(partnered: Path) -> None:
    """What is proved is what was applied: neither the partner's next CA in the old one's place, nor none at all, shuts its routes."""
    (partnered / "globex.pem").write_bytes(authority("globex").pem)
    done = gatewright(partnered, "prove", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "with stand-ins: admitted: client of globex as erp, /erp/, tls1.3 h2" in done.stdout
    (partnered / "globex.pem").unlink()
    assert gatewright(partnered, "prove").returncode == 0


def test_a_partners_route_that_is_too_wide_is_found(partnered: Path) -> None:
    """In the generation's own file the partner's route admits whomever the partner certifies: the stand-in shows it."""
    configuration = partnered / "generations" / "current" / "httpd.conf"
    text = configuration.read_text()
    wide = re.sub(r" && \(\(%\{SSL_CLIENT_S_DN_O\} .*?\)\)\"", '"', text)
    assert wide != text
    configuration.write_text(wide)
    done = gatewright(partnered, "prove")
    assert done.returncode == 1
    assert "with stand-ins: wrong-client: unnamed of globex, /erp/" in done.stdout


def test_another_place_can_be_named(folder: Path) -> None:
    """``--at`` asks elsewhere: the same gateway by its other address is proven, a closed port is not."""
    port = re.findall(r"(?m)^listen: (\d+)", (folder / "gateway.yaml").read_text())[0]
    assert gatewright(folder, "prove", "--at", f"[::1]:{port}").returncode == 0
    assert gatewright(folder, "prove", "--at", "127.0.0.1:1").returncode == 1
    assert gatewright(folder, "prove", "--at", "nowhere").returncode == 2
