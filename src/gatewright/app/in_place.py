"""A change of nothing but who is in which group, made in the generation that serves: httpd has nothing to read anew.

From before its first write until it is proved, the file ``unproved`` beside the generation's gateway file holds the policy
that was proved before. Whoever finds it without anybody holding the apply lock has the change proved, or taken back: the
supervisor at once, or the next apply. A change is never undone unseen meanwhile, since it may be one that shuts somebody out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import PurePosixPath

from gatewright.app.enrolled import write_entries
from gatewright.app.generations import (
    MANIFEST,
    POLICY,
    Sources,
    read_manifest,
    sha256,
    stored_policy,
    write_manifest,
    write_policy,
)
from gatewright.app.members import rederive
from gatewright.app.places import Places
from gatewright.errors import Diagnostic, FindingError
from gatewright.model.gateway import Gateway
from gatewright.model.machine import Artifact, Layout
from gatewright.model.values import Name
from gatewright.ports.clock import Clock
from gatewright.ports.files import FileKind, Files
from gatewright.ports.proof import Touched

UNPROVED = "unproved"


@dataclass(frozen=True, slots=True)
class Made:
    """What a whole preparation found out again: the very same configuration, perhaps from other sources."""

    artifact: Artifact
    sources: Sources


@dataclass(frozen=True, slots=True)
class InPlace:
    """Makes ``policy``, the text that declares ``gateway``, true for generation ``number``. ``made`` where all was prepared anew."""

    places: Places
    number: int
    gateway: Gateway
    policy: bytes
    clock: Clock
    made: Made | None = None

    def __call__(self, files: Files) -> None:
        """Effective with the next request; who loses loses first. Killed at any instant, whoever comes next finishes it.

        Once the policy stands there, removals are derived from it and cannot be lost.
        """
        layout = self.places.layout(self.number)
        before = stored_policy(files, layout)
        if before is None:
            raise FindingError(_lost(self.number))
        if before_change(files, layout) is None:
            files.write(_marker(layout), before)
        write_policy(files, layout, self.policy)
        if self.made is None:
            restate(files, layout)
        else:
            write_manifest(files, layout, self.made.artifact, self.made.sources)
        rederive(files, self.places, self.number)
        write_entries(files, self.places, layout, self.gateway, self.clock.now())


def touched(old: Gateway, new: Gateway) -> Touched | None:
    """What differs in who is admitted where; ``None`` where nothing does that could be tried."""
    differs = {name for name in (*old.clients, *new.clients) if old.clients.get(name) != new.clients.get(name)}
    clients: dict[Name, None] = {}
    routes = []
    for path, route in new.routes.items():
        was, now = set(old.admitted(old.routes[path].access)), set(new.admitted(route.access))
        concerned = was ^ now | (was | now) & differs
        if concerned:
            routes.append(path)
            clients |= dict.fromkeys(sorted(concerned & set(new.clients)))
    return Touched(tuple(routes), tuple(clients)) if routes else None


def before_change(files: Files, layout: Layout) -> bytes | None:
    """The policy that was proved before a change that is not proved yet; ``None`` where there is no such change."""
    path = _marker(layout)
    return files.read(path) if files.kind(path) is FileKind.FILE else None


def proved(files: Files, layout: Layout) -> None:
    """The policy of this generation holds: nothing to go back to any more."""
    files.remove(_marker(layout))


def take_back(files: Files, places: Places, number: int) -> None:
    """Make the policy that was proved before true again. The marker stays until that is proved. Raises :class:`FindingError` where it is lost."""
    layout = places.layout(number)
    policy = before_change(files, layout)
    if policy is None:
        raise FindingError(_lost(number))
    write_policy(files, layout, policy)
    restate(files, layout)
    rederive(files, places, number)


def restate(files: Files, layout: Layout) -> None:
    """Have the manifest name the gateway file that stands beside it; the two are written one after the other."""
    manifest, policy = read_manifest(files, layout), stored_policy(files, layout)
    if manifest is None or policy is None or manifest.files.get(POLICY) == sha256(policy):
        return
    data = {**manifest.data, "files": {**manifest.files, POLICY: sha256(policy)}}
    files.write(layout.generation / MANIFEST, (json.dumps(data, indent=1) + "\n").encode())


def _marker(layout: Layout) -> PurePosixPath:
    return layout.generation / UNPROVED


def _lost(number: int) -> Diagnostic:
    return Diagnostic(
        "generation-not-provable",
        f"the gateway file that generation {number} was made from is gone",
        "what was in force cannot be told, so nothing can be compared with it, or taken back",
        "run: gatewright apply",
    )
