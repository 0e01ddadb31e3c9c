"""The part of FastCGI 1.0 that mod_authnz_fcgi speaks to an authorizer: one request a connection, parameters, no body.

The records are those of the specification's §3.3, the name-value pairs of §3.4, the authorizer's role of §6.3. No library for it
is maintained, and these few lines are all that the role needs.
"""

from __future__ import annotations

import asyncio
import struct

MAX_PARAMETERS = 262_144
"""Bytes of all parameters of one request: what httpd lets clients send in header fields is less than half of it in practice."""

_VERSION, _BEGIN, _END, _PARAMS, _STDOUT = 1, 1, 3, 4, 6
_HEADER = struct.Struct(">BBHHBx")


class FramingError(ValueError):
    """What was received is no request to an authorizer."""


async def read_parameters(reader: asyncio.StreamReader) -> dict[str, bytes]:
    """The parameters of the one request of a connection. Raises :class:`FramingError`, or ``EOFError`` for half of one."""
    begun, received = False, bytearray()
    while True:
        version, kind, _, length, padding = _HEADER.unpack(await reader.readexactly(_HEADER.size))
        content = await reader.readexactly(length + padding)
        if version != _VERSION or kind not in {_BEGIN, _PARAMS} or (kind == _PARAMS) is not begun:
            raise FramingError(f"record {kind} of version {version}")
        if kind == _BEGIN:
            begun = True
        elif not length:
            return pairs(bytes(received))
        else:
            received += content[:length]
            if len(received) > MAX_PARAMETERS:
                raise FramingError("too many parameters")


def pairs(content: bytes) -> dict[str, bytes]:
    """Name-value pairs (§3.4). A name that stands twice is refused: which one would count? Raises :class:`FramingError`."""
    found: dict[str, bytes] = {}
    at = 0
    while at < len(content):
        sizes = []
        for _ in range(2):
            size, width = (content[at], 1) if at < len(content) else (0, 0)
            if size & 0x80:
                (size,), width = struct.unpack(">I", content[at : at + 4].rjust(4, b"\0")), 4
                size &= 0x7FFFFFFF
            if not width or at + width > len(content):
                raise FramingError("half a length")
            at += width
            sizes.append(size)
        end = at + sizes[0] + sizes[1]
        if end > len(content):
            raise FramingError("half a pair")
        name = content[at : at + sizes[0]].decode("latin-1")
        if name in found:
            raise FramingError("a name stands twice")
        found[name] = content[at + sizes[0] : end]
        at = end
    return found


def answer(variables: dict[str, str]) -> bytes:
    """A 200 that sets ``variables`` of the request; their values are of our own making and hold no line ends."""
    lines = ["Status: 200", *(f"Variable-{name}: {value}" for name, value in variables.items()), "", ""]
    body = "\r\n".join(lines).encode("ascii")
    ended = _HEADER.pack(_VERSION, _END, 1, 8, 0) + bytes(8)
    return _HEADER.pack(_VERSION, _STDOUT, 1, len(body), 0) + body + ended
