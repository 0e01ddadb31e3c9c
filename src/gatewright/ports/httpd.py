"""Finding Apache httpd on this machine."""

from __future__ import annotations

from typing import Protocol

from gatewright.model.machine import Httpd, RunAs


class HttpdFinder(Protocol):
    """Looks for httpd."""

    def find(self) -> Httpd:
        """The httpd to use. Raises ``EnvironmentFault`` (``httpd-missing``, ``httpd-too-old``) with the way out."""
        ...


class Accounts(Protocol):
    """Accounts of this machine."""

    def unprivileged(self) -> RunAs | None:
        """The account for httpd's children when we are root; ``None`` when we are not. Raises ``EnvironmentFault``."""
        ...
