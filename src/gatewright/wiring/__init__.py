"""The only importer of edges: settings in, working objects out. `wiring.verify` serves the commands that only look.

Each function is one command's use case with the real outside plugged in. Imports are inside the functions, so that a
command loads only what it uses.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from gatewright.errors import EXIT_OK, Diagnostic, EnvironmentFault, UsageError
from gatewright.wiring.ourselves import ended_with, ourselves

if TYPE_CHECKING:
    from gatewright.app.places import Places
    from gatewright.app.policy import Policy
    from gatewright.app.preparing import Prepared, Tools
    from gatewright.app.reports import CheckReport, DownReport, InitReport, ReadyInfo, Say, StatusReport
    from gatewright.app.settling import Settling
    from gatewright.app.upkeep import Upkeep
    from gatewright.edges.authorizer.process import LocalAuthorizer
    from gatewright.model.gateway import Declared, Gateway
    from gatewright.model.machine import Httpd


PATIENCE = "What is new is made now, and proved at a shadow instance before it serves; that takes some seconds."
"""Said where somebody would otherwise wait without a word."""


def init(folder: Path, *, host: str = "", listen: str = "") -> InitReport:
    """Write the starter into ``folder``. Raises :class:`UsageError` for a host or port that is none."""
    from gatewright.app.starter import init as write_starter
    from gatewright.edges.files import LocalFiles

    return write_starter(LocalFiles(), folder, host=host, listen=listen)


def check(folder: Path, file: Path | None) -> CheckReport:
    """Every problem of a gateway file; nothing is changed. Raises :class:`UsageError` when there is no such file."""
    from gatewright.app.reports import CheckReport

    path = file if file is not None else folder / "gateway.yaml"
    try:
        declared, found = _declared(path.absolute(), shown=str(path))
    except UsageError as error:
        return CheckReport(str(path), error.diagnostics)
    routes = declared.gateway.routes.values()
    return CheckReport(
        str(path),
        tuple(found),
        public=sum(r.access.is_public for r in routes),
        any_client=sum(r.access.admits_any_client for r in routes),
        named=sum(r.access.openness is None for r in routes),
    )


def compile_gateway(folder: Path, emit: str) -> str:
    """The configuration that ``folder``'s gateway file stands for; nothing is written."""
    import json

    from gatewright.app.preparing import compiled, preview
    from gatewright.compile.gateway import tree
    from gatewright.compile.ir import as_data

    places = places_of(folder)
    inputs = preview(places, policy_of(places).gateway, tools_here())
    if emit == "ir":
        return json.dumps(as_data(tree(inputs)), indent=1, ensure_ascii=False) + "\n"
    return compiled(inputs).files[0].content.decode()


def status(folder: Path) -> StatusReport:
    """What runs in ``folder``."""
    from dataclasses import replace

    from gatewright.app.drift import Drift
    from gatewright.app.generations import current_number
    from gatewright.app.key_sets import told
    from gatewright.app.metrics import last_proof, problems
    from gatewright.app.running import status as read_status
    from gatewright.edges.clock import SystemClock
    from gatewright.edges.files import LocalFiles
    from gatewright.edges.peeking import LocalPeek
    from gatewright.edges.process import LocalProcesses
    from gatewright.wiring.credentials import gateway_in_force

    files, places = LocalFiles(), places_of(folder)
    last = last_proof(files, places)
    issuers = told(files, places, gateway_in_force(places), SystemClock().now())
    drift = (*problems(last), *issuers, *Drift(places, files, LocalPeek())())
    report = read_status(files, places, SystemClock(), LocalProcesses(), current_number(files, places), drift=drift)
    return replace(report, proof=str(last) if last is not None else "")


def down(folder: Path) -> DownReport:
    """Stop what runs in ``folder``."""
    import time

    from gatewright.app.running import stop
    from gatewright.edges.clock import SystemClock
    from gatewright.edges.files import LocalFiles
    from gatewright.edges.process import LocalProcesses

    return stop(LocalFiles(), places_of(folder), SystemClock(), LocalProcesses(), lambda: time.sleep(0.05))


