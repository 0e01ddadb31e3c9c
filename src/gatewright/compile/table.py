"""Many routes as a table: a record for each path, and one set of rules for all routes that differ only in where they lead.

A ``<Location>`` for each costs every request about 30 ns per route (measured on httpd 2.4.71), so from
:data:`~gatewright.compile.inputs.TABLE_FROM` routes on the path is looked up instead: in a folder of small files, each named by the SHA-1 of a declared path. There is no map
to be cached and nothing that grows by what clients ask for. SHA-1 because it is what httpd can compute; the names are of paths
that the gateway file declares, and an attacker would need a second preimage of one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from gatewright.compile.expr import AnyOf, Call, Condition, Exists, Joined, Lit
from gatewright.compile.inputs import Inputs
from gatewright.compile.ir import Node
from gatewright.compile.pages import response_name
from gatewright.compile.passes.backends import target
from gatewright.compile.passes.routes import rules
from gatewright.model.gateway import Route
from gatewright.model.machine import OutputFile
from gatewright.model.shut import shut_name
from gatewright.model.values import RoutePath

NOWHERE = "none"
"""The name of the rules of what lies below an exact path: there are none, so it is refused."""

TREE, FILE, PAGE = "tree", "file", "page"
"""Where a path leads, beside ``http`` and ``https``: below a folder, to a file, to one of our own answers."""

SHUT = "GW_SHUT"
"""The variable that names the file which shuts the route."""

# Sections with conditions are evaluated one after the other, so they are nested: never more than this many on one level.
_WIDTH = 12


@dataclass(frozen=True, slots=True)
class Record:
    """One path's line in the table: whose rules hold for it, and where it leads."""

    path: str
    rules: tuple[str, ...]
    shut: str
    kind: str
    target: str

    def file(self) -> OutputFile:
        """The record as httpd reads it. A target may hold blanks, and is the last."""
        words = (*self.rules, self.path, self.shut, self.kind, self.target)
        name = hashlib.sha1(self.path.encode(), usedforsecurity=False).hexdigest()
        content = " ".join(words).encode("utf-8", "surrogateescape")
        return OutputFile(PurePosixPath(f"{RECORD}{name}"), content, public=True)


RECORD = "route-"
"""How the name of a record's file begins; it stands among the generation's pages."""


@dataclass(frozen=True, slots=True)
class Table:
    """``rules`` has, for each virtual host, the rules of every group by its name: ``("3", "3.1")`` is one below ``("3",)``."""

    records: tuple[Record, ...]
    rules: tuple[Mapping[tuple[str, ...], tuple[Node, ...]], ...]
    depth: int

    @property
    def kinds(self) -> frozenset[str]:
        """Where any of the routes leads."""
        return frozenset(record.kind for record in self.records if record.rules[0] != NOWHERE)

    def segments(self, *, trees: bool) -> tuple[int, ...]:
        """How many segments the paths of trees, or the exact ones, have: most first."""
        return tuple(
            sorted({r.path.count("/") - trees for r in self.records if r.path.endswith("/") is trees}, reverse=True)
        )


def table(inputs: Inputs, hosts: Sequence[Inputs]) -> Table | None:
    """The table of a gateway with many routes, ``None`` for others. ``hosts`` are the same inputs as each virtual host sees them."""
    declared = inputs.gateway.routes
    if len(declared) < inputs.table_from:
        return None
    paths = sorted(declared, key=lambda path: (len(path), path))
    groups: dict[tuple[tuple[Node, ...], ...], int] = {}
    member: dict[RoutePath, int] = {}
    for path in paths:
        is_shut = _is_shut(inputs, path)
        said = tuple(rules(host, host.gateway.routes[path], (), is_shut) for host in hosts)
        member[path] = groups.setdefault(said, len(groups))
    names = _names(len(groups))
    depth = len(names[0])
    records = [_record(path, declared[path], names[member[path]]) for path in paths]
    records += [
        Record(f"{path}/", (NOWHERE,) * depth, "-", NOWHERE, "-")
        for path in paths
        if not path.is_tree and f"{path}/" not in declared
    ]
    by_host = tuple({names[n]: said[i] for said, n in groups.items()} for i in range(len(hosts)))
    return Table(tuple(records), by_host, depth)


def _is_shut(inputs: Inputs, path: RoutePath) -> Condition:
    """Shut is what has a file of its own, and what lies below a route that is shut."""
    above = path.rstrip("/").split("/")[:-1]
    over = ("/".join(above[: n + 1]) for n in range(len(above)))
    covering = (p for start in over for p in (start, f"{start}/") if p in inputs.gateway.routes)
    own = Exists(Joined((Lit(f"{inputs.layout.shut}/"), Call("reqenv", Lit(SHUT)))))
    return AnyOf((own, *(Exists(Lit(f"{inputs.layout.shut}/{shut_name(p)}")) for p in dict.fromkeys(covering))))


def _names(count: int) -> list[tuple[str, ...]]:
    levels = 1
    while _WIDTH**levels < count:
        levels += 1
    width = next(w for w in range(1, _WIDTH + 1) if w**levels >= count)
    found = []
    for number in range(count):
        digits, rest = list[int](), number
        for _ in range(levels):
            rest, digit = divmod(rest, width)
            digits.insert(0, digit)
        found.append(tuple(".".join(map(str, digits[: n + 1])) for n in range(levels)))
    return found


def _record(path: RoutePath, route: Route, name: tuple[str, ...]) -> Record:
    kind, leads = _target(path, route)
    return Record(path, name, shut_name(path), kind, leads)


def _target(path: RoutePath, route: Route) -> tuple[str, str]:
    if route.backend is not None:
        scheme, _, rest = target(path, route.backend.url).partition("://")
        return scheme, rest
    if route.respond is not None:
        return PAGE, response_name(route.respond)
    if route.publish is not None:
        return TREE, f"{route.publish.folder}/"
    return (TREE, f"{route.files}/") if path.is_tree else (FILE, str(route.files))
