"""Web sockets: decided when they open, by the same rules as every request, and by nothing afterwards."""

from __future__ import annotations

import hashlib
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import ServerConnection, serve

from tests.live.conftest import Lab
from tests.live.httpd import Running, running

pytestmark = pytest.mark.live

GATEWAY = """
gateway: localhost
listen: 0
authorities:
  home: {{ managed: true }}
clients:
  alice: {{ authority: home, san: alice.example.org }}
routes:
  /talk/:  {{ access: [alice], backend: {{ url: "http://127.0.0.1:{port}", websocket: true }} }}
  /plain/: {{ access: [alice], backend: "http://127.0.0.1:{port}" }}
  /open:   {{ access: public, respond: {{ text: open }} }}
"""


def _talk(connection: ServerConnection) -> None:
    """Tell who came, then say everything back."""
    assert connection.request is not None
    connection.send(connection.request.headers.get("X-Client-Subject", "nobody"))
    for message in connection:
        connection.send(message)


@contextmanager
def talking() -> Iterator[int]:
    with serve(_talk, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield int(server.socket.getsockname()[1])
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def gate(lab: Lab, open_folder: Path) -> Iterator[Running]:
    with talking() as port, running(GATEWAY.format(port=port), open_folder, {"home": lab.home}) as gate:
        gate.expect("AH01630", "AH01102", "AH01110", "AH00898")
        yield gate


def opened(gate: Running, lab: Lab, client: str, path: str = "/talk/x") -> ClientConnection:
    context = ssl.create_default_context(cafile=str(gate.server_root))
    if client != "none":
        context.load_cert_chain(*map(str, lab.clients[client]))
    lie = {"X_Client_Subject": "CN=lie", "X-Client-Subject": "CN=lie"}
    return connect(f"wss://localhost:{gate.port}{path}", ssl=context, additional_headers=lie, open_timeout=60)


def test_revocation_ends_no_web_socket_but_opens_none_either(gate: Running, lab: Lab) -> None:
    """Who may opens one, and its backend learns who it is. Revoked, that client opens no other; what is open is the backend's to end.

    docs/backends.md says so. The second half is the negative twin: should httpd ever end it, that page is to be changed.
    """
    pem = lab.clients["alice"][0].read_bytes().partition(b"-----END CERTIFICATE-----\n")
    marker = gate.folder / "rev" / hashlib.sha1(pem[0] + pem[1]).hexdigest()
    with opened(gate, lab, "alice") as line:
        assert line.recv() == "CN=alice"
        marker.touch()
        try:
            with pytest.raises(InvalidStatus, match="403"):
                opened(gate, lab, "alice")
            line.send("still here")
            assert line.recv() == "still here"
        finally:
            marker.unlink()


@pytest.mark.parametrize("client", ["none", "bob"])
def test_who_may_not_opens_none(gate: Running, lab: Lab, client: str) -> None:
    """Neither nobody nor another client, and nobody at all where web sockets are not declared."""
    with pytest.raises(InvalidStatus, match="403"):
        opened(gate, lab, client)


def test_nobody_opens_one_where_that_is_not_declared(gate: Running, lab: Lab) -> None:
    """Without ``websocket: true`` the upgrade is not passed on: the backend sees an ordinary request."""
    with pytest.raises(InvalidStatus, match=r"4\d\d|5\d\d"):
        opened(gate, lab, "alice", "/plain/x")
