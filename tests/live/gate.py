"""A whole gateway as its operator has it: a folder, the command line, and a supervisor that runs httpd."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.ports import free_port

POLICY = """\
gateway: localhost
listen: {port}
authorities:
  home: {{ managed: true }}
clients:
  demo-client: {{ authority: home, san: demo-client.localhost }}
routes:
  /health:    {{ respond: {{ json: {{ generation: 1 }} }}, access: public }}
  /private/:  {{ respond: {{ json: {{ private: true }} }}, access: [demo-client] }}
"""


@dataclass
class Gate:
    """One gateway's folder and the port it listens on."""

    folder: Path
    port: int

    def command(self, *words: str) -> list[str]:
        """The command line."""
        return [sys.executable, "-m", "gatewright", "-C", str(self.folder), *words]

    def run(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(self.command(*words), capture_output=True, text=True, timeout=240, check=False, **options)

    def json(self, *words: str) -> Any:
        """A command's JSON result, whatever its exit code."""
        done = self.run("--json", *words)
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    def codes(self, *words: str) -> list[str]:
        """The codes of the problems that a command tells."""
        return [problem["code"] for problem in self.json(*words)["problems"]]

    @property
    def policy(self) -> str:
        """The gateway file."""
        return (self.folder / "gateway.yaml").read_text()

    @policy.setter
    def policy(self, text: str) -> None:
        (self.folder / "gateway.yaml").write_text(text)

    def mark(self, number: int) -> None:
        """Change what /health answers."""
        lines = [
            f"  /health:    {{ respond: {{ json: {{ generation: {number} }} }}, access: public }}"
            if line.startswith("  /health:")
            else line
            for line in self.policy.splitlines()
        ]
        self.policy = "\n".join(lines) + "\n"

    @property
    def current(self) -> int:
        """The number of the current generation."""
        return int((self.folder / "generations" / "current").readlink().name)

    @property
    def pending(self) -> bool:
        """Whether a switch is not yet settled."""
        return (self.folder / "generations" / "back").is_symlink()

    def context(self, *, client: bool = False) -> ssl.SSLContext:
        """TLS that trusts the gateway's root, with the demo client's certificate if wanted."""
        context = ssl.create_default_context(cafile=str(self.folder / "certs" / "ca" / "home-root.pem"))
        if client:
            name = self.folder / "clients" / "demo-client" / "demo-client"
            context.load_cert_chain(f"{name}.pem", f"{name}.key")
        return context

    def get(self, path: str, *, client: bool = False) -> tuple[int, str]:
        """Status and body of one request on a connection of its own."""
        connection = http.client.HTTPSConnection(
            "localhost", self.port, timeout=60, context=self.context(client=client)
        )
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def marked(self) -> int:
        """The number that /health answers with now."""
        status, body = self.get("/health")
        assert status == 200
        return int(json.loads(body)["generation"])

    def doors_are_shut(self) -> None:
        """Who may gets in, who may not does not."""
        assert self.get("/private/")[0] == 403
        assert self.get("/private/", client=True)[0] == 200

    def apply_until(self, step: str, then: Callable[[subprocess.Popen[str]], object], *words: str) -> tuple[int, str]:
        """Run apply; when it begins ``step``, stop it, do ``then``, and let it go on. Its exit code and what it said."""
        process = subprocess.Popen(
            self.command("apply", *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        said = ""
        with process:
            with ahead_of_all():
                for line in process.stderr:
                    said += line
                    if line.startswith(f"{step}:"):
                        process.send_signal(signal.SIGSTOP)
                        break
                else:
                    raise AssertionError(f"apply never came to {step}: {said}")
            then(process)
            process.send_signal(signal.SIGCONT)
            out, more = process.communicate(timeout=240)
        return process.returncode, said + more + out


@contextlib.contextmanager
def ahead_of_all() -> Iterator[None]:
    """What is read within is read at once, however busy the machine is, so that its writer can be stopped right there. Only root may."""
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    try:
        yield
    finally:
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@contextlib.contextmanager
def gateway(policy: str = POLICY) -> Iterator[Gate]:
    """A folder with a gateway file, not started; stopped and removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="gatewright-gate-"))
    gate = Gate(folder / "gateway", free_port())
    gate.folder.mkdir()
    gate.policy = policy.format(port=gate.port)
    try:
        yield gate
    finally:
        gate.run("down")
        shutil.rmtree(folder)


@contextlib.contextmanager
def running_gateway(policy: str = POLICY) -> Iterator[Gate]:
    """The same, up and serving."""
    with gateway(policy) as gate:
        done = gate.run("up", "--detach")
        assert done.returncode == 0, done.stderr
        yield gate


def until(condition: Callable[[], bool], seconds: float = 90.0) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.02)


def processes_of(folder: Path) -> list[int]:
    """Processes whose command line names ``folder``."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and str(folder).encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return [pid for pid in found if pid != os.getpid()]
