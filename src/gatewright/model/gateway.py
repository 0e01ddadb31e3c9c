"""The gateway file as values. Field descriptions become the reference and the JSON Schema (see :mod:`.keys`)."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from gatewright.model.credentials import Credentials
from gatewright.model.keys import key
from gatewright.model.matchers import EmailAddress, KeyPin, SerialNumber, TimeOfDay, UriName, Weekday
from gatewright.model.partners import Partner
from gatewright.model.values import (
    BackendUrl,
    CrlUrl,
    Duration,
    HostName,
    Listen,
    Method,
    Name,
    RelativePath,
    RoutePath,
)


def _nothing() -> Mapping[Name, object]:
    return MappingProxyType({})


LOOPBACK = (HostName("127.0.0.1"), HostName("::1"))
"""The addresses that ``localhost`` stands for (RFC 6761 §6.3)."""


class KeyAlgorithm(enum.StrEnum):
    """Kinds of key that a managed authority may use for itself and what it issues."""

    P256 = "p256"
    P384 = "p384"
    RSA3072 = "rsa3072"
    RSA4096 = "rsa4096"


@dataclass(frozen=True, slots=True)
class Authority:
    """Who may vouch for clients: an authority managed here, or a partner's own issuing CA. Exactly one of the two."""

    managed: bool = key(
        "`true`: Gatewright makes and keeps this authority (root, issuing CA) in the gateway's folder.", default=False
    )
    anchors: tuple[RelativePath, ...] = key(
        "The partner's *issuing* CA certificate (PEM), or a list of them while the partner moves from one to the next. "
        "It is trusted only for routes that name this authority or its clients.",
        name="anchor",
        example="partners/globex-issuing.pem",
        default=(),
    )
    host: HostName | None = key(
        "A host name of its own, for an authority that cannot share one: a self-signed root that issues by itself, or CAs below the "
        "anchor. Under this name its clients are known and nobody else's; every route is there as well.",
        example="legacy.example.org",
        default=None,
    )
    depth: int = key(
        "How many CAs may stand between the anchor and a client's certificate, 0 to 5. Only with `host`.", default=0
    )
    key_algorithm: KeyAlgorithm = key(
        "The kind of key of a managed authority and of what it issues.", name="key", default=KeyAlgorithm.P256
    )
    crl_url: CrlUrl | None = key(
        "Where others fetch a managed authority's CRLs: written into every certificate issued from now on. Plain `http://` "
        "only (RFC 5280 §8), so it is the address of a web server or cache that copies what a `publish: crl` route serves, "
        "or what `gatewright ca crl --out` writes.",
        example="http://crl.example.org/",
        default=None,
    )
    names: tuple[HostName, ...] = key(
        "The only names that a managed authority can vouch for: DNS names with everything below them, and IP addresses "
        "(`localhost` stands for 127.0.0.1 and ::1 as well). They are written into its CAs when it is made, as name constraints "
        "(RFC 5280 §4.2.1.10), and stay; whoever trusts its root risks nothing under any other name. Without it: every name.",
        example="[example.org]",
        default=(),
    )

    @property
    def permitted(self) -> tuple[HostName, ...]:
        """The names and addresses of ``names``, with what ``localhost`` brings; empty where every name is permitted."""
        loopback = LOOPBACK if "localhost" in self.names else ()
        return tuple(dict.fromkeys((*self.names, *loopback)))

    def permits(self, name: HostName) -> bool:
        """Whether it can vouch for ``name``: a DNS name that is one of the permitted or below one, or such an address."""
        if not self.names or name in self.permitted:
            return True
        return not name.is_address and any(name.endswith(f".{above}") for above in self.names if not above.is_address)


