"""What a gateway file promises, said a second time and independently of the compiler: which route a path falls under, who
is admitted there, what the handshake asks. The prover's oracle; it must never be made from the configuration it judges.
"""

from __future__ import annotations

import enum
import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

from gatewright.model.gateway import Client, During, Gateway, Route
from gatewright.model.matchers import Weekday
from gatewright.model.values import HostName, Name, RoutePath
from gatewright.prove.cases import Identity, Kind
from gatewright.prove.minting import LONGEST_SERIAL, serial_of, subject_of

PROBE = "gatewright-probe"
"""The last segment of paths that are tried below a tree: no file and no resource has that name."""

_DAY = 24 * 60
"""Minutes."""
LONGEST = timedelta(minutes=15)
"""A proof takes seconds to a few minutes; a window that opens or closes within this time is not tried."""

ENROLLED = frozenset({Kind.CLIENT, Kind.REVOKED, Kind.REVOKED_ALTERED, Kind.REVOKED_MEANWHILE})
"""Kinds of test identities that are enrolled where the client they stand for must be."""

_HEX = re.compile("%([0-9A-Fa-f]{2})")


class Asks(enum.StrEnum):
    """Whether the handshake asks for a client certificate."""

    NEVER = "never"
    WELCOMES = "welcomes"
    DEMANDS = "demands"


@dataclass(frozen=True, slots=True)
class StandIns:
    """The authorities in whose place others issue test identities, and the clients known by a serial number that is ``revoked``.

    ``credentials``: somebody vouches for users and tokens, too.
    """

    authorities: frozenset[str] = frozenset()
    revoked: frozenset[str] = frozenset()
    credentials: bool = False


NO_STAND_INS = StandIns()


