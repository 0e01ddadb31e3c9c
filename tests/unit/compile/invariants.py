"""What holds for every compiled tree, whatever the gateway file says: each rule gives a sentence for each breach."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from gatewright.compile.expr import Eq, Expr, Lit
from gatewright.compile.gateway import table_of
from gatewright.compile.handshake import Handshake, handshake
from gatewright.compile.inputs import Inputs
from gatewright.compile.ir import Comment, Directive, Node, Section, directive, section, walk
from gatewright.compile.passes.errors import RESERVED
from gatewright.compile.passes.server import PORT
from gatewright.compile.quote import expression
from gatewright.compile.table import NOWHERE, SHUT
from gatewright.model.enrolment import enrolling_authorities
from gatewright.model.gateway import Route
from gatewright.model.values import Name, RoutePath
from gatewright.model.virtual_hosts import VirtualHost, virtual_hosts

Rule = Callable[[Inputs, tuple[Node, ...]], Iterator[str]]

_NEVER = frozenset(
    "SSLOCSPEnable SSLRequire SSLRequireSSL Satisfy Order Allow Deny AuthMerging IncludeOptional RewriteMap "
    "SSLInsecureRenegotiation SSLStaplingCache AddHandler ScriptAlias CGIPassAuth ProxyPassMatch "
    "ProxyRemote".split()
)
# Each in its own way may stand several times in one scope; the number of arguments that tell two of them apart.
_MANY = {
    "LoadModule": 1,
    "SetEnvIfExpr": 1,
    "Define": 1,
    "ServerAlias": 1,
    "AddType": 1,
    "RequestHeader": 9,
    "Require": 9,
    "ErrorDocument": 1,
    "Alias": 1,
    "AliasMatch": 1,
    "SetEnv": 1,
    "CustomLog": 2,
    "RewriteCond": 9,
    "RewriteRule": 9,
    "ProxyPass": 1,
}


def violations(inputs: Inputs, nodes: tuple[Node, ...]) -> list[str]:
    """Every breach of every rule."""
    return [sentence for rule in RULES for sentence in rule(inputs, nodes)]


def _hosts(nodes: tuple[Node, ...]) -> list[Section]:
    return [n for n in nodes if isinstance(n, Section) and n.name == "VirtualHost"]


def _inside(section: Section, name: str) -> list[tuple[object, ...]]:
    return [n.args for n in section.children if isinstance(n, Directive) and n.name == name]


def _sections(host: Section) -> list[Section]:
    return [n for n in host.children if isinstance(n, Section) and n.name in {"Location", "LocationMatch"}]


def _denies(section: Section) -> bool:
    return _inside(section, "Require") == [("all", "denied")]


def _called(host: Section) -> str:
    names = [args[0] for args in _inside(host, "ServerName") if args]
    return str(names[0][0])[:-1] if names and isinstance(names[0], tuple) else ""


def _apart(inputs: Inputs, host: Section) -> Name | None:
    """The authority that the virtual host is for alone."""
    return next((n for n, a in inputs.gateway.authorities.items() if a.host == _called(host)), None)


def _view(inputs: Inputs, host: Section) -> VirtualHost:
    """What is known under the host's name; under no name of the gateway's, what the shared one knows."""
    views = virtual_hosts(inputs.gateway)
    return next((view for view in views if _called(host) in view.gateway.hosts), views[0])


def unknown_names_are_denied(inputs: Inputs, nodes: tuple[Node, ...]) -> Iterator[str]:
    """The first virtual host is nobody's, and lets nothing pass but requests by address."""
    first = _hosts(nodes)[0]
    if _inside(first, "ServerName") != [(("unknown.gatewright.invalid:", PORT),)]:
        yield "the first virtual host has a name that somebody could ask for"
    if _inside(first, "ServerAlias"):
        yield "the first virtual host has aliases"
    granted = any(n.name == "Require" and n.args == ("all", "granted") for n in walk(first.children))
    if not inputs.gateway.addresses and granted:
        yield "the first virtual host grants something"
    last = first.children[-1]
    if inputs.gateway.addresses and not (isinstance(last, Section) and last.name == "If" and _denies(last)):
        yield "the first virtual host does not end with its guard"


