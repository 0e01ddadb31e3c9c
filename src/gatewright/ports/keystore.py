"""Where private keys live, and where unpredictable numbers come from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Protocol

from gatewright.model.pki import KeyKind, KeyRef
from gatewright.pki.keys import PrivateKey


class KeyStore(Protocol):
    """Keeps private keys. What it returns can sign; whether the key itself can be read depends on the place.

    Every method raises :class:`~gatewright.errors.EnvironmentFault` with the cause and the way out.
    """

    def create(self, kind: KeyKind) -> tuple[KeyRef, PrivateKey]:
        """A new key, durable before this returns."""
        ...

    def create_many(self, kind: KeyKind, count: int) -> Sequence[tuple[KeyRef, PrivateKey]]:
        """``count`` new keys, durable before this returns; one synchronisation with the disk for all of them."""
        ...

    def keep(self, key: PrivateKey) -> KeyRef:
        """Take in a key that was made elsewhere; the same key always gets the same reference."""
        ...

    def load(self, ref: KeyRef) -> PrivateKey:
        """The key behind ``ref``, able to sign."""
        ...

    def path(self, ref: KeyRef) -> PurePath | None:
        """The PEM file that holds this key alone, for programs that read files; ``None`` where there is none."""
        ...

    def holds(self, ref: KeyRef) -> bool:
        """Whether the key is at hand."""
        ...

    def remove(self, ref: KeyRef) -> None:
        """Remove the key for good; nothing happens if it is not there."""
        ...

    def references(self) -> Sequence[KeyRef]:
        """Every key at hand."""
        ...


class Randomness(Protocol):
    """Unpredictable values."""

    def serial(self) -> int:
        """A certificate serial number: positive, at most 159 bits, from a cryptographic source (RFC 5280 §4.1.2.2)."""
        ...

    def passphrase(self) -> str:
        """A passphrase for a file handed to a person: at least 128 bits, letters and digits only."""
        ...

    def secret(self) -> str:
        """A secret to sign requests to a backend with: 512 bits as 128 hexadecimal digits in lower case."""
        ...
