"""Edges that look at the machine: log files that grow, ports, accounts, processes, packages."""

from __future__ import annotations

import os
import signal
import socket
import stat
import sys
import time
from pathlib import Path, PurePath

import pytest
from tests.ports import free_port

from gatewright.edges.accounts import LocalAccounts
from gatewright.edges.clock import SystemClock
from gatewright.edges.logs import FileFollower
from gatewright.edges.network import LocalNetwork
from gatewright.edges.packages import LocalPackages
from gatewright.edges.process import LocalProcesses, SignalWakeups
from gatewright.edges.truststores import LocalTrustStores
from gatewright.errors import EnvironmentFault
from gatewright.plan.happenings import Signal
from gatewright.plan.trusting import Place, Store
from gatewright.ports.clock import Clock
from gatewright.ports.logs import Follower
from gatewright.ports.network import Network
from gatewright.ports.process import Ended, Launch, Processes, ProcessId, Wakeups

PROCESSES: Processes = LocalProcesses()


def lines(follower: Follower) -> list[str]:
    """What has come since, text only."""
    return [line.text for line in follower.read()]


def test_follow_from_the_end_through_partial_lines(tmp_path: Path) -> None:
    """Only what comes after the beginning counts, and only whole lines."""
    log = tmp_path / "log"
    log.write_text("old\n")
    follower = FileFollower()
    follower.follow("a", log)
    assert lines(follower) == []
    with log.open("a") as file:
        file.write("one\ntw")
        file.flush()
        assert lines(follower) == ["one"]
        file.write("o\n")
        file.flush()
        assert lines(follower) == ["two"]
    follower.close()


def test_follow_a_file_that_comes_later(tmp_path: Path) -> None:
    """A file that is not there yet is read from its start when it is; a folder at its place is waited out."""
    follower = FileFollower()
    (tmp_path / "log").mkdir()
    follower.follow("a", tmp_path / "log")
    assert lines(follower) == []
    (tmp_path / "log").rmdir()
    (tmp_path / "log").write_text("first\n")
    assert lines(follower) == ["first"]
    follower.close()


def test_follow_through_rotation_and_truncation(tmp_path: Path) -> None:
    """No line is lost or told twice when the file is renamed away or cut to nothing."""
    log = tmp_path / "log"
    log.write_text("")
    follower = FileFollower()
    follower.follow("a", log)
    with log.open("a") as old:
        old.write("1\n")
        old.flush()
        assert lines(follower) == ["1"]
        log.rename(tmp_path / "log.1")
        old.write("2\n")
    log.write_text("3\n")
    assert lines(follower) + lines(follower) + lines(follower) == ["2", "3"]
    log.write_text("")
    assert lines(follower) == []
    with log.open("a") as file:
        file.write("4\n")
    assert lines(follower) == ["4"]
    follower.close()


def test_an_endless_line_is_cut(tmp_path: Path) -> None:
    """Memory stays bounded, and the next line is whole again."""
    log = tmp_path / "log"
    log.write_bytes(b"x" * 1_000_000 + b"\nnext\n")
    follower = FileFollower()
    follower.follow("a", log, from_start=True)
    got = [text for _ in range(6) for text in lines(follower)]
    assert [len(got[0]), got[1]] == [32 * 1024, "next"]
    follower.close()


def test_ports_free_and_taken(tmp_path: Path) -> None:
    """A port is free, then taken by us, who are named, on the address itself and on all of them."""
    network: Network = LocalNetwork()
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        for address in ("127.0.0.1", None):
            obstacle = network.obstacle(address, port)
            assert obstacle is not None
            assert obstacle.code == "port-taken"
            if Path("/proc/net/tcp").exists():
                assert f"(pid {os.getpid()})" in obstacle.what
        assert network.obstacle("::1", port) is None or not socket.has_ipv6
    assert network.obstacle("127.0.0.1", port) is None
    assert network.obstacle(None, port) is None
    assert network.holder(None, port) == ""


def test_a_foreign_address_is_told() -> None:
    """An address of no interface here (RFC 5737) is named."""
    obstacle = LocalNetwork().obstacle("192.0.2.77", 8443)
    assert obstacle is not None
    assert (obstacle.code, "192.0.2.77" in obstacle.what) == ("address-not-here", True)


