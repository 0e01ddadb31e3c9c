"""Kill -9 of apply at every step: one whole generation is current, what serves is proved, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from gatewright.plan.applying import Step
from tests.live.gate import Gate, ahead_of_all, gateway, processes_of, running_gateway, until

pytestmark = [pytest.mark.live, pytest.mark.slow]

# Changes of members alone go another way, whose kills are in test_members.py.
OTHERS = {
    Step.BACK,
    Step.RELOAD_BACK,
    Step.PROVE_BACK,
    Step.FORGET,
    Step.DISCARD,
    Step.MEMBERS,
    Step.MEMBERS_BACK,
}
FORWARD = [step for step in Step if step not in OTHERS]


@pytest.fixture(scope="module")
def gate() -> Iterator[Gate]:
    """One gateway that survives all of it."""
    with running_gateway() as running:
        yield running


def kill(process: object) -> None:
    """As the kernel does it."""
    assert isinstance(process, subprocess.Popen)
    process.kill()


@pytest.mark.parametrize("step", FORWARD)
def test_killed_while_it_runs(gate: Gate, step: Step) -> None:
    """The supervisor takes back what was not proved; the next apply begins anew and succeeds."""
    before, answer = gate.current, gate.marked()
    gate.mark(answer + 1)
    code, _ = gate.apply_until(step.value, kill)
    assert code == -9
    until(lambda: not gate.pending)
    until(lambda: gate.marked() == (answer if gate.current == before else answer + 1))
    gate.doors_are_shut()
    if step is not Step.KEEP:
        assert gate.current == before
    until(lambda: not processes_of(gate.folder / "run" / "shadow"))
    done = gate.run("apply")
    assert done.returncode == 0, done.stderr
    assert gate.marked() == answer + 1
    assert gate.codes("status") == []
    gate.doors_are_shut()


@pytest.mark.parametrize("step", [Step.CHOOSE, Step.PROVE_SHADOW, Step.REMEMBER, Step.SWITCH, Step.KEEP])
def test_killed_where_none_runs(step: Step) -> None:
    """The next up starts a whole generation, and the doors are as the gateway file says."""
    with gateway() as gate:
        assert gate.run("apply", "--yes").returncode == 0
        gate.mark(2)
        gate.apply_until(step.value, kill)
        status = gate.codes("status")
        assert set(status) <= {"apply-interrupted", "not-applied"}
        assert gate.run("up", "--detach").returncode == 0
        assert not gate.pending
        assert gate.marked() == 2
        gate.doors_are_shut()
        assert gate.codes("status") == []


@pytest.mark.parametrize("step", [Step.BACK, Step.RELOAD_BACK, Step.PROVE_BACK, Step.FORGET, Step.DISCARD])
def test_killed_on_the_way_back(gate: Gate, step: Step) -> None:
    """A rollback that is killed is finished by the supervisor."""
    before, answer = gate.current, gate.marked()
    gate.mark(answer + 1)

    def break_it(_process: object) -> None:
        newest = max(p for p in (gate.folder / "generations").iterdir() if p.name.isdigit())
        with (newest / "httpd.conf").open("a") as file:
            file.write("Nonsense on\n")

    process = subprocess.Popen(gate.command("apply"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    with process, ahead_of_all():
        for line in process.stderr:
            if line.startswith(f"{Step.STOP_SHADOW.value}:"):
                break_it(process)
            if line.startswith(f"{step.value}:"):
                process.kill()
                break
    until(lambda: not gate.pending)
    assert gate.current == before
    until(lambda: gate.codes("status") == ["not-applied"])
    until(lambda: gate.marked() == answer)
    gate.doors_are_shut()
    assert gate.run("apply").returncode == 0
    assert gate.marked() == answer + 1
    assert gate.codes("status") == []


MEMBERS = """\
gateway: localhost
listen: {port}
authorities:
  home: {{ managed: true }}
clients:
  demo-client: {{ authority: home, san: demo-client.localhost }}
  bob: {{ authority: home, san: bob.localhost }}
groups:
  staff: [bob]
routes:
  /health:    {{ respond: {{ json: {{ generation: 1 }} }}, access: public }}
  /private/:  {{ respond: {{ json: {{ private: true }} }}, access: [staff] }}
"""


@pytest.mark.parametrize("reverted", [False, True])
def test_members_killed_with_the_supervisor(reverted: bool) -> None:
    """Apply and supervisor are killed before the proof: the next up proves what the gateway file says, as a generation of its own."""
    with running_gateway(MEMBERS) as gate:
        before, text, supervisor = gate.current, gate.policy, gate.json("status")["pid"]
        gate.policy = text.replace("[bob]", "[demo-client]")
        os.kill(supervisor, signal.SIGSTOP)
        assert gate.apply_until(Step.PROVE.value, kill, "--yes")[0] == -signal.SIGKILL
        os.kill(supervisor, signal.SIGKILL)
        assert (gate.folder / "generations" / "current" / "unproved").exists()
        until(lambda: "apply-interrupted" in gate.codes("status"))
        if reverted:
            gate.policy = text
        done = gate.run("up", "--detach")
        assert done.returncode == 0, done.stderr
        assert gate.current > before
        assert not (gate.folder / "generations" / "current" / "unproved").exists()
        assert gate.get("/private/", client=True)[0] == (403 if reverted else 200)
        assert gate.get("/private/")[0] == 403
        assert gate.codes("status") == []
