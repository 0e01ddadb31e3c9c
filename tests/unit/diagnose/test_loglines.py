"""Reading httpd's lines. The samples were written by httpd 2.4.71 with our formats."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.diagnose.elsewhere import elsewhere
from gatewright.diagnose.loglines import parse_access_line, parse_error_line, parse_start_line, repair_json
from gatewright.diagnose.narrate import Narrator, request_words
from gatewright.diagnose.refusals import Refusal, openssl_words, parse_refusal, readable_dn, unescape, visible
from gatewright.model.gateway import Gateway
from gatewright.source import load

SAMPLE = "ts=2026-11-23 13:31:07.9 lvl=ssl:info pid=8597 tid=14 cid=LCM7 client=127.0.0.1:56546 msg="
FOREIGN = (
    SAMPLE + "AH02276: Certificate Verification: Error (20): unable to get local issuer certificate "
    "[subject: CN=erp,O=Other / issuer: CN=Foreign Issuing,O=Other / serial: 6134C5 / notbefore: Nov 23 13:31:07 2026 GMT "
    "/ notafter: Dec 23 13:31:07 2026 GMT]"
)
TOO_LONG = SAMPLE + (
    "AH02040: Certificate Verification: Certificate Chain too long (chain has 1 certificates, but maximum allowed are only 0)"
)
FAILED = SAMPLE + "AH02008: SSL library error 1 in handshake (server localhost:21982)"
LIBRARY = "ts=2026-11-23 13:31:07.9 lvl=ssl:info pid=8597 tid=14 msg=SSL Library Error: error:{}:SSL routines::words"
CLOSED = SAMPLE + "AH01998: Connection closed to child 73 with abortive shutdown (server localhost:21982)"
ACCESS = (
    '{"ts":"2026-11-23T13:31:07.958469","cid":"FJI6","rid":"-","client":"127.0.0.1","method":"GET","path":"%s",'
    '"proto":"HTTP/1.1","status":404,"bytes":236,"us":166,"route":"-","verify":"SUCCESS","dn":"CN=Zo\\xc3\\xab bot,O=Home",'
    '"serial":"31BA","sni":"localhost","tls":"TLSv1.2","cipher":"X","resumed":"Initial"}'
)


def test_all_fields_of_an_error_line() -> None:
    """Every field comes back, the number apart from the words."""
    line = parse_error_line(FOREIGN + "\n")
    assert line is not None
    assert (line.module, line.level, line.pid, line.tid, line.connection) == ("ssl", "info", 8597, 14, "LCM7")
    assert (line.client, line.number, line.errno, line.request) == ("127.0.0.1:56546", 2276, None, "")
    assert line.message.startswith("Certificate Verification")


def test_virtual_host_and_errno_in_both_spellings() -> None:
    """``vh=%v%E``, which httpd writes only as a whole, and ``vh=%v err=%E``."""
    head = "ts=2026-11-23 13:31:09.820304 lvl=ssl:info pid=8598 tid=1 "
    glued = parse_error_line(head + "vh=localhost(70014)End of file found msg=AH02006: SSL handshake stopped")
    apart = parse_error_line(head + "vh=localhost err=(70014)End of file found msg=AH02006: SSL handshake stopped")
    assert glued == apart
    assert glued is not None
    assert (glued.vhost, glued.errno, glued.reason) == ("localhost", 70014, "End of file found")
    only_host = parse_error_line(head + "vh=localhost msg=AH02564: x")
    assert only_host is not None
    assert (only_host.vhost, only_host.errno) == ("localhost", None)


def test_other_lines_are_none() -> None:
    """Standard error of httpd is not in our format; as a line of a start it is read all the same."""
    text = "(98)Address already in use: AH00072: make_sock: could not bind to address [::]:1"
    assert parse_error_line(text) is None
    line = parse_start_line(text)
    assert (line.number, line.errno, line.reason) == (72, 98, "Address already in use")
    assert parse_start_line("no listening sockets available").number == 0


def test_forged_fields_in_a_message_stay_in_the_message() -> None:
    """What a client writes cannot become a field: the first ``msg=`` ends them."""
    line = parse_error_line(SAMPLE + "AH00001: x pid=1 client=evil msg=AH02276: y")
    assert line is not None
    assert (line.pid, line.client, line.number) == (8597, "127.0.0.1:56546", 1)


def test_access_line_with_bytes_beyond_ascii() -> None:
    r"""``\xHH`` is not JSON and is repaired as UTF-8; controls and an invalid byte survive as characters."""
    line = parse_access_line(ACCESS % '/a\\"b\\n\\xc3\\xa9\\\\x41\\v\\x1b\\xff')
    assert line is not None
    assert line.path == '/a"b\né\\x41\x0b\x1b\ufffd'
    assert (line.dn, line.status, line.microseconds, line.route, line.resumed) == (
        "CN=Zoë bot,O=Home",
        404,
        166,
        "",
        False,
    )


def test_what_is_no_access_line_is_none() -> None:
    """A torn line, another JSON value, and an object without a path are refused, not guessed at."""
    assert parse_access_line(ACCESS[:50]) is None
    assert parse_access_line("[1]") is None
    assert parse_access_line("{}") is None


def test_a_time_beyond_all_calendars_ends_nothing() -> None:
    """Two torn lines may make one number of their times: the request is shown all the same, and a real time as one of the day."""
    line = parse_access_line(ACCESS % "/a")
    assert line is not None
    assert request_words(replace(line, time="1795906800000")).startswith("23:00:00 404 ")
    for torn in ("9" * 15, "9" * 40):
        assert " 404 " in request_words(replace(line, time=torn))


def _escape_as_httpd(raw: bytes) -> str:
    """ap_escape_logitem (server/util.c of httpd 2.4)."""
    simple = {8: "\\b", 10: "\\n", 13: "\\r", 9: "\\t", 11: "\\v", 34: '\\"', 92: "\\\\"}
    return "".join(simple.get(b) or (chr(b) if 0x20 <= b < 0x7F else f"\\x{b:02x}") for b in raw)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_every_text_comes_back_from_the_access_log(text: str) -> None:
    """Whatever httpd escapes, the reader undoes."""
    escaped = _escape_as_httpd(text.encode())
    assert json.loads('"' + repair_json(escaped) + '"') == text
    assert unescape(escaped) == text


@given(st.binary())
def test_every_byte_string_gives_a_readable_line(raw: bytes) -> None:
    """Bytes that are not UTF-8 never make a line unreadable."""
    json.loads('"' + repair_json(_escape_as_httpd(raw)) + '"')


@given(st.text())
def test_visible_text_has_no_controls(text: str) -> None:
    """Nothing that a terminal would obey is left."""
    assert visible(text).isprintable()


def test_a_refused_certificate_is_told_once() -> None:
    """Four lines of one handshake become one sentence."""
    narrator = Narrator()
    told = [narrator.error(line) for line in (FOREIGN, FAILED, LIBRARY.format("0A000086"), CLOSED)]
    assert told == [
        (),  # whether it was a client's or a backend's, the next line tells
        (
            "13:31:07 refused in the handshake: certificate CN=erp,O=Other was issued by CN=Foreign Issuing,O=Other, "
            "which no authority of this gateway trusts (127.0.0.1:56546)",
        ),
        (),
        (),
    ]


def test_a_refused_certificate_above_the_clients_own_is_told_once() -> None:
    """mod_ssl complains of the depth too; whose certificate the verdict is on is said, and another client's depth is told by itself."""
    narrator = Narrator()
    assert (narrator.error(FOREIGN), narrator.error(TOO_LONG)) == (
        (),
        (
            "13:31:07 refused in the handshake: the client's own hangs below another: certificate CN=erp,O=Other was issued by "
            "CN=Foreign Issuing,O=Other, which no authority of this gateway trusts (127.0.0.1:56546)",
        ),
    )
    assert narrator.error(FAILED) == ()
    assert narrator.error(CLOSED) == ()
    assert narrator.error(TOO_LONG) == ()
    (alone,) = narrator.error(FAILED)
    assert alone.startswith(
        "13:31:07 refused in the handshake: a certificate was not issued by an authority of this gateway itself"
    )


