"""For backends: tells the gateway's requests from everybody else's, and who the client is. Standard library only, one file.

Copy it, or install Gatewright. ``Wsgi`` and ``Asgi`` wrap an application; ``Verifier`` is for anything else:

    app = Asgi(app, Verifier.from_file("/etc/myapp/backend-orders.key"))

A request without a right and recent signature is answered with 403 and never reaches the application. With one, the client's
identity is ``environ["gatewright.identity"]`` or ``scope["gatewright.identity"]``. docs/backends.md describes the signature.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
import os
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

KEY = "gatewright.identity"
"""Where the identity is: in WSGI's environ, in ASGI's scope."""

WINDOW_S = 60.0
"""How far the gateway's and this machine's clocks, and the time a request takes to get here, may lie apart, in seconds."""

_LABEL = "gatewright-1"
_COVERED = (
    "client-cert", "x-client-subject", "x-client-issuer", "x-client-serial", "x-client-not-after", "x-client-dns",
    "x-client-email", "x-forwarded-client-cert", "x-ssl-client-cert", "x-ssl-client-verify", "x-ssl-client-s-dn",
    "x-ssl-client-i-dn", "x-ssl-client-serial", "x-basic-user", "x-token-subject",
)  # fmt: skip
_TIME, _REQUEST, _TARGET, _SIGNATURE = "x-gateway-time", "x-gateway-request", "x-gateway-target", "x-gateway-signature"
_HOST, _CLIENT = "x-forwarded-host", "x-forwarded-for"
_READ = frozenset((*_COVERED, _TIME, _REQUEST, _TARGET, _SIGNATURE, _HOST, _CLIENT))

_SECRET = re.compile(r"[0-9a-f]{128}\Z")
_ONE = re.compile(r"v1=([0-9a-f]{40})\Z")
_DIGITS = re.compile(r"[0-9]{10,18}\Z")
# What no signed part can hold; with a blank in one, a message could be read in two ways.
_NEVER = re.compile(r"[^\x21-\xff]")

_log = logging.getLogger("gatewright.backend")


class Refused(Exception):
    """The request did not come through the gateway, or not recently. The text is for the log, not for the caller."""


@dataclass(frozen=True)
class Identity:
    """Who the gateway says the client is. Empty throughout on a public route, and what the gateway file does not name is empty.

    ``der`` is the certificate (RFC 9440); names are RFC 2253 text; ``serial`` is hexadecimal. ``dns`` and ``emails`` are at most
    the first eight of their kind. ``request`` identifies the request in the gateway's logs too; ``host`` is what the client
    asked for, ``address`` where it came from. ``fields`` are the identity fields as they came, by lower-case name. ``user`` and
    ``token_subject`` are of a route that demands a password or a token besides.
    """

    der: bytes = b""
    subject: str = ""
    issuer: str = ""
    serial: str = ""
    not_after: str = ""
    dns: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    request: str = ""
    host: str = ""
    address: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    token_subject: str = ""

    @property
    def is_verified(self) -> bool:
        """Whether the gateway told of a verified client at all: not on public routes, nor where it is told to tell nothing."""
        return bool(set(self.fields) - {"x-basic-user", "x-token-subject"})

    @property
    def certificate(self) -> Any:
        """The certificate as ``cryptography`` reads it, or ``None`` where there is none. Needs that package."""
        if not self.der:
            return None
        from cryptography import x509  # noqa: PLC0415 - optional: only who asks for it needs it

        return x509.load_der_x509_certificate(self.der)


def read_secrets(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """The secrets of a file as the gateway makes it, one a line.

    Raises :class:`ValueError` where everybody can read it, or where it holds anything else; :class:`OSError` where it is not there.
    """
    with Path(path).open(encoding="ascii", errors="replace") as file:
        if os.fstat(file.fileno()).st_mode & 0o007:
            raise ValueError(f"everybody can read {os.fspath(path)}: chmod o= it")
        lines = [line.strip() for line in file]
    return _checked(line for line in lines if line and not line.startswith("#"))


def _checked(secrets: Iterable[str]) -> tuple[str, ...]:
    found = tuple(secrets)
    if not found or not all(map(_SECRET.match, found)):
        raise ValueError("a secret is 128 hexadecimal digits in lower case, and there must be one")
    return found


class Verifier:
    """Verifies signatures. Safe to share between threads.

    ``window_s`` is how old or early a request may be. ``once``: one signature is good for one request; what was seen is
    remembered in this process only, so several processes of one backend each accept it once.
    """

    def __init__(
        self,
        secrets: Iterable[str],
        *,
        window_s: float = WINDOW_S,
        once: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._secrets = _checked(secrets)
        self._window_s = window_s
        self._once = once
        self._clock = clock
        self._seen: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()
        self._file: str | os.PathLike[str] | None = None
        self._stamp: tuple[int, int, int] | None = None

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], *, window_s: float = WINDOW_S, once: bool = True) -> Verifier:
        """With the secrets of a file, which is read again when it was changed: they can be replaced without a restart."""
        stamp = _stamp(path)
        verifier = cls(read_secrets(path), window_s=window_s, once=once)
        verifier._file, verifier._stamp = path, stamp
        return verifier

    def verify(self, method: str, target: str, headers: Iterable[tuple[str, str]]) -> Identity:
        """The identity in a request. ``target`` is the request target as it came, path and query; raises :class:`Refused`."""
        sent: dict[str, str] = {}
        for name, value in headers:
            lower = name.lower()
            if lower in _READ:
                if lower in sent:
                    raise Refused(f"{lower} came twice")
                sent[lower] = value
        if not sent.get(_SIGNATURE):
            raise Refused("not signed")
        self._judge(method, target, sent)
        return _identity(sent)

    def _judge(self, method: str, target: str, sent: Mapping[str, str]) -> None:
        when, request = sent.get(_TIME, ""), sent.get(_REQUEST, "")
        identity = (sent.get(name, "") for name in _COVERED)
        parts = (_LABEL, when, request, method, sent.get(_HOST, ""), sent.get(_CLIENT, ""), target, *identity)
        if any(map(_NEVER.search, parts)):
            raise Refused("a signed part holds a blank or a control character")
        message = " ".join(parts).encode("latin-1")
        given = [match[1] if (match := _ONE.match(one)) else "" for one in sent[_SIGNATURE].split(",")[:4]]
        good = False
        for secret in self._current():
            inner = hashlib.sha1(secret[:64].encode() + message, usedforsecurity=False).hexdigest()
            wanted = hashlib.sha1((secret[64:] + inner).encode(), usedforsecurity=False).hexdigest()
            for one in given:
                good |= hmac.compare_digest(one, wanted)  # every one is looked at, in constant time
        if not good:
            raise Refused("the signature is not the gateway's, or something signed was changed")
        if not request or not _DIGITS.match(when):
            raise Refused("signed without time or identifier")
        age = self._clock() - int(when) / 1_000_000
        if abs(age) > self._window_s:
            raise Refused(f"signed {age:.0f} s ago; at most {self._window_s:.0f} s either way are accepted")
        if self._once and not self._first(request):
            raise Refused(f"request {request} was seen before")

    def _first(self, request: str) -> bool:
        """Whether this identifier was not seen within the window. Only what is signed gets here, so nobody else fills it."""
        now = time.monotonic()
        with self._lock:
            while self._seen and now - next(iter(self._seen.values())) > 2 * self._window_s:
                self._seen.popitem(last=False)
            if request in self._seen:
                return False
            self._seen[request] = now
            return True

    def _current(self) -> tuple[str, ...]:
        if self._file is None:
            return self._secrets
        try:
            stamp = _stamp(self._file)
            if stamp != self._stamp:
                self._secrets, self._stamp = read_secrets(self._file), stamp
        except (OSError, ValueError) as problem:
            raise Refused(f"the secrets cannot be read: {problem}") from problem
        return self._secrets


def _stamp(path: str | os.PathLike[str]) -> tuple[int, int, int]:
    found = Path(path).stat()
    return found.st_mtime_ns, found.st_size, found.st_ino


def _identity(sent: Mapping[str, str]) -> Identity:
    value = sent.get("client-cert", "")
    try:
        if value and not (len(value) > 2 and value.startswith(":") and value.endswith(":")):
            raise binascii.Error("no byte sequence (RFC 9651 §3.3.5)")
        der = base64.b64decode(value[1:-1], validate=True)
    except binascii.Error as problem:
        raise Refused(f"client-cert: {problem}") from problem

    def text(name: str) -> str:
        return unquote(sent.get(name, ""), errors="replace")

    def several(name: str) -> tuple[str, ...]:
        return tuple(unquote(one, errors="replace") for one in sent.get(name, "").split(",") if one)

    return Identity(
        der,
        text("x-client-subject"),
        text("x-client-issuer"),
        sent.get("x-client-serial", ""),
        text("x-client-not-after"),
        several("x-client-dns"),
        several("x-client-email"),
        sent[_REQUEST],
        sent.get(_HOST, ""),
        sent.get(_CLIENT, ""),
        {name: sent[name] for name in _COVERED if sent.get(name)},
        text("x-basic-user"),
        text("x-token-subject"),
    )


_ANSWER = b'{"error": "not_from_the_gateway"}\n'
_TYPE = "application/json"


class Wsgi:
    """WSGI middleware (PEP 3333)."""

    def __init__(self, app: Callable[..., Iterable[bytes]], verifier: Verifier) -> None:
        self._app = app
        self._verifier = verifier

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        headers = [(k[5:].replace("_", "-"), v) for k, v in environ.items() if k.startswith("HTTP_")]
        try:
            target = _as_seen(environ)
            environ[KEY] = self._verifier.verify(environ["REQUEST_METHOD"], target, headers)
        except Refused as refused:
            _log.warning("refused: %s", refused)
            start_response("403 Forbidden", [("Content-Type", _TYPE), ("Content-Length", str(len(_ANSWER)))])
            return [_ANSWER]
        return self._app(environ, start_response)


def _as_seen(environ: Mapping[str, Any]) -> str:
    """The signed target, if it is what the server made path and query of: WSGI has no raw target."""
    target = str(environ.get("HTTP_X_GATEWAY_TARGET", ""))
    path, _, query = target.partition("?")
    seen = (environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1")
    if unquote_to_bytes(path.encode("latin-1")) != seen or query != environ.get("QUERY_STRING", ""):
        raise Refused("the signed target is not the one that was asked for")
    return target


Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class Asgi:
    """ASGI 3 middleware, for HTTP and WebSocket."""

    def __init__(self, app: Callable[[Any, Any, Any], Awaitable[Any]], verifier: Verifier) -> None:
        self._app = app
        self._verifier = verifier

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        try:
            identity = self._judge(scope)
        except Refused as refused:
            _log.warning("refused: %s", refused)
            if scope["type"] == "websocket":
                await receive()
                await send({"type": "websocket.close", "code": 1008})  # before it is accepted: the server answers 403
                return
            headers = [(b"content-type", _TYPE.encode()), (b"content-length", b"%d" % len(_ANSWER))]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            await send({"type": "http.response.body", "body": _ANSWER})
            return
        await self._app({**scope, KEY: identity}, receive, send)

    def _judge(self, scope: Scope) -> Identity:
        headers = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in scope["headers"]]
        signed = next((v for k, v in headers if k.lower() == _TARGET), "")
        path, _, query = signed.partition("?")
        root = str(scope.get("root_path", ""))
        seen = scope["path"]
        # Servers put the application's root before the path or leave it out; either way it is the same resource.
        plain = {seen, seen.removeprefix(root) if root else seen}
        if unquote(path) not in plain or query.encode("latin-1") != scope.get("query_string", b""):
            raise Refused("the signed target is not the one that was asked for")
        return self._verifier.verify(scope.get("method", "GET"), signed, headers)
