"""The ports of this machine."""

from __future__ import annotations

from typing import Protocol

from gatewright.errors import Diagnostic


class Network(Protocol):
    """Who listens where."""

    def obstacle(self, address: str | None, port: int) -> Diagnostic | None:
        """Why nothing can listen on this address (``None``: all of them) and port now, or ``None`` if it can."""
        ...

    def holder(self, address: str | None, port: int) -> str:
        """Who listens there, as ``nginx (pid 123)``, or an empty text where that cannot be found out."""
        ...