@dataclass(frozen=True)
class Doors:
    """The routes of one gateway under some of its names, to look things up in.

    ``others`` are names under which others are trusted, ``strangers`` the authorities that are trusted only there; ``depth`` counts
    the CAs that may stand between anchor and client here. ``now`` (aware) is when they are tried. ``stand_ins`` says in whose place
    others issue test identities.
    """

    gateway: Gateway
    depth: int = 0
    others: tuple[HostName, ...] = ()
    strangers: tuple[Name, ...] = ()
    now: datetime | None = None
    stand_ins: StandIns = NO_STAND_INS

    @cached_property
    def asks(self) -> Asks:
        """Never where every route is public or nobody is trusted, demanded where none is, else welcome."""
        public = sum(route.access.is_public for route in self.gateway.routes.values())
        if public == len(self.gateway.routes) or not self.gateway.authorities:
            return Asks.NEVER
        return Asks.WELCOMES if public else Asks.DEMANDS

    def door(self, path: str) -> RoutePath | None:
        """The route that a plain path falls under: the longest that covers it. What lies below an exact path is nobody's."""
        routes = self.gateway.routes
        if path in routes:
            return RoutePath(path)
        parts = path.split("/")
        for size in range(len(parts) - 1, 0, -1):
            above = "/".join(parts[:size])
            if above + "/" in routes:
                return RoutePath(above + "/")
            if above in routes:
                return None
        return None

    def inside(self, path: RoutePath) -> str:
        """A path that falls under this route and no other."""
        if not path.is_tree:
            return str(path)
        return next(
            candidate
            for number in range(len(self.gateway.routes) + 1)
            if self.door(candidate := f"{path}{PROBE}{number or ''}") == path
        )

    def admits(self, route: Route, identity: Identity) -> bool:
        """Whether this route is for the holder of a valid certificate with the identity's names, of its authority."""
        if route.access.openness is not None:
            return True
        if identity.authority in route.access.any_of:
            return True
        return any(self._is(self.gateway.clients[name], identity) for name in self._named(route))

    def _named(self, route: Route) -> tuple[Name, ...]:
        """The clients that the route names, one by one or as a group: read off the file once more, not asked of the compiler's list."""
        if route.access.names not in self._lists:
            found: list[Name] = []
            for name in route.access.names:
                found += self.gateway.groups.get(name, (name,))
            self._lists[route.access.names] = tuple(n for n in dict.fromkeys(found) if n in self.gateway.clients)
        return self._lists[route.access.names]

    @cached_property
    def _lists(self) -> dict[tuple[Name, ...], tuple[Name, ...]]:
        return {}

    def is_open(self, route: Route) -> bool | None:
        """Whether the route is open as long as a proof may take; ``None`` where that is about to change, or the time is not known."""
        window = route.access.during
        if window is None:
            return True
        if self.now is None:
            return None
        steps = range(int(LONGEST / timedelta(minutes=1)) + 1)
        states = {_within(window, self.now + timedelta(minutes=m)) for m in (-1, *steps)}
        return states.pop() if len(states) == 1 else None

    def _is(self, client: Client, identity: Identity) -> bool:
        if client.authority != identity.authority:
            return False
        sans, held = self._names(identity)
        for kind, value in (
            ("DNSName", client.san),
            ("RFC822Name", client.email),
            ("UniformResourceIdentifier", client.uri),
        ):
            if value is not None:
                return (kind, str(value)) in sans
        if client.pin is not None:  # whoever is enrolled under this name, as test identities of this client are
            return identity.kind in ENROLLED and self.gateway.clients.get(Name(identity.client or "")) == client
        if client.serial is not None:
            return serial_of(self.gateway, identity) == int(client.serial, 16)
        assert client.subject is not None
        return all([v for k, v in held if k == short] == [value] for short, value in client.subject.parts())

    def vouches(self, identity: Identity) -> bool:
        """Whether the identity's authority can vouch for the DNS names that it presents: each is one of ``names`` or below one."""
        above = self.gateway.every_authority[Name(identity.authority or "")].names
        presented = [value.split(".") for kind, value in self._names(identity)[0] if kind == "DNSName"]
        allowed = [str(name).split(".") for name in above if not name.is_address]
        return not above or all(any(p[-len(a) :] == a for a in allowed) for p in presented)

    def _names(self, identity: Identity) -> tuple[frozenset[tuple[str, str]], list[tuple[str, str]]]:
        """SANs with their types, and parts of the subject by their short names, of the certificate that ``identity`` presents."""
        if identity not in self._known:
            name, sans = subject_of(self.gateway, identity)
            parts = [(a.rfc4514_attribute_name, str(a.value)) for a in name]
            self._known[identity] = (frozenset((type(san).__name__, str(san.value)) for san in sans), parts)
        return self._known[identity]

    @cached_property
    def _known(self) -> dict[Identity, tuple[frozenset[tuple[str, str]], list[tuple[str, str]]]]:
        return {}

    def insiders(self, path: RoutePath, most: int) -> list[Identity]:
        """Valid clients that this route admits now, at most ``most`` of each authority; none that no test identity can stand for."""
        return self.declared(path, most) if self.is_open(self.gateway.routes[path]) else []

    def declared(self, path: RoutePath, most: int) -> list[Identity]:
        """As :meth:`insiders`, whatever the time is."""
        route, found = self.gateway.routes[path], []
        if route.access.openness is not None:
            names = self.gateway.authorities
            return [Identity(Kind.UNNAMED, a) for a in names][: 1 if route.access.is_public else None]
        counts: dict[str, int] = {}
        found += [Identity(Kind.UNNAMED, a) for a in route.access.any_of]
        for name in self._named(route):
            client = self.gateway.clients[name]
            if counts.get(client.authority, 0) < most and self.can_stand_for(name):
                counts[client.authority] = counts.get(client.authority, 0) + 1
                found.append(Identity(Kind.CLIENT, client.authority, name))
        return found

    def outsiders(self, path: RoutePath, most: int) -> list[Identity]:
        """Valid certificates that this route does not admit: nobody's, other clients', wrong ones with a right name."""
        route = self.gateway.routes[path]
        if route.access.openness is not None:
            return []
        found = [Identity(Kind.UNNAMED, a) for a in self.gateway.authorities]
        named = frozenset(self._named(route))
        others_here = (
            Identity(Kind.CLIENT, client.authority, name)
            for name, client in self.gateway.clients.items()
            if name not in named
        )
        found += itertools.islice(others_here, most)
        for insider in self.declared(path, most=1):
            if insider.client is None:
                continue
            client = self.gateway.clients[Name(insider.client)]
            others = [
                a
                for a in self.gateway.authorities
                if a != client.authority and (client.serial is None or a in self.stand_ins.authorities)
            ]
            found += [Identity(Kind.OTHER_AUTHORITY, a, insider.client) for a in others]
            kind = Kind.NAME_IN_CN if client.subject is None else Kind.SECOND_NAME
            found.append(Identity(kind, client.authority, insider.client))
            for part, _ in () if client.subject is None else client.subject.parts():
                found += [
                    Identity(k, client.authority, insider.client, part=part)
                    for k in (Kind.WRONG_PART, Kind.SECOND_NAME)
                ]
        return [i for i in found if not self.admits(route, i) and (i.client is None or self.can_stand_for(i.client))]

    def can_stand_for(self, client: str) -> bool:
        """Whether a test identity can pass for this client; see :meth:`why_not`."""
        return not self.why_not(client)

    def why_not(self, client: str) -> str:
        """Why no test identity can pass for this client; empty where one can."""
        declared = self.gateway.clients[Name(client)]
        if declared.serial is not None:
            if int(declared.serial, 16).bit_length() > LONGEST_SERIAL:
                return "its serial number is longer than any that a certificate of ours can have (RFC 5280 §4.1.2.2)"
            if client in self.stand_ins.revoked:
                return "it is known by its serial number, which is revoked: nobody is to get in by it"
            if declared.authority not in self.stand_ins.authorities:
                return "it is known by its serial number, which an authority gives once: only a stand-in of it can give that again"
        if declared.subject is not None and declared.subject.organizational_unit is not None:
            return "it is known by its organizational unit, where test identities carry their mark, so none can stand for it"
        return ""

    def alike(self, path: RoutePath) -> tuple[object, ...]:
        """What makes this door a *kind* of door: who may pass, what lies behind, which methods, exact or tree."""
        route = self.gateway.routes[path]
        clients = [self.gateway.clients[name] for name in self._named(route)]
        who = (
            route.access.openness,
            route.access.any_of,
            route.access.during,
            any(name in self.gateway.groups for name in route.access.names),
            tuple(sorted({(c.authority, type(c.matcher).__name__) for c in clients})),
            len(clients) > 1,
        )
        content = "files" if route.files is not None else "respond" if route.respond is not None else "backend"
        demanded = route.credentials
        besides = "nothing" if demanded is None else "basic" if demanded.bearer is None else demanded.bearer
        return (who, content, route.methods, path.is_tree, besides)

    def told(self, path: RoutePath) -> tuple[object, ...]:
        """What tells this door's headers from another's: what its backend is told, who signs, whether a route around it says more."""
        route = self.gateway.routes[path]
        if route.backend is None:
            return ()
        parts = path.rstrip("/").split("/")
        over = ["/".join(parts[:size]) for size in range(1, len(parts) + path.is_tree)]
        above = (self.gateway.routes.get(RoutePath(one)) for o in over for one in (o, f"{o}/") if one not in {"", path})
        around = any(r is not None and r.backend is not None for r in above)
        return (route.backend.identity, route.backend.signed, around)

    def method(self, route: Route) -> str:
        """A harmless method that this route takes, if there is one."""
        harmless: Iterable[str] = ("GET", "OPTIONS", "HEAD")
        return next((m for m in harmless if not route.methods or m in route.methods), str((*route.methods, "GET")[0]))


