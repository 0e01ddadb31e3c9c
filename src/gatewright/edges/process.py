"""Starting, watching, signalling and reaping processes; being woken by signals."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from types import FrameType

from gatewright.errors import Diagnostic, EnvironmentFault
from gatewright.plan.happenings import Signal
from gatewright.ports.process import OURS_ALONE, Ended, Launch, ProcessId

_PROC = Path("/proc")
_STATE, _GROUP, _THREADS, _STARTED = 0, 2, 17, 19
"""Fields of ``/proc/<pid>/stat`` counted from the state, after the name in parentheses (proc_pid_stat(5))."""


def _stat(pid: int) -> list[str] | None:
    """The fields after the name, or ``None`` where there is no such process or no /proc."""
    try:
        text = (_PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except OSError:
        return None
    # The name may hold spaces and parentheses itself; nothing after it can.
    return text.rpartition(")")[2].split()


def _over(fields: list[str]) -> bool:
    """Whether the process holds nothing any more: a zombie whose last thread is gone.

    A killed process of many threads shows as a zombie while some of them still end, and they keep its ports.
    """
    return fields[_STATE] in {"Z", "X"} and int(fields[_THREADS]) <= 1


def _has_proc() -> bool:
    return (_PROC / "self" / "stat").exists()


def _ps(*columns: str) -> list[list[str]]:
    """One row per process from ps(1), for systems without /proc."""
    command = ["ps", "-ax", *(f"-o{column}=" for column in columns)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return [line.split(None, len(columns) - 1) for line in done.stdout.splitlines() if line.strip()]


def _group_members(group: int) -> list[int]:
    """Processes of a group that may still hold something, such as a port."""
    if not _has_proc():
        rows = _ps("pid", "pgid", "stat")
        return [int(row[0]) for row in rows if row[1] == str(group) and not row[2].startswith("Z")]
    members = []
    for entry in os.scandir(_PROC):
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields and fields[_GROUP] == str(group) and not _over(fields):
                members.append(int(entry.name))
    return members


class LocalProcesses:
    """:class:`gatewright.ports.process.Processes` of this machine."""

    def __init__(self) -> None:
        self._ours: set[int] = set()

    def spawn(self, launch: Launch) -> ProcessId:
        """Start it as the leader of a session and process group of its own. Raises ``EnvironmentFault``.

        Its own session keeps the terminal's Ctrl-C from it: only the supervisor decides what that means.
        """
        try:
            output = os.open(launch.output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o640)
            try:
                # Not Popen's to wait for: its destructor and ours would compete. reap() does it by process id.
                process = subprocess.Popen(
                    launch.command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    cwd=launch.folder,
                    env=dict(launch.environment),
                    start_new_session=True,
                    umask=OURS_ALONE,
                )
            finally:
                os.close(output)
        except OSError as error:
            raise EnvironmentFault(_cannot_start(launch, error)) from error
        process.returncode = 0  # tells Popen that somebody else reaps it
        self._ours.add(process.pid)
        return self.identify(process.pid) or ProcessId(process.pid)

    def reap(self) -> Sequence[Ended]:
        """Those started here that have ended since the last call. Never waits.

        Orphans of their groups that fell to us (as process 1 of a container) are reaped as well, and not reported.
        """
        ended = []
        for pid in sorted(self._ours):
            while (found := _wait_group(pid)) is not None:
                child, status = found
                if child == pid:
                    self._ours.discard(pid)
                    code, killer = os.waitstatus_to_exitcode(status), None
                    if code < 0:
                        killer = -code
                    ended.append(Ended(pid, None if killer else code, killer))
        return ended

    def signal(self, pid: int, signal: Signal) -> None:
        """Send a signal to one process; nothing happens if it is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, _number(signal))

    def clear_group(self, pid: int) -> bool:
        """Kill every process of the group that ``pid`` led, and wait until none runs. False after 5 s of trying."""
        deadline = time.monotonic() + 5.0
        while True:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            if not _group_members(pid):
                return True
            if time.monotonic() > deadline:
                return False
            # The kernel tears a process down in its own time, typically 1 to 20 ms, and tells nobody but its parent.
            time.sleep(0.005)

    def alive(self, process: ProcessId) -> bool:
        """Whether exactly this process runs (a zombie does not)."""
        current = self.identify(process.pid)
        return current is not None and _same(current, process)

    def identify(self, pid: int) -> ProcessId | None:
        """The process with this number, or ``None``."""
        if _has_proc():
            fields = _stat(pid)
            if not fields or fields[_STATE] in {"Z", "X"}:
                return None
            return ProcessId(pid, f"{fields[_STARTED]}@{_boot()}")
        rows = [row for row in _ps("pid", "stat", "lstart") if row[0] == str(pid) and not row[1].startswith("Z")]
        return ProcessId(pid, "_".join(rows[0][2].split())) if rows else None

    def leftovers(self, leader: ProcessId, binary: PurePath) -> Sequence[int]:
        """Processes of the group that ``leader`` led and that run ``binary``, when its supervisor died before it.

        While any process of a group lives, the kernel does not give its number to a new process; so members that run
        the same binary are those we look for, also when the leader itself is gone.
        """
        current = self.identify(leader.pid)
        if current is not None and not _same(current, leader):
            return []
        wanted = Path(binary).resolve()
        return [pid for pid in _group_members(leader.pid) if _executable(pid) == wanted]