@dataclass(frozen=True, slots=True)
class Subject:
    """Parts of a certificate's subject that must be there once each, exactly as written."""

    common_name: str | None = key("The common name (CN).", example="erp", default=None)
    organization: str | None = key("The organization (O).", example="Globex", default=None)
    organizational_unit: str | None = key("The organizational unit (OU).", default=None)
    country: str | None = key("The country (C), two letters.", default=None)
    locality: str | None = key("The locality (L).", default=None)
    state: str | None = key("The state or province (ST).", default=None)

    def parts(self) -> tuple[tuple[str, str], ...]:
        """The parts that are set, as (mod_ssl's short name, value), in a fixed order."""
        named = (
            ("C", self.country),
            ("ST", self.state),
            ("L", self.locality),
            ("O", self.organization),
            ("OU", self.organizational_unit),
            ("CN", self.common_name),
        )
        return tuple((short, value) for short, value in named if value is not None)


Matcher = HostName | EmailAddress | UriName | SerialNumber | KeyPin | Subject
"""What identifies a client among those of its authority."""


@dataclass(frozen=True, slots=True)
class Client:
    """Who may be named in a route's `access`: an authority, and exactly one of the other keys."""

    authority: Name = key("The authority that must have issued this client's certificate.", example="home")
    san: HostName | None = key(
        "The DNS name that must stand in the certificate's subjectAltName.", example="billing.example.org", default=None
    )
    email: EmailAddress | None = key(
        "The e-mail address that must stand in the certificate's subjectAltName, exactly as written.",
        example="erp@globex.example",
        default=None,
    )
    uri: UriName | None = key(
        "The URI that must stand in the certificate's subjectAltName, exactly as written; SPIFFE names are such URIs.",
        example='"spiffe://globex.example/ns/prod/sa/job"',
        default=None,
    )
    serial: SerialNumber | None = key(
        "The certificate's serial number (hexadecimal). It names one certificate: the next one needs a new entry.",
        example='"0A1B2C"',
        default=None,
    )
    pin: KeyPin | None = key(
        "The SHA-256 of the certificate's public key (SubjectPublicKeyInfo, DER), in base64. It stays where a "
        "certificate is renewed with the same key.",
        name="key",
        example='"sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="',
        default=None,
    )
    subject: Subject | None = key(
        "Parts of the certificate's subject.", example="{ organization: Globex, common_name: erp }", default=None
    )

    @property
    def matcher(self) -> Matcher:
        """What identifies it. Raises :class:`ValueError` for a client without, which no gateway file can declare."""
        ways = (self.san, self.email, self.uri, self.serial, self.pin, self.subject)
        found = next((way for way in ways if way is not None), None)
        if found is None:
            raise ValueError(self)
        return found

    @property
    def by_enrolment(self) -> bool:
        """Whether httpd cannot compare what identifies it: its certificates are enrolled one by one, after an exact look."""
        return self.uri is not None or self.pin is not None

    @property
    def known_as(self) -> str:
        """What identifies it, in words."""
        if isinstance(self.matcher, Subject):
            return ", ".join(f"{short}={value}" for short, value in self.matcher.parts())
        kind = {SerialNumber: "serial ", KeyPin: "key "}.get(type(self.matcher), "")
        return f"{kind}{self.matcher}"


@dataclass(frozen=True, slots=True)
class Respond:
    """A fixed answer given by the gateway itself. At most one of `json`, `text` and `html`."""

    status: int = key("The HTTP status code, 200 to 599.", default=200)
    json: object = key("The body as JSON.", example="{ status: ok }", default=None)
    text: str | None = key("The body as plain text.", default=None)
    html: str | None = key("The body as HTML.", default=None)


class Announced(enum.StrEnum):
    """What a backend is told of a verified client, one word a header field (two of them: a family of fields)."""

    CLIENT_CERT = "client-cert"
    SUBJECT = "x-client-subject"
    ISSUER = "x-client-issuer"
    SERIAL = "x-client-serial"
    NOT_AFTER = "x-client-not-after"
    DNS = "x-client-dns"
    EMAIL = "x-client-email"
    XFCC = "xfcc"
    SSL_CLIENT = "x-ssl-client"
    NOTHING = "nothing"


