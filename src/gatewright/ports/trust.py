"""The stores of this machine in which programs look for roots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gatewright.plan.trusting import Place, Seen, Step, Store


class TrustStores(Protocol):
    """Looks into stores and changes them. Every method raises :class:`~gatewright.errors.EnvironmentFault` with the way out."""

    def places(self, stores: Sequence[Store]) -> tuple[Place, ...]:
        """Every store of these kinds that is found, in a fixed order."""
        ...

    def look(self, place: Place, wanted: str) -> tuple[Seen, ...]:
        """What stands in ``place`` of the certificate with the SHA-256 ``wanted`` (hex), under whichever names."""
        ...

    def perform(self, step: Step) -> None:
        """Do it."""
        ...

    def carries_into_java(self) -> bool:
        """Whether this system carries the roots of its own store into Java's."""
        ...
