"""Wiring of ``plan`` and ``apply``."""

from __future__ import annotations

import gc
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gatewright.errors import EXIT_OK, Diagnostic, EnvironmentFault, GatewrightError
from gatewright.wiring import PATIENCE, places_of, policy_of, tools_here
from gatewright.wiring.ourselves import ended_with, ourselves, with_code

if TYPE_CHECKING:
    from gatewright.app.applying import ApplyReport, Choice, Outside
    from gatewright.app.places import Places
    from gatewright.app.planning import Planning, PlanReport
    from gatewright.app.policy import Policy
    from gatewright.app.preparing import Prepared, Tools
    from gatewright.app.reports import Say
    from gatewright.ports.proof import ProofResult, Where


def plan(folder: Path) -> PlanReport:
    """What applying the gateway file of ``folder`` would do. Raises :class:`~gatewright.errors.UsageError` for a bad file."""
    places = places_of(folder)
    return planning(places)(policy_of(places))


def apply(folder: Path, *, yes: bool, back: bool, again: bool, say: Say, starting: bool = False) -> ApplyReport:
    """Bring the gateway file of ``folder`` into force, or (``back``) the generation before the current one.

    ``again``: not the gateway file, but what is in force already, once more; this renews the gateway's certificate when
    that is due. ``starting``: for ``up``, which holds the folder but has not started httpd yet. ``yes``: a human has agreed to what needs it. Raises :class:`~gatewright.errors.UsageError` where there is no gateway
    file, and :class:`EnvironmentFault` while another process applies; every other failure is in the report.
    """
    from gatewright.app.applying import Applying, previous
    from gatewright.app.checking import read_gateway
    from gatewright.app.generations import current_number, policy_as_applied
    from gatewright.edges.files import LocalFiles
    from gatewright.ports.files import FileKind

    # Most of what an apply makes lives until it ends, a few seconds later: looking for garbage costs a twentieth of its time.
    gc.set_threshold(100_000, 50, 50)
    files, places = LocalFiles(), places_of(folder)
    if files.kind(places.gateway_file) is not FileKind.FILE:
        read_gateway(files, places.folder, places.gateway_file)  # says what stands there instead
    outside = _outside(places)

    def earlier() -> Choice:
        return previous(places, outside.tools, lambda text: planning(places)(_stored(text)))

    def declared() -> Choice:
        return _declared(places, outside.tools, policy_of(places, say), yes=yes, say=say, starting=starting)

    def once_more() -> Choice:
        text = policy_as_applied(files, places, current_number(files, places))
        policy = policy_of(places, say) if text is None else _stored(text)
        return _declared(places, outside.tools, policy, yes=text is not None, say=say, starting=starting)

    files.make_folder(places.run)
    with apply_locked(places):
        choose = earlier if back else once_more if again else declared
        return Applying(places, outside, choose, say, running=False if starting else None)()


def prepared_and_proved(places: Places, say: Say) -> Prepared:
    """For a gateway that is about to be started: what its file declares, proved by a shadow instance if it is new.

    What is new is issued, compiled and proved by a process of its own, so that the supervisor does not keep the memory
    that takes. Raises :class:`~gatewright.errors.GatewrightError` with the reasons; the current generation is untouched then.
    """
    from gatewright.app.applying import Applying

    policy = policy_of(places, say)
    report = planning(places)(policy)
    if report.difference.reload:
        say(PATIENCE)
        _apply_apart(places)
    outside = _outside(places)

    def declared() -> Choice:
        return _declared(places, outside.tools, policy, report=report, say=say, starting=True)

    with apply_locked(places):
        applying = Applying(places, outside, declared, lambda _text: None, running=False)
        done = applying()
    if done.code != EXIT_OK:
        raise with_code(done.code, done.problems)
    return applying.prepared


def made_anew(places: Places) -> None:
    """What is in force, issued, compiled and proved once more while httpd does not run. Raises :class:`EnvironmentFault`."""
    from dataclasses import replace

    from gatewright.app.generations import current_number
    from gatewright.app.running import keep_record, read_record
    from gatewright.edges.files import LocalFiles

    try:
        _apply_apart(places, "--again")
    except GatewrightError as error:
        raise EnvironmentFault(*error.diagnostics) from error
    files = LocalFiles()
    record = read_record(files, places)
    if record is not None:
        number = current_number(files, places)
        keep_record(files, places, replace(record, info=replace(record.info, generation=number)))


def _apply_apart(places: Places, *options: str) -> None:
    """Apply in another process, and raise what it told."""
    command = ourselves("-C", str(places.folder), "--json", "apply", "--starting", *options)
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False
    )
    if done.returncode == EXIT_OK:
        return
    what = f"preparing the gateway ended with code {done.returncode} and without a word"
    raise ended_with(done.returncode, done.stdout, Diagnostic("not-prepared", what, "", "see why: gatewright apply"))


