"""Bringing a change into force: the loop that carries the steps of :mod:`gatewright.plan.applying` to the ports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from gatewright.app import generations as g
from gatewright.app.in_place import InPlace, before_change, proved, restate, take_back, touched
from gatewright.app.members import rederive
from gatewright.app.places import Places, publish
from gatewright.app.planning import PlanReport
from gatewright.app.policy import applied_gateway, readable
from gatewright.app.preparing import Prepared, Tools
from gatewright.app.reloading import Reloading
from gatewright.app.running import is_held, keep_record, read_record
from gatewright.compile.gateway import CONFIGURATION
from gatewright.compile.passes.credentials import needs_authorizer
from gatewright.errors import EXIT_FINDING, EXIT_OK, Diagnostic, EnvironmentFault, FindingError, GatewrightError
from gatewright.model.gateway import Gateway
from gatewright.model.values import RoutePath
from gatewright.plan.applying import Begin, Chosen, Done, End, Event, Failed, Outcome, State, Step, step
from gatewright.ports.clock import Clock
from gatewright.ports.files import FileKind
from gatewright.ports.network import Network
from gatewright.ports.proof import Proof, ProofResult, Touched, Where
from gatewright.ports.shadow import Shadow, ShadowPlan, Shadows

LOOPBACK = "127.0.0.1"

ROOM = 1 << 20
"""Octets that must be free on the disk: a generation of 1,000 routes, and the store's journal."""

FOCUS = 50
"""How many changed routes are tried whatever is sampled; of more, a sample like any other."""

SHADOW = "shadow"
"""Name of the shadow's folders below ``run`` and ``logs``. Its logs stay until the next one, to be looked at."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A whole generation that is to come into force. ``prepared`` is set when it was made from today's gateway file.

    ``in_place``: it is the one in force, and only the members of its groups change.
    """

    number: int
    gateway: Gateway
    changed: bool
    new: bool = True
    prepared: Prepared | None = None
    in_place: InPlace | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """What to apply, or (``candidate`` is ``None``) that a human has to say yes first. ``plan``: what it changes."""

    candidate: Candidate | None
    plan: PlanReport


@dataclass(frozen=True, slots=True)
class Outside:
    """The outside, as applying needs it."""

    tools: Tools
    clock: Clock
    network: Network
    shadows: Shadows
    proof: Proof
    reloading: Reloading


@dataclass(frozen=True, slots=True)
class ApplyReport:
    """What applying did. ``generation`` is the one that is current now, ``before`` the one that was.

    ``running``: a gateway took it; else the next start does. ``probes`` counts what was tried from outside, ``steps`` the
    seconds of each step that was taken, ``code`` is Gatewright's exit code.
    """

    outcome: Outcome
    folder: str
    generation: int
    before: int
    running: bool
    plan: PlanReport | None = None
    problems: tuple[Diagnostic, ...] = ()
    code: int = EXIT_OK
    probes: int = 0
    seconds: float = 0.0
    steps: tuple[tuple[str, float], ...] = ()

    def as_dict(self) -> dict[str, object]:
        """The JSON form."""
        return {
            "outcome": self.outcome.value,
            "folder": self.folder,
            "generation": self.generation,
            "before": self.before,
            "running": self.running,
            "plan": self.plan.as_dict() if self.plan is not None else None,
            "problems": [problem.as_dict() for problem in self.problems],
            "probes": self.probes,
            "seconds": round(self.seconds, 3),
            "steps": [{"step": name, "seconds": round(seconds, 3)} for name, seconds in self.steps],
        }


_WORDS = {
    Step.SETTLE: "looking at what is in force",
    Step.CHOOSE: "reading, checking and compiling",
    Step.START_SHADOW: "starting a shadow instance",
    Step.PROVE_SHADOW: "proving the shadow instance",
    Step.STOP_SHADOW: "ending the shadow instance",
    Step.REMEMBER: "remembering the last good generation",
    Step.SWITCH: "switching",
    Step.RELOAD: "having httpd take it",
    Step.PROVE: "proving it on the real port",
    Step.KEEP: "keeping it",
    Step.MEMBERS: "changing who is in which group",
    Step.MEMBERS_BACK: "changing back who is in which group",
    Step.BACK: "going back to the last good generation",
    Step.RELOAD_BACK: "having httpd take the last good generation",
    Step.PROVE_BACK: "proving the last good generation",
    Step.FORGET: "settling",
    Step.DISCARD: "removing what did not stay",
}


