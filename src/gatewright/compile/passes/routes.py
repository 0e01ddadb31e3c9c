"""Routes: one ``<Location>`` each, shortest first because httpd lets later sections win.

A location inherits what shorter ones set, so each says everything for itself: a public folder below a backend's path
must not be proxied, and a route without method limits below one with them must not inherit those.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from gatewright.compile.expr import AllOf, Call, Condition, Exists, Expr, IsEmpty, Lit
from gatewright.compile.inputs import Inputs
from gatewright.compile.ir import Comment, Directive, Node, directive, section
from gatewright.compile.pages import response_name
from gatewright.compile.passes.access import forget_hours, hours, requirements
from gatewright.compile.passes.backends import target
from gatewright.compile.passes.credentials import demanded, failures, further, which_challenge
from gatewright.compile.passes.errors import backend_errors, explain, reserved
from gatewright.compile.passes.identity import announce, unsay
from gatewright.compile.passes.signing import sign
from gatewright.compile.quote import Unwritable, substitution
from gatewright.model import reasons
from gatewright.model.gateway import Backend, Route
from gatewright.model.shut import shut_name
from gatewright.model.values import RoutePath

# Dot segments with parameters (/..;x/) climb out of a route at backends that drop parameters before they resolve dots;
# backslashes and control characters are read in more than one way. httpd compares after decoding.
UNSAFE = r"(^|/)\.{1,2};|[\x00-\x1f\x7f\\]"


# RFC 5280 §4.2.1.13 asks for the media type of RFC 2585 §4.2. Caches may keep a CRL for an hour, because a revocation replaces
# it at any time; that is never past its nextUpdate, because it is replaced days before (RFC 9111 §5.2.2.1, §5.2.2.2).
_CRL_HEADERS = (
    directive("AddType", "application/pkix-crl", ".crl"),
    directive("AddType", "application/x-pem-file", ".pem"),
    directive("Header", "set", "Cache-Control", "public, max-age=3600, must-revalidate"),
)


def routes(inputs: Inputs) -> tuple[Node, ...]:
    """Deny everything, then each route, then the guards that no route may override."""
    ordered = sorted(inputs.gateway.routes.items(), key=lambda item: (len(item[0]), item[0]))
    return (
        *nothing_else(),
        *_aliases(inputs, ordered),
        *published(inputs),
        *(node for path, route in ordered for node in _route(inputs, path, route)),
        *guards(inputs),
    )


def nothing_else() -> tuple[Node, ...]:
    """What no route covers is refused: every other section comes later."""
    return (
        Comment("What no route covers is refused."),
        section("Location", "/", children=(directive("Require", "all", "denied"), explain(403, reasons.NO_ROUTE))),
    )


def guards(inputs: Inputs) -> tuple[Node, ...]:
    """What no route may override: the gateway's own answers, and paths that are refused whatever they lead to."""
    return (
        reserved(inputs, *which_challenge(inputs.gateway)),
        Comment("Paths that servers read in different ways go nowhere."),
        section(
            "LocationMatch",
            UNSAFE,
            children=(directive("Require", "all", "denied"), explain(403, reasons.UNSAFE_PATH)),
        ),
    )


def _aliases(inputs: Inputs, ordered: list[tuple[RoutePath, Route]]) -> tuple[Node, ...]:
    """Where files stand, longest path first because httpd lets the first alias win."""
    found = []
    for path, route in reversed(ordered):
        if route.files is not None:
            slash = "/" if path.is_tree else ""
            found.append(directive("Alias", path, f"{inputs.layout.files_root}/{route.files}{slash}"))
        elif route.publish is not None:
            found.append(directive("Alias", path, f"{inputs.layout.files_root}/{route.publish.folder}/"))
        elif route.respond is not None:
            page = f"{inputs.layout.pages}/{response_name(route.respond)}"
            # Every path below a tree is this one file, so nothing may be appended to its name.
            found.append(
                directive("AliasMatch", f"^{re.escape(path)}", substitution(page))
                if path.is_tree
                else directive("Alias", path, page)
            )
    return tuple(found)


def published(inputs: Inputs) -> tuple[Node, ...]:
    """How published files are served; said of their folder, because routes below theirs would inherit it from a location."""
    kinds = sorted({route.publish for route in inputs.gateway.routes.values() if route.publish is not None})
    return tuple(
        section("Directory", f"{inputs.layout.files_root}/{kind.folder}", children=_CRL_HEADERS) for kind in kinds
    )


