"""Where everything of one gateway stands, and who may see it.

Run by an ordinary user, all of it stands in the gateway's folder. Run by root, httpd's children give up their
privileges, and must not see keys, configuration or database even if one of them is taken over: what they need at run
time (pages, revocations, what ``files`` routes serve) is published to a folder of its own, for their group alone.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import PurePosixPath

from gatewright.app.starter import GATEWAY_FILE
from gatewright.errors import Diagnostic, UsageError
from gatewright.model.gateway import Gateway
from gatewright.model.machine import Layout, RunAs
from gatewright.ports.files import FileKind, Files
from gatewright.ports.mirror import Mirror

PUBLISHED = PurePosixPath("/var/lib/gatewright")
"""Where root's gateways publish, by the Filesystem Hierarchy Standard 3.0 §5.8 (state of one program)."""


OWNER_NOTE = "gateway-folder"
"""The file in a published copy that names the gateway's folder, for whoever cleans up; the copy's name is only a hash."""


@dataclass(frozen=True, slots=True)
class Places:
    """The folders of one gateway. ``published`` is set when httpd's children run as ``run_as``."""

    folder: PurePosixPath
    run_as: RunAs | None = None
    base: PurePosixPath = PUBLISHED

    def __post_init__(self) -> None:
        """Raises :class:`UsageError` for a path that httpd's settings cannot hold: they are replaced before quotes are read."""
        bad = next((c for c in str(self.folder) if c in '"\\$' or not c.isprintable()), None)
        if bad is not None:
            raise UsageError(
                Diagnostic(
                    "folder-name-unusable",
                    f"the gateway's folder {str(self.folder)!r} has {bad!r} in its path",
                    "httpd's configuration cannot hold such a path safely",
                    "use a folder whose path has no quotes, backslashes, dollar signs or control characters (-C DIR)",
                )
            )

    @property
    def gateway_file(self) -> PurePosixPath:
        """The gateway file."""
        return self.folder / GATEWAY_FILE

    @property
    def published(self) -> PurePosixPath | None:
        """Root's published copy: named after the folder's path, so that two gateways never share one."""
        if self.run_as is None:
            return None
        return self.base / hashlib.sha256(str(self.folder).encode()).hexdigest()[:16]

    @property
    def visible(self) -> PurePosixPath:
        """The folder that httpd's children see."""
        return self.published or self.folder

    @property
    def generations(self) -> PurePosixPath:
        """Folder of all generations."""
        return self.folder / "generations"

    @property
    def current(self) -> PurePosixPath:
        """The link to the generation that runs or ran last."""
        return self.generations / "current"

    @property
    def run(self) -> PurePosixPath:
        """Pid files, locks, sockets."""
        return self.folder / "run"

    @property
    def revoked(self) -> PurePosixPath:
        """The folder whose entries revoke certificates."""
        return self.visible / "rev"

    @property
    def contacts(self) -> PurePosixPath:
        """The folder of what is known of certificates that came for the first time."""
        return self.visible / "contacts"

    def layout(self, number: int) -> Layout:
        """The paths of generation ``number``."""
        generation = self.generations / f"{number:04d}"
        return Layout(
            folder=self.folder,
            generation=generation,
            run=self.run,
            logs=self.folder / "logs",
            pages=self.visible / "pages" / f"{number:04d}" if self.published else generation / "pages",
            revoked=self.revoked,
            files_root=self.visible / "files" if self.published else self.folder,
        )


def make_places(files: Files, places: Places) -> None:
    """Every folder a gateway needs, with its mode; nothing happens to those that are there."""
    for folder in (places.generations, places.run, places.folder / "logs"):
        files.make_folder(folder)
    if places.published is None or places.run_as is None:
        files.make_folder(places.revoked)
        return
    files.make_folder(places.base, 0o755)
    for folder in (places.published, places.published / "pages", places.published / "files", places.revoked):
        files.make_folder(folder)
        files.own(folder, places.run_as.gid)
    note = places.published / OWNER_NOTE
    if files.kind(note) is FileKind.MISSING:
        files.write(note, f"{places.folder}\n".encode("utf-8", "surrogateescape"), 0o600)


def publish(mirror: Mirror, places: Places, gateway: Gateway) -> int:
    """Bring the published copy of what ``files`` and ``publish`` routes serve up to date; how many files and folders changed."""
    if places.published is None or places.run_as is None:
        return 0
    gid = places.run_as.gid
    routes = gateway.routes.values()
    paths = {route.files for route in routes if route.files is not None}
    paths |= {route.publish.folder for route in routes if route.publish is not None}
    published = sum(mirror.sync(places.folder / path, places.published / "files" / path, gid) for path in sorted(paths))
    secrets = {path for route in routes if route.credentials is not None for path in route.credentials.files}
    credentials = places.layout(1).credentials
    return published + sum(mirror.sync(places.folder / path, credentials / path, gid) for path in sorted(secrets))
