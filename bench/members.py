"""How long it takes until a client that joins a group is admitted, on a connection that is open already, and until that is proved.

    python bench/members.py [ROUTES]     prints a table; exits 1 when a budget is broken (default: 100)

First in a process that is running, as the end of a command that edits gateway.yaml and applies it: from the moment the file is
written. Then the command `gatewright apply`, from its start. Needs a machine with nothing else to do.
"""

from __future__ import annotations

import http.client
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from apply import PROGRAM, free_port, gatewright, policy

from gatewright.wiring.apply import apply

EFFECT_MS, COMMAND_MS = 100.0, 500.0
RUNS = 7


class Gateway:
    """A running gateway with a group that ``cat`` joins and leaves."""

    def __init__(self, folder: Path, routes: int) -> None:
        self.folder, self.port = folder, free_port()
        text = policy(self.port, routes, 0).replace("routes:\n", "groups:\n  staff: [bot]\nroutes:\n")
        self.text = text + "  /staff/: { respond: { text: in }, access: [staff] }\n"
        self.write(joined=False)
        gatewright(folder, "up", "--detach")
        gatewright(folder, "cert", "issue", "cat")

    def write(self, *, joined: bool) -> None:
        """The gateway file with or without ``cat`` in the group."""
        text = self.text.replace("staff: [bot]", "staff: [bot, cat]") if joined else self.text
        (self.folder / "gateway.yaml").write_text(text)

    def client(self) -> http.client.HTTPSConnection:
        """A connection of ``cat``'s."""
        files = self.folder / "clients" / "cat"
        context = ssl.create_default_context(cafile=str(self.folder / "certs" / "ca" / "home-root.pem"))
        context.load_cert_chain(str(files / "cat.pem"), str(files / "cat.key"))
        return http.client.HTTPSConnection("localhost", self.port, context=context)


class Watcher:
    """Asks for the group's page on one connection until it is served; ``at`` is when that was."""

    def __init__(self, gateway: Gateway) -> None:
        self._connection = gateway.client()
        assert self._status() == 403
        self.at = 0.0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _status(self) -> int:
        self._connection.request("GET", "/staff/")
        answer = self._connection.getresponse()
        answer.read()
        return answer.status

    def _run(self) -> None:
        while self._status() != 200:
            time.sleep(0.002)
        self.at = time.perf_counter()

    def wait(self) -> float:
        """When it was served first."""
        self._thread.join()
        self._connection.close()
        return self.at


def timed(gateway: Gateway, change: Callable[[], object]) -> tuple[list[float], list[float]]:
    """Milliseconds from the file's being written until the effect, and until ``change`` is done."""
    effects, wholes = [], []
    for run in range(RUNS + 1):
        watcher = Watcher(gateway)
        gateway.write(joined=True)
        began = time.perf_counter()
        change()
        done = time.perf_counter()
        if run:  # the first one warms up
            effects.append(1000 * (watcher.wait() - began))
            wholes.append(1000 * (done - began))
        else:
            watcher.wait()
        gateway.write(joined=False)
        gatewright(gateway.folder, "apply")
    return effects, wholes


def told(what: str, milliseconds: list[float], budget: float | None) -> bool:
    """One line; whether its budget is broken."""
    median = statistics.median(milliseconds)
    over = budget is not None and median > budget
    said = "" if budget is None else f"   budget {budget:.0f} ms  {'OVER' if over else 'ok'}"
    print(f"{what:<58} {median:6.0f} ms ({min(milliseconds):.0f}){said}", flush=True)
    return over


def main() -> int:
    routes = int(sys.argv[1]) if sys.argv[1:] else 100
    with tempfile.TemporaryDirectory(prefix="gatewright-bench-") as name:
        Path(name).chmod(0o755)
        gateway = Gateway(Path(name), routes)
        try:

            def within() -> None:
                assert not apply(gateway.folder, yes=True, back=False, again=False, say=lambda _: None).problems

            def command() -> None:
                subprocess.run([PROGRAM, "-C", name, "apply", "--yes"], capture_output=True, check=True)

            over = False
            effects, wholes = timed(gateway, within)
            over |= told(f"{routes} routes, file written to admitted", effects, EFFECT_MS)
            told(f"{routes} routes, file written to proved", wholes, None)
            effects, wholes = timed(gateway, command)
            told(f"{routes} routes, command started to admitted", effects, None)
            over |= told(f"{routes} routes, command started to proved", wholes, COMMAND_MS)
        finally:
            gatewright(gateway.folder, "down")
    return over


if __name__ == "__main__":
    raise SystemExit(main())
