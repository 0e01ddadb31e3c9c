"""Carries OCSP over HTTP (RFC 6960 Appendix A, RFC 5019 §5 and §6): requests in, answers out, with the headers that caches need."""

from __future__ import annotations

import base64
import binascii
import hashlib
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from email.utils import format_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote_to_bytes

from gatewright.ports.ocsp import OcspAnswers, OcspReply

LONGEST_REQUEST = 8 * 1024
"""Octets of one request. One certificate's takes about 80; with a nonce, names and a signature some have 2,000."""

CONNECTIONS = 64
"""Connections served at once; those beyond are closed at once, which their clients take for "try later"."""

PATIENCE_S = 10.0
"""How long a client may be silent before its connection is closed."""

WHOLE_S = 20.0
"""How long a connection may last in all. Who sends an octet now and then is never silent, and would hold its place for ever."""


class _Handler(BaseHTTPRequestHandler):
    """One request per connection: HTTP/1.0, as small as a server can be."""

    timeout = PATIENCE_S
    error_content_type = "text/plain; charset=utf-8"
    error_message_format = "%(code)d %(message)s\n"
    server: _Server

    def do_GET(self) -> None:
        """The request in base64, percent-encoded, is the path (RFC 6960 Appendix A.1)."""
        if len(self.path) > LONGEST_REQUEST:
            self.send_error(HTTPStatus.REQUEST_URI_TOO_LONG)
        else:
            self._reply(_decoded(self.path))

    def do_POST(self) -> None:
        """The request in DER is the body (RFC 6960 Appendix A.1)."""
        announced = self.headers.get("Content-Length", "")
        if not announced or "Transfer-Encoding" in self.headers:
            self.send_error(HTTPStatus.LENGTH_REQUIRED)
        elif not (announced.isascii() and announced.isdigit()):
            self.send_error(HTTPStatus.BAD_REQUEST)
        elif len(announced) > 9 or int(announced) > LONGEST_REQUEST:
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            self._reply(self.rfile.read(int(announced)))

    def _reply(self, request: bytes) -> None:
        reply = self.server.answers.answer(request)
        self.send_response(HTTPStatus.OK)  # also with a refusal inside: HTTP did its work
        self.send_header("Content-Type", "application/ocsp-response")
        self.send_header("Content-Length", str(len(reply.der)))
        for name, value in _caching(reply):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.der)

    def version_string(self) -> str:
        """Neither Python's version nor ours is anybody's business."""
        return "gatewright"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class calls it so
        """Nothing: whoever asked about whom is not written down here."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True  # a silent client must not hold up the end
    request_queue_size = CONNECTIONS

    def __init__(self, address: str, port: int, answers: OcspAnswers, say: Callable[[str], None]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.answers, self._say = answers, say
        self._slots = threading.BoundedSemaphore(CONNECTIONS)
        super().__init__((address, port), _Handler)

    def server_bind(self) -> None:
        """Without the look-up of the machine's name that HTTPServer makes, which may take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """In a thread of its own, if there is one left."""
        if not self._slots.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._slots.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """In the thread."""
        end = threading.Timer(WHOLE_S, _end, (request,))
        end.daemon = True
        end.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            end.cancel()
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - socketserver calls it so
        """A client that went away is nobody's concern; anything else is said, and the next request served."""
        problem = sys.exception()
        if not isinstance(problem, OSError):
            self._say(f"Warning: a request could not be answered: {type(problem).__name__}: {problem}")


def _end(connection: socket.socket) -> None:
    """Whoever reads from it or writes to it is told that it is over."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def serving(address: str, port: int, answers: OcspAnswers, say: Callable[[str], None]) -> Iterator[None]:
    """While inside, ``answers`` are served on this address. Raises :class:`OSError` where nothing can listen there."""
    server = _Server(address, port, answers, say)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, name="ocsp", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _decoded(path: str) -> bytes:
    """The request in a path; nothing for what is not base64, which no OCSP request is either.

    Base64 of DER begins with "M", so slashes in front are the URL's; clients that do not percent-encode are understood, too.
    """
    text = unquote_to_bytes(path.partition("?")[0]).lstrip(b"/")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""


def _caching(reply: OcspReply) -> Iterator[tuple[str, str]]:
    """RFC 5019 §6.2: until nextUpdate for what is signed; not at all for refusals, which nobody can verify."""
    if reply.this_update is None or reply.next_update is None:
        yield "Cache-Control", "no-store"
        return
    left = max(0, int(reply.next_update.timestamp() - time.time()))
    yield "Last-Modified", _http_date(reply.this_update)
    yield "Expires", _http_date(reply.next_update)
    yield "ETag", f'"{hashlib.sha256(reply.der).hexdigest()}"'
    yield "Cache-Control", f"max-age={left}, public, no-transform, must-revalidate"


def _http_date(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)
