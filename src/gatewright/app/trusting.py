"""``trust``: put a gateway's root into the stores of this machine, take out again what was put in, say how it stands.

What is said of a store is always what was found by looking; the record only says what ``remove`` may undo.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from gatewright.errors import Diagnostic, EnvironmentFault, UsageError
from gatewright.pki.confinement import names_left
from gatewright.plan.trusting import (
    Place,
    Root,
    Standing,
    Step,
    Store,
    dangers,
    holds_ours,
    install,
    standing,
    undo,
)
from gatewright.ports.files import FileKind, Files
from gatewright.ports.trust import TrustStores

RECORD = "trust.json"
"""In the gateway's folder: what ``trust install`` put where."""


@dataclass(frozen=True, slots=True)
class Item:
    """One store: how the root stands there, and what is to be done, or was. ``problem`` is what kept it from being done."""

    place: Place
    standing: Standing
    steps: tuple[Step, ...] = ()
    problem: Diagnostic | None = None

    def as_dict(self) -> dict[str, object]:
        """The JSON form."""
        return {
            "store": self.place.store.value,
            "path": self.place.path,
            "label": self.place.label,
            "standing": self.standing.value,
            "steps": [str(step) for step in self.steps],
            "problem": None if self.problem is None else self.problem.as_dict(),
        }


@dataclass(frozen=True, slots=True)
class TrustReport:
    """What would be done (``done`` is false), or what was, or how things stand."""

    root: Root
    items: tuple[Item, ...]
    dangers: tuple[str, ...] = ()
    done: bool = False

    @property
    def problems(self) -> tuple[Diagnostic, ...]:
        """What could not be done."""
        return tuple(item.problem for item in self.items if item.problem is not None)

    @property
    def to_do(self) -> bool:
        """Whether anything is to be changed that can be changed from here."""
        return any(item.steps and not item.place.manual for item in self.items)

    @property
    def trusted_everywhere(self) -> bool:
        """Whether every store that was found trusts it."""
        return bool(self.items) and all(item.standing is Standing.TRUSTED for item in self.items)

    def as_dict(self) -> dict[str, object]:
        """The JSON form."""
        return {
            "root": self.root.subject,
            "sha256": self.root.sha256,
            "confined_to": None if self.root.names is None else list(self.root.names),
            "done": self.done,
            "dangers": list(self.dangers),
            "stores": [item.as_dict() for item in self.items],
        }


