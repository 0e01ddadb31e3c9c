"""What the use cases tell their caller: frozen values, each with its JSON form. How they look is the caller's business."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gatewright.errors import Diagnostic, Severity


class Say(Protocol):
    """Takes one line for a human: progress, not results."""

    def __call__(self, text: str, /) -> None:
        """Show ``text`` (one line, without line end) now."""
        ...


ANCHOR = "anchor"
"""The kind of a partner's own CA certificate."""


@dataclass(frozen=True, slots=True)
class CertificateState:
    """One certificate of the running gateway.

    ``kind`` is ``root``, ``issuing``, ``server``, ``client``, ``anchor`` or ``backend-client``; ``name`` is the authority or client it belongs to
    (the first host for ``server``); ``days_left`` counts whole days and is negative once it has ended.
    """

    kind: str
    name: str
    subject: str
    not_after: datetime
    days_left: int

    def as_dict(self) -> dict[str, object]:
        """The JSON form; ``not_after`` in ISO 8601, UTC."""
        return {
            "kind": self.kind,
            "name": self.name,
            "subject": self.subject,
            "not_after": self.not_after.isoformat(),
            "days_left": self.days_left,
        }


@dataclass(frozen=True, slots=True)
class StatusReport:
    """What runs in a gateway's folder. Without a running gateway, ``pid``, ``since`` and ``url`` are ``None``.

    ``generation`` is 0 before the first one. ``problems`` are diagnostics about the state found. ``pid`` is the
    supervisor's, the process that ``down`` stops. ``proof`` is what the last proof came to, in words, empty before the first.
    """

    running: bool
    folder: str
    pid: int | None = None
    since: datetime | None = None
    uptime_seconds: float = 0.0
    generation: int = 0
    httpd_version: str = ""
    url: str | None = None
    port: int | None = None
    certificates: tuple[CertificateState, ...] = ()
    problems: tuple[Diagnostic, ...] = ()
    proof: str = ""

    def as_dict(self) -> dict[str, object]:
        """The JSON form."""
        return {
            "running": self.running,
            "folder": self.folder,
            "pid": self.pid,
            "since": self.since.isoformat() if self.since else None,
            "uptime_seconds": self.uptime_seconds,
            "generation": self.generation,
            "httpd_version": self.httpd_version,
            "url": self.url,
            "port": self.port,
            "certificates": [certificate.as_dict() for certificate in self.certificates],
            "proof": self.proof,
            "problems": [problem.as_dict() for problem in self.problems],
        }


@dataclass(frozen=True, slots=True)
class DownReport:
    """What stopping did. ``was_running`` is false when there was nothing to stop; ``forced`` when it took SIGKILL."""

    was_running: bool
    folder: str
    pid: int | None = None
    seconds: float = 0.0
    forced: bool = False

    def as_dict(self) -> dict[str, object]:
        """The JSON form."""
        return {
            "was_running": self.was_running,
            "folder": self.folder,
            "pid": self.pid,
            "seconds": round(self.seconds, 3),
            "forced": self.forced,
        }


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What was found in a gateway file, and how many routes it opens to whom."""

    file: str
    diagnostics: tuple[Diagnostic, ...] = ()
    public: int = 0
    any_client: int = 0
    named: int = 0

    @property
    def passed(self) -> bool:
        """Whether no diagnostic is an error."""
        return all(d.severity is not Severity.ERROR for d in self.diagnostics)

    @property
    def routes(self) -> int:
        """How many routes there are in all."""
        return self.public + self.any_client + self.named

    def as_dict(self) -> dict[str, object]:
        """The JSON form."""
        return {
            "file": self.file,
            "passed": self.passed,
            "routes": {"public": self.public, "any_client": self.any_client, "named": self.named},
            "diagnostics": [diagnostic.as_dict() for diagnostic in self.diagnostics],
        }


@dataclass(frozen=True, slots=True)
class InitReport:
    """Files made in a gateway's folder, relative to it; ``kept`` were there already and are untouched."""

    folder: str
    written: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """The JSON form."""
        return {"folder": self.folder, "written": list(self.written), "kept": list(self.kept)}


@dataclass(frozen=True, slots=True)
class Example:
    """One request a reader can try. ``status`` is the answer to expect, ``None`` where a backend decides."""

    path: str
    status: int | None
    with_certificate: bool = False

    def as_dict(self) -> dict[str, object]:
        """The JSON form."""
        return {"path": self.path, "status": self.status, "with_certificate": self.with_certificate}


@dataclass(frozen=True, slots=True)
class ReadyInfo:
    """A gateway that answers, and what a newcomer needs to try it. Every file is an absolute path.

    ``ca_file`` is what a caller must trust (``None``: a public CA, nothing to add). The four ``client_*`` are those of
    one client that Gatewright issued, or all ``None``. ``pid`` is httpd's. ``started`` is false when it ran before.
    ``signing_secrets`` are the files that backends need to verify requests with.
    """

    url: str
    folder: str
    generation: int
    pid: int
    httpd_version: str = ""
    certificates: tuple[CertificateState, ...] = ()
    examples: tuple[Example, ...] = ()
    ca_file: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None
    client_p12: str | None = None
    client_p12_password_file: str | None = None
    detached: bool = False
    started: bool = True
    signing_secrets: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """The JSON form. Files by their paths; no secret is in it."""
        return {
            "url": self.url,
            "folder": self.folder,
            "generation": self.generation,
            "pid": self.pid,
            "httpd_version": self.httpd_version,
            "certificates": [certificate.as_dict() for certificate in self.certificates],
            "examples": [example.as_dict() for example in self.examples],
            "ca_file": self.ca_file,
            "client_certificate": self.client_certificate,
            "client_key": self.client_key,
            "client_p12": self.client_p12,
            "client_p12_password_file": self.client_p12_password_file,
            "detached": self.detached,
            "started": self.started,
            "signing_secrets": list(self.signing_secrets),
        }


def worst_first(certificates: Sequence[CertificateState]) -> tuple[CertificateState, ...]:
    """The same certificates, those that end soonest first."""
    return tuple(sorted(certificates, key=lambda c: (c.not_after, c.kind, c.name)))
