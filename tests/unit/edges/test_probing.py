"""A prober meets whatever stands at a port: what is no HTTP, or never ends, is something seen and not the end of the proof."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gatewright.edges.probing import wire
from gatewright.edges.probing.prober import LocalProber
from gatewright.ports.prober import Listener
from gatewright.prove.cases import NOBODY, Ask, Case, Expected, Family, Outcome, Protocol, Transport
from gatewright.prove.verdict import Seen

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@contextmanager
def answering(answer: bytes, *, endless: bool = False) -> Iterator[int]:
    """A server that gives this answer to each connection, again and again if that never ends, on the port that is yielded."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection, contextlib.suppress(OSError):
                        connection.recv(65_536)
                        connection.sendall(answer)
                        while endless:
                            connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def ask(port: int) -> Seen:
    """What one request, without TLS, saw."""
    case = Case(
        "x", Family.PLAIN_TEXT, Ask("/", transport=Transport.PLAIN), NOBODY, Protocol(), Expected(Outcome.SHUT), "", ""
    )
    (seen,) = LocalProber().run(Listener("127.0.0.1", port), [case], {}, "nonce", lambda _case, _seen: True)
    return seen


def test_an_answer_is_an_answer() -> None:
    """The twin of what follows: this server is heard."""
    with answering(GOOD) as port:
        assert (ask(port).status, ask(port).answers) == (200, 1)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxx\r\nok\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nok\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
    ],
)
def test_a_body_of_no_length_is_not_whole(answer: bytes) -> None:
    """The status was seen, and the proof goes on."""
    with answering(answer) as port:
        assert ask(port).status == 200


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 \xb2\xb2\xb2 x\r\n\r\n", b"HTTP/1.1 +200 x\r\n\r\n", b"SSH-2.0-x\r\n", b""]
)
def test_what_is_no_http_has_no_status(answer: bytes) -> None:
    """Superscript digits are digits to Python and not to HTTP."""
    with answering(answer) as port:
        assert ask(port).status is None


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n", 200),
    ],
)
def test_an_answer_without_end_is_ended(answer: bytes, status: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sends on and on is not listened to for ever."""
    monkeypatch.setattr(wire, "_MOST", 1 << 20)
    with answering(answer, endless=True) as port:
        assert ask(port).status == status
