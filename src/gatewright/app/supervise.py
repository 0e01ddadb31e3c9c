"""Keeping one httpd running: the loop that carries events to the state machine and its commands to the ports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from types import MappingProxyType

from gatewright.app.chores import unfailing
from gatewright.diagnose.loglines import READY, parse_error_line
from gatewright.diagnose.narrate import Narrator
from gatewright.diagnose.startup import port_taken
from gatewright.errors import EXIT_BUG, Diagnostic, EnvironmentFault
from gatewright.plan import happenings as h
from gatewright.plan.lifecycle import Limits, Phase, State, step
from gatewright.plan.notices import tell
from gatewright.ports.clock import Clock
from gatewright.ports.files import FileKind, Files
from gatewright.ports.logs import Follower
from gatewright.ports.network import Network
from gatewright.ports.process import Launch, Processes, ProcessId, Wakeups

_HASTE = 0.02
"""Seconds between looks at the logs while something is awaited: a start takes about 150 ms."""
_CALM = 0.2
"""Seconds between looks at the logs while httpd serves."""

ERROR, ACCESS, OUTPUT = "error", "access", "output"


@dataclass(frozen=True, slots=True)
class Runtime:
    """The outside, as the supervisor needs it."""

    processes: Processes
    wakeups: Wakeups
    follower: Follower
    files: Files
    clock: Clock
    network: Network


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run, and where it leaves its traces.

    ``record`` remembers httpd's process, so that a supervisor that comes after a killed one clears what that one left.
    ``pid_file`` is httpd's own; a stale one is removed before each start, because httpd refuses to start when any
    process has that number (measured on httpd 2.4.71; usual in containers).
    ``access_log`` is followed only to tell its lines; ``None`` tells none.
    """

    launch: Launch
    error_log: PurePath
    record: PurePath
    pid_file: PurePath
    access_log: PurePath | None = None
    limits: Limits = field(default_factory=Limits)
    ignore_hangup: bool = False


def command_of(
    binary: PurePath, configuration: PurePath, *defines: str, settings: Mapping[str, str] = MappingProxyType({})
) -> tuple[str, ...]:
    """The command line of httpd in the foreground with this configuration; ``defines`` are for its ``<IfDefine>`` sections.

    ``settings`` have values, of letters and digits only; httpd keeps them through reloads (measured on httpd 2.4.71).
    """
    server_root = str(configuration.parent)
    extra = tuple(word for define in defines for word in ("-D", define))
    said = tuple(word for name, value in settings.items() for word in ("-C", f"Define {name} {value}"))
    return (str(binary), *said, "-d", server_root, "-f", str(configuration), "-D", "FOREGROUND", *extra)


