"""What went wrong with a backend's TLS is told by number, once, and never as a client's mistake."""

from __future__ import annotations

import pytest

from gatewright.diagnose.backends import backend_trouble
from gatewright.diagnose.loglines import ErrorLine, parse_error_line
from gatewright.diagnose.narrate import Narrator

HEAD = "ts=2026-11-25 12:38:04.465705 lvl=ssl:info pid=98 tid=14 cid=0hgp client=127.0.0.1:36807 vh=localhost msg="
REFUSED = (
    HEAD + "AH02276: Certificate Verification: Error ({}): whatever [subject: CN=localhost / issuer: CN=backend root / "
    "serial: 3E2B / notbefore: Nov 24 12:38:03 2026 GMT / notafter: Nov 25 11:38:03 2026 GMT]"
)
CONNECT = HEAD + "AH02003: SSL Proxy connect failed"
LIBRARY = (
    "ts=2026-11-25 12:38:04.465755 lvl=ssl:info pid=98 tid=14 vh=localhost msg=SSL Library Error: error:{}:whatever"
)


def line(text: str) -> ErrorLine:
    found = parse_error_line(text)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("number", "part"),
    [
        (10, "certificate CN=localhost expired on Nov 25 11:38:03 2026 GMT"),
        (18, "is self-signed"),
        (20, "was issued by CN=backend root, which is not in 'ca'"),
        (26, "lacks serverAuth"),
        (99, "did not pass OpenSSL's verification"),
    ],
)
def test_a_refused_certificate_of_a_backend_is_told_once(number: int, part: str) -> None:
    """AH02276 followed by AH02003 is one sentence about the backend; not a word of clients."""
    narrator = Narrator()
    lines = (REFUSED.format(number), CONNECT, LIBRARY.format("0A000086"))
    (told,) = [text for one in lines for text in narrator.error(one)]
    assert part in told
    assert f"(AH02276, X.509 error {number})" in told
    assert "127.0.0.1:36807 not verified" in told
    assert "client" not in told


def test_twin_the_same_line_before_a_clients_end_is_a_clients() -> None:
    """AH02276 followed by AH02008 is a client's."""
    narrator = Narrator()
    failed = HEAD + "AH02008: SSL library error 1 in handshake (server localhost:8443)"
    (told,) = [text for one in (REFUSED.format(10), failed, LIBRARY.format("0A000086")) for text in narrator.error(one)]
    assert "refused in the handshake" in told
    assert "backend" not in told


@pytest.mark.parametrize(
    ("message", "part"),
    [
        ("AH02411: SSL Proxy: Peer certificate does not match for hostname localhost", "not for the name"),
        ("AH02268: Proxy client certificate callback: (localhost:1) wanted", "none is declared"),
    ],
)
def test_some_lines_say_it_alone(message: str, part: str) -> None:
    """A wrong name and a certificate that is wanted need no second line."""
    trouble = backend_trouble(line(HEAD + message))
    assert trouble is not None
    assert part in trouble.what


def test_tls_that_fails_before_any_certificate_is_told_by_openssls_code() -> None:
    """AH02003 alone waits for OpenSSL's code; what the backend did not accept is told as its refusal."""
    for code, part in (("0A00010B", "does not speak TLS"), ("0A000418", "refused the gateway's client certificate"), ("0A0003E7", "0A0003E7")):  # fmt: skip
        narrator = Narrator()
        assert narrator.error(CONNECT) == ()
        (told,) = narrator.error(LIBRARY.format(code))
        assert part in told
        assert "(AH02003)" in told


READ = HEAD + "AH01992: SSL library error 1 reading data"
NO_ANSWER = (
    HEAD.replace("ssl:info", "proxy_http:error").replace("36807", "40948")
    + "AH01102: error reading status line from remote server"
)


def test_a_backend_that_refuses_the_gateway_over_tls_1_3_is_told_as_that() -> None:
    """Its alert comes when the answer is read: one sentence with the backend's address, in place of "error reading status line"."""
    for code, part in (
        ("0A000418", "refused the gateway's client certificate (TLS alert 48)"),
        ("0A00045C", "it demands a client certificate"),
    ):
        narrator = Narrator()
        (told,) = [text for one in (READ, LIBRARY.format(code), NO_ANSWER) for text in narrator.error(one)]
        assert part in told
        assert "backend 127.0.0.1:36807 not verified" in told
        assert "(AH01992)" in told


def test_twins_what_broke_otherwise_is_no_refusal() -> None:
    """Another code, a client's connection, and the next request of that thread are told as they are."""
    other = Narrator()
    (told,) = [text for one in (READ, LIBRARY.format("0A000126"), NO_ANSWER) for text in other.error(one)]
    assert "error reading status line" in told
    client = Narrator()
    opened = HEAD + "AH01964: Connection to child 0 established"
    assert [text for one in (READ, LIBRARY.format("0A000418"), opened) for text in client.error(one)] == []
    (told,) = client.error(NO_ANSWER)
    assert "error reading status line" in told


def test_other_lines_say_nothing_of_backends() -> None:
    """AH02003 without a refused certificate, and a refused certificate without AH02003, are nothing yet."""
    assert backend_trouble(line(CONNECT)) is None
    assert backend_trouble(line(REFUSED.format(10))) is None
    assert backend_trouble(line(HEAD + "AH01964: Connection to child 0 established")) is None
