"""The prober: cases in, what each saw out, over as few connections as the cases allow."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import PurePath

from OpenSSL import SSL

from gatewright.edges.probing.canary import HEADER, LocalCanary
from gatewright.edges.probing.h1 import Answer, Reader, request
from gatewright.edges.probing.h2 import Refused, Talk
from gatewright.edges.probing.wire import Broken, Wire, context
from gatewright.ports.prober import Listener
from gatewright.prove.cases import Ask, Case, Family, Http, Identity, Outcome, Protocol, Session, Transport
from gatewright.prove.minting import Credential
from gatewright.prove.verdict import Seen

# httpd and we share the machine's cores; the threads mostly wait for one another's cryptography.
_THREADS = 6
_SHARED = 40
"""Most requests on one shared connection: fewer than httpd's MaxKeepAliveRequests, enough to forget the handshake."""
_SILENCE_S = 8.0
"""How long a silent connection is held: longer than the handshake limit, shorter than anybody's patience."""
_LAST_S = 2.0
"""How long the end of a connection is waited for that we have ended on our side: httpd closes it at once."""
OTHER_NAME = "other.canary.gatewright.invalid"


class LocalProber:
    """:class:`gatewright.ports.prober.Prober` over this machine's network."""

    def __init__(self, threads: int = _THREADS) -> None:
        self._threads = threads

    @contextmanager
    def canary(self, socket: PurePath, nonce: str, gid: int | None) -> Iterator[None]:
        """A canary at ``socket`` for the length of the block."""
        listening = LocalCanary(socket, nonce, gid)
        try:
            yield
        finally:
            listening.close()

    def run(
        self,
        listener: Listener,
        cases: Sequence[Case],
        credentials: Mapping[Identity, Credential],
        nonce: str,
        passes: Callable[[Case, Seen], bool],
    ) -> Sequence[Seen]:
        """What each case saw, in the order of ``cases``."""
        run = _Run(listener, credentials, nonce, passes)
        seen: dict[int, Seen] = {}
        with ThreadPoolExecutor(self._threads) as pool:
            for found in pool.map(run.batch, _batches(cases)):
                seen.update(found)
        return [seen[number] for number in range(len(cases))]

    def while_revoked(
        self,
        listener: Listener,
        cases: Sequence[Case],
        credentials: Mapping[Identity, Credential],
        nonce: str,
        revoke: Callable[[], None],
    ) -> Sequence[tuple[Seen, Seen]]:
        """What each case saw before and after ``revoke`` on one connection."""
        run = _Run(listener, credentials, nonce, lambda _case, _seen: True)
        callers = [run.caller(case) for case in cases]
        before = [caller.ask(case) for caller, case in zip(callers, cases, strict=True)]
        revoke()
        after = [caller.ask(case) for caller, case in zip(callers, cases, strict=True)]
        for caller in callers:
            caller.close()
        return list(zip(before, after, strict=True))


Numbered = tuple[int, Case]


def _batches(cases: Sequence[Case]) -> Iterator[list[Numbered]]:
    """Cases that may share a connection together, all others alone; the slow ones first."""
    shared: dict[object, list[Numbered]] = {}
    slow: list[list[Numbered]] = []
    alone: list[list[Numbered]] = []
    for number, case in enumerate(cases):
        if case.ask.transport is Transport.SILENT:
            slow.append([(number, case)])
        elif _may_share(case):
            shared.setdefault((case.identity, case.protocol, case.ask.sni), []).append((number, case))
        else:
            alone.append([(number, case)])
    yield from slow
    for group in shared.values():
        yield from _pieces(group)
    yield from alone


def _pieces(group: list[Numbered]) -> Iterator[list[Numbered]]:
    return (group[start : start + _SHARED] for start in range(0, len(group), _SHARED))


def _may_share(case: Case) -> bool:
    """Whether ``case`` says the same on a connection that was used before; one that ends in the middle is opened anew.

    Not what is about the connection itself: handshakes, sessions, and names that disagree from the first request on.
    """
    ask = case.ask
    return (
        ask.transport is Transport.TLS
        and ask.session is Session.NEW
        and not ask.raw
        and case.family is not Family.NAME_CONFUSION
        and case.expected.outcome in {Outcome.ADMITTED, Outcome.REFUSED, Outcome.SHUT}
    )


class _Run:
    """One proof's settings, shared by its threads."""

    def __init__(
        self,
        listener: Listener,
        credentials: Mapping[Identity, Credential],
        nonce: str,
        passes: Callable[[Case, Seen], bool],
    ) -> None:
        self.listener = listener
        self.nonce = nonce
        self._credentials = credentials
        self._passes = passes
        self._contexts: dict[tuple[Identity, Protocol], SSL.Context] = {}
        self._lock = threading.Lock()

    def context(self, identity: Identity, protocol: Protocol) -> SSL.Context:
        """The settings of this caller in this protocol."""
        with self._lock:
            found = self._contexts.get((identity, protocol))
            if found is None:
                found = context(protocol, self._credentials.get(identity))
                self._contexts[identity, protocol] = found
            return found

    def caller(self, case: Case) -> _Caller:
        """Somebody to ask in the name of ``case``."""
        return _Caller(self, case)

    def batch(self, batch: list[Numbered]) -> dict[int, Seen]:
        """What each case of one batch saw."""
        seen: dict[int, Seen] = {}
        caller = self.caller(batch[0][1])
        for number, case in batch:
            seen[number] = caller.ask(case)
        caller.close()
        for number, case in batch:
            if not self._passes(case, seen[number]):
                again = self.caller(case)
                seen[number] = again.ask(case)
                again.close()
        return seen


