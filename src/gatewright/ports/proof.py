"""Trying a gateway's doors from outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from gatewright.errors import Diagnostic
from gatewright.model.gateway import Gateway
from gatewright.model.values import Name, RoutePath


@dataclass(frozen=True, slots=True)
class Touched:
    """What a change of groups' members is about: ``clients`` who join or leave, and the ``routes`` whose doors that concerns."""

    routes: tuple[RoutePath, ...]
    clients: tuple[Name, ...]


@dataclass(frozen=True, slots=True)
class Where:
    """A gateway that is to be proved: what it was declared to be, and where it listens.

    ``certificate`` is the SHA-256 (hex) of the DER of the server certificate that it must show. ``shadow`` is set for a
    shadow instance, which nobody but us uses. ``focus``: routes to be tried whatever is sampled, because they changed.
    ``unseen``: no shadow instance of it was proved. ``touched``: the generation was proved before and serves unchanged, but for
    these members, so that only their doors are tried.
    """

    gateway: Gateway
    address: str
    port: int
    generation: int
    certificate: str
    shadow: bool = False
    focus: tuple[RoutePath, ...] = ()
    unseen: bool = False
    touched: Touched | None = None


@dataclass(frozen=True, slots=True)
class ProofResult:
    """What came of it. ``tried`` counts the probes; each finding is one that ended otherwise than it must."""

    passed: bool
    findings: tuple[Diagnostic, ...] = ()
    tried: int = 0


class Proof(Protocol):
    """Attacks a gateway along its own declared policy."""

    def prove(self, where: Where) -> ProofResult:
        """Every probe's outcome against what the policy demands. What could not be tried is a finding, never a pass."""
        ...


class Peek(Protocol):
    """Looks at what a listener shows to anybody."""

    def served(self, address: str, port: int, name: str | None) -> str | None:
        """SHA-256 (hex) of the DER of the certificate shown for ``name``; ``None`` where nobody answers with TLS."""
        ...
