"""How long the command `gatewright apply` takes from its start to proven, for one changed route, and what it costs clients under load.

    python bench/apply.py [ROUTES ...]     prints as it goes; exits 1 when a budget is broken (default: 100 1000)

The gateway runs while it is applied. Budgets: 3 s for 100 routes, 10 s for 1,000; no failed request over the applies under
load, for clients with new and kept-alive connections that repeat an idempotent request once.
"""

from __future__ import annotations

import http.client
import json
import os
import resource
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

# Set by some who build images; each command would compile its own modules anew, which no installed one does.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

PROGRAM = str(Path(sys.executable).with_name("gatewright"))
BUDGETS = {100: 3.0, 1000: 10.0}
RUNS = 5
APPLIES_UNDER_LOAD = 50
KINDS = ("public", "any-client", "[bot]", "[cat]")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def gatewright(folder: Path, *words: str) -> str:
    done = subprocess.run([PROGRAM, "-C", str(folder), *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return done.stdout


def policy(port: int, routes: int, mark: int) -> str:
    """A gateway of ``routes`` routes of every kind; ``mark`` changes one of them."""
    lines = [
        "gateway: localhost",
        f"listen: {port}",
        "authorities: { home: { managed: true } }",
        "clients:",
        "  bot: { authority: home, san: bot.example.org }",
        "  cat: { authority: home, san: cat.example.org }",
        "routes:",
        f"  /mark: {{ respond: {{ json: {{ mark: {mark} }} }}, access: public }}",
    ]
    for number in range(routes - 1):
        access = KINDS[number % len(KINDS)]
        lines.append(f"  /r{number}/: {{ respond: {{ json: {{ route: {number} }} }}, access: {access} }}")
    return "\n".join(lines) + "\n"


class Timed(NamedTuple):
    """For each apply the seconds of the whole command and its CPU time with all it started; each step's median; the probes."""

    taken: list[float]
    cpu: list[float]
    steps: dict[str, float]
    probes: int


def cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def timed(folder: Path, port: int, routes: int) -> Timed:
    taken: list[float] = []
    cpu: list[float] = []
    steps: dict[str, list[float]] = {}
    probes = 0
    for run in range(RUNS):
        (folder / "gateway.yaml").write_text(policy(port, routes, run + 1))
        began, used = time.perf_counter(), cpu_of_children()
        report = json.loads(gatewright(folder, "--json", "apply"))
        taken.append(time.perf_counter() - began)
        cpu.append(cpu_of_children() - used)
        probes = report["probes"]
        print(f"    {routes} routes, apply {run + 1} of {RUNS}: {taken[-1]:.2f} s, {cpu[-1]:.2f} s CPU", flush=True)
        for step in report["steps"]:
            steps.setdefault(step["step"], []).append(step["seconds"])
    return Timed(taken, cpu, {name: statistics.median(seconds) for name, seconds in steps.items()}, probes)


class Clients:
    """Two clients that ask without end; what they had to repeat, and what failed all the same."""

    def __init__(self, port: int, ca_file: str) -> None:
        self.port, self.context = port, ssl.create_default_context(cafile=ca_file)
        self.stop = threading.Event()
        self.asked = self.repeated = self.failed = 0

    def run(self, *, kept: bool) -> None:
        connection: http.client.HTTPSConnection | None = None
        while not self.stop.wait(0.005):
            for attempt in (1, 2):
                connection = connection or http.client.HTTPSConnection("localhost", self.port, context=self.context)
                try:
                    connection.request("GET", "/mark")
                    answer = connection.getresponse()
                    answer.read()
                    good = answer.status == 200
                except (OSError, http.client.HTTPException):
                    connection.close()
                    connection = None
                    self.repeated += attempt == 1
                    self.failed += attempt == 2
                    continue
                self.asked += 1
                self.failed += not good
                if not kept or answer.getheader("Connection") == "close":
                    connection.close()
                    connection = None
                break


def under_load(folder: Path, port: int, ca_file: str) -> Clients:
    clients = Clients(port, ca_file)
    threads = [threading.Thread(target=clients.run, kwargs={"kept": kept}) for kept in (False, True)]
    for thread in threads:
        thread.start()
    try:
        for number in range(APPLIES_UNDER_LOAD):
            (folder / "gateway.yaml").write_text(policy(port, 20, 1000 + number))
            gatewright(folder, "apply", "--yes")
            if (number + 1) % 10 == 0:
                print(f"    {number + 1} of {APPLIES_UNDER_LOAD} applies under load", flush=True)
    finally:
        clients.stop.set()
        for thread in threads:
            thread.join()
    return clients


def told(routes: int, measured: Timed) -> bool:
    """What came of it; whether its budget is broken."""
    median, budget = statistics.median(measured.taken), BUDGETS.get(routes)
    slow = budget is not None and median > budget
    said = f"budget {budget:g} s  {'OVER' if slow else 'ok'}" if budget else ""
    print(
        f"apply, 1 of {routes:>5} routes  {median:6.2f} s ({min(measured.taken):.2f})  "
        f"{statistics.median(measured.cpu):5.2f} s CPU  {measured.probes:5} probes  {said}"
    )
    steps = ", ".join(f"{step} {seconds:.2f}" for step, seconds in measured.steps.items() if seconds >= 0.01)
    print(f"    {steps}", flush=True)
    return slow


def told_load(clients: Clients) -> bool:
    """What clients met; whether its budget is broken."""
    counts = f"{clients.asked} requests, {clients.repeated} repeated, {clients.failed} failed"
    print(
        f"{APPLIES_UNDER_LOAD} applies under load: {counts}   budget 0   {'OVER' if clients.failed else 'ok'}",
        flush=True,
    )
    return bool(clients.failed)


def main() -> int:
    sizes = [int(word) for word in sys.argv[1:]] or list(BUDGETS)
    over = False
    for routes in sizes:
        port = free_port()
        with tempfile.TemporaryDirectory(prefix="gatewright-bench-") as name:
            folder = Path(name) / "gateway"
            folder.mkdir()
            (folder / "gateway.yaml").write_text(policy(port, routes, 0))
            print(f"{routes} routes, the first start", flush=True)
            ready = json.loads(gatewright(folder, "--json", "up", "--detach"))
            try:
                over |= told(routes, timed(folder, port, routes))
                if routes == sizes[0]:
                    over |= told_load(under_load(folder, port, ready["ca_file"]))
            finally:
                gatewright(folder, "down")
    return 1 if over else 0


if __name__ == "__main__":
    raise SystemExit(main())
