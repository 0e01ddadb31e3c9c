"""Proves the gateway every so often while it serves, in a process of its own: one at a time, never while somebody applies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from gatewright.app.metrics import LastProof
from gatewright.errors import EXIT_FINDING, EXIT_OK
from gatewright.model.gateway import Proof
from gatewright.ports.clock import Clock

LOOK_S = 5.0
"""Seconds between looks at what is declared, and at whether an apply that was in the way has ended."""


class Running(Protocol):
    """A proof under way."""

    def poll(self) -> int | None:
        """Its exit code once it has ended, ``None`` before."""
        ...


class ProofTimer:
    """Called several times a second; does something only when it is due.

    ``declared`` is what the gateway in force says of proofs; ``applying`` whether somebody applies; ``begin`` starts a
    proof and returns at once; ``last`` is what the last one came to. The first proof is due one interval after the start.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        declared: Callable[[], Proof | None],
        applying: Callable[[], bool],
        begin: Callable[[], Running],
        last: Callable[[], LastProof | None],
        say: Callable[[str], None],
    ) -> None:
        self._clock, self._declared, self._applying = clock, declared, applying
        self._begin, self._last, self._say = begin, last, say
        self._since = self._look_at = clock.monotonic()
        self._running: Running | None = None

    def __call__(self) -> None:
        """Tell how a proof ended; begin the next when it is due."""
        if self._running is not None:
            code = self._running.poll()
            if code is None:
                return
            self._running = None
            self._since = self._clock.monotonic()
            self._say(self._outcome(code))
        now = self._clock.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_S
        proof = self._declared()
        if proof is None or proof.every is None or now < self._since + proof.every.seconds or self._applying():
            return
        self._running = self._begin()

    def _outcome(self, ended: int) -> str:
        last = self._last()
        if ended not in {EXIT_OK, EXIT_FINDING} or last is None:
            return f"Warning: the proof could not be made (exit code {ended}), see logs/proof.log"
        if last.passed:
            return f"Proof: {last.probes} probes, each ended as it must."
        shut = (
            f" Shut for everybody until gatewright apply has proved it again: {', '.join(last.shut)}."
            if last.shut
            else ""
        )
        return (
            f"Finding: the proof did not pass, {last.findings} of {last.probes} probes; the first: {last.first}.{shut}"
        )
