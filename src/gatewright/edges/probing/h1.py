"""HTTP/1.1 (RFC 9112) as a probe speaks it: the request byte by byte as it was ordered, the answer read by the rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from gatewright.edges.probing.wire import Broken, Wire
from gatewright.prove.cases import Ask

_MOST_HEAD = 65_536
_MOST_BODY = 1 << 20


@dataclass
class Answer:
    """One answer. ``complete`` tells that its end was seen; ``more`` whether the connection stays open after it."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    complete: bool = False
    more: bool = True


def request(ask: Ask, fill: Callable[[str], str]) -> bytes:
    """The bytes of ``ask``; ``fill`` replaces ``{port}``."""
    if ask.raw:
        return fill(ask.raw).encode("latin-1")
    lines = [f"{ask.method} {fill(ask.target or ask.path)} HTTP/1.1"]
    if ask.host is not None:
        lines.append(f"Host: {fill(ask.host)}")
    if ask.method in {"POST", "PUT", "PATCH", "DELETE"}:
        lines.append("Content-Length: 0")
    lines += [f"{name}: {value}" for name, value in ask.headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def number(text: str, base: int = 10) -> int:
    """A number as HTTP writes it: digits and nothing else (RFC 9110 §8.6, RFC 9112 §7.1). Raises :class:`Broken` for anything else."""
    if not text or not set(text) <= set("0123456789abcdefABCDEF"[: 10 if base == 10 else None]):
        raise Broken
    return int(text, base)


class Reader:
    """Reads answers from a wire, one after the other."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._rest = bytearray()

    def answer(self, method: str) -> Answer:
        """The next final answer (1xx are skipped). Raises :class:`Broken` where none comes."""
        while True:
            found = self._head()
            if not 100 <= found.status < 200:
                break
            if found.status == 101:  # the protocol changed: nothing of HTTP follows
                found.more = False
                return found
        try:
            self._body(found, method)
            found.complete = True
        except Broken:
            found.more = False
        return found

    def _head(self) -> Answer:
        while b"\r\n\r\n" not in self._rest:
            if len(self._rest) > _MOST_HEAD or (self._rest and not b"HTTP/1.".startswith(self._rest[:7])):
                raise Broken
            self._rest += self._wire.receive()
        head = self._up_to(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        words = first.split(" ", 2)
        if len(words) < 2:
            raise Broken
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        more = headers.get("connection", "").lower() != "close" and words[0] == "HTTP/1.1"
        return Answer(number(words[1]), headers, more=more)

    def _body(self, found: Answer, method: str) -> None:
        if method == "HEAD" or found.status in {204, 304}:
            return
        if found.headers.get("transfer-encoding", "").lower() == "chunked":
            while size := number(self._line().partition(b";")[0].decode("latin-1"), 16):
                found.body += self._exactly(size)
                self._line()
            while self._line():
                pass
        elif "content-length" in found.headers:
            found.body = self._exactly(number(found.headers["content-length"]))
        else:
            found.more = False
            try:
                while len(found.body) < _MOST_BODY:
                    found.body += bytes(self._rest) or self._wire.receive()
                    self._rest.clear()
            except Broken:
                if not self._wire.signs.closed:
                    raise

    def _line(self) -> bytes:
        while b"\r\n" not in self._rest:
            self._rest += self._wire.receive()
        return self._up_to(b"\r\n")

    def _up_to(self, mark: bytes) -> bytes:
        found = bytes(self._rest[: self._rest.index(mark)])
        del self._rest[: len(found) + len(mark)]
        return found

    def _exactly(self, size: int) -> bytes:
        if size > _MOST_BODY:
            raise Broken
        while len(self._rest) < size:
            self._rest += self._wire.receive()
        data = bytes(self._rest[:size])
        del self._rest[:size]
        return data
