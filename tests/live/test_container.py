"""The image: built from its Dockerfile, run as it says, and looked into. Takes a base image from Debian's archive where none is there."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.live.engine import LIMITS, ROOT, USABLE, built, podman
from tests.live.gate import until
from tests.ports import free_port

pytestmark = [
    pytest.mark.live,
    pytest.mark.slow,
    pytest.mark.skipif(not USABLE, reason="needs root, podman, runc and mmdebstrap"),
]

# What Docker does by itself: ports below 1024 for everybody inside.
_PORTS = ("--sysctl", "net.ipv4.ip_unprivileged_port_start=0")
_TIGHT = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")

FIVE = (
    "unprotected/unprotected.html",
    "protected/confidential.html",
    "protected/protected.html",
    "main.html",
    "health",
)


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    """The image, built from the working tree."""
    with built() as name:
        yield name


@dataclass(frozen=True)
class Container:
    """One that runs, and where it is reached."""

    name: str
    port: int
    folder: Path

    def inside(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command inside it."""
        return podman("exec", self.name, *words, check=check)

    def take(self) -> None:
        """Copy out what a caller needs."""
        for path in ("/gateway/clients/demo-client", "/gateway/certs/ca/home-root.pem"):
            podman("cp", f"{self.name}:{path}", str(self.folder))

    def status(self, path: str, *, client: bool = False) -> str:
        """The HTTP status of one request by its public name and port."""
        own = self.folder / "demo-client" / "demo-client"
        presented = ("--cert", f"{own}.pem", "--key", f"{own}.key") if client else ()
        words = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", str(self.folder / "home-root.pem")]
        url = f"https://localhost:{self.port}/{path}"
        return subprocess.run([*words, *presented, url], capture_output=True, text=True, check=False).stdout

    def answers(self) -> bool:
        """Whether it serves."""
        words = ["curl", "-sk", "-o", "/dev/null", f"https://localhost:{self.port}/health"]
        return subprocess.run(words, check=False).returncode == 0


@contextmanager
def running(image: str, folder: Path, *options: str, words: tuple[str, ...] = ()) -> Iterator[Container]:
    """A container of the image; removed with its volume at the end."""
    port = free_port()
    name = f"gatewright-test-{port}"
    try:
        podman("run", "-d", "--name", name, "-p", f"127.0.0.1:{port}:443", *LIMITS, *options, image, *words)
        yield Container(name, port, folder)
    finally:
        podman("rm", "-f", "-v", name, check=False)