def up(folder: Path, *, detach: bool, console: Say, ready: Callable[[ReadyInfo], None]) -> int:
    """Bring up the gateway of ``folder``, making whatever is missing; in the foreground, until it is stopped."""
    from gatewright.app.generations import LOOK_S
    from gatewright.app.running import is_held, lock_path
    from gatewright.edges.files import LocalFiles

    files, places = LocalFiles(), places_of(folder)
    if is_held(files, places):
        return _runs_already(places, console, ready)
    if init(folder).written:
        console(f"Wrote a starter gateway to {folder}: gateway.yaml and a small site.")
    if detach:
        return _detached(places, console, ready)
    files.make_folder(places.run)
    with files.lock(lock_path(places), patience=LOOK_S) as ours:
        if not ours:
            return _runs_already(places, console, ready)
        return _foreground(places, console, ready)


def setup(say: Say) -> tuple[Httpd, bool]:
    """The httpd of this machine, installed from the system's packages if there is none; whether it was installed now."""
    from gatewright.edges.httpd import LocalHttpd
    from gatewright.edges.packages import LocalPackages

    finder = LocalHttpd(os.environ)
    try:
        return finder.find(), False
    except EnvironmentFault as fault:
        if fault.diagnostics[0].code != "httpd-missing":
            raise
    say("Apache httpd is missing; it comes from the system's packages.")
    LocalPackages().install(say)
    return finder.find(), True


def _foreground(places: Places, console: Say, ready: Callable[[ReadyInfo], None]) -> int:
    from gatewright.app.running import httpd_record_path, keep_end
    from gatewright.app.supervise import Plan, Runtime, command_of, supervise
    from gatewright.compile.gateway import CONFIGURATION
    from gatewright.compile.passes.credentials import AUTHORIZER_PORT
    from gatewright.compile.passes.server import PID_FILE
    from gatewright.edges.clock import SystemClock
    from gatewright.edges.files import LocalFiles
    from gatewright.edges.httpd import our_environment
    from gatewright.edges.logs import FileFollower
    from gatewright.edges.network import LocalNetwork
    from gatewright.edges.process import LocalProcesses, SignalWakeups
    from gatewright.model.credentials import KEY
    from gatewright.ports.process import Launch
    from gatewright.wiring.apply import prepared_and_proved
    from gatewright.wiring.credentials import authorizer

    tools = tools_here()
    _refuse_taken_port(places)
    prepared = prepared_and_proved(places, console)
    _shed_weight()
    keeper = authorizer(places, Path(prepared.layout.logs / "authorizer.log"))
    settling, every = _every(places, prepared.gateway, tools, console, keeper)
    runtime = Runtime(LocalProcesses(), SignalWakeups(), FileFollower(), LocalFiles(), SystemClock(), LocalNetwork())
    plan = Plan(
        launch=Launch(
            command_of(
                tools.httpd.binary,
                places.current / CONFIGURATION,
                settings={AUTHORIZER_PORT.name: str(keeper.port)},
            ),
            prepared.layout.folder,
            prepared.layout.logs / "httpd.out",
            {**our_environment(), KEY: keeper.key},
        ),
        error_log=prepared.layout.logs / "error.log",
        record=httpd_record_path(places),
        pid_file=places.run / PID_FILE,
        access_log=prepared.layout.logs / "access.log",
        ignore_hangup=_is_detached(),
    )
    try:
        return supervise(
            plan,
            runtime,
            say=console,
            on_ready=lambda: _tell_ready(places, prepared, tools, ready),
            every=every,
            before_start=settling.before_start,
            elsewhere=_elsewhere(places),
        )
    except EnvironmentFault as fault:
        # On a full disk the reason is told all the same, only not kept for 'status'.
        with suppress(EnvironmentFault):
            keep_end(runtime.files, places, fault.diagnostics, runtime.clock.now())
        raise
    finally:
        keeper.close()


def _elsewhere(places: Places) -> Callable[[str], str]:
    """What is known of a CA that a handshake did not trust, by the generation in force; looked up once for each."""
    from functools import lru_cache

    from gatewright.app.generations import current_number, read_manifest
    from gatewright.app.policy import applied_gateway
    from gatewright.diagnose.elsewhere import elsewhere
    from gatewright.edges.files import LocalFiles

    files = LocalFiles()

    @lru_cache(maxsize=1)
    def of(number: int) -> tuple[Gateway | None, dict[str, tuple[str, ...]]]:
        manifest = read_manifest(files, places.layout(number))
        anchors = manifest.anchors if manifest is not None else {}
        return applied_gateway(files, places, number), {n: tuple(s for _, s in pairs) for n, pairs in anchors.items()}

    def told(issuer: str) -> str:
        gateway, subjects = of(current_number(files, places))
        return elsewhere(gateway, subjects, issuer) if gateway is not None else ""

    return told


