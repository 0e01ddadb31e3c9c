"""Asking a gateway from outside, in any way a client could, and the canary that answers for admitted test identities."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import PurePath
from typing import Protocol

from gatewright.prove.cases import Case, Identity
from gatewright.prove.minting import Credential
from gatewright.prove.verdict import Seen


@dataclass(frozen=True, slots=True)
class Listener:
    """Where to ask. ``certificate`` is the SHA-256 (hex) of the DER of the certificate it must show, empty for any."""

    address: str
    port: int
    certificate: str = ""


class Prober(Protocol):
    """Sends probes."""

    def canary(self, socket: PurePath, nonce: str, gid: int | None) -> AbstractContextManager[None]:
        """A canary at ``socket`` for the length of the block; it answers with ``nonce``."""
        ...

    def run(
        self,
        listener: Listener,
        cases: Sequence[Case],
        credentials: Mapping[Identity, Credential],
        nonce: str,
        passes: Callable[[Case, Seen], bool],
    ) -> Sequence[Seen]:
        """What each case saw, in the order of ``cases``. Nothing raises: what goes wrong is in :class:`Seen`.

        A case that does not pass is tried once more on a connection of its own, so that an unlucky moment is no finding.
        """
        ...

    def while_revoked(
        self,
        listener: Listener,
        cases: Sequence[Case],
        credentials: Mapping[Identity, Credential],
        nonce: str,
        revoke: Callable[[], None],
    ) -> Sequence[tuple[Seen, Seen]]:
        """What each case saw before and after ``revoke`` on one and the same connection."""
        ...
