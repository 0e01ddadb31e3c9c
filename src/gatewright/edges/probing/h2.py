"""HTTP/2 (RFC 9113) as a probe speaks it: the ``h2`` library with its own good manners switched off."""

from __future__ import annotations

from collections.abc import Callable

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.exceptions import ProtocolError

from gatewright.edges.probing.h1 import Answer, number
from gatewright.edges.probing.wire import Broken, Wire
from gatewright.prove.cases import Ask

_CONFIGURATION = H2Configuration(
    client_side=True,
    header_encoding="latin-1",
    validate_outbound_headers=False,
    normalize_outbound_headers=False,
    validate_inbound_headers=False,
)


class Refused(Exception):
    """The stream or the whole connection was ended with an error code (RFC 9113 §7)."""

    def __init__(self, code: int, *, connection: bool) -> None:
        super().__init__(code)
        self.code = code
        self.connection = connection


class Talk:
    """One HTTP/2 connection, one request after the other."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._h2 = H2Connection(_CONFIGURATION)
        self._h2.initiate_connection()
        self._flush()

    def ask(self, ask: Ask, fill: Callable[[str], str]) -> Answer:
        """One request and its answer. Raises :class:`Broken` and :class:`Refused`."""
        headers = [(":method", ask.method), (":scheme", "https"), (":path", fill(ask.target or ask.path))]
        if ask.host is not None:
            headers.insert(1, (":authority", fill(ask.host)))
        headers += [(name.lower(), fill(value)) for name, value in ask.headers]
        try:
            stream = self._h2.get_next_available_stream_id()
            self._h2.send_headers(
                stream, [(n.encode("latin-1"), v.encode("latin-1")) for n, v in headers], end_stream=True
            )
            self._flush()
            return self._answer(stream)
        except ProtocolError as problem:
            raise Broken from problem

    def _answer(self, stream: int) -> Answer:
        found = Answer(0)
        while True:
            for event in self._h2.receive_data(self._wire.receive()):
                if self._take(event, stream, found):
                    self._flush()
                    found.complete = True
                    return found
            self._flush()

    def _take(self, event: Event, stream: int, found: Answer) -> bool:
        """Whether the answer is complete after ``event``."""
        if isinstance(event, ConnectionTerminated):
            raise Refused(int(event.error_code or 0), connection=True)
        if getattr(event, "stream_id", None) != stream:
            return False
        if isinstance(event, StreamReset):
            if found.status and event.error_code == ErrorCodes.NO_ERROR:
                return True
            raise Refused(int(event.error_code or 0), connection=False)
        if isinstance(event, ResponseReceived):
            for name, value in event.headers or ():
                text, content = _text(name), _text(value)
                if text == ":status":
                    found.status = number(content)
                else:
                    found.headers[text] = content
        elif isinstance(event, DataReceived):
            found.body += event.data or b""
            self._h2.acknowledge_received_data(event.flow_controlled_length or 0, stream)
        return isinstance(event, StreamEnded)

    def _flush(self) -> None:
        data = self._h2.data_to_send()
        if data:
            self._wire.send(data)


def _text(part: bytes | str) -> str:
    return part if isinstance(part, str) else part.decode("latin-1")