@dataclass(slots=True)
class Applying:
    """One run, by the holder of the apply lock. ``choose`` finds or makes what is to come into force.

    ``running`` is found out when it is ``None``; a supervisor that has not started httpd yet says ``False``.
    """

    places: Places
    outside: Outside
    choose: Callable[[], Choice]
    say: Callable[[str], None]
    running: bool | None = None
    _choice: Choice | None = None
    _good: int = 0
    _touched: Touched | None = None
    _shadow: Shadow | None = None
    _probes: int = 0
    _code: int = EXIT_OK
    _bug: Exception | None = None
    _times: list[tuple[str, float]] = field(default_factory=list)

    def __call__(self) -> ApplyReport:
        """Until the end. What a step fails with is in the report; only a bug is raised, after everything is taken back."""
        files, clock = self.outside.tools.files, self.outside.clock
        began = clock.monotonic()
        running = self._is_running()
        before = g.pending_number(files, self.places) or g.current_number(files, self.places)
        state, command = step(State(), Begin(running))
        try:
            while not isinstance(command, End):
                state, command = step(state, self._answer(command))
        finally:
            if self._shadow is not None:
                self._shadow.stop()
        if self._bug is not None:
            raise self._bug
        return ApplyReport(
            command.outcome,
            str(self.places.folder),
            g.current_number(files, self.places),
            before,
            running,
            self._choice.plan if self._choice is not None else None,
            command.problems,
            self._exit_code(command.outcome),
            self._probes,
            clock.monotonic() - began,
            tuple(self._times),
        )

    @property
    def prepared(self) -> Prepared:
        """What was prepared; only after an end that is good."""
        assert self._candidate.prepared is not None
        return self._candidate.prepared

    def _is_running(self) -> bool:
        return is_held(self.outside.tools.files, self.places) if self.running is None else self.running

    def _answer(self, which: Step) -> Event:
        """What becomes of one step. Ctrl-C while it is announced, and not only within it, takes everything back."""
        try:
            return self._take(which)
        except KeyboardInterrupt:
            return Failed(which, (_interrupted(which),))

    def _take(self, which: Step) -> Event:
        """Carry out one step; whatever goes wrong in it is its answer."""
        self.say(f"{which.value}: {_WORDS[which]}")
        began = self.outside.clock.monotonic()
        answer: Event = Done(which)
        try:
            answer = self._carry_out(which) or answer
        except GatewrightError as error:
            self._code = self._code or error.exit_code
            answer = Failed(which, error.diagnostics)
        except Exception as error:  # noqa: BLE001 - a bug must not leave an unproved change in force; raised at the end
            self._bug = self._bug or error
            answer = Failed(which, (_failed_by_bug(which, error),))
        self._times.append((which.value, self.outside.clock.monotonic() - began))
        return answer

    def _exit_code(self, outcome: Outcome) -> int:
        """That of the first failure: a bad file, an environment that is not ready, or something unproved."""
        good = outcome in {Outcome.APPLIED, Outcome.UNCHANGED}
        return EXIT_OK if good else self._code or EXIT_FINDING

    def _carry_out(self, which: Step) -> Event | None:
        files, places = self.outside.tools.files, self.places
        match which:
            case Step.SETTLE:
                self._settle()
            case Step.CHOOSE:
                return self._chosen()
            case Step.START_SHADOW | Step.PROVE_SHADOW | Step.STOP_SHADOW:
                self._with_shadow(which)
            case Step.REMEMBER:
                self._good = g.last_good(files, places)
                if self._good:
                    g.remember(files, places, self._good)
            case Step.SWITCH:
                g.switch_to(files, places, self._candidate.number)
            case Step.RELOAD:
                self.outside.reloading()
            case Step.PROVE:
                self._prove_live(self._candidate.number, self._candidate.gateway)
            case Step.KEEP:
                self._keep()
            case Step.MEMBERS | Step.MEMBERS_BACK:
                self._change_members(which)
            case _:
                self._go_back(which)
        return None

    def _with_shadow(self, which: Step) -> None:
        if which is Step.START_SHADOW:
            self._start_shadow()
        elif which is Step.STOP_SHADOW:
            self._stop_shadow()
        else:
            assert self._shadow is not None
            self._prove(self._candidate.number, self._candidate.gateway, LOOPBACK, self._shadow.port, shadow=True)

    def _change_members(self, which: Step) -> None:
        files, candidate = self.outside.tools.files, self._candidate
        if which is Step.MEMBERS:
            assert candidate.in_place is not None
            candidate.in_place(files)
            self._touched = self._what_is_touched(candidate)
        else:
            self._good = candidate.number
            take_back(files, self.places, candidate.number)

    def _what_is_touched(self, candidate: Candidate) -> Touched | None:
        """By the policy that was proved before: perhaps a killed apply has begun the change already."""
        before = before_change(self.outside.tools.files, self.places.layout(candidate.number))
        old = readable(before) if before is not None else None
        return touched(old, candidate.gateway) if old is not None else None

    def _go_back(self, which: Step) -> None:
        files, places = self.outside.tools.files, self.places
        match which:
            case Step.BACK if self._good:
                g.switch_to(files, places, self._good)
            case Step.BACK:
                files.remove(places.current)
            case Step.RELOAD_BACK:
                self.outside.reloading(restarted_counts=True)
            case Step.PROVE_BACK:
                gateway = applied_gateway(files, places, self._good)
                if gateway is None:
                    raise FindingError(_unreadable(self._good))
                publish(self.outside.tools.mirror, places, gateway)
                self._prove_live(self._good, gateway)
            case Step.FORGET:
                g.forget(files, places)
            case Step.DISCARD:
                g.discard(files, places, self._candidate.number)

    @property
    def _candidate(self) -> Candidate:
        assert self._choice is not None
        assert self._choice.candidate is not None
        return self._choice.candidate

    def _settle(self) -> None:
        files, places = self.outside.tools.files, self.places
        files.make_folder(places.run)
        if g.pending_number(files, places):
            good = g.settle(files, places)
            self.say(f"an apply that was killed is taken back: generation {good} is current again")
            if self._is_running():
                self.outside.reloading(restarted_counts=True)
        number = g.current_number(files, places)
        if number and before_change(files, places.layout(number)) is not None:
            self.say("a change of members whose apply was killed is not proved yet: it is proved now, or taken back")
            restate(files, places.layout(number))
        rederive(files, places, number)

    def _chosen(self) -> Chosen:
        self._need_room()
        self._choice = self.choose()
        candidate = self._choice.candidate
        if candidate is None:
            return Chosen(0, asks=True)
        running = self._is_running()
        if candidate.changed and running:
            self._refuse_taken_port(candidate)
        changed = candidate.changed or (running and self._runs() != candidate.number)
        if candidate.in_place is not None and not changed:
            return Chosen(candidate.number, members=True, new=False)
        return Chosen(candidate.number, changed, new=candidate.new and candidate.changed)

    def _runs(self) -> int:
        """The generation that httpd runs, as far as is known."""
        record = read_record(self.outside.tools.files, self.places)
        return record.info.generation if record is not None else 0

    def _need_room(self) -> None:
        """A full disk is met here, where it is named, and not by the database or half way through a generation."""
        files, path = self.outside.tools.files, self.places.run / "room"
        try:
            files.write(path, bytes(ROOM))
        finally:
            files.remove(path)

    def _refuse_taken_port(self, candidate: Candidate) -> None:
        """A running httpd that cannot have its new port dies of it (measured on httpd 2.4.71)."""
        old = applied_gateway(self.outside.tools.files, self.places)
        new = candidate.gateway.listen
        if old is None or old.listen == new:
            return
        if old.listen.port == new.port and None in {old.listen.address, new.address}:
            raise EnvironmentFault(_same_port(str(old.listen), str(new)))
        obstacle = self.outside.network.obstacle(new.address, new.port)
        if obstacle is not None:
            raise EnvironmentFault(obstacle)

    def _start_shadow(self) -> None:
        files = self.outside.tools.files
        layout = self.places.layout(self._candidate.number)
        run, logs = layout.run / SHADOW, layout.logs / SHADOW
        files.remove(run)
        files.make_folder(run)
        files.make_folder(logs)
        binary, tokens = PurePosixPath(self.outside.tools.httpd.binary), needs_authorizer(self._candidate.gateway)
        plan = ShadowPlan(binary, layout.generation / CONFIGURATION, layout.folder, run, logs, tokens)
        self._shadow = self.outside.shadows.start(plan)

    def _stop_shadow(self) -> None:
        if self._shadow is not None:
            self._shadow.stop()
            self._shadow = None
        self.outside.tools.files.remove(self.places.run / SHADOW)

    def _prove_live(self, number: int, gateway: Gateway) -> None:
        address = str(gateway.listen.address or LOOPBACK)
        self._prove(number, gateway, address, gateway.listen.port, shadow=False)

    def _prove(self, number: int, gateway: Gateway, address: str, port: int, *, shadow: bool) -> None:
        manifest = g.read_manifest(self.outside.tools.files, self.places.layout(number))
        if manifest is None:
            raise FindingError(_unreadable(number))
        where = Where(
            gateway,
            address,
            port,
            number,
            manifest.certificate,
            shadow,
            self._changed(gateway),
            unseen=self._candidate.in_place is not None,
            touched=self._touched,
        )
        result: ProofResult = self.outside.proof.prove(where)
        self._probes += result.tried
        if not result.passed:
            raise FindingError(*(result.findings or (_no_reason(number),)))
        if not shadow:
            proved(self.outside.tools.files, self.places.layout(number))

    def _changed(self, gateway: Gateway) -> tuple[RoutePath, ...]:
        """Routes that the change is about, as far as ``gateway`` has them."""
        if self._choice is None:
            return ()
        subjects = {change.subject for change in self._choice.plan.difference.changes}
        return tuple(path for path in gateway.routes if path in subjects)[:FOCUS]

    def _keep(self) -> None:
        files, places, candidate = self.outside.tools.files, self.places, self._candidate
        g.mark_kept(files, places, candidate.number, "proved", self.outside.clock.now())
        g.forget(files, places)
        # From here on nothing may fail any more: it is in force and proved.
        try:
            self._tell_record(candidate)
            g.prune(files, places)
        except GatewrightError as error:
            self.say(f"kept, but: {error}")

    def _tell_record(self, candidate: Candidate) -> None:
        """What ``status`` shows is what runs now."""
        files = self.outside.tools.files
        record = read_record(files, self.places)
        if record is None or not self._is_running():
            return
        leader = self.outside.reloading.leader()
        pid = leader.pid if leader is not None else record.info.pid
        if candidate.prepared is not None:
            httpd = self.outside.tools.httpd
            info = candidate.prepared.ready(pid, httpd, detached=record.info.detached)
        else:
            info = replace(record.info, generation=candidate.number, pid=pid)
        keep_record(files, self.places, replace(record, info=info))


