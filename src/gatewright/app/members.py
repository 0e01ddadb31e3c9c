"""Keeps the files that say who is in which group as the policy says, for the generation that httpd looks at.

Derived from a generation's own gateway file and the names of its issuing CAs, so that whoever comes after a crash can do it
again. What is no folder of a group is left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from gatewright.app.generations import read_manifest
from gatewright.app.places import Places
from gatewright.app.policy import applied_gateway
from gatewright.compile.members import READY, entries, group_folders
from gatewright.model.gateway import Gateway
from gatewright.model.machine import Layout
from gatewright.ports.files import FileKind, Files


@dataclass(frozen=True, slots=True)
class Members:
    """Which files a generation's folder of members lacks, and which are too many, relative to it. ``ready``: it has its sentinel."""

    missing: frozenset[PurePosixPath]
    surplus: frozenset[PurePosixPath]
    ready: bool = True

    def __bool__(self) -> bool:
        """Whether anything is to be done."""
        return bool(self.missing or self.surplus) or not self.ready


def subjects_of(anchors: Iterable[tuple[str, str]]) -> Mapping[str, tuple[str, ...]]:
    """By authority, the DNs of pairs (authority, DN)."""
    found: dict[str, tuple[str, ...]] = {}
    for authority, subject in anchors:
        found[authority] = (*found.get(authority, ()), subject)
    return found


def compare(files: Files, layout: Layout, gateway: Gateway, subjects: Mapping[str, tuple[str, ...]]) -> Members:
    """What is on disk against what ``gateway`` says."""
    wanted = entries(gateway, subjects)
    present = frozenset(_present(files, layout.members, group_folders(gateway)))
    ready = files.kind(layout.members / READY) is FileKind.FILE
    return Members(wanted - present, present - wanted, ready)


def remove(files: Files, layout: Layout, members: Members) -> None:
    """Effective with the next request."""
    for path in sorted(members.surplus):
        files.remove(layout.members / path)


def add(files: Files, places: Places, layout: Layout, members: Members) -> None:
    """Effective with the next request. The sentinel comes last: until then nobody is a member."""
    folder, made = layout.members, set[PurePosixPath]()
    for path in sorted({path.parent for path in members.missing}):
        _folder(files, places, folder / path, made)
    for path in sorted(members.missing):
        files.touch(folder / path)
    _folder(files, places, folder, made)
    if not members.ready:
        files.touch(layout.members / READY)


def synchronise(
    files: Files, places: Places, layout: Layout, gateway: Gateway, subjects: Mapping[str, tuple[str, ...]]
) -> Members:
    """Make the files of a generation say what ``gateway`` says, removals first; what was done."""
    members = compare(files, layout, gateway, subjects)
    remove(files, layout, members)
    if members:
        add(files, places, layout, members)
    return members


def stored_members(files: Files, places: Places, number: int) -> Members | None:
    """What the files of generation ``number`` lack of its own policy; ``None`` where that cannot be read any more."""
    found = _stored(files, places, number)
    return compare(files, places.layout(number), *found) if found is not None else None


def rederive(files: Files, places: Places, number: int) -> Members | None:
    """As :func:`synchronise`, by the gateway file and the manifest of generation ``number``. By the holder of the apply lock only."""
    found = _stored(files, places, number)
    return synchronise(files, places, places.layout(number), *found) if found is not None else None


def _stored(files: Files, places: Places, number: int) -> tuple[Gateway, Mapping[str, tuple[str, ...]]] | None:
    gateway = applied_gateway(files, places, number) if number else None
    manifest = read_manifest(files, places.layout(number)) if number else None
    if gateway is None or manifest is None:
        return None
    return gateway, {name: tuple(subject for _, subject in pairs) for name, pairs in manifest.anchors.items()}


def _present(files: Files, folder: PurePosixPath, groups: Iterable[str]) -> Iterable[PurePosixPath]:
    for group in groups:
        if files.kind(folder / group) is not FileKind.FOLDER:
            continue
        for issuer in files.list(folder / group):
            if issuer.startswith(("by-", "of-")):
                yield from (PurePosixPath(group, issuer, name) for name in files.list(folder / group / issuer))


def _folder(files: Files, places: Places, folder: PurePosixPath, made: set[PurePosixPath]) -> None:
    """A folder that httpd's children may look into, with every one above it up to what they see anyway."""
    if folder in made:
        return
    visible = places.visible
    for path in (*reversed(folder.parents), folder):
        if path in made or not path.is_relative_to(visible) or path == visible:
            continue
        made.add(path)
        if files.kind(path) is not FileKind.FOLDER:
            files.make_folder(path)
            if places.run_as is not None:
                files.own(path, places.run_as.gid)
