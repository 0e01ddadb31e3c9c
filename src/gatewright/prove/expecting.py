"""What must come of a well-formed request: by whom, for what, over which protocol."""

from __future__ import annotations

from gatewright.model import reasons
from gatewright.model.gateway import Route
from gatewright.model.values import RoutePath
from gatewright.prove.cases import Expected, Identity, Kind, Outcome, Tls
from gatewright.prove.doors import Asks, Doors

VALID = frozenset(
    {
        Kind.CLIENT, Kind.NOT_ENROLLED, Kind.UNNAMED, Kind.OTHER_AUTHORITY, Kind.NAME_IN_CN, Kind.SECOND_NAME,
        Kind.WRONG_PART,
    }
)  # fmt: skip
"""Kinds that pass the handshake and are not revoked."""
WITHDRAWN = frozenset({Kind.REVOKED, Kind.REVOKED_ALTERED, Kind.REVOKED_MEANWHILE})

_NEVER_ADMITTED = {
    **dict.fromkeys(WITHDRAWN, reasons.CERTIFICATE_REVOKED),
    Kind.NOT_ENROLLED: reasons.CERTIFICATE_NOT_ENROLLED_YET,
}
"""Kinds that pass the handshake and no protected route, and what they are told."""

# RFC 8446 §6.2: TLS 1.3 says certificate_required (116); earlier versions have handshake_failure (40) only (RFC 5246 §7.4.6).
_NO_CERTIFICATE_ALERT = {Tls.V12: 40, Tls.V13: 116}


def refused(*of: reasons.Reason) -> Expected:
    """Refused by HTTP for one of these reasons."""
    return Expected(Outcome.REFUSED, tuple({r.status: None for r in of}), tuple(r.code for r in of))


CANARY = Expected(Outcome.ADMITTED, (200,), canary=True)
NO_HANDSHAKE = Expected(Outcome.NO_HANDSHAKE)


def expected(doors: Doors, path: str, identity: Identity, method: str, tls: Tls) -> Expected | None:
    """What must come of ``method path``; ``None`` where anything may, because the door is open to this caller without a test identity."""
    door = doors.door(path)
    route = None if door is None else doors.gateway.routes[door]
    if identity.kind is Kind.NONE:
        return _nobody(doors, door, route, method, tls)
    if identity.kind not in VALID | WITHDRAWN or identity.authority not in doors.gateway.authorities:
        return NO_HANDSHAKE
    if not doors.vouches(identity):
        return NO_HANDSHAKE
    if route is None:
        return refused(reasons.NO_ROUTE)
    return _certified(doors, route, identity, method)


def _certified(doors: Doors, route: Route, identity: Identity, method: str) -> Expected | None:
    """As :func:`expected`, for a certificate that passes the handshake and a path that a route covers."""
    if not route.access.is_public and identity.kind in _NEVER_ADMITTED:
        return refused(_NEVER_ADMITTED[identity.kind])
    if not route.access.is_public and not doors.admits(route, identity):
        return refused(reasons.CERTIFICATE_NOT_AUTHORISED)  # and is not told when it is open
    is_open = doors.is_open(route)
    if is_open is None:
        return None  # it opens or closes about now
    if not is_open:
        return refused(reasons.OUTSIDE_HOURS)
    # httpd itself refuses TRACE only after the credentials (measured on 2.4.71).
    also = () if route.credentials is None else (reasons.CREDENTIALS_REQUIRED,)
    return welcome(route) if allows(route, method) else refused(reasons.METHOD_NOT_ALLOWED, *also)


def welcome(route: Route) -> Expected:
    """What comes of a request that the certificate admits: where credentials are demanded besides, that alone is not enough.

    No test credential exists at the real gateway, so that no proof can become a way in; what is proved there of such a route is that it
    stays shut. Good ones are shown at a shadow instance (:mod:`gatewright.prove.vouching`).
    """
    return CANARY if route.credentials is None else refused(reasons.CREDENTIALS_REQUIRED)


def allows(route: Route, method: str) -> bool:
    """Whether the route takes ``method``; GET includes HEAD, TRACE is never taken."""
    if method == "TRACE":
        return False
    taken = {str(m) for m in route.methods}
    return not taken or method in taken or (method == "HEAD" and "GET" in taken)


def _nobody(doors: Doors, door: RoutePath | None, route: Route | None, method: str, tls: Tls) -> Expected | None:
    if doors.asks is Asks.DEMANDS:
        return Expected(Outcome.NO_HANDSHAKE, alerts=(_NO_CERTIFICATE_ALERT.get(tls, 40),))
    if route is None or door is None:
        return refused(reasons.NO_ROUTE)
    if not route.access.is_public:
        return refused(reasons.CERTIFICATE_REQUIRED)
    if route.backend is not None:
        return None  # would reach a real backend
    return _content(door, route) if allows(route, method) else refused(reasons.METHOD_NOT_ALLOWED)


def _content(door: RoutePath, route: Route) -> Expected:
    if route.respond is not None:
        return Expected(Outcome.ADMITTED, (route.respond.status,))
    return Expected(Outcome.ADMITTED, (404,) if door.is_tree else (200,))
