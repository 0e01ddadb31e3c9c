"""Where requests of the prover's own test identities end: at its canary, never at anything real.

Test certificates carry a mark in their subject. Their requests are rewritten to the canary's socket while URLs are
translated, which comes before authorization: the route's own ``Require`` still judges the request by its own path, with the
certificate as it is, and a refused one stays refused. What an admitted one carries to the canary is what a backend would get.
``SetHandler`` in ``<If>`` does not do: a route with ``ProxyPass`` has its destination already, and mod_alias' ``Redirect``
answers before the route's rules are asked (measured on httpd 2.4.71).

The mark is in the certificate, so no state can be lost. A client whose CA marks it itself shuts only itself out.
"""

from __future__ import annotations

from gatewright.compile.expr import AllOf, Call, Eq, Expr, IsEmpty, Lit, Var
from gatewright.compile.handshake import Handshake, handshake
from gatewright.compile.inputs import Inputs
from gatewright.compile.ir import Comment, Node, directive
from gatewright.compile.passes.errors import explain
from gatewright.model import reasons
from gatewright.model.canary import MARK, SOCKET

_MARKED = Eq(Var("SSL_CLIENT_S_DN_OU"), Lit(MARK))
# An error page is an internal redirect; it has to be shown, not sent to the canary.
_FIRST = IsEmpty(Call("reqenv", Lit("REDIRECT_STATUS")))


def canary(inputs: Inputs) -> tuple[Node, ...]:
    """The rule of one virtual host. The socket's path is relative to ``DefaultRuntimeDir``.

    With nobody listening, which is the rule, marked requests get 502 and go nowhere.
    """
    if handshake(inputs.gateway) is Handshake.NONE:
        return ()
    return (
        Comment("Test identities of 'gatewright prove' never reach anything real: they end at its own canary."),
        directive("RewriteEngine", "on"),
        directive("RewriteCond", "expr", Expr(AllOf((_MARKED, _FIRST)))),
        directive("RewriteRule", "^", f"unix:{SOCKET}|http://canary.gatewright.invalid/", "[P]"),
        explain(503, reasons.BACKEND_UNREACHABLE),
    )
