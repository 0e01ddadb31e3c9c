"""What the last proof of the running gateway came to, kept for ``status``; that and when certificates end, for whoever collects metrics."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath

from gatewright.app.places import Places
from gatewright.app.reports import CertificateState
from gatewright.errors import Diagnostic
from gatewright.ports.files import FileKind, Files
from gatewright.prove.report import Report


@dataclass(frozen=True, slots=True)
class LastProof:
    """The last proof of the running gateway. ``first`` is its first finding, ``shut`` the routes that are shut since."""

    at: datetime
    generation: int
    passed: bool
    findings: int
    probes: int
    first: str = ""
    shut: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """The JSON form."""
        return {
            "at": self.at.isoformat(),
            "generation": self.generation,
            "passed": self.passed,
            "findings": self.findings,
            "probes": self.probes,
            "first": self.first,
            "shut": list(self.shut),
        }

    @classmethod
    def from_json(cls, content: bytes) -> LastProof | None:
        """The proof, or ``None`` where the file is none of this version."""
        try:
            data = json.loads(content)
            fields = {**data, "at": datetime.fromisoformat(data["at"]), "shut": tuple(data["shut"])}
            return cls(**fields)
        except (ValueError, KeyError, TypeError):
            return None

    def __str__(self) -> str:
        """``passed 2026-01-31 12:00:00 UTC, 284 probes``."""
        when = self.at.strftime("%Y-%m-%d %H:%M:%S UTC")
        return f"passed {when}, {self.probes} probes" if self.passed else f"{self.findings} findings {when}"


def metrics_path(places: Places) -> PurePosixPath:
    """Where the metrics stand."""
    return places.run / "metrics.prom"


def metrics(last: LastProof) -> str:
    """The Prometheus text exposition format 0.0.4, as node_exporter's textfile collector reads it."""
    values = (
        ("gatewright_proof_passed", "Whether the last proof of the running gateway passed (1) or not (0).", int(last.passed)),
        ("gatewright_proof_findings", "Probes of the last proof that ended otherwise than they must.", last.findings),
        ("gatewright_proof_probes", "Probes of the last proof.", last.probes),
        ("gatewright_proof_last_seconds", "When the last proof ended, in seconds since 1970 (Unix time).", int(last.at.timestamp())),
        ("gatewright_routes_shut", "Routes that are shut because of findings.", len(last.shut)),
    )  # fmt: skip
    return "".join(f"# HELP {name} {text}\n# TYPE {name} gauge\n{name} {value}\n" for name, text, value in values)


def certificate_metrics(certificates: Iterable[CertificateState]) -> str:
    """When certificates end, in the same format; of several of one kind and name, the first to end.

    ``kind`` and ``name`` need no escaping: names of the gateway file are letters, digits, dots, hyphens and underscores.
    """
    name = "gatewright_certificate_not_after_seconds"
    ends: dict[tuple[str, str], int] = {}
    for one in certificates:
        key, end = (one.kind, one.name), int(one.not_after.timestamp())
        ends[key] = min(end, ends.get(key, end))
    head = f"# HELP {name} When a certificate ends, in seconds since 1970 (Unix time).\n# TYPE {name} gauge\n"
    return head + "".join(f'{name}{{kind="{kind}",name="{of}"}} {end}\n' for (kind, of), end in ends.items())


def note(files: Files, places: Places, report: Report, now: datetime, shut: tuple[str, ...] = ()) -> LastProof:
    """Keep what ``report`` came to. A shadow instance's proof says nothing about what runs and is not for here."""
    first = report.findings[0] if report.findings else None
    last = LastProof(
        now,
        report.generation,
        report.proven,
        len(report.findings),
        len(report.verdicts),
        f"{first.case.id}: {first.evidence}" if first is not None else "",
        shut,
    )
    files.make_folder(places.run)
    files.write(_record(places), (json.dumps(last.as_dict(), indent=1) + "\n").encode(), 0o640)
    files.write(metrics_path(places), metrics(last).encode(), 0o640)
    return last


def last_proof(files: Files, places: Places) -> LastProof | None:
    """What the last proof came to, if there was one."""
    path = _record(places)
    return LastProof.from_json(files.read(path)) if files.kind(path) is FileKind.FILE else None


def problems(last: LastProof | None) -> tuple[Diagnostic, ...]:
    """The last proof, where it did not pass."""
    if last is None or last.passed:
        return ()
    what = f"the last proof did not pass: {last}"
    if last.first:
        what += f"; the first: {last.first}"
    if last.shut:
        what += f"; shut since: {', '.join(last.shut)}"
    return (
        Diagnostic(
            "last-proof-failed",
            what,
            "a door of the running gateway is not as gateway.yaml declares it",
            "see all of it: gatewright prove; gatewright apply makes the configuration anew, proves it and opens what is shut",
        ),
    )


def _record(places: Places) -> PurePosixPath:
    return places.run / "proof.json"
