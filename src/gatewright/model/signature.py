"""How a request is signed for a backend: what the compiler writes and every verifier reads. docs/backends.md is the long form.

httpd's expressions know no hash but SHA-1 and no HMAC, and a hash's result only as hexadecimal text, so HMAC itself (RFC 2104:
binary pads, binary inner result) cannot be computed. What can is the construction HMAC is made of (NMAC, Bellare, Canetti and
Krawczyk 1996): ``sha1(OUTER || hex(sha1(INNER || message)))`` with two independent keys. Each key is 64 hexadecimal digits, that
is 256 random bits and *exactly one block* of SHA-1 (64 octets, FIPS 180-4 §5.2.1): both hashes begin in a secret state, as NMAC's do.
NMAC is proved without collision resistance (Bellare, CRYPTO 2006), so SHA-1's known collisions do not reach it, and the
outer hash takes length extension away.
"""

from __future__ import annotations

LABEL = "gatewright-1"
"""First word of every signed message: the version of this format."""

TIME = "X-Gateway-Time"
"""When the gateway received the request: microseconds since 1970 in UTC, decimal."""

REQUEST = "X-Gateway-Request"
"""The request's identifier, never the same twice (mod_unique_id)."""

TARGET = "X-Gateway-Target"
"""The request target as the backend receives it: path and query."""

SIGNATURE = "X-Gateway-Signature"
"""``v1=`` and 40 hexadecimal digits, separated by commas: one for each secret in force."""

FIELDS = (TIME, REQUEST, TARGET, SIGNATURE)

COVERED = (
    "Client-Cert",
    "X-Client-Subject",
    "X-Client-Issuer",
    "X-Client-Serial",
    "X-Client-Not-After",
    "X-Client-DNS",
    "X-Client-Email",
    "X-Forwarded-Client-Cert",
    "X-SSL-Client-Cert",
    "X-SSL-Client-Verify",
    "X-SSL-Client-S-DN",
    "X-SSL-Client-I-DN",
    "X-SSL-Client-Serial",
    "X-Basic-User",
    "X-Token-Subject",
)
"""The identity fields of every signed message, in this order; one that is not sent counts as empty text."""

KEY_DIGITS = 64
"""Hexadecimal digits of each of a secret's two keys, inner and outer: one block of SHA-1."""


def secret_file(name: str) -> str:
    """Where the secrets of one name stand, below the gateway's folder."""
    return f"keys/backend-{name}.key"


def signing_file(name: str) -> str:
    """The file of a generation that signs with them; it holds secrets."""
    return f"sign-{name}.conf"
