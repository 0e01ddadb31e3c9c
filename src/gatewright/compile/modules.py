"""Which module each directive comes from, so that exactly the modules that are used get loaded."""

from __future__ import annotations

from gatewright.compile.expr import Expr
from gatewright.compile.ir import Directive, Node, Section, walk

CORE = ""
"""Marks directives of the core, which is always there."""

_CORE = (
    "AllowEncodedSlashes AllowOverride Define ErrorDocument ErrorLog ErrorLogFormat FileETag ForceType "
    "HttpProtocolOptions IfDefine Include If Else ElseIf KeepAlive KeepAliveTimeout LimitRequestBody LimitRequestFields "
    "LimitRequestFieldSize LimitRequestLine Location LocationMatch LogLevel MaxKeepAliveRequests MergeSlashes Mutex Options "
    "Protocols RegisterHttpMethod ServerName ServerAlias ServerRoot ServerSignature ServerTokens SetHandler SetOutputFilter Timeout "
    "TraceEnable UseCanonicalName VirtualHost DefaultRuntimeDir Directory "
).split()

_BY_DIRECTIVE: dict[str, str] = dict.fromkeys(_CORE, CORE) | {
    **dict.fromkeys(
        "Listen ListenBacklog MaxRequestWorkers PidFile ServerLimit StartServers ThreadsPerChild ThreadLimit "
        "MinSpareThreads MaxSpareThreads MaxConnectionsPerChild GracefulShutdownTimeout".split(),
        "mod_mpm_event",
    ),
    **dict.fromkeys(("User", "Group"), "mod_unixd"),
    **dict.fromkeys(("Require", "RequireAll", "RequireAny", "RequireNone"), "mod_authz_core"),
    **dict.fromkeys(("AddType", "TypesConfig"), "mod_mime"),
    **dict.fromkeys(("DirectoryIndex", "DirectorySlash"), "mod_dir"),
    **dict.fromkeys(("Header", "RequestHeader"), "mod_headers"),
    **dict.fromkeys(("LogFormat", "CustomLog"), "mod_log_config"),
    **dict.fromkeys(
        "Proxy ProxySet ProxyPass ProxyPassReverse ProxyPassInterpolateEnv ProxyRequests ProxyVia".split(),
        "mod_proxy",
    ),
    "Alias": "mod_alias",
    "AliasMatch": "mod_alias",
    "AllowMethods": "mod_allowmethods",
    "RequestReadTimeout": "mod_reqtimeout",
    "SetEnv": "mod_env",
    **dict.fromkeys(("AuthType", "AuthName"), "mod_authn_core"),
    "AuthBasicProvider": "mod_auth_basic",
    "AuthUserFile": "mod_authn_file",
    **dict.fromkeys(("SetEnvIf", "SetEnvIfExpr"), "mod_setenvif"),
    **dict.fromkeys(("AuthnzFcgiDefineProvider", "AuthnzFcgiCheckAuthnProvider"), "mod_authnz_fcgi"),
    **dict.fromkeys(("RewriteEngine", "RewriteCond", "RewriteRule"), "mod_rewrite"),
}

_HANDLERS = {"send-as-is": "mod_asis"}
_FILTERS = {"INCLUDES": "mod_include"}
_PROTOCOLS = {"h2": "mod_http2"}

ALWAYS = ("mod_mpm_event", "mod_authz_core", "mod_authn_core", "mod_log_config", "mod_unixd", "mod_unique_id")
"""``mod_authn_core`` and ``mod_authz_core`` make ``Require`` work; ``mod_unique_id`` gives each request its id."""

# Needed by another module rather than by a directive of its own.
_COMPANIONS = {
    "mod_auth_basic": ("mod_authz_user",),
    "mod_authnz_fcgi": ("mod_authz_user",),
    "mod_proxy": ("mod_proxy_http",),
}


def module_of(name: str) -> str:
    """The module that brings the directive ``name``; :data:`CORE` for the core's own."""
    if name.startswith("SSL"):
        return "mod_ssl"
    if name.startswith("H2"):
        return "mod_http2"
    return _BY_DIRECTIVE[name]


# Directives whose arguments name further modules.
_TELLING = frozenset({"SetHandler", "SetOutputFilter", "Protocols", "RewriteRule"})


def modules_for(nodes: tuple[Node, ...]) -> tuple[str, ...]:
    """The modules that ``nodes`` use, in a stable order, the MPM first."""
    needed = dict.fromkeys(ALWAYS)
    known: set[str] = set()
    for node in walk(nodes):
        # Of most directives one is like all others; there may be a hundred thousand of them.
        if node.name not in known:
            for module in _modules_of(node):
                needed[module] = None
                needed.update(dict.fromkeys(_COMPANIONS.get(module, ())))
            if node.name not in _TELLING:
                known.add(node.name)
        if "mod_ssl" not in needed and any(isinstance(a, Expr) and "SSL_" in repr(a) for a in node.args):
            needed["mod_ssl"] = None
    needed.pop(CORE, None)
    return tuple(sorted(needed, key=lambda m: (m not in ALWAYS, m)))


def _modules_of(node: Directive | Section) -> tuple[str, ...]:
    words = tuple(a for a in node.args if isinstance(a, str))
    table = {"SetHandler": _HANDLERS, "SetOutputFilter": _FILTERS, "Protocols": _PROTOCOLS}.get(node.name, {})
    extra = tuple(table[w] for w in words if w in table)
    if node.name == "RewriteRule" and "[P]" in words:
        extra += ("mod_proxy", "mod_proxy_http")
    return (module_of(node.name), *extra)
