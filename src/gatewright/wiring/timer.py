"""Wiring of the proofs that a supervisor makes by itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gatewright.wiring.ourselves import ourselves

if TYPE_CHECKING:
    from gatewright.app.places import Places
    from gatewright.app.proof_timer import ProofTimer
    from gatewright.app.reports import Say
    from gatewright.model.gateway import Proof


def proof_timer(places: Places, say: Say) -> ProofTimer:
    """Proves as often as the gateway in force declares, in a process of its own: the supervisor keeps none of its memory."""
    from gatewright.app.generations import apply_lock
    from gatewright.app.metrics import last_proof
    from gatewright.app.proof_timer import ProofTimer
    from gatewright.edges.background import begin
    from gatewright.edges.clock import SystemClock
    from gatewright.edges.files import LocalFiles
    from gatewright.ports.files import FileKind

    files = LocalFiles()

    def applying() -> bool:
        if files.kind(apply_lock(places)) is FileKind.MISSING:
            return False
        with files.lock(apply_lock(places)) as free:
            return not free

    return ProofTimer(
        SystemClock(),
        declared=_declared(places),
        applying=applying,
        begin=lambda: begin(ourselves("-C", str(places.folder), "prove"), Path(places.folder / "logs" / "proof.log")),
        last=lambda: last_proof(files, places),
        say=say,
    )


def _declared(places: Places) -> Callable[[], Proof | None]:
    """What the gateway in force says of proofs; its file is read again only when it is another text."""
    from gatewright.app.generations import current_number, stored_policy
    from gatewright.app.policy import applied_gateway
    from gatewright.edges.files import LocalFiles

    files = LocalFiles()
    seen: tuple[bytes | None, Proof | None] = (None, None)

    def declared() -> Proof | None:
        nonlocal seen
        number = current_number(files, places)
        text = stored_policy(files, places.layout(number)) if number else None
        if text is not None and text != seen[0]:
            gateway = applied_gateway(files, places, number)
            seen = (text, gateway.proof if gateway is not None else None)
        return seen[1]

    return declared
