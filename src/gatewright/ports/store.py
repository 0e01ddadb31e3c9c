"""What the PKI remembers, as one consistent record: certificates, revocations, CRLs, CA generations and the log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from gatewright.model.pki import (
    CaGeneration,
    CaRole,
    Certificate,
    Crl,
    CrlState,
    Cursor,
    Event,
    Filter,
    KeyRef,
    KeyState,
    LogEntry,
    Page,
    Reason,
    Revocation,
    RevokedSerial,
)


class SerialTaken(Exception):
    """A certificate with this issuer and serial number is already recorded. Draw another number and sign again."""


class Reader(Protocol):
    """One consistent view of the store. Every method raises :class:`~gatewright.errors.EnvironmentFault` if it cannot read."""

    def generations(self, authority: str | None = None, role: CaRole | None = None) -> Sequence[CaGeneration]:
        """CA generations by authority, role and number, oldest first."""
        ...

    def certificate(self, sha256: bytes) -> Certificate | None:
        """The certificate whose DER has this hash."""
        ...

    def by_serial(self, serial: bytes, issuer: int | None = None) -> Sequence[Certificate]:
        """Certificates with this 20-byte serial number, of one issuer or of all."""
        ...

    def newest(self, wanted: Filter) -> Certificate | None:
        """The certificate recorded last among those wanted. ``name`` is not considered."""
        ...

    def page(self, wanted: Filter, limit: int, after: Cursor | None = None) -> Page:
        """Up to ``limit`` certificates, in the order of their end, or of their name where ``wanted`` has one."""
        ...

    def certificates(self, wanted: Filter | None = None) -> Iterator[Certificate]:
        """Every certificate wanted, in the order of recording, read piece by piece. ``name`` is not considered."""
        ...

    def knows_key(self, spki_sha256: bytes) -> bool:
        """Whether any certificate was recorded for the key with this hash."""
        ...

    def revocations(self, certificate: int) -> Sequence[Revocation]:
        """The history of one certificate's revocations, oldest first."""
        ...

    def revoked_serials(self, issuer: int, not_expired_at: datetime, now: datetime) -> Sequence[RevokedSerial]:
        """What the issuer's CRL must list: revoked or held, and not expired before that time.

        What may still be undone at ``now`` is listed as on hold: only a hold may leave a CRL again (RFC 5280 §5.3.1).
        """
        ...

    def revoked_markers(self, not_expired_at: datetime) -> frozenset[tuple[str, str]]:
        """The two file names (:attr:`Certificate.markers`) of every revoked or held certificate that has not expired before that time."""
        ...

    def crls(self, issuer: int, state: CrlState | None = None) -> Sequence[Crl]:
        """Signed CRLs of one issuer by number, lowest first."""
        ...

    def highest_crl(self, issuer: int) -> tuple[int, datetime | None]:
        """The highest CRL number ever signed for the issuer (0 for none) and the latest thisUpdate that was published."""
        ...

    def log(self, after: int = 0) -> Iterator[LogEntry]:
        """Log entries with numbers above ``after``, in order."""
        ...

    def last_entry(self) -> LogEntry | None:
        """The newest log entry."""
        ...


class Transaction(Reader, Protocol):
    """Changes that become durable together, or not at all. No other transaction writes at the same time."""

    def add_generation(self, generation: CaGeneration) -> CaGeneration:
        """Record a generation; its ``id`` is given by the store. A parent of ``None`` means itself."""
        ...

    def change_generation(
        self,
        generation: int,
        *,
        active: bool | None = None,
        key: KeyRef | None = None,
        key_state: KeyState | None = None,
    ) -> None:
        """Change what can change about a generation."""
        ...

    def set_crl_url(self, generation: int, url: str | None) -> None:
        """Change the address of CRLs that the generation writes into what it issues."""
        ...

    def add_certificates(self, certificates: Sequence[Certificate]) -> None:
        """Record certificates with their names. Raises :class:`SerialTaken`."""
        ...

    def revoke(
        self, certificates: Sequence[int], reason: Reason, at: datetime, by: str, undo_until: datetime | None
    ) -> None:
        """Mark certificates as revoked, or as held where that is the reason."""
        ...

    def release(self, certificates: Sequence[int], at: datetime) -> None:
        """End the current revocation of each certificate; it is valid again."""
        ...

    def add_crl(self, crl: Crl) -> None:
        """Keep a signed CRL."""
        ...

    def set_crl_state(self, issuer: int, numbers: Sequence[int], state: CrlState) -> None:
        """Move CRLs on; those superseded or withdrawn lose their content, but their numbers stay used."""
        ...

    def append(self, events: Iterable[Event], *, clock_is_right: bool = False) -> None:
        """Add events to the log. Refuses events that lie before the last entry by more than the tolerance

        (:data:`gatewright.pki.audit.CLOCK_TOLERANCE`), unless ``clock_is_right``.
        """
        ...


class Store(Protocol):
    """The place all of this is kept."""

    def reading(self) -> AbstractContextManager[Reader]:
        """A consistent view; nothing that others write meanwhile shows in it."""
        ...

    def writing(self) -> AbstractContextManager[Transaction]:
        """A transaction: committed durably when the block ends, undone when it raises. Waits for other writers."""
        ...
