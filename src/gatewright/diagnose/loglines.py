"""Reading httpd's lines: the error log in our format, its standard error, and the JSON access log.

Our ``ErrorLogFormat`` is ``ts=%{cu}t lvl=%-m:%l pid=%P tid=%T cid=%{c}L rid=%L client=%a vh=%v%E msg=%M``. httpd drops
a whole ``name=value`` field when any item in it is empty, so every field but ``msg`` is optional here; ``vh=%v%E``
therefore appears only together with an error number (measured on httpd 2.4.71). ``vh=%v err=%E`` is read as well.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

_ERROR_LINE = re.compile(
    r"ts=(?P<ts>\S+ \S+)"
    r"(?: lvl=(?P<module>[^:\s]*):(?P<level>\S+))?"
    r"(?: pid=(?P<pid>\d+))?"
    r"(?: tid=(?P<tid>\d+))?"
    r"(?: cid=(?P<cid>\S+))?"
    r"(?: rid=(?P<rid>\S+))?"
    r"(?: client=(?P<client>\S+))?"
    r"(?: vh=(?P<vhost>[^\s(]*))?"
    r"(?:(?: err=)?\((?P<errno>\d+)\)(?P<reason>.*?))?"
    r" msg=(?P<message>.*)\Z",
    re.DOTALL,
)
_NUMBERED = re.compile(r"AH(\d{5}): ")
_STDERR_ERRNO = re.compile(r"\((\d+)\)(.*?): (?=AH\d{5}: )")
_OPENSSL = re.compile(r"SSL Library Error: error:([0-9A-Fa-f]{8}):")

READY = frozenset({489, 163, 292})
"""AH numbers of "resuming normal operations": the event, prefork and worker MPM."""

QUIET = frozenset({94, 489, 491, 492, 493, 494, 557, 558, 1873, 1876, 1882, 1883, 1887, 1906, 1914, 1964, 2006, 2568})
"""Lines of an ordinary life (start, stop, graceful, connections coming and going) that tell an operator nothing."""

# Follow-ups that repeat that something failed without saying what, and hints that change nothing.
_CHATTER = frozenset(
    {13, 14, 15, 16, 17, 20, 94, 451, 489, 491, 557, 558, 2311, 2312, 1873, 1882, 1883, 1887, 1914, 1876, 2568}
)


@dataclass(frozen=True, slots=True)
class StartLine:
    """A line of a start. ``number`` is the AH number or 0; ``errno`` and ``reason`` the system's; ``openssl`` its code."""

    message: str
    number: int = 0
    errno: int | None = None
    reason: str = ""
    openssl: int | None = None

    @property
    def is_chatter(self) -> bool:
        """Whether it only repeats that something failed, or says nothing of interest."""
        return self.number in _CHATTER


@dataclass(frozen=True, slots=True)
class ErrorLine:
    """One line of the error log.

    ``number`` is the AH number or 0; ``connection`` and ``request`` are httpd's ids; ``client`` is ``address:port``;
    ``openssl`` the packed code of an ``SSL Library Error`` line. ``message`` is without the AH number, still escaped.
    """

    time: str
    level: str
    module: str
    pid: int
    tid: int
    connection: str
    request: str
    client: str
    vhost: str
    errno: int | None
    reason: str
    number: int
    openssl: int | None
    message: str


def parse_error_line(text: str) -> ErrorLine | None:
    """The line's fields, or ``None`` if it is not in our format (httpd's standard error, a module's own output)."""
    match = _ERROR_LINE.match(text.rstrip("\n"))
    if match is None:
        return None
    message = match["message"]
    numbered = _NUMBERED.match(message)
    openssl = _OPENSSL.match(message)
    return ErrorLine(
        time=match["ts"],
        level=match["level"] or "",
        module=match["module"] or "",
        pid=int(match["pid"] or 0),
        tid=int(match["tid"] or 0),
        connection=match["cid"] or "",
        request=match["rid"] or "",
        client=match["client"] or "",
        vhost=match["vhost"] or "",
        errno=int(match["errno"]) if match["errno"] else None,
        reason=match["reason"] or "",
        number=int(numbered[1]) if numbered else 0,
        openssl=int(openssl[1], 16) if openssl else None,
        message=message[numbered.end() :] if numbered else message,
    )


