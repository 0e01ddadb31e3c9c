"""Who runs a gateway's folder: one supervisor at a time, and a record of what it told when it became ready."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from gatewright.app.metrics import certificate_metrics
from gatewright.app.places import Places
from gatewright.app.reports import ANCHOR, CertificateState, DownReport, Example, ReadyInfo, StatusReport
from gatewright.errors import Diagnostic, Severity
from gatewright.plan.happenings import Signal
from gatewright.ports.clock import Clock
from gatewright.ports.files import FileKind, Files
from gatewright.ports.process import Processes, ProcessId

SOON_DAYS = 14
"""Days before its end from which a certificate is a problem worth saying: two working weeks to act."""

# Longer than httpd is given to end by itself, so that the supervisor can finish its own forced stop first.
_PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Record:
    """What a supervisor leaves in ``run/`` for other commands: its process, since when, and what it answered with."""

    supervisor: ProcessId
    since: datetime
    info: ReadyInfo

    def to_json(self) -> bytes:
        """The file's content."""
        data = {"supervisor": str(self.supervisor), "since": self.since.isoformat(), "info": self.info.as_dict()}
        return (json.dumps(data, indent=1) + "\n").encode()

    @classmethod
    def from_json(cls, content: bytes) -> Record | None:
        """The record, or ``None`` where the file is no record of this version."""
        try:
            data = json.loads(content)
            supervisor = ProcessId.parse(data["supervisor"])
            since = datetime.fromisoformat(data["since"])
            info = ready_info(data["info"])
        except (ValueError, KeyError, TypeError):
            return None
        return None if supervisor is None else cls(supervisor, since, info)


def ready_info(data: Mapping[str, Any]) -> ReadyInfo:
    """A :class:`ReadyInfo` from its JSON form. Raises ``KeyError``, ``TypeError`` or ``ValueError`` for anything else."""
    fields = dict(data)
    certificates, examples = fields.pop("certificates"), fields.pop("examples")
    secrets = fields.pop("signing_secrets", ())
    return ReadyInfo(
        **fields,
        certificates=tuple(
            CertificateState(**{**c, "not_after": datetime.fromisoformat(c["not_after"])}) for c in certificates
        ),
        examples=tuple(Example(**e) for e in examples),
        signing_secrets=tuple(secrets),
    )


def record_path(places: Places) -> PurePosixPath:
    """Where the record stands."""
    return places.run / "gateway.json"


def lock_path(places: Places) -> PurePosixPath:
    """The file whose lock is held as long as a supervisor lives."""
    return places.run / "lock"


def httpd_record_path(places: Places) -> PurePosixPath:
    """Where the supervisor notes its httpd's process."""
    return places.run / "httpd.process"


def read_record(files: Files, places: Places) -> Record | None:
    """The last supervisor's record, whether it still runs or not."""
    path = record_path(places)
    return Record.from_json(files.read(path)) if files.kind(path) is FileKind.FILE else None


def keep_record(files: Files, places: Places, record: Record) -> None:
    """Replace the record, and what collectors read of it."""
    files.write(record_path(places), record.to_json(), 0o600)
    content = certificate_metrics(record.info.certificates).encode()
    files.write(places.run / "certificates.prom", content, 0o640)


def end_path(places: Places) -> PurePosixPath:
    """Where a supervisor that gave up says why, until the next one serves."""
    return places.run / "ended.json"


def keep_end(files: Files, places: Places, problems: Sequence[Diagnostic], now: datetime) -> None:
    """Note why the gateway ended by itself: whoever asks next may not have seen its last words."""
    data = {"when": now.isoformat(), "problems": [problem.as_dict() for problem in problems]}
    files.write(end_path(places), (json.dumps(data, indent=1) + "\n").encode(), 0o600)


def last_end(files: Files, places: Places) -> tuple[Diagnostic, ...]:
    """Why the gateway ended by itself, if it did."""
    path = end_path(places)
    if files.kind(path) is not FileKind.FILE:
        return ()
    try:
        data = json.loads(files.read(path))
        when = datetime.fromisoformat(data["when"])
        problems = [Diagnostic.from_dict(problem) for problem in data["problems"]]
    except (ValueError, KeyError, TypeError):
        return ()
    return tuple(replace(p, what=f"it ended by itself at {when:%Y-%m-%d %H:%M:%S} UTC: {p.what}") for p in problems)


def is_held(files: Files, places: Places) -> bool:
    """Whether a supervisor runs in this folder. Writes nothing."""
    if files.kind(lock_path(places)) is FileKind.MISSING:
        return False
    with files.lock(lock_path(places)) as free:
        return not free


def orphan(files: Files, places: Places, processes: Processes) -> ProcessId | None:
    """The httpd of this gateway that serves on although its supervisor was killed, if there is one."""
    path = httpd_record_path(places)
    if files.kind(path) is not FileKind.FILE or is_held(files, places):
        return None
    httpd = ProcessId.parse(files.read(path).decode("ascii", "replace"))
    return httpd if httpd is not None and processes.alive(httpd) else None