def server_names_are_unique(inputs: Inputs, nodes: tuple[Node, ...]) -> Iterator[str]:
    """Each virtual host has a name of its own with the port, since equal ones share sessions; every declared name is there."""
    called = {str(name[0][0])[:-1] for host in _hosts(nodes) for name in _inside(host, "ServerName") if name[0]}  # type: ignore[index]
    called |= {str(name[0]) for host in _hosts(nodes) for name in _inside(host, "ServerAlias")}
    if called != {
        *inputs.gateway.names,
        *inputs.gateway.own_hosts,
        *inputs.gateway.public_hosts,
        "unknown.gatewright.invalid",
    }:
        yield "the virtual hosts are not those of the declared names"
    names = [name for host in _hosts(nodes) for name in _inside(host, "ServerName")]
    names += [n.args for n in nodes if isinstance(n, Directive) and n.name == "ServerName"]
    if len(set(names)) != len(names) or len(names) != len(_hosts(nodes)) + 1:
        yield "a server name is missing or stands twice"
    if not all(isinstance(name[0], tuple) and name[0][-1] == PORT for name in names):
        yield "a server name has no port"


def handshakes_are_sound(inputs: Inputs, nodes: tuple[Node, ...]) -> Iterator[str]:
    """What is asked in the handshake is asked for the whole host, of the routes' mode.

    Shared hosts have anchors of depth 0; one authority's own host has that authority's anchors only, as deep as declared.
    """
    for host in _hosts(nodes):
        apart = _apart(inputs, host)
        mode = handshake(_view(inputs, host).gateway)
        if _inside(host, "SSLVerifyClient") != [(mode.value,)]:
            yield f"a host's SSLVerifyClient is not {mode}"
        wanted: dict[str, list[tuple[object, ...]]] = {
            "SSLVerifyDepth": [("0",)],
            "SSLCACertificateFile": [("anchors.trusted.pem",)],
            "SSLCADNRequestFile": [("anchors.pem",)],
        }
        if apart is not None:
            root = next(a.self_signed for a in inputs.anchors if a.authority == apart)
            wanted = {
                "SSLVerifyDepth": [(str(inputs.gateway.authorities[apart].depth + root),)],
                "SSLCACertificateFile": [(f"anchors-{apart}.trusted.pem",)],
                "SSLCADNRequestFile": [(f"anchors-{apart}.pem",)],
            }
        for name, value in wanted.items():
            if _inside(host, name) != ([] if mode is Handshake.NONE else value):
                yield f"a host's {name} is wrong"
        for name, setting in (("SSLEngine", "on"), ("SSLSessionTickets", "off"), ("SSLCompression", "off")):
            if _inside(host, name) != [(setting,)]:
                yield f"a host's {name} is not {setting}"
        if _inside(host, "SSLProtocol") != [("-all", "+TLSv1.2", "+TLSv1.3")]:
            yield "a host's protocols are wrong"
        inner = [n for section in host.children if isinstance(section, Section) for n in walk(section.children)]
        if any(n.name.startswith("SSL") and not n.name.startswith(("SSLProxy", "SSLOptions")) for n in inner):
            yield "TLS is negotiated for a part of a host"


def server_settings_hold(_: Inputs, nodes: tuple[Node, ...]) -> Iterator[str]:
    """No resumption, strict names, no reflection, no forward proxy, no overrides."""
    top = Section("", (), nodes)
    wanted = {"SSLSessionCache": "none", "SSLVHostSNIPolicy": "strict", "TraceEnable": "off", "ProxyRequests": "Off",
              "ServerTokens": "Prod", "ServerSignature": "Off", "AllowEncodedSlashes": "Off"}  # fmt: skip
    for name, value in wanted.items():
        if _inside(top, name) != [(value,)]:
            yield f"{name} is not {value}"
    if not any(args[0] == "handshake=3" for args in _inside(top, "RequestReadTimeout")):
        yield "handshakes have no limit"
    for node in walk(nodes):
        if node.name in _NEVER:
            yield f"{node.name} stands in the tree"
        if "optional_no_ca" in node.args or "ssl-verify-client" in node.args:
            yield "a mode that httpd gets wrong stands in the tree"


def _is_table(inputs: Inputs) -> bool:
    return len(inputs.gateway.routes) >= inputs.table_from


def _between_pages(condition: Directive, rule: Directive) -> bool:
    inside = "REDIRECT_STATUS" in repr(condition.args[1])
    page = "/.gatewright/certificate_not_enrolled_yet.asis"
    return inside and rule.args == ("^/[.]gatewright/denied[.]asis$", page, "[PT]")


