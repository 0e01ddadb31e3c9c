"""The supervisor and its edges with a real httpd: start, death, restart, stop, and starts that can never work."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePath, PurePosixPath

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gatewright.app.supervise import Plan, Runtime, command_of, supervise
from gatewright.diagnose.httpd_version import OLDEST
from gatewright.edges.accounts import LocalAccounts
from gatewright.edges.clock import SystemClock
from gatewright.edges.files import LocalFiles
from gatewright.edges.httpd import OVERRIDE, LocalHttpd, our_environment
from gatewright.edges.logs import FileFollower
from gatewright.edges.network import LocalNetwork
from gatewright.edges.process import LocalProcesses, SignalWakeups
from gatewright.errors import Diagnostic, EnvironmentFault
from gatewright.model.machine import Httpd
from gatewright.plan.lifecycle import Limits
from gatewright.ports.process import Launch, ProcessId
from tests.ports import free_port

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def httpd() -> Httpd:
    """The httpd of this machine."""
    return LocalHttpd(dict(os.environ)).find()


def certificate(folder: Path) -> None:
    """A self-signed certificate for localhost as ``s.pem`` and ``s.key``."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (folder / "s.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "s.key").write_bytes(pem)


@dataclass
class Tree:
    """A small ServerRoot, and one supervised run of it."""

    folder: Path
    port: int
    httpd: Httpd
    said: list[str] = field(default_factory=list)
    ready: int = 0

    def configure(self, *more: str) -> None:
        """Write httpd.conf."""
        modules = self.httpd.module_folder
        account = LocalAccounts().unprivileged()
        lines = [
            f"ServerRoot {self.folder}",
            *(f"LoadModule {name}_module {modules}/mod_{name}.so" for name in ("mpm_event", "authz_core", "ssl")),
            *([f"User {account.user}", f"Group {account.group}"] if account else []),
            "PidFile run/httpd.pid",
            "DefaultRuntimeDir run",
            "Mutex default",
            f"Listen {self.port}",
            f"ServerName localhost:{self.port}",
            "LogLevel ssl:info",
            "ErrorLog logs/error.log",
            'ErrorLogFormat "ts=%{cu}t lvl=%-m:%l pid=%P tid=%T cid=%{c}L rid=%L client=%a vh=%v%E msg=%M"',
            'CustomLog logs/access.log "{\\"ts\\":\\"%{%Y-%m-%dT%H:%M:%S}t\\",\\"client\\":\\"%a\\",\\"method\\":\\"%m\\",'
            '\\"path\\":\\"%U\\",\\"status\\":%>s,\\"us\\":%D}"',
            "StartServers 1",
            "DocumentRoot htdocs",
            f"SSLEngine on\nSSLCertificateFile {self.folder}/s.pem\nSSLCertificateKeyFile {self.folder}/s.key",
            *more,
        ]
        (self.folder / "httpd.conf").write_text("\n".join(lines) + "\n")

    def plan(self, limits: Limits | None = None) -> Plan:
        """How to run it."""
        command = command_of(self.httpd.binary, PurePath(self.folder / "httpd.conf"))
        output = self.folder / "run" / "httpd.out"
        launch = Launch(command, self.folder, output, our_environment())
        logs = self.folder / "logs"
        record = self.folder / "run" / "httpd.process"
        pid_file = self.folder / "run" / "httpd.pid"
        return Plan(launch, logs / "error.log", record, pid_file, logs / "access.log", limits or Limits())

    def run(
        self, script: Callable[[Tree], None] | None = None, limits: Limits | None = None, *, stop: bool = True
    ) -> int:
        """Supervise it in this thread; ``script`` runs beside it once httpd is ready and ends with stopping it."""
        failures: list[BaseException] = []

        def beside() -> None:
            try:
                assert script is not None
                script(self)
            except BaseException as error:  # noqa: BLE001 -- handed to the main thread
                failures.append(error)
            finally:
                if stop or failures:
                    os.kill(os.getpid(), signal.SIGTERM)

        threads: list[threading.Thread] = []

        def on_ready() -> None:
            self.ready += 1
            threads.append(threading.Thread(target=beside))
            threads[-1].start()

        follower = FileFollower()
        runtime = Runtime(LocalProcesses(), SignalWakeups(), follower, LocalFiles(), SystemClock(), LocalNetwork())
        try:
            return supervise(self.plan(limits), runtime, say=self.said.append, on_ready=on_ready)
        finally:
            follower.close()
            for thread in threads:
                thread.join(120)
            if failures:
                raise failures[0]

    def fails(self, limits: Limits | None = None) -> Diagnostic:
        """Run a tree that must not come up; the first reason given."""
        with pytest.raises(EnvironmentFault) as caught:
            self.run(limits=limits)
        assert self.ready == 0
        assert not self.processes()
        return caught.value.diagnostics[0]

    @property
    def pid(self) -> int:
        """The pid of httpd's parent, or 0 while it has none."""
        try:
            return int((self.folder / "run" / "httpd.pid").read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def processes(self) -> list[int]:
        """Processes whose command line names this tree."""
        done = subprocess.run(["pgrep", "-f", f"{self.folder}/httpd.conf"], capture_output=True, text=True, check=False)
        return [int(pid) for pid in done.stdout.split()]

    def answers(self) -> bool:
        """Whether a TLS request is answered now."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            with (
                socket.create_connection(("127.0.0.1", self.port), 60) as plain,
                context.wrap_socket(plain, server_hostname="localhost") as secure,
            ):
                secure.sendall(b"GET /index.html HTTP/1.0\r\nHost: localhost\r\n\r\n")
                return secure.recv(12) == b"HTTP/1.1 200"
        except OSError:
            return False

    def wait_for(self, what: Callable[[], bool], seconds: float = 60.0) -> float:
        """Until it holds; how long it took in seconds."""
        began = time.monotonic()
        while not what():
            assert time.monotonic() - began < seconds, self.said
            time.sleep(0.01)
        return time.monotonic() - began


@pytest.fixture
def tree(tmp_path: Path, httpd: Httpd) -> Iterator[Tree]:
    """A tree with a good configuration; whatever still runs of it afterwards is a failure, and ended."""
    for name in ("run", "logs", "htdocs"):
        (tmp_path / name).mkdir()
    (tmp_path / "htdocs" / "index.html").write_text("hello")
    certificate(tmp_path)
    made = Tree(tmp_path, free_port(), httpd)
    made.configure()
    (tmp_path / "htdocs" / "index.html").chmod(0o644)
    yield made
    left = made.processes()
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert not left


def test_the_httpd_here_is_discovered(httpd: Httpd) -> None:
    """Version, module folder and modules come from the real program."""
    assert httpd.version >= OLDEST
    assert httpd.has("mod_ssl")
    assert httpd.has("mod_so")
    assert (Path(httpd.module_folder) / "mod_ssl.so").is_file()


def test_it_serves_and_stops_without_a_trace(tree: Tree) -> None:
    """A good tree becomes ready, answers, and a stop leaves no process and no record."""
    seen: list[bool] = []

    def script(running: Tree) -> None:
        seen.append(running.answers())
        assert (tree.folder / "run" / "httpd.process").exists()

    assert tree.run(script) == 0
    assert (seen, tree.ready, tree.processes()) == ([True], 1, [])
    assert not (tree.folder / "run" / "httpd.process").exists()
    assert any("200 GET /index.html" in line for line in tree.said), tree.said


def test_killed_httpd_is_back_within_a_second_with_the_cause(tree: Tree) -> None:
    """A parent that is killed leaves children on the port; they are cleared and a new httpd serves within a second.

    A busy machine has besides what the first start took it.
    """
    took: list[float] = []
    began = time.monotonic()

    def script(running: Tree) -> None:
        assert running.answers()
        took.append(time.monotonic() - began)
        before = running.pid
        os.kill(before, signal.SIGKILL)
        took.append(running.wait_for(lambda: running.pid not in {0, before} and running.answers()))

    assert tree.run(script) == 0
    assert took[1] < 1.0 + 2 * took[0], (took, tree.said)
    assert any("killed by signal 9" in line and "out-of-memory" in line for line in tree.said), tree.said
    assert any("serves again" in line for line in tree.said)
    assert tree.ready == 1


def test_children_of_a_killed_parent_keep_the_port(tree: Tree) -> None:
    """The reason for clearing the group: without it the port stays taken (the negative twin of the test above)."""
    processes = LocalProcesses()
    started = processes.spawn(tree.plan().launch)
    try:
        tree.wait_for(tree.answers)
        os.kill(started.pid, signal.SIGKILL)
        tree.wait_for(lambda: bool(processes.reap()))
        obstacle = LocalNetwork().obstacle(None, tree.port)
        assert obstacle is not None
        assert obstacle.code == "port-taken"
        assert processes.leftovers(started, PurePath(tree.httpd.binary))
        assert not processes.leftovers(ProcessId(started.pid, "another time"), PurePath("/bin/false"))
    finally:
        assert processes.clear_group(started.pid)
    assert LocalNetwork().obstacle(None, tree.port) is None


def test_what_a_killed_supervisor_left_is_cleared_first(tree: Tree) -> None:
    """A supervisor that was itself killed leaves httpd running; the next one ends it and takes over."""
    processes = LocalProcesses()
    orphan = processes.spawn(tree.plan().launch)
    (tree.folder / "run" / "httpd.process").write_text(f"{orphan}\n")
    tree.wait_for(tree.answers)
    assert tree.run(lambda running: None) == 0
    assert any("had lost its supervisor" in line for line in tree.said)
    processes.reap()


def test_a_stale_pid_file_does_not_stop_a_start(tree: Tree) -> None:
    """A pid file left from a crash whose number now belongs to another process (here: us) is no obstacle."""
    (tree.folder / "run" / "httpd.pid").write_text(f"{os.getpid()}\n")
    assert tree.run(lambda running: None) == 0


def test_a_second_configuration_is_taken_gracefully(tree: Tree) -> None:
    """SIGUSR1 to the supervisor reloads httpd, which confirms; the parent keeps its pid."""

    def script(running: Tree) -> None:
        before = running.pid
        os.kill(os.getpid(), signal.SIGUSR1)
        running.wait_for(lambda: any("is in force" in line for line in running.said))
        assert running.pid == before
        assert running.answers()

    assert tree.run(script) == 0


def test_a_reload_that_kills_httpd_ends_with_the_reason(tree: Tree) -> None:
    """A bad certificate at a graceful reload kills httpd; the restart fails for good, and says why."""

    def script(running: Tree) -> None:
        (running.folder / "s.pem").write_text("garbage")
        os.kill(os.getpid(), signal.SIGUSR1)

    with pytest.raises(EnvironmentFault) as caught:
        tree.run(script, stop=False)
    assert caught.value.diagnostics[0].code == "server-certificate-bad"


def test_a_taken_port_names_its_holder(tree: Tree) -> None:
    """A port in use is the reason, told with who holds it, and there is no restart loop."""
    code = "import socket,sys;s=socket.create_server(('0.0.0.0',int(sys.argv[1])));print(flush=True);sys.stdin.read()"
    command = [sys.executable, "-c", code, str(tree.port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        problem = tree.fails()
        assert LocalNetwork().holder("127.0.0.1", tree.port).endswith(f"(pid {holder.pid})")
        holder.communicate(b"")
    assert problem.code == "port-taken"
    assert problem.what.startswith(f"port {tree.port} is in use by python")
    assert problem.what.endswith(f"(pid {holder.pid})")
    assert tree.said == []


def spoil(name: str, content: str = "garbage\n") -> Callable[[Tree], None]:
    """Put something else where httpd expects a good file."""

    def act(tree: Tree) -> None:
        (tree.folder / name).write_text(content)

    return act


def other_key(tree: Tree) -> None:
    """A good key that belongs to another certificate."""
    kept = (tree.folder / "s.pem").read_bytes()
    certificate(tree.folder)
    (tree.folder / "s.pem").write_bytes(kept)


def with_lines(*lines: str, files: tuple[str, ...] = ()) -> Callable[[Tree], None]:
    """More configuration; ``{folder}`` stands for the tree."""

    def act(tree: Tree) -> None:
        for name in files:
            (tree.folder / name).write_text("garbage\n")
        tree.configure(*(line.replace("{folder}", str(tree.folder)) for line in lines))

    return act


def log_is_folder(tree: Tree) -> None:
    """A folder stands where the error log belongs."""
    (tree.folder / "logs" / "error.log").mkdir()


def no_log_folder(tree: Tree) -> None:
    """The folder of the logs is gone."""
    shutil.rmtree(tree.folder / "logs")


CASES: dict[str, tuple[Callable[[Tree], None], str, str]] = {
    "garbage certificate": (spoil("s.pem"), "server-certificate-bad", "s.pem"),
    "garbage key": (spoil("s.key"), "server-key-bad", "s.key"),
    "key of another certificate": (other_key, "server-key-mismatch", "s.pem"),
    "no key": (lambda t: (t.folder / "s.key").unlink(), "config-refused", "s.key"),
    "garbage client CA": (
        with_lines("SSLCACertificateFile {folder}/ca.pem", files=("ca.pem",)),
        "client-ca-bad",
        "cannot be used",
    ),
    "garbage CRL": (
        with_lines("SSLCARevocationFile {folder}/crl.pem", "SSLCARevocationCheck leaf", files=("crl.pem",)),
        "crl-bad",
        "cannot be used",
    ),
    "unknown directive": (with_lines("NoSuchDirective on"), "config-refused", "NoSuchDirective"),
    "module missing": (with_lines("LoadModule no_module modules/mod_no.so"), "httpd-module-missing", "mod_no"),
    "log is a folder": (log_is_folder, "log-unwritable", "error.log"),
    "no log folder": (no_log_folder, "log-unwritable", "logs"),
    "foreign address": (with_lines("Listen 192.0.2.77:8443"), "address-not-here", "192.0.2.77"),
    "pid file in a missing folder": (with_lines("PidFile nowhere/httpd.pid"), "run-unwritable", "nowhere"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_start_that_cannot_work_ends_with_its_reason(tree: Tree, name: str) -> None:
    """Each defect ends the first start at once, with its own code, the thing named, and a remedy."""
    spoiled, code, mention = CASES[name]
    spoiled(tree)
    problem = tree.fails()
    assert (problem.code, mention in problem.what + problem.why) == (code, True), problem
    assert problem.fix
    assert tree.said == []


def test_a_start_that_hangs_is_ended(tree: Tree) -> None:
    """A program that is alive but never reports that it serves is ended after the limit, told as such."""
    hanging = tree.folder / "hang"
    hanging.write_text("#!/bin/sh\nexec sleep 60 # $0\n")
    hanging.chmod(0o755)
    tree.httpd = Httpd(PurePosixPath(hanging), (2, 4, 71), tree.httpd.module_folder, frozenset(), frozenset())
    began = time.monotonic()
    assert tree.fails(Limits(start=0.3)).code == "start-timeout"
    assert time.monotonic() - began < 50, "it was waited for instead"


def test_a_program_that_is_not_there_is_told(tree: Tree) -> None:
    """A binary that vanished is a plain diagnostic."""
    nothing = PurePosixPath(tree.folder / "nothing")
    tree.httpd = Httpd(nothing, (2, 4, 71), tree.httpd.module_folder, frozenset(), frozenset())
    assert tree.fails().code == "cannot-start-process"


def test_a_port_of_root_is_refused_to_others(tree: Tree) -> None:
    """Started without rights on a port below 1024: the reason, and both ways out."""
    limit = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    if not limit.exists() or int(limit.read_text()) <= 81:
        pytest.skip("every account may listen on any port here")
    tree.port = 81
    account = LocalAccounts().unprivileged()
    if account is not None:
        starter = tree.folder / "starter"
        starter.write_text(
            f"#!{sys.executable}\nimport os, sys\nos.setgroups([]); os.setgid({account.gid}); os.setuid({account.uid})\n"
            f"os.execv({str(tree.httpd.binary)!r}, sys.argv)\n"
        )
        starter.chmod(0o755)
        (tree.folder / "s.key").chmod(0o644)
        tree.httpd = replace(tree.httpd, binary=PurePosixPath(starter))
    tree.configure()
    problem = tree.fails()
    assert problem.code == "port-privileged"
    assert "8443" in problem.fix
    assert "root" in problem.fix


def test_a_stubborn_httpd_is_ended_by_the_second_stop(tree: Tree) -> None:
    """What ignores SIGTERM is killed at once by a second Ctrl-C, long before the limit."""
    stubborn = tree.folder / "stubborn"
    log = tree.folder / "logs" / "error.log"
    stubborn.write_text(
        f"#!{sys.executable}\nimport os, signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"open({str(log)!r}, 'a').write(f'ts=2026-11-23 13:31:07.0 lvl=x:notice pid={{os.getpid()}} tid=1 msg=AH00489: up\\n')\n"
        "time.sleep(60)\n"
    )
    stubborn.chmod(0o755)
    tree.httpd = replace(tree.httpd, binary=PurePosixPath(stubborn))

    def script(running: Tree) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        running.wait_for(lambda: any("again to stop at once" in line for line in running.said))

    began = time.monotonic()
    assert tree.run(script, Limits(stop=50.0)) == 0
    assert time.monotonic() - began < 40, "the limit was waited for instead"
    assert tree.said[-1] == "Stopping at once."


def test_discovery_takes_the_named_httpd_or_says_why_not(httpd: Httpd, tmp_path: Path) -> None:
    """The override wins; one that is no httpd is refused rather than replaced by another."""
    assert LocalHttpd({OVERRIDE: str(httpd.binary)}).find() == httpd
    for named in (sys.executable, str(tmp_path / "nothing")):
        with pytest.raises(EnvironmentFault) as caught:
            LocalHttpd({OVERRIDE: named}).find()
        assert caught.value.diagnostics[0].code == "httpd-unusable"
    old = tmp_path / "httpd"
    old.write_text("#!/bin/sh\necho 'Server version: Apache/2.4.6 (CentOS)'\n")
    old.chmod(0o755)
    with pytest.raises(EnvironmentFault) as caught:
        LocalHttpd({OVERRIDE: str(old)}).find()
    assert caught.value.diagnostics[0].code == "httpd-too-old"


def test_the_supervisor_is_lean(tree: Tree) -> None:
    """A whole supervisor, in a process of its own, stays far below 80 MB while httpd serves."""
    if not Path("/proc/self/status").exists():
        pytest.skip("memory is read from /proc")
    code = (
        "import sys\n"
        "from pathlib import PurePath\n"
        "from gatewright.app.supervise import Plan, Runtime, command_of, supervise\n"
        "from gatewright.edges.clock import SystemClock\n"
        "from gatewright.edges.files import LocalFiles\n"
        "from gatewright.edges.httpd import our_environment\n"
        "from gatewright.edges.logs import FileFollower\n"
        "from gatewright.edges.network import LocalNetwork\n"
        "from gatewright.edges.process import LocalProcesses, SignalWakeups\n"
        "from gatewright.ports.process import Launch\n"
        "folder, binary = PurePath(sys.argv[1]), PurePath(sys.argv[2])\n"
        "launch = Launch(command_of(binary, folder / 'httpd.conf'), folder, folder / 'run/httpd.out', our_environment())\n"
        "plan = Plan(launch, folder / 'logs/error.log', folder / 'run/record', folder / 'run/httpd.pid')\n"
        "runtime = Runtime(LocalProcesses(), SignalWakeups(), FileFollower(), LocalFiles(), SystemClock(), LocalNetwork())\n"
        "supervise(plan, runtime, say=print, on_ready=lambda: print('ready', flush=True))\n"
        # Not ru_maxrss: Linux carries that of the forking pytest over into the new program.
        "print(*[l.split()[1] for l in open('/proc/self/status') if l.startswith('VmHWM:')])\n"
    )
    command = [sys.executable, "-c", code, str(tree.folder), str(tree.httpd.binary)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert tree.answers()
        process.send_signal(signal.SIGINT)
        *_, peak = process.stdout.read().split()
    assert process.returncode == 0
    assert int(peak) < 40 * 1024, peak
