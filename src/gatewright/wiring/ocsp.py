"""Wiring of the OCSP responder: the store kept open, the server, and the signals that end it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from gatewright.app.authority import PkiDeps
from gatewright.errors import Diagnostic, EnvironmentFault
from gatewright.model.values import Listen
from gatewright.wiring.pki import close_pki, gone, open_pki, opened, store_url

UPKEEP_S = 60.0
"""Seconds between two rounds of signing what is due."""

LOOPBACK = "127.0.0.1"

_Identity = tuple[int, int] | None


class KeptOpen:
    """The PKI of a folder, open from one call to the next; opened anew where another file took the store's place.

    A store that is restored from a backup while this runs is read from then on, and not the file that was moved away.
    """

    def __init__(self, folder: Path, url: str | None, *, clock_is_right: bool) -> None:
        self._folder, self._url, self._right = folder, url, clock_is_right
        place = url.removeprefix("sqlite:///") if url is not None else str(folder / "state.db")
        self._file = Path(place) if place.startswith("/") else None
        self._deps: PkiDeps | None = None
        self._identity: _Identity = None

    @contextmanager
    def __call__(self) -> Iterator[PkiDeps]:
        """The PKI as it is now. Raises :class:`EnvironmentFault` where the store is gone; one caller at a time."""
        found = self._now()
        if self._deps is not None and found != self._identity:
            self.close()
        if self._deps is None:
            opened_now = open_pki(self._folder, self._url)
            self._deps, self._identity = replace(opened_now, clock_is_right=self._right), found
        yield self._deps

    def _now(self) -> _Identity:
        if self._file is None:
            return None
        try:
            status = self._file.stat()
        except OSError as problem:
            self.close()
            raise gone(self._file) from problem
        return status.st_dev, status.st_ino

    def close(self) -> None:
        """Give back the store's connections."""
        if self._deps is not None:
            close_pki(self._deps)
            self._deps = None


@dataclass(frozen=True, slots=True)
class Responding:
    """That the responder answers: where, for which authorities, and how many answers are signed already."""

    url: str
    authorities: tuple[str, ...]
    signed: int


def respond(
    folder: Path,
    store: str | None,
    listen: Listen,
    *,
    clock_is_right: bool,
    say: Callable[[str], None],
    ready: Callable[[Responding], None],
) -> None:
    """Answer OCSP requests until SIGINT, SIGTERM or the terminal's end; ``ready`` is called once it answers.

    Raises :class:`EnvironmentFault` where nothing can listen there, and where no responder's certificate can be had.
    """
    from gatewright.app.ocsp_answers import Answers
    from gatewright.edges.ocsp_server import serving
    from gatewright.edges.process import SignalWakeups

    address = LOOPBACK if listen.address is None else str(listen.address)
    shown = f"[{address}]:{listen.port}" if ":" in address else f"{address}:{listen.port}"
    with opened(folder, store) as office:
        names = office.authority_names()
    kept = KeptOpen(folder, store_url(store, os.environ), clock_is_right=clock_is_right)
    answers = Answers(kept, say)
    wakeups = SignalWakeups()
    try:
        signed = answers.prepare()
        with wakeups.listening(ignore_hangup=False), ExitStack() as stack:
            try:
                stack.enter_context(serving(address, listen.port, answers, say))
            except OSError as problem:
                raise _not_listening(shown, address, listen.port, problem) from problem
            ready(Responding(f"http://{shown}/", names, signed))
            while "stop" not in wakeups.wait(UPKEEP_S):
                answers.renew()
    finally:
        answers.close(kept.close)


def _not_listening(shown: str, address: str, port: int, problem: OSError) -> EnvironmentFault:
    from gatewright.edges.network import LocalNetwork

    reason = os.strerror(problem.errno) if problem.errno else str(problem)
    fix = "choose another address or port: gatewright ca ocsp --listen 127.0.0.1:8889"
    if problem.errno == errno.EADDRINUSE:
        holder = LocalNetwork().holder(address, port)
        reason = f"{holder} has it" if holder else "another program has it"
    return EnvironmentFault(Diagnostic("ocsp-cannot-listen", f"nothing can listen on {shown}: {reason}", "", fix))