def rewriting_is_for_the_canary(inputs: Inputs, nodes: tuple[Node, ...]) -> Iterator[str]:
    """One rule in each host that verifies clients, for marked certificates, to the canary's socket; where clients are enrolled

    one more, from the page of refusals to the page that says to come again, and no other rule.
    """
    if _is_table(inputs):
        yield from _table_rewriting(inputs, nodes)
        return
    count = 0
    for host in _hosts(nodes):
        asks = handshake(_view(inputs, host).gateway) is not Handshake.NONE
        wanted: tuple[str, ...] = ("RewriteEngine", "RewriteCond", "RewriteRule") if asks else ()
        enrols = asks and bool(enrolling_authorities(_view(inputs, host).gateway))
        wanted += ("RewriteCond", "RewriteRule") if enrols else ()
        count += len(wanted)
        rules = [n for n in host.children if isinstance(n, Directive) and n.name.startswith("Rewrite")]
        if tuple(n.name for n in rules) != wanted:
            yield "a host's rewriting is not the canary's alone"
        elif wanted:
            told = repr(rules[1].args[1]), str(rules[2].args[1])
            if "SSL_CLIENT_S_DN_OU" not in told[0] or not told[1].startswith("unix:canary.sock|"):
                yield "a host rewrites for somebody else than the canary"
            if enrols and not _between_pages(rules[3], rules[4]):
                yield "a host rewrites something else than the page of refusals"
    if sum(n.name.startswith("Rewrite") for n in walk(nodes)) != count:
        yield "something is rewritten inside a section"


def locations_are_complete(inputs: Inputs, nodes: tuple[Node, ...]) -> Iterator[str]:
    """Deny first, then each route by itself and complete, the guard of unsafe paths last."""
    if _is_table(inputs):
        yield from _table_locations(inputs, nodes)
        return
    for host in _hosts(nodes):
        sections = _sections(host)
        if sections[0].args != ("/",) or not _denies(sections[0]):
            yield "a host does not begin by denying everything"
        if len(sections) == 2:  # only the pages
            continue
        if sections[-1].name != "LocationMatch" or not _denies(sections[-1]):
            yield "a host does not end with the guard of unsafe paths"
        if any(s.name == "LocationMatch" for s in sections[:-1]):
            yield "a pattern stands among the routes"
        found: set[object] = set()
        for one in sections[1:-1]:
            path = str(one.args[0])
            route = inputs.gateway.routes.get(path)  # type: ignore[call-overload]
            if not _requires(one):
                yield f"{path} says nothing about access"
            if route is not None and not _denies(one):
                found.add(path)
                yield from _route(path, route, one, _apart(inputs, host), _admitted(inputs, host, route))
        if found != set(inputs.gateway.routes):
            yield "a host does not have exactly the declared routes"


def pages_are_for_refusals_only(_: Inputs, nodes: tuple[Node, ...]) -> Iterator[str]:
    """The gateway's own pages are reached from inside, are never forwarded, and answer every method."""
    for host in _hosts(nodes):
        own = [s for s in _sections(host) if s.args == (RESERVED,)]
        if len(own) != 1:
            yield "a host does not have its pages once"
            continue
        (require,) = _inside(own[0], "Require") or [()]
        if "%{reqenv:REDIRECT_STATUS}" not in _expressions(require):
            yield "the pages can be asked for from outside"
        if _inside(own[0], "ProxyPass") != [("!",)] or _inside(own[0], "AllowMethods") != [("reset",)]:
            yield "the pages are forwarded, or bound to methods"


def _expressions(args: tuple[object, ...]) -> str:
    return " ".join(expression(arg.of) for arg in args if isinstance(arg, Expr))


def _requires(section: Section) -> bool:
    return any(n.name in {"Require", "RequireAll"} for n in section.children if not isinstance(n, Comment))


def _admitted(inputs: Inputs, host: Section, route: Route) -> bool:
    """Whether anybody who is known at this virtual host may use the route."""
    view = _view(inputs, host).gateway
    if not view.authorities:
        return False
    return route.access.openness is not None or bool(view.admitted(route.access) or route.access.any_of)


