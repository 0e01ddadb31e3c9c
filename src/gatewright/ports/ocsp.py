"""Whoever answers OCSP requests, seen from the server that carries them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class OcspReply:
    """An OCSP response in DER. ``this_update`` and ``next_update`` say how long it holds; ``None`` for an unsigned refusal."""

    der: bytes
    this_update: datetime | None = None
    next_update: datetime | None = None


class OcspAnswers(Protocol):
    """Called by several threads at once."""

    def answer(self, request: bytes) -> OcspReply:
        """The response to ``request``, which may be anything that somebody sent. Raises nothing."""
        ...
