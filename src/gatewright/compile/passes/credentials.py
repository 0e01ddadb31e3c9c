"""What a route demands besides a client certificate, decided after the certificate and only for those whom that admits.

mod_authz_core first asks every ``Require`` without a user; a certificate that is refused ends the request there, before any
password is hashed or any token is passed on. Only when nothing but the user is missing does it authenticate
(measured on httpd 2.4.71), and then everything under ``RequireAll`` must hold.

*Basic* is httpd's own (mod_auth_basic, mod_authn_file). A *bearer token* is judged by the authorizer, a small process beside
httpd, asked by FastCGI on the loopback address (mod_authnz_fcgi, which knows no unix sockets). Its answer becomes the request's
"user", and ``Require user`` compares it with what only the holder of a shared key can compute for this very request, so that
whoever else listens on that port admits nobody. No answer, no key, another answer: nobody passes.
"""

from __future__ import annotations

from gatewright.compile.expr import AllOf, Call, Eq, Expr, IsEmpty, Joined, Lit, Matches, Not, Var
from gatewright.compile.inputs import Inputs
from gatewright.compile.ir import Node, Setting, directive, section
from gatewright.compile.pages import REASON_VARIABLE
from gatewright.compile.passes.errors import explain, page
from gatewright.compile.traits import traits
from gatewright.model import reasons
from gatewright.model.credentials import AUTHORIZATION, CHECKED, KEY, PEM, PROOF, RULE, SUBJECT, Credentials, Rule
from gatewright.model.gateway import Gateway, Route
from gatewright.model.reasons import Reason

AUTHORIZER_PORT = Setting("GW_AUTHORIZER_PORT")
"""The authorizer's port on 127.0.0.1; its supervisor has taken it before httpd starts."""

NO_AUTHORIZER = "1"
"""The port where no authorizer is: nobody but root could listen there."""

_PROVIDER = "gatewright-token"
_CHALLENGE = "GW_CHALLENGE"
_DEMANDED = "GW_DEMANDED"
# What is inherited of a wider route says nothing here: this variable, set anew for each request, does.
_EVERY = ("Request_URI", "^")


def needs_authorizer(gateway: Gateway) -> bool:
    """Whether any route takes bearer tokens."""
    return traits(gateway).tokens


def authorizer(gateway: Gateway) -> tuple[Node, ...]:
    """Where tokens are judged; said once for all virtual hosts."""
    if not needs_authorizer(gateway):
        return ()
    defined = section(
        "IfDefine", f"!{AUTHORIZER_PORT.name}", children=(directive("Define", AUTHORIZER_PORT.name, NO_AUTHORIZER),)
    )
    where = ("fcgi://127.0.0.1:", AUTHORIZER_PORT, "/")
    return (defined, directive("AuthnzFcgiDefineProvider", "authn", _PROVIDER, where))


def further(credentials: Credentials | None) -> tuple[Node, ...]:
    """The ``Require`` lines that come on top of the certificate's."""
    if credentials is None:
        return ()
    if credentials.bearer is None:
        return (directive("Require", "valid-user"),)
    key = Call("osenv", Lit(KEY))
    parts = (
        key,
        Lit(f"|{Rule.of(credentials.bearer).encoded()}|"),
        Call("reqenv", Lit("UNIQUE_ID")),
        Lit("|"),
        Call("sha1", Var("HTTP:Authorization")),
        Lit("|"),
        Call("sha1", Var("SSL_CLIENT_CERT")),
    )
    return (
        directive("Require", "expr", Expr(Matches(key, "^[0-9a-f]{64}$"))),
        directive("Require", "user", Expr(Call("sha1", Joined(parts)))),
    )


