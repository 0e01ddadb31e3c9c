"""httpd's log lines as one calm line each for a human; what only repeats or says nothing is folded away."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime

from gatewright.diagnose.backends import CONNECT_FAILED, backend_trouble, failed_without_certificate, refuses_us
from gatewright.diagnose.loglines import QUIET, AccessLine, ErrorLine, parse_access_line, parse_error_line
from gatewright.diagnose.refusals import openssl_words, parse_refusal, unescape, visible

_REMEMBERED = 4096
"""Handshakes in flight that are remembered; the oldest is forgotten first."""

_VERIFICATION, _CHAIN_TOO_LONG = 2276, 2040
_HANDSHAKE_FAILED, _PLAIN_HTTP, _TIMED_OUT = 2008, 1996, 2007
_ESTABLISHED, _SHUTDOWN = 1964, 1998
_READING, _NO_STATUS_LINE = 1992, 1102
_LOUD = {"emerg", "alert", "crit", "error", "warn"}
# Said by the access log's own line already: "client denied by server configuration", backend failures' second lines.
_SAID_BY_ACCESS = frozenset({1630, 1114, 1097, 2032})
_MILLISECOND, _SECOND = 1_000, 1_000_000


class Narrator:
    """Joins the lines of one handshake, which httpd writes in up to five, and tells each event once.

    Bounded in memory, and pure but for that memory. Methods return the lines to show, usually none or one.
    """

    def __init__(
        self,
        to_local: Callable[[datetime], datetime] = lambda when: when,
        elsewhere: Callable[[str], str] = lambda _: "",
    ) -> None:
        """``to_local`` brings an aware time to the zone of the error log, which httpd writes in local time.

        ``elsewhere`` knows more of a CA that was not trusted, by its name: see :func:`gatewright.diagnose.elsewhere.elsewhere`.
        """
        self._to_local = to_local
        self._elsewhere = elsewhere
        # By (pid, tid), because an "SSL Library Error" line carries no connection id: the failed handshake whose
        # reason has not come yet, or None when its reason is told.
        self._handshakes: OrderedDict[tuple[int, int], ErrorLine | None] = OrderedDict()
        # Connections that broke while they were read, with OpenSSL's code once it has come: a backend that refuses the gateway over
        # TLS 1.3 does so then, and the thread's next line tells that it was a backend.
        self._broken: OrderedDict[tuple[int, int], tuple[ErrorLine, int]] = OrderedDict()
        # Refused certificates of which the thread's next line tells whether it was a client's or a backend's.
        self._held: OrderedDict[tuple[int, int], ErrorLine] = OrderedDict()

    def error(self, text: str) -> tuple[str, ...]:
        """A line of the error log or of httpd's standard error."""
        line = parse_error_line(text)
        if line is None:
            return (f"httpd: {visible(text.strip())}",) if text.strip() else ()
        thread = (line.pid, line.tid)
        if line.openssl is not None:
            return self._library_error(thread, line.openssl)
        held, broken = self._held.pop(thread, None), self._broken.pop(thread, None)
        if (trouble := backend_trouble(line, held)) is not None:
            self._remember(thread, None)
            return (f"{_clock(line.time)} {trouble.words()}",)
        if line.number == _CHAIN_TOO_LONG and held is not None:
            # mod_ssl looks at the depth after OpenSSL's verdict, which then was on a certificate above the client's own (measured).
            return self._refused(thread, held, "the client's own hangs below another: ")
        told: tuple[str, ...] = self._refused(thread, held) if held is not None else ()
        if line.number not in {_HANDSHAKE_FAILED, _PLAIN_HTTP, CONNECT_FAILED}:
            told += self._unexplained(thread)
        if line.number in {_ESTABLISHED, _SHUTDOWN}:
            self._handshakes.pop(thread, None)  # the thread is done with that connection
        if line.number in {_VERIFICATION, _CHAIN_TOO_LONG}:
            self._hold(thread, line)
        elif line.number in {_HANDSHAKE_FAILED, _PLAIN_HTTP, CONNECT_FAILED}:
            self._failed(thread, line)
        else:
            told += self._unread(thread, line, broken) or _other(line)
        return told

    def access(self, text: str) -> tuple[str, ...]:
        """A line of the access log."""
        line = parse_access_line(text)
        return (request_words(line, self._to_local),) if line is not None else ()

    def _remember(self, thread: tuple[int, int], line: ErrorLine | None) -> None:
        self._handshakes[thread] = line
        self._handshakes.move_to_end(thread)
        if len(self._handshakes) > _REMEMBERED:
            self._handshakes.popitem(last=False)

    def _hold(self, thread: tuple[int, int], line: ErrorLine) -> None:
        self._held[thread] = line
        if len(self._held) > _REMEMBERED:
            self._held.popitem(last=False)

    def _refused(self, thread: tuple[int, int], line: ErrorLine, above: str = "") -> tuple[str, ...]:
        self._remember(thread, None)
        refusal = parse_refusal(line.message, 22 if line.number == _CHAIN_TOO_LONG else 0)
        if refusal is None:
            words = visible(unescape(line.message))
        else:
            words = refusal.words(self._elsewhere(refusal.issuer) if refusal.untrusted else "")
        return (f"{_clock(line.time)} refused in the handshake: {above}{words} ({_host(line.client)})",)

    def _unread(
        self, thread: tuple[int, int], line: ErrorLine, broken: tuple[ErrorLine, int] | None
    ) -> tuple[str, ...]:
        """Why a backend gave no answer, where the line before says that it refused the gateway."""
        if line.number == _READING:
            self._broken[thread] = (line, 0)
            if len(self._broken) > _REMEMBERED:
                self._broken.popitem(last=False)
        if line.number == _NO_STATUS_LINE and broken is not None and refuses_us(broken[1]):
            return (f"{_clock(line.time)} {failed_without_certificate(*broken).words()}",)
        return ()

    def _failed(self, thread: tuple[int, int], line: ErrorLine) -> None:
        if self._handshakes.get(thread, line) is not None:
            self._remember(thread, line)

    def _library_error(self, thread: tuple[int, int], packed: int) -> tuple[str, ...]:
        if thread in self._broken:
            self._broken[thread] = (self._broken[thread][0], packed)
            return ()
        failed = self._handshakes.get(thread)
        if failed is None:
            return ()
        self._remember(thread, None)
        if failed.number == CONNECT_FAILED:
            return (f"{_clock(failed.time)} {failed_without_certificate(failed, packed).words()}",)
        return (f"{_clock(failed.time)} no handshake: {_host(failed.client)} {openssl_words(packed)}",)

    def _unexplained(self, thread: tuple[int, int]) -> tuple[str, ...]:
        """A handshake that failed and whose reason never came, now that its thread is at something else."""
        failed = self._handshakes.get(thread)
        if failed is None:
            return ()
        del self._handshakes[thread]
        return (f"{_clock(failed.time)} no handshake: {_host(failed.client)} failed, httpd gives no reason",)


