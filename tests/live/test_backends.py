"""Routes to backends: what they are sent, what they are believed, and how their failures are told apart."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from cryptography import x509
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve

from tests.live.backend import backend
from tests.live.conftest import Lab
from tests.live.httpd import Running, curl, running
from tests.ports import free_port

pytestmark = pytest.mark.live

GATEWAY = """
gateway: localhost
listen: 0
authorities:
  home: {{ managed: true }}
routes:
  /kept/:    {{ backend: "http://127.0.0.1:{port}", access: public }}
  /mapped/:  {{ backend: "http://127.0.0.1:{port}/inner/", access: public }}
  /root/:    {{ backend: "http://127.0.0.1:{port}/", access: public }}
  /exact:    {{ backend: "http://127.0.0.1:{port}", access: public }}
  /shut/:    {{ backend: "http://127.0.0.1:{port}", access: any-client }}
  /shut/page: {{ respond: {{ text: page }}, access: public }}
  /quick/:   {{ backend: {{ url: "http://127.0.0.1:{port}", timeout: 1s }}, access: public }}
  /down/:    {{ backend: "http://127.0.0.1:{dead}", access: public }}
  /fresh/:   {{ backend: {{ url: "http://127.0.0.1:{port}", keep_alive: false }}, access: public }}
"""


@pytest.fixture(scope="module")
def gate(lab: Lab, open_folder: Path) -> Iterator[Running]:
    """A gateway in front of one live and one dead backend."""
    with backend() as port:
        text = GATEWAY.format(port=port, dead=free_port())
        with running(text, open_folder, {"home": lab.home}) as gate:
            # Denied; and what mod_proxy says of backends that are down, silent or hang up.
            gate.expect("AH01630", "AH00957", "AH01114", "AH01102", "AH00898", "AH00959", "AH01095")
            yield gate


def fetch(gate: Running, path: str, *arguments: str) -> tuple[int, dict[str, object]]:
    """Status and JSON body of one request."""
    done = curl(gate, path, *arguments)
    assert done.returncode == 0, done.stderr
    body, _, last = done.stdout.rpartition("\n")
    return int(last.split()[0]), json.loads(body)


def headers(told: dict[str, object]) -> dict[str, str]:
    """What the backend was sent, by lower-case name; a name sent twice fails."""
    pairs = told["headers"]
    assert isinstance(pairs, list)
    found: dict[str, str] = {}
    for name, value in pairs:
        assert name.lower() not in found, f"{name} came twice"
        found[name.lower()] = value
    return found


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("/kept/a/b?q=1", "/kept/a/b?q=1"),
        ("/mapped/a/b?q=1", "/inner/a/b?q=1"),
        ("/root/a", "/a"),
        ("/exact", "/exact"),
        ("/kept/a%20b", "/kept/a%20b"),
    ],
)
def test_paths_are_mapped(gate: Running, asked: str, given: str) -> None:
    """A backend URL without path keeps the request's path; one with a path replaces the route's."""
    for version in ("--http1.1", "--http2"):
        status, told = fetch(gate, asked, version)
        assert (status, told["path"]) == (200, given)


def test_bodies_and_methods_pass(gate: Running) -> None:
    """What the client sends arrives, whatever the method."""
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        status, told = fetch(gate, "/kept/x", "-X", method, "-d", "hello")
        assert (status, told["method"], told["body"]) == (200, method, "hello")


def test_connections_are_kept_unless_told_otherwise(gate: Running) -> None:
    """Requests share connections to the backend; with ``keep_alive: false`` each has its own."""
    shared = {str(fetch(gate, "/kept/x")[1]["connection"]) for _ in range(6)}
    fresh = {str(fetch(gate, "/fresh/x")[1]["connection"]) for _ in range(6)}
    assert len(shared) < len(fresh) == 6


def test_failures_are_told_apart(gate: Running) -> None:
    """Unreachable and broken are 502, silent is 504, and the backend's own 500 passes as it is."""
    assert _failure(gate, "/down/x") == (502, "backend_unreachable")
    assert _failure(gate, "/kept/hangup") == (502, "backend_invalid_response")
    assert _failure(gate, "/quick/slow") == (504, "backend_timeout")
    status, told = fetch(gate, "/kept/fail")
    assert (status, told["path"]) == (500, "/kept/fail")


def _failure(gate: Running, path: str) -> tuple[int, object]:
    status, told = fetch(gate, path)
    return status, told["error"]


def test_a_page_below_a_backend_is_not_forwarded(gate: Running) -> None:
    """A longer route with another content wins over the backend's."""
    assert curl(gate, "/shut/page").stdout.startswith("page\n")


