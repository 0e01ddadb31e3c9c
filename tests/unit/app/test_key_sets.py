"""Key sets that are fetched: over real HTTPS, within limits, kept through an outage, told."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from joserfc.jwk import ECKey
from tests.live.pki import SERVER, authority, make

from gatewright.app.key_sets import refresh, told
from gatewright.app.places import Places
from gatewright.edges.files import LocalFiles
from gatewright.edges.https import HttpsFetcher
from gatewright.errors import EnvironmentFault, Severity
from gatewright.model.gateway import Gateway
from gatewright.source import load

GOOD = json.dumps({"keys": [ECKey.generate_key("P-256").as_dict(private=False)]}).encode()
NOW = datetime(2026, 6, 1, tzinfo=UTC)


@dataclass
class Issuer:
    """A token issuer's web server: what it answers can be changed."""

    port: int
    folder: Path
    status: int = 200
    body: bytes = GOOD
    headers: dict[str, str] = field(default_factory=dict)
    asked: int = 0

    @property
    def url(self) -> str:
        """Where its key set stands."""
        return f"https://localhost:{self.port}/keys"

    def gateway(self, ca: str = "ca.pem") -> Gateway:
        """A gateway with a route that takes its tokens."""
        bearer = f'{{ issuer: "https://login.example", audience: api, jwks: "{self.url}", ca: {ca} }}'
        route = f"{{ respond: {{ text: a }}, access: any-client, credentials: {{ bearer: {bearer} }} }}"
        text = f"gateway: localhost\nlisten: 8443\nauthorities:\n  home: {{ managed: true }}\nroutes:\n  /a/: {route}\n"
        return load(text, "gateway.yaml").gateway


@dataclass
class Stopped:
    """A clock that is set by hand."""

    at: datetime = NOW

    def now(self) -> datetime:
        """The time it was set to."""
        return self.at

    def monotonic(self) -> float:
        """The same in seconds."""
        return self.at.timestamp()


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[Issuer]:
    """One that answers with a good key set."""
    root = authority("issuer")
    chain, key = make("localhost", root, usage=[SERVER], sans=["localhost"]).write(tmp_path, "server")
    (tmp_path / "ca.pem").write_bytes(root.pem)
    (tmp_path / "other.pem").write_bytes(authority("other").pem)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked += 1
            self.send_response(made.status)
            for name, value in {"Content-Length": str(len(made.body)), **made.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(made.body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Handshakes that fail are what some tests ask for."""

    server = Server(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    made = Issuer(server.server_port, tmp_path)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def fetched(issuer: Issuer, clock: Stopped, **options: Any) -> list[str]:
    """What a refresh had to say, as text; a fault must never leave it."""
    places = Places(PurePosixPath(issuer.folder))
    gateway = options.pop("gateway", issuer.gateway())
    return [f"{p.severity} {p.what}" for p in refresh(LocalFiles(), places, gateway, HttpsFetcher(), clock, **options)]


def stored(issuer: Issuer) -> bytes | None:
    """The key set that is used now."""
    bearer = next(iter(issuer.gateway().routes.values())).credentials
    assert bearer is not None
    assert bearer.bearer is not None
    path = issuer.folder / bearer.bearer.jwks.file
    return path.read_bytes() if path.exists() else None


def test_it_is_fetched_and_not_again_while_it_is_fresh(issuer: Issuer) -> None:
    """Stored as it came; within the given age nobody asks again, after it somebody does."""
    clock = Stopped()
    assert fetched(issuer, clock) == []
    assert stored(issuer) == GOOD
    assert fetched(issuer, clock, if_older=timedelta(seconds=60)) == []
    assert issuer.asked == 1
    clock.at += timedelta(seconds=61)
    assert fetched(issuer, clock, if_older=timedelta(seconds=60)) == []
    assert issuer.asked == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"status": 500}, "answered 500"),
        ({"status": 302, "headers": {"Location": "/elsewhere"}}, "answered 302"),
        ({"body": b"<html>"}, "not JSON"),
        ({"body": b'{"keys": []}'}, "no public key"),
        ({"body": b'{"keys": [{"kty": "oct", "k": "AAAA"}]}'}, "secret"),
        ({"body": b'{"keys": [' + b" " * 300_000 + b"]}"}, "more than"),
    ],
    ids=str,
)
def test_what_is_no_key_set_replaces_nothing(issuer: Issuer, change: dict[str, Any], said: str) -> None:
    """An answer that is none is told, and the last keys are used on; without any, it is an error."""
    good = issuer.status, issuer.body, issuer.headers
    for name, value in change.items():
        setattr(issuer, name, value)
    (problem,) = fetched(issuer, Stopped())
    assert problem.startswith(Severity.ERROR)
    assert said in problem
    assert stored(issuer) is None
    issuer.status, issuer.body, issuer.headers = good
    assert fetched(issuer, Stopped()) == []
    for name, value in change.items():
        setattr(issuer, name, value)
    (problem,) = fetched(issuer, Stopped())
    assert problem.startswith(Severity.WARNING)
    assert stored(issuer) == GOOD
    asked = issuer.asked
    assert asked == 3  # no redirect was followed


def test_a_server_that_is_not_verified_gives_nothing(issuer: Issuer) -> None:
    """Another authority's certificate is refused before anything is asked."""
    (problem,) = fetched(issuer, Stopped(), gateway=issuer.gateway(ca="other.pem"))
    assert "its certificate is not good" in problem
    assert issuer.asked == 0


def test_an_outage_is_told_until_it_is_over(issuer: Issuer) -> None:
    """``status`` says since when the keys are old, also when nobody tried; and nothing when all is well."""
    files, places, clock = LocalFiles(), Places(PurePosixPath(issuer.folder)), Stopped()
    gateway = issuer.gateway()
    assert [p.code for p in told(files, places, gateway, NOW)] == ["key-set-not-fetched"]
    assert fetched(issuer, clock) == []
    assert told(files, places, gateway, NOW + timedelta(minutes=59)) == ()
    assert [p.code for p in told(files, places, gateway, NOW + timedelta(minutes=61))] == ["key-set-not-fetched"]
    issuer.status = 503
    fetched(issuer, clock)
    (problem,) = told(files, places, gateway, NOW)
    assert "answered 503" in problem.what
    assert "2026-06-01 00:00:00 UTC" in problem.why
    issuer.status = 200
    fetched(issuer, clock)
    assert told(files, places, gateway, NOW) == ()


def test_nothing_but_https_is_fetched() -> None:
    """Whoever calls it with something else gets nothing."""
    for url in ("http://localhost/keys", "file:///etc/passwd", "https:///keys"):
        with pytest.raises(EnvironmentFault):
            HttpsFetcher().fetch(url, None, 100)
