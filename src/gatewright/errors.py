"""What went wrong, where, why it matters, and the way out: one type for every message a user sees.

The whole exception tree::

    GatewrightError            carries one or more diagnostics and the exit code
    ├── FindingError           1   refused, unproven, invalid chain: Gatewright works, the subject does not pass
    ├── UsageError             2   the command line or the gateway file is wrong
    └── EnvironmentFault       3   httpd missing, port taken, permission: the machine is not ready

Exit code 70 (``EX_SOFTWARE`` of ``sysexits.h``) is kept for a bug in Gatewright itself: anything that is not a
``GatewrightError`` and reaches the command line's edge.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

EXIT_OK = 0
EXIT_FINDING = 1
EXIT_USAGE = 2
EXIT_ENVIRONMENT = 3
EXIT_BUG = 70


class Severity(enum.StrEnum):
    """How much a diagnostic weighs: an error stops the command, the others are only said."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A place in a text file. ``line`` and ``column`` count from 1, columns in characters; 0 means "the whole file"."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """``file:line:column``, as editors and terminals make clickable."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem, told so that the reader can act on it.

    ``code`` is a stable name in kebab-case (``route-without-access``); ``what`` names the offending value and stands
    alone in one line; ``why`` says why it matters; ``fix`` is what to do, a command or the exact text where there is one.
    """

    code: str
    what: str
    why: str = ""
    fix: str = ""
    where: Span | None = None
    severity: Severity = Severity.ERROR

    def as_dict(self) -> dict[str, object]:
        """The JSON form: every field by its name, ``where`` as ``{file, line, column}`` or ``None``."""
        where = None
        if self.where is not None:
            where = {"file": self.where.file, "line": self.where.line, "column": self.where.column}
        return {
            "code": self.code,
            "severity": self.severity.value,
            "what": self.what,
            "why": self.why,
            "fix": self.fix,
            "where": where,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The diagnostic whose :meth:`as_dict` gave ``data``. Raises ``KeyError`` or ``ValueError`` for anything else."""
        where = Span(**data["where"]) if data["where"] else None
        return cls(data["code"], data["what"], data["why"], data["fix"], where, Severity(data["severity"]))


class GatewrightError(Exception):
    """Base of everything a user may meet. Never shown as a traceback."""

    exit_code = EXIT_FINDING

    def __init__(self, *diagnostics: Diagnostic) -> None:
        if not diagnostics:
            msg = "an error without a diagnostic tells the user nothing"
            raise ValueError(msg)
        self.diagnostics: tuple[Diagnostic, ...] = diagnostics
        super().__init__("; ".join(d.what for d in diagnostics))


class FindingError(GatewrightError):
    """The command did its work and the subject does not pass: refused, unproven, invalid."""

    exit_code = EXIT_FINDING


class UsageError(GatewrightError):
    """The command line or the gateway file is wrong."""

    exit_code = EXIT_USAGE


class EnvironmentFault(GatewrightError):
    """The machine is not ready: httpd missing, port taken, no permission, disk full."""

    exit_code = EXIT_ENVIRONMENT


class ValueRejected(ValueError):
    """A value type refused a text. Carries no place: whoever knows the place turns it into a diagnostic.

    ``code``, ``what``, ``why`` and ``fix`` are those of :class:`Diagnostic`.
    """

    def __init__(self, code: str, what: str, why: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.code, self.what, self.why, self.fix = code, what, why, fix

    def at(self, where: Span | None) -> Diagnostic:
        """The diagnostic for this refusal at ``where``."""
        return Diagnostic(self.code, self.what, self.why, self.fix, where)
