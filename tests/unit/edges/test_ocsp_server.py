"""The server that carries OCSP: what reaches whoever answers, the headers around the answer, and clients that behave badly."""

from __future__ import annotations

import base64
import http.client
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import quote

import pytest
from tests.ports import free_port

from gatewright.edges import ocsp_server
from gatewright.edges.ocsp_server import CONNECTIONS, LONGEST_REQUEST, PATIENCE_S, serving
from gatewright.ports.ocsp import OcspReply

SINCE = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)
UNTIL = SINCE + timedelta(minutes=65)
SIGNED = OcspReply(b"signed", SINCE, UNTIL)


class Recorder:
    """Answers everything alike and remembers what it was asked; ``b"fail"`` fails."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.said: list[str] = []

    def answer(self, request: bytes) -> OcspReply:
        """Signed, but for an empty request."""
        self.asked.append(request)
        if request == b"fail":
            msg = "a bug"
            raise RuntimeError(msg)
        return SIGNED if request else OcspReply(b"refused")


class Served(Recorder):
    """The same, on a port."""

    port = 0

    def ask(self, method: str, path: str = "/", body: bytes | None = None) -> http.client.HTTPResponse:
        """One request; the response has been read into ``body``."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body)
        response = connection.getresponse()
        self.body = response.read()
        connection.close()
        return response

    def raw(self) -> socket.socket:
        """A connection on which nothing was said yet."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)


@pytest.fixture
def served() -> Iterator[Served]:
    found = Served()
    found.port = free_port()
    with serving("127.0.0.1", found.port, found, found.said.append):
        yield found


def test_post_and_get_carry_the_same_request(served: Served) -> None:
    """The body of a POST; the path of a GET, percent-encoded or not, with every character that base64 has."""
    request = b"\x30\x00\x00\xfb\xef\xbe\xff"
    text = base64.b64encode(request).decode()
    assert {"/", "+"} <= set(text)
    assert served.ask("POST", "/", request).status == 200
    for path in (quote(text, safe=""), quote(text, safe="/"), text, "/" + quote(text, safe="")):
        assert served.ask("GET", f"/{path}").status == 200
        assert served.body == b"signed"
    assert served.asked == [request] * 5


def test_caches_may_keep_an_answer_to_its_end(served: Served) -> None:
    """Type, length and the dates of RFC 5019 §6.2."""
    response = served.ask("POST", "/", b"0")
    assert response.headers["Content-Type"] == "application/ocsp-response"
    assert response.headers["Content-Length"] == "6"
    assert parsedate_to_datetime(response.headers["Last-Modified"]) == SINCE
    assert parsedate_to_datetime(response.headers["Expires"]) == UNTIL
    age, *others = response.headers["Cache-Control"].split(", ")
    assert others == ["public", "no-transform", "must-revalidate"]
    left = (UNTIL - datetime.now(UTC)).total_seconds()
    assert left - 60 < int(age.removeprefix("max-age=")) <= left + 60
    assert response.headers["Server"] == "gatewright"


@pytest.mark.parametrize("path", ["/", "/favicon.ico", "/%00", "/MFE=MFE", "/.env?MFEw", "/ü"])
def test_what_is_no_request_reaches_the_answers_empty(served: Served, path: str) -> None:
    """They refuse it; nobody may keep the refusal, which is unsigned."""
    response = served.ask("GET", quote(path, safe="/%?="))
    assert (response.status, served.body, served.asked) == (200, b"refused", [b""])
    assert response.headers["Cache-Control"] == "no-store"
    assert "Expires" not in response.headers


def test_sizes_and_methods_have_limits(served: Served) -> None:
    """Too long, of unknown length, and not OCSP at all: HTTP's own refusals, and nobody is asked."""
    assert served.ask("POST", "/", bytes(LONGEST_REQUEST + 1)).status == 413
    assert served.ask("GET", "/" + "M" * LONGEST_REQUEST).status == 414
    assert served.ask("PUT", "/", b"0").status == 501
    for head, status in (
        (b"", b"411"),
        (b"Content-Length: -1\r\n", b"400"),
        (b"Content-Length: 1e3\r\n", b"400"),
        (b"Content-Length: 99999999999999999999\r\n", b"413"),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n", b"411"),
    ):
        with served.raw() as client:
            client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n")
            assert client.recv(4096).split()[1] == status, head
    assert served.asked == []


def test_the_largest_request_that_is_allowed_arrives(served: Served) -> None:
    """Octet for octet."""
    request = bytes(range(256)) * (LONGEST_REQUEST // 256)
    assert served.ask("POST", "/", request).status == 200
    assert served.asked == [request]


def test_a_failure_ends_one_connection_and_is_said(served: Served) -> None:
    """In one line, without a traceback; the next request is served."""
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        served.ask("POST", "/", b"fail")
    assert served.ask("POST", "/", b"0").status == 200
    assert served.said == ["Warning: a request could not be answered: RuntimeError: a bug"]


def test_connections_beyond_the_limit_are_closed_and_the_others_served(served: Served) -> None:
    """Silent clients take up no more than their share, and once they are gone, there is room again."""
    silent = [served.raw() for _ in range(CONNECTIONS)]
    try:
        with served.raw() as one_more:
            assert one_more.recv(1) == b""
        silent[0].sendall(b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n0")
        assert silent[0].recv(4096).startswith(b"HTTP/1.0 200")
    finally:
        for client in silent:
            client.close()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            assert served.ask("POST", "/", b"0").status == 200
            break
        except (http.client.HTTPException, OSError):
            continue
    else:
        pytest.fail("the silent clients are gone, but their places were not given back")
    assert served.said == []


def dripped(client: socket.socket, seconds: float) -> bool:
    """Whether the connection was ended within ``seconds``, of a client that never ends its request and is never silent for long."""
    client.settimeout(0.05)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            client.sendall(b"x")
            return client.recv(1) == b""
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


def test_who_sends_an_octet_now_and_then_does_not_keep_its_place(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole connection has an end, however busy it looks; without one it would go on."""
    with served.raw() as client:
        client.sendall(b"GET /")
        assert not dripped(client, 1.0)
    monkeypatch.setattr(ocsp_server, "WHOLE_S", 0.5)
    with served.raw() as client:
        client.sendall(b"GET /")
        assert dripped(client, 30.0)
    assert served.ask("POST", "/", b"0").status == 200


def test_a_silent_client_does_not_hold_up_the_end() -> None:
    """The server ends at once, although somebody is connected."""
    found = Served()
    found.port = free_port()
    with serving("127.0.0.1", found.port, found, found.said.append):
        client = found.raw()
        client.sendall(b"POST / HTTP/1.1\r\n")
        begun = time.monotonic()
    assert time.monotonic() - begun < PATIENCE_S - 2
    client.close()
    with pytest.raises(OSError, match="refused"):
        found.raw()


def test_ipv6_and_a_port_that_is_taken(served: Served) -> None:
    """An IPv6 address is served as well; a second server on the same port is refused by the system."""
    with pytest.raises(OSError, match="in use"), serving("127.0.0.1", served.port, served, served.said.append):
        pass
    with serving("::1", served.port, served, served.said.append):
        connection = http.client.HTTPConnection("::1", served.port, timeout=60)
        connection.request("POST", "/", b"0")
        assert connection.getresponse().read() == b"signed"
        connection.close()
