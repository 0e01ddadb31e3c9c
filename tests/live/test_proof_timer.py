"""A serving gateway proves itself on a timer; a door that was opened behind its back is told of and shut, and opened by apply."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gatewright.wiring import places_of
from tests.live.gate import POLICY, Gate, gateway

pytestmark = [pytest.mark.live, pytest.mark.slow]

TIMED = POLICY + "  /private/deep/: {{ respond: {{ text: deep }}, access: [demo-client] }}\n"
TIMED += "  /other/: {{ respond: {{ text: other }}, access: [demo-client] }}\n"
TIMED += "proof: {{ every: 1m, on_finding: shut }}\n"


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A gateway that proves itself every minute and shuts what is found open, running."""
    with gateway(TIMED) as made:
        up = made.run("up", "--detach")
        assert up.returncode == 0, up.stderr
        yield made


def until(condition: Callable[[], bool], what: str, seconds: float = 300) -> None:
    """Wait for a condition."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.5)


def metric(gate: Gate, name: str) -> float:
    """One value of the metrics file, as a collector reads it."""
    lines = (gate.folder / "run" / "metrics.prom").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def shut_folder(gate: Gate) -> Path:
    """Where marks stand that shut routes."""
    return Path(places_of(gate.folder).visible / "shut")


def log_of(gate: Gate) -> str:
    """What the supervisor said."""
    return (gate.folder / "logs" / "gatewright.log").read_text()


def weaken(gate: Gate) -> None:
    """Take the whole rule of /private/ away behind our back, and have httpd take that."""
    configuration = gate.folder / "generations" / "current" / "httpd.conf"
    text = configuration.read_text()
    weak = re.sub(r'(?s)(<Location "?/private/"?>.*?)<RequireAll>.*?</RequireAll>', r"\1Require all granted", text)
    assert weak != text
    configuration.write_text(weak)
    os.kill(gate.json("status")["pid"], signal.SIGUSR1)
    until(lambda: gate.get("/private/")[0] == 200, "httpd did not take the weakened configuration")


def test_a_sound_gateway_stays_as_it_is_and_a_weakened_one_is_shut(gate: Gate) -> None:
    """By the timer alone. Sound: metric 1, nothing shut, status content. Weakened: told, metric 0, shut for everybody."""
    until(lambda: "each ended as it must" in log_of(gate), "no proof was made by itself")
    assert metric(gate, "gatewright_proof_passed") == 1
    assert metric(gate, "gatewright_proof_probes") > 100
    assert (gate.folder / "run" / "metrics.prom").stat().st_mode & 0o777 == 0o640
    assert not shut_folder(gate).exists()
    assert gate.codes("status") == []
    gate.doors_are_shut()
    weaken(gate)
    until(lambda: "Finding: the proof did not pass" in log_of(gate), "the open door was not found")
    assert metric(gate, "gatewright_proof_passed") == 0
    is_shut(gate)


def is_shut(gate: Gate) -> None:
    """Nobody gets into /private/ or below, the public route answers, and status says why."""
    assert metric(gate, "gatewright_routes_shut") == len(list(shut_folder(gate).glob("*/*"))) > 0
    for client in (False, True):
        status, body = gate.get("/private/", client=client)
        assert (status, "route_shut" in body) == (403, True)
        assert gate.get("/private/deep/", client=client)[0] == 403
    assert gate.get("/health")[0] == 200
    done = gate.run("status")
    assert done.returncode == 1
    assert "shut since: /private/" in done.stderr


def test_what_a_proof_on_demand_shut_is_opened_by_apply(gate: Gate) -> None:
    """Another proof does not open it, because it cannot see behind a shut door; apply does, proved."""
    weaken(gate)
    assert gate.run("prove").returncode == 1
    is_shut(gate)
    assert gate.run("prove").returncode == 1
    is_shut(gate)
    report = gate.json("apply")
    assert report["outcome"] == "applied", report
    gate.doors_are_shut()
    assert gate.get("/private/deep/", client=True)[0] == 200
    assert gate.codes("status") == []
    assert metric(gate, "gatewright_proof_passed") == 1
    assert metric(gate, "gatewright_routes_shut") == 0


def test_without_the_key_nothing_is_shut() -> None:
    """A finding on demand is told by exit code, metric and status; the route stays as it is where shutting was not declared."""
    with gateway() as gate:
        up = gate.run("up", "--detach")
        assert up.returncode == 0, up.stderr
        weaken(gate)
        assert gate.run("prove").returncode == 1
        assert metric(gate, "gatewright_proof_passed") == 0
        assert "last-proof-failed" in gate.codes("status")
        assert gate.get("/private/")[0] == 200
        assert not shut_folder(gate).exists()
