"""The canary: a small HTTP server on a unix socket, where the requests of test identities end, and which echoes them."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import socketserver
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path, PurePath
from typing import Any

from gatewright.errors import Diagnostic, EnvironmentFault

HEADER = "X-Gatewright-Canary"
"""The field by which its answers are known; the value is drawn anew for each canary."""

_LOOK_S = 0.01
"""Seconds between looks at whether it is to end: an apply waits for that twice."""

# `sun_path` of sockaddr_un: 108 bytes with the final NUL on Linux, 104 on macOS and the BSDs (unix(7), unix(4)).
_LONGEST_PATH = 103


class LocalCanary:
    """Serves from its making until :meth:`close`.

    ``gid`` is the group of httpd's children where they run under another account than we do.
    Raises :class:`EnvironmentFault` when the socket cannot be made.
    """

    def __init__(self, path: PurePath, nonce: str, gid: int | None = None) -> None:
        self._path = Path(path)
        if len(os.fsencode(self._path)) > _LONGEST_PATH:
            raise EnvironmentFault(
                Diagnostic(
                    "canary-path-too-long",
                    f"the path of the canary's socket has more than {_LONGEST_PATH} bytes: {self._path}",
                    "the system cannot make a socket there, and test identities must not go anywhere else",
                    "move the gateway to a folder with a shorter path",
                )
            )
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()  # left by a prover that was killed; the lock says that none is running
        try:
            self._server = _Server(str(self._path), nonce)
            self._path.chmod(0o600 if gid is None else 0o660)
            if gid is not None:
                os.chown(self._path, -1, gid)
        except OSError as problem:
            raise EnvironmentFault(
                Diagnostic(
                    "canary-not-started",
                    f"the canary's socket {self._path} cannot be made: {problem.strerror}",
                    "without it, nobody can tell that an admitted request was admitted",
                    "look at the folder's permissions and at the space left on its disk",
                )
            ) from problem
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_LOOK_S,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering; from now on test identities get 502."""
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, path: str, nonce: str) -> None:
        self.nonce = nonce
        super().__init__(path, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A probe that goes away in the middle is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10

    def parse_request(self) -> bool:
        """Every method is answered alike."""
        if not super().parse_request():
            return False
        self._answer()
        return False

    def _answer(self) -> None:
        told = {"method": self.command, "path": self.path, "headers": [[k, v] for k, v in self.headers.items()]}
        body = json.dumps(told).encode()
        self.close_connection = True
        head = (
            f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            f"{HEADER}: {self.server.nonce}\r\nConnection: close\r\n\r\n"
        )
        self.wfile.write(head.encode() + (b"" if self.command == "HEAD" else body))
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing: what was seen is in the answer."""
