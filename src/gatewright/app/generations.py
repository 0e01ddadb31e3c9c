"""Generations: complete compiled trees, numbered; ``current`` points at one, and is switched only to a whole one.

A generation holds httpd's configuration, the gateway file it was made from (``gateway.yaml``) and ``manifest.json``:
hashes of every file, so that a change by hand is noticed, and what was trusted and served when it was made. ``kept``
marks the generations that were proved or have served, so that there is something to go back to.

While a switch is not yet proved, the link ``back`` names the last good generation. Whoever finds that link without
anybody holding the apply lock finishes what a killed process left: ``current`` goes back to where ``back`` points.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from gatewright.app.places import Places
from gatewright.errors import Diagnostic, FindingError
from gatewright.model.machine import Artifact, Layout
from gatewright.ports.files import FileKind, Files

MANIFEST = "manifest.json"
POLICY = "gateway.yaml"
KEPT = "kept"

KEEP = 10
"""How many generations stay on disk beside the current one: a tree of 1,000 routes takes about 1 MB."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What a generation was made from, as far as a later comparison needs it.

    ``policy`` is the gateway file's text; ``certificate`` the SHA-256 (hex) of the server certificate's DER; ``chain``
    and ``key`` its files; ``anchors`` the SHA-256 and subject of every issuing CA, by authority.
    """

    policy: bytes
    certificate: str
    chain: str
    key: str
    anchors: Mapping[str, tuple[tuple[str, str], ...]]
    made: datetime
    version: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What ``manifest.json`` says of one generation. ``files`` are SHA-256 by path; pages begin with ``pages/``."""

    number: int
    made: str
    certificate: str
    chain: str
    key: str
    anchors: Mapping[str, tuple[tuple[str, str], ...]]
    files: Mapping[str, str]
    version: str = ""
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def from_json(cls, content: bytes) -> Manifest | None:
        """The manifest, or ``None`` where the file is none of this version."""
        try:
            data = json.loads(content)
            anchors = {name: tuple((a, b) for a, b in pairs) for name, pairs in data["anchors"].items()}
            return cls(
                int(data["number"]), str(data["made"]), str(data["certificate"]), str(data["chain"]), str(data["key"]),
                anchors, dict(data["files"]), str(data["version"]), data,
            )  # fmt: skip
        except (ValueError, KeyError, TypeError, AttributeError):
            return None


LOOK_S = 0.2
"""Seconds for which whoever takes a lock waits out somebody who only looks whether it is held: on a busy machine that may be milliseconds."""


def apply_lock(places: Places) -> PurePosixPath:
    """The file whose lock is held by whoever makes or switches generations."""
    return places.run / "apply.lock"


def current_number(files: Files, places: Places) -> int:
    """The number of the current generation, 0 before the first."""
    return _number(files.target(places.current))


def pending_number(files: Files, places: Places) -> int:
    """The last good generation while a switch is not yet proved, else 0."""
    return _number(files.target(back_link(places)))


def next_number(files: Files, places: Places) -> int:
    """A number no generation has had, whole or not."""
    return max((*_numbers(files, places), current_number(files, places)), default=0) + 1


def previous_number(files: Files, places: Places) -> int:
    """The newest kept generation before the current one, or 0."""
    current = current_number(files, places)
    return max((n for n in _numbers(files, places) if n < current and is_kept(files, places, n)), default=0)


def last_good(files: Files, places: Places) -> int:
    """What to go back to: the current generation, or the newest kept one before it if somebody changed its files.

    0 where nothing was ever current. Where no generation is whole, the current one has to do.
    """
    current = current_number(files, places)
    earlier = [n for n in _numbers(files, places) if n < current and is_kept(files, places, n)]
    return next((n for n in (current, *reversed(earlier)) if n and is_whole(files, places, n)), current)


def is_whole(files: Files, places: Places, number: int) -> bool:
    """Whether the generation's files are as they were written."""
    return not differences(files, places.layout(number))


