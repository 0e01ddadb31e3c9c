"""What must be tried when nothing changed but the members of groups: the doors that concerns, and whoever joined or left.

httpd was not given anything new to read, so the listener, paths, methods and headers are as they were proved before.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from gatewright.model.gateway import Gateway
from gatewright.model.values import Name, RoutePath
from gatewright.prove.cases import Derived, Family, Identity, Kind
from gatewright.prove.derive import FEW, TWO, client_cases, faces, left_out, turn, without_certificate
from gatewright.prove.doors import NO_STAND_INS, Asks, Doors, StandIns
from gatewright.prove.writing import Writer

MOST_DOORS = 50
"""So many doors are tried with every kind of caller: one of each kind, then the first. Whoever joined or left is tried at all of these too."""
MOST_CLIENTS = 50
"""Of so many who joined or left each is tried; of more, the first."""


def derive_members(
    gateway: Gateway,
    routes: Collection[RoutePath],
    clients: Collection[Name],
    now: datetime | None,
    stand_ins: StandIns = NO_STAND_INS,
) -> Derived:
    """The cases. ``routes``: those whose doors the change concerns; ``clients``: who joined or left, as far as still declared."""
    tried = [name for name in clients if name in gateway.clients][:MOST_CLIENTS]
    cases = []
    for writer in faces(gateway, now, stand_ins):
        writer.protocols = TWO
        doors = _chosen(writer, routes)
        for path in doors:
            client_cases(writer, path, FEW)
            without_certificate(writer, path, TWO)
            _movers(writer, path, tried)
        cases += writer.cases
    return Derived(
        tuple(cases),
        sampled=True,
        left_out=(*left_out(Doors(gateway, now=now, stand_ins=stand_ins)), *_rest(routes, clients)),
    )


def _chosen(writer: Writer, routes: Collection[RoutePath]) -> list[RoutePath]:
    """At most :data:`MOST_DOORS` of them, one of each kind first."""
    here = [path for path in routes if path in writer.doors.gateway.routes]
    kinds = {writer.doors.alike(path): path for path in reversed(here)}
    return list(dict.fromkeys((*kinds.values(), *here)))[:MOST_DOORS]


def _movers(writer: Writer, path: RoutePath, clients: Collection[Name]) -> None:
    """Each of ``clients`` as what it is at this door now."""
    doors = writer.doors
    route = doors.gateway.routes[path]
    if doors.asks is Asks.NEVER or doors.is_open(route) is not True:
        return
    for name in clients:
        client = doors.gateway.clients.get(name)
        if client is None or client.authority not in doors.gateway.authorities or not doors.can_stand_for(name):
            continue
        identity = Identity(Kind.CLIENT, client.authority, name)
        admitted = doors.admits(route, identity)
        family, why = (
            (Family.ADMITTED, "its group is admitted here")
            if admitted
            else (Family.WRONG_CLIENT, "it is in no group that is admitted here")
        )
        writer.plainly(family, path, identity, turn(f"{path} {identity}"), why)


def _rest(routes: Collection[RoutePath], clients: Collection[Name]) -> list[tuple[str, str]]:
    """What is not tried, and why."""
    said = [("everything but members of groups", "only members changed; the rest of this generation was proved before")]
    if len(routes) > MOST_DOORS:
        said.append((f"{len(routes) - MOST_DOORS} routes", f"the same members; {MOST_DOORS} routes stand for all"))
    if len(clients) > MOST_CLIENTS:
        said.append((f"{len(clients) - MOST_CLIENTS} clients", f"the first {MOST_CLIENTS} stand for all who changed"))
    return said