def _two_names() -> Gateway:
    """One with an authority of its own name, with a CA in between, beside a shared one."""
    declared = """\
gateway: api.example.org
listen: 8443
authorities:
  home: { managed: true }
  other: { anchor: other.pem, host: other.example.org, depth: 1 }
routes:
  /: { respond: { text: x }, access: any-client }
"""
    return load(declared, "gateway.yaml").gateway


@pytest.mark.parametrize(
    ("subjects", "said"),
    [
        (
            {"other": ("CN=Foreign Issuing,O=Other",)},
            ": a CA of that name is trusted under other.example.org only, was another name asked for?",
        ),
        (
            {"home": ("CN=Foreign Issuing,O=Other",)},
            ": a CA of that name is trusted under api.example.org only, was another name asked for?",
        ),
        (
            {"other": ("CN=Another,O=Other",)},
            ", which no authority of this gateway trusts; a client of other must send the CAs in between along",
        ),
    ],
)
def test_a_ca_that_is_trusted_under_another_name_is_told_as_that(
    subjects: dict[str, tuple[str, ...]], said: str
) -> None:
    """Where names differ in whom they trust, the line does not deny that a CA is known, and says what clients must send."""
    gateway = _two_names()
    narrator = Narrator(elsewhere=lambda issuer: elsewhere(gateway, subjects, issuer))
    (told,) = [text for one in (FOREIGN, FAILED) for text in narrator.error(one)]
    assert (
        told
        == f"13:31:07 refused in the handshake: certificate CN=erp,O=Other was issued by CN=Foreign Issuing,O=Other{said} (127.0.0.1:56546)"
    )


