"""First contacts: a valid certificate that nobody has looked at yet is written to a log, and its holder asked to come again.

Who it is, the supervisor finds out (``app.enrolling``). Nothing here admits anybody: without a supervisor every such
certificate stays refused.
"""

from __future__ import annotations

import re

from gatewright.compile.expr import (
    AllOf,
    AnyOf,
    Call,
    Condition,
    Eq,
    Exists,
    Expr,
    IsEmpty,
    Joined,
    Lit,
    Matches,
    Not,
    OneOf,
    Var,
)
from gatewright.compile.handshake import Handshake, handshake
from gatewright.compile.inputs import Inputs
from gatewright.compile.ir import Arg, Comment, Node, directive
from gatewright.compile.pages import DENIED
from gatewright.compile.passes.access import VERIFIED, marker
from gatewright.compile.passes.errors import RESERVED, page
from gatewright.model import reasons
from gatewright.model.canary import MARK
from gatewright.model.enrolment import KNOWN, QUIET, enrolling_authorities
from gatewright.model.values import Name

_CERTIFICATE = "SSL_CLIENT_CERT"
# What the client sent besides, of which two are kept: needed where CAs may stand between anchor and client.
_SENT = ("SSL_CLIENT_CERT_CHAIN_0", "SSL_CLIENT_CERT_CHAIN_1")

LONGEST = 10_000
"""Characters of PEM up to which a certificate is a first contact; what is sent besides as well. Three of them are less than the
longest line that is read of the log (32 KiB). Real ones have 1,000 to 4,000, and one with an ML-DSA-65 key and signature (FIPS 204)
7,600. Whoever has a longer one is enrolled beforehand (``client enrol``), or refused like a stranger: nothing of it is logged."""

_SHORT = tuple(Not(Matches(Var(variable), f"(?s)^.{{{LONGEST + 1}}}")) for variable in (_CERTIFICATE, *_SENT))

# The prover's own certificates are nobody's first contact.
_REAL = Not(Eq(Var("SSL_CLIENT_S_DN_OU"), Lit(MARK)))


def contact_log(inputs: Inputs, file: Arg) -> tuple[Node, ...]:
    r"""The log of first contacts, one line each: authority, certificate, what was sent with it; ``|`` between, ``-`` for nothing.

    httpd escapes the line ends of PEM to ``\n``. Neither a name nor PEM text can hold a ``|``.
    """
    lines = tuple(
        directive(
            "CustomLog",
            file,
            f"{name}|%{{{_CERTIFICATE}}}x{_sent(inputs, name)}",
            Expr(_to_be_logged(inputs, name), "expr="),
        )
        for name in enrolling_authorities(inputs.gateway)
    )
    said = "Valid certificates that nobody has looked at yet, of authorities with clients that httpd cannot recognise by itself."
    return (Comment(said), *lines) if lines else ()


def first_contact(inputs: Inputs) -> tuple[Node, ...]:
    """Whoever is refused before anybody has looked is told to come again; for one virtual host.

    The page for refusals is an internal redirect, and URLs of those are translated anew (measured on httpd 2.4.71), so this
    costs other requests one comparison of their path. The canary's rule comes first and has turned the engine on.
    """
    names = enrolling_authorities(inputs.gateway)
    if not names or handshake(inputs.gateway) is Handshake.NONE:
        return ()
    denied = f"^{RESERVED.replace('.', '[.]')}{DENIED}[.]asis$"
    unknown = AnyOf(tuple(AllOf((_of(inputs, name), Not(_known(inputs, name)))) for name in names))
    inside = Not(IsEmpty(Call("reqenv", Lit("REDIRECT_STATUS"))))
    condition = AllOf((inside, VERIFIED, Not(marker(inputs)), unknown, *_SHORT))
    return (
        Comment("A valid certificate that nobody has looked at yet: come again."),
        directive("RewriteCond", "expr", Expr(condition)),
        directive("RewriteRule", denied, page(reasons.CERTIFICATE_NOT_ENROLLED_YET), "[PT]"),
    )


def _sent(inputs: Inputs, name: Name) -> str:
    return "".join(f"|%{{{one}}}x" for one in _SENT) if inputs.gateway.authorities[name].host is not None else "|-|-"


def _to_be_logged(inputs: Inputs, name: Name) -> Condition:
    quiet = Exists(Lit(f"{inputs.layout.contacts}/{QUIET}/{name}"))
    return AllOf((VERIFIED, _of(inputs, name), _REAL, Not(_known(inputs, name)), Not(quiet), *_SHORT))


def _known(inputs: Inputs, name: Name) -> Exists:
    folder = f"{inputs.layout.contacts}/{KNOWN}/{name}/"
    return Exists(Joined((Lit(folder), Call("sha1", Var("SSL_CLIENT_CERT")))))


def _of(inputs: Inputs, name: Name) -> Condition:
    """Whether it is of this authority: by its issuer where several share a name, else by the name of the handshake.

    A CA that has a host of its own may have the very name of a shared one, and would use up the other's contacts.
    """
    authorities = inputs.gateway.authorities
    host = authorities[name].host
    if host is not None:
        return Eq(Var("SSL_TLS_SNI"), Lit(host))
    subjects = inputs.subjects(name)
    twins = [
        re.escape(str(a.host))
        for other, a in authorities.items()
        if a.host is not None and {*inputs.subjects(other)} & {*subjects}
    ]
    shared = OneOf(Var("SSL_CLIENT_I_DN"), subjects)
    # httpd takes a name in any case.
    return AllOf((shared, Not(Matches(Var("SSL_TLS_SNI"), f"(?i)^({'|'.join(twins)})$")))) if twins else shared
