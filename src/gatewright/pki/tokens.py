"""Whether a bearer token is good for one rule and one client certificate. Pure: keys, certificate and time are arguments.

Signatures and their framing are joserfc's. What it is never asked to do: to choose an algorithm by what the token says (the
key says which), or to look at ``jku``, ``jwk``, ``x5u`` and ``x5c`` in the token, which would let whoever made it bring the
key along (RFC 8725 §3.1, §3.10).
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError

from gatewright.model import reasons
from gatewright.model.credentials import Binding, Rule
from gatewright.model.reasons import Reason
from gatewright.pki.keysets import KeySet, VerifyingKey

MAX_TOKEN = 8_192
"""Characters of one token; real ones have 500 to 2,000. Above it nothing is even decoded."""

MAX_SUBJECT = 256
"""Characters of a subject: OpenID Connect allows 255 (Core 1.0 §2), and what it is passed on in is a header field."""

LEEWAY_S = 30
"""Seconds by which the issuer's clock may differ from ours (RFC 7519 §4.1.4: "usually no more than a few minutes")."""

_BEARER = re.compile(r"(?i:bearer) +([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)\Z")  # RFC 6750 §2.1, RFC 7515 §7.1
# RFC 8725 §3.11: a token that says it is something else than an access token is not taken for one.
_TYPES = {"jwt", "at+jwt", "application/jwt", "application/at+jwt"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """``reason`` is ``None`` for a good token, whose ``subject`` may be empty; ``detail`` is for the operator's log."""

    reason: Reason | None
    detail: str = ""
    subject: str = ""


class _Bad(Exception):
    def __init__(self, detail: str, reason: Reason = reasons.TOKEN_INVALID) -> None:
        super().__init__(detail)
        self.reason = reason


def judge(authorization: str, certificate: bytes | None, rule: Rule, keys: KeySet, now: float) -> Verdict:
    """Whether the request may pass. ``certificate`` is the client's, DER; ``now`` is seconds since 1970."""
    if not authorization:
        return Verdict(reasons.CREDENTIALS_REQUIRED, "no Authorization field")
    try:
        claims = _verified(authorization, keys)
        _registered(claims, rule, now)
        _binding(claims, certificate, rule)
        return Verdict(None, subject=_subject(claims))
    except _Bad as bad:
        return Verdict(bad.reason, str(bad))


def _verified(authorization: str, keys: KeySet) -> dict[str, Any]:
    if len(authorization) > MAX_TOKEN:
        raise _Bad(f"{len(authorization)} characters, more than {MAX_TOKEN}")
    # Several Authorization fields arrive joined by commas, which no token holds.
    match = _BEARER.match(authorization)
    if match is None:
        raise _Bad("not one bearer token in the compact form of a signed JWT")
    token = match[1]
    try:
        header = jws.extract_compact(token.encode()).headers()
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise _Bad("its header cannot be read") from error
    key = _key_for(header, keys)
    try:
        return dict(jwt.decode(token, key.key, algorithms=[str(header["alg"])]).claims)
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise _Bad(f"its signature or form is wrong ({type(error).__name__})") from error


def _key_for(header: dict[str, Any], keys: KeySet) -> VerifyingKey:
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise _Bad("its type is not that of an access token")
    if "crit" in header or "b64" in header:
        raise _Bad("it has critical extensions (RFC 7515 section 4.1.11)")
    key = keys.find(header.get("kid"))
    if key is None:
        raise _Bad("none of the issuer's keys has the name it gives")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in key.algorithms:
        raise _Bad("its algorithm is not one of its key")
    return key


def _subject(claims: dict[str, Any]) -> str:
    """The name that backends are told, whole or not at all: one that is cut, or mended, could be somebody else's."""
    subject = claims.get("sub", "")
    if not isinstance(subject, str):
        return ""
    # JSON can spell halves of a character (RFC 8259 §8.2), which no UTF-8 can hold.
    if len(subject) > MAX_SUBJECT or any("\ud800" <= c <= "\udfff" for c in subject):
        raise _Bad(f"its subject has more than {MAX_SUBJECT} characters, or none that could be passed on")
    return subject


def _registered(claims: dict[str, Any], rule: Rule, now: float) -> None:
    if claims.get("iss") != rule.issuer:
        raise _Bad("another issuer")
    audience = claims.get("aud")
    meant = audience if isinstance(audience, list) else [audience]
    if rule.audience not in meant:
        raise _Bad("for another audience")
    if _moment(claims, "exp") + LEEWAY_S <= now:
        raise _Bad("expired")
    for name, said in (("nbf", "not yet valid"), ("iat", "issued in the future")):
        if name in claims and _moment(claims, name) - LEEWAY_S > now:
            raise _Bad(said)


def _moment(claims: dict[str, Any], name: str) -> float:
    value = claims.get(name)
    # JSON's parser takes NaN, with which every comparison is false, and numbers of any length (RFC 8259 §6 promises 53 bits); and
    # true is a number in Python.
    if isinstance(value, bool) or not isinstance(value, int | float) or not -(2**53) < value < 2**53:
        raise _Bad(f"its {name!r} is missing or no number")
    return value


def _binding(claims: dict[str, Any], certificate: bytes | None, rule: Rule) -> None:
    confirmation = claims.get("cnf")
    if confirmation is None and "cnf" not in claims:
        if rule.bound != Binding.OPTIONAL:
            raise _Bad("not bound to a certificate (cnf.x5t#S256)", reasons.TOKEN_BOUND_ELSEWHERE)
        return
    # Bound by something that cannot be checked here, such as DPoP's key (RFC 9449), is as good as bound to somebody else.
    if not isinstance(confirmation, dict) or set(confirmation) != {"x5t#S256"}:
        raise _Bad("bound in a way that is not checked here", reasons.TOKEN_BOUND_ELSEWHERE)
    if certificate is None:
        raise _Bad("bound to a certificate, and none was presented", reasons.TOKEN_BOUND_ELSEWHERE)
    own = base64.urlsafe_b64encode(hashlib.sha256(certificate).digest()).decode().rstrip("=")
    if confirmation["x5t#S256"] != own:
        raise _Bad("bound to another certificate", reasons.TOKEN_BOUND_ELSEWHERE)
