"""Doors that are easily left open: names, paths, methods, revocation on open connections, files gone missing."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.conftest import Lab
from tests.live.httpd import Running, curl, running, site

pytestmark = pytest.mark.live

GATEWAY = """
gateway: localhost
listen: 0
authorities:
  home: { managed: true }
clients:
  alice: { authority: home, san: alice.example.org }
routes:
  /open/:        { files: site/unprotected, access: public }
  /main.html:    { files: site/main.html, access: public }
  /protected/:   { files: site/protected, access: any-client }
  /protected/open/: { files: site/unprotected, access: public }
  /read/:        { respond: { text: read }, access: public, methods: [GET] }
  /read/write/:  { respond: { text: write }, access: public }
  /alice/:       { respond: { text: alice }, access: [alice] }
"""


@pytest.fixture(scope="module")
def gate(lab: Lab, open_folder: Path) -> Iterator[Running]:
    """A gateway with neighbouring and nested routes."""
    site(open_folder)
    with running(GATEWAY, open_folder, {"home": lab.home}) as gate:
        gate.expect("AH01630", "AH01623", "AH02032", "AH00026", "AH02031", "AH00127", "AH00126", "AH10244")
        yield gate


def status(gate: Running, path: str, *arguments: str, host: str = "localhost") -> str:
    """The HTTP status of one request."""
    done = curl(gate, path, *arguments, host=host)
    assert done.returncode == 0, done.stderr
    return done.stdout.rsplit("\n", 1)[-1].split()[0]


@pytest.mark.parametrize(
    "path",
    [
        "/protected", "/protectedx", "/protected/", "/PROTECTED/protected.html", "//protected/protected.html",
        "/./protected/protected.html", "/open/../protected/protected.html", "/open/%2e%2e/protected/protected.html",
        "/open/..;/protected/protected.html", "/open/..%3b/protected/protected.html", "/open/%5c..%5cprotected/x",
        "/protected/./protected.html", "/protected%2fprotected.html", "/%70rotected/protected.html",
        "/protected//protected.html", "/open/.;/x", "/main.html/", "/main.html/x", "/", "/nowhere", "/.gatewright/",
        "/.gatewright/denied.asis", "/protected/protected.html;x", "/protected/open/../protected.html",
    ],
)  # fmt: skip
@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_no_spelling_of_a_path_opens_a_protected_file(gate: Running, path: str, version: str) -> None:
    """However the path is written, a caller without a certificate gets neither the page nor a 5xx."""
    done = curl(gate, path, version)
    assert "protected page" not in done.stdout
    assert done.stdout.rsplit("\n", 1)[-1].split()[0] in {"400", "403", "404"}


def test_twin_the_protected_page_can_be_seen_at_all(gate: Running, lab: Lab) -> None:
    """With the certificate, the text that the test above must not find is there."""
    assert "protected page" in curl(gate, "/protected/protected.html", *lab.arguments("alice")).stdout


def test_nested_routes_do_not_inherit(gate: Running) -> None:
    """A public folder below a protected one is public, and method limits end where the next route begins."""
    assert status(gate, "/protected/open/unprotected.html") == "200"
    assert status(gate, "/read/x", "-X", "POST") == "405"
    assert status(gate, "/read/x", "-I") == "200"
    assert status(gate, "/read/write/x", "-X", "POST") == "200"


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "BREW", "OPTIONS", "PUT", "DELETE", "HEAD", "get"])
def test_no_method_opens_a_protected_route(gate: Running, method: str) -> None:
    """Whatever the method, the answer to a caller without a certificate is a refusal."""
    with Connection(gate) as connection:
        connection.putrequest(method, "/protected/protected.html")
        connection.putheader("Content-Length", "0")
        connection.endheaders()
        assert connection.getresponse().status in {400, 403, 405, 501}


def test_names_decide_nothing_but_their_own_host(gate: Running) -> None:
    """An unknown name in the handshake or in the Host header, alone or together, opens nothing, not even public routes."""
    other = ("-k", "--resolve", f"other.example:{gate.port}:127.0.0.1")
    assert status(gate, "/main.html") == "200"
    assert status(gate, "/main.html", *other, host="other.example") == "403"
    assert status(gate, "/main.html", "-H", "Host: other.example") == "421"
    assert status(gate, "/main.html", *other, "-H", "Host: localhost", host="other.example") == "421"
    assert status(gate, "/main.html", "-H", f"Host: LOCALHOST:{gate.port}") == "200"
    assert status(gate, "/main.html", "-H", "Host: localhost.") in {"200", "421"}


def test_addresses_of_localhost_are_served(gate: Running, lab: Lab) -> None:
    """``localhost`` brings both loopback addresses, with the same policy and for that very Host only."""
    for host in ("127.0.0.1", "[::1]"):
        assert status(gate, "/main.html", host=host) == "200"
        assert status(gate, "/protected/protected.html", host=host) == "403"
        assert status(gate, "/protected/protected.html", *lab.arguments("alice"), host=host) == "200"
        assert status(gate, "/main.html", "-H", "Host: other.example", host=host) == "403"
        assert status(gate, "/main.html", "-H", "Host: localhost", host=host) == "421"


def test_plain_http_is_not_served(gate: Running) -> None:
    """HTTP without TLS on the same port gets 400 or nothing."""
    with socket.create_connection(("127.0.0.1", gate.port), 60) as plain:
        plain.sendall(b"GET /main.html HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: plain.recv(65536), b""))
    assert b"main page" not in answer
    assert not answer or answer.startswith(b"HTTP/1.1 400")


def test_sessions_are_not_resumed(gate: Running, lab: Lab) -> None:
    """A second connection that offers the first one's session is verified anew: nothing outlives expiry or revocation."""
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = ssl.create_default_context(cafile=str(gate.server_root))
        context.minimum_version = context.maximum_version = version
        context.load_cert_chain(*lab.clients["alice"])
        session: ssl.SSLSession | None = None
        for _ in range(3):
            with (
                socket.create_connection(("127.0.0.1", gate.port), 60) as raw,
                context.wrap_socket(raw, server_hostname="localhost", session=session) as tls,
            ):
                tls.sendall(b"GET /main.html HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                while tls.recv(65536):
                    pass
                assert not tls.session_reused
                session = tls.session


def test_revocation_bites_on_an_open_connection(gate: Running, lab: Lab) -> None:
    """One file revokes a certificate for the next request of a connection that stands already; removing it admits again."""
    certificate, key = lab.clients["bob"]
    leaf = certificate.read_bytes().split(b"-----END CERTIFICATE-----\n")[0] + b"-----END CERTIFICATE-----\n"
    marker = Path(gate.layout.revoked) / hashlib.sha1(leaf, usedforsecurity=False).hexdigest()
    context = ssl.create_default_context(cafile=str(gate.server_root))
    context.load_cert_chain(certificate, key)
    with Connection(gate, context) as connection:
        assert _get(connection, "/protected/protected.html")[0] == 200
        marker.touch()
        code, body = _get(connection, "/protected/protected.html")
        assert (code, json.loads(body)["error"]) == (403, "certificate_revoked")
        assert _get(connection, "/main.html")[0] == 200
        marker.unlink()
        assert _get(connection, "/protected/protected.html")[0] == 200


def test_a_lost_revocation_folder_refuses_everybody(gate: Running, lab: Lab) -> None:
    """Without its sentinel the folder counts as lost, and protected routes are shut; public ones stay open."""
    sentinel = Path(gate.layout.revoked) / ".ready"
    sentinel.unlink()
    try:
        assert status(gate, "/protected/protected.html", *lab.arguments("alice")) == "403"
        assert status(gate, "/main.html") == "200"
    finally:
        sentinel.touch()
    assert status(gate, "/protected/protected.html", *lab.arguments("alice")) == "200"


@pytest.mark.parametrize("path", ["/protected/x", '/protected/"><script>', "/protected/%0d%0aX:%20y", "/protected/é\\"])
def test_refusals_explain_themselves_in_json(gate: Running, path: str) -> None:
    """A program gets JSON with a stable reason, whatever characters stand in the path."""
    done = curl(gate, path.replace('"', "%22").replace(">", "%3e").replace("<", "%3c").replace("\\", "%5c"))
    body, _, last = done.stdout.rpartition("\n")
    told = json.loads(body)
    assert last.startswith("403 ")
    assert last.endswith("application/json")
    assert told["error"] in {"client_certificate_required", "unsafe_path"}
    assert told["request_id"]


def test_refusals_explain_themselves_to_people(gate: Running, lab: Lab) -> None:
    """A browser gets a page that says what is missing and how to present it, with hostile paths shown harmlessly."""
    done = curl(gate, "/protected/%3cscript%3ealert(1)%3c/script%3e", "-H", "Accept: text/html,*/*;q=0.8")
    assert "A client certificate is required" in done.stdout
    assert "curl --cert" in done.stdout
    assert "<script>" not in done.stdout
    assert "&lt;script&gt;" in done.stdout
    assert done.stdout.rstrip().endswith("text/html; charset=utf-8")
    refused = curl(gate, "/alice/", "-H", "Accept: text/html", *lab.arguments("bob")).stdout
    assert "certificate_not_authorised" in refused
    assert "CN=bob" in refused


def test_nothing_is_said_about_the_server(gate: Running) -> None:
    """No version, no module list, no listing of folders."""
    done = curl(gate, "/open/", "-i")
    assert "server: Apache\n" in done.stdout.replace("\r", "").lower().replace("apache", "Apache")
    assert "OpenSSL" not in done.stdout
    assert "unprotected.html" not in done.stdout


class Connection:
    """An HTTP/1.1 connection, with or without a certificate of one's own."""

    def __init__(self, gate: Running, context: ssl.SSLContext | None = None) -> None:
        self._connection = http.client.HTTPSConnection(
            "localhost",
            gate.port,
            timeout=60,
            context=context or ssl.create_default_context(cafile=str(gate.server_root)),
        )

    def __enter__(self) -> http.client.HTTPSConnection:
        return self._connection

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def _get(connection: http.client.HTTPSConnection, path: str) -> tuple[int, str]:
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()