def _route(path: str, route: Route, section: Section, apart: Name | None, admitted: bool) -> Iterator[str]:
    for name in ("SetHandler", "ProxyPass", "AllowMethods"):
        if len(_inside(section, name)) != 1:
            yield f"{path} does not say {name} once"
    if (_inside(section, "ProxyPass") == [("!",)]) != (route.backend is None):
        yield f"{path} is forwarded and should not be, or the contrary"
    if route.access.is_public:
        if _inside(section, "Require") != [("all", "granted")]:
            yield f"{path} is not public"
        return
    blocks = [n for n in section.children if isinstance(n, Section) and n.name == "RequireAll"]
    told = " ".join(_expressions(n.args) for b in blocks for n in b.children if isinstance(n, Directive))
    issuers = ("%{SSL_CLIENT_I_DN} in {", "/by-%{sha1:%{SSL_CLIENT_I_DN}}/")
    known = apart is not None or any(issuer in told for issuer in issuers)
    if not (known if admitted else "false" in told or "/.ready') && ((-e" in told):
        yield f"{path} does not ask who issued the certificate"
    parts = ("%{SSL_CLIENT_VERIFY} == 'SUCCESS'", "/.ready'", "%{sha1:%{SSL_CLIENT_CERT}}")
    if len(blocks) != 1 or _inside(section, "Require") or not all(part in told for part in parts):
        yield f"{path} does not ask for a verified certificate of an authority that is not revoked"


def grants_are_declared(inputs: Inputs, nodes: tuple[Node, ...]) -> Iterator[str]:
    """``Require all granted`` stands in public routes and nowhere else."""
    public = {path for path, route in inputs.gateway.routes.items() if route.access.is_public}
    if _is_table(inputs):
        return  # which rules are whose is the table's, and looked at there
    for node in walk(nodes):
        if not isinstance(node, Section) or ("all", "granted") not in _inside(node, "Require"):
            continue
        if node.name != "Location" or node.args[0] not in public:
            yield f"{node.name} {node.args} is open"


def shorter_paths_come_first(_: Inputs, nodes: tuple[Node, ...]) -> Iterator[str]:
    """Later sections win, so no location may stand after one that it covers."""
    for host in _hosts(nodes):
        paths = [str(s.args[0]) for s in _sections(host) if s.name == "Location"]
        for position, path in enumerate(paths):
            tree = path if path.endswith("/") else f"{path}/"
            if any(earlier != path and earlier.startswith(tree) for earlier in paths[:position]):
                yield f"{path} stands after something it covers"


def nothing_is_said_twice(_: Inputs, nodes: tuple[Node, ...]) -> Iterator[str]:
    """In one scope httpd lets the last of two equal directives win: there are none."""
    scopes = [nodes, *(n.children for n in walk(nodes) if isinstance(n, Section))]
    for scope in scopes:
        said: Counter[tuple[object, ...]] = Counter()
        for node in scope:
            if isinstance(node, Directive):
                told_apart = _MANY.get(node.name, 0)
                if node.name == "SSLCipherSuite":
                    told_apart = len(node.args) - 1
                said[(node.name, *node.args[:told_apart])] += 1
        yield from (f"{key} stands twice" for key, count in said.items() if count > 1)


def _table_rewriting(inputs: Inputs, nodes: tuple[Node, ...]) -> Iterator[str]:
    """In each host: what a subrequest brings is forgotten, the lookup, then the canary, then where files stand."""
    for host in _hosts(nodes):
        if host is _hosts(nodes)[0] and not inputs.gateway.addresses:
            continue
        rules = [n for n in host.children if isinstance(n, Directive) and n.name.startswith("Rewrite")]
        told = [repr(n.args) for n in rules]
        if [n.name for n in rules[:5]] != ["RewriteEngine", *["RewriteCond", "RewriteRule"] * 2]:
            yield "a host does not begin with the lookup"
            continue
        if "IS_SUBREQ" not in told[1] or "E=!GW_RULES_1" not in told[2]:
            yield "a subrequest keeps what its request had found"
        condition = rules[3].args[1]
        text = expression(condition.of) if isinstance(condition, Expr) else ""
        first = host is _hosts(nodes)[0]
        parts = ["(-z '%{reqenv:REDIRECT_STATUS}') && (", r"! (%{REQUEST_URI} =~ m#^/\.gatewright/|", "&& (file('"]
        parts += ["(-z %{SSL_TLS_SNI}) && (%{HTTP_HOST} =~"] if first else []
        if not all(part in text for part in parts) or text.count("-e '") != text.count("=~ m#^(("):
            yield "the lookup asks too little"
        asks = handshake(_view(inputs, host).gateway) is not Handshake.NONE
        canary = [n for n, rule in enumerate(told) if "canary" in rule]
        if canary != ([5, 6] if asks else []):
            yield "the canary does not come right after the lookup"
        if any(n.args[-1] != "[L]" for n in rules[7 if asks else 5 :] if n.name == "RewriteRule"):
            yield "a rule about files does not end the rewriting"
    if sum(n.name.startswith("Rewrite") for n in walk(nodes)) != sum(
        n.name.startswith("Rewrite") for host in _hosts(nodes) for n in host.children if isinstance(n, Directive)
    ):
        yield "something is rewritten inside a section"


