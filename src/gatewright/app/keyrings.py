"""Several places for keys that look like one: each key is found where its reference says it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from gatewright.model.pki import KeyKind, KeyRef
from gatewright.pki.keys import PrivateKey
from gatewright.ports.keystore import KeyStore
from gatewright.ports.tokens import TokenUri

TOKEN = "pkcs11:"  # noqa: S105 - a prefix of references (RFC 7512), not a secret


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Implements :class:`gatewright.ports.keystore.KeyStore` over files and any number of PKCS #11 tokens.

    ``tokens`` are by their names. New keys are made in the token ``create_in``, else in files; keys from outside go into files.
    """

    files: KeyStore
    tokens: dict[str, KeyStore]
    create_in: str | None = None

    def create(self, kind: KeyKind) -> tuple[KeyRef, PrivateKey]:
        """A new key, in the token or in a file."""
        return self._maker.create(kind)

    def create_many(self, kind: KeyKind, count: int) -> Sequence[tuple[KeyRef, PrivateKey]]:
        """``count`` new keys, likewise."""
        return self._maker.create_many(kind, count)

    def keep(self, key: PrivateKey) -> KeyRef:
        """Into a file: tokens take no keys from outside."""
        return self.files.keep(key)

    def load(self, ref: KeyRef) -> PrivateKey:
        """From where the reference says."""
        return self._place(ref).load(ref)

    def path(self, ref: KeyRef) -> PurePath | None:
        """The file, ``None`` for a key in a token."""
        return self._place(ref).path(ref)

    def holds(self, ref: KeyRef) -> bool:
        """Whether the key is at hand; a token that nobody told us of is not asked."""
        return self._place(ref).holds(ref)

    def remove(self, ref: KeyRef) -> None:
        """Remove it from where it is."""
        self._place(ref).remove(ref)

    def references(self) -> Sequence[KeyRef]:
        """Every key in files. Tokens are asked key by key (:meth:`holds`), so that one that is put away is no obstacle."""
        return self.files.references()

    @property
    def _maker(self) -> KeyStore:
        return self.files if self.create_in is None else self.tokens[self.create_in]

    def _place(self, ref: KeyRef) -> KeyStore:
        if ref.startswith(TOKEN):
            # A token that is not known falls through to the files, which say that the key is kept elsewhere.
            return self.tokens.get(TokenUri.parse(ref).token, self.files)
        return self.files