class Supervisor:
    """One run, from the first start to the end. See :func:`supervise`."""

    def __init__(
        self,
        plan: Plan,
        runtime: Runtime,
        say: Callable[[str], None],
        on_ready: Callable[[], None],
        *,
        every: Callable[[], None] | None,
        before_start: Callable[[], None] | None,
        elsewhere: Callable[[str], str],
    ) -> None:
        self._plan = plan
        self._runtime = runtime
        self._say = say
        self._on_ready = on_ready
        self._every = every
        self._before_start = before_start
        narrator = Narrator(elsewhere=elsewhere)
        self._access_told, self._error_told = unfailing(narrator.access), unfailing(narrator.error)
        self.state = State(limits=plan.limits)
        self._wake: float | None = None
        self._finish: h.Finish | None = None

    def run(self) -> h.Finish:
        """Until the end."""
        runtime = self._runtime
        with runtime.wakeups.listening(ignore_hangup=self._plan.ignore_hangup):
            try:
                finish = self._until_finished()
            except BaseException:
                # Whatever went wrong with us: no httpd is left behind that nobody watches.
                if self.state.pid:
                    runtime.processes.clear_group(self.state.pid)
                raise
            self._look_at_logs()
        runtime.files.remove(self._plan.record)
        return replace(finish, problems=tuple(self._with_holder(p) for p in finish.problems))

    def _until_finished(self) -> h.Finish:
        self._clear_leftovers()
        self._feed(h.Start(self._now()))
        while self._finish is None:
            signals = self._runtime.wakeups.wait(self._patience())
            self._look_at_logs()
            self._look_at_processes()
            for name in signals:
                if name == "stop":
                    self._feed(h.StopRequested(self._now()))
                elif name == "reload":
                    self._feed(h.ReloadRequested(self._now()))
            if self._wake is not None and self._now() >= self._wake:
                self._wake = None
                self._feed(h.Tick(self._now()))
            if self._every is not None and self.state.phase is Phase.RUNNING:
                self._every()
        return self._finish

    def _now(self) -> float:
        return self._runtime.clock.monotonic()

    def _patience(self) -> float:
        calm = _CALM if self.state.phase in {Phase.RUNNING, Phase.WAITING} else _HASTE
        return calm if self._wake is None else max(0.0, min(calm, self._wake - self._now()))

    def _feed(self, event: h.Event) -> None:
        """Give the machine one event and carry out what it orders, with whatever events that brings."""
        waiting: list[h.Event] = [event]
        while waiting:
            self.state, commands = step(self.state, waiting.pop(0))
            for command in commands:
                waiting.extend(self._carry_out(command))

    def _carry_out(self, command: h.Command) -> tuple[h.Event, ...]:
        answers: tuple[h.Event, ...] = ()
        match command:
            case h.Spawn():
                answers = (self._spawn(),)
            case h.SignalParent(pid, signal):
                self._runtime.processes.signal(pid, signal)
            case h.ClearGroup(pid):
                answers = self._clear(pid)
            case h.WakeAt(at):
                self._wake = at
            case h.Serving(_, first):
                if first:
                    self._on_ready()
            case h.Say(notice):
                self._say(tell(notice))
            case h.Finish():
                self._finish = command
        return answers

    def _spawn(self) -> h.Event:
        plan, runtime = self._plan, self._runtime
        try:
            # The error log continues from its end; the captured output begins anew with each start.
            runtime.follower.follow(ERROR, plan.error_log)
            if plan.access_log is not None and not self.state.served:
                runtime.follower.follow(ACCESS, plan.access_log)
            runtime.files.remove(plan.pid_file)
            if self._before_start is not None:
                self._before_start()
            process = runtime.processes.spawn(plan.launch)
            runtime.follower.follow(OUTPUT, plan.launch.output, from_start=True)
            try:
                runtime.files.write(plan.record, f"{process}\n".encode(), 0o640)
            except EnvironmentFault:
                # Without its record a later supervisor could not find it.
                runtime.processes.clear_group(process.pid)
                raise
        except EnvironmentFault as fault:
            return h.SpawnFailed(self._now(), fault.diagnostics[0])
        return h.Spawned(self._now(), process.pid)

    def _clear(self, pid: int) -> tuple[h.Event, ...]:
        processes = self._runtime.processes
        if not processes.clear_group(pid):
            self._say(f"Some processes of httpd (group {pid}) do not end, not even when killed.")
        return (*self._exits(), h.GroupGone(self._now(), pid))

    def _exits(self) -> tuple[h.Exited, ...]:
        now = self._now()
        return tuple(h.Exited(now, e.pid, e.code, e.signal) for e in self._runtime.processes.reap())

    def _look_at_processes(self) -> None:
        exits = self._exits()
        if exits:
            # What it said last explains why it ended.
            self._look_at_logs()
        for event in exits:
            self._feed(event)

    def _look_at_logs(self) -> None:
        for line in self._runtime.follower.read():
            if line.source == ACCESS:
                self._tell_all(self._access_told(line.text))
                continue
            logged = parse_error_line(line.text)
            if logged is None or logged.pid == self.state.pid:
                self._feed(h.Line(self._now(), line.text))
            if logged is not None and logged.number in READY:
                self._feed(h.Ready(self._now(), logged.pid))
            if self.state.phase not in {Phase.STARTING, Phase.CLEARING, Phase.FINISHED}:
                # The lines of a failing start are explained as a whole, not told one by one.
                self._tell_all(self._error_told(line.text))

    def _tell_all(self, texts: tuple[str, ...]) -> None:
        for text in texts:
            self._say(text)

    def _clear_leftovers(self) -> None:
        """End what an earlier supervisor of this gateway left when it was killed."""
        files, processes = self._runtime.files, self._runtime.processes
        if files.kind(self._plan.record) is not FileKind.FILE:
            return
        leader = ProcessId.parse(files.read(self._plan.record).decode("ascii", "replace"))
        binary = PurePath(self._plan.launch.command[0])
        if leader is not None and processes.leftovers(leader, binary):
            self._say(
                f"An earlier httpd of this gateway (pid {leader.pid}) had lost its supervisor; it is ended first."
            )
            processes.clear_group(leader.pid)

    def _with_holder(self, problem: Diagnostic) -> Diagnostic:
        """The same problem, naming the program that holds the port if it is that and can be found out."""
        if problem.code != "port-taken":
            return problem
        address = problem.what.removeprefix("port ").partition(" ")[0]
        host, _, port = address.rpartition(":")
        holder = self._runtime.network.holder(host.strip("[]") or None, int(port)) if port.isdigit() else ""
        return port_taken(address, holder)


def supervise(
    plan: Plan,
    runtime: Runtime,
    *,
    say: Callable[[str], None],
    on_ready: Callable[[], None],
    every: Callable[[], None] | None = None,
    before_start: Callable[[], None] | None = None,
    elsewhere: Callable[[str], str] = lambda _: "",
) -> int:
    """Run httpd until it is told to stop; the exit code.

    ``say`` takes one line for the operator at a time. ``on_ready`` is called once, when httpd first serves. ``every`` is
    called several times a second while it serves, and must be quick; ``before_start`` before each start. Raises :class:`EnvironmentFault` with the reasons
    when httpd never became ready, or died too often to go on. ``elsewhere`` is the narrator's.
    """
    supervisor = Supervisor(plan, runtime, say, on_ready, every=every, before_start=before_start, elsewhere=elsewhere)
    finish = supervisor.run()
    if finish.problems:
        raise EnvironmentFault(*finish.problems)
    return finish.code if finish.code >= 0 else EXIT_BUG
