"""What a backend must be told of a client, and how that is signed: said a second time and apart from the compiler."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence

from gatewright.model.gateway import Route

# No value holds a blank or a quote. A certificate's DER begins with MI in base64; a PEM text is percent-encoded in full.
_NAME, _SERIAL, _LIST = "[!#-~]*", "([0-9A-F]{2})+", "([!#-+.-~-]+(,[!#-+.-~-]+)*)?"
_PEM = "-----BEGIN%20CERTIFICATE-----%0AMI(?:[A-Za-z0-9]|%2B|%2F|%3D|%0A)+-----END%20CERTIFICATE-----%0A"
_MARKED = f"{_NAME}gatewright%20canary{_NAME}"

_FIELDS: dict[str, dict[str, str]] = {
    "client-cert": {"Client-Cert": ":MI[A-Za-z0-9+/]+={0,2}:"},
    "x-client-subject": {"X-Client-Subject": _MARKED},
    "x-client-issuer": {"X-Client-Issuer": _NAME},
    "x-client-serial": {"X-Client-Serial": _SERIAL},
    "x-client-not-after": {"X-Client-Not-After": f"{_NAME}%20GMT"},
    "x-client-dns": {"X-Client-DNS": _LIST},
    "x-client-email": {"X-Client-Email": _LIST},
    "xfcc": {"X-Forwarded-Client-Cert": f'Cert="{_PEM}";Subject="{_MARKED}"'},
    "x-ssl-client": {
        "X-SSL-Client-Cert": _PEM,
        "X-SSL-Client-Verify": "SUCCESS",
        "X-SSL-Client-S-DN": _MARKED,
        "X-SSL-Client-I-DN": _NAME,
        "X-SSL-Client-Serial": _SERIAL,
    },
}
"""By the word in the gateway file: each field, and the shape of its whole value for a test identity."""

SIGNED = ("X-Gateway-Time", "X-Gateway-Request", "X-Gateway-Target", "X-Gateway-Signature")
_DEFAULT = ("client-cert", "x-client-subject", "x-client-issuer", "x-client-serial")
ALL = (*(name for fields in _FIELDS.values() for name in fields), "X-Basic-User", "X-Token-Subject")
"""Every field that a backend can be told, in the order in which they are signed."""

_ONE = re.compile("v1=([0-9a-f]{40})")


def told(route: Route) -> dict[str, str]:
    """The fields that the route's backend is told, each with the shape of its value."""
    if route.backend is None or route.access.is_public:
        return {}
    words = tuple(map(str, route.backend.identity)) or _DEFAULT
    return {name: shape for word in words for name, shape in _FIELDS.get(word, {}).items()}


def fault(request: tuple[str, str], headers: Sequence[tuple[str, str]], secrets: Sequence[str]) -> str:
    """What is wrong with the signature of ``request`` (method and target), in words; empty where every secret has signed it."""
    sent: Mapping[str, str] = {name.lower(): value for name, value in headers}
    if len(sent) < len(headers):
        return "a field was sent twice"
    missing = [name for name in SIGNED if not sent.get(name.lower())]
    if missing:
        return f"the request to the canary was not signed: no {', '.join(missing)}"
    if sent["x-gateway-target"] != request[1]:
        return "the signed target is not the one that was asked for"
    method, target = request
    parts = ("gatewright-1", sent["x-gateway-time"], sent["x-gateway-request"], method, sent.get("x-forwarded-host", ""),
             sent.get("x-forwarded-for", ""), target, *(sent.get(name.lower(), "") for name in ALL))  # fmt: skip
    message = " ".join(parts)
    found = [m[1] if (m := _ONE.fullmatch(one)) else "" for one in sent["x-gateway-signature"].split(",")]
    wanted = [_sha1(secret[64:] + _sha1(secret[:64] + message)) for secret in secrets]
    good = len(found) == len(wanted) and all(hmac.compare_digest(a, b) for a, b in zip(found, wanted, strict=True))
    return "" if good and secrets else "the signature is not that of the secrets in force"


def _sha1(text: str) -> str:
    return hashlib.sha1(text.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()