def test_the_clock_is_aware_and_goes_forward() -> None:
    """UTC, and a second reading that is not earlier."""
    clock: Clock = SystemClock()
    assert clock.now().utcoffset() is not None
    assert clock.monotonic() <= clock.monotonic()


def spawn(tmp_path: Path, code: str) -> ProcessId:
    """A Python process with this code."""
    environment = {"PATH": os.environ["PATH"]}
    return PROCESSES.spawn(Launch((sys.executable, "-c", code), tmp_path, tmp_path / "out", environment))


def reaped(pid: int) -> Ended:
    """How it ended."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for ended in PROCESSES.reap():
            assert ended.pid == pid
            return ended
        time.sleep(0.005)
    raise TimeoutError


def test_a_process_of_its_own_group_with_its_output_kept(tmp_path: Path) -> None:
    """It leads a session, sees only the environment given, and its end is reported once."""
    started = spawn(
        tmp_path, "import os;print(os.getpid()==os.getpgrp()==os.getsid(0), sorted(os.environ));raise SystemExit(3)"
    )
    assert reaped(started.pid) == Ended(started.pid, 3, None)
    assert (tmp_path / "out").read_text().startswith("True [")
    assert "HOME" not in (tmp_path / "out").read_text()
    assert PROCESSES.reap() == []


def test_a_signal_is_told_from_an_exit(tmp_path: Path) -> None:
    """Ended by a signal: its number; and to signal or clear what is gone is harmless."""
    started = spawn(tmp_path, "import time;time.sleep(600)")
    assert PROCESSES.alive(started)
    PROCESSES.signal(started.pid, Signal.STOP)
    assert reaped(started.pid) == Ended(started.pid, None, signal.SIGTERM)
    assert not PROCESSES.alive(started)
    PROCESSES.signal(started.pid, Signal.STOP)
    assert PROCESSES.clear_group(started.pid)


def test_a_reused_number_is_another_process(tmp_path: Path) -> None:
    """Same pid, other start time: not the same process. The written form is read back."""
    started = spawn(tmp_path, "import time;time.sleep(600)")
    assert ProcessId.parse(str(started)) == started
    assert not PROCESSES.alive(ProcessId(started.pid, "some other time"))
    assert PROCESSES.clear_group(started.pid)
    assert reaped(started.pid).signal == signal.SIGKILL
    assert [ProcessId.parse(text) for text in ("", "x 1", "0", "1 init", "-5")] == [None] * 5


def test_a_whole_group_is_cleared_though_its_leader_is_gone(tmp_path: Path) -> None:
    """Children whose parent was killed are found by their program, and killed."""
    code = "import os,time;os.fork() and os.fork();open('forked','a').write('x');time.sleep(600)"
    started = spawn(tmp_path, code)
    deadline = time.monotonic() + 60
    while (tmp_path / "forked").exists() is False or len((tmp_path / "forked").read_text()) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(started.pid, signal.SIGKILL)
    assert reaped(started.pid).signal == signal.SIGKILL
    assert len(PROCESSES.leftovers(started, PurePath(sys.executable))) == 2
    assert not PROCESSES.leftovers(started, PurePath("/bin/sh"))
    assert PROCESSES.clear_group(started.pid)
    assert not PROCESSES.leftovers(started, PurePath(sys.executable))


def test_what_is_started_makes_nothing_for_everybody(tmp_path: Path) -> None:
    """Whatever umask we were started with: httpd makes its logs with all the rights that its umask leaves (0666)."""
    before = os.umask(0)
    try:
        started = spawn(tmp_path, "open('made', 'w')")
    finally:
        os.umask(before)
    assert reaped(started.pid).code == 0
    assert {name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("made", "out")} == {
        "made": 0o640,
        "out": 0o640,
    }


def test_what_cannot_be_run_is_told(tmp_path: Path) -> None:
    """A missing program and a missing folder are diagnostics."""
    for command, folder in ((("/nowhere/httpd",), tmp_path), ((sys.executable,), tmp_path / "none")):
        with pytest.raises(EnvironmentFault) as caught:
            PROCESSES.spawn(Launch(command, folder, tmp_path / "out"))
        assert caught.value.diagnostics[0].code == "cannot-start-process"


def test_signals_become_values_and_handlers_come_back() -> None:
    """Each signal wakes the wait; afterwards everything is as before."""
    wakeups: Wakeups = SignalWakeups()
    before = [
        signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD)
    ]
    with wakeups.listening(ignore_hangup=True):
        assert wakeups.wait(0.0) == []
        for number in (signal.SIGINT, signal.SIGUSR1, signal.SIGHUP):
            os.kill(os.getpid(), number)
        assert wakeups.wait(60.0) == ["stop", "reload"]
    with wakeups.listening(ignore_hangup=False):
        os.kill(os.getpid(), signal.SIGHUP)
        assert wakeups.wait(60.0) == ["stop"]
    after = [
        signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD)
    ]
    assert before == after


def test_root_gets_an_account_without_rights() -> None:
    """As root the account is not root; otherwise there is none to take."""
    account = LocalAccounts().unprivileged()
    if os.geteuid() == 0:
        assert account is not None
        assert account.uid != 0
    else:
        assert account is None


@pytest.mark.parametrize(
    ("release", "command"),
    [
        (
            'ID=debian\nVERSION_ID="12"',
            "apt-get install --yes --no-install-recommends --no-upgrade apache2-bin openssl",
        ),
        (
            'ID=linuxmint\nID_LIKE="ubuntu debian"',
            "apt-get install --yes --no-install-recommends --no-upgrade apache2-bin openssl",
        ),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"', "dnf install --assumeyes httpd mod_ssl mod_http2 openssl"),
        ("ID=alpine", "apk add apache2 apache2-ssl apache2-http2 apache2-proxy openssl"),
        ("ID=macos", "brew install httpd"),
    ],
)
def test_each_system_has_its_command(release: str, command: str) -> None:
    """os-release(5) decides, derivatives included."""
    system = LocalPackages(release).system()
    assert system is not None
    assert system.command() == command


def test_installing_says_first_what_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command is shown before it runs; a failing one is a diagnostic. The package manager is a script here."""
    manager = tmp_path / "apk"
    manager.write_text('#!/bin/sh\necho "$@" >> "$0.log"\ntest "$2" != bad\n')
    manager.chmod(0o755)
    (tmp_path / "sudo").write_text('#!/bin/sh\nexec "$@"\n')
    (tmp_path / "sudo").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    said: list[str] = []
    packages = LocalPackages("ID=alpine")
    packages.install(said.append, ["apache2"])
    assert (tmp_path / "apk.log").read_text() == "add apache2\n"
    assert said[0] == "Installing with apk: apache2"
    assert said[1].endswith("apk add apache2")
    with pytest.raises(EnvironmentFault) as caught:
        packages.install(said.append, ["bad"])
    assert caught.value.diagnostics[0].code == "install-failed"