def _refuse_taken_port(places: Places) -> None:
    """Say that the port is taken before anything is made or proved. Raises :class:`EnvironmentFault`.

    Not where a killed supervisor may have left an httpd of this very gateway: that one is ended first, later.
    """
    from gatewright.app.checking import read_gateway
    from gatewright.app.running import httpd_record_path
    from gatewright.edges.files import LocalFiles
    from gatewright.edges.network import LocalNetwork
    from gatewright.ports.files import FileKind

    files = LocalFiles()
    if files.kind(httpd_record_path(places)) is not FileKind.MISSING:
        return
    listen = read_gateway(files, places.folder, places.gateway_file).gateway.listen
    obstacle = LocalNetwork().obstacle(listen.address, listen.port)
    if obstacle is not None:
        raise EnvironmentFault(obstacle)


_SHED = "GATEWRIGHT_SHED"


def _shed_weight() -> None:
    """Begin again as a fresh program where making certificates has brought in what supervising never needs.

    The certificate linter and the prover take some 40 MB that Python never gives back, and a supervisor runs for months.
    Now that everything is made, a second beginning finds it and changes nothing. It happens once at most.
    """
    if "pkilint" in sys.modules and _SHED not in os.environ:
        sys.stdout.flush()
        sys.stderr.flush()
        # Nothing of it comes from the user but the arguments this program was started with.
        os.execve(sys.executable, ourselves(*sys.argv[1:]), {**os.environ, _SHED: "1"})  # noqa: S606 - see above: no shell, and no words but our own


def _every(
    places: Places, gateway: Gateway, tools: Tools, say: Say, keeper: LocalAuthorizer
) -> tuple[Settling, Callable[[], None]]:
    """What is looked after several times a second while httpd serves."""
    import signal
    import time

    from gatewright.app.chores import Chores
    from gatewright.app.rotation import Rotation
    from gatewright.app.settling import Settling
    from gatewright.edges.clock import SystemClock
    from gatewright.edges.files import LocalFiles
    from gatewright.wiring.apply import Renewal, made_anew
    from gatewright.wiring.credentials import CredentialKeeper
    from gatewright.wiring.enrolment import Enrolment
    from gatewright.wiring.timer import proof_timer

    renewal, proofs = Renewal(places, say), proof_timer(places, say)
    upkeep, enrolment = _upkeep(places, gateway, tools, say, renewal), Enrolment(places, gateway, say)
    rotation = Rotation(LocalFiles(), places.folder / "logs", SystemClock(), say)
    credentials = CredentialKeeper(places, gateway, keeper, say, time.monotonic)
    credentials()

    def follow(gateway: Gateway) -> None:
        upkeep.follow(gateway)
        enrolment.follow(gateway)
        credentials.follow(gateway)

    settling = Settling(
        places,
        LocalFiles(),
        say=say,
        reload=lambda: os.kill(os.getpid(), signal.SIGUSR1),
        follow=follow,
        again=renewal,
        anew=lambda: made_anew(places),
        clock=SystemClock(),
    )

    return settling, Chores(say, settling, enrolment, renewal.look, credentials, upkeep, proofs, rotation)


def _upkeep(places: Places, gateway: Gateway, tools: Tools, say: Say, renew: Callable[[], None]) -> Upkeep:
    from gatewright.app.upkeep import Upkeep
    from gatewright.app.watching import StoreWatch
    from gatewright.edges.clock import SystemClock
    from gatewright.wiring.pki import pki_there

    return Upkeep(
        places,
        gateway,
        mirror=tools.mirror,
        clock=SystemClock(),
        say=say,
        watch_store=StoreWatch(lambda: pki_there(Path(places.folder)), places.revoked, say).look,
        renew=renew,
    )


def _tell_ready(places: Places, prepared: Prepared, tools: Tools, ready: Callable[[ReadyInfo], None]) -> None:
    from gatewright.app.generations import mark_kept
    from gatewright.app.running import Record, end_path, keep_record
    from gatewright.edges.clock import SystemClock
    from gatewright.edges.files import LocalFiles
    from gatewright.edges.process import LocalProcesses
    from gatewright.ports.process import ProcessId

    files, now = LocalFiles(), SystemClock().now()
    files.remove(end_path(places))
    mark_kept(files, places, prepared.number, "served", now)
    httpd = ProcessId.parse(files.read(places.run / "httpd.process").decode())
    info = prepared.ready(httpd.pid if httpd else 0, tools.httpd, detached=_is_detached())
    us = LocalProcesses().identify(os.getpid()) or ProcessId(os.getpid())
    keep_record(files, places, Record(us, now, info))
    ready(info)


