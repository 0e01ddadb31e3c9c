"""What the private PKI keeps and hands around, as values: generations of CAs, issued certificates, revocations, CRLs, log."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import NewType

KeyRef = NewType("KeyRef", str)
"""Where a private key is kept, e.g. ``file:<SPKI hash>``. Never the key itself; safe to log."""


class KeyKind(enum.StrEnum):
    """Kinds of key that certificates can be made for. The gateway file's ``KeyAlgorithm`` has the same spellings."""

    P256 = "p256"
    P384 = "p384"
    RSA3072 = "rsa3072"
    RSA4096 = "rsa4096"
    ED25519 = "ed25519"


class ProfileName(enum.StrEnum):
    """What a certificate is for; see :mod:`gatewright.pki.profiles` for what follows from it."""

    ROOT = "root"
    ISSUING = "issuing"
    SERVER = "server"
    CLIENT = "client"
    ADMIN = "admin"
    BACKEND_CLIENT = "backend-client"
    OCSP = "ocsp"
    CANARY = "canary"
    REPORT = "report"


class CaRole(enum.StrEnum):
    """The two tiers of a managed authority."""

    ROOT = "root"
    ISSUING = "issuing"


class KeyState(enum.StrEnum):
    """Where a CA's private key is: at hand, exported and removed, or gone for good."""

    ONLINE = "online"
    OFFLINE = "offline"
    DESTROYED = "destroyed"


class Status(enum.StrEnum):
    """What the store says of a certificate. Expiry is not a status: it follows from ``not_after`` and the clock."""

    VALID = "valid"
    HELD = "held"
    REVOKED = "revoked"


class Reason(enum.Enum):
    """Why a certificate was revoked: the CRLReason codes of RFC 5280 §5.3.1 that a full CRL may carry.

    ``removeFromCRL`` (8) belongs to delta CRLs only; ``aACompromise`` (10) to attribute certificates. Both are left out.
    """

    UNSPECIFIED = 0
    KEY_COMPROMISE = 1
    CA_COMPROMISE = 2
    AFFILIATION_CHANGED = 3
    SUPERSEDED = 4
    CESSATION_OF_OPERATION = 5
    CERTIFICATE_HOLD = 6
    PRIVILEGE_WITHDRAWN = 9

    @property
    def spelling(self) -> str:
        """As users write it: ``key-compromise``."""
        return self.name.lower().replace("_", "-")


SERIAL = ".serial-"
"""What the name of the file begins with that revokes a certificate by its serial number, as mod_ssl writes that."""


def marker_of(serial: bytes) -> str:
    """The name of the file that revokes the certificate with this serial number (big-endian)."""
    return f"{SERIAL}{_hex(serial)}"


def _hex(serial: bytes) -> str:
    return serial.lstrip(b"\0").hex().upper() or "00"


@dataclass(frozen=True, slots=True)
class CaGeneration:
    """One key and certificate of a managed authority's root or issuing CA.

    ``number`` counts from 1 within (authority, role). ``parent`` is the generation that signed it, ``None`` for a root.
    ``der`` is the certificate. ``active`` marks the generation that issues now; older ones only sign CRLs.
    """

    id: int
    authority: str
    role: CaRole
    number: int
    parent: int | None
    key: KeyRef
    key_state: KeyState
    der: bytes
    subject: str
    spki_sha256: bytes
    not_before: datetime
    not_after: datetime
    active: bool = True
    crl_url: str | None = None


@dataclass(frozen=True, slots=True)
class Certificate:
    """An issued certificate as the store keeps it. Times are aware UTC, whole seconds.

    ``serial`` is the 20-byte big-endian serial number; ``pem_sha1`` the SHA-1 of the PEM text (64 columns, newline at
    the end), which is what httpd's ``%{sha1:%{SSL_CLIENT_CERT}}`` yields; ``sha256`` hashes the DER. ``names`` are (kind, value)
    with kinds ``dns``, ``ip``, ``email``, ``uri``, ``cn``. ``key`` is ``None`` where the holder made the key.
    """

    issuer: int
    serial: bytes
    der: bytes
    spki_sha256: bytes
    pem_sha1: bytes
    sha256: bytes
    subject: str
    names: tuple[tuple[str, str], ...]
    not_before: datetime
    not_after: datetime
    profile: ProfileName
    authority: str
    client: str | None = None
    key: KeyRef | None = None
    requested_by: str = ""
    why: str = ""
    status: Status = Status.VALID
    id: int = 0

    @property
    def serial_hex(self) -> str:
        """Upper-case hexadecimal with an even number of digits, as mod_ssl's ``SSL_CLIENT_M_SERIAL`` has it."""
        return _hex(self.serial)

    @property
    def markers(self) -> tuple[str, str]:
        """The names of the files that revoke it at the gateway."""
        return self.pem_sha1.hex(), marker_of(self.serial)


@dataclass(frozen=True, slots=True)
class Revocation:
    """That a certificate is, or was, revoked. ``undone_at`` is set once it was released or undone.

    ``undo_until`` is the time up to which a mistaken revocation may be taken back; ``None`` means never, except for a hold.
    """

    certificate: int
    reason: Reason
    at: datetime
    by: str = ""
    undo_until: datetime | None = None
    undone_at: datetime | None = None
    id: int = 0


@dataclass(frozen=True, slots=True)
class RevokedSerial:
    """One line of a CRL."""

    serial: int
    at: datetime
    reason: Reason


class CrlState(enum.StrEnum):
    """A CRL is signed onto the shelf, published when due, superseded by the next one that is published,

    or withdrawn from the shelf unpublished because a newer list overtook it.
    """

    SHELF = "shelf"
    PUBLISHED = "published"
    SUPERSEDED = "superseded"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Crl:
    """A signed CRL. ``number`` is its CRLNumber (RFC 5280 §5.2.3)."""

    issuer: int
    number: int
    this_update: datetime
    next_update: datetime
    der: bytes
    state: CrlState = CrlState.PUBLISHED


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One link of the issuance log. ``text`` is the canonical JSON whose SHA-256, after ``previous``, is ``hash``."""

    seq: int
    text: str
    previous: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class Event:
    """Something to be written to the log, before it has a place in the chain. ``body`` holds JSON values only."""

    kind: str
    at: datetime
    body: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where the next page of a listing starts: the sort key and id of the last row seen."""

    key: str
    id: int


@dataclass(frozen=True, slots=True)
class Filter:
    """Which certificates to list. Everything given must hold; ``name`` matches the beginning of a name of any kind.

    ``unlike`` is a profile to leave out. ``expires_before`` and ``expires_after`` bound ``not_after`` (after inclusive, before exclusive).
    """

    authority: str | None = None
    client: str | None = None
    name: str | None = None
    status: Status | None = None
    profile: ProfileName | None = None
    unlike: ProfileName | None = None
    issuer: int | None = None
    spki_sha256: bytes | None = None
    expires_before: datetime | None = None
    expires_after: datetime | None = None
    issued_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing, in the order of ``not_after`` (or of the name, when filtered by name)."""

    certificates: tuple[Certificate, ...]
    following: Cursor | None
