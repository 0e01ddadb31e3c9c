"""One application, in WSGI and ASGI, that tells who it believes the client to be: ``python -m tests.live.verifiers.apps KIND PORT FILE``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import uvicorn

from gatewright.backend import KEY, Asgi, Identity, Verifier, Wsgi


def _who(identity: Identity) -> bytes:
    """From the names and from the certificate, which must agree."""
    if not identity.is_verified:
        return b"nobody"
    assert identity.certificate.subject.rfc4514_string() == identity.subject
    return identity.subject.encode()


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    body = _who(environ[KEY])
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


async def asgi(scope: dict[str, Any], receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
    if scope["type"] == "lifespan":
        for answer in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{answer}.complete"})
        return
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "bytes": _who(scope[KEY])})
        await send({"type": "websocket.close"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": _who(scope[KEY])})


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


def main(kind: str, port: str, secrets: str) -> None:
    verifier = Verifier.from_file(secrets)
    if kind == "wsgi":
        make_server("127.0.0.1", int(port), Wsgi(wsgi, verifier), handler_class=_Quiet).serve_forever()
    uvicorn.run(Asgi(asgi, verifier), host="127.0.0.1", port=int(port), log_level="error")


if __name__ == "__main__":
    main(*sys.argv[1:])
