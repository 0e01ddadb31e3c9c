"""The authorizer's framing: what httpd sends is read, and nothing else is."""

from __future__ import annotations

import asyncio
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.edges.authorizer.framing import MAX_PARAMETERS, FramingError, answer, pairs, read_parameters
from gatewright.model.credentials import Rule, proof


def record(kind: int, content: bytes, *, version: int = 1, padding: int = 0) -> bytes:
    return struct.pack(">BBHHBx", version, kind, 1, len(content), padding) + content + bytes(padding)


def sized(size: int) -> bytes:
    return bytes([size]) if size < 128 else struct.pack(">I", size | 0x80000000)


def encoded(given: dict[str, bytes]) -> bytes:
    return b"".join(sized(len(k)) + sized(len(v)) + k.encode("latin-1") + v for k, v in given.items())


def received(data: bytes) -> dict[str, bytes]:
    async def read() -> dict[str, bytes]:
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        return await read_parameters(reader)

    return asyncio.run(read())


BEGIN = record(1, struct.pack(">HB5x", 2, 0))
names = st.text(st.characters(max_codepoint=255), max_size=200)


@given(st.dictionaries(names, st.binary(max_size=400), max_size=8), st.integers(1, 300))
def test_parameters_come_as_they_were_sent(sent: dict[str, bytes], cut: int) -> None:
    """Whatever their lengths, and wherever the records cut them."""
    body = encoded(sent)
    parts = b"".join(record(4, body[at : at + cut], padding=at % 3) for at in range(0, len(body), cut))
    assert received(BEGIN + parts + record(4, b"")) == sent


@pytest.mark.parametrize(
    "data",
    [
        record(4, b""),
        BEGIN + BEGIN,
        BEGIN + record(5, b""),
        BEGIN + record(4, b"", version=2),
        BEGIN + record(4, b"\x01\x01a") + record(4, b""),
        BEGIN + record(4, b"\xff") + record(4, b""),
        BEGIN + record(4, encoded({"A": b"1"}) * 2) + record(4, b""),
        BEGIN + record(4, bytes(60_000)) * (MAX_PARAMETERS // 60_000 + 1) + record(4, b""),
    ],
    ids=[
        "no beginning",
        "two beginnings",
        "a body",
        "a version",
        "half a pair",
        "half a length",
        "a name twice",
        "too much",
    ],
)
def test_what_is_no_request_is_refused(data: bytes) -> None:
    """Nothing is made of half a request, of another role's, or of one that says a thing twice."""
    with pytest.raises(FramingError):
        received(data)
    with pytest.raises(EOFError):
        received(BEGIN)


@given(st.binary(max_size=300))
def test_garbage_never_does_more_than_being_refused(data: bytes) -> None:
    """Any bytes are read as pairs or refused; nothing else can happen."""
    try:
        found = pairs(data)
    except FramingError:
        return
    assert encoded(found).__len__() <= len(data)


def test_an_answer_is_one_record_and_an_end() -> None:
    """As mod_authnz_fcgi takes it."""
    sent = answer({"A": "1"})
    _, kind, _, length, _ = struct.unpack(">BBHHBx", sent[:8])
    assert (kind, sent[8 : 8 + length]) == (6, b"Status: 200\r\nVariable-A: 1\r\n\r\n")
    assert sent[8 + length + 1] == 3


def test_a_proof_is_of_one_request_only() -> None:
    """Each of its parts counts, and a rule is what it was before it was sent."""
    parts = ("k" * 64, "rule", "id", b"Bearer a", b"pem")
    others = [
        ("x" * 64, *parts[1:]),
        ("k" * 64, "other", *parts[2:]),
        (*parts[:2], "di", *parts[3:]),
        (*parts[:3], b"Bearer b", b"pem"),
        (*parts[:4], b"mep"),
    ]
    assert len({proof(*p) for p in (parts, *others)}) == 6
    rule = Rule("https://a.example", 'a "quoted" ü', "keys.json", "required")
    assert Rule.decoded(rule.encoded()) == rule
    assert set(rule.encoded()) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
    for wrong in ("", "AAAA", "bnVsbA", "e30"):
        with pytest.raises(ValueError, match="no rule"):
            Rule.decoded(wrong)