def status(
    files: Files,
    places: Places,
    clock: Clock,
    processes: Processes,
    generation: int,
    *,
    drift: tuple[Diagnostic, ...] = (),
) -> StatusReport:
    """What runs, since when, and which certificates end when; ``drift`` is told with the other problems."""
    running = is_held(files, places)
    record = read_record(files, places)
    now = clock.now()
    if record is None:
        return StatusReport(running, str(places.folder), generation=generation, problems=drift)
    certificates = tuple(replace(c, days_left=(c.not_after - now).days) for c in record.info.certificates)
    problems = (*drift, *ending(certificates))
    if not running:
        left = orphan(files, places, processes)
        found = (*last_end(files, places), *problems) if left is None else (_alone(left.pid), *problems)
        return StatusReport(
            running, str(places.folder), generation=generation, certificates=certificates, problems=found
        )
    return StatusReport(
        running=True,
        folder=str(places.folder),
        pid=record.supervisor.pid,
        since=record.since,
        uptime_seconds=max(0.0, (now - record.since).total_seconds()),
        generation=record.info.generation,
        httpd_version=record.info.httpd_version,
        url=record.info.url,
        port=_port(record.info.url),
        certificates=certificates,
        problems=problems,
    )


def stop(files: Files, places: Places, clock: Clock, processes: Processes, wait: Callable[[], None]) -> DownReport:
    """Ask the supervisor to stop and wait until it has; kill it, and httpd with it, when it does not.

    An httpd whose supervisor was killed is stopped in its place.
    """
    if is_held(files, places):
        record = read_record(files, places)
        found, httpd = (record.supervisor.pid, record.info.pid) if record else (0, 0)
    else:
        left = orphan(files, places, processes)
        found = httpd = left.pid if left else 0
    if not found:
        return DownReport(was_running=False, folder=str(places.folder))

    def runs() -> bool:
        return is_held(files, places) or (found == httpd and processes.identify(httpd) is not None)

    began = clock.monotonic()
    processes.signal(found, Signal.STOP)
    while runs() and clock.monotonic() - began < _PATIENCE_S:
        wait()
    forced = runs()
    if forced:
        processes.signal(found, Signal.KILL)
    if forced or found == httpd:
        processes.clear_group(httpd)
    return DownReport(
        was_running=True, folder=str(places.folder), pid=found, seconds=clock.monotonic() - began, forced=forced
    )


def _alone(pid: int) -> Diagnostic:
    return Diagnostic(
        "supervisor-lost",
        f"httpd (pid {pid}) serves on, but the process that looked after it is gone",
        "nobody starts it again, renews its certificate or publishes changed files",
        "gatewright up takes its place, gatewright down stops it",
    )


def ending(certificates: Sequence[CertificateState]) -> tuple[Diagnostic, ...]:
    """What ends within :data:`SOON_DAYS`, or has ended. A partner's CA is none of that as long as another one of it goes on."""
    lasting = {c.name for c in certificates if c.kind == ANCHOR and c.days_left >= SOON_DAYS}
    return tuple(
        _ending_anchor(c) if c.kind == ANCHOR else _ending(c)
        for c in certificates
        if c.days_left < SOON_DAYS and not (c.kind == ANCHOR and c.name in lasting)
    )


def _ending_anchor(certificate: CertificateState) -> Diagnostic:
    ended = certificate.days_left < 0
    when = "has ended" if ended else f"ends in {certificate.days_left} days"
    return Diagnostic(
        "anchor-ended" if ended else "anchor-ends-soon",
        f"the partner's CA {certificate.subject} of authority {certificate.name} {when}",
        "its clients are refused from then on, and only the partner can issue from another",
        f"get the partner's next CA certificate, then: gatewright partner renew {certificate.name} --ca FILE --apply --yes",
        severity=Severity.ERROR if ended else Severity.WARNING,
    )


# Of the kinds of CertificateState all but a partner's CA.
_OWN = "gatewright apply renews one that was issued here, or says what keeps it from that; of your own, replace the files first"
_REMEDIES = {
    "server": _OWN,
    "backend-client": _OWN,
    "issuing": "make the next issuing CA: gatewright ca next {name}; then: gatewright apply",
    "client": "issue a new one: gatewright cert issue {name}",
    "root": "declare another managed authority beside it, and have its root trusted before this one ends",
}


def _ending(certificate: CertificateState) -> Diagnostic:
    ended = certificate.days_left < 0
    when = "has ended" if ended else f"ends in {certificate.days_left} days"
    return Diagnostic(
        "certificate-ended" if ended else "certificate-ends-soon",
        f"the {certificate.kind} certificate of {certificate.name} {when} ({certificate.subject})",
        "every connection that needs it is refused from then on",
        _REMEDIES.get(certificate.kind, "issue a new one").format(name=certificate.name),
        severity=Severity.ERROR if ended else Severity.WARNING,
    )


def _port(url: str) -> int:
    _, _, port = url.rpartition(":")
    return int(port) if port.isdigit() else 443