def test_an_unknown_system_gets_every_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is guessed where no known package manager is; all commands are listed."""
    monkeypatch.setenv("PATH", str(tmp_path))
    packages = LocalPackages("ID=plan9")
    assert packages.system() is None
    with pytest.raises(EnvironmentFault) as caught:
        packages.install(print)
    fix = caught.value.diagnostics[0].fix
    for command in (
        "apt-get install apache2-bin openssl",
        "dnf install httpd",
        "apk add apache2",
        "brew install httpd",
    ):
        assert command in fix


def test_a_process_is_known_again_where_the_boots_id_is_hidden() -> None:
    """As within a unit whose /proc shows processes only; another start time, or another boot, is another process."""
    processes = LocalProcesses()
    us = processes.identify(os.getpid())
    assert us is not None
    start, _, boot = us.started.partition("@")
    assert boot
    for started, known in ((us.started, True), (f"{start}@", True), (f"{start}@other", False), (f"1{start}@", False)):
        assert processes.alive(ProcessId(us.pid, started)) is known


def test_a_trust_tool_that_cannot_be_run_is_told(tmp_path: Path) -> None:
    """A program for another kind of machine is a fault with its name, not a crash."""
    tool = tmp_path / "certutil"
    tool.write_bytes(b"\x7fELF is not all there is to a program")
    tool.chmod(0o755)
    stores = LocalTrustStores({"PATH": str(tmp_path)}, release="ID=debian\n")
    with pytest.raises(EnvironmentFault) as caught:
        stores.look(Place(Store.NSS, str(tmp_path), "x"), "00")
    assert caught.value.diagnostics[0].code == "trust-tool-failed"
    assert str(tool) in caught.value.diagnostics[0].what
