"""Whatever breaks while a change is applied, the last good generation goes on serving and the message names the cause."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from gatewright.edges.httpd import LocalHttpd, our_environment
from gatewright.edges.shadow import LocalShadows
from gatewright.errors import EnvironmentFault
from gatewright.ports.shadow import ShadowPlan
from gatewright.wiring import places_of
from tests.live.gate import POLICY, Gate, gateway, processes_of, running_gateway, until
from tests.live.pki import SERVER, authority, make
from tests.ports import free_port

pytestmark = [pytest.mark.live, pytest.mark.slow]


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A running gateway that answers 1, with a gateway file that wants it to answer 2."""
    with running_gateway() as running:
        running.mark(2)
        yield running


def goes_on(gate: Gate, answer: int = 1) -> None:
    """The last good generation serves, nothing is left half done, and the next apply works."""
    assert gate.marked() == answer
    gate.doors_are_shut()
    assert not gate.pending
    assert not processes_of(gate.folder / "run" / "shadow")


def then_works(gate: Gate) -> None:
    """What was broken is repaired: the same change goes through."""
    done = gate.run("apply", "--yes")
    assert done.returncode == 0, done.stderr
    assert gate.marked() == 2


def newest(gate: Gate) -> Path:
    """The folder of the newest generation, current or not."""
    return max(p for p in (gate.folder / "generations").iterdir() if p.name.isdigit())


def test_a_certificate_turns_to_garbage_before_the_reload(gate: Gate) -> None:
    """After the shadow was proved and before httpd reads it: httpd dies of it, and comes back with the last good one."""
    gate.policy = gate.policy.replace("gateway: localhost", "gateway: [localhost, other.localhost]")

    def garbage(_process: object) -> None:
        chain = json.loads((newest(gate) / "manifest.json").read_text())["chain"]
        Path(chain).write_text("garbage\n")

    code, said = gate.apply_until("stop-shadow", garbage)
    assert code == 3, said
    assert "[reload-ended-httpd]" in said
    assert "[server-certificate-bad]" in said
    assert "generation 1 is in force again, and proved" in said
    goes_on(gate)
    then_works(gate)


def test_the_anchors_are_emptied_before_the_reload(gate: Gate) -> None:
    """The same with the file of trusted authorities."""
    code, said = gate.apply_until("stop-shadow", lambda _: (newest(gate) / "anchors.trusted.pem").write_bytes(b""))
    assert code == 3, said
    assert "[reload-ended-httpd]" in said
    assert "anchors.trusted.pem" in said
    goes_on(gate)
    then_works(gate)


def test_the_configuration_is_broken_before_the_reload(gate: Gate) -> None:
    """The same with a line that httpd does not know."""

    def nonsense(_process: object) -> None:
        with (newest(gate) / "httpd.conf").open("a") as file:
            file.write("Nonsense on\n")

    code, said = gate.apply_until("stop-shadow", nonsense)
    assert code == 3, said
    assert "[config-refused]" in said
    assert "Nonsense" in said
    goes_on(gate)
    then_works(gate)


def test_a_weakened_configuration_does_not_stay(gate: Gate) -> None:
    """A protected route that lost its guard between shadow and reload is found on the real port, and taken back."""

    def weaken(_process: object) -> None:
        file = newest(gate) / "httpd.conf"
        text = file.read_text()
        start = text.rindex("<RequireAll>")
        end = text.rindex("</RequireAll>") + len("</RequireAll>")
        file.write_text(text.replace(text[start:end], "Require all granted"))

    code, said = gate.apply_until("stop-shadow", weaken)
    assert code == 1, said
    assert "[unproven]" in said
    assert "/private/" in said
    assert "generation 1 is in force again, and proved" in said
    goes_on(gate)
    then_works(gate)


def test_a_shadow_that_cannot_start(gate: Gate) -> None:
    """What httpd refuses is refused by the shadow instance already: the running gateway is not touched."""
    pid = (gate.folder / "run" / "httpd.process").read_text()
    code, said = gate.apply_until("start-shadow", lambda _: shutil.rmtree(newest(gate)))
    assert code == 3, said
    assert "generation 1 is untouched" in said
    goes_on(gate)
    assert (gate.folder / "run" / "httpd.process").read_text() == pid
    then_works(gate)