ANNOUNCED_BY_DEFAULT = (Announced.CLIENT_CERT, Announced.SUBJECT, Announced.ISSUER, Announced.SERIAL)
"""What a backend is told where its entry says nothing of it."""


@dataclass(frozen=True, slots=True)
class BackendCertificate:
    """The client certificate that the gateway shows to an `https://` backend. Exactly one of `authority`, or `chain` with `key`."""

    authority: Name | None = key(
        "A managed authority that issues and renews it (clientAuth only, for the gateway's first DNS name).",
        example="home",
        default=None,
    )
    chain: RelativePath | None = key("Your own certificate followed by its intermediates (PEM).", default=None)
    key_file: RelativePath | None = key(
        "The private key to `chain` (PEM, unencrypted, mode 0600).", name="key", default=None
    )

    @property
    def files(self) -> tuple[RelativePath, RelativePath] | None:
        """Chain and key, where they are the user's own."""
        return (self.chain, self.key_file) if self.chain is not None and self.key_file is not None else None


@dataclass(frozen=True, slots=True)
class Backend:
    """A service that the gateway forwards to. A plain URL is short for `{ url: … }`."""

    url: BackendUrl = key(
        "`http://` or `https://`, host and port. Without a path, the request's path is kept; "
        "with one, even `/`, it replaces the route's path.",
        example="http://127.0.0.1:9001",
    )
    timeout: Duration = key(
        "How long the backend may stay silent before the client gets 504; whole seconds, rounded up.",
        example="30s",
        default=Duration(30_000),
    )
    connect_timeout: Duration = key(
        "How long a connection to the backend may take before the client gets 502.",
        example="5s",
        default=Duration(5_000),
    )
    keep_alive: bool = key("Whether connections to the backend are kept for further requests.", default=True)
    websocket: bool = key("Whether `Upgrade: websocket` is passed on.", default=False)
    ca: RelativePath | None = key(
        "CA certificates (PEM) that must have issued an `https://` backend's certificate. Without it: the system's.",
        example="backends/ca.pem",
        default=None,
    )
    identity: tuple[Announced, ...] = key(
        "What the backend is told of a verified client, as header fields that nobody else can set: `client-cert` (RFC 9440), "
        "`x-client-subject`, `x-client-issuer`, `x-client-serial`, `x-client-not-after`, `x-client-dns`, `x-client-email`, "
        "`xfcc` (`X-Forwarded-Client-Cert` as Envoy writes it), `x-ssl-client` (the five `X-SSL-Client-*` fields of older "
        "set-ups), or `nothing`. Without it: the first four. See docs/backends.md.",
        example="[client-cert, x-client-subject]",
        default=(),
    )
    signed: Name | None = key(
        "Every request is signed with the secret in `keys/backend-NAME.key`, so that the backend can refuse whatever did not "
        "come through the gateway. The file is made by the first `up` or `apply`; routes with the same name share it.",
        example="orders",
        default=None,
    )
    client_certificate: BackendCertificate | None = key(
        "The client certificate that the gateway shows to an `https://` backend. Without it: none.",
        example="{ authority: home }",
        default=None,
    )

    @property
    def announced(self) -> tuple[Announced, ...]:
        """What the backend is told of a verified client."""
        return tuple(a for a in self.identity or ANNOUNCED_BY_DEFAULT if a is not Announced.NOTHING)


class Publication(enum.StrEnum):
    """What the gateway can publish of its own."""

    CRL = "crl"

    @property
    def folder(self) -> RelativePath:
        """Where it stands in the gateway's folder."""
        return RelativePath(f"certs/{self}")


class Openness(enum.StrEnum):
    """The two kinds of access that name nobody in particular."""

    PUBLIC = "public"
    ANY_CLIENT = "any-client"


_WHOLE_DAY = (TimeOfDay(0), TimeOfDay(24 * 60))