class Proofs:
    """The proof that applying asks for, made ready when it is needed: before that nothing may be written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def prove(self, where: Where) -> ProofResult:
        """See :class:`gatewright.ports.proof.Proof`."""
        from gatewright.wiring.prove import attacking

        with attacking(self._folder) as attack:
            return attack.prove(where)


class Renewal:
    """Applies what is in force once more, in a process of its own: applying waits for the supervisor's own work."""

    def __init__(self, places: Places, say: Say) -> None:
        self._places, self._say = places, say
        self._log = Path(places.folder / "logs" / "renewal.log")
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self) -> None:
        """Begin, unless the last one is still under way. Raises :class:`EnvironmentFault` where that cannot be done now."""
        from gatewright.edges.background import begin

        if self._process is not None:
            return
        self._process = begin(ourselves("-C", str(self._places.folder), "apply", "--again"), self._log)

    def look(self) -> None:
        """Tell how it ended, if it has."""
        if self._process is None or (code := self._process.poll()) is None:
            return
        self._process = None
        if code != EXIT_OK:
            self._say(f"Warning: the gateway goes on as it is; looking after its certificate failed, see {self._log}")


@contextmanager
def apply_locked(places: Places) -> Iterator[None]:
    """While inside, nobody else makes or switches generations. Raises :class:`EnvironmentFault` when somebody does."""
    from gatewright.app.generations import LOOK_S, apply_lock
    from gatewright.edges.files import LocalFiles

    with LocalFiles().lock(apply_lock(places), patience=LOOK_S) as ours:
        if not ours:
            raise EnvironmentFault(
                Diagnostic(
                    "apply-under-way",
                    f"another process is changing the gateway in {places.folder}",
                    "two changes at once could not be told apart when one has to be taken back",
                    "wait a moment, then: gatewright status",
                )
            )
        yield


def _declared(
    places: Places,
    tools: Tools,
    policy: Policy,
    *,
    say: Say,
    yes: bool = True,
    report: PlanReport | None = None,
    starting: bool = False,
) -> Choice:
    from gatewright.app.applying import Candidate, Choice
    from gatewright.app.preparing import build, members_only
    from gatewright.app.running import is_held
    from gatewright.edges.clock import SystemClock
    from gatewright.wiring.credentials import fetch_key_sets
    from gatewright.wiring.pki import close_pki, open_pki

    report = report or planning(places)(policy)
    running = not starting and is_held(tools.files, places)
    if report.difference.asks and not yes and not _made_already(places, policy):
        return Choice(None, report)
    change = members_only(places, policy, report.difference, tools, SystemClock()) if running else None
    if change is not None:
        candidate = Candidate(change.number, policy.gateway, changed=False, new=False, in_place=change)
        return Choice(candidate, report)
    fetch_key_sets(places, policy.gateway, say)
    pki = open_pki(Path(places.folder))
    try:
        prepared = build(places, policy.gateway, policy.text, tools, pki, running=running)
    finally:
        close_pki(pki)
    for warning in prepared.warnings:
        say(f"Warning: {warning.what} ({warning.fix})")
    candidate = Candidate(
        prepared.number, prepared.gateway, changed=prepared.changed, prepared=prepared, in_place=prepared.in_place
    )
    return Choice(candidate, report)


def _made_already(places: Places, policy: Policy) -> bool:
    """Whether this very policy is in force and waits only for its proof: the yes was given when it was made."""
    from gatewright.app.generations import current_number, stored_policy
    from gatewright.app.in_place import before_change
    from gatewright.edges.files import LocalFiles

    files, layout = LocalFiles(), places.layout(current_number(LocalFiles(), places))
    return before_change(files, layout) is not None and stored_policy(files, layout) == policy.text


def _stored(text: bytes) -> Policy:
    from gatewright.app.policy import Policy
    from gatewright.source import decode_text, load

    return Policy(text, load(decode_text(text, "gateway.yaml"), "gateway.yaml"))


def planning(places: Places) -> Planning:
    """How it is found out what applying a gateway file would do."""
    from gatewright.app.planning import Planning
    from gatewright.edges.clock import SystemClock
    from gatewright.edges.files import LocalFiles
    from gatewright.edges.openssl import OpenSsl

    return Planning(places, LocalFiles(), OpenSsl(), SystemClock())


def _outside(places: Places) -> Outside:
    from gatewright.app.applying import Outside
    from gatewright.app.reloading import Reloading
    from gatewright.edges.clock import SystemClock
    from gatewright.edges.files import LocalFiles
    from gatewright.edges.logs import FileFollower
    from gatewright.edges.network import LocalNetwork
    from gatewright.edges.process import LocalProcesses
    from gatewright.wiring.credentials import shadows

    files, clock = LocalFiles(), SystemClock()
    reloading = Reloading(places, files, LocalProcesses(), FileFollower(), clock, time.sleep)
    proof = Proofs(Path(places.folder))
    return Outside(tools_here(), clock, LocalNetwork(), shadows(places), proof, reloading)
