"""A real HTTP backend in a thread, whose paths misbehave on request and which tells what it was sent."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        """``/…/slow`` stays silent, ``/…/hangup`` closes, ``/…/fail`` says 500, everything else echoes the request."""
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        last = self.path.partition("?")[0].rsplit("/", 1)[-1]
        if last == "slow":
            self.server.release.wait(20)
        if last == "hangup":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        told = {
            "path": self.path,
            "method": self.command,
            "headers": [[k, v] for k, v in self.headers.items()],
            "body": body.decode("latin-1"),
            "connection": f"{self.client_address[0]}:{self.client_address[1]}",
            "peer": self._peer(),
        }
        data = json.dumps(told).encode()
        self.send_response(500 if last == "fail" else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if last == "redirect":
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/elsewhere/x")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_POST = do_PUT = do_DELETE = do_OPTIONS = do_HEAD = do_PATCH = do_GET  # noqa: N815 -- the names that BaseHTTPRequestHandler looks for

    def _peer(self) -> str:
        """The common name of the certificate that was shown, if any was asked for."""
        found = self.connection.getpeercert() if isinstance(self.connection, ssl.SSLSocket) else None
        subject: Any = (found or {}).get("subject", ())  # one tuple of pairs for each relative distinguished name
        return str(dict(pair for names in subject for pair in names).get("commonName", ""))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing: the test's output is for failures."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.release = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Connections that end in the middle are what some tests ask for."""


@contextmanager
def backend(tls: tuple[Path, Path] | None = None, *, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """The port of a backend that lives as long as the block; over TLS with a certificate and key, or a whole ``context``."""
    server = _Server()
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.release.set()
        server.shutdown()
        thread.join()
        server.server_close()
