"""What identifies a client's certificate, and when a door is open, as values. ``parse`` raises :class:`ValueRejected`."""

from __future__ import annotations

import base64
import binascii
import enum
import re
from dataclasses import dataclass
from typing import ClassVar, Self

from gatewright.errors import ValueRejected
from gatewright.model.values import HostName

# RFC 5322 §3.2.3 dot-atom; quoted local parts are legal, in no certificate we have seen, and refused.
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*\Z")
# RFC 3986 §2 and §3.1: a scheme, a colon, then only characters that a URI may have.
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+\Z")
_SERIAL = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2})*\Z|[0-9A-Fa-f]{1,40}\Z")
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])\Z|24:00\Z")
_PIN = "sha256:"


class EmailAddress(str):
    """An e-mail address as it stands in a certificate (rfc822Name, RFC 5280 §4.2.1.6): ASCII, compared byte for byte."""

    __slots__ = ()
    schema: ClassVar[dict[str, object]] = {"type": "string", "pattern": "@", "maxLength": 254}

    @classmethod
    def parse(cls, text: str) -> Self:
        """From ``local@domain``. Display names, quoted local parts and characters beyond ASCII are refused."""
        local, at, domain = text.rpartition("@")
        try:
            good = bool(at) and bool(_LOCAL.match(local)) and not HostName.parse(domain).is_address
        except ValueRejected:
            good = False
        if not good or len(text) > 254:  # RFC 5321 §4.5.3.1.3, less the brackets
            raise ValueRejected(
                "bad-email",
                f"{text!r} is not an e-mail address",
                "it is compared byte for byte with what stands in the certificate",
                "write it as in the certificate: name@example.org",
            )
        return cls(text)


class UriName(str):
    """A URI as it stands in a certificate (uniformResourceIdentifier, RFC 5280 §4.2.1.6): ASCII, compared byte for byte."""

    __slots__ = ()
    schema: ClassVar[dict[str, object]] = {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9+.-]*:"}

    @classmethod
    def parse(cls, text: str) -> Self:
        """From an absolute URI such as ``spiffe://example.org/job``; at most 2048 characters (SPIFFE-ID §2.3)."""
        if not _URI.match(text) or len(text) > 2048:
            raise ValueRejected(
                "bad-uri",
                f"{text[:80]!r} is not an absolute URI",
                "it is compared byte for byte with what stands in the certificate",
                "write it as in the certificate: spiffe://example.org/ns/prod/sa/job",
            )
        return cls(text)


class SerialNumber(str):
    """A certificate's serial number: upper-case hexadecimal with an even number of digits, as mod_ssl writes it."""

    __slots__ = ()
    schema: ClassVar[dict[str, object]] = {"type": "string", "pattern": "^[0-9A-Fa-f:]+$"}

    @classmethod
    def parse(cls, text: str) -> Self:
        """From hexadecimal, with or without colons; at most 20 octets (RFC 5280 §4.1.2.2), and not zero."""
        digits = text.replace(":", "").lstrip("0").upper()
        if not _SERIAL.match(text) or not digits or len(digits) > 40:
            raise ValueRejected(
                "bad-serial",
                f"{text[:80]!r} is not a serial number",
                "",
                'write it in hexadecimal and in quotes, as openssl x509 -noout -serial prints it: "0A1B2C"',
            )
        return cls(digits if len(digits) % 2 == 0 else f"0{digits}")


class KeyPin(str):
    """``sha256:`` and the SHA-256 of a public key (SubjectPublicKeyInfo in DER) in base64, as in RFC 7469 §2.4."""

    __slots__ = ()
    schema: ClassVar[dict[str, object]] = {"type": "string", "pattern": "^sha256:[A-Za-z0-9+/]{43}=$"}

    @classmethod
    def parse(cls, text: str) -> Self:
        """From ``sha256:`` and 32 octets in padded base64."""
        try:
            digest = base64.b64decode(text.removeprefix(_PIN), validate=True)
        except (binascii.Error, ValueError):
            digest = b""
        if not text.startswith(_PIN) or len(digest) != 32:
            raise ValueRejected(
                "bad-key-pin",
                f"{text[:80]!r} is not the SHA-256 of a public key",
                "",
                "write sha256: and the output of: openssl x509 -in FILE -noout -pubkey | openssl pkey -pubin -outform der "
                "| openssl dgst -sha256 -binary | base64",
            )
        return cls(_PIN + base64.b64encode(digest).decode())

    @property
    def digest(self) -> bytes:
        """The 32 octets."""
        return base64.b64decode(self.removeprefix(_PIN))


class Weekday(enum.StrEnum):
    """Days of the week, Monday first (ISO 8601)."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


@dataclass(frozen=True, slots=True, order=True)
class TimeOfDay:
    """A time of day in UTC, as minutes since midnight; 1440 is the end of the day."""

    minutes: int
    schema: ClassVar[dict[str, object]] = {"type": "string", "pattern": "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"}

    @classmethod
    def parse(cls, text: str) -> Self:
        """From ``HH:MM``, ``00:00`` to ``24:00``."""
        if not _TIME.match(text):
            raise ValueRejected(
                "bad-time",
                f"{text!r} is not a time of day",
                "times are UTC",
                'write hours and minutes in quotes: "08:00"',
            )
        return cls(int(text[:2]) * 60 + int(text[3:]))

    def __str__(self) -> str:
        """``HH:MM``."""
        return f"{self.minutes // 60:02d}:{self.minutes % 60:02d}"
