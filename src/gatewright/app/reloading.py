"""Having a running gateway take the current generation, and knowing that it did."""

from __future__ import annotations

from dataclasses import dataclass

from gatewright.app.places import Places
from gatewright.app.running import is_held, read_record
from gatewright.diagnose.loglines import READY, parse_error_line
from gatewright.diagnose.startup import Attempt, explain_start
from gatewright.errors import Diagnostic, EnvironmentFault
from gatewright.plan.happenings import Signal
from gatewright.ports.clock import Clock
from gatewright.ports.files import FileKind, Files
from gatewright.ports.logs import Follower
from gatewright.ports.process import Processes, ProcessId
from gatewright.ports.timing import Wait

PATIENCE_S = 15.0
"""Longer than the supervisor waits for httpd's answer (10 s), so that its own verdict comes first."""

_LOOK_S = 0.02

_STOPPED = Diagnostic(
    "gateway-stopped",
    "the gateway stopped while the change was applied",
    "nobody is there to take the new configuration",
    "start it with 'gatewright up'",
)


@dataclass(frozen=True, slots=True)
class Reloading:
    """The use case over its ports."""

    places: Places
    files: Files
    processes: Processes
    follower: Follower
    clock: Clock
    wait: Wait

    def __call__(self, *, restarted_counts: bool = False) -> None:
        """Signal the supervisor and return once httpd has reported, after the signal, that it serves, and lives.

        ``restarted_counts``: another httpd than the one before is as good, because it read the files that count. Raises
        :class:`~gatewright.errors.EnvironmentFault` with the reasons when httpd ended or does not answer.
        """
        record = read_record(self.files, self.places)
        if record is None or not is_held(self.files, self.places) or not self.processes.alive(record.supervisor):
            raise EnvironmentFault(_STOPPED)
        logs = self.places.folder / "logs"
        # From their ends: only what comes after the signal counts.
        self.follower.follow("error", logs / "error.log")
        self.follower.follow("output", logs / "httpd.out")
        before = self.leader()
        self.processes.signal(record.supervisor.pid, Signal.GRACEFUL)
        lines: list[str] = []
        ready: set[int] = set()
        deadline = self.clock.monotonic() + PATIENCE_S
        while self.clock.monotonic() < deadline:
            ready |= self._read(lines)
            leader = self.leader()
            serves = leader is not None and leader.pid in ready and self.processes.alive(leader)
            if serves and (restarted_counts or leader == before):
                return
            if not restarted_counts and (leader != before or before is None or not self.processes.alive(before)):
                self._read(lines)
                raise EnvironmentFault(_ended(before), *_reasons(lines))
            if not is_held(self.files, self.places):
                raise EnvironmentFault(_STOPPED)
            self.wait(_LOOK_S)
        raise EnvironmentFault(
            Diagnostic(
                "reload-unanswered",
                f"httpd did not report within {PATIENCE_S:g} s that it took the new configuration",
                "it may be busy, or stuck between the two",
                "look at the machine's load and at logs/error.log",
            ),
            *_reasons(lines),
        )

    def leader(self) -> ProcessId | None:
        """The parent process of httpd, as the supervisor wrote it down."""
        path = self.places.run / "httpd.process"
        if self.files.kind(path) is not FileKind.FILE:
            return None
        return ProcessId.parse(self.files.read(path).decode("ascii", "replace"))

    def _read(self, lines: list[str]) -> set[int]:
        """Take what was logged since; the processes that reported that they serve."""
        ready = set()
        for line in self.follower.read():
            lines.append(line.text)
            logged = parse_error_line(line.text)
            if logged is not None and logged.number in READY:
                ready.add(logged.pid)
        return ready


def _ended(before: ProcessId | None) -> Diagnostic:
    return Diagnostic(
        "reload-ended-httpd",
        f"httpd (pid {before.pid if before else 0}) ended when it took the new configuration",
        "what the shadow instance could start with was no longer so a moment later",
        "see the reason beside this, then apply again",
    )


def _reasons(lines: list[str]) -> tuple[Diagnostic, ...]:
    """What its words mean, where a rule knows them."""
    found = explain_start(Attempt(lines[-60:], None, None, timed_out=PATIENCE_S))
    return tuple(problem for problem in found if problem.code != "start-timeout")