def test_names_that_are_not_ascii_are_compared_as_they_are_told() -> None:
    """OpenSSL's escapes on one side, letters on the other."""
    said = elsewhere(_two_names(), {"other": ("CN=Zo\\C3\\AB {1}",)}, "CN=Zoë {1}")
    assert "other.example.org" in said
    assert (
        Refusal(20, "CN=x", "CN=Zoë {1}", "", "", "")
        .words(said)
        .startswith("certificate CN=x was issued by CN=Zoë {1}: a CA")
    )


def test_a_failed_handshake_gets_its_reason_from_the_next_line() -> None:
    """The reason carries no client; it is joined by process and thread, and later lines are not repeated."""
    narrator = Narrator()
    assert narrator.error(FAILED) == ()
    (text,) = narrator.error(LIBRARY.format("0A0000C7"))
    assert text == "13:31:07 no handshake: 127.0.0.1:56546 presented no certificate, and one is required here"
    assert narrator.error(LIBRARY.format("0A0000C7")) == ()
    assert narrator.error(CLOSED) == ()


def test_a_failed_handshake_without_reason_is_not_lost() -> None:
    """Its connection's end tells it."""
    narrator = Narrator()
    narrator.error(FAILED)
    assert narrator.error(CLOSED) == ("13:31:07 no handshake: 127.0.0.1:56546 failed, httpd gives no reason",)


def test_the_next_connection_of_a_thread_is_told_again() -> None:
    """What was told of one connection silences nothing of the next."""
    narrator = Narrator()
    for _ in range(2):
        assert narrator.error(FOREIGN) == ()
        assert len(narrator.error(FAILED)) == 1
        assert narrator.error(SAMPLE + "AH01964: Connection to child 1 established (server x:1)") == ()


