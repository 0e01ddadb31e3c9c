"""The gateway file as text and as values, read once, so that what is judged is what is kept and run."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import PurePath

from gatewright.app.checking import all_told, gather_facts, read_gateway
from gatewright.app.generations import current_number, stored_policy
from gatewright.app.places import Places
from gatewright.check import check
from gatewright.errors import Diagnostic, Severity, UsageError
from gatewright.model.gateway import Declared, Gateway
from gatewright.model.virtual_hosts import in_force
from gatewright.ports.clock import Clock
from gatewright.ports.files import FileKind, Files
from gatewright.ports.inspect import CertificateInspector
from gatewright.source import decode_text, load

_LAST = 2
"""How many texts are remembered: what was in force before an apply, and what is after it."""

_read: dict[bytes, Gateway | None] = {}
"""What texts of gateway files put into force, by the text itself: the last ones that were read, the newest at the end."""


def _remember(text: bytes, gateway: Gateway | None) -> None:
    _read.pop(text, None)
    _read[text] = gateway
    while len(_read) > _LAST:
        del _read[next(iter(_read))]


@dataclass(frozen=True, slots=True)
class Policy:
    """A gateway file without errors: its text, what it declares, and the warnings about it.

    ``gateway`` is what it puts into force: what it declares, less its disabled partners.
    """

    text: bytes
    declared: Declared
    warnings: tuple[Diagnostic, ...] = ()
    gateway: Gateway = field(init=False)

    def __post_init__(self) -> None:
        """The same text need not be read again once it is a generation's, nor be held twice."""
        gateway = in_force(self.declared.gateway)
        object.__setattr__(self, "gateway", gateway)
        _remember(self.text, gateway)


def read_policy(files: Files, folder: PurePath, file: PurePath, clock: Clock, inspect: CertificateInspector) -> Policy:
    """The gateway file, checked. Raises :class:`UsageError` with every problem."""
    path = folder / file
    if files.kind(path) is not FileKind.FILE:
        read_gateway(files, folder, file)  # says what stands there instead
    text = files.read(path)

    def judged(declared: Declared, left_out: Collection[str] | None = None) -> list[Diagnostic]:
        return check(declared, gather_facts(declared, files, folder, clock, inspect), left_out=left_out)

    declared = all_told(lambda: load(decode_text(text, str(file)), str(file)), judged)
    found = judged(declared)
    if any(d.severity is Severity.ERROR for d in found):
        raise UsageError(*found)
    return Policy(text, declared, tuple(found))


def applied_gateway(files: Files, places: Places, number: int = 0) -> Gateway | None:
    """What a generation puts into force (0: the current one); ``None`` where there is none, or it cannot be read any more."""
    number = number or current_number(files, places)
    text = stored_policy(files, places.layout(number)) if number else None
    return readable(text) if text is not None else None


def readable(text: bytes) -> Gateway | None:
    """What the text of a stored gateway file declares; ``None`` where this version of Gatewright cannot read it.

    Remembered for the last two texts: an apply asks several times for what was in force before it and what is after it.
    """
    if text not in _read:
        try:
            gateway = in_force(load(decode_text(text, "gateway.yaml"), "gateway.yaml").gateway)
        except UsageError:
            gateway = None  # written for another version
        _remember(text, gateway)
    return _read[text]