def _within(window: During, when: datetime) -> bool:
    """Whether the window is open at ``when``: said a second time, by the minutes of the week, for what the model says by days."""
    begin, end = window.begin.minutes, window.end.minutes
    length = end - begin if begin < end else end - begin + _DAY
    opens = [d * _DAY + begin for d, day in enumerate(Weekday) if not window.days or day in window.days]
    utc = when.astimezone(UTC)
    minute = utc.weekday() * _DAY + utc.hour * 60 + utc.minute
    return any((minute - o) % (7 * _DAY) < length for o in opens)


def plain(path: str) -> str | None:
    """What httpd takes ``path`` (with ``%xx``) for, once decoded, merged and resolved; ``None`` where it must refuse it."""
    if re.search("%(2[Ff]|00)", path) or re.search("%(?![0-9A-Fa-f]{2})", path):
        return None
    decoded = _HEX.sub(lambda m: chr(int(m[1], 16)), path)
    if re.search(r"(^|/)\.{1,2};|[\x00-\x1f\x7f\\]", decoded):
        return None
    done: list[str] = []
    parts = re.sub("/+", "/", decoded).split("/")
    for part in parts[1:]:
        if part == "..":
            if not done:
                return None
            done.pop()
        elif part != ".":
            done.append(part)
    ending = "/" if parts[-1] in {".", ".."} and done else ""
    return "/" + "/".join(done) + ending
