"""Letting time pass."""

from __future__ import annotations

from typing import Protocol


class Wait(Protocol):
    """Sleeps."""

    def __call__(self, seconds: float, /) -> None:
        """Return after ``seconds``."""
        ...
