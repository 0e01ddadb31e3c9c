"""A real httpd running a compiled gateway in a folder of its own, for the length of a test."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from gatewright.app.members import subjects_of
from gatewright.compile.gateway import CONFIGURATION, compile_gateway
from gatewright.compile.inputs import TABLE_FROM, Inputs
from gatewright.compile.members import READY, entries
from gatewright.edges.accounts import LocalAccounts
from gatewright.edges.httpd import LocalHttpd, our_environment
from gatewright.edges.openssl import OpenSsl
from gatewright.model.gateway import Gateway
from gatewright.model.machine import BackendIdentity, Layout, ServerIdentity
from gatewright.model.values import Name
from gatewright.source import load
from tests.live.pki import CLIENT, SERVER, Pair, make
from tests.ports import free_port

_LEVEL = re.compile(r" lvl=(\S*):(emerg|alert|crit|error) ")
_NUMBER = re.compile(r"\bAH\d{5}\b")


AT_THE_END = ("AH03093",)
"""A child that ends closes its pollset under a connection that is just being kept alive: "Bad file descriptor" (measured, once in 5,000 ends)."""

ACTIVE: list[Running] = []
"""The gateways that run at this moment; after each test their logs are looked at."""


def secrets_of(gateway: Gateway) -> dict[Name, tuple[str, ...]]:
    """What requests to backends are signed with: for each name two secrets, as between two steps of a rotation."""

    def secret(text: str) -> str:
        return hashlib.sha512(text.encode()).hexdigest()

    return {name: (secret(f"{name} 1"), secret(f"{name} 2")) for name in gateway.signing_names}


@dataclass
class Running:
    """A running gateway: where it listens, whom to trust, and what its log must not hold."""

    port: int
    folder: Path
    layout: Layout
    server_root: Path
    expected: set[str] = field(default_factory=set)
    told: set[str] = field(default_factory=set)

    @property
    def error_log(self) -> str:
        """The whole error log."""
        return (self.folder / "logs" / "error.log").read_text(errors="replace")

    @property
    def access_log(self) -> str:
        """The whole access log."""
        return (self.folder / "logs" / "access.log").read_text(errors="replace")

    def expect(self, *numbers: str) -> None:
        """Declares AH numbers of error-level lines that this test causes on purpose."""
        self.expected.update(numbers)

    def undeclared(self) -> list[str]:
        """Lines at level error or worse whose AH number no test declared; OpenSSL's own lines go with the one before of that thread.

        Each is told once: a line fails the test that caused it, not all that share its gateway.
        """
        found, last = [], dict[str, set[str]]()
        for line in self.error_log.rpartition("\n")[
            0
        ].splitlines():  # of the last one httpd may have written a part only
            if not _LEVEL.search(line):
                continue
            thread, numbers = " ".join(line.split()[3:5]), set(_NUMBER.findall(line))
            if "msg=SSL Library Error" in line:
                numbers |= last.get(thread, set())
            last[thread] = numbers
            if not numbers & self.expected and line not in self.told:
                found.append(line)
        self.told.update(found)
        return found


@contextmanager
def running(
    text: str,
    folder: Path,
    authorities: dict[str, Pair] | None = None,
    change: Callable[[str], str] = lambda same: same,
    table_from: int = TABLE_FROM,
    *,
    shown: Mapping[tuple[str, str], BackendIdentity] = MappingProxyType({}),
) -> Iterator[Running]:
    """Compile ``text`` (``listen: 0`` is replaced by a free port) in ``folder``, start httpd, stop it at the end.

    ``change`` has the last word on the configuration; ``table_from`` routes make a table of them. ``shown`` are the files for backends' client certificates, by the
    chain and key that ``text`` declares.
    Fails when httpd logged an error that the test did not declare.
    """
    port = free_port()
    gateway = load(text.replace("listen: 0", f"listen: {port}"), "gateway.yaml").gateway
    layout = _folders(folder)
    root = make("server root", ca=True)
    chain, key = make(
        "localhost", root, usage=[SERVER], sans=list(dict.fromkeys([*gateway.served_names, "127.0.0.1", "::1"]))
    ).write(folder, "server")
    (folder / "server-root.pem").write_bytes(root.pem)
    openssl = OpenSsl()
    anchors = tuple(openssl.anchor(name, pair.pem) for name, pair in (authorities or {}).items())
    inputs = Inputs(
        gateway=gateway,
        httpd=LocalHttpd(os.environ).find(),
        layout=layout,
        identity=ServerIdentity(PurePosixPath(chain), PurePosixPath(key)),
        anchors=anchors,
        run_as=LocalAccounts().unprivileged(),
        table_from=table_from,
        secrets=secrets_of(gateway),
        backend_identities={
            c: (shown.get(c.files) if c.files else None) or _any_identity(folder / f"shown-{number}.pem")
            for number, c in enumerate(gateway.backend_certificates)
        },
    )
    for file in compile_gateway(inputs).files:
        base = layout.pages if file.public else layout.generation
        target = Path(base / file.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(change(file.content.decode()).encode() if file.path.name == CONFIGURATION else file.content)
        target.chmod(file.mode if file.mode == 0o600 else 0o644)
    put_members(layout, entries(gateway, subjects_of((a.authority, a.subject) for a in anchors)))
    gate = Running(port, folder, layout, folder / "server-root.pem")
    with (folder / "out").open("wb") as output:
        process = subprocess.Popen(
            [str(inputs.httpd.binary), "-f", str(layout.generation / CONFIGURATION), "-D", "FOREGROUND"],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **our_environment()},  # its hours are UTC's, whatever this machine's are
            start_new_session=True,
        )
    try:
        _wait_ready(process, gate)
        ACTIVE.append(gate)
        yield gate
    finally:
        if gate in ACTIVE:
            ACTIVE.remove(gate)
        gate.expect(*AT_THE_END)
        _stop(process)
    lines = gate.undeclared()
    assert not lines, "undeclared errors in httpd's log:\n" + "\n".join(lines)


def _any_identity(file: Path) -> BackendIdentity:
    """Some client certificate with its key, for tests that are not about what backends make of it."""
    pair = make("a gateway", usage=[CLIENT])
    chain, key = pair.write(file.parent, file.stem)
    file.write_bytes(chain.read_bytes() + key.read_bytes())
    return BackendIdentity(PurePosixPath(file))


def _folders(folder: Path) -> Layout:
    for part in ("run", "logs", "pages", "rev", "generation"):
        (folder / part).mkdir(parents=True, exist_ok=True)
        (folder / part).chmod(0o755)
    (folder / "rev" / ".ready").touch()
    pure = PurePosixPath(folder)
    return Layout(
        folder=pure,
        generation=pure / "generation",
        run=pure / "run",
        logs=pure / "logs",
        pages=pure / "pages",
        revoked=pure / "rev",
        files_root=pure,
    )


def put_members(layout: Layout, files: Iterable[PurePosixPath]) -> None:
    """The files that say who is in which group, for everybody to see."""
    for path in (*files, PurePosixPath(READY)):
        target = Path(layout.members / path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()


def _wait_ready(process: subprocess.Popen[bytes], gate: Running) -> None:
    deadline = time.monotonic() + 60
    log = gate.folder / "logs" / "error.log"
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        if log.exists() and "AH00489" in log.read_text(errors="replace"):
            return
        select_nothing()
    raise AssertionError((gate.folder / "out").read_text() + (log.read_text() if log.exists() else ""))


def select_nothing() -> None:
    """Lets other processes run for a moment between two looks at a condition."""
    time.sleep(0.02)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(5)


def site(folder: Path) -> None:
    """The article's five addresses as files below ``folder``."""
    for path, text in {
        "site/unprotected/unprotected.html": "unprotected page",
        "site/protected/confidential.html": "confidential page",
        "site/protected/protected.html": "protected page",
        "site/main.html": "main page",
    }.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


HANDSHAKE_ENDED = frozenset({16, 35, 55, 56})
"""What curl(1) ends with where the handshake is refused: 35, or 55 and 56 for sending and receiving, which is where TLS 1.3 tells of it;
16 for the same while HTTP/2 begins. Which of them it is depends on who is faster."""


def curl(gate: Running, path: str, *args: str, host: str = "localhost") -> subprocess.CompletedProcess[str]:
    r"""One request with the real curl; stdout is the body, then ``\n`` and ``status version type``."""
    binary = shutil.which("curl")
    assert binary
    return subprocess.run(
        [binary, "-sS", "--path-as-is", "-m", "60", "--noproxy", "*", "--cacert", str(gate.server_root),
         "-w", "\n%{http_code} %{http_version} %{content_type}", *args, f"https://{host}:{gate.port}{path}"],
        capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