def test_noise_is_folded_and_trouble_is_told() -> None:
    """Ordinary life says nothing; an error does, with number, reason and who."""
    narrator = Narrator()
    head = "ts=2026-11-23 13:31:07.374787 lvl="
    assert narrator.error(head + "mpm_event:notice pid=1 tid=1 msg=AH00489: Apache configured -- resuming") == ()
    assert narrator.error(head + "ssl:warn pid=1 tid=1 msg=AH01882: Init: compiled against a newer library") == ()
    assert narrator.error(head + "x:info pid=1 tid=1 msg=AH01234: nothing special") == ()
    (text,) = narrator.error(
        head + "proxy:error pid=1 tid=1 vh=h(111)Connection refused msg=AH00957: attempt \\x1b[31m failed"
    )
    assert text == "13:31:07 httpd error: attempt \\x1b[31m failed: Connection refused (AH00957)"
    assert narrator.error("plain words\x1b") == ("httpd: plain words\\x1b",)


def test_a_request_is_one_line() -> None:
    """Time, status, what, how long, from where and who; controls of the client are visible, not obeyed."""
    narrator = Narrator()
    assert narrator.access(ACCESS % "/p\\x1b[2J") == (
        "13:31:07 404 GET /p\\x1b[2J  0.2 ms  127.0.0.1  CN=Zoë bot,O=Home",
    )
    anonymous = (ACCESS % "/").replace("SUCCESS", "NONE").replace('"us":166', '"us":2500000')
    assert narrator.access(anonymous) == ("13:31:07 404 GET /  2.5 s  127.0.0.1  no client certificate",)
    assert narrator.access("torn") == ()


def test_milliseconds_since_1970_become_the_time_of_day() -> None:
    """``%{msec}t`` is told as the error log tells the time: in the zone that is asked for."""
    line = (ACCESS % "/").replace('"2026-11-23T13:31:07.958469"', "1795440667958")
    assert Narrator().access(line)[0].startswith("13:31:07 404")
    east = Narrator(to_local=lambda when: when.astimezone(timezone(timedelta(hours=2))))
    assert east.access(line)[0].startswith("15:31:07 404")


def test_memory_of_handshakes_is_bounded() -> None:
    """A flood of failing threads is forgotten from its oldest end."""
    narrator = Narrator()
    for thread in range(5000):
        narrator.error(FAILED.replace("tid=14", f"tid={thread}"))
    assert len(narrator._handshakes) <= 4096


def test_refusal_words() -> None:
    """Known numbers have words, unknown ones their number; a name with the separator in it confuses nothing else."""
    refusal = parse_refusal(
        "Certificate Verification: Error (10): x [subject: CN=a / issuer: CN=fake / issuer: CN=Home / serial: 0A / notbefore: b / notafter: c]"
    )
    assert refusal is not None
    assert (refusal.serial, refusal.after) == ("0A", "c")
    assert refusal.words().endswith("expired on c")
    unknown = parse_refusal("Certificate Verification: Error (999): new [subject:  / issuer:  / serial: 0A]")
    assert unknown is not None
    assert unknown.words() == "certificate with an empty subject did not pass OpenSSL's verification (X.509 error 999)"
    assert parse_refusal("something else") is None
    deep = parse_refusal("Certificate Chain too long", 22)
    assert deep is not None
    assert deep.words().startswith("a certificate was not issued by an authority of this gateway itself")


def test_openssl_codes() -> None:
    """By library and reason number: ours, the client's alerts, and unknown ones with their number."""
    assert "plain HTTP" in openssl_words(0x0A00009C)
    assert "does not trust the authority" in openssl_words(0x0A000418)
    assert openssl_words(0x0A000400 + 0xFF).endswith("alert 255") or "alert" in openssl_words(0x0A0004E7)
    assert openssl_words(0x0480006C) == "failed the handshake (OpenSSL error 0480006C)"


def test_names_are_readable() -> None:
    """Backslashes that httpd doubled, from RFC 2253 text, are undone."""
    assert readable_dn("CN=Zo\\\\C3\\\\AB bot,O=Home") == "CN=Zoë bot,O=Home"
    assert readable_dn("CN=a\\\\1B[31m") == "CN=a\\x1b[31m"
