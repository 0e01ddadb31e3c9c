"""Who is in a group changes in place: effective in the next request of an open connection, and httpd has nothing to read."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gatewright.app.metrics import LastProof
from gatewright.wiring import places_of
from tests.live.gate import Gate, running_gateway, until

pytestmark = pytest.mark.live

POLICY = """\
gateway: localhost
listen: {port}
authorities:
  home: {{ managed: true }}
clients:
  demo-client: {{ authority: home, san: demo-client.localhost }}
  bob: {{ authority: home, san: bob.localhost }}
groups:
  staff: [demo-client]
routes:
  /health:    {{ respond: {{ text: up }}, access: public }}
  /private/:  {{ respond: {{ json: {{ private: true }} }}, access: [staff] }}
  /bob/:      {{ respond: {{ text: bob }}, access: [bob] }}
"""
ONE, TWO = "staff: [demo-client]", "staff: [demo-client, bob]"


@pytest.fixture(scope="module")
def gate() -> Iterator[Gate]:
    """One running gateway; each test leaves bob outside the group."""
    with running_gateway(POLICY) as running:
        done = running.run("cert", "issue", "bob")
        assert done.returncode == 0, done.stderr
        yield running


class Open:
    """Connections with bob's certificate: one as long as httpd keeps it, and no longer than that."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.connection: http.client.HTTPSConnection | None = None

    def connect(self) -> None:
        """A new connection."""
        gate = self.gate
        context = gate.context()
        chain = next((gate.folder / "clients" / "bob").glob("bob.pem"))
        context.load_cert_chain(str(chain), str(chain.with_suffix(".key")))
        self.connection = http.client.HTTPSConnection("localhost", gate.port, timeout=60, context=context)
        self.connection.connect()
        self.socket = self.connection.sock

    def get(self, path: str = "/private/") -> int:
        """Status of the next request on the very same connection; the first one opens it, for httpd does not wait long for a request."""
        if self.connection is None:
            self.connect()
        assert self.connection is not None
        self.connection.request("GET", path)
        answer = self.connection.getresponse()
        answer.read()
        assert self.connection.sock is self.socket, "it was another connection"
        return answer.status

    def get_anew(self) -> int:
        """Status on a new connection."""
        self.close()
        self.connect()
        return self.get()

    def close(self) -> None:
        """The end of it."""
        if self.connection is not None:
            self.connection.close()
            self.socket.close()

    def during(self, *words: str) -> dict[str, Any]:
        """Apply, and ask for something again and again meanwhile so that httpd does not take the connection for idle; the report."""
        command = self.gate.command("--json", "apply", *words)
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            while process.poll() is None:
                assert self.get("/bob/") == 200
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.3)
            assert process.stdout is not None
            return json.loads(process.stdout.read())  # type: ignore[no-any-return]


@pytest.fixture
def bob(gate: Gate) -> Iterator[Open]:
    """Bob's connection."""
    connected = Open(gate)
    with contextlib.closing(connected):
        yield connected


def facts(gate: Gate) -> tuple[int, int, bytes]:
    """What must stay: httpd's pid, the generation, and its configuration."""
    pid = gate.json("status")["pid"]
    return pid, gate.current, (gate.folder / "generations" / "current" / "httpd.conf").read_bytes()


def folder_of_members(gate: Gate) -> Path:
    """Where the running generation's members are."""
    return Path(places_of(gate.folder).layout(gate.current).members)


def test_a_member_joins_and_leaves_without_a_reload(gate: Gate, bob: Open) -> None:
    """On one open connection: refused, admitted, refused; plan names who gains and loses; nothing of httpd's changed."""
    before = facts(gate)
    assert (bob.get(), bob.get("/bob/")) == (403, 200)
    gate.policy = gate.policy.replace(ONE, TWO)
    plan = gate.run("plan")
    assert plan.returncode == 1
    assert "gains access: bob" in plan.stdout, plan.stdout
    assert bob.get_anew() == 403
    report = bob.during("--yes")
    assert report["outcome"] == "applied", report
    assert [s["step"] for s in report["steps"]] == ["settle", "choose", "members", "prove", "keep"]
    assert report["probes"] > 4
    assert bob.get() == 200
    assert (facts(gate), gate.codes("status")) == (before, [])
    gate.policy = gate.policy.replace(TWO, ONE)
    assert "no longer admits bob" in gate.run("plan").stdout
    assert bob.get_anew() == 200
    assert bob.during()["outcome"] == "applied"
    assert (bob.get(), bob.get("/bob/")) == (403, 200)
    assert (facts(gate), gate.codes("status")) == (before, [])
    assert gate.json("apply")["outcome"] == "unchanged"


