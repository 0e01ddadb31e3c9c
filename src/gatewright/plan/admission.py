"""Would this gateway admit this certificate there, and why? The gateway file's own words, decided step by step, by hand-written rules.

Made from the file and from what was found out about the certificate, never from the configuration: where httpd decides
otherwise, one of the two is wrong, and a test compares them. The order is httpd's: handshake, path, the methods
that are declared, access, the methods that the content can answer (measured on httpd 2.4.71).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from urllib.parse import unquote

from cryptography import x509

from gatewright.errors import Span
from gatewright.model import reasons
from gatewright.model.enrolment import enrolling_authorities
from gatewright.model.gateway import Declared, Gateway, Path, Route
from gatewright.model.values import Name, RoutePath
from gatewright.model.virtual_hosts import virtual_hosts
from gatewright.pki import matching

HANDSHAKE = "handshake_refused"
"""The code where a certificate ends the connection before any request is read."""

_UNSAFE = re.compile(r"(^|/)\.{1,2}(;|/|$)|[\x00-\x1f\x7f\\]|//")
_ANSWERED = ("GET", "HEAD", "POST", "OPTIONS")
"""What httpd answers with files and fixed texts, POST as if it were GET (measured on httpd 2.4.71)."""

_NEVER = ("TRACE", "CONNECT")


@dataclass(frozen=True, slots=True)
class Presented:
    """What was found out about the certificate. ``authority`` is the one whose CA really signed it and under which it passes;

    ``problem`` says why there is none (``authority`` may then still name who signed it), ``fix`` what helps.
    ``revoked``: the gateway has a marker against it. ``enrolled``: the clients, of those known by URI or key, whose it is by
    what the gateway wrote down; ``looked_at``: it was compared with them at all.
    """

    certificate: x509.Certificate
    authority: Name | None
    problem: str = ""
    fix: str = ""
    revoked: bool = False
    enrolled: frozenset[Name] = frozenset()
    looked_at: bool = False


@dataclass(frozen=True, slots=True)
class Asking:
    """The request: ``at`` is aware. Without ``host``, by the name under which the certificate is known. ``shut``: what a proof has shut."""

    path: str
    method: str
    at: datetime
    host: str | None = None
    shut: frozenset[RoutePath] = frozenset()


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was looked at: what, whether it went well, in words, and the line of the gateway file that says so."""

    what: str
    passed: bool
    text: str
    where: Span | None = None

    def as_dict(self) -> dict[str, object]:
        """The JSON form."""
        return {"step": self.what, "passed": self.passed, "text": self.text, "where": str(self.where or "") or None}


@dataclass(frozen=True, slots=True)
class Admission:
    """The answer. ``code`` and ``status`` are those of the gateway's refusal (:mod:`gatewright.model.reasons`), empty and 0 when

    admitted; status 0 with a code is a connection that ends in the handshake. ``needs`` is what the route demands besides a
    certificate that it admits: without it, 401 comes before anything else. ``changes`` is what would make it otherwise.
    """

    admitted: bool
    code: str = ""
    status: int = 0
    route: str = ""
    authority: str = ""
    clients: tuple[str, ...] = ()
    host: str = ""
    steps: tuple[Step, ...] = ()
    changes: tuple[str, ...] = ()
    needs: str = ""

    def as_dict(self) -> dict[str, object]:
        """The JSON form."""
        return {
            "admitted": self.admitted,
            "code": self.code or None,
            "status": self.status or None,
            "needs": self.needs or None,
            "route": self.route or None,
            "authority": self.authority or None,
            "clients": list(self.clients),
            "host": self.host,
            "steps": [step.as_dict() for step in self.steps],
            "changes": list(self.changes),
        }


def decide(declared: Declared, presented: Presented | None, asking: Asking) -> Admission:
    """Whether the request is admitted; ``presented`` is ``None`` without a certificate."""
    return _Decision(declared, presented, replace(asking, method=asking.method.upper()))()


def door(routes: Iterator[RoutePath] | set[RoutePath], path: str) -> RoutePath | None:
    """The longest route that covers ``path``; an exact route covers itself alone, and shuts what lies below it."""
    known = set(routes)
    if path in known:
        return RoutePath(path)
    parts = path.split("/")
    for size in range(len(parts) - 1, 0, -1):
        above = "/".join(parts[:size])
        if above + "/" in known:
            return RoutePath(above + "/")
        if above in known:
            return None
    return None


