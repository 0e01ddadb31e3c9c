"""Processes that outlive a function call, and the signals that reach this one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Protocol

from gatewright.plan.happenings import Signal

OURS_ALONE = 0o027
"""The umask of every httpd: what it creates itself (logs, its pid file) is for its own account and group, whatever ours was started with."""


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process that cannot be mistaken for a later one with the same number.

    ``started`` is the kernel's own start time of it (any text that stays the same for its life), or empty where the
    system does not tell.
    """

    pid: int
    started: str = ""

    def __str__(self) -> str:
        """``pid started``, one line that :meth:`parse` reads back."""
        return f"{self.pid} {self.started}".rstrip()

    @classmethod
    def parse(cls, text: str) -> ProcessId | None:
        """The process written by ``str``, or ``None`` if the text is something else."""
        pid, _, started = text.strip().partition(" ")
        return cls(int(pid), started) if pid.isascii() and pid.isdigit() and int(pid) > 1 else None


@dataclass(frozen=True, slots=True)
class Launch:
    """What to start and where. ``output`` receives standard output and error; ``environment`` is the whole of it."""

    command: tuple[str, ...]
    folder: PurePath
    output: PurePath
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ended:
    """A process we started is no more: by itself with ``code``, or by ``signal``."""

    pid: int
    code: int | None
    signal: int | None


class Processes(Protocol):
    """The processes of this machine."""

    def spawn(self, launch: Launch) -> ProcessId:
        """Start it as the leader of a session and process group of its own. Raises ``EnvironmentFault``."""
        ...

    def reap(self) -> Sequence[Ended]:
        """Those started here that have ended since the last call. Never waits."""
        ...

    def signal(self, pid: int, signal: Signal) -> None:
        """Send a signal to one process; nothing happens if it is gone."""
        ...

    def clear_group(self, pid: int) -> bool:
        """Kill every process of the group that ``pid`` led, and wait until none runs. False after 5 s of trying."""
        ...

    def alive(self, process: ProcessId) -> bool:
        """Whether exactly this process runs (a zombie does not)."""
        ...

    def identify(self, pid: int) -> ProcessId | None:
        """The process with this number, or ``None``."""
        ...

    def leftovers(self, leader: ProcessId, binary: PurePath) -> Sequence[int]:
        """Processes of the group that ``leader`` led and that run ``binary``, when its supervisor died before it."""
        ...


class Wakeups(Protocol):
    """Signals to this process, turned into values."""

    def listening(self, *, ignore_hangup: bool) -> AbstractContextManager[None]:
        """While inside, SIGINT and SIGTERM, SIGUSR1 and SIGCHLD wake :meth:`wait` instead of ending the process."""
        ...

    def wait(self, seconds: float) -> Sequence[str]:
        """Sleep until a signal or the end of ``seconds``; the signals that came: ``stop``, ``reload``, ``child``."""
        ...
