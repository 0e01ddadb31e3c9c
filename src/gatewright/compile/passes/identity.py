"""Identity for backends: what only the gateway may say is taken from every client's request, then said.

``Client-Cert`` is RFC 9440's field: the certificate's DER as a structured-field byte sequence. It is made from the PEM
that mod_ssl holds by removing the armour. Names travel percent-encoded, so no name can break a header, and no value holds a
blank. There is no ``Client-Cert-Chain``: the issuing CA is the anchor, so nothing that was verified lies between it and the
client, and what else a client sends is unverified.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

from gatewright.compile.expr import Call, Expr, Joined, Lit, Var, Word
from gatewright.compile.ir import Comment, Node, directive
from gatewright.model.gateway import Announced, Backend
from gatewright.model.signature import COVERED, FIELDS

OURS = ("Client-Cert-Chain", *COVERED, *FIELDS)
"""Header fields that backends may believe: set by the gateway, or absent."""

_LISTED = 8
"""How many alternative names of a kind are told: httpd numbers them, and has no word for all of them."""

# Names under which other proxies and servers pass a client's identity; a backend behind us may still listen to them.
_FOREIGN = (
    "X-Forwarded-Client-Cert X-Forwarded-Tls-Client-Cert X-Forwarded-Tls-Client-Cert-Info X-Client-Cert X-Client-Cert-Chain "
    "X-Client-DN X-Client-S-DN X-Client-I-DN X-Client-CN X-Client-Verify X-Client-Name X-Client-Fingerprint X-SSL-Cert "
    "X-SSL-Client-Cert X-SSL-Client-Verify X-SSL-Client-S-DN X-SSL-Client-I-DN X-SSL-Client-DN X-SSL-Client-CN "
    "X-SSL-Client-Serial X-SSL-Client-M-Serial X-SSL-Client-SHA1 X-SSL-Client-Fingerprint X-SSL-Client-Not-After "
    "X-SSL-Issuer X-SSL-Subject SSL-Client-Cert SSL-Client-Verify SSL-Client-S-DN SSL-Client-I-DN SSL-Client-M-Serial "
    "SSL-Cipher SSL-Session-Id SSL-Cipher-Usekeysize X-ARR-ClientCert X-Amzn-Mtls-Clientcert X-Amzn-Mtls-Clientcert-Leaf "
    "X-Amzn-Mtls-Clientcert-Subject X-Amzn-Mtls-Clientcert-Serial-Number X-WS-Client-Cert X-Remote-User Remote-User "
    "X-Authenticated-User X-Forwarded-User "
    # ingress-nginx, HAProxy, Google's load balancer; oauth2-proxy and what Grafana takes from proxies
    "SSL-Client-Subject-DN SSL-Client-Issuer-DN X-SSL-Client X-Client-Cert-Present X-Client-Cert-Chain-Verified "
    "X-Client-Cert-Subject-DN X-Auth-Request-User X-Auth-Request-Email X-Auth-Request-Groups "
    "X-Auth-Request-Preferred-Username X-Forwarded-Email X-Forwarded-Groups X-Forwarded-Preferred-Username X-Webauth-User"
).split()

# What says where a request came from, and what a client could use to confuse a backend (httpoxy: CVE-2016-5385).
_ORIGIN = ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Server", "X-Forwarded-Proto", "X-Forwarded-Port",
           "Forwarded", "X-Real-IP", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP", "X-Original-Forwarded-For", "Proxy")  # fmt: skip

# Where a body ends, for a server that takes these for the real fields, which httpd has not read.
_FRAMING = ("Content_Length", "Content.Length", "Transfer_Encoding", "Transfer.Encoding")

_SEPARATORS_OF_OURS = ("-", "_", ".")
_SEPARATORS_OF_OTHERS = ("-", "_")


def spellings(name: str, separators: tuple[str, ...]) -> tuple[str, ...]:
    """Every way to write ``name`` with ``separators`` in place of its hyphens: many servers read them as one."""
    words = name.split("-")
    return tuple(
        "".join(word + sep for word, sep in zip(words, (*choice, ""), strict=True))
        for choice in product(separators, repeat=len(words) - 1)
    )


def strip() -> tuple[Node, ...]:
    """Takes every identity header from the request, and keeps ``Connection`` from removing ours afterwards."""
    return (
        *taken(),
        Comment("A client could otherwise name our headers in Connection and have them removed (RFC 9110 7.6.1)."),
        directive(
            "RequestHeader",
            "edit*",
            "Connection",
            # mod_proxy ends a name at semicolons and blanks as well as at commas (ap_get_token, measured on 2.4.71).
            r"(?i)(?<![^,;\s])(client[-_.]cert([-_.]chain)?|x[-_.][a-z0-9_.-]+|forwarded)(?![^,;\s])",
            "",
        ),
        directive("RequestHeader", "set", "X-Forwarded-Proto", "https"),
    )


def taken() -> tuple[Node, ...]:
    """Takes every identity header from the request, in every spelling that something behind us might read as one of ours.

    Ours in every mixture of separators that some server folds into one: WSGI, CGI and PHP make ``X_CLIENT_SUBJECT`` of
    ``X-Client_Subject`` and ``X_Client-Subject`` as well, PHP of ``X.Client-Subject`` too. Others' in every mixture of hyphens and
    underscores, and with dots throughout. httpd can neither remove fields by a pattern nor see that one matches a pattern (of
    several that match, ``SetEnvIf`` looks at the last one's value only, which may be empty); a line costs less than can be measured.
    """
    names = [s for name in OURS for s in spellings(name, _SEPARATORS_OF_OURS)]
    for name in (*_FOREIGN, *_ORIGIN):
        names += (*spellings(name, _SEPARATORS_OF_OTHERS), name.replace("-", "."))
    names += _FRAMING
    return (
        Comment("Only the gateway speaks of identity: every spelling is taken from the client's request."),
        *(directive("RequestHeader", "unset", name) for name in dict.fromkeys(names)),
    )


def announce(backend: Backend) -> tuple[Node, ...]:
    """Sets the headers on a route that only verified clients reach."""
    return tuple(node for announced in backend.announced for node in _HOW[announced])


def unsay() -> tuple[Node, ...]:
    """Takes back every header that :func:`announce` or a signature may have set."""
    return tuple(directive("RequestHeader", "unset", name) for name in (*COVERED, *FIELDS))


def _set(name: str, word: Word) -> Node:
    return directive("RequestHeader", "set", name, Expr(word, "expr="))


def _escaped(name: str, variable: str) -> tuple[Node, ...]:
    return (_set(name, Call("escape", Var(variable))),)


def _client_cert() -> tuple[Node, ...]:
    return (
        _set("Client-Cert", Var("SSL_CLIENT_CERT")),
        directive("RequestHeader", "edit*", "Client-Cert", r"(-----(BEGIN|END) CERTIFICATE-----|[\r\n\t ])", ""),
        directive("RequestHeader", "edit", "Client-Cert", "^(.+)$", ":$1:"),
    )


def _names(name: str, variable: str) -> tuple[Node, ...]:
    """A comma between names, none within: ``escape`` leaves commas alone and turns blanks into %20 (measured on 2.4.71)."""
    words: list[Lit | Call] = []
    for number in range(_LISTED):
        words += [Call("escape", Var(f"{variable}_{number}")), Lit(" ")]
    return (
        _set(name, Joined(tuple(words))),
        directive("RequestHeader", "edit*", name, ",", "%%2C"),
        directive("RequestHeader", "edit", name, " +$", ""),
        directive("RequestHeader", "edit*", name, " +", ","),
    )


def _encoded_pem(name: str) -> tuple[Node, ...]:
    """The PEM text percent-encoded as Envoy and nginx do; ``escape`` alone would leave ``+``, which many decode to a blank.

    mod_headers reads what it puts in as a format, in which ``%%`` is a percent sign.
    """
    return (
        _set(name, Call("escape", Var("SSL_CLIENT_CERT"))),
        directive("RequestHeader", "edit*", name, "%0a", "%%0A"),
        directive("RequestHeader", "edit*", name, r"\+", "%%2B"),
        directive("RequestHeader", "edit*", name, "/", "%%2F"),
        directive("RequestHeader", "edit*", name, "=", "%%3D"),
    )


def _xfcc() -> tuple[Node, ...]:
    """Envoy's element with the keys that httpd can give exactly: no ``Hash`` (there is no SHA-256), no ``URI`` (no variable)."""
    name = "X-Forwarded-Client-Cert"
    whole = (
        Lit('Cert="'),
        Call("req_novary", Lit(name)),
        Lit('";Subject="'),
        Call("escape", Var("SSL_CLIENT_S_DN")),
        Lit('"'),
    )
    return (*_encoded_pem(name), _set(name, Joined(whole)))


def _ssl_client() -> tuple[Node, ...]:
    return (
        *_encoded_pem("X-SSL-Client-Cert"),
        _set("X-SSL-Client-Verify", Var("SSL_CLIENT_VERIFY")),
        *_escaped("X-SSL-Client-S-DN", "SSL_CLIENT_S_DN"),
        *_escaped("X-SSL-Client-I-DN", "SSL_CLIENT_I_DN"),
        _set("X-SSL-Client-Serial", Var("SSL_CLIENT_M_SERIAL")),
    )


_HOW: Mapping[Announced, tuple[Node, ...]] = {
    Announced.CLIENT_CERT: _client_cert(),
    Announced.SUBJECT: _escaped("X-Client-Subject", "SSL_CLIENT_S_DN"),
    Announced.ISSUER: _escaped("X-Client-Issuer", "SSL_CLIENT_I_DN"),
    Announced.SERIAL: (_set("X-Client-Serial", Var("SSL_CLIENT_M_SERIAL")),),
    Announced.NOT_AFTER: _escaped("X-Client-Not-After", "SSL_CLIENT_V_END"),
    Announced.DNS: _names("X-Client-DNS", "SSL_CLIENT_SAN_DNS"),
    Announced.EMAIL: _names("X-Client-Email", "SSL_CLIENT_SAN_Email"),
    Announced.XFCC: _xfcc(),
    Announced.SSL_CLIENT: _ssl_client(),
}
