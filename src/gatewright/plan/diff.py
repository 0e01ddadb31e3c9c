"""What a change of the gateway file will do, before it happens: who gains, who loses, and what needs a human's yes."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from gatewright.model.credentials import Binding
from gatewright.model.gateway import Access, Authority, Backend, Client, During, Gateway, Route
from gatewright.model.values import Name, RoutePath
from gatewright.plan.handshake_plan import HandshakePlan


class Kind(enum.StrEnum):
    """What a change is about. The values are part of the JSON output."""

    ROUTE_ADDED = "route-added"
    ROUTE_REMOVED = "route-removed"
    ROUTE_OPENED = "route-opened"
    ACCESS_WIDENED = "access-widened"
    ACCESS_NARROWED = "access-narrowed"
    HOURS = "hours"
    METHODS = "methods"
    CREDENTIALS = "credentials"
    CONTENT = "content"
    AUTHORITY_ADDED = "authority-added"
    AUTHORITY_REMOVED = "authority-removed"
    AUTHORITY_CHANGED = "authority-changed"
    HOSTS = "hosts"
    LISTEN = "listen"
    CERTIFICATE = "certificate"
    CONFIGURATION = "configuration"


@dataclass(frozen=True, slots=True)
class Change:
    """One consequence. ``asks``: it happens only with a human's yes. ``gains`` and ``loses`` name who, in words."""

    kind: Kind
    subject: str
    text: str
    asks: bool = False
    gains: tuple[str, ...] = ()
    loses: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """The JSON form."""
        return {
            "kind": self.kind.value,
            "subject": self.subject,
            "text": self.text,
            "needs_yes": self.asks,
            "gains": list(self.gains),
            "loses": list(self.loses),
        }


@dataclass(frozen=True, slots=True)
class Trust:
    """What was trusted or served: SHA-256 and subject of each issuing CA by authority."""

    anchors: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)

    def subjects(self, authority: str) -> tuple[str, ...]:
        """The subjects of an authority's issuing CAs."""
        return tuple(subject for _, subject in self.anchors.get(authority, ()))


@dataclass(frozen=True, slots=True)
class Difference:
    """Everything a change does. ``first``: nothing was applied before. ``reload``: httpd takes a new configuration."""

    changes: tuple[Change, ...]
    handshakes: tuple[HandshakePlan, ...] = ()
    handshakes_before: tuple[HandshakePlan, ...] = ()
    first: bool = False
    reload: bool = False

    @property
    def asks(self) -> tuple[Change, ...]:
        """What needs a human's yes."""
        return tuple(change for change in self.changes if change.asks)

    def as_dict(self) -> dict[str, object]:
        """The JSON form."""
        return {
            "first": self.first,
            "reload": self.reload,
            "needs_yes": bool(self.asks),
            "changes": [change.as_dict() for change in self.changes],
            "handshakes": [plan.as_dict() for plan in self.handshakes],
            "handshakes_before": [plan.as_dict() for plan in self.handshakes_before],
        }


def changes(old: Gateway | None, new: Gateway, before: Trust, after: Trust) -> tuple[Change, ...]:
    """From ``old`` (``None``: nothing was applied) to ``new``, what asks for a yes first."""
    found = [*_listener(old, new), *_authorities(old, new, before, after), *_routes(old, new)]
    return tuple(sorted(found, key=lambda change: not change.asks))


# --- who --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Party:
    """Everybody, any client of one authority, or one named client. ``client`` is what identifies it, not its name."""

    authority: Name | None = None
    client: Client | None = None
    name: str = field(default="", compare=False)

    def covers(self, other: _Party) -> bool:
        """Whether whoever is ``other`` is this as well."""
        if self.authority is None:
            return True
        if other.authority != self.authority:
            return False
        if self.client is None or other.client is None:
            return self.client is None
        if self.client.subject is None:
            return self.client.matcher == other.client.matcher
        mine = set(self.client.subject.parts())
        return other.client.subject is not None and mine <= set(other.client.subject.parts())

    def __str__(self) -> str:
        if self.authority is None:
            return "everybody"
        if self.client is None:
            return f"any client of {self.authority}"
        return f"{self.name} ({self.client.known_as}, of {self.authority})"


_EVERYBODY = _Party()


