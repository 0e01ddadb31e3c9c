"""From a gateway file to every probe that must be made: nothing here is listed by hand for one gateway."""

from __future__ import annotations

import enum
import zlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from datetime import datetime

from gatewright.model.gateway import Gateway
from gatewright.model.values import Name, RoutePath
from gatewright.model.virtual_hosts import virtual_hosts
from gatewright.prove.cases import (
    NOBODY,
    PROTOCOLS,
    Case,
    Derived,
    Family,
    Http,
    Identity,
    Kind,
    Protocol,
    Tls,
)
from gatewright.prove.credentials import credential_cases
from gatewright.prove.doors import NO_STAND_INS, Asks, Doors, StandIns
from gatewright.prove.expecting import expected
from gatewright.prove.listener import listener_cases
from gatewright.prove.minting import serial_of
from gatewright.prove.report import CLIENT, GOOD_CREDENTIALS, OPEN_CONNECTIONS
from gatewright.prove.tricks import header_cases, method_cases, path_cases
from gatewright.prove.writing import Writer

SMALL = 12
"""Up to so many routes every route is tried with everything."""
FOCUS = 25
"""Up to so many routes in focus are tried with everything; where more changed at once, they are sampled like any other."""
FEW, _MANY = 2, 1_000
_ALL_PROTOCOLS = 8


class Depth(enum.Enum):
    """How much is tried."""

    BRIEF = "brief"
    """For the very tree that a shadow instance was just proved with: the listener and every kind of client in each
    version of TLS and of HTTP, not in each of their pairs; every route without a certificate. A gateway of few routes is
    sampled even so."""
    SAMPLED = "sampled"
    THOROUGH = "thorough"
    """Every route with everything, and what takes seconds."""


def derive(
    gateway: Gateway,
    *,
    depth: Depth = Depth.SAMPLED,
    focus: Collection[RoutePath] = (),
    now: datetime | None = None,
    stand_ins: StandIns = NO_STAND_INS,
) -> Derived:
    """Every case of ``gateway``. ``now`` (aware) decides which routes with a ``during`` are open; without it they are left out.

    ``stand_ins`` says in whose place others issue test identities.

    The handshake is tried once for each protocol, since it does not depend on the route. Of each *kind* of door one is tried with
    everything, where each family has its own notion of kind: what its outcome depends on. Every other route is tried at
    least without a certificate and at one of its boundaries. Routes in ``focus`` are tried with everything in any case.
    """
    if depth is Depth.BRIEF and len(gateway.routes) <= SMALL:
        depth = Depth.SAMPLED
    everything = depth is Depth.THOROUGH or (depth is Depth.SAMPLED and len(gateway.routes) <= SMALL)
    chosen = frozenset(focus) if depth is not Depth.BRIEF and len(focus) <= FOCUS else frozenset()
    cases: list[Case] = []
    for writer in faces(gateway, now, stand_ins):
        if depth is Depth.BRIEF:
            writer.protocols = TWO
        listener_cases(writer, thorough=depth is Depth.THOROUGH)
        _routes(writer, depth, everything=everything, chosen=chosen)
        cases += writer.cases
    return Derived(tuple(cases), not everything, tuple(left_out(Doors(gateway, now=now, stand_ins=stand_ins))))


TWO = (Protocol(Tls.V12, Http.H1), Protocol(Tls.V13, Http.H2))


def faces(gateway: Gateway, now: datetime | None = None, stand_ins: StandIns = NO_STAND_INS) -> tuple[Writer, ...]:
    """The gateway by its first name, by its first address, and by the name of each authority that has one of its own.

    Each is a virtual host, with a copy of every route.
    """
    shared, *apart = (Doors(h.gateway, h.depth, h.others, h.strangers, now, stand_ins) for h in virtual_hosts(gateway))
    named = [Writer(shared, name, PROTOCOLS) for name in shared.gateway.names[:1]]
    protocols = TWO if named else PROTOCOLS
    addressed = [Writer(shared, a, protocols, first=not named) for a in shared.gateway.addresses[:1]]
    return (*named, *addressed, *(Writer(doors, doors.gateway.hosts[0], TWO, first=False) for doors in apart))


def _routes(writer: Writer, depth: Depth, *, everything: bool, chosen: frozenset[RoutePath]) -> None:
    """Every route: one of a kind with everything, each without a certificate and at one of its boundaries."""
    seen: set[object] = set()
    most = _MANY if depth is Depth.THOROUGH else FEW
    for path in writer.doors.gateway.routes:
        for family, kind in _kinds(writer.doors, path).items():
            if depth is Depth.BRIEF and family not in {client_cases, credential_cases}:
                continue
            if everything or path in chosen or (family, kind) not in seen:
                seen.add((family, kind))
                family(writer, path, most)
        without_certificate(writer, path, (turn(path),))
        if depth is not Depth.BRIEF:
            beside = list(_beside(path))
            if everything or path in chosen:
                _boundaries(writer, path, beside)
            elif writer.first:
                _boundaries(writer, path, beside[zlib.crc32(path.encode()) % 3 :][:1])


