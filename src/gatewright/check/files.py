"""Rules about the files and folders that routes serve and backends are checked with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gatewright.check.facts import PathKind
from gatewright.check.registry import Finding, View, rule
from gatewright.errors import Severity
from gatewright.model.gateway import Path, Route
from gatewright.model.values import RoutePath

PRIVATE = (
    "state.db",
    "state.db-wal",
    "state.db-shm",
    "state.db-journal",
    "keys",
    "clients",
    "certs/server",
    "enrolled",
    "generations",
    "run",
    "rev",
    "logs",
    "reports",
)
"""What Gatewright keeps in the gateway's folder and nobody may fetch: ``clients`` holds keys and their passwords, ``certs/server`` a
copy of the user's own server key, ``enrolled`` certificates of partners' clients.

``certs/ca``, ``certs/crl`` and ``ocsp`` are left out: CA certificates, CRLs and OCSP answers are made to be published.
"""

_UNUSABLE = {
    PathKind.MISSING: (
        "is not there",
        "what depends on it would fail, and look like somebody else's mistake",
        "create it, or correct the path",
    ),
    PathKind.UNREADABLE: (
        "cannot be read",
        "what depends on it would fail, and look like somebody else's mistake",
        "make it readable for the account that runs Gatewright: chmod u+r {name}",
    ),
    PathKind.OTHER: (
        "is neither a file nor a folder",
        "only files and folders can be read or served",
        "name a file or a folder",
    ),
    PathKind.OUTSIDE: (
        "leads out of the gateway's folder through a symbolic link",
        "nothing outside the gateway's folder is read or served",
        "copy it into the gateway's folder instead of linking to it",
    ),
}


def unusable(view: View, place: Path, name: str, owner: str, make: str = "") -> Iterator[Finding]:
    """Why ``name`` cannot be used as the file that ``owner`` needs, if it cannot; ``make`` is how it comes to be there."""
    kind = view.path(name).kind
    if kind in _UNUSABLE:
        said, why, fix = _UNUSABLE[kind]
        missing = make if kind is PathKind.MISSING else ""
        yield Finding(place, f"{name!r} of {owner} {said}", why, missing or fix.format(name=name))
    elif kind is not PathKind.FILE:
        yield Finding(place, f"{name!r} of {owner} is a {kind}, not a file", "", "name a file")


@rule("files-unusable")
def files_unusable(view: View) -> Iterator[Finding]:
    """A route to a path that is missing or unreadable would answer 404 or 403 and look like a wrong address."""
    for path, route in view.gateway.routes.items():
        if route.files is not None and view.path(route.files).kind in _UNUSABLE:
            yield from unusable(view, ("routes", path, "files"), route.files, f"route {path!r}")


@rule("files-kind")
def files_kind(view: View) -> Iterator[Finding]:
    """A path ending in ``/`` covers a folder, any other path is one file; a mixture never finds what it names."""
    for path, route in view.gateway.routes.items():
        if route.files is None:
            continue
        kind = view.path(route.files).kind
        if kind is PathKind.FILE and path.is_tree:
            what = f"route {path!r} covers a subtree, and {route.files!r} is one file"
            yield Finding(
                ("routes", path, "files"),
                what,
                "a path ending in '/' serves a folder",
                f"write the route as {path[:-1] or '/name'!r}",
            )
        if kind is PathKind.FOLDER and not path.is_tree:
            what = f"route {path!r} is one exact path, and {route.files!r} is a folder"
            yield Finding(
                ("routes", path, "files"),
                what,
                "only a path ending in '/' serves a folder",
                f"write the route as '{path}/'",
            )


@rule("files-private")
def files_private(view: View) -> Iterator[Finding]:
    """Keys, state and the gateway file live in the same folder; no route may serve them, not even by a link."""
    certificate = view.gateway.certificate
    private = [*PRIVATE, view.declared.file.rsplit("/", 1)[-1]]
    if certificate is not None and certificate.key_file is not None:
        private += [certificate.key_file, view.path(certificate.key_file).real]
    demanded = (route.credentials for route in view.gateway.routes.values())
    users = [c.basic for c in demanded if c is not None and c.basic is not None]
    private += [*users, *(view.path(name).real for name in users)]
    for chain_and_key in filter(None, (shown.files for shown in view.gateway.backend_certificates)):
        private += [chain_and_key[1], view.path(chain_and_key[1]).real]
    secrets = [name.casefold() for name in private if name]
    for path, route in view.gateway.routes.items():
        if route.files is None:
            continue
        for served in {route.files.casefold(), (view.path(route.files).real or route.files).casefold()}:
            secret = next((s for s in secrets if _within(s, served) or _within(served, s)), None)
            if secret is not None:
                what = f"route {path!r} would serve {secret!r}"
                why = "keys, state and the gateway file are never served"
                yield Finding(
                    ("routes", path, "files"), what, why, "move what is served into a folder of its own: site/"
                )
                break


def _within(inner: str, outer: str) -> bool:
    return outer in {".", inner} or inner.startswith(outer + "/")


@rule("backend-ca-unusable")
def backend_ca_unusable(view: View) -> Iterator[Finding]:
    """A backend whose CA file cannot be read can never be verified."""
    for path, route in view.gateway.routes.items():
        if route.backend is not None and route.backend.ca is not None:
            place = ("routes", path, "backend", "ca")
            yield from unusable(view, place, route.backend.ca, f"the backend of route {path!r}")


@rule("files-open-elsewhere")
def files_open_elsewhere(view: View) -> Iterator[Finding]:
    """What one route protects, a public route to a folder around it serves to everybody under another address."""
    routes = view.gateway.routes
    public: dict[str, list[RoutePath]] = {}
    for path, route in routes.items():
        if route.files is not None and route.access.is_public:
            public.setdefault(route.files, []).append(path)
    for path, route in routes.items():
        if route.files is None or route.access.is_public:
            continue
        for folder in _around(route.files):
            below = route.files if folder == "." else route.files[len(folder) :].lstrip("/")
            for around in public.get(folder, ()):
                address = around + below + ("/" if path.is_tree and below else "")
                answering = _answering(address, routes)
                if answering is not None and routes[answering].access.is_public:
                    what = f"what route {path!r} protects, {route.files!r}, is public at {address!r}"
                    why = f"route {answering!r} serves it, or the folder around it, to everybody"
                    fix = "serve it from a folder of its own, or protect both routes"
                    yield Finding(("routes", path, "files"), what, why, fix, Severity.WARNING)


def _around(name: str) -> Iterator[str]:
    """``name``, every folder around it, and the gateway's folder."""
    while name:
        yield name
        name = name.rpartition("/")[0]
    yield "."


def _answering(address: str, routes: Mapping[RoutePath, Route]) -> RoutePath | None:
    """The route that answers ``address``: itself, or the longest tree around it."""
    candidate = address
    while True:
        if candidate in routes:
            return RoutePath(candidate)
        if not candidate.strip("/"):
            return None
        candidate = candidate.rstrip("/").rpartition("/")[0] + "/"