def _parties(gateway: Gateway, route: Route | None) -> tuple[_Party, ...]:
    if route is None:
        return ()
    if route.access.is_public:
        return (_EVERYBODY,)
    if route.access.admits_any_client:
        return tuple(_Party(name) for name in gateway.authorities)
    named = ((name, gateway.clients[name]) for name in gateway.admitted(route.access))
    whole = tuple(_Party(name) for name in route.access.any_of)
    return (*whole, *(_Party(client.authority, client, str(name)) for name, client in named))


def _beyond(some: Iterable[_Party], others: tuple[_Party, ...]) -> tuple[str, ...]:
    """Those of ``some`` whom none of ``others`` covers, in words."""
    return tuple(str(party) for party in some if not any(other.covers(party) for other in others))


# --- where ------------------------------------------------------------------------------------------------------------


def governing(gateway: Gateway, path: str) -> Route | None:
    """The route that decides on requests for ``path``: itself, or the longest that covers it; ``None``: refused.

    An exact route also shuts what lies below it, as its configuration does.
    """
    exact = gateway.routes.get(RoutePath(path))
    if exact is not None:
        return exact
    end = len(path)
    while (end := path.rfind("/", 0, end)) >= 0:
        tree = gateway.routes.get(RoutePath(path[: end + 1]))
        if tree is not None:
            return tree
        if end and RoutePath(path[:end]) in gateway.routes:
            return None
    return None


def _places(gateway: Gateway) -> Iterator[str]:
    """One path of every region in which one route decides: the route's own, and what an exact one shuts below it."""
    for path in gateway.routes:
        yield path
        if not path.is_tree:
            yield path + "/"


def _routes(old: Gateway | None, new: Gateway) -> Iterator[Change]:
    before = old.routes if old is not None else {}
    everywhere = {**dict.fromkeys(_places(old) if old is not None else ()), **dict.fromkeys(_places(new))}
    for place in sorted(everywhere):
        path = RoutePath(place)
        was = governing(old, place) if old is not None else None
        is_now = governing(new, place)
        if path in before and path not in new.routes:
            yield _removed(old, new, path, was, is_now)
        elif path in new.routes and path not in before:
            yield _added(old, new, path, was, is_now)
        elif was is not is_now or old is not None:
            yield from _changed(old, new, path, (was, is_now))


def _who(old: Gateway | None, new: Gateway, was: Route | None, now: Route | None) -> tuple[tuple[str, ...], ...]:
    earlier = _parties(old, was) if old is not None else ()
    later = _parties(new, now)
    return _beyond(later, earlier), _beyond(earlier, later)


def _removed(old: Gateway | None, new: Gateway, path: RoutePath, was: Route | None, now: Route | None) -> Change:
    gains, loses = _who(old, new, was, now)
    then = "refused" if now is None else f"falls under a wider route: {_access(new, now)}"
    return Change(
        Kind.ROUTE_REMOVED,
        path,
        f"route {path} is removed; what it served is {then}",
        asks=True,
        gains=gains,
        loses=loses,
    )


def _added(old: Gateway | None, new: Gateway, path: RoutePath, was: Route | None, now: Route | None) -> Change:
    assert now is not None
    gains, loses = _who(old, new, was, now)
    if str(_EVERYBODY) in gains:
        return Change(
            Kind.ROUTE_OPENED, path, f"route {path} is new and open to everybody", asks=True, gains=gains, loses=loses
        )
    # Where something was served already, somebody else may now reach it; where nothing was, nobody's door is changed.
    asks = was is not None and (bool(gains) or was.credentials not in {None, now.credentials})
    return Change(Kind.ROUTE_ADDED, path, f"route {path} is new, for {_access(new, now)}", asks, gains, loses)