def _route(inputs: Inputs, path: RoutePath, route: Route) -> tuple[Node, ...]:
    proxy = (directive("ProxyPass", "!"),) if route.backend is None else _proxy(path, route.backend)
    is_shut = Exists(Lit(f"{inputs.layout.shut}/{shut_name(path)}"))
    around = tuple(_around(inputs, path))
    unsaid = (*forget_hours(around), *(() if route.backend is None else _unsaid(around)))
    said = (directive("SetEnv", "GW_ROUTE", path), *unsaid, *rules(inputs, route, proxy, is_shut))
    location = _location(path, said)
    if path.is_tree:
        return (location,)
    below = (directive("Require", "all", "denied"), explain(403, reasons.NO_ROUTE))
    return (location, _location(f"{path}/", below))


def rules(inputs: Inputs, route: Route, proxy: tuple[Node, ...], is_shut: Condition) -> tuple[Node, ...]:
    """All that holds on a route, but for where it leads, which is said by ``proxy`` or elsewhere."""
    return (
        *requirements(inputs, route.access, *further(route.credentials)),
        explain(403, reasons.NOT_FOUND if route.access.is_public else reasons.CERTIFICATE_REQUIRED),
        *hours(inputs, route.access),
        directive("AllowMethods", *(route.methods or _default_methods(route))),
        *demanded(inputs, route),
        *_with_failures(_content(route, proxy), failures(route)),
        *_shut(inputs, is_shut),
    )


def _shut(inputs: Inputs, is_shut: Condition) -> tuple[Node, ...]:
    """Refuse everybody as long as the route is shut.

    Not one more condition in the route's own ``Require``: that is what a proof may have found missing. httpd merges ``<If>`` after
    every ``<Location>``, so this refuses whatever those say, also what lies below the route; it never admits anybody. The gateway's
    own error pages stay reachable: they are internal redirects.
    """
    if inputs.gateway.proof is None or not inputs.gateway.proof.shuts:
        return ()
    first = IsEmpty(Call("reqenv", Lit("REDIRECT_STATUS")))
    denied = (directive("Require", "all", "denied"), explain(403, reasons.ROUTE_SHUT))
    return (section("If", Expr(AllOf((is_shut, first))), children=denied),)


def _default_methods(route: Route) -> tuple[str, ...]:
    """A CRL is only ever read; httpd would answer POST to a file as if it were GET (measured on 2.4.71)."""
    return ("reset",) if route.publish is None else ("GET",)


def _location(path: str, children: tuple[Node, ...]) -> Node:
    """The section of one path. Raises :class:`~gatewright.compile.quote.Unwritable` for a pattern.

    ``*``, ``?`` and ``[]`` turn ``<Location>`` into a pattern for the whole path, which covers nothing *below* it: what
    a shorter, more open route covers would be served in its place (measured on httpd 2.4.71).
    """
    bad = next((c for c in path if c in "*?["), None)
    if bad is not None:
        what = f"route path {path!r} holds {bad!r}, which httpd reads as a pattern"
        raise Unwritable("route-pattern", what, "the route would not cover what lies below it", f"remove {bad!r}")
    return section("Location", path, children=children)


def _with_failures(content: tuple[Node, ...], instead: tuple[Node, ...]) -> tuple[Node, ...]:
    """``content`` with another answer to a 500, if there is one."""
    kept = (n for n in content if not (instead and isinstance(n, Directive) and n.args[:1] == ("500",)))
    return (*kept, *instead)


def _content(route: Route, proxy: tuple[Node, ...]) -> tuple[Node, ...]:
    if route.backend is not None:
        identity = () if route.access.is_public else announce(route.backend)
        return (directive("SetHandler", "none"), *identity, *sign(route.backend), *proxy, *backend_errors())
    handler = "none" if route.respond is None else "send-as-is"
    return (directive("SetHandler", handler), *proxy, explain(500, reasons.INTERNAL_ERROR))


def _around(inputs: Inputs, path: RoutePath) -> Iterator[Route]:
    """The routes whose locations also hold for this path: httpd takes an exact one, ``/a``, for all below it as well."""
    ends = (end for m in re.finditer("/", path) for end in m.span() if 0 < end < len(path))
    found = (inputs.gateway.routes.get(RoutePath(path[:end])) for end in ends)
    return (route for route in found if route is not None)


def _unsaid(around: Iterable[Route]) -> tuple[Node, ...]:
    """A location runs the header lines of shorter ones before its own: what those say, and sign, is for their backends alone."""
    return unsay() if any(route.backend is not None for route in around) else ()


def _proxy(path: RoutePath, backend: Backend) -> tuple[Node, ...]:
    url = target(path, backend.url)
    return (directive("ProxyPass", url), directive("ProxyPassReverse", url))