def test_a_proof_of_members_hides_no_finding(gate: Gate) -> None:
    """What the last proof of the whole gateway found stays until the next such proof: a change of members tries its own doors only."""
    found = LastProof(datetime.now(UTC), gate.current, passed=False, findings=1, probes=1, first="a door is open")
    (gate.folder / "run" / "proof.json").write_text(json.dumps(found.as_dict()))
    gate.policy = gate.policy.replace(ONE, TWO)
    assert gate.json("apply", "--yes")["outcome"] == "applied"
    assert gate.codes("status") == ["last-proof-failed"]
    gate.policy = gate.policy.replace(TWO, ONE)
    assert gate.json("apply")["outcome"] == "applied"
    assert gate.codes("status") == ["last-proof-failed"]
    assert gate.run("prove").returncode == 0
    assert gate.codes("status") == []


def test_a_lost_folder_refuses_everybody(gate: Gate) -> None:
    """Without the sentinel nobody is a member; status says so, and apply makes it right."""
    assert gate.get("/private/", client=True)[0] == 200
    members = folder_of_members(gate)
    shutil.move(members, members.with_name("away"))
    assert gate.get("/private/", client=True)[0] == 403
    assert "members-changed" in gate.codes("status")
    shutil.move(members.with_name("away"), members)
    (members / ".ready").unlink()
    assert gate.get("/private/", client=True)[0] == 403
    assert gate.run("apply").returncode == 0
    assert gate.get("/private/", client=True)[0] == 200
    assert gate.codes("status") == []


def test_a_member_by_hand_is_told(gate: Gate, bob: Open) -> None:
    """A file that no policy asks for admits, as it must to be of use; status tells it, and apply removes it."""
    entry = next(p for p in folder_of_members(gate).rglob("dns-*"))
    forged = entry.with_name(f"dns-{hashlib.sha1(b'bob.localhost', usedforsecurity=False).hexdigest()}")
    forged.touch()
    assert bob.get() == 200
    assert "members-changed" in gate.codes("status")
    assert gate.run("apply").returncode == 0
    assert (bob.get_anew(), gate.codes("status")) == (403, [])


def test_what_is_not_proved_is_taken_back(gate: Gate, bob: Open) -> None:
    """The sentinel vanishes before the proof: the proof fails, the old policy stands again, and bob stays outside."""
    before, text = facts(gate), gate.policy
    gate.policy = text.replace(ONE, TWO)
    code, said = gate.apply_until("prove", lambda _: (folder_of_members(gate) / ".ready").unlink(), "--yes")
    assert code == 1, said
    assert "members-back" in said
    assert (bob.get_anew(), gate.get("/private/", client=True)[0]) == (403, 200)
    assert gate.codes("status") == ["not-applied"]
    gate.policy = text
    assert (facts(gate), gate.codes("status")) == (before, [])


@pytest.mark.parametrize("step", ["members", "prove", "keep"])
def test_killed_at_any_step_a_removal_is_not_lost(gate: Gate, bob: Open, step: str) -> None:
    """Apply is killed while it takes bob out of the group; whoever comes next finishes it."""
    gate.policy = gate.policy.replace(ONE, TWO)
    assert gate.json("apply", "--yes")["outcome"] == "applied"
    assert bob.get_anew() == 200
    gate.policy = gate.policy.replace(TWO, ONE)
    code, _ = gate.apply_until(step, lambda process: os.kill(process.pid, signal.SIGKILL))
    assert code == -signal.SIGKILL
    if step != "members":
        assert bob.get_anew() == 403
    # The supervisor may be finishing it at this very moment.
    until(lambda: gate.run("apply").returncode == 0)
    assert (bob.get_anew(), gate.get("/private/", client=True)[0], gate.codes("status")) == (403, 200, [])


@pytest.mark.parametrize("step", ["prove", pytest.param("keep", marks=pytest.mark.slow)])
def test_killed_before_its_proof_it_is_proved_by_itself(gate: Gate, bob: Open, step: str) -> None:
    """Nobody applies again: bob, whom a killed apply let in, is in, and the supervisor has it proved; out, likewise.

    Until then status says that it is not proved, and what was proved before stands on disk.
    """
    marker = gate.folder / "generations" / "current" / "unproved"
    supervisor = gate.json("status")["pid"]
    for was, then, status in ((ONE, TWO, 200), (TWO, ONE, 403)):
        gate.policy = gate.policy.replace(was, then)
        os.kill(supervisor, signal.SIGSTOP)
        try:
            code, _ = gate.apply_until(step, lambda process: os.kill(process.pid, signal.SIGKILL), "--yes")
            assert code == -signal.SIGKILL
            if step == "prove":
                assert was in marker.read_text()
                assert gate.codes("status") == ["apply-interrupted"]
        finally:
            os.kill(supervisor, signal.SIGCONT)
        until(lambda: not marker.exists(), 90)
        assert bob.get_anew() == status
        until(lambda: gate.codes("status") == [], 90)