def parse_start_line(text: str) -> StartLine:
    """A line of the error log or of standard error, whichever it is; unknown shapes keep their whole text."""
    logged = parse_error_line(text)
    if logged is not None:
        return StartLine(logged.message, logged.number, logged.errno, logged.reason, logged.openssl)
    rest = text.strip()
    errno, reason = None, ""
    if system := _STDERR_ERRNO.match(rest):
        errno, reason, rest = int(system[1]), system[2], rest[system.end() :]
    numbered = _NUMBERED.match(rest)
    if numbered:
        return StartLine(rest[numbered.end() :], int(numbered[1]), errno, reason)
    return StartLine(rest, 0, errno, reason)


@dataclass(frozen=True, slots=True)
class AccessLine:
    """One request. ``microseconds`` is how long it took; empty texts stand for what httpd logged as ``-``."""

    time: str
    connection: str
    request: str
    client: str
    method: str
    path: str
    protocol: str
    status: int
    bytes: int
    microseconds: int
    route: str
    verify: str
    dn: str
    serial: str
    sni: str
    tls: str
    cipher: str
    resumed: bool


# httpd's ap_escape_logitem writes \b \n \r \t \v, \" and \\, and \xHH for other control bytes and bytes >= 0x80.
# \xHH and \v are not JSON (RFC 8259 section 7).
_ESCAPE = re.compile(r"((?:\\x[0-9a-fA-F]{2})+)|(\\v)|\\.", re.DOTALL)


def _as_json(escape: re.Match[str]) -> str:
    if escape[1]:
        text = bytes.fromhex(escape[1].replace("\\x", "")).decode("utf-8", "surrogateescape")
        return "".join(f"\\u{unit:04x}" for unit in _utf16(text))
    return "\\u000b" if escape[2] else escape[0]


def _utf16(text: str) -> list[int]:
    # A byte that is not UTF-8 is shown as the replacement character rather than refused: a log line must be readable.
    clean = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    raw = clean.encode("utf-16-be")
    return [int.from_bytes(raw[i : i + 2], "big") for i in range(0, len(raw), 2)]


def repair_json(text: str) -> str:
    r"""The access line as JSON: httpd's ``\xHH`` (UTF-8 bytes) and ``\v`` turned into JSON escapes."""
    return _ESCAPE.sub(_as_json, text)


def parse_access_line(text: str) -> AccessLine | None:
    """The request, or ``None`` if the line is not one JSON object with at least time, method, path and status."""
    try:
        raw = json.loads(repair_json(text))
    except ValueError:
        return None
    if not isinstance(raw, dict) or not {"ts", "method", "path", "status"} <= raw.keys():
        return None

    def word(name: str) -> str:
        value = str(raw.get(name, ""))
        return "" if value == "-" else value

    def number(name: str) -> int:
        value = raw.get(name)
        return value if isinstance(value, int) else int(value) if isinstance(value, str) and value.isdigit() else 0

    return AccessLine(
        time=word("ts"),
        connection=word("cid"),
        request=word("rid"),
        client=word("client"),
        method=word("method"),
        path=word("path"),
        protocol=word("proto"),
        status=number("status"),
        bytes=number("bytes"),
        microseconds=number("us"),
        route=word("route"),
        verify=word("verify"),
        dn=word("dn"),
        serial=word("serial"),
        sni=word("sni"),
        tls=word("tls"),
        cipher=word("cipher"),
        resumed=word("resumed") == "Resumed",
    )