def _kinds(doors: Doors, path: RoutePath) -> dict[Callable[[Writer, RoutePath, int], None], object]:
    """What makes this route like another one, for each family that is tried on one of a kind."""
    who, content, methods, tree, besides = doors.alike(path)
    public = doors.gateway.routes[path].access.is_public
    return {
        _nobody: (who, content, tree),
        client_cases: (who, content, besides),
        credential_cases: (who, besides),
        _methods: (public, content, methods, tree, besides),
        _paths: (public, content, tree),
        _headers: (public, content, besides, doors.told(path)),
    }


def _nobody(writer: Writer, path: RoutePath, _most: int) -> None:
    without_certificate(writer, path, writer.protocols)


def _methods(writer: Writer, path: RoutePath, _most: int) -> None:
    method_cases(writer, path)


def _paths(writer: Writer, path: RoutePath, _most: int) -> None:
    path_cases(writer, path)


def _headers(writer: Writer, path: RoutePath, _most: int) -> None:
    header_cases(writer, path)


def turn(path: str) -> Protocol:
    """One of the four protocols, always the same for the same path."""
    return PROTOCOLS[zlib.crc32(path.encode()) % len(PROTOCOLS)]


def without_certificate(writer: Writer, path: RoutePath, protocols: Collection[Protocol]) -> None:
    """Whether nobody without a certificate passes, or everybody."""
    route = writer.doors.gateway.routes[path]
    family = Family.ADMITTED if route.access.is_public else Family.NO_CERTIFICATE
    why = "public, and so it answers" if route.access.is_public else "nobody without a certificate passes"
    for protocol in protocols:
        writer.plainly(family, path, NOBODY, protocol, why)


def client_cases(writer: Writer, path: RoutePath, most: int) -> None:
    """Whom this route admits, at most ``most`` of each authority, and whom it does not."""
    doors = writer.doors
    if doors.asks is Asks.NEVER:
        return
    route = doors.gateway.routes[path]
    for number, insider in enumerate(doors.insiders(path, most)):
        for protocol in _protocols(writer, path, insider, number):
            writer.plainly(Family.ADMITTED, path, insider, protocol, "declared for this client")
    _later_cas(writer, path)
    _not_enrolled(writer, path)
    for insider in doors.declared(path, 1) if doors.is_open(route) is False else ():
        for protocol in writer.protocols:
            writer.plainly(
                Family.WRONG_MOMENT, path, insider, protocol, "declared for this client, but not at this time"
            )
    for number, outsider in enumerate(doors.outsiders(path, most)):
        for protocol in _protocols(writer, path, outsider, number):
            writer.plainly(Family.WRONG_CLIENT, path, outsider, protocol, "valid, but not among those named here")
    if not route.access.is_public:
        for revoked in withdrawn(doors, path):
            for protocol in writer.protocols:
                writer.plainly(Family.WRONG_MOMENT, path, revoked, protocol, "revoked, though it would be admitted")


def _later_cas(writer: Writer, path: RoutePath) -> None:
    """Of an authority that has several CAs at the same time, one client by each of the further ones."""
    doors, seen = writer.doors, set[str | None]()
    for insider in doors.insiders(path, 1):
        if insider.authority is None or insider.authority in seen:
            continue
        seen.add(insider.authority)
        for generation in range(1, len(doors.gateway.authorities[Name(insider.authority)].anchors)):
            later = replace(insider, generation=generation)
            for protocol in writer.protocols:
                why = "declared for this client, whichever CA of its authority issued the certificate"
                writer.plainly(Family.ADMITTED, path, later, protocol, why)


def _protocols(writer: Writer, path: RoutePath, identity: Identity, number: int) -> tuple[Protocol, ...]:
    """All of them for the first few callers of a route, one each for the rest: the rule does not know the protocol."""
    return writer.protocols if number < _ALL_PROTOCOLS else (turn(f"{path} {identity}"),)


def _not_enrolled(writer: Writer, path: RoutePath) -> None:
    """Clients that this route admits once their certificate is enrolled, and here it is not: one for each authority."""
    doors, seen = writer.doors, set[str | None]()
    for insider in doors.insiders(path, _MANY) if not doors.gateway.routes[path].access.is_public else ():
        if insider.client is None or insider.authority in seen:
            continue
        if doors.gateway.clients[Name(insider.client)].by_enrolment:
            seen.add(insider.authority)
            strange = Identity(Kind.NOT_ENROLLED, insider.authority, insider.client)
            for protocol in writer.protocols:
                why = "valid and declared, but nobody has looked at it"
                writer.plainly(Family.WRONG_CLIENT, path, strange, protocol, why)


