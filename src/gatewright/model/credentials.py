"""What a route may demand *besides* a client certificate: a user and password, or a bearer token.

Never instead of one: a route is entered with both or not at all.
"""

from __future__ import annotations

import base64
import enum
import hashlib
import json
from dataclasses import asdict, dataclass
from typing import ClassVar, Self

from gatewright.errors import ValueRejected
from gatewright.model.keys import key
from gatewright.model.values import BackendUrl, RelativePath

KEY_SETS = "credentials"
"""The folder, in the gateway's folder, of key sets that were fetched."""


class HttpsUrl(str):
    """An ``https://`` URL exactly as written: issuers are compared byte for byte (RFC 8414 §3.3, RFC 7519 §4.1.1)."""

    __slots__ = ()
    schema: ClassVar[dict[str, object]] = {"type": "string", "pattern": "^https://", "maxLength": 1024}

    @classmethod
    def parse(cls, text: str) -> Self:
        """From ``https://host[:port][/path]``; user name, query and fragment are refused."""
        fix = "write https://host/path"
        if not text.startswith("https://") or len(text) > 1024:
            why = "what is fetched from it decides who is let in, so it must be verified"
            raise ValueRejected("bad-https-url", f"{text[:80]!r} is not an https:// URL", why, fix)
        try:
            BackendUrl.parse(text)
        except ValueRejected as problem:
            what = f"{text!r} is not an address that can be used: {problem.what.replace('backend', 'address')}"
            raise ValueRejected("bad-https-url", what, "", fix) from problem
        return cls(text)


class KeySource(str):
    """Where a token issuer's public keys stand: a file in the gateway's folder, or an ``https://`` URL."""

    __slots__ = ()
    schema: ClassVar[dict[str, object]] = {"type": "string", "minLength": 1}

    @classmethod
    def parse(cls, text: str) -> Self:
        """From a relative path, or anything with ``://`` as a URL, which must be ``https``."""
        if "://" in text:
            return cls(HttpsUrl.parse(text))
        return cls(RelativePath.parse(text))

    @property
    def is_url(self) -> bool:
        """Whether it has to be fetched."""
        return "://" in self

    @property
    def file(self) -> RelativePath:
        """Where the keys stand in the gateway's folder; those that are fetched under a name made of their URL."""
        if not self.is_url:
            return RelativePath(self)
        return RelativePath(f"{KEY_SETS}/keys-{hashlib.sha256(self.encode()).hexdigest()[:16]}.json")


class Binding(enum.StrEnum):
    """Whether a token must be bound to the certificate of whoever shows it (RFC 8705 §3)."""

    REQUIRED = "required"
    OPTIONAL = "optional"


@dataclass(frozen=True, slots=True)
class Bearer:
    """Which bearer tokens are good: signed JWTs (RFC 7519) of one issuer, for one audience."""

    issuer: HttpsUrl = key(
        "Who must have issued the token: its `iss`, compared byte for byte.", example="https://login.example.org"
    )
    audience: str = key("For whom it must be meant: one of its `aud`.", example="orders-api")
    jwks: KeySource = key(
        "The issuer's public keys (RFC 7517): a file in the gateway's folder, or an `https://` URL, which is fetched every "
        "five minutes by a process of its own and never while somebody waits.",
        example="keys/login.json",
    )
    ca: RelativePath | None = key(
        "CA certificates (PEM) that must have issued the certificate of a `jwks` URL's server. Without it: the system's.",
        example="keys/login-ca.pem",
        default=None,
    )
    bound: Binding = key(
        "`required`: the token must carry the SHA-256 of the very certificate it comes with (`cnf.x5t#S256`, RFC 8705), so a "
        "stolen one is worthless. `optional`: one that carries none is taken too; one that carries another's is not.",
        default=Binding.REQUIRED,
    )


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a route demands besides a client certificate. Exactly one of the two."""

    basic: RelativePath | None = key(
        "A file of users and bcrypt hashes (`gatewright user add`); the password comes by HTTP Basic (RFC 7617).",
        example="users.htpasswd",
        default=None,
    )
    bearer: Bearer | None = key("Bearer tokens of one issuer (RFC 6750).", default=None)

    @property
    def files(self) -> tuple[RelativePath, ...]:
        """What must be read to judge a request, in the gateway's folder."""
        users = (self.basic,) if self.basic is not None else ()
        return users if self.bearer is None else (*users, self.bearer.jwks.file)


@dataclass(frozen=True, slots=True)
class Rule:
    """What a token must satisfy on one route; ``keys`` is the key set's file, relative to where key sets stand."""

    issuer: str
    audience: str
    keys: str
    bound: str

    @classmethod
    def of(cls, bearer: Bearer) -> Rule:
        """The rule that the gateway file declares."""
        return cls(str(bearer.issuer), bearer.audience, str(bearer.jwks.file), bearer.bound.value)

    def encoded(self) -> str:
        """As the configuration hands it to the authorizer: base64url without padding, so that nothing in it needs escaping."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def decoded(cls, text: str) -> Rule:
        """Reads :meth:`encoded` back. Raises ``ValueError`` for anything else."""
        refused = f"no rule: {text[:80]!r}"
        try:
            data = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            rule = cls(**data)
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(refused) from error
        if not all(isinstance(value, str) for value in asdict(rule).values()):
            raise ValueError(refused)
        return rule


PROOF = "GW_PROOF"
"""The variable in which the authorizer answers: :func:`proof`, or the code of the reason for refusing."""
RULE = "GW_CREDENTIALS"
"""The variable that carries the rule to the authorizer, :meth:`Rule.encoded`."""
PEM = "GW_PEM"
"""The variable that carries the client's certificate to the authorizer, in PEM."""
AUTHORIZATION = "GW_AUTHORIZATION"
"""The variable that carries the request's field of that name to the authorizer."""
SUBJECT = "GW_TOKEN_SUBJECT"
"""The variable in which the authorizer gives a good token's subject, percent-encoded."""
CHECKED = "GW_CHECKED"
"""The variable that the authorizer sets whenever it could answer at all."""
KEY = "GATEWRIGHT_AUTHORIZER_KEY"
"""The variable of httpd's own environment that holds the key it shares with its authorizer, 64 hex digits."""


def proof(key: str, rule: str, request_id: str, authorization: bytes, certificate: bytes) -> str:
    """What only the true authorizer can answer, and only for this very request: httpd computes the same and compares.

    A keyed SHA-1, because httpd's expressions have nothing stronger. The key comes first and every part has a fixed alphabet, so
    that no part can run into the next; nobody but the two sees more than one value for a key that lives as long as one supervisor.
    """
    parts = (key, rule, request_id, hashlib.sha1(authorization).hexdigest(), hashlib.sha1(certificate).hexdigest())  # noqa: S324 - see above
    return hashlib.sha1("|".join(parts).encode()).hexdigest()  # noqa: S324 - see above
