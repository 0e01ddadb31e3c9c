"""A real Chromium with a home, a profile and a certificate database of its own, driven over the DevTools protocol."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

PROGRAM = "chromium"
POLICIES = Path("/etc/chromium/policies/managed")
"""Where Debian's Chromium looks for what its administrator decides; there is no such folder per user."""

_OPTIONS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--no-proxy-server", "--remote-debugging-port=0", "--window-size=800,830",
    "--hide-scrollbars", "--force-device-scale-factor=1",
)  # fmt: skip
_SECONDS = 60.0
"""For everything that the browser is waited for: long, because other tests may have the machine."""


class Hangs(Exception):
    """The browser did not come to an end with a page."""


@dataclass(frozen=True)
class Visit:
    """What came of an address: a status, or Chromium's name for why there is none (``net::ERR_…``)."""

    status: int | None
    error: str = ""


@dataclass
class Home:
    """One person's home: the NSS database that Chromium on Linux reads, and the browser's own files."""

    folder: Path

    @property
    def database(self) -> str:
        """The certificate database, as NSS's tools name it."""
        return f"sql:{self.folder}/.pki/nssdb"

    def make(self) -> None:
        """An empty database without a password."""
        (self.folder / ".pki" / "nssdb").mkdir(parents=True)
        nss("certutil", "-N", "-d", self.database, "--empty-password")

    def trust(self, root: Path, name: str = "root") -> None:
        """Trust a root for servers."""
        nss("certutil", "-A", "-d", self.database, "-n", name, "-t", "C,,", "-i", str(root))

    def hold(self, p12: Path, password: Path) -> None:
        """Import a certificate with its key."""
        nss("pk12util", "-i", str(p12), "-d", self.database, "-w", str(password))


def nss(*words: str) -> str:
    """One of NSS's tools to its end."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=_SECONDS, check=False)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


@dataclass
class Browser:
    """A running Chromium with one tab."""

    process: subprocess.Popen[bytes]
    socket: ClientConnection
    net_log: Path
    session: str = ""
    numbers: Iterator[int] = field(default_factory=itertools.count)
    events: list[dict[str, Any]] = field(default_factory=list)

    def call(self, method: str, seconds: float = _SECONDS, **parameters: Any) -> dict[str, Any]:
        """One command and its result."""
        number = next(self.numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        self.socket.send(json.dumps(message | ({"sessionId": self.session} if self.session else {})))
        deadline = time.monotonic() + seconds
        while True:
            told = self._next(deadline)
            if told.get("id") == number:
                assert "error" not in told, (method, told)
                result: dict[str, Any] = told["result"]
                return result
            self.events.append(told)

    def _next(self, deadline: float) -> dict[str, Any]:
        try:
            told: dict[str, Any] = json.loads(self.socket.recv(timeout=max(0.0, deadline - time.monotonic())))
        except TimeoutError as late:
            raise Hangs from late
        return told

    def visit(self, url: str, seconds: float = _SECONDS) -> Visit:
        """Go to an address and wait until its page stands. Raises :class:`Hangs`."""
        self.events.clear()
        gone = self.call("Page.navigate", seconds, url=url)
        if "errorText" in gone:
            return Visit(None, gone["errorText"])
        deadline = time.monotonic() + seconds
        while not any(e.get("method") == "Page.loadEventFired" for e in self.events):
            self.events.append(self._next(deadline))
        return Visit(next(self._statuses(gone["loaderId"])))

    def _statuses(self, loader: str) -> Iterator[int]:
        for event in self.events:
            told = event.get("params", {})
            if event.get("method") == "Network.responseReceived" and told["requestId"] == loader:
                yield int(told["response"]["status"])

    def ask(self, script: str) -> Any:
        """The value of an expression in the page."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def text(self, selector: str) -> list[str]:
        """What a reader sees of each element, in order."""
        script = f"Array.from(document.querySelectorAll({json.dumps(selector)}), e => e.innerText.trim())"
        found: list[str] = self.ask(script)
        return found

    def dark(self) -> None:
        """A reader who prefers dark pages."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])

    def picture(self) -> bytes:
        """The page as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def close(self) -> None:
        """End it in good order, so that its log is whole."""
        self.session = ""
        with contextlib.suppress(Exception):
            self.call("Browser.close")
        self.socket.close()
        self.process.wait(timeout=_SECONDS)

    def certificate_requests(self) -> int:
        """How often a server's request for a client certificate reached the browser. Only after :meth:`close`."""
        log = json.loads(self.net_log.read_text())
        kind = log["constants"]["logEventTypes"]["SSL_CLIENT_CERT_REQUESTED"]
        return sum(event["type"] == kind for event in log["events"])


@contextlib.contextmanager
def home() -> Iterator[Home]:
    """A home with an empty certificate database, removed in the end."""
    folder = Path(tempfile.mkdtemp(prefix="gatewright-home-"))
    person = Home(folder)
    try:
        person.make()
        yield person
    finally:
        # The browser's helpers may still be writing for a moment after it has ended.
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def browser(person: Home) -> Iterator[Browser]:
    """Chromium at home, with a fresh profile; ended in the end."""
    profile = Path(tempfile.mkdtemp(prefix="profile-", dir=person.folder))
    net_log = profile / "net-log.json"
    words = [PROGRAM, *_OPTIONS, f"--user-data-dir={profile}", f"--log-net-log={net_log}", "about:blank"]
    environment = {**os.environ, "HOME": str(person.folder)}
    with (profile / "said").open("wb") as said:
        process = subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
    try:
        with connect(_endpoint(process, profile), max_size=None, proxy=None) as socket:
            opened = Browser(process, socket, net_log)
            tab = opened.call("Target.createTarget", url="about:blank")["targetId"]
            opened.session = opened.call("Target.attachToTarget", targetId=tab, flatten=True)["sessionId"]
            for domain in ("Page", "Network", "Runtime"):
                opened.call(f"{domain}.enable")
            yield opened
            opened.close()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _endpoint(process: subprocess.Popen[bytes], profile: Path) -> str:
    """The address of the browser's DevTools, which it writes down as soon as it listens."""
    deadline = time.monotonic() + _SECONDS
    file = profile / "DevToolsActivePort"
    while True:
        lines = file.read_text().splitlines() if file.exists() else []
        if len(lines) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        assert process.poll() is None, (profile / "said").read_text()
        assert time.monotonic() < deadline, (profile / "said").read_text()
        time.sleep(0.02)


@contextlib.contextmanager
def managed_policy(policy: dict[str, Any]) -> Iterator[None]:
    """What the machine's administrator decides for Chromium; everything is as it was in the end."""
    made = [folder for folder in (POLICIES, *POLICIES.parents) if not folder.exists()]
    POLICIES.mkdir(parents=True, exist_ok=True)
    file = POLICIES / f"gatewright-test-{os.getpid()}.json"
    try:
        file.write_text(json.dumps(policy))
        yield
    finally:
        file.unlink(missing_ok=True)
        for folder in made:
            folder.rmdir()
