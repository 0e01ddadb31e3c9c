"""Listings of certificates, page by page, as plain values."""

from __future__ import annotations

import base64
import binascii
import enum
from dataclasses import dataclass
from datetime import datetime, timedelta

from gatewright.app.office import Office, unknown_authority
from gatewright.errors import Diagnostic, UsageError
from gatewright.model.pki import Certificate, Cursor, Filter, ProfileName, Status

_HIGHEST = 1 << 63
"""Databases number rows and seconds with 64 bits and a sign."""


class Standing(enum.StrEnum):
    """What a user calls the state of a certificate: what the store says, and the clock."""

    VALID = "valid"
    EXPIRED = "expired"
    HOLD = "hold"
    REVOKED = "revoked"

    @classmethod
    def of(cls, certificate: Certificate, now: datetime) -> Standing:
        """The state at ``now``. Revoked stays revoked after the end."""
        if certificate.status is Status.VALID:
            return cls.VALID if certificate.not_after > now else cls.EXPIRED
        return cls.HOLD if certificate.status is Status.HELD else cls.REVOKED


@dataclass(frozen=True, slots=True)
class Listed:
    """One certificate as it is told. ``days_left`` counts whole days and is negative after the end."""

    certificate: Certificate
    standing: Standing
    days_left: int

    @classmethod
    def at(cls, certificate: Certificate, now: datetime) -> Listed:
        """The certificate as it stands at ``now``."""
        return cls(certificate, Standing.of(certificate, now), (certificate.not_after - now).days)

    @property
    def name(self) -> str:
        """The client, else the first name in it, else its subject."""
        c = self.certificate
        return c.client or next((value for _, value in c.names), c.subject)

    def as_dict(self) -> dict[str, object]:
        """The JSON form; times in ISO 8601, UTC. Nothing in it is secret."""
        c = self.certificate
        return {
            "serial": c.serial_hex,
            "client": c.client,
            "authority": c.authority,
            "profile": c.profile.value,
            "status": self.standing.value,
            "subject": c.subject,
            "names": [f"{kind}:{value}" for kind, value in c.names],
            "not_before": c.not_before.isoformat(),
            "not_after": c.not_after.isoformat(),
            "days_left": self.days_left,
            "sha256": c.sha256.hex(),
            "spki_sha256": c.spki_sha256.hex(),
            "key_kept_here": c.key is not None,
            "requested_by": c.requested_by,
            "why": c.why,
        }


@dataclass(frozen=True, slots=True)
class Wanted:
    """What ``cert list`` was asked. ``after`` is where an earlier page ended, as that page said.

    The prover's test certificates are listed only where ``profile`` asks for them: on a gateway that is proved every few
    hours they would fill page after page.
    """

    expiring: timedelta | None = None
    name: str | None = None
    status: Standing | None = None
    authority: str | None = None
    profile: ProfileName | None = None
    limit: int = 50
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """One page. ``following`` is what to give as ``after`` for the next, ``None`` at the end."""

    rows: tuple[Listed, ...]
    following: str | None


def list_certificates(office: Office, wanted: Wanted) -> Listing:
    """One page of certificates, those that end soonest first; by name where a name was given. Reads only."""
    if wanted.authority is not None and wanted.authority not in office.authority_names():
        raise unknown_authority(wanted.authority, office.authority_names())
    now = office.deps.clock.now()
    status, after, before = _times(wanted, now)
    asked = Filter(
        authority=wanted.authority,
        name=wanted.name,
        status=status,
        profile=wanted.profile,
        unlike=None if wanted.profile is not None else ProfileName.CANARY,
        expires_after=after,
        expires_before=before,
    )
    with office.deps.store.reading() as reader:
        page = reader.page(asked, wanted.limit, None if wanted.after is None else _cursor(wanted))
    rows = tuple(Listed.at(c, now) for c in page.certificates)
    return Listing(rows, None if page.following is None else _bookmark(page.following))


def _times(wanted: Wanted, now: datetime) -> tuple[Status | None, datetime | None, datetime | None]:
    standing = wanted.status
    if wanted.expiring is not None:
        if standing not in {None, Standing.VALID}:
            raise UsageError(
                Diagnostic(
                    "expiring-not-valid",
                    f"--expiring lists what is valid still, not what is {standing}",
                    "",
                    "leave --status out, or --expiring",
                )
            )
        return Status.VALID, now, now + wanted.expiring
    if standing is Standing.VALID:
        return Status.VALID, now, None
    if standing is Standing.EXPIRED:
        return Status.VALID, None, now
    if standing is None:
        return None, None, None
    return (Status.HELD if standing is Standing.HOLD else Status.REVOKED), None, None


def _bookmark(cursor: Cursor) -> str:
    return base64.urlsafe_b64encode(f"{cursor.id}:{cursor.key}".encode()).decode().rstrip("=")


def _cursor(wanted: Wanted) -> Cursor:
    text = wanted.after or ""
    try:
        number, colon, key = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().partition(":")
        numbers = [int(number), *([] if wanted.name is not None else [int(key)])]
        if colon and all(0 <= n < _HIGHEST for n in numbers):
            return Cursor(key, numbers[0])
    except (ValueError, binascii.Error):
        pass
    fix = "copy it from the end of the page before, with the same other options"
    raise UsageError(Diagnostic("bad-bookmark", f"{text!r} is not where a page ended", "", fix))
