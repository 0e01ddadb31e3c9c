"""Looks into the store while the gateway runs: what others changed there takes effect here, and no CRL grows old.

Commands publish what they change themselves; this is for the calendar, for a command that was killed before it
published, and for other gateways that share the store. It is never the only thing that stops a revoked client.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import PurePath

from gatewright.app.authority import PkiDeps, find_authority
from gatewright.app.publishing import publish
from gatewright.app.revoking import synchronise_markers
from gatewright.errors import Diagnostic, GatewrightError, Severity
from gatewright.model.pki import CaRole, LogEntry

AT_LEAST_EVERY = timedelta(hours=1)
"""How often everything is brought up to date even if the store says nothing new: the calendar counts in days."""


class StoreWatch:
    """One gateway's eye on its store. ``look`` costs a few milliseconds unless something happened."""

    def __init__(
        self, opened: Callable[[], AbstractContextManager[PkiDeps]], markers: PurePath, say: Callable[[str], None]
    ) -> None:
        self._opened, self._markers, self._say = opened, markers, say
        self._seen: LogEntry | None = None
        self._due: datetime | None = None
        self._told: frozenset[str] = frozenset()

    def look(self) -> None:
        """Do what is due. What goes wrong is said once, and tried again at the next look."""
        try:
            with self._opened() as deps:
                problems = self._catch_up(deps)
        except GatewrightError as problem:
            problems = problem.diagnostics
        sentences = [f"{d.what} ({d.fix})" if d.fix else d.what for d in problems]
        for sentence in sentences:
            if sentence not in self._told:
                self._say(f"Warning: {sentence}")
        self._told = frozenset(sentences)

    def _catch_up(self, deps: PkiDeps) -> tuple[Diagnostic, ...]:
        now = deps.clock.now()
        with deps.store.reading() as reader:
            last = reader.last_entry()
            same_store = self._seen is None or next(reader.log(self._seen.seq - 1), None) == self._seen
        if last == self._seen and self._due is not None and self._due - AT_LEAST_EVERY <= now < self._due:
            return ()
        problems: tuple[Diagnostic, ...] = ()
        if same_store:
            synchronise_markers(deps, self._markers)
        else:
            # By a store that forgot revocations, markers must not be taken away under a running gateway.
            problems = (_replaced(),)
        problems += publish_all(deps)
        if same_store:
            with deps.store.reading() as reader:
                self._seen = reader.last_entry()
        if not problems:
            self._due = now + AT_LEAST_EVERY
        return problems


def publish_all(deps: PkiDeps) -> tuple[Diagnostic, ...]:
    """Bring every authority's CRLs up to date, whatever goes wrong with one of them; the problems."""
    with deps.store.reading() as reader:
        names = tuple(dict.fromkeys(g.authority for g in reader.generations(role=CaRole.ISSUING) if g.active))
    problems: list[Diagnostic] = []
    for name in names:
        try:
            problems += publish(find_authority(name, deps), deps).warnings
        except GatewrightError as problem:
            problems += problem.diagnostics
    return tuple(problems)


def _replaced() -> Diagnostic:
    return Diagnostic(
        "store-replaced",
        "the store was replaced by another one, or by an older copy of itself, while the gateway runs",
        "it may not know of every revocation; those in force here stay in force until the gateway is started again",
        "gatewright down, then gatewright up",
        severity=Severity.WARNING,
    )