def demanded(inputs: Inputs, route: Route) -> tuple[Node, ...]:
    """How they are asked for and checked, and what a backend learns. Locations inherit, so each kind switches off the other."""
    credentials = route.credentials
    if credentials is None:
        return (directive("SetEnvIf", *_EVERY, f"!{_DEMANDED}"),) if traits(inputs.gateway).credentials else ()
    kind = "basic" if credentials.bearer is None else "bearer"
    own = Eq(Call("reqenv", Lit(_DEMANDED)), Lit(kind))
    said = (
        directive("AuthName", str(inputs.gateway.hosts[0])),
        explain(401, reasons.CREDENTIALS_REQUIRED),
    )
    if credentials.bearer is None:
        users = f"{inputs.layout.credentials}/{credentials.basic}"
        return (
            *said,
            directive("AuthType", "Basic"),
            directive("AuthBasicProvider", "file"),
            directive("AuthUserFile", users),
            *((directive("AuthnzFcgiCheckAuthnProvider", "None"),) if needs_authorizer(inputs.gateway) else ()),
            directive("SetEnvIf", *_EVERY, f"{_DEMANDED}={kind}", f"!{RULE}", f"!{PEM}", f"!{AUTHORIZATION}"),
            # The password is the gateway's business; the backend learns the user's name.
            directive("RequestHeader", "unset", "Authorization", Expr(own, "expr=")),
            directive(
                "RequestHeader",
                "set",
                "X-Basic-User",
                Expr(Call("escape", Var("REMOTE_USER")), "expr="),
                Expr(own, "expr="),
            ),
        )
    return (
        *said,
        directive("AuthType", "Bearer"),
        directive("SetEnvIf", *_EVERY, f"{_DEMANDED}={kind}", f"{RULE}={Rule.of(credentials.bearer).encoded()}"),
        # httpd keeps both from programs; the authorizer is one.
        directive("SetEnvIfExpr", Expr(Matches(Var("SSL_CLIENT_CERT"), "^((?s).+)$")), f"{PEM}=$1"),
        directive("SetEnvIfExpr", Expr(Matches(Var("HTTP:Authorization"), "^(.+)$")), f"{AUTHORIZATION}=$1"),
        directive("AuthnzFcgiCheckAuthnProvider", _PROVIDER, "Authoritative", "On", "RequireBasicAuth", "Off", "UserExpr",
                  Expr(Call("reqenv", Lit(PROOF)))),
        directive("RequestHeader", "set", "X-Token-Subject", Expr(Call("reqenv", Lit(SUBJECT)), "expr="), Expr(own, "expr=")),
    )  # fmt: skip


def failures(route: Route) -> tuple[Node, ...]:
    """A 500 before the authorizer could answer is its silence; one after it is whatever the route's other failures are."""
    if route.credentials is None or (route.credentials.bearer is None and route.backend is not None):
        return ()
    if route.backend is None:
        return (explain(500, reasons.CREDENTIALS_UNAVAILABLE),)
    unchecked = page(reasons.CREDENTIALS_UNAVAILABLE).removesuffix(".asis")
    told_apart = (f"{unchecked}%{{reqenv:{CHECKED}}}.asis",)
    return (directive("ErrorDocument", "500", told_apart),)


def which_challenge(gateway: Gateway) -> tuple[Node, ...]:
    """For the location of the error pages: which reason a 401 has, and the challenge for tokens (mod_auth_basic writes its own)."""
    if all(route.credentials is None for route in gateway.routes.values()):
        return ()

    def variable(name: str) -> Call:
        return Call("reqenv", Lit(f"REDIRECT_{name}"))

    def say(reason: Reason) -> tuple[Node, ...]:
        return (directive("SetEnv", REASON_VARIABLE, reason.code),)

    unauthorized = Eq(variable("STATUS"), Lit("401"))
    by_token = Not(IsEmpty(variable(RULE)))
    given = Not(IsEmpty(Var("HTTP:Authorization")))
    nodes: list[Node] = [
        section("If", Expr(unauthorized), children=say(reasons.CREDENTIALS_REQUIRED)),
        section("If", Expr(AllOf((unauthorized, given))), children=say(reasons.CREDENTIALS_INVALID)),
    ]
    if needs_authorizer(gateway):
        elsewhere = Eq(variable(PROOF), Lit(reasons.TOKEN_BOUND_ELSEWHERE.code))
        realm = f'Bearer realm="{gateway.hosts[0]}"'
        challenge = Expr(Call("reqenv", Lit(_CHALLENGE)), "expr=")
        # RFC 6750 §3.1: no error code where the request carried no credentials.
        refused = (*say(reasons.TOKEN_INVALID), directive("SetEnv", _CHALLENGE, f'{realm}, error="invalid_token"'))
        nodes += [
            directive("SetEnv", _CHALLENGE, realm),
            section("If", Expr(AllOf((unauthorized, given, by_token))), children=refused),
            section(
                "If",
                Expr(AllOf((unauthorized, given, by_token, elsewhere))),
                children=say(reasons.TOKEN_BOUND_ELSEWHERE),
            ),
            directive(
                "Header", "always", "set", "WWW-Authenticate", challenge, Expr(AllOf((unauthorized, by_token)), "expr=")
            ),
        ]
    return tuple(nodes)