def _same(one: ProcessId, other: ProcessId) -> bool:
    """Whether both are one process of one number: a view of /proc may lack the boot's id (systemd's ``ProcSubset=pid``)."""
    (start, _, boot), (other_start, _, other_boot) = one.started.partition("@"), other.started.partition("@")
    return start == other_start and (boot == other_boot or not (boot and other_boot))


def _number(which: Signal) -> int:
    return int(signal.Signals[f"SIG{which.value}"])


def _boot() -> str:
    """The boot's id: start times count from the boot, and a machine may start again."""
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()[:8]
    except OSError:
        return ""


def _executable(pid: int) -> Path | None:
    """The program a process runs, or ``None`` where the system does not tell."""
    try:
        # After an upgrade of the package the old program's link reads "/usr/sbin/apache2 (deleted)".
        return Path(str((_PROC / str(pid) / "exe").readlink()).removesuffix(" (deleted)"))
    except OSError:
        if _has_proc():
            return None
    rows = [row for row in _ps("pid", "comm") if row[0] == str(pid)]
    return Path(rows[0][1]).resolve() if rows else None


def _wait_group(pid: int) -> tuple[int, int] | None:
    try:
        child, status = os.waitpid(-pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return (child, status) if child else None


def _cannot_start(launch: Launch, error: OSError) -> Diagnostic:
    return Diagnostic(
        "cannot-start-process",
        f"cannot start {launch.command[0]}: {error.strerror or error}",
        f"in {launch.folder}, with its output going to {launch.output}",
        f"see that {launch.command[0]} can be run (`{launch.command[0]} -v`) and that the gateway's folder is writable",
    )


_NAMES = {signal.SIGINT: "stop", signal.SIGTERM: "stop", signal.SIGUSR1: "reload", signal.SIGCHLD: "child"}


class SignalWakeups:
    """:class:`gatewright.ports.process.Wakeups` by signal handlers and a self-pipe (signal.set_wakeup_fd)."""

    def __init__(self) -> None:
        self._read = -1

    @contextmanager
    def listening(self, *, ignore_hangup: bool) -> Iterator[None]:
        """While inside, SIGINT and SIGTERM, SIGUSR1 and SIGCHLD wake :meth:`wait` instead of ending the process.

        SIGHUP means stop, as when the terminal is closed, unless ``ignore_hangup``. Main thread only.
        """
        self._read, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC) if hasattr(os, "pipe2") else _pipe()
        hangup = signal.SIG_IGN if ignore_hangup else _noted
        before = {number: signal.signal(number, _noted) for number in _NAMES}
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, hangup)
        before_fd = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before_fd)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(self._read)
            os.close(write)
            self._read = -1

    def wait(self, seconds: float) -> Sequence[str]:
        """Sleep until a signal or the end of ``seconds``; the signals that came: ``stop``, ``reload``, ``child``."""
        select.select([self._read], [], [], max(0.0, seconds))
        try:
            numbers = os.read(self._read, 4096)
        except BlockingIOError:
            return []
        return [_NAMES.get(signal.Signals(number), "stop") for number in numbers]


def _noted(_number: int, _frame: FrameType | None) -> None:
    """Python's own handler has written the number to the pipe already."""


def _pipe() -> tuple[int, int]:
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    return read, write