def previous(places: Places, tools: Tools, plan: Callable[[bytes], PlanReport]) -> Choice:
    """The newest kept generation before the current one. Raises :class:`FindingError` where there is none."""
    files = tools.files
    number = g.previous_number(files, places)
    gateway = applied_gateway(files, places, number) if number else None
    text = g.stored_policy(files, places.layout(number)) if number else None
    if gateway is None or text is None:
        raise FindingError(
            Diagnostic(
                "nothing-to-go-back-to",
                "there is no earlier generation that was proved or has served",
                "only what once held can come back unseen",
                "correct gateway.yaml and run: gatewright apply",
            )
        )
    manifest = g.read_manifest(files, places.layout(number))
    changed = g.differences(files, places.layout(number))
    missing = [p for p in (manifest.chain, manifest.key) if not _is_file(tools, p)] if manifest is not None else []
    if changed or missing:
        raise FindingError(_not_whole(number, [*changed, *missing]))
    publish(tools.mirror, places, gateway)
    rederive(files, places, number)
    return Choice(Candidate(number, gateway, changed=True, new=False), plan(text))


def _is_file(tools: Tools, path: str) -> bool:
    return tools.files.kind(PurePosixPath(path)) is FileKind.FILE


def _interrupted(which: Step) -> Diagnostic:
    return Diagnostic("interrupted", f"interrupted while {_WORDS[which]}", "", "run it again: gatewright apply")


def _failed_by_bug(which: Step, error: Exception) -> Diagnostic:
    return Diagnostic("bug", f"a bug in Gatewright while {_WORDS[which]}: {type(error).__name__}")


def _no_reason(number: int) -> Diagnostic:
    return Diagnostic("not-proved", f"generation {number} is not proved", "", "run: gatewright apply")


def _unreadable(number: int) -> Diagnostic:
    return Diagnostic(
        "generation-not-provable",
        f"generation {number} has no manifest or gateway file that can be read, so it cannot be proved",
        "it was made by another version, or its files were changed by hand",
        "run: gatewright apply",
    )


def _not_whole(number: int, files: list[str]) -> Diagnostic:
    return Diagnostic(
        "generation-changed-by-hand",
        f"generation {number} is not as it was written: {', '.join(files)}",
        "what it would do now is not what was proved",
        "correct gateway.yaml instead and run: gatewright apply",
    )


def _same_port(old: str, new: str) -> Diagnostic:
    return Diagnostic(
        "listen-needs-restart",
        f"a running gateway cannot change from listening on {old} to {new}",
        "httpd holds the port while it would have to take it again, and ends (measured on httpd 2.4.71)",
        "gatewright down, then gatewright up",
    )