@dataclass(frozen=True, slots=True)
class Trusting:
    """The use case over its ports. ``folder`` is the gateway's."""

    files: Files
    stores: TrustStores
    folder: PurePath

    def root(self, authority: str) -> Root:
        """The root of a managed authority. Raises :class:`UsageError` where there is none."""
        path = self.folder / "certs" / "ca" / f"{authority}-root.pem"
        if self.files.kind(path) is not FileKind.FILE:
            raise UsageError(
                Diagnostic(
                    "no-root-here",
                    f"the authority {authority!r} has no root in {self.folder}",
                    "the first start of a gateway makes it",
                    f"gatewright -C {self.folder} up, or name another with --authority",
                )
            )
        certificate = x509.load_pem_x509_certificate(self.files.read(path))
        sha256 = certificate.fingerprint(hashes.SHA256()).hex()
        subject = certificate.subject.rfc4514_string()
        return Root(sha256, str(path), self.files.read(path), subject, names_left(certificate))

    def status(self, root: Root, stores: Sequence[Store]) -> TrustReport:
        """How the root stands in each store, by looking."""
        return TrustReport(root, tuple(self._seen(place, root.sha256) for place in self.stores.places(stores)))

    def plan_install(self, root: Root, stores: Sequence[Store], *, unconstrained: bool) -> TrustReport:
        """What ``install`` would do. Raises :class:`UsageError` for a root that is not confined, unless that is agreed to."""
        if root.names is None and not unconstrained:
            raise UsageError(
                Diagnostic(
                    "root-not-confined",
                    f"{root.subject} may vouch for every name there is",
                    "whoever gets its key could pose as any website to this machine; a root that is confined to a few names cannot",
                    "declare an authority with 'names' and trust that; or, knowing the risk, add --unconstrained",
                )
            )
        items = []
        for place in self.stores.places(stores):
            item = self._seen(place, root.sha256)
            if item.standing in {Standing.ABSENT, Standing.UNKNOWN} and item.problem is None:
                item = replace(item, steps=install(place, root))
            elif item.standing is Standing.PRESENT:
                item = replace(item, problem=_present(place))
            items.append(item)
        changed = [item.place for item in items if item.steps]
        return TrustReport(
            root, tuple(items), dangers(root, changed, java_hook=self.stores.carries_into_java()) if changed else ()
        )

    def plan_remove(self, root: Root, stores: Sequence[Store]) -> TrustReport:
        """What ``remove`` would do: take out what ``install`` put in, wherever that still is; where not, only forget it."""
        items = []
        for place in self._recorded(stores, root.sha256):
            item = self._seen(place, root.sha256)
            ours = item.problem is None and holds_ours(self.stores.look(place, root.sha256), root.sha256)
            items.append(replace(item, steps=undo(place, root.sha256)) if ours else item)
        by_hand = (place for place in self.stores.places(stores) if place.manual)
        items += [Item(place, Standing.UNKNOWN, undo(place, root.sha256)) for place in by_hand]
        return TrustReport(root, tuple(items))

    def carry_out(self, report: TrustReport, *, installing: bool) -> TrustReport:
        """Do what a report says. Every store on its own: where one fails, its problem is told and the others go on.

        What is about to be put in is written down first, what was taken out is struck off last: killed anywhere, nothing is
        in a store that ``remove`` does not know.
        """
        sha256 = report.root.sha256
        return replace(report, items=tuple(self._one(item, sha256, installing) for item in report.items), done=True)

    def _one(self, item: Item, sha256: str, installing: bool) -> Item:
        place = item.place
        if item.problem is not None or place.manual:
            return item
        if not item.steps:
            if not installing:
                self._forget(place, sha256)
            return item
        if installing:
            # What was done for another store may have brought it here too, as Debian's does for Java's.
            before = self._seen(place, sha256)
            if before.standing is Standing.TRUSTED:
                return before
            self._remember(place, sha256)
        try:
            for step in item.steps:
                self.stores.perform(step)
        except EnvironmentFault as fault:
            return replace(self._seen(place, sha256), steps=item.steps, problem=fault.diagnostics[0])
        now = replace(self._seen(place, sha256), steps=item.steps)
        wanted = now.standing is Standing.TRUSTED if installing else now.standing is not Standing.TRUSTED
        if now.problem is None and not wanted:
            return replace(now, problem=_not_as_wanted(now))
        if not installing:
            self._forget(place, sha256)
        return now

    def _seen(self, place: Place, sha256: str) -> Item:
        if place.manual:
            return Item(place, Standing.UNKNOWN)
        if place.store is Store.SYSTEM and not place.refresh:
            return Item(place, Standing.UNKNOWN, problem=_not_of_this_system(place))
        try:
            return Item(place, standing(place, self.stores.look(place, sha256), sha256))
        except EnvironmentFault as fault:
            return Item(place, Standing.UNKNOWN, problem=fault.diagnostics[0])

    # --- the record ---------------------------------------------------------------------------------------------------

    def _recorded(self, stores: Sequence[Store], sha256: str) -> Iterator[Place]:
        """The stores in which ``sha256`` is written down to be.

        Only their kind and path are read from the record. What is run to change them never is: whoever may write in a gateway's
        folder must not choose what its administrator runs.
        """
        known = {(place.store, place.path): place for place in self.stores.places(tuple(Store))}
        for kind, path, written in self._entries():
            if kind in stores and written == sha256:
                yield known.get((Store(kind), path)) or Place(Store(kind), path, f"{kind}: {path}")

    def _entries(self) -> list[tuple[str, str, str]]:
        """Store, path, SHA-256 of each entry. Raises :class:`UsageError` for a record that is none."""
        path = self.folder / RECORD
        if self.files.kind(path) is not FileKind.FILE:
            return []
        try:
            entries = json.loads(self.files.read(path))["entries"]
            return [(Store(e["store"]).value, str(e["path"]), str(e["sha256"])) for e in entries]
        except (ValueError, KeyError, TypeError) as problem:
            raise UsageError(
                Diagnostic(
                    "trust-record-unreadable",
                    f"{path} is not what 'gatewright trust install' wrote",
                    "it says what 'gatewright trust remove' may undo",
                    "look where the root is trusted with 'gatewright trust status', take it out by hand, and delete the file",
                )
            ) from problem

    def _remember(self, place: Place, sha256: str) -> None:
        entry = (place.store.value, place.path, sha256)
        entries = self._entries()
        if entry not in entries:
            self._write([*entries, entry])

    def _forget(self, place: Place, sha256: str) -> None:
        self._write([e for e in self._entries() if e != (place.store.value, place.path, sha256)])

    def _write(self, entries: Iterable[tuple[str, str, str]]) -> None:
        listed = [{"store": store, "path": path, "sha256": sha256} for store, path, sha256 in entries]
        self.files.write(self.folder / RECORD, (json.dumps({"entries": listed}, indent=2) + "\n").encode(), 0o600)


def _present(place: Place) -> Diagnostic:
    return Diagnostic(
        "root-present-untrusted",
        f"the root is in {place.label} already, put there by somebody else, and not trusted for websites",
        "what others decided is not changed here",
        f"see what it is trusted for, and change it there by hand: {place.path}",
    )


def _not_of_this_system(place: Place) -> Diagnostic:
    return Diagnostic(
        "trust-store-elsewhere",
        f"{place.path} is not where this system keeps its roots",
        "what was put there was put there on another system",
        "run 'gatewright trust remove' there",
    )


def _not_as_wanted(item: Item) -> Diagnostic:
    return Diagnostic(
        "trust-not-changed",
        f"every step for {item.place.label} was done, and it is still: {item.standing}",
        "what counts is what is found by looking",
        "look for another copy of the root, or a rule of this system, that decides otherwise: gatewright trust status",
    )
