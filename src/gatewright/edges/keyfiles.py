"""Private keys as PEM files, 0600 in a 0700 folder, each named by the hash of its public key.

A reference is ``file:<hash>``, or ``batch:<file>:<hash>`` for one of many keys kept in one file: making thousands of keys
durable then costs one synchronisation with the disk.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path

from gatewright.errors import Diagnostic, EnvironmentFault
from gatewright.model.pki import KeyKind, KeyRef
from gatewright.pki.keys import PrivateKey, from_pem, generate, pem, spki_sha256
from gatewright.ports.files import FileKind, Files

_SINGLE = re.compile(r"file:([0-9a-f]{64})\Z")
_BATCH = re.compile(r"batch:([0-9a-f]{64}):([0-9a-f]{64})\Z")
_PEM = re.compile(rb"-----BEGIN PRIVATE KEY-----\n.*?-----END PRIVATE KEY-----\n", re.DOTALL)


class KeyFiles:
    """Implements :class:`gatewright.ports.keystore.KeyStore` in ``folder``."""

    def __init__(self, folder: Path, files: Files) -> None:
        self.folder = folder
        self._files = files
        self._batches: dict[str, dict[str, bytes]] = {}

    def create(self, kind: KeyKind) -> tuple[KeyRef, PrivateKey]:
        """A new key; the file is on disk, whole, when this returns."""
        key = generate(kind)
        return self.keep(key), key

    def create_many(self, kind: KeyKind, count: int) -> Sequence[tuple[KeyRef, PrivateKey]]:
        """``count`` new keys in one file."""
        keys = [generate(kind) for _ in range(count)]
        content = b"".join(map(pem, keys))
        name = hashlib.sha256(content).hexdigest()
        self._write(f"{name}.batch.pem", content)
        return [(KeyRef(f"batch:{name}:{spki_sha256(key).hex()}"), key) for key in keys]

    def keep(self, key: PrivateKey) -> KeyRef:
        """Write ``key`` under its hash, unless it is there already."""
        name = spki_sha256(key).hex()
        if self._files.kind(self.folder / f"{name}.pem") is FileKind.MISSING:
            self._write(f"{name}.pem", pem(key))
        return KeyRef(f"file:{name}")

    def path(self, ref: KeyRef) -> Path | None:
        """The file that holds this key alone, for programs that read key files; ``None`` where there is none."""
        single = _SINGLE.match(ref)
        return self.folder / f"{single[1]}.pem" if single else None

    def load(self, ref: KeyRef) -> PrivateKey:
        """Read the key, and make sure that it is the one that was asked for."""
        path, wanted = self._locate(ref)
        self._refuse_open_permissions(path)
        text = self._text(path, wanted, ref)
        try:
            key = from_pem(text)
        except (ValueError, TypeError) as problem:
            raise _damaged(path, str(problem)) from problem
        if spki_sha256(key).hex() != wanted:
            raise _damaged(path, "it holds another key than its name says")
        return key

    def holds(self, ref: KeyRef) -> bool:
        """Whether the file is there and holds this very key."""
        if not (_SINGLE.match(ref) or _BATCH.match(ref)):
            return False
        path, wanted = self._locate(ref)
        try:
            return spki_sha256(from_pem(self._text(path, wanted, ref))).hex() == wanted
        except (EnvironmentFault, ValueError, TypeError):
            return False

    def remove(self, ref: KeyRef) -> None:
        """Remove the key's file, or the key from its batch."""
        path, wanted = self._locate(ref)
        if _SINGLE.match(ref):
            self._files.remove(path)
        elif self._files.kind(path) is FileKind.FILE:
            rest = {name: text for name, text in self._batch(path).items() if name != wanted}
            # The batch keeps its name, which is only a name from here on.
            self._write(path.name, b"".join(rest.values()))
            self._batches.pop(path.name, None)

    def references(self) -> Sequence[KeyRef]:
        """Every key in the folder."""
        if self._files.kind(self.folder) is FileKind.MISSING:
            return []
        found: list[KeyRef] = []
        for name in self._files.list(self.folder):
            stem = name.partition(".")[0]
            if name.endswith(".batch.pem"):
                found += [KeyRef(f"batch:{stem}:{key}") for key in self._batch(self.folder / name)]
            elif _SINGLE.match(f"file:{stem}") and name == f"{stem}.pem":
                found.append(KeyRef(f"file:{stem}"))
        return found

    def _write(self, name: str, content: bytes) -> None:
        self._files.make_folder(self.folder, 0o700)
        self._files.write(self.folder / name, content, 0o600)

    def _locate(self, ref: KeyRef) -> tuple[Path, str]:
        if single := _SINGLE.match(ref):
            return self.folder / f"{single[1]}.pem", single[1]
        if batch := _BATCH.match(ref):
            return self.folder / f"{batch[1]}.batch.pem", batch[2]
        raise EnvironmentFault(
            Diagnostic(
                "key-elsewhere",
                f"the key {ref} is not kept in files",
                "only the key store that made it can use it",
                "configure that key store again (for pkcs11: keys, its module and token)",
            )
        )

    def _text(self, path: Path, wanted: str, ref: KeyRef) -> bytes:
        if self._files.kind(path) is FileKind.MISSING:
            raise _missing(path, ref)
        if not _BATCH.match(ref):
            return self._files.read(path)
        text = self._batch(path).get(wanted)
        if text is None:
            raise _missing(path, ref)
        return text

    def _batch(self, path: Path) -> dict[str, bytes]:
        if path.name not in self._batches:
            texts: list[bytes] = _PEM.findall(self._files.read(path))
            self._batches[path.name] = {spki_sha256(from_pem(text)).hex(): text for text in texts}
        return self._batches[path.name]

    def _refuse_open_permissions(self, path: Path) -> None:
        try:
            mode = stat.S_IMODE(os.stat(path).st_mode)  # noqa: PTH116 - Path.stat would be the same call
        except OSError:
            return  # told better by the read that follows
        if mode & 0o077:
            raise EnvironmentFault(
                Diagnostic(
                    "key-readable-by-others",
                    f"the private key {path} has mode {mode:04o}",
                    "whoever can read it can be whom it stands for; it may have been read already",
                    f"chmod 600 {path}; if others use this machine, revoke what was issued for this key",
                )
            )


def _missing(path: Path, ref: KeyRef) -> EnvironmentFault:
    return EnvironmentFault(
        Diagnostic(
            "key-missing",
            f"the private key {ref} is not in {path.parent}",
            "nothing can be signed or served with it",
            "restore the gateway's folder from its backup; a root key that was taken offline comes back with: gatewright ca online",
        )
    )


def _damaged(path: Path, text: str) -> EnvironmentFault:
    return EnvironmentFault(
        Diagnostic(
            "key-damaged",
            f"the private key file {path} cannot be used: {text}",
            "signing with it would produce something else than what the store says",
            "restore this file from the backup of the gateway's folder",
        )
    )
