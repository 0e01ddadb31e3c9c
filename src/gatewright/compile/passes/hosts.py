"""The virtual hosts: first the one for everything unknown, then the gateway's own."""

from __future__ import annotations

import re

from gatewright.compile.expr import AllOf, Call, Condition, Eq, Expr, IsEmpty, Lit, Matches, Not, Var
from gatewright.compile.inputs import Inputs
from gatewright.compile.ir import Comment, Node, directive, section
from gatewright.compile.passes.backends import backends
from gatewright.compile.passes.canary import canary
from gatewright.compile.passes.contacts import first_contact
from gatewright.compile.passes.errors import error_pages, explain, reserved
from gatewright.compile.passes.routes import routes
from gatewright.compile.passes.server import PORT
from gatewright.compile.passes.table import lookup, tabled
from gatewright.compile.passes.tls import tls_host
from gatewright.compile.table import Table
from gatewright.model import reasons
from gatewright.model.values import RoutePath
from gatewright.model.virtual_hosts import virtual_hosts

# RFC 6761 §6.4: a name that can never be one of the gateway's.
_NOBODY = "unknown.gatewright.invalid"


def hosts(inputs: Inputs, many: Table | None) -> tuple[Node, ...]:
    """Every virtual host, the one that denies all first: httpd gives it what no name matches.

    ``many`` is the table of the routes, where there is one.
    """
    views = tuple(inputs.of(host) for host in virtual_hosts(inputs.gateway))
    named = ((n, view) for n, view in enumerate(views) if n or view.gateway.names)
    return (_unknown(views[0], many), *(_named(view, many, number) for number, view in named))


def _unknown(inputs: Inputs, many: Table | None) -> Node:
    """Unknown names, no name at all, and the gateway's IP addresses, for which clients send no name (RFC 6066 §3).

    Addresses get the same routes here; the guard behind them lets nothing pass but a nameless handshake with exactly
    that address in the Host header.
    """
    addresses = inputs.gateway.addresses
    return section(
        "VirtualHost",
        ("*:", PORT),
        children=(
            directive("ServerName", (f"{_NOBODY}:", PORT)),
            *tls_host(inputs),
            *error_pages(inputs),
            *(
                _by_address(inputs, many)
                if addresses
                else (*canary(inputs), *first_contact(inputs), _deny(), reserved(inputs))
            ),
        ),
    )


def _deny() -> Node:
    children = (directive("Require", "all", "denied"), explain(403, reasons.UNKNOWN_HOST))
    return section("Location", "/", children=children)


def _by_address(inputs: Inputs, many: Table | None) -> tuple[Node, ...]:
    either = "|".join(re.escape(a.in_url) for a in inputs.gateway.addresses)
    addressed = AllOf((IsEmpty(Var("SSL_TLS_SNI")), Matches(Var("HTTP_HOST"), f"^({either})(:[0-9]{{1,5}})?$")))
    inside = Not(IsEmpty(Call("reqenv", Lit("REDIRECT_STATUS"))))
    return (
        *_served(inputs, many, 0, addressed),
        Comment("The routes above are for requests by IP address; any other name ends here."),
        section(
            "If",
            Expr(AllOf((Not(addressed), Not(inside)))),
            children=(directive("Require", "all", "denied"), explain(403, reasons.UNKNOWN_HOST)),
        ),
    )


def _served(inputs: Inputs, many: Table | None, number: int, asked: Condition | None = None) -> tuple[Node, ...]:
    """Everything behind the handshake, of the virtual host with this number: a section for each route, or a table of them."""
    if many is None:
        return (*canary(inputs), *first_contact(inputs), *backends(inputs), *routes(inputs), *_tunnels(inputs))
    return (*lookup(inputs, many, asked), *backends(inputs), *tabled(inputs, many, number), *_tunnels(inputs))


def _tunnels(inputs: Inputs) -> tuple[Node, ...]:
    """No tunnels. A CONNECT names no path, and httpd takes it for ``/`` (measured on 2.4.71): a route there would admit it."""
    if RoutePath("/") not in inputs.gateway.routes:
        return ()
    denied = (directive("Require", "all", "denied"), explain(403, reasons.METHOD_NOT_ALLOWED))
    return (section("If", Expr(Eq(Var("REQUEST_METHOD"), Lit("CONNECT"))), children=denied),)


def _named(inputs: Inputs, many: Table | None, number: int) -> Node:
    first, *others = inputs.gateway.names
    return section(
        "VirtualHost",
        ("*:", PORT),
        children=(
            directive("ServerName", (f"{first}:", PORT)),
            *(directive("ServerAlias", name) for name in others),
            *tls_host(inputs),
            *error_pages(inputs),
            *_served(inputs, many, number),
        ),
    )
