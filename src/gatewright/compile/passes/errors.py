"""Which page tells which refusal."""

from __future__ import annotations

from gatewright.compile.expr import Call, Condition, Expr, IsEmpty, Lit, Matches, Not, Var
from gatewright.compile.inputs import Inputs
from gatewright.compile.ir import Arg, Node, directive, section
from gatewright.compile.pages import HOURS, REASON_VARIABLE, page_name
from gatewright.compile.passes.access import VERIFIED, has_hours, marker
from gatewright.model import reasons
from gatewright.model.reasons import Reason

RESERVED = "/.gatewright/"
"""The gateway's own path. Reached only from inside, by httpd's internal redirect to an error page."""

_INSIDE: Condition = Not(IsEmpty(Call("reqenv", Lit("REDIRECT_STATUS"))))

_BY_STATUS = (
    reasons.BAD_REQUEST,
    reasons.NOT_FOUND,
    reasons.METHOD_NOT_ALLOWED,
    reasons.MISDIRECTED,
)


def page(reason: Reason) -> str:
    """The internal address of the page for ``reason``."""
    return f"{RESERVED}{page_name(reason)}.asis"


def explain(status: int, reason: Reason) -> Node:
    """Answers ``status`` with the page for ``reason``."""
    return directive("ErrorDocument", str(status), page(reason))


def error_pages(inputs: Inputs) -> tuple[Node, ...]:
    """Which page answers which status in one virtual host, and where the pages stand."""
    return (
        *(explain(reason.status, reason) for reason in _BY_STATUS),
        explain(500, _whose_failure(inputs)),
        explain(403, reasons.NO_ROUTE),
        directive("Alias", RESERVED, f"{inputs.layout.pages}/"),
    )


def reserved(inputs: Inputs, *besides: Node) -> Node:
    """The location the pages are served from, with ``besides``; comes after the one that denies everything."""
    return section("Location", RESERVED, children=_location(inputs, *besides))


def _whose_failure(inputs: Inputs) -> Reason:
    """Whose failure a 500 is that httpd makes outside every route.

    On HTTP/2 that is where it ends up when a backend hangs up (measured on 2.4.71).
    """
    proxies = any(route.backend is not None for route in inputs.gateway.routes.values())
    return reasons.BACKEND_INVALID if proxies else reasons.INTERNAL_ERROR


def backend_errors() -> tuple[Node, ...]:
    """On a backend's route every 5xx that httpd makes itself is about the backend.

    httpd answers 503 when it cannot connect, 500 when the backend hangs up or its certificate is wrong, and 502 both for
    broken answers and for silence; only the note ``proxy_timedout`` tells the last two apart, and only an expression in
    ``ErrorDocument`` still sees that note (measured on 2.4.71).
    """
    broken = page(reasons.BACKEND_INVALID).removesuffix(".asis")
    told_apart: Arg = (f"{broken}%{{note:proxy_timedout}}.asis",)
    return (
        explain(500, reasons.BACKEND_INVALID),
        directive("ErrorDocument", "502", told_apart),
        explain(503, reasons.BACKEND_UNREACHABLE),
        explain(504, reasons.BACKEND_TIMEOUT),
    )


def _location(inputs: Inputs, *besides: Node) -> tuple[Node, ...]:
    html = section(
        "If",
        Expr(Matches(Var("HTTP_ACCEPT"), "text/html")),
        children=(directive("ForceType", "text/html; charset=utf-8"),),
    )
    return (
        directive("Require", "expr", Expr(_INSIDE)),
        directive("ProxyPass", "!"),
        directive("AllowMethods", "reset"),
        directive("SetHandler", "send-as-is"),
        directive("SetOutputFilter", "INCLUDES"),
        directive("Options", "+IncludesNoExec"),
        directive("SSLOptions", "+StdEnvVars"),
        directive("ForceType", "application/json"),
        html,
        *(_which_denial(inputs) if any(not r.access.is_public for r in inputs.gateway.routes.values()) else ()),
        *besides,
    )


def _which_denial(inputs: Inputs) -> tuple[Node, ...]:
    def say(reason: Reason) -> tuple[Node, ...]:
        return (directive("SetEnv", REASON_VARIABLE, reason.code),)

    too_early = Not(IsEmpty(Call("reqenv", Lit(f"REDIRECT_{HOURS}"))))
    by_hours = section("ElseIf", Expr(too_early), children=say(reasons.OUTSIDE_HOURS))
    return (
        *say(reasons.CERTIFICATE_NOT_AUTHORISED),
        section("If", Expr(Not(VERIFIED)), children=say(reasons.CERTIFICATE_REQUIRED)),
        section("ElseIf", Expr(marker(inputs)), children=say(reasons.CERTIFICATE_REVOKED)),
        *((by_hours,) if has_hours(inputs) else ()),
    )