@dataclass(frozen=True, slots=True)
class During:
    """When a route is open at all. At least one key; times and days are UTC. Outside of it everybody is refused, and whoever would be admitted is told `outside_hours` and when it opens."""

    days: tuple[Weekday, ...] = key(
        "The days on which it opens. Without it: every day.", example="[mon, tue, wed, thu, fri]", default=()
    )
    begin: TimeOfDay = key("When it opens, `HH:MM`.", name="from", example='"08:00"', default=_WHOLE_DAY[0])
    end: TimeOfDay = key(
        "When it closes, `HH:MM`, up to `24:00`. Earlier than `from`: on the next day, whichever day that is.",
        name="to",
        example='"18:00"',
        default=_WHOLE_DAY[1],
    )

    @property
    def over_midnight(self) -> bool:
        """Whether it closes on the day after the one on which it opens."""
        return self.end < self.begin

    def covers(self, when: datetime) -> bool:
        """Whether it is open at ``when`` (aware). The first minute belongs to it, the last does not."""
        utc = when.astimezone(UTC)
        minute = TimeOfDay(utc.hour * 60 + utc.minute)
        if not self.over_midnight:
            return self._on(utc) and self.begin <= minute < self.end
        return (self._on(utc) and minute >= self.begin) or (self._on(utc - timedelta(days=1)) and minute < self.end)

    def _on(self, day: datetime) -> bool:
        return not self.days or tuple(Weekday)[day.weekday()] in self.days

    def __str__(self) -> str:
        """In words: ``mon, tue 08:00 to 18:00 UTC``."""
        times = "" if (self.begin, self.end) == _WHOLE_DAY else f" {self.begin} to {self.end}"
        return f"{', '.join(self.days) or 'every day'}{times} UTC"


@dataclass(frozen=True, slots=True)
class Access:
    """Who may use a route: everybody, any verified client, or those named: clients, groups, all clients of some authorities.

    As a mapping: whoever `clients` or `any-of` admits, and only `during`. At least one of `clients` and `any-of`.
    """

    # Who stands behind the names says Gateway.admitted.
    openness: Openness | None = None
    names: tuple[Name, ...] = key(
        "Clients and groups, by name.", name="clients", example="[billing-bot, partners]", default=()
    )
    any_of: tuple[Name, ...] = key(
        "Authorities of which every verified, unrevoked client is admitted.",
        name="any-of",
        example="[globex]",
        default=(),
    )
    during: During | None = key(
        "When the route is open. Without it: always.", example='{ from: "08:00", to: "18:00" }', default=None
    )

    @property
    def is_public(self) -> bool:
        """Whether no client certificate is asked of the caller."""
        return self.openness is Openness.PUBLIC

    @property
    def admits_any_client(self) -> bool:
        """Whether every verified client is admitted."""
        return self.openness is Openness.ANY_CLIENT


@dataclass(frozen=True, slots=True)
class Route:
    """What is served under one path, and to whom. Exactly one of `files`, `respond`, `backend` and `publish`."""

    access: Access = key(
        "Who may use it: `public`, `any-client` (any verified, unrevoked client of any authority named in this file), "
        "a list of names of clients and groups, or a mapping. There is no default.",
        example="[billing-bot]",
    )
    files: RelativePath | None = key(
        "A file or folder inside the gateway's folder.", example="site/public", default=None
    )
    respond: Respond | None = key("A fixed answer.", example="{ status: 200, json: { status: ok } }", default=None)
    backend: Backend | None = key("A service to forward to.", example='"http://127.0.0.1:9001"', default=None)
    publish: Publication | None = key(
        "`crl`: the current CRLs of every managed authority, roots included, below a path ending in `/`: "
        "`AUTHORITY-issuing-1.crl` and so on (DER), and `AUTHORITY.pem` with all of one authority. For GET and HEAD only.",
        example="crl",
        default=None,
    )
    methods: tuple[Method, ...] = key(
        "The HTTP methods allowed; GET includes HEAD. Without it: all but TRACE and CONNECT.",
        example="[GET, POST]",
        default=(),
    )
    credentials: Credentials | None = key(
        "What is demanded besides the client certificate: `basic` or `bearer`. Neither that nor the certificate is enough alone.",
        example="{ basic: users.htpasswd }",
        default=None,
    )


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """Where the gateway's own certificate comes from. Exactly one of `authority`, or `chain` with `key`."""

    authority: Name | None = key("A managed authority that issues and renews it.", example="home", default=None)
    chain: RelativePath | None = key("Your own certificate followed by its intermediates (PEM).", default=None)
    key_file: RelativePath | None = key(
        "The private key to `chain` (PEM, unencrypted, mode 0600).", name="key", default=None
    )