def withdrawn(doors: Doors, path: RoutePath) -> Iterator[Identity]:
    """Revoked certificates that this route would admit but for that, and perhaps the hour, one for each authority."""
    for insider in doors.declared(path, 1):
        yield Identity(Kind.REVOKED, insider.authority, insider.client)
        if serial_of(doors.gateway, insider) is None:
            # Revocation by the number is what refuses that one, and the number is not ours to revoke: see app.proving.
            yield Identity(Kind.REVOKED_ALTERED, insider.authority, insider.client)


def meanwhile(gateway: Gateway, now: datetime | None = None, stand_ins: StandIns = NO_STAND_INS) -> tuple[Case, ...]:
    """Cases of certificates that are revoked while their connection is open: what must come of the request after it."""
    seen: set[str | None] = set()
    cases: list[Case] = []
    for writer in faces(gateway, now, stand_ins):
        doors = writer.doors
        for path, route in gateway.routes.items():
            # Where credentials are demanded, nobody is admitted whose revocation could be seen.
            for insider in () if route.access.is_public or route.credentials is not None else doors.insiders(path, 1):
                if insider.authority in seen:
                    continue
                seen.add(insider.authority)
                identity = Identity(Kind.REVOKED_MEANWHILE, insider.authority, insider.client)
                for protocol in TWO:
                    writer.plainly(
                        Family.WRONG_MOMENT, path, identity, protocol, "revocation bites on open connections"
                    )
        cases += writer.cases
    return tuple(cases)


def _boundaries(writer: Writer, path: RoutePath, neighbours: Collection[tuple[str, str]]) -> None:
    """The paths just beside this route fall under whatever the file says of them, seen by somebody this route admits."""
    doors = writer.doors
    insiders = [] if doors.asks is Asks.NEVER else doors.insiders(path, 1)
    identity = insiders[0] if insiders else NOBODY
    for label, beside in neighbours:
        if doors.door(beside) == path:
            continue
        protocol = turn(beside)
        method = doors.method(doors.gateway.routes[path])
        wanted = expected(doors, beside, identity, method, protocol.tls)
        if wanted is None:
            continue
        ask = writer.ask(beside, method=method)
        writer.add(
            Family.PATH_CONFUSION, f"{path} {label}", ask, identity, protocol, wanted, "just beside the route", path
        )


def _beside(path: RoutePath) -> Iterator[tuple[str, str]]:
    if path == "/":
        return
    if path.is_tree:
        bare = path[:-1]
        yield "without its slash", bare
        yield "longer by a letter", f"{bare}x/y"
        yield "shorter by a letter", f"{bare[:-1]}/y" if len(bare) > 2 else "/y"
        return
    yield "longer by a letter", f"{path}x"
    yield "with a slash", f"{path}/"
    yield "below it", f"{path}/x"


def left_out(doors: Doors) -> Iterator[tuple[str, str]]:
    """What cannot be tried at this gateway, and why."""
    for name in doors.gateway.clients:
        why = doors.why_not(name)
        if why:
            yield f"{CLIENT}{name}", why
    yield from _nobody_admitted(doors)
    demanding = any(route.credentials is not None for route in doors.gateway.routes.values())
    if demanding and not doors.stand_ins.credentials:
        yield (
            GOOD_CREDENTIALS,
            "nobody's are known here, so what was tried is that certificates alone, and false ones, are refused",
        )
    for path, route in doors.gateway.routes.items():
        if route.access.is_public and route.backend is not None and doors.asks is Asks.NEVER:
            yield f"route {path}", "public, so that trying it would reach the backend itself"
        if doors.is_open(route) is None:
            yield f"clients of route {path}", "it opens or closes about now; only who is never admitted was tried"


def _nobody_admitted(doors: Doors) -> Iterator[tuple[str, str]]:
    """What only an admitted caller can see, where there is none."""
    if doors.asks is Asks.NEVER:
        return
    admitted, by_certificate = set[str | None](), set[str | None]()
    for path, route in doors.gateway.routes.items():
        if len(by_certificate) == len(doors.gateway.authorities):
            return
        if not route.access.is_public:
            here = {insider.authority for insider in doors.insiders(path, 1)}
            admitted |= here
            by_certificate |= here if route.credentials is None else set()
    if not admitted:
        why = "no route admits a test identity now, and a refusal would have other causes"
        yield "resumed sessions, and requests with two meanings", why
    for name in doors.gateway.authorities:
        if name not in by_certificate:
            yield f"{OPEN_CONNECTIONS}{name}", "no route admits a test identity of it now by certificate alone"