def _table_locations(inputs: Inputs, nodes: tuple[Node, ...]) -> Iterator[str]:
    """Deny, pages, guard; then exactly the rules that records name, each complete for all routes it holds for."""
    many = table_of(inputs)
    assert many is not None
    if {r.path for r in many.records if r.kind != NOWHERE} != set(inputs.gateway.routes):
        yield "the table does not have exactly the declared routes"
    for number, host in enumerate(_hosts(nodes)):
        sections = _sections(host)
        if sections[0].args != ("/",) or not _denies(sections[0]):
            yield "a host does not begin by denying everything"
        if len(sections) == 2:
            continue
        if [s.args[0] for s in sections[1:-1]] != [RESERVED] or not _denies(sections[-1]):
            yield "a host of a table has other locations than the guards"
        found = dict(_leaves(host.children, ()))
        if number == 0 and inputs.gateway.addresses:
            found = {name: leaf for name, leaf in found.items() if name}
        for record in many.records:
            route = inputs.gateway.routes.get(record.path)  # type: ignore[call-overload]
            if (route is None) != (record.rules not in found):
                yield f"{record.path} has rules and should have none, or the contrary"
            elif route is not None:
                apart = _apart(inputs, host)
                said = (
                    *found[record.rules].children,
                    directive("ProxyPass", *(["!"] if route.backend is None else [])),
                )
                yield from _route(
                    record.path, route, section("If", children=said), apart, _admitted(inputs, host, route)
                )
                shuts = [n for n in said if isinstance(n, Section) and n.name == "If" and _denies(n)]
                if inputs.gateway.proof is not None and SHUT not in repr([n.args for n in shuts]):
                    yield f"{record.path} cannot be shut"


def _leaves(nodes: tuple[Node, ...], above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Section]]:
    """The innermost sections that ask for rules by name."""
    for node in nodes:
        if not isinstance(node, Section) or node.name != "If" or not isinstance(node.args[0], Expr):
            continue
        asked = node.args[0].of
        if not (isinstance(asked, Eq) and isinstance(asked.right, Lit) and "GW_RULES" in repr(asked.left)):
            continue
        name = (*above, asked.right.text)
        below = list(_leaves(node.children, name))
        yield from below or [(name, node)]


def signatures_are_declared(inputs: Inputs, nodes: tuple[Node, ...]) -> Iterator[str]:
    """A route to a signed backend includes the lines that sign for it, after all that is signed; nothing else is included."""
    wanted = 0
    if table_of(inputs) is not None:
        included = {n.args for n in walk(nodes) if n.name == "Include"}
        if included != {(f"sign-{name}.conf",) for name in inputs.gateway.signing_names}:
            yield "a table signs for others than declared"
        return
    for host in _hosts(nodes):
        for one in _sections(host):
            route = inputs.gateway.routes.get(RoutePath(str(one.args[0])))
            signed = route.backend.signed if route is not None and route.backend is not None else None
            names = [n.name for n in one.children if isinstance(n, Directive)]
            wanted += signed is not None
            if _inside(one, "Include") != ([(f"sign-{signed}.conf",)] if signed else []):
                yield f"{one.args[0]} is not signed as declared"
            elif signed and "RequestHeader" in names[names.index("Include") :]:
                yield f"{one.args[0]} sets headers after it was signed"
    if sum(n.name == "Include" for n in walk(nodes)) != wanted:
        yield "something is included that no route declares"


RULES: tuple[Rule, ...] = (
    unknown_names_are_denied,
    server_names_are_unique,
    handshakes_are_sound,
    server_settings_hold,
    rewriting_is_for_the_canary,
    locations_are_complete,
    pages_are_for_refusals_only,
    grants_are_declared,
    shorter_paths_come_first,
    nothing_is_said_twice,
    signatures_are_declared,
)
