"""Logs that do not grow without end: each is copied and begins anew, without a reload, by the supervisor that has read it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath

from gatewright.compile.passes.server import ACCESS_LOG, ERROR_LOG
from gatewright.errors import EnvironmentFault
from gatewright.ports.clock import Clock
from gatewright.ports.files import FileKind, Files

LARGEST = 32 * 1024 * 1024
"""Octets of a log from which on it begins anew: some 80,000 requests, copied in 20 ms."""
KEEP = 5
"""How many copies of a log stay beside it, the newest named ``.1``."""
EVERY_S = 10.0
"""Seconds between looks at the sizes: at 5,000 requests a second a log grows by 20 MB meanwhile."""

LOGS = (ACCESS_LOG, ERROR_LOG, "authorizer.log", "httpd.out", "gatewright.log")
"""Those that something long-lived appends to. ``contacts.log`` begins anew when it was read (:mod:`gatewright.app.enrolling`)."""


class Rotation:
    """Called several times a second; usually it looks at the clock only."""

    def __init__(self, files: Files, folder: PurePath, clock: Clock, say: Callable[[str], None]) -> None:
        self._files, self._folder, self._clock, self._say = files, folder, clock, say
        self._due = 0.0
        self._told: set[str] = set()

    def __call__(self) -> None:
        """Rotate what is too large. What goes wrong, such as a full disk, is said once for each log; httpd goes on writing."""
        now = self._clock.monotonic()
        if now < self._due:
            return
        self._due = now + EVERY_S
        for name in LOGS:
            path = self._folder / name
            if self._files.kind(path) is not FileKind.FILE:
                continue  # a pipe or a device is somebody else's business
            try:
                self._files.rotate(path, LARGEST, KEEP)
            except EnvironmentFault as fault:
                if name not in self._told:
                    self._say(f"Warning: {path} was not rotated: {fault.diagnostics[0].what}")
                self._told.add(name)
            else:
                self._told.discard(name)