class _Caller:
    """Asks one case after the other, on one connection as long as it holds."""

    def __init__(self, run: _Run, case: Case) -> None:
        self._run = run
        self._first = case
        self._wire: Wire | None = None
        self._reader: Reader | None = None
        self._talk: Talk | None = None

    def ask(self, case: Case) -> Seen:
        """What ``case`` saw."""
        began = time.monotonic()
        seen = self._ask(case)
        return replace(seen, milliseconds=round((time.monotonic() - began) * 1000, 2))

    def close(self) -> None:
        """End the connection."""
        if self._wire is not None:
            self._wire.close()
        self._wire = self._reader = self._talk = None

    def _ask(self, case: Case) -> Seen:
        fresh = self._wire is None
        try:
            if self._wire is None:
                self._open(case)
            answer = self._exchange(case)
        except Refused as refused:
            if not fresh and refused.connection:
                self.close()
                return self._ask(case)
            return self._done(replace(self._signs(), stream_error=refused.code))
        except Broken:
            if not fresh and self._wire is not None and self._wire.signs.alert is None:
                self.close()  # a kept connection may end at any time (RFC 9112 §9.3.1); this says nothing yet
                return self._ask(case)
            return self._done(self._signs())
        seen = self._read(answer)
        if case.ask.raw:
            seen = replace(seen, answers=1 + self._further_answers(answer))
        if not answer.more or not answer.complete or case.ask.raw:
            self.close()
        return seen

    def _done(self, seen: Seen) -> Seen:
        self.close()
        return seen

    def _open(self, case: Case) -> None:
        self._wire = wire = Wire(self._run.listener.address, self._run.listener.port)
        if case.ask.transport is Transport.SILENT:
            wire.patience_s = _SILENCE_S
        wire.open()
        if case.ask.transport is not Transport.TLS:
            self._reader = Reader(wire)
            return
        settings = self._run.context(case.identity, case.protocol)
        wire.shake(settings, case.ask.sni, self._session(case, settings))
        shown = hashlib.sha256(wire.peer()).hexdigest()
        wire.signs.certificate = shown
        if case.protocol.http is Http.H2:
            if not wire.speaks_h2():
                wire.signs.note = "HTTP/2 was not agreed on"
                raise Broken
            self._talk = Talk(wire)
        else:
            self._reader = Reader(wire)

    def _session(self, case: Case, settings: SSL.Context) -> SSL.Session | None:
        """The session of an earlier connection, where the case offers one. Raises :class:`Broken` where there was none."""
        if case.ask.session is Session.NEW:
            return None
        name = OTHER_NAME if case.ask.session is Session.OTHER_NAME else case.ask.sni
        earlier = Wire(self._run.listener.address, self._run.listener.port)
        try:
            earlier.open()
            earlier.shake(settings, name)
            earlier.send(request(Ask(path="/", host=name), self._fill))
            Reader(earlier).answer("GET")  # TLS 1.3 hands out sessions with or after the first data
            assert earlier.tls is not None
            return earlier.tls.get_session()
        except Broken:
            return None
        finally:
            earlier.close()

    def _exchange(self, case: Case) -> Answer:
        if self._talk is not None:
            return self._talk.ask(case.ask, self._fill)
        assert self._wire is not None
        assert self._reader is not None
        if case.ask.transport is Transport.SILENT:
            # The head of a TLS record that announces 512 bytes of handshake (RFC 8446 §5.1).
            self._wire.send(b"\x16\x03\x01\x02\x00")
            while True:
                self._wire.receive()
        self._wire.send(request(case.ask, self._fill))
        return self._reader.answer(case.ask.method)

    def _further_answers(self, answer: Answer) -> int:
        """How many more answers came for what was one request: told that nothing follows, the other side ends the connection."""
        count = 0
        if self._reader is None or self._wire is None or not answer.more:
            return count
        self._wire.patience(_LAST_S)
        try:
            self._wire.finish()
            while count < 5:
                self._reader.answer("GET")
                count += 1
        except Broken:
            pass
        return count

    def _fill(self, text: str) -> str:
        return text.replace("{port}", str(self._run.listener.port))

    def _signs(self) -> Seen:
        assert self._wire is not None
        signs = self._wire.signs
        return Seen(
            handshake=signs.handshake,
            alert=signs.alert,
            errno=signs.errno,
            closed=signs.closed,
            resumed=signs.resumed,
            certificate=signs.certificate,
            note=signs.note,
        )

    def _read(self, answer: Answer) -> Seen:
        server = answer.headers.get("server", "")[:200]
        seen = replace(self._signs(), status=answer.status, answers=1, alert=None, server=server)
        told = _json(answer.body)
        if answer.headers.get(HEADER.lower()) == self._run.nonce:
            pairs = told.get("headers")
            shown = tuple((str(k), str(v)) for k, v in pairs) if isinstance(pairs, list) else ()
            asked = (str(told.get("method", "")), str(told.get("path", "")))
            return replace(seen, headers=shown, request=asked)
        return replace(seen, code=str(told.get("error", ""))[:64])


def _json(body: bytes) -> dict[str, object]:
    try:
        told = json.loads(body)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