@pytest.fixture(scope="module")
def gate(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """As the README runs it, but tighter: read-only root, no capabilities, no new privileges."""
    began = time.monotonic()
    with running(image, tmp_path_factory.mktemp("taken"), *_PORTS, *_TIGHT) as container:
        until(container.answers, 240)
        print(f"first start to first answer: {time.monotonic() - began:.1f} s")
        container.take()
        yield container


def test_the_five_addresses(gate: Container) -> None:
    """The article's: three open, two for whoever has a certificate."""
    assert [gate.status(path) for path in FIVE] == ["200", "403", "403", "200", "200"]
    assert [gate.status(path, client=True) for path in FIVE] == ["200"] * 5


def test_it_is_proved_from_inside_and_from_outside(gate: Container, image: str) -> None:
    """``prove`` in the container, and from another one that reaches it over the network only."""
    assert gate.inside("gatewright", "prove").returncode == 0
    address = podman("inspect", gate.name, "--format", "{{.NetworkSettings.IPAddress}}").stdout.strip()
    other = ("run", "--rm", "--volumes-from", gate.name, *LIMITS, image, "prove", "--at")
    assert "proven: " in podman(*other, f"{address}:443").stdout
    # The twin: where nothing answers, nothing is proved.
    assert podman(*other, f"{address}:444", check=False).returncode == 1


def test_it_runs_as_nobody_and_writes_only_to_its_volume(gate: Container) -> None:
    """No process is root's; the root file system takes nothing."""
    users = set(podman("top", gate.name, "huser").stdout.split()[1:])
    assert users == {"10001"}
    assert gate.inside("touch", "/usr/x", check=False).returncode != 0
    assert gate.inside("touch", "/gateway/run/x").returncode == 0


def test_health_is_what_it_says(gate: Container, image: str) -> None:
    """Healthy while it serves; the twin: a container in which nothing serves is not."""
    ask = json.loads(podman("inspect", image, "--format", "{{json .HealthCheck.Test}}").stdout)
    assert ask[0] == "CMD"
    assert gate.inside(*ask[1:]).returncode == 0
    idle = podman("run", "--rm", *LIMITS, image, *ask[2:], check=False)
    assert idle.returncode == 1


def test_the_image_holds_no_secrets_and_no_tools(gate: Container, image: str) -> None:
    """No private key, no store, no compiler, no installer; its size is printed."""
    size = int(podman("inspect", image, "--format", "{{.Size}}").stdout)
    print(f"image: {size / 1e6:.0f} MB")
    with running(image, gate.folder, "--entrypoint", "sleep", words=("600",)) as fresh:
        found = fresh.inside(
            "sh", "-c", "find / -xdev -name '*.key' -o -xdev -name 'state.db' | head", check=False
        ).stdout
        assert found == ""
        held = fresh.inside(
            "sh",
            "-c",
            r"grep -rlzP 'PRIVATE KEY-----\s+[A-Za-z0-9+/]{40}' /opt /etc /usr/local /gateway; ls -A /gateway",
            check=False,
        )
        assert held.stdout == ""
        tools = "gcc cc make pip git curl".split()
        present = [
            tool for tool in tools if fresh.inside("sh", "-c", f"command -v {tool}", check=False).returncode == 0
        ]
        assert present == []
    # The twin: what is made at the first start would have been found.
    assert gate.inside("sh", "-c", "find /gateway -name '*.key' | head -1").stdout != ""


def test_a_restart_keeps_the_pki(gate: Container) -> None:
    """Stopped, it ends with 0 after draining; started again it has the same root and still knows its client."""
    before = gate.inside("cat", "/gateway/certs/ca/home-root.pem").stdout
    podman("stop", gate.name)
    assert podman("inspect", gate.name, "--format", "{{.State.ExitCode}}").stdout.strip() == "0"
    assert not gate.answers()
    podman("start", gate.name)
    until(gate.answers, 240)
    assert gate.inside("cat", "/gateway/certs/ca/home-root.pem").stdout == before
    assert gate.status("protected/protected.html", client=True) == "200"


def test_a_resized_terminal_does_not_stop_it(gate: Container) -> None:
    """SIGWINCH to the container's first process: it goes on."""
    podman("kill", "--signal", str(int(signal.SIGWINCH)), gate.name)
    assert gate.inside("gatewright", "status", "--serving").returncode == 0
    assert gate.answers()


def test_without_the_port_it_says_what_to_do(image: str, tmp_path: Path) -> None:
    """Where the engine keeps ports below 1024 to root, it ends with the reason and exit code 3; another port works."""
    with running(image, tmp_path, "--sysctl", "net.ipv4.ip_unprivileged_port_start=1024") as refused:
        podman("wait", refused.name)
        told = podman("logs", refused.name)
        assert "port-privileged" in told.stdout + told.stderr
        assert podman("inspect", refused.name, "--format", "{{.State.ExitCode}}").stdout.strip() == "3"


def test_compose_brings_up_the_gateway_and_its_services(image: str, tmp_path: Path) -> None:
    """The file's own services that need no other image: one client on its route, and not on another's."""
    project, port = f"gatewright-test-{os.getpid()}", free_port()
    tool = [sys.executable, "-m", "podman_compose", "-p", project, "-f", str(tmp_path / "compose.yaml")]
    text = (ROOT / "compose.yaml").read_text()
    text = text.replace('"443:443"', f'"127.0.0.1:{port}:443"').replace("    build: .\n", "").replace("mtls:1", image)
    (tmp_path / "compose.yaml").write_text(text)
    shutil.copytree(ROOT / "container", tmp_path / "container")
    wrapper = tmp_path / "bin" / "podman"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("podman")} --runtime runc "$@"\n')
    wrapper.chmod(0o755)
    env = {**os.environ, "PATH": f"{wrapper.parent}:{os.environ['PATH']}", "GRAFANA_PASSWORD": "unused"}
    options = [*tool, f"--podman-run-args={' '.join(LIMITS)}"]
    services = ["gateway", "orders", "invoices"]
    try:
        done = subprocess.run([*options, "up", "-d", *services], env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        gate = Container(f"{project}_gateway_1", port, tmp_path)
        until(gate.answers, 240)
        gate.take()
        assert gate.status("orders/", client=True) == "200"
        assert gate.status("invoices/", client=True) == "403"
        assert gate.status("orders/") == "403"
    finally:
        subprocess.run([*tool, "down", "-v"], env=env, capture_output=True, check=False)