def _runs_already(places: Places, console: Say, ready: Callable[[ReadyInfo], None]) -> int:
    from dataclasses import replace

    from gatewright.app.drift import Drift
    from gatewright.app.running import read_record
    from gatewright.edges.files import LocalFiles
    from gatewright.edges.peeking import LocalPeek
    from gatewright.edges.process import LocalProcesses

    record = read_record(LocalFiles(), places)
    # The record may still be an earlier supervisor's.
    if record is None or not LocalProcesses().alive(record.supervisor):
        raise EnvironmentFault(
            Diagnostic(
                "start-under-way",
                f"another process is bringing up the gateway in {places.folder}",
                "two at once would fight over its files",
                "wait a moment, then: gatewright status",
            )
        )
    ready(replace(record.info, started=False))
    waiting = Drift(places, LocalFiles(), LocalPeek()).not_applied()
    if waiting is not None:
        console(f"{waiting.what} ({waiting.fix})")
    return EXIT_OK


_DETACHED = "GATEWRIGHT_DETACHED"


def _is_detached() -> bool:
    return os.environ.get(_DETACHED) == "1"


def _detached(places: Places, console: Say, ready: Callable[[ReadyInfo], None]) -> int:
    """Start this very command in a session of its own and wait for its first words: ready, or why not."""
    import json

    from gatewright.app.generations import current_number
    from gatewright.app.running import ready_info
    from gatewright.edges.detached import first_words
    from gatewright.edges.files import LocalFiles

    if not current_number(LocalFiles(), places):
        console(PATIENCE)
    LocalFiles().make_folder(places.folder / "logs")
    log = Path(places.folder / "logs" / "gatewright.log")
    command = ourselves("-C", str(places.folder), "--json", "up")
    said, code = first_words(command, log, {**os.environ, _DETACHED: "1"})
    if code is None:
        ready(ready_info(json.loads(said)))
        return EXIT_OK
    what = "the detached gateway ended before it was ready"
    raise ended_with(code, said, Diagnostic("detached-start-failed", what, "", f"read its last words: tail {log}"))


def policy_of(places: Places, say: Say | None = None) -> Policy:
    """The gateway file if nothing in it is wrong; ``say`` takes the warnings. Raises :class:`UsageError` with every problem."""
    from gatewright.app.policy import read_policy
    from gatewright.edges.clock import SystemClock
    from gatewright.edges.files import LocalFiles
    from gatewright.pki.inspect import PemInspector

    policy = read_policy(LocalFiles(), places.folder, places.gateway_file, SystemClock(), PemInspector())
    for diagnostic in policy.warnings:
        if say is not None:
            say(f"{diagnostic.where}: {diagnostic.severity}: {diagnostic.what}")
    return policy


def _declared(file: Path, *, shown: str) -> tuple[Declared, list[Diagnostic]]:
    """What the file declares, judged with what stands beside it; messages name it as ``shown`` does."""
    from gatewright.app.checking import check_gateway
    from gatewright.edges.clock import SystemClock
    from gatewright.edges.files import LocalFiles
    from gatewright.pki.inspect import PemInspector

    return check_gateway(LocalFiles(), file.parent, file, SystemClock(), PemInspector(), shown=shown)


def places_of(folder: Path) -> Places:
    """Where everything of the gateway in ``folder`` stands."""
    from gatewright.app.places import Places
    from gatewright.edges.accounts import LocalAccounts

    return Places(PurePosixPath(folder.resolve()), LocalAccounts().unprivileged())


def tools_here() -> Tools:
    """What preparing a generation needs of this machine."""
    from gatewright.app.preparing import Tools
    from gatewright.edges.files import LocalFiles
    from gatewright.edges.httpd import LocalHttpd
    from gatewright.edges.mirror import LocalMirror
    from gatewright.edges.openssl import OpenSsl

    openssl = OpenSsl()
    return Tools(LocalFiles(), openssl, LocalMirror(), LocalHttpd(os.environ).find(), _system_anchors())


def _system_anchors() -> PurePosixPath | None:
    from gatewright.edges.openssl import SYSTEM_BUNDLES

    return next((PurePosixPath(path) for path in SYSTEM_BUNDLES if Path(path).is_file()), None)