def differences(files: Files, layout: Layout) -> tuple[str, ...]:
    """Files of the generation that are not as they were written; the manifest itself where that cannot be read."""
    manifest = read_manifest(files, layout)
    return (MANIFEST,) if manifest is None else changed_by_hand(files, layout, manifest)


def is_kept(files: Files, places: Places, number: int) -> bool:
    """Whether this generation was proved, or has served."""
    return files.kind(places.layout(number).generation / KEPT) is FileKind.FILE


def is_written(files: Files, layout: Layout, artifact: Artifact) -> bool:
    """Whether the generation on disk is exactly ``artifact``: nothing missing, changed or added."""
    for file in artifact.files:
        path = _place(layout, file.path, public=file.public)
        if files.kind(path) is not FileKind.FILE or files.read(path) != file.content:
            return False
    expected = {file.path.name for file in artifact.files if file.public}
    return set(files.list(layout.pages)) == expected


def write_generation(
    files: Files, places: Places, layout: Layout, artifact: Artifact, sources: Sources | None = None
) -> None:
    """Every file of ``artifact``, then the gateway file it was made from, then the manifest.

    Until ``current`` points at it, nothing uses it; without a manifest it is not whole.
    """
    files.make_folder(layout.generation)
    files.make_folder(layout.pages)
    group = places.run_as.gid if places.run_as is not None else None
    if group is not None:
        files.own(layout.pages, group)
    placed = [(_place(layout, file.path, public=file.public), file) for file in artifact.files]
    files.write_new([(path, file.content, file.mode) for path, file in placed])
    for path, file in placed:
        if file.public and group is not None:
            files.own(path, group)
    if sources is not None:
        write_policy(files, layout, sources.policy)
        write_manifest(files, layout, artifact, sources)


def write_policy(files: Files, layout: Layout, policy: bytes) -> None:
    """The gateway file that a generation was made from."""
    files.write(layout.generation / POLICY, policy)


def write_manifest(files: Files, layout: Layout, artifact: Artifact, sources: Sources) -> None:
    """The manifest of a generation whose other files are there."""
    hashes = {_name(file.path, public=file.public): sha256(file.content) for file in artifact.files}
    data = {
        "number": int(layout.generation.name),
        "made": sources.made.isoformat(),
        "version": sources.version,
        "certificate": sources.certificate,
        "chain": sources.chain,
        "key": sources.key,
        "anchors": {name: [list(pair) for pair in pairs] for name, pairs in sources.anchors.items()},
        "files": {POLICY: sha256(sources.policy), **hashes},
    }
    files.write(layout.generation / MANIFEST, (json.dumps(data, indent=1) + "\n").encode())


def read_manifest(files: Files, layout: Layout) -> Manifest | None:
    """The manifest of a generation, or ``None`` where it has none that can be read."""
    path = layout.generation / MANIFEST
    return Manifest.from_json(files.read(path)) if files.kind(path) is FileKind.FILE else None


def stored_policy(files: Files, layout: Layout) -> bytes | None:
    """The gateway file that the generation was made from, or ``None`` where it was not kept."""
    path = layout.generation / POLICY
    return files.read(path) if files.kind(path) is FileKind.FILE else None


def policy_as_applied(files: Files, places: Places, number: int) -> bytes | None:
    """The gateway file that generation ``number`` was made from, as it was then; ``None`` where there is no generation.

    Raises :class:`FindingError` where that cannot be told any more: another file would be another policy, with nobody's yes.
    """
    layout = places.layout(number)
    text = stored_policy(files, layout) if number else None
    if not number or (text is not None and not {POLICY, MANIFEST} & set(differences(files, layout))):
        return text
    manifest = read_manifest(files, layout)
    if manifest is not None and files.kind(places.gateway_file) is FileKind.FILE:
        wanted = files.read(places.gateway_file)
        if sha256(wanted) == manifest.files.get(POLICY):
            return wanted
    raise FindingError(
        Diagnostic(
            "generation-changed-by-hand",
            f"the gateway file that generation {number} was made from is not as it was written, or its manifest is not",
            "what was in force cannot be told, and nothing else is brought into force unasked",
            "see what gateway.yaml would change: gatewright plan; then: gatewright apply",
        )
    )