@dataclass
class _Decision:
    declared: Declared
    presented: Presented | None
    asking: Asking
    steps: list[Step] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    clients: tuple[Name, ...] = ()
    found: RoutePath | None = None
    needs: str = ""
    unknown_yet: bool = False
    overlooked: bool = False

    def __call__(self) -> Admission:
        code, status = self._refusal()
        authority = self.presented.authority if self.presented is not None else None
        return Admission(
            not code, code, status, str(self.found or ""), str(authority or ""), tuple(map(str, self.clients)),
            self._host(), tuple(self.steps), tuple(self.changes), self.needs,
        )  # fmt: skip

    def _host(self) -> str:
        """The name that is asked: without one given, where the certificate is known, which is another for some authorities."""
        authority = self.presented.authority if self.presented is not None else None
        own = self.declared.gateway.authorities[authority].host if authority is not None else None
        return str(self.asking.host or own or self.declared.gateway.hosts[0])

    def _view(self) -> Gateway:
        """The gateway as it is under that name."""
        host, hosts = self._host(), virtual_hosts(self.declared.gateway)
        return next((h.gateway for h in hosts if host in h.gateway.served_names), hosts[0].gateway)

    def _where(self, *path: str | int) -> Span:
        whole: Path = path
        for length in range(len(whole), -1, -1):
            place = self.declared.places.get(whole[:length])
            if place is not None:
                return Span(self.declared.file, *place)
        return Span(self.declared.file)

    def _step(self, what: str, text: str, where: Span | None = None, *, passed: bool) -> None:
        self.steps.append(Step(what, passed, text, where))

    def _refusal(self) -> tuple[str, int]:
        """The code and status of the refusal; empty and 0 when admitted."""
        if not self._handshake():
            return HANDSHAKE, 0
        if self.asking.method in _NEVER:
            self._step("method", f"{self.asking.method} is answered nowhere", passed=False)
            self.changes.append("use another method")
            return reasons.METHOD_NOT_ALLOWED.code, reasons.METHOD_NOT_ALLOWED.status
        plain = unquote(self.asking.path.split("?", 1)[0])
        if not plain.startswith("/") or _UNSAFE.search(plain):
            self._step("path", "it is not in its plain form, and servers read it in different ways", passed=False)
            self.changes.append(
                "ask for the path without dot segments, doubled slashes, backslashes and control characters"
            )
            return reasons.UNSAFE_PATH.code, reasons.UNSAFE_PATH.status
        self.found = door(set(self.declared.gateway.routes), plain)
        if self.found is None:
            self._step("route", f"no route covers {plain}", self._where("routes"), passed=False)
            self.changes.append(f"declare a route that covers {plain}")
            return reasons.NO_ROUTE.code, reasons.NO_ROUTE.status
        route = self.declared.gateway.routes[self.found]
        self._step("route", f"{self.found} covers it", self._where("routes", self.found), passed=True)
        reason = self._method(route) or self._shut(plain) or self._access(route)
        if reason is None:
            self._besides(route)
            reason = self._answered(route)
        return (reason.code, reason.status) if reason is not None else ("", 0)

    def _shut(self, path: str) -> reasons.Reason | None:
        """Whether a proof has shut the route, or one around it: that refuses everybody, whatever those routes say."""
        over = {path, f"{path}/"} | {path[: n + 1] for n, c in enumerate(path) if c == "/"}
        over |= {above.rstrip("/") for above in over}
        shut = sorted(over & self.asking.shut)
        if not shut:
            return None
        self._step("proof", f"a proof has shut {shut[0]}: it was not guarded as declared", passed=False)
        self.changes.append("see what was found: gatewright status; apply proves it again")
        return reasons.ROUTE_SHUT

    def _besides(self, route: Route) -> None:
        """What is demanded on top; it does not count against the certificate."""
        if route.credentials is None:
            return
        self.needs = "password" if route.credentials.bearer is None else "bearer token"
        text = f"a {self.needs} is demanded besides; without it the answer is 401 {reasons.CREDENTIALS_REQUIRED.code}"
        self._step("credentials", text, self._where("routes", str(self.found), "credentials"), passed=True)

    def _answered(self, route: Route) -> reasons.Reason | None:
        if route.backend is not None or self.asking.method in _ANSWERED:
            return None
        self._step("method", f"httpd answers no {self.asking.method} with a file or a fixed text", passed=False)
        self.changes.append(f"use one of {', '.join(_ANSWERED)}")
        return reasons.METHOD_NOT_ALLOWED

    def _handshake(self) -> bool:
        """Whether the connection gets as far as a request."""
        who, view = self.presented, self._view()
        asks = bool(view.authorities) and any(not r.access.is_public for r in view.routes.values())
        if who is None:
            if asks and not any(r.access.is_public for r in view.routes.values()):
                self._step("handshake", "no certificate, and every route asks for one", passed=False)
                self.changes.append("present a client certificate")
                return False
            self._step("handshake", "no certificate is presented", passed=True)
            return True
        if not asks:
            self._step("handshake", "no certificate is asked for or looked at under this name", passed=True)
            self.overlooked = True
            return True
        where = self._where("authorities", who.authority) if who.authority is not None else self._where("authorities")
        if who.problem:
            self._step("authority", who.problem, where, passed=False)
            self.changes.append(who.fix)
            return False
        assert who.authority is not None
        if who.authority not in view.authorities:
            text = f"a CA of {who.authority} signed it, which is not trusted under the name {self._host()}"
            self._step("authority", text, where, passed=False)
            own = self.declared.gateway.authorities[who.authority].host
            self.changes.append(f"ask under the name {own or self.declared.gateway.hosts[0]}")
            return False
        text = f"a CA of {who.authority} signed it; it is in time and made for clients"
        self._step("authority", text, where, passed=True)
        return True

    def _method(self, route: Route) -> reasons.Reason | None:
        allowed = set(route.methods) | ({"HEAD"} if "GET" in route.methods else set())
        where = self._where("routes", str(self.found), "methods")
        if route.publish is not None and not route.methods:
            allowed = {"GET", "HEAD"}
        if self.asking.method in allowed or not allowed:
            return None
        self._step("method", f"{self.asking.method} is not for this route", where, passed=False)
        self.changes.append(f"use one of {', '.join(sorted(allowed))}")
        return reasons.METHOD_NOT_ALLOWED

    def _access(self, route: Route) -> reasons.Reason | None:
        access, place = route.access, ("routes", str(self.found), "access")
        where = self._where(*place)
        if access.is_public:
            self._step("access", "it is public", where, passed=True)
            return None
        who = None if self.overlooked else self.presented
        if who is None or who.authority is None:
            self._step("access", "it asks for a client certificate", where, passed=False)
            self.changes.append("present a client certificate that this route admits")
            return reasons.CERTIFICATE_REQUIRED
        if who.revoked:
            self._step("revocation", "the gateway has revoked it, or put it on hold", passed=False)
            self.changes.append("issue another one, or end a hold: gatewright cert release")
            return reasons.CERTIFICATE_REVOKED
        self._step("revocation", "the gateway has not revoked it", passed=True)
        if not self._named(route, who):
            return self._first_contact(who) or reasons.CERTIFICATE_NOT_AUTHORISED
        if access.during is not None:
            is_open, at = access.during.covers(self.asking.at), self.asking.at.astimezone(UTC)
            text = f"{'open' if is_open else 'shut'} at {at:%a %Y-%m-%d %H:%M} UTC: {access.during}"
            self._step("during", text, self._where(*place, "during"), passed=is_open)
            if not is_open:
                self.changes.append(f"come when it is open: {access.during}")
                return self._first_contact(who) or reasons.OUTSIDE_HOURS
        return None

    def _first_contact(self, who: Presented) -> reasons.Reason | None:
        """Who is refused before anybody has looked is told to come again, whatever comes of it."""
        if who.looked_at or who.authority not in enrolling_authorities(self.declared.gateway):
            return None
        text = "the gateway has not looked at it yet: its first request is answered so, the next one by what was found"
        self._step("first contact", text, passed=False)
        self.changes.append("send the request again after a second, or enrol it before: gatewright client enrol")
        return reasons.CERTIFICATE_NOT_ENROLLED_YET

    def _named(self, route: Route, who: Presented) -> bool:
        """Whether the access list is for this certificate, with the line that says so, or why each name is not."""
        gateway, access, place = self.declared.gateway, route.access, ("routes", str(self.found), "access")
        matches = {
            n: matching.match(c, who.certificate) for n, c in gateway.clients.items() if c.authority == who.authority
        }
        self.clients = tuple(name for name, found in matches.items() if found.matches)
        if access.admits_any_client:
            self._step("access", "any verified client is admitted", self._where(*place), passed=True)
            return True
        if who.authority in access.any_of:
            index = access.any_of.index(who.authority)
            where = self._where(*place, "any-of", index)
            self._step("access", f"any client of {who.authority} is admitted", where, passed=True)
            return True
        for index, name in enumerate(access.names):
            members = gateway.groups.get(name, (name,))
            hit = next((m for m in members if m in self.clients and self._recognised(m, who)), None)
            if hit is not None:
                as_ = f"as {hit}" + (f" of the group {name}" if hit != name else "")
                where = self._where(*place, "clients", index) if self._is_mapping(place) else self._where(*place, index)
                self._step("access", f"admitted {as_}: {matches[hit].reason}", where, passed=True)
                return True
        for name in gateway.members(access.names):
            client = gateway.clients[name]
            if name in self.clients:
                why = f"it is ({matches[name].reason}), but is not enrolled as that in what the gateway runs"
                self._step("access", f"not yet {name}: {why}", self._where("clients", name), passed=False)
                self.unknown_yet = True
                continue
            why = (
                matches[name].reason if name in matches else f"it is of {client.authority}, this one of {who.authority}"
            )
            self._step("access", f"not {name}: {why}", self._where("clients", name), passed=False)
        if not access.names:
            self._step("access", f"no client of {who.authority} is admitted", self._where(*place), passed=False)
        where = self._where(*place)
        if self.unknown_yet:
            self.changes += ["bring the gateway file into force: gatewright apply"] if who.looked_at else []
        elif self.clients:
            self.changes.append(f"add {self.clients[0]} to the route's 'access' ({where})")
        else:
            self.changes.append(
                f"declare a client of {who.authority} that it matches, and add that to the route's 'access' ({where})"
            )
        return False

    def _recognised(self, name: Name, who: Presented) -> bool:
        """Whether the gateway would see that it is this client: where httpd cannot compare, by what was written down."""
        return not self.declared.gateway.clients[name].by_enrolment or name in who.enrolled

    def _is_mapping(self, place: tuple[str, ...]) -> bool:
        return (*place, "clients") in self.declared.places