def test_a_broken_certificate_of_the_users_own() -> None:
    """A new certificate file that is garbage is refused, and the gateway survives even a restart of httpd."""
    policy = POLICY.replace("routes:", "certificate: {{ chain: own.pem, key: own.key }}\nroutes:")
    names = ["localhost", "127.0.0.1", "::1"]
    ca = authority("public")
    with gateway(policy) as gate:
        make("localhost", ca, usage=[SERVER], sans=names).write(gate.folder, "own")
        assert gate.run("up", "--detach").returncode == 0
        gate.mark(2)
        (gate.folder / "own.pem").write_text("garbage\n")
        assert gate.run("apply").returncode == 2
        pid = int((gate.folder / "run" / "httpd.process").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        until(lambda: (gate.folder / "run" / "httpd.process").read_text().split()[0] != str(pid))
        until(lambda: "no-answer" not in gate.codes("status"))
        make("localhost", ca, usage=[SERVER], sans=names).write(gate.folder, "own")
        assert "certificate-not-applied" in gate.codes("status")
        assert gate.json("apply")["outcome"] == "applied"
        assert gate.codes("status") == []


def test_an_empty_anchor_of_a_partner_is_refused(gate: Gate) -> None:
    """The partner's file emptied: exit code 2 and its name; nothing changes."""
    partner = authority("globex")
    (gate.folder / "globex.pem").write_bytes(partner.pem)
    text = gate.policy
    gate.policy = text.replace("clients:", "  globex: { anchor: globex.pem }\nclients:", 1)
    assert gate.run("plan").returncode == 1
    (gate.folder / "globex.pem").write_bytes(b"")
    done = gate.run("apply", "--yes")
    assert done.returncode == 2
    assert "[anchor-not-a-certificate]" in done.stderr
    goes_on(gate)
    (gate.folder / "globex.pem").write_bytes(partner.pem)
    then_works(gate)


def test_another_anchor_under_the_same_name_asks(gate: Gate) -> None:
    """A partner's file replaced without a word in the gateway file: plan says which CA, and apply waits for a yes."""
    (gate.folder / "globex.pem").write_bytes(authority("globex").pem)
    gate.policy = gate.policy.replace("clients:", "  globex: { anchor: globex.pem }\nclients:", 1)
    then_works(gate)
    (gate.folder / "globex.pem").write_bytes(authority("initech").pem)
    plan = gate.run("plan")
    assert plan.returncode == 1
    assert "authority globex has another anchor: CN=initech issuing" in plan.stdout
    assert gate.run("apply").returncode == 1


def test_the_folder_of_revocations_is_gone(gate: Gate) -> None:
    """Without it every certificate is refused; apply makes it again before anything is proved."""
    shutil.rmtree(places_of(gate.folder).revoked)
    assert gate.get("/private/", client=True)[0] == 403
    then_works(gate)
    gate.doors_are_shut()


def test_the_disk_is_full(gate: Gate) -> None:
    """No file may grow beyond 64 KiB: nothing is begun; what runs goes on."""

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))

    done = gate.run("apply", preexec_fn=small)
    assert done.returncode == 3, (done.stdout, done.stderr)
    assert "File too large" in done.stderr
    goes_on(gate)
    then_works(gate)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_small_disk_is_full() -> None:
    """A gateway on a file system that is filled up: exit code 3, disk-full, and what runs goes on."""
    with gateway() as gate:
        mount = ["mount", "-t", "tmpfs", "-o", "size=16m,mode=755", "gatewright", str(gate.folder)]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("this container may not mount")
        try:
            gate.policy = POLICY.format(port=gate.port)
            assert gate.run("up", "--detach").returncode == 0
            gate.mark(2)
            filler = gate.folder / "filler"
            with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                while file.write(b"x" * 4096):
                    pass
            done = gate.run("apply")
            assert done.returncode == 3, (done.stdout, done.stderr)
            assert "[disk-full]" in done.stderr
            goes_on(gate)
            filler.unlink()
            then_works(gate)
        finally:
            gate.run("down")
            subprocess.run(["umount", "-l", str(gate.folder)], check=True)


def test_killed_supervisor_under_an_apply(gate: Gate) -> None:
    """The supervisor is killed while the change is on its way: the reason is told, and the next up serves the file."""
    record = json.loads((gate.folder / "run" / "gateway.json").read_text())
    supervisor = int(record["supervisor"].split()[0])
    code, said = gate.apply_until("stop-shadow", lambda _: os.kill(supervisor, signal.SIGKILL))
    assert code == 3, said
    assert "[gateway-stopped]" in said
    assert gate.current == 1
    assert gate.run("up", "--detach").returncode == 0
    assert gate.marked() == 2
    gate.doors_are_shut()


def test_interrupted_by_ctrl_c(gate: Gate) -> None:
    """Ctrl-C in the middle takes everything back."""

    def interrupt(process: object) -> None:
        assert isinstance(process, subprocess.Popen)
        process.send_signal(signal.SIGINT)

    for step in ("choose", "prove-shadow", "stop-shadow", "reload"):
        code, said = gate.apply_until(step, interrupt)
        assert code in {0, 1, 130}, said
        if code == 0:
            break
        goes_on(gate)
    assert not gate.pending
    assert not processes_of(gate.folder / "run" / "shadow")


def test_the_shadows_port_is_taken(gate: Gate) -> None:
    """Between choosing a port and taking it somebody else may come first: another one is tried."""
    run, logs = gate.folder / "run" / "shadow", gate.folder / "logs" / "shadow"
    for folder in (run, logs):
        folder.mkdir(parents=True, exist_ok=True)
    plan = ShadowPlan(
        LocalHttpd(os.environ).find().binary,
        PurePosixPath(gate.folder / "generations" / "0001" / "httpd.conf"),
        PurePosixPath(gate.folder),
        PurePosixPath(run),
        PurePosixPath(logs),
    )
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        ports = iter([taken, taken, free_port()])
        shadow = LocalShadows(our_environment(), lambda: next(ports)).start(plan)
        assert shadow.port != taken
        shadow.stop()
        assert not processes_of(run)
        with pytest.raises(EnvironmentFault) as caught:
            LocalShadows(our_environment(), lambda: taken).start(plan)
    assert caught.value.diagnostics[0].code == "port-taken"
    assert not processes_of(run)