def changed_by_hand(files: Files, layout: Layout, manifest: Manifest) -> tuple[str, ...]:
    """Files of the generation that are missing or not as they were written, and pages that nobody wrote."""
    found = [name for name, expected in manifest.files.items() if _hash_of(files, _path(layout, name)) != expected]
    if files.kind(layout.pages) is FileKind.FOLDER:
        known = set(manifest.files)
        found += [f"pages/{name}" for name in files.list(layout.pages) if f"pages/{name}" not in known]
    return tuple(sorted(found))


def switch_to(files: Files, places: Places, number: int) -> None:
    """Make ``number`` the current generation, atomically."""
    files.point(places.current, f"{number:04d}")


def remember(files: Files, places: Places, number: int) -> None:
    """From now on until :func:`forget`, ``number`` is what to go back to."""
    files.point(back_link(places), f"{number:04d}")


def forget(files: Files, places: Places) -> None:
    """The switch is settled: nothing to go back to any more. Needs no room on the disk."""
    files.remove(back_link(places))


def mark_kept(files: Files, places: Places, number: int, how: str, now: datetime) -> None:
    """Remember that this generation was proved, or has served."""
    content = json.dumps({"how": how, "when": now.isoformat()}) + "\n"
    files.write(places.layout(number).generation / KEPT, content.encode())


def settle(files: Files, places: Places) -> int:
    """Finish what a killed apply left: back to the last good generation. Its number, or 0 where nothing was left.

    To be called by the holder of the apply lock only.
    """
    good = pending_number(files, places)
    if not good:
        return 0
    if current_number(files, places) != good:
        switch_to(files, places, good)
    forget(files, places)
    return good


def discard(files: Files, places: Places, number: int) -> None:
    """Remove a generation that is not current: its configuration and its published pages."""
    if number and number not in {current_number(files, places), pending_number(files, places)}:
        layout = places.layout(number)
        # The manifest first: what is left of a removal that was interrupted is never taken for whole.
        files.remove(layout.generation / MANIFEST)
        files.remove(layout.pages)
        files.remove(layout.members)
        files.remove(layout.generation)


def prune(files: Files, places: Places) -> Sequence[int]:
    """Remove what was never kept, and all but the newest kept generations before the current one."""
    current = current_number(files, places)
    kept = [n for n in _numbers(files, places) if n != current and is_kept(files, places, n)]
    gone = [n for n in _numbers(files, places) if n != current and n not in kept[-KEEP:]]
    for number in gone:
        discard(files, places, number)
    return gone


def back_link(places: Places) -> PurePosixPath:
    """The link that names the last good generation while a switch is not yet proved."""
    return places.generations / "back"


def _numbers(files: Files, places: Places) -> list[int]:
    if files.kind(places.generations) is not FileKind.FOLDER:
        return []
    return sorted(int(name) for name in files.list(places.generations) if name.isascii() and name.isdigit())


def _number(target: str | None) -> int:
    return int(target) if target is not None and target.isascii() and target.isdigit() else 0


def sha256(content: bytes) -> str:
    """As the manifest names a file's content."""
    return hashlib.sha256(content).hexdigest()


def _hash_of(files: Files, path: PurePosixPath) -> str | None:
    return sha256(files.read(path)) if files.kind(path) is FileKind.FILE else None


def _name(path: PurePosixPath, *, public: bool) -> str:
    return f"pages/{path}" if public else str(path)


def _path(layout: Layout, name: str) -> PurePosixPath:
    page = name.removeprefix("pages/")
    return layout.generation / name if page == name else layout.pages / page


def _place(layout: Layout, path: PurePosixPath, *, public: bool) -> PurePosixPath:
    return (layout.pages if public else layout.generation) / path
