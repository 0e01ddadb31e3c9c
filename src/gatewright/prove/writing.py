"""Writes cases down: with the gateway's own name, under ids that are stable and never the same twice."""

from __future__ import annotations

from gatewright.model.values import HostName, RoutePath
from gatewright.prove.cases import Ask, Case, Expected, Family, Identity, Protocol, Session, Transport
from gatewright.prove.doors import Doors
from gatewright.prove.expecting import expected


class Writer:
    """Collects the cases of one gateway, asked under ``host``.

    ``protocols`` are those in which what depends on the protocol is tried; ``first`` marks the name that is tried first.
    """

    def __init__(self, doors: Doors, host: HostName, protocols: tuple[Protocol, ...], *, first: bool = True) -> None:
        self.doors = doors
        self.host = host
        self.protocols = protocols
        self.first = first
        self.cases: list[Case] = []
        self._ids: set[str] = set()

    @property
    def sni(self) -> str | None:
        """What stands in the handshake for it; addresses never do (RFC 6066 §3)."""
        return None if self.host.is_address else str(self.host)

    @property
    def authority(self) -> str:
        """What stands in ``Host`` for it."""
        return f"{self.host.in_url}:{{port}}"

    def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        headers: tuple[tuple[str, str], ...] = (),
        session: Session = Session.NEW,
        transport: Transport = Transport.TLS,
        raw: str = "",
        target: str = "",
    ) -> Ask:
        """A request to the gateway by its own name."""
        return Ask(path, method, self.sni, self.authority, headers, transport, session, target, raw)

    def plainly(self, family: Family, path: RoutePath, identity: Identity, protocol: Protocol, why: str) -> None:
        """A well-formed request inside a route, with what must come of it; nothing where anything may."""
        inside, method = self.doors.inside(path), self.doors.method(self.doors.gateway.routes[path])
        wanted = expected(self.doors, inside, identity, method, protocol.tls)
        if wanted is not None:
            self.add(family, str(path), self.ask(inside, method=method), identity, protocol, wanted, why, path)

    def add(  # noqa: PLR0917 - the fields of a case, in their order
        self,
        family: Family,
        label: str,
        ask: Ask,
        identity: Identity,
        protocol: Protocol,
        wanted: Expected,
        why: str,
        route: str = "",
    ) -> None:
        """One case, unless the very same is there already."""
        at = "" if self.first else f" at {self.host}"
        name = f"{family}: {identity}, {label}{at}, {protocol}"
        if name not in self._ids:
            self._ids.add(name)
            self.cases.append(Case(name, family, ask, identity, protocol, wanted, why, route))
