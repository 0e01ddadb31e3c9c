"""Shadow instances: the very same tree on a private port, before anybody depends on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ShadowPlan:
    """What to start. ``run`` and ``logs`` are folders of the shadow's own, made by the caller, gone afterwards.

    ``tokens``: its routes take bearer tokens, so it needs an authorizer of its own, with the key sets in ``keys``, or the real ones.
    """

    binary: PurePath
    configuration: PurePath
    folder: PurePath
    run: PurePath
    logs: PurePath
    tokens: bool = False
    keys: PurePath | None = None


class Shadow(Protocol):
    """One shadow instance that serves."""

    @property
    def port(self) -> int:
        """Its port on 127.0.0.1."""
        ...

    def stop(self) -> None:
        """End it and every process of it; nothing happens if it has ended."""
        ...


class Shadows(Protocol):
    """Starts shadow instances."""

    def start(self, plan: ShadowPlan) -> Shadow:
        """One that serves already. It ends when this process ends, however that ends.

        Raises :class:`~gatewright.errors.EnvironmentFault` with the reasons when it does not come to serve.
        """
        ...
