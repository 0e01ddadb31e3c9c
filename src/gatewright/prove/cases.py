"""One probe as a value: who asks, in which protocol, for what, and what must come of it."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Family(enum.StrEnum):
    """Groups of attacks; every case belongs to one. The values are a contract: they stand in reports."""

    NO_CERTIFICATE = "no-certificate"
    ADMITTED = "admitted"
    WRONG_CERTIFICATE = "wrong-certificate"
    WRONG_MOMENT = "wrong-moment"
    WRONG_PURPOSE = "wrong-purpose-or-strength"
    WRONG_CLIENT = "wrong-client"
    CREDENTIALS = "credentials"
    RESUMPTION = "resumption"
    NAME_CONFUSION = "name-confusion"
    PATH_CONFUSION = "path-confusion"
    METHODS = "methods"
    HEADER_SPOOFING = "header-spoofing"
    FRAMING = "framing"
    PLAIN_TEXT = "plain-text"
    TLS_STRENGTH = "tls-strength"
    EXHAUSTION = "exhaustion"


class Kind(enum.StrEnum):
    """What a caller presents in the handshake."""

    NONE = "none"
    CLIENT = "client"
    """A client that the gateway file names."""
    NOT_ENROLLED = "not-enrolled"
    """A client that the gateway file names, known by URI or key, whose certificate nobody has looked at yet."""
    UNNAMED = "unnamed"
    """A valid certificate of an authority, for nobody that the gateway file names."""
    OTHER_AUTHORITY = "name-from-other-authority"
    """A valid certificate of one authority with the name of another authority's client."""
    NAME_IN_CN = "name-in-cn"
    """A valid certificate whose common name, not its SAN, is a client's SAN."""
    SECOND_NAME = "second-name"
    """A valid certificate whose subject has a client's parts, and each of them (or one) a second time with another value."""
    WRONG_PART = "wrong-part"
    """A valid certificate with a client's subject, one part of which has another value."""
    FOREIGN = "foreign"
    """A good certificate of a CA that the gateway does not know."""
    LOOK_ALIKE = "look-alike-ca"
    """Issued by a CA with the name and key identifier of a trusted one, but another key."""
    SELF_SIGNED = "self-signed"
    LEAF_AS_CA = "leaf-as-ca"
    """Issued by a valid client, which is no CA, as if it were one."""
    STUFFED = "stuffed-chain"
    """A foreign certificate, followed by the gateway's real CA certificates and a real client's."""
    SUB_CA = "sub-ca"
    """Issued by a CA below a trusted one."""
    SUB_CA_OTHER = "sub-ca-named-as-other"
    """Issued by a CA below one authority's that has the name of another authority's."""
    SUB_CA_COPY = "sub-ca-copied-from-other"
    """Likewise, with the other's key identifier too."""
    SPELLED_AS_OTHER = "issuer-spelled-as-other"
    """Issued by one authority's CA itself, its issuer written as another authority's CA writes its name (OpenSSL takes spellings for one)."""
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    REVOKED = "revoked"
    REVOKED_ALTERED = "revoked-signature-altered"
    """Revoked, and shown with the other of the two signatures (r, s) and (r, n-s) that ECDSA takes for the same (SEC 1 §4.1.4)."""
    REVOKED_MEANWHILE = "revoked-meanwhile"
    """Valid when the connection was made, revoked since."""
    SERVER_ONLY = "server-auth-only"
    WEAK_KEY = "rsa-1024"
    WEAK_HASH = "sha-1"
    CRITICAL = "unknown-critical-extension"
    OUTSIDE_NAMES = "outside-names"
    """A valid certificate with a name that its authority, which is for certain names only, cannot vouch for."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks: what kind of certificate, of which authority, as which client of the gateway file.

    ``other`` is the authority imitated, where that is another than the one whose key signs. ``part`` is the short name of
    the part of the subject that the kind is about, where it is about one of several. ``generation`` counts, from 0, the CAs that the
    authority has at the same time.
    """

    kind: Kind
    authority: str | None = None
    client: str | None = None
    other: str | None = None
    part: str | None = None
    generation: int = 0

    def __str__(self) -> str:
        """``look-alike-ca of home as billing-bot``."""
        of = f" of {self.authority}" if self.authority else ""
        as_whom = f" as {self.client or self.other}" if self.client or self.other else ""
        later = f" by its CA {self.generation + 1}" if self.generation else ""
        return f"{self.kind}{of}{as_whom}{f' in {self.part}' if self.part else ''}{later}"

    @property
    def issuer(self) -> str:
        """Its authority, and which of its CAs: a key of what is held for each of them."""
        return issuer_key(self.authority or "", self.generation)

    @property
    def needs_key(self) -> bool:
        """Whether the authority's own issuing key is needed to make it."""
        return self.kind not in {Kind.NONE, Kind.FOREIGN, Kind.LOOK_ALIKE, Kind.SELF_SIGNED}

    @property
    def needs_sub_ca(self) -> bool:
        """Whether a CA certificate would have to be signed, which is done with keys of stand-ins only."""
        return self.kind in {Kind.SUB_CA, Kind.SUB_CA_OTHER, Kind.SUB_CA_COPY}


