"""The first gateway of a newcomer: a commented file and a small site, and which requests to try on a gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator, Set
from dataclasses import dataclass, replace
from importlib.resources import files as package_files
from importlib.resources.abc import Traversable
from pathlib import PurePath, PurePosixPath

from gatewright.app.reports import Example, InitReport
from gatewright.errors import Diagnostic, UsageError, ValueRejected
from gatewright.model.gateway import Gateway, Route
from gatewright.model.values import HostName, Listen, Name, RoutePath
from gatewright.ports.files import FileKind, Files
from gatewright.source import schema

GATEWAY_FILE = "gateway.yaml"
SCHEMA_FILE = "gateway.schema.json"
STARTER_CLIENT = Name("demo-client")

# Stored without the dot, because git and the build would obey it inside our own source tree.
_STORED_AS = {"gitignore": ".gitignore"}

# The pages of the starter's site, by the folder that serves them: a folder alone has no page to show.
_PAGES = {
    "site/unprotected": ("unprotected.html",),
    "site/protected": ("protected.html", "confidential.html"),
}


@dataclass(frozen=True, slots=True)
class StarterFile:
    """One file of the starter; ``path`` is relative to the gateway's folder."""

    path: PurePosixPath
    content: bytes


def schema_text() -> str:
    """The JSON Schema of the gateway file, as it is written beside it and printed by ``gatewright schema``."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def starter_files(host: str = "", listen: str = "") -> tuple[StarterFile, ...]:
    """Every file of the starter, the JSON Schema included, the gateway file last; ``host`` and ``listen`` instead of its own.

    Raises :class:`UsageError` where they are no host name or port.

    Last, so that a folder with a gateway file is always complete, however the writing was interrupted.
    """
    stored = sorted(_stored(package_files("gatewright.app") / "starter", PurePosixPath()), key=lambda f: str(f.path))
    stored = [_chosen(file, host, listen) if str(file.path) == GATEWAY_FILE else file for file in stored]
    found = [*stored, StarterFile(PurePosixPath(SCHEMA_FILE), schema_text().encode())]
    return tuple(sorted(found, key=lambda file: str(file.path) == GATEWAY_FILE))


def _chosen(file: StarterFile, host: str, listen: str) -> StarterFile:
    """The gateway file with another host and port."""
    try:
        chosen = {b"localhost ": host and HostName.parse(host), b"8443 ": listen and Listen.parse(listen)}
    except ValueRejected as problem:
        raise UsageError(problem.at(None)) from problem
    content = file.content
    for own, value in chosen.items():
        if value:
            # Addresses hold what YAML reads as its own.
            written = json.dumps(str(value)) if ":" in str(value) else str(value)
            content = content.replace(own, f"{written} ".encode(), 1)
            if value == chosen[b"localhost "] and value != "localhost":
                # The authority vouches for the demo client, below localhost, and for the gateway.
                content = content.replace(b"names: [localhost]", f"names: [localhost, {written}]".encode(), 1)
    return replace(file, content=content)


def _stored(folder: Traversable, below: PurePosixPath) -> Iterator[StarterFile]:
    for entry in folder.iterdir():
        path = below / _STORED_AS.get(entry.name, entry.name)
        if entry.is_dir():
            yield from _stored(entry, path)
        else:
            yield StarterFile(path, entry.read_bytes())


def init(files: Files, folder: PurePath, *, host: str = "", listen: str = "") -> InitReport:
    """Write the starter into ``folder``, which is made if it is not there. Nothing that exists is overwritten.

    Where there is a gateway file already, nothing is written at all. Raises :class:`UsageError` for a folder that
    holds anything else: a gateway's folder keeps private keys and is served from, so it is nobody's working folder.
    A start that was interrupted left only our own files, and is taken up again.
    """
    starter = starter_files(host, listen)
    if files.kind(folder / GATEWAY_FILE) is not FileKind.MISSING:
        return InitReport(str(folder), (), (GATEWAY_FILE,))
    missing = [file for file in starter if files.kind(folder / file.path) is FileKind.MISSING]
    _refuse_foreign(files, folder, starter)
    files.make_folder(folder)
    for file in missing:
        for parent in reversed(file.path.parents[:-1]):
            files.make_folder(folder / parent)
        files.write(folder / file.path, file.content)
    written = tuple(str(file.path) for file in missing)
    return InitReport(str(folder), written, tuple(str(f.path) for f in starter if str(f.path) not in written))


def _refuse_foreign(files: Files, folder: PurePath, starter: tuple[StarterFile, ...]) -> None:
    if files.kind(folder) is FileKind.MISSING:
        return
    ours = {str(file.path): file.content for file in starter}
    folders = {str(parent) for file in starter for parent in file.path.parents}
    foreign = [name for name in _visible_files(files, folder, folders) if name not in ours]
    changed = [n for n, content in ours.items() if _differs(files, folder / n, content) and not n.startswith(".")]
    if foreign or changed:
        named = ", ".join(repr(name) for name in sorted({*foreign, *changed})[:3])
        raise UsageError(
            Diagnostic(
                "folder-not-empty",
                f"{str(folder)!r} holds no {GATEWAY_FILE}, but other files: {named}",
                "a gateway's folder keeps private keys, and nothing may be served from it by accident",
                "gatewright -C some-new-folder up",
            )
        )


def _visible_files(files: Files, folder: PurePath, known: Set[str], below: str = "") -> Iterator[str]:
    """Paths of everything in a folder but dotfiles at its top; looks only into the ``known`` folders below it."""
    for name in files.list(folder):
        if name.startswith(".") and not below:
            continue
        path = below + name
        if files.kind(folder / name) is FileKind.FOLDER and path in known:
            yield from _visible_files(files, folder / name, known, path + "/")
        else:
            yield path


def _differs(files: Files, path: PurePath, content: bytes) -> bool:
    kind = files.kind(path)
    if kind is FileKind.MISSING:
        return files.target(path) is not None  # a link whose target is not there, such as a volume that is not mounted
    return kind is not FileKind.FILE or files.read(path) != content


def examples_for(gateway: Gateway, client: Name | None = None, limit: int = 12) -> tuple[Example, ...]:
    """Requests to try on ``gateway``: open doors first, then each shut one without and with a certificate.

    ``client`` is the one whose certificate the reader has. At most ``limit`` requests; routes that take no GET have none.
    """
    usable = [(path, route) for path, route in gateway.routes.items() if not route.methods or "GET" in route.methods]
    opened = [e for path, route in usable if route.access.is_public for e in _requests(path, route)]
    shut: list[Example] = []
    for path, route in usable:
        if not route.access.is_public:
            requests = _requests(path, route)
            shut.append(Example(requests[0].path, 403))
            if client is not None and _admits(gateway, route, client):
                # With the certificate alone: what else is demanded, no example can have.
                demands = route.credentials is not None
                shut += [Example(e.path, 401 if demands else e.status, with_certificate=True) for e in requests]
    return tuple([*opened, *shut][:limit])


def _admits(gateway: Gateway, route: Route, client: Name) -> bool:
    """Whether the client gets in by day and by night; what is open for some hours only is no good example."""
    return route.access.during is None and client in gateway.clients and gateway.admits(route.access, client)


def _requests(path: RoutePath, route: Route) -> list[Example]:
    if route.respond is not None:
        return [Example(path, route.respond.status)]
    if route.files is None:
        return [Example(path, None)]
    if not path.is_tree:
        return [Example(path, 200)]
    pages = _PAGES.get(route.files)
    return [Example(path + page, 200) for page in pages] if pages else [Example(path, None)]
