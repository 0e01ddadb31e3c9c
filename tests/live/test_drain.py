"""Stopping finishes what is under way: nobody's request is cut because the gateway is restarted or moved."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.live.gate import Gate, gateway, running_gateway, until

pytestmark = pytest.mark.live

POLICY = """\
gateway: localhost
listen: {{port}}
authorities:
  home: {{{{ managed: true }}}}
routes:
  /health: {{{{ respond: {{{{ text: ok }}}}, access: public }}}}
  /slow: {{{{ backend: "http://127.0.0.1:{backend}", access: public }}}}
"""


class Slow(ThreadingHTTPServer):
    """A backend that tells when a request has come, and answers when it is let."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.arrived, self.release = threading.Event(), threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        """A request that is cut is what one test asks for."""


class Answer(BaseHTTPRequestHandler):
    """One answer."""

    server: Slow

    def do_GET(self) -> None:
        """Wait, then answer."""
        self.server.arrived.set()
        self.server.release.wait(120)
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"done\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


@contextmanager
def slow() -> Iterator[Slow]:
    """Such a backend, for the length of the block."""
    server = Slow()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.release.set()
        server.shutdown()
        server.server_close()
        thread.join()


class Caller(threading.Thread):
    """Somebody who asks for /slow on a connection of its own."""

    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self.gate, self.told = gate, ""

    def run(self) -> None:
        """One request to its end, or to what ended it."""
        there = http.client.HTTPSConnection("localhost", self.gate.port, timeout=120, context=self.gate.context())
        with closing(there):
            try:
                there.request("GET", "/slow")
                self.told = there.getresponse().read().decode()
            except (OSError, http.client.HTTPException) as error:
                self.told = type(error).__name__


def is_shut(gate: Gate) -> bool:
    """Whether new connections are no longer taken."""
    try:
        gate.get("/health")
    except OSError:
        return True
    return False


def test_a_request_under_way_is_finished() -> None:
    """``down`` takes no new connection from then on, waits for the answer, and ends with 0."""
    with slow() as backend, running_gateway(POLICY.format(backend=backend.server_port)) as gate:
        caller = Caller(gate)
        caller.start()
        assert backend.arrived.wait(90)
        down = subprocess.Popen(gate.command("down"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        until(lambda: is_shut(gate))
        backend.release.set()
        caller.join()
        assert caller.told == "done\n"
        assert down.communicate(timeout=240)
        assert down.returncode == 0


def test_twin_a_second_stop_cuts_it() -> None:
    """Asked twice it ends at once, so the test above sees something that can be otherwise."""
    with slow() as backend, gateway(POLICY.format(backend=backend.server_port)) as gate:
        up = subprocess.Popen(gate.command("up"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        until(lambda: not is_shut(gate))
        caller = Caller(gate)
        caller.start()
        assert backend.arrived.wait(90)
        up.send_signal(signal.SIGTERM)
        until(lambda: is_shut(gate))
        up.send_signal(signal.SIGTERM)
        caller.join()
        assert caller.told != "done\n"
        assert up.communicate(timeout=240)
        assert up.returncode == 0


def test_a_resized_terminal_stops_nothing() -> None:
    """SIGWINCH is what httpd stops by, and what a terminal's processes get when its window changes size: not a reason to stop."""
    with running_gateway(POLICY.format(backend=1)) as gate:
        os.kill(gate.json("status")["pid"], signal.SIGWINCH)
        gate.run("apply")  # speaks to the supervisor, which has had the signal by then
        assert not is_shut(gate)
        assert gate.json("status")["running"]