NOBODY = Identity(Kind.NONE)


def issuer_key(authority: str, generation: int) -> str:
    """What a CA of an authority is kept under; no authority's name has a slash."""
    return f"{authority}/{generation + 1}" if generation else authority


class Tls(enum.StrEnum):
    """Versions of TLS."""

    V10 = "tls1.0"
    V11 = "tls1.1"
    V12 = "tls1.2"
    V13 = "tls1.3"


class Http(enum.StrEnum):
    """Versions of HTTP inside TLS, chosen by ALPN."""

    H1 = "h1"
    H2 = "h2"


@dataclass(frozen=True, slots=True)
class Protocol:
    """What is spoken. ``suites`` replaces OpenSSL's list of cipher suites for TLS 1.2 and below."""

    tls: Tls = Tls.V13
    http: Http = Http.H1
    suites: str = ""

    def __str__(self) -> str:
        """``tls1.3 h2``."""
        return f"{self.tls} {self.http}{f' {self.suites}' if self.suites else ''}"


PROTOCOLS = tuple(Protocol(tls, http) for tls in (Tls.V12, Tls.V13) for http in Http)
"""The four that a gateway serves."""


class Session(enum.StrEnum):
    """Whether a TLS session of an earlier connection of the same caller is offered."""

    NEW = "new"
    SAME_NAME = "resumed at the same name"
    OTHER_NAME = "resumed from another name"


class Transport(enum.StrEnum):
    """What carries the request."""

    TLS = "tls"
    PLAIN = "plain"
    """Straight over TCP, on the TLS port."""
    SILENT = "silent"
    """A TCP connection on which the first bytes of a handshake are sent, and then nothing ever.

    Without those bytes many kernels do not even show the connection to a server that defers accepting."""


class Voucher(enum.StrEnum):
    """What is shown besides a certificate where a stand-in vouches for users and tokens: a good credential, or one wrong in one way."""

    NONE = ""
    GOOD = "good"
    FORGED = "another password or key"
    EXPIRED = "expired"
    AUDIENCE = "for another audience"
    ISSUER = "of another issuer"
    ELSEWHERE = "bound to another certificate"


@dataclass(frozen=True, slots=True)
class Ask:
    """What is sent. ``sni`` and ``host`` of ``None`` are left out; an ``authority`` of a URL is ``host`` too.

    ``raw`` is written as it is instead of a well-formed HTTP/1.1 request. ``{port}`` in ``host``, ``target`` and ``raw`` stands for
    the port at hand. ``target`` replaces the path in the request line. ``voucher`` stands for a field ``Authorization`` that is made when it
    is asked, so that no case holds a credential.
    """

    path: str = "/"
    method: str = "GET"
    sni: str | None = None
    host: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    transport: Transport = Transport.TLS
    session: Session = Session.NEW
    target: str = ""
    raw: str = ""
    voucher: Voucher = Voucher.NONE


class Outcome(enum.StrEnum):
    """What must come of a probe."""

    ADMITTED = "admitted"
    """Answered with one of the statuses; where the caller is a test identity, by the gateway's canary."""
    NO_HANDSHAKE = "refused in the handshake"
    REFUSED = "refused by HTTP"
    """Answered with one of the statuses and, where given, one of the reason codes."""
    SHUT = "refused somehow"
    """In the handshake, by HTTP with one of the statuses, or by closing the connection."""
    NOT_RESUMED = "not resumed"
    """The offered session was not taken up: a full handshake was made."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What must come of a probe.

    ``alerts`` are TLS alert numbers (RFC 8446 §6), any if empty. ``present`` are header names that the canary must have been sent;
    ``absent`` is a text that must be in none of its header values, ``missing`` names that it must not have been sent at all,
    ``shaped`` a regular expression that the whole value of a header must match. ``signed`` names the secrets that must all have signed the request.
    """

    outcome: Outcome
    statuses: tuple[int, ...] = ()
    codes: tuple[str, ...] = ()
    alerts: tuple[int, ...] = ()
    canary: bool = False
    present: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    absent: str = ""
    shaped: tuple[tuple[str, str], ...] = ()
    signed: str = ""

    def __str__(self) -> str:
        """For readers: ``refused by HTTP: 403 client_certificate_required``."""
        more = [*map(str, self.statuses), *self.codes, *(f"alert {n}" for n in self.alerts)]
        return f"{self.outcome}{': ' if more else ''}{' '.join(more)}{' by the canary' if self.canary else ''}"


@dataclass(frozen=True, slots=True)
class Case:
    """One probe. ``id`` is stable and readable; ``route`` is the declared path it is about, empty for the listener as a whole."""

    id: str
    family: Family
    ask: Ask
    identity: Identity
    protocol: Protocol
    expected: Expected
    why: str
    route: str = ""


@dataclass(frozen=True, slots=True)
class Derived:
    """Every case of a gateway, and what is not tried at all, each with the reason."""

    cases: tuple[Case, ...]
    sampled: bool = False
    left_out: tuple[tuple[str, str], ...] = ()
