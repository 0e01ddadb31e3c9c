"""Fetching a document whose address the operator declared."""

from __future__ import annotations

from typing import Protocol


class Fetcher(Protocol):
    """Fetches over HTTPS, verified, within limits, and follows nothing."""

    def fetch(self, url: str, ca: str | None, most: int) -> bytes:
        """The document, of at most ``most`` bytes. ``ca``: PEM of the authorities to believe, ``None`` for the system's.

        Raises :class:`~gatewright.errors.EnvironmentFault` (``fetch-failed``) with the reason.
        """
        ...