def _changed(
    old: Gateway | None, new: Gateway, path: RoutePath, routes: tuple[Route | None, Route | None]
) -> Iterator[Change]:
    was, now = routes
    gains, loses = _who(old, new, was, now)
    place = path if path in new.routes else f"below {path}"
    if str(_EVERYBODY) in gains:
        yield Change(Kind.ROUTE_OPENED, path, f"{place} is opened to everybody", asks=True, gains=gains, loses=loses)
    elif gains:
        yield Change(
            Kind.ACCESS_WIDENED, path, f"{place} admits more: {', '.join(gains)}", asks=True, gains=gains, loses=loses
        )
    elif loses:
        yield Change(
            Kind.ACCESS_NARROWED, path, f"{place} no longer admits {', '.join(loses)}", gains=gains, loses=loses
        )
    if was is None or now is None or path not in new.routes:
        return
    if was.access.during != now.access.during:
        yield _window(path, was.access.during, now.access.during)
    if was.methods != now.methods:
        more = not now.methods or (bool(was.methods) and not set(now.methods) <= set(was.methods))
        text = f"{path} takes {', '.join(now.methods) or 'every method'} instead of {', '.join(was.methods) or 'every method'}"
        yield Change(Kind.METHODS, path, text, more)
    if was.credentials != now.credentials:
        yield _credentials(path, was, now)
    if replace(was, access=now.access, methods=now.methods, credentials=now.credentials) != now:
        yield _content(path, was, now)


def _window(path: RoutePath, was: During | None, now: During | None) -> Change:
    """Any other window may let somebody in at a time at which nobody was; only a first one cannot."""
    text = f"{path} is open {now or 'always'} instead of {was or 'always'}"
    return Change(Kind.HOURS, path, text, asks=was is not None)


def _credentials(path: RoutePath, was: Route, now: Route) -> Change:
    """Whatever replaces what was demanded may let in somebody whom that kept out; only more than before does not."""
    if was.credentials is None:
        return Change(
            Kind.CREDENTIALS,
            path,
            f"{path} demands {_demanded(now)} on top of the certificate",
            loses=("whoever has none",),
        )
    if now.credentials is None:
        text = f"{path} no longer demands {_demanded(was)} on top of the certificate"
        return Change(Kind.CREDENTIALS, path, text, asks=True, gains=("whoever has the certificate alone",))
    text = f"{path} demands {_demanded(now)} instead of {_demanded(was)}"
    return Change(
        Kind.CREDENTIALS, path, text, asks=True, gains=("whoever has those",), loses=("whoever has only the others",)
    )


def _demanded(route: Route) -> str:
    credentials = route.credentials
    if credentials is None:
        return "nothing"
    bearer = credentials.bearer
    if bearer is None:
        return f"a password of {credentials.basic}"
    bound = "bound to it" if bearer.bound is Binding.REQUIRED else "bound to it or to none"
    return f"a token of {bearer.issuer} for {bearer.audience} (keys: {bearer.jwks}), {bound}"


def _content(path: RoutePath, was: Route, now: Route) -> Change:
    """Other files or another service behind a door that is open to everybody is a door opened to those."""
    # A fixed answer stands in the gateway file itself, and a timeout of the same backend opens nothing.
    asks = now.access.is_public and now.respond is None and _target(was) != _target(now)
    asks = asks or (now.backend is not None and now.backend.signed is None and _signed(was) is not None)
    return Change(Kind.CONTENT, path, _rewrite(path, was, now), asks)


def _rewrite(path: RoutePath, was: Route, now: Route) -> str:
    if _served(was) == _served(now):
        if _shown(was) != _shown(now):
            return f"{path} shows {_served(now)} {_shown(now)} instead of {_shown(was)}"
        return f"{path} still serves {_served(now)}, in another way{_said(was, now)}"
    return f"{path} serves {_served(now)} instead of {_served(was)}"


def _signed(route: Route) -> str | None:
    return route.backend.signed if route.backend is not None else None


def _said(was: Route, now: Route) -> str:
    """What changes of that which a backend is told, and of its signature."""
    told = ""
    if was.backend is not None and now.backend is not None and was.backend.announced != now.backend.announced:
        told += f"; it is told {', '.join(now.backend.announced) or 'nothing'} of the client"
    if _signed(was) != _signed(now):
        told += f"; requests are signed as {_signed(now)}" if _signed(now) else "; requests are no longer signed"
    return told


def _target(route: Route) -> Route:
    """The route's content without what only tunes it."""
    backend = None
    if route.backend is not None:
        # The client certificate too: what a backend gives to the gateway alone, a public door would give to everybody.
        backend = Backend(route.backend.url, ca=route.backend.ca, client_certificate=route.backend.client_certificate)
    return replace(route, access=Access(), methods=(), backend=backend, credentials=None)


def _served(route: Route) -> str:
    if route.backend is not None:
        return f"the backend {route.backend.url}"
    if route.files is not None:
        return f"the files of {route.files}"
    return "a fixed answer" if route.respond is not None else "what the gateway publishes"