class OnFinding(enum.StrEnum):
    """What happens when a proof finds that a door is not as declared."""

    REPORT = "report"
    SHUT = "shut"


@dataclass(frozen=True, slots=True)
class Proof:
    """How the running gateway is proved by itself, and what a finding does. At least one of the two."""

    every: Duration | None = key(
        "How often the running gateway is proved while it serves, `1m` or longer. Without it: on demand and by `apply` only.",
        example="6h",
        default=None,
    )
    on_finding: OnFinding = key(
        "`report`: a finding is told in the log, the exit code, the metrics and `status`. `shut`: besides, the route it is "
        "about answers everybody with 403 `route_shut`, and so does what lies below it, until an `apply` has proved it again.",
        default=OnFinding.REPORT,
    )

    @property
    def shuts(self) -> bool:
        """Whether a finding shuts its route."""
        return self.on_finding is OnFinding.SHUT


@dataclass(frozen=True, slots=True)
class Gateway:
    """One gateway: its names, its port, whom it trusts, and every route it serves."""

    hosts: tuple[HostName, ...] = key(
        "The public host name, or a list of them. `localhost` stands for 127.0.0.1 and ::1 as well.",
        example="api.example.org",
        name="gateway",
    )
    listen: Listen = key("The port, or address:port, to listen on.", example="8443")
    routes: Mapping[RoutePath, Route] = key(
        "The routes, by URL path. A path ending in `/` covers everything below it, any other path is exact. "
        "The longest match wins. What no route covers is refused.",
    )
    public_hosts: tuple[HostName, ...] = key(
        "Further host names, under which nobody is asked for a certificate and public routes alone answer. Under the others a browser that "
        "holds a certificate asks its user which to show, on public pages too. See docs/browser.md.",
        example="www.example.org",
        default=(),
    )
    authorities: Mapping[Name, Authority] = key("Who may vouch for clients, by name.", default_factory=_nothing)
    clients: Mapping[Name, Client] = key("Clients that routes can name, by name.", default_factory=_nothing)
    groups: Mapping[Name, tuple[Name, ...]] = key(
        "Clients that routes can name together: lists of names of clients, by the group's name, which no client has. "
        "A client that joins or leaves a group does so without a reload of httpd.",
        example="{ partners: [globex-erp, billing-bot] }",
        default_factory=_nothing,
    )
    partners: Mapping[Name, Partner] = key(
        "Who stands behind authorities that are not the gateway's own, by name; `gatewright partner` looks after them. See docs/partners.md.",
        example="{ globex: { authority: globex, contact: pki@globex.example } }",
        default_factory=_nothing,
    )
    certificate: ServerCertificate | None = key(
        "Where the gateway's own certificate comes from. Without it: from the first managed authority that is no partner's.",
        default=None,
    )
    proof: Proof | None = key(
        "How the running gateway is proved by itself, and what a finding does. Without it: no timer, and findings are told.",
        example="{ every: 6h, on_finding: shut }",
        default=None,
    )

    shut_out: Mapping[Name, Authority] = field(default_factory=lambda: MappingProxyType({}))
    """No key of the file: authorities of disabled partners, once they are trusted no more (:func:`.virtual_hosts.in_force`)."""

    def members(self, names: Iterable[Name]) -> tuple[Name, ...]:
        """The clients behind ``names`` of clients and groups, each once, in order. A name that nobody has is left out."""
        found: dict[Name, None] = {}
        for name in names:
            found.update(dict.fromkeys(self.groups.get(name, (name,))))
        return tuple(name for name in found if name in self.clients)

    def admitted(self, access: Access) -> tuple[Name, ...]:
        """The clients that ``access`` names, directly or by a group; neither ``any-of`` nor ``during`` counts here."""
        return self.members(access.names)

    def admits(self, access: Access, client: Name) -> bool:
        """Whether ``access`` is for this client at all, in whichever way, at some time."""
        if access.openness is not None or self.clients[client].authority in access.any_of:
            return True
        return any(client == name or client in self.groups.get(name, ()) for name in access.names)

    @property
    def names(self) -> tuple[HostName, ...]:
        """The DNS names among the hosts, in order."""
        return tuple(h for h in self.hosts if not h.is_address)

    @property
    def addresses(self) -> tuple[HostName, ...]:
        """The IP addresses among the hosts; ``localhost`` brings the two loopback addresses (RFC 6761 §6.3)."""
        declared = tuple(h for h in self.hosts if h.is_address)
        loopback = LOOPBACK if "localhost" in self.hosts else ()
        return declared + tuple(a for a in loopback if a not in declared)

    @property
    def own_hosts(self) -> tuple[HostName, ...]:
        """The names that belong to one authority each."""
        return tuple(a.host for a in self.authorities.values() if a.host is not None)

    @property
    def served_names(self) -> tuple[HostName, ...]:
        """Everything that the server certificate must name, each once."""
        return tuple(dict.fromkeys((*self.hosts, *self.addresses, *self.own_hosts, *self.public_hosts)))

    @property
    def backend_certificates(self) -> tuple[BackendCertificate, ...]:
        """The client certificates that backends are shown, each once, in the file's order."""
        backends = (route.backend for route in self.routes.values() if route.backend is not None)
        return tuple(dict.fromkeys(b.client_certificate for b in backends if b.client_certificate is not None))

    @property
    def managed_authorities(self) -> tuple[Name, ...]:
        """Names of the authorities that Gatewright keeps, in the file's order."""
        return tuple(name for name, authority in self.authorities.items() if authority.managed)

    @property
    def signing_names(self) -> tuple[Name, ...]:
        """Names of the secrets that requests to backends are signed with, sorted."""
        backends = [route.backend for route in self.routes.values() if route.backend is not None]
        return tuple(sorted({backend.signed for backend in backends if backend.signed is not None}))

    @property
    def server_authority(self) -> Name | None:
        """The managed authority that issues the server certificate, or ``None`` where the file brings its own."""
        if self.certificate is not None:
            return self.certificate.authority
        return next((name for name in self.managed_authorities if self.partner_of(name) is None), None)

    @property
    def every_authority(self) -> Mapping[Name, Authority]:
        """Those that are trusted, and those of disabled partners, which are not."""
        return {**self.authorities, **self.shut_out}

    def partner_of(self, authority: Name) -> Name | None:
        """The partner whose authority this is, ``None`` for one of the gateway's own."""
        return next((name for name, partner in self.partners.items() if authority in partner.authorities), None)


Path = tuple[str | int, ...]
"""Where a value stands in the gateway file: keys and list positions from the top, e.g. ``("routes", "/a/", "access", 0)``."""


@dataclass(frozen=True, slots=True)
class Declared:
    """A gateway together with the place of every value in its file, so that later findings can point at a line."""

    gateway: Gateway
    file: str
    places: Mapping[Path, tuple[int, int]] = field(default_factory=lambda: MappingProxyType({}))