def test_identity_is_announced_to_backends(gate: Running, lab: Lab) -> None:
    """A verified client's certificate arrives as RFC 9440 says, its names percent-encoded."""
    for version in ("--http1.1", "--http2"):
        status, told = fetch(gate, "/shut/x", version, *lab.arguments("alice"))
        got = headers(told)
        value = got["client-cert"]
        assert status == 200
        assert value.startswith(":")
        assert value.endswith(":")
        sent = x509.load_der_x509_certificate(base64.b64decode(value[1:-1], validate=True))
        ours = x509.load_pem_x509_certificates(lab.clients["alice"][0].read_bytes())[0]
        assert sent == ours
        assert unquote(got["x-client-subject"]) == "CN=alice"
        assert unquote(got["x-client-issuer"]) == "CN=home issuing"
        assert int(got["x-client-serial"], 16) == ours.serial_number


SPOOFED = [
    "Client-Cert", "client_cert", "CLIENT-CERT", "Client.Cert", "Client-Cert-Chain", "Client_Cert_Chain",
    "Client-Cert_Chain", "X-Client-Subject", "X_Client_Subject", "X-Client_Subject", "X.Client.Subject",
    "X-Client-Issuer", "X-Client-Serial", "X-Forwarded-Client-Cert", "X_Forwarded_Client_Cert",
    "X-Forwarded_Client-Cert", "X-SSL-Client-Cert", "X_SSL_CLIENT_CERT", "SSL_CLIENT_S_DN", "SSL_CLIENT_VERIFY",
    "X-SSL-Client-Verify", "X-ARR-ClientCert", "X-Forwarded-For", "X_Forwarded-For", "X-Forwarded_For", "X_Forwarded_For", "Forwarded", "X-Real-IP",
    "Proxy", "X-Remote-User", "X-Forwarded-Tls-Client-Cert-Info",
]  # fmt: skip


@pytest.mark.parametrize("path", ["/kept/x", "/shut/x"])
@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_identity_cannot_be_spoofed(gate: Running, lab: Lab, path: str, version: str) -> None:
    """Nothing a client writes into an identity header, in any spelling, reaches a backend."""
    lies = [word for name in SPOOFED for word in ("-H", f"{name}: spoofed")]
    status, told = fetch(gate, path, version, *lab.arguments("alice"), *lies)
    assert status == 200
    assert "spoofed" not in json.dumps(told["headers"])


def test_twin_an_unknown_header_passes(gate: Running) -> None:
    """A header that nobody reads identity from does arrive, so the test above can fail."""
    _, told = fetch(gate, "/kept/x", "-H", "X-Harmless: spoofed")
    assert headers(told)["x-harmless"] == "spoofed"


@pytest.mark.parametrize(
    "named", ["Client-Cert", "keep-alive, Client-Cert", "client-cert, X-Client-Subject", "X-Client-Serial ,Client-Cert"]
)
def test_connection_cannot_remove_identity(gate: Running, lab: Lab, named: str) -> None:
    """Naming our headers in ``Connection`` does not make httpd drop them before the backend sees them."""
    _, told = fetch(gate, "/shut/x", "--http1.1", *lab.arguments("alice"), "-H", f"Connection: {named}")
    assert {"client-cert", "x-client-subject", "x-client-issuer", "x-client-serial"} <= headers(told).keys()


def test_public_routes_announce_nobody(gate: Running, lab: Lab) -> None:
    """A route that asks for no certificate does not pass one on."""
    _, told = fetch(gate, "/kept/x", *lab.arguments("alice"))
    assert not {"client-cert", "x-client-subject"} & headers(told).keys()


def test_redirects_stay_on_the_gateway(gate: Running) -> None:
    """A backend's redirect to its own address below the mapped path comes back as the gateway's."""
    done = curl(gate, "/root/redirect", "-i")
    assert f"location: https://localhost:{gate.port}/root/elsewhere/x" in done.stdout.lower()


WEBSOCKETS = """
gateway: localhost
listen: 0
authorities:
  home: {{ managed: true }}
routes:
  /ws/:   {{ backend: {{ url: "http://127.0.0.1:{port}/", websocket: true }}, access: any-client }}
  /none/: {{ backend: {{ url: "http://127.0.0.1:{port}/none/" }}, access: any-client }}
"""


def test_websockets_pass_where_declared(lab: Lab, tmp_path: Path) -> None:
    """With ``websocket: true`` a WebSocket works for verified clients only; without it, for nobody."""

    def echo(connection: ServerConnection) -> None:
        for message in connection:
            connection.send(f"echo {message!s}")

    with serve(echo, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            text = WEBSOCKETS.format(port=server.socket.getsockname()[1])
            with running(text, tmp_path, {"home": lab.home}) as gate:
                gate.expect("AH01630")
                assert _talk(gate, "/ws/x", lab.clients["alice"]) == "echo hello"
                for path, client in (("/ws/x", None), ("/none/x", lab.clients["alice"])):
                    with pytest.raises(WebSocketException):
                        _talk(gate, path, client)
        finally:
            server.shutdown()
            thread.join()


def _talk(gate: Running, path: str, client: tuple[Path, Path] | None) -> str:
    context = ssl.create_default_context(cafile=str(gate.server_root))
    if client is not None:
        context.load_cert_chain(*client)
    with connect(f"wss://localhost:{gate.port}{path}", ssl=context, open_timeout=60, proxy=None) as socket:
        socket.send("hello")
        return str(socket.recv(60))