def _shown(route: Route) -> str:
    shown = route.backend.client_certificate if route.backend is not None else None
    if shown is None:
        return "no client certificate"
    return f"a client certificate of {shown.authority}" if shown.authority is not None else f"the one in {shown.chain}"


def _access(gateway: Gateway, route: Route) -> str:
    return ", ".join(str(party) for party in _parties(gateway, route)) or "nobody"


# --- the rest ---------------------------------------------------------------------------------------------------------


def _authorities(old: Gateway | None, new: Gateway, before: Trust, after: Trust) -> Iterator[Change]:
    had: Mapping[Name, Authority] = old.authorities if old is not None else {}
    for name, authority in new.authorities.items():
        if name not in had:
            kind = "managed here" if authority.managed else f"a partner's, from {', '.join(authority.anchors)}"
            yield Change(Kind.AUTHORITY_ADDED, name, f"authority {name} is new ({kind})", asks=True)
            continue
        was, now = before.anchors.get(name, ()), after.anchors.get(name, ())
        if had[name].managed != authority.managed:
            yield Change(Kind.AUTHORITY_CHANGED, name, f"authority {name} is now another one altogether", asks=True)
        elif (authority.host, authority.depth) != (had[name].host, had[name].depth):
            text = f"authority {name} is trusted {_where(authority)} instead of {_where(had[name])}"
            yield Change(Kind.AUTHORITY_CHANGED, name, text, asks=True)
        elif authority.names != had[name].names:
            text = (
                f"authority {name} is to vouch for {_vouched(authority)} instead of {_vouched(had[name])}; that stands in its root, "
                "so it is refused unless the root says so already"
            )
            yield Change(Kind.AUTHORITY_CHANGED, name, text, asks=True)
        elif not authority.managed and was and {h for h, _ in was} != {h for h, _ in now}:
            text = f"authority {name} has another anchor: {_names(now)} instead of {_names(was)}"
            yield Change(Kind.AUTHORITY_CHANGED, name, text, asks=True)
        elif len(now) != len(was) and was and now:
            text = f"authority {name} vouches with {len(now)} issuing CAs instead of {len(was)}: {_names(now)}"
            yield Change(Kind.AUTHORITY_CHANGED, name, text)
    for name in had:
        if name not in new.authorities:
            yield Change(Kind.AUTHORITY_REMOVED, name, f"authority {name} is no longer trusted")


def _where(authority: Authority) -> str:
    below = f", with {authority.depth} CAs below its anchor" if authority.depth else ""
    return (
        f"under the name {authority.host} alone{below}" if authority.host is not None else "under the gateway's names"
    )


def _vouched(authority: Authority) -> str:
    return ", ".join(authority.names) or "every name"


def _names(pairs: tuple[tuple[str, str], ...]) -> str:
    return "; ".join(f"{subject} (SHA-256 {sha[:16]}…)" for sha, subject in pairs)


def _listener(old: Gateway | None, new: Gateway) -> Iterator[Change]:
    if old is None:
        return
    if old.listen != new.listen:
        # Everybody's address changes, or others can reach it who could not.
        text = f"it listens on {new.listen} instead of {old.listen}"
        yield Change(Kind.LISTEN, str(new.listen), text, asks=True)
    had, has = ((*gateway.hosts, *gateway.own_hosts, *gateway.public_hosts) for gateway in (old, new))
    for host in new.public_hosts:
        if host in had and host not in old.public_hosts:
            text = f"under {host} nobody is asked for a certificate any more, and only what is public answers"
            yield Change(Kind.HOSTS, str(host), text, asks=True)
    for host in old.public_hosts:
        if host in has and host not in new.public_hosts:
            yield Change(
                Kind.HOSTS, str(host), f"under {host} certificates are asked for, and every route is there", asks=True
            )
    gone = [host for host in had if host not in has]
    come = [host for host in has if host not in had]
    if gone:
        text = f"it no longer answers as {', '.join(gone)}"
        yield Change(Kind.HOSTS, ", ".join(gone), text, asks=True)
    if come:
        yield Change(Kind.HOSTS, ", ".join(come), f"it answers as {', '.join(come)} too")
    if old.certificate != new.certificate:
        yield Change(Kind.CERTIFICATE, "server", "the server certificate comes from elsewhere")
