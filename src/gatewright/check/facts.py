"""What was found about everything that the gateway file points at, as values."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any


class PathKind(enum.StrEnum):
    """What stands at a path of the gateway's folder; ``OUTSIDE``: a symbolic link leads out of the folder."""

    MISSING = "missing"
    FILE = "file"
    FOLDER = "folder"
    OTHER = "other"
    UNREADABLE = "unreadable"
    OUTSIDE = "outside"


@dataclass(frozen=True, slots=True)
class PathFact:
    """``real`` is the path after symbolic links, relative to the gateway's folder; empty where it is outside."""

    kind: PathKind
    real: str = ""


@dataclass(frozen=True, slots=True)
class Unusable:
    """A file that should hold certificates and does not; ``reason`` completes "it is not usable: …"."""

    reason: str


@dataclass(frozen=True, slots=True)
class AnchorFact:
    """A CA certificate that is to be trusted.

    ``subject`` is for readers (RFC 4514); ``canonical_subject`` is equal for two names exactly when OpenSSL takes them for
    the same name (``X509_NAME_cmp``: case and repeated spaces do not count). ``may_sign`` is keyCertSign, or no key usage
    at all (RFC 5280 §4.2.1.3). ``path_length`` is that of basicConstraints, ``None`` for unlimited. ``sha256`` (hex) is the
    certificate's fingerprint.
    """

    subject: str
    canonical_subject: str
    self_issued: bool
    is_ca: bool
    may_sign: bool
    path_length: int | None
    not_before: datetime
    not_after: datetime
    certificates: int = 1
    holds_private_key: bool = False
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class ServerFact:
    """The gateway's own certificate as brought by the user; ``names`` are its DNS names and IP addresses.

    ``key_problem`` says why the key cannot be used (encrypted, not a key, of another certificate), empty when it can.
    """

    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    key_problem: str = ""


@dataclass(frozen=True, slots=True)
class PairFact:
    """A certificate with its key that backends are shown. ``key_mode`` is the permission bits of the key's file."""

    certificate: ServerFact
    key_mode: int


def _none() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the rules need beyond the file. ``now`` is aware.

    ``paths`` and ``anchors`` are keyed by the paths as the file names them. ``managed`` holds the issuing CAs, of
    all generations in use, of authorities that Gatewright keeps. ``key_mode`` is the permission bits of ``certificate.key``.
    ``credentials`` says why a file of users or keys, by its path, is not usable: empty where it is.
    ``pairs`` are the user's own client certificates for backends, by the paths of chain and key.
    """

    now: datetime
    paths: Mapping[str, PathFact] = field(default_factory=_none)
    anchors: Mapping[str, AnchorFact | Unusable] = field(default_factory=_none)
    managed: Mapping[str, tuple[AnchorFact, ...]] = field(default_factory=_none)
    server: ServerFact | Unusable | None = None
    key_mode: int | None = None
    credentials: Mapping[str, str] = field(default_factory=_none)
    pairs: Mapping[tuple[str, str], PairFact | Unusable] = field(default_factory=lambda: MappingProxyType({}))
