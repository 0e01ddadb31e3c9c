"""Key sets of token issuers (RFC 7517): read once, strictly, so that nothing in them can surprise whoever verifies.

Only public keys for signatures count. A secret or private key in a set refuses the whole set: it was published by mistake,
and with a shared secret anybody who can verify could forge as well (RFC 8725 §2.1).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

MAX_BYTES = 262_144
"""Bytes of one key set: the largest public ones have some 30 kB; a limit keeps a hostile one from filling memory."""
MAX_KEYS = 100

_BY_CURVE = {"P-256": ("ES256",), "P-384": ("ES384",), "P-521": ("ES512",), "Ed25519": ("EdDSA", "Ed25519")}
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_KINDS: dict[str, type[ECKey] | type[RSAKey] | type[OKPKey]] = {"EC": ECKey, "RSA": RSAKey, "OKP": OKPKey}
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})  # RFC 7518 §6.2.2, §6.3.2, §6.4; RFC 8037 §2
_LEAST_RSA_BITS = 2048  # RFC 7518 §3.3 and §3.5


class KeySetProblem(ValueError):
    """Why a key set cannot be used; completes "it is not usable: …"."""


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """One public key, its name if it has one, and the algorithms it may be used with: of its own kind only (RFC 8725 §3.1)."""

    kid: str | None
    algorithms: frozenset[str]
    key: ECKey | RSAKey | OKPKey


@dataclass(frozen=True, slots=True)
class KeySet:
    """The usable keys of one issuer."""

    keys: tuple[VerifyingKey, ...]

    def find(self, kid: object) -> VerifyingKey | None:
        """The key of that name. A token that names none is for the only key of a set, if there is just one."""
        if kid is None:
            return self.keys[0] if len(self.keys) == 1 else None
        return next((key for key in self.keys if key.kid == kid), None)


def parse(content: bytes) -> KeySet:
    """The key set in ``content`` (JSON). Keys of kinds or for uses that we do not know are left out (RFC 7517 §5).

    Raises :class:`KeySetProblem`.
    """
    if len(content) > MAX_BYTES:
        raise KeySetProblem(f"it has {len(content)} bytes, more than {MAX_BYTES}")
    try:
        data = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise KeySetProblem("it is not JSON") from error
    listed = data.get("keys") if isinstance(data, dict) else None
    if not isinstance(listed, list):
        raise KeySetProblem("it is no key set: there is no list 'keys' in it (RFC 7517 section 5)")
    if len(listed) > MAX_KEYS:
        raise KeySetProblem(f"it has {len(listed)} keys, more than {MAX_KEYS}")
    found = tuple(key for entry in listed if (key := _key(entry)) is not None)
    if not found:
        raise KeySetProblem("it holds no public key for signatures that can be used")
    names = [key.kid for key in found if key.kid is not None]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise KeySetProblem(f"two of its keys have the name {twice[:60]!r} ('kid')")
    return KeySet(found)


def _key(entry: Any) -> VerifyingKey | None:
    if not isinstance(entry, dict):
        raise KeySetProblem("one of its keys is no object")
    kind = entry.get("kty")
    if kind == "oct" or _PRIVATE & entry.keys():
        raise KeySetProblem("it holds a secret or private key; a key set is public, so replace that key at its issuer")
    cls = _KINDS.get(kind) if isinstance(kind, str) else None
    operations = entry.get("key_ops", ["verify"])
    if (
        cls is None
        or entry.get("use", "sig") != "sig"
        or not isinstance(operations, list)
        or "verify" not in operations
    ):
        return None
    algorithms = _RSA if cls is RSAKey else _BY_CURVE.get(str(entry.get("crv")), ())
    if "alg" in entry:
        algorithms = tuple(name for name in algorithms if name == entry["alg"])
    kid = entry.get("kid")
    if not algorithms or not (kid is None or isinstance(kid, str)):
        return None
    # What else stands in it (x5u, x5c …) is never looked at, let alone fetched.
    bare = {name: entry[name] for name in ("kty", "crv", "x", "y", "n", "e") if name in entry}
    if cls is RSAKey and isinstance(entry.get("n"), str) and 6 * len(entry["n"]) < _LEAST_RSA_BITS:
        return None  # base64url: six bits a character
    try:
        key = cls.import_key(bare)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise KeySetProblem("one of its keys cannot be read") from error
    return VerifyingKey(kid, frozenset(algorithms), key)