def request_words(line: AccessLine, to_local: Callable[[datetime], datetime] = lambda when: when) -> str:
    """One request: time, status, what was asked, how long it took, and who asked."""
    time = line.time
    if (
        time.isdecimal() and len(time) < 15
    ):  # %{msec}t: milliseconds since 1970; of a torn line more digits than any year has
        time = to_local(datetime.fromtimestamp(int(time) // 1000, UTC)).isoformat()
    who = {"NONE": "no client certificate", "SUCCESS": visible(line.dn) or "a certificate with an empty subject"}
    caller = who.get(line.verify, "")
    parts = (
        f"{_clock(time)} {line.status} {visible(line.method) or '?'} {visible(line.path)}",
        _span(line.microseconds),
        line.client,
        caller,
    )
    return "  ".join(part for part in parts if part)


def _other(line: ErrorLine) -> tuple[str, ...]:
    if line.number == _TIMED_OUT:
        return (f"{_clock(line.time)} no handshake: {_host(line.client)} was too slow",)
    if line.level not in _LOUD or line.number in QUIET or line.number in _SAID_BY_ACCESS:
        return ()
    reason = f": {line.reason}" if line.reason else ""
    number = f" (AH{line.number:05d})" if line.number else ""
    place = f" [{_host(line.client)}]" if line.client else ""
    return (
        f"{_clock(line.time)} httpd {line.level}: {visible(unescape(line.message))}{visible(reason)}{number}{place}",
    )


def _clock(time: str) -> str:
    """The time of day in whole seconds, from either log's spelling of date and time."""
    return time[11:19] if len(time) >= 19 else time


def _host(client: str) -> str:
    return visible(client) if client else "a client"


def _span(microseconds: int) -> str:
    if microseconds < _SECOND:
        return f"{microseconds / _MILLISECOND:.1f} ms"
    return f"{microseconds / _SECOND:.1f} s"
