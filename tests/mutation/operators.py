"""Every way to weaken a compiled tree that the operators know, made by walking it: nothing is listed for one gateway."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from gatewright.compile.expr import AllOf, AnyOf, Condition, Eq, Exists, Expr, IsEmpty, Matches, Not, OneOf
from gatewright.compile.ir import Arg, Comment, Directive, Node, Section, Setting, directive
from gatewright.compile.quote import expression

Tree = tuple[Node, ...]


@dataclass(frozen=True)
class Mutant:
    """One weakened configuration. ``operator`` is the kind of change; ``id`` is stable and says where and what.

    ``files`` replaces files of the generation beside the configuration, by name.
    """

    id: str
    operator: str
    nodes: Tree
    files: Mapping[str, bytes] = field(default_factory=dict)


Change = tuple[str, str, Tree]
"""Operator, what it did, and what stands in place of one node."""

TRUE, FALSE = AllOf(()), AnyOf(())

_TLS12 = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"
# By name of directive: the arguments it may be weakened to, each tried in turn where they differ from what stands there.
_WEAKER: dict[str, tuple[tuple[Arg, ...], ...]] = {
    "SSLVerifyDepth": (("1",), ("2",)),
    "SSLVerifyClient": (("require",), ("optional",), ("none",), ("optional_no_ca",)),
    "SSLProtocol": (("-all", "+TLSv1", "+TLSv1.1", "+TLSv1.2", "+TLSv1.3"), ("-all", "+TLSv1.2"), ("-all", "+TLSv1.3")),
    "SSLSessionTickets": (("on",),),
    "SSLSessionCache": (("shmcb:sessions(512000)",),),
    "SSLVHostSNIPolicy": (("insecure",), ("authonly",), ("secure",)),
    "SSLCompression": (("on",),),
    "SSLEngine": (("off",), ("optional",)),
    "SSLCipherSuite": (("ALL",), ("ALL:@SECLEVEL=0",), (f"{_TLS12}:@SECLEVEL=0",)),
    "SSLCACertificateFile": (("anchors.pem",),),
    "SSLCADNRequestFile": (("anchors.trusted.pem",),),
    "SSLProxyVerify": (("none",), ("optional_no_ca",)),
    "SSLProxyCheckPeerName": (("off",),),
    "SSLProxyCheckPeerExpire": (("off",),),
    "TraceEnable": (("on",),),
    "HttpProtocolOptions": (
        ("Unsafe", "RegisteredMethods", "Require1.0"),
        ("Strict", "LenientMethods", "Require1.0"),
        ("Strict", "RegisteredMethods", "Allow0.9"),
    ),
    "AllowEncodedSlashes": (("On",), ("NoDecode",)),
    "MergeSlashes": (("Off",),),
    "Protocols": (("http/1.1",), ("h2",), ("h2", "h2c", "http/1.1")),
    "ProxyRequests": (("On",),),
    "ProxyVia": (("On",),),
    "ServerTokens": (("Full",),),
    "ServerSignature": (("On",),),
    "AllowOverride": (("All",),),
    "AllowMethods": (("reset",),),
    "RequestReadTimeout": (("handshake=0", "header=0", "body=0"),),
    "ProxyPass": (("!",),),
    "RewriteEngine": (("off",),),
}  # fmt: skip
_GRANTED = directive("Require", "all", "granted")
_DENIED = directive("Require", "all", "denied")


NOT_ABOUT_ACCESS = frozenset(
    # where things are, and settings that a shadow instance is given anyway
    "Define IfDefine Listen ServerRoot PidFile DefaultRuntimeDir Mutex User Group "
    # processes, and how long and how much
    "StartServers ServerLimit ThreadsPerChild MaxRequestWorkers MinSpareThreads MaxSpareThreads GracefulShutdownTimeout Timeout "
    "KeepAlive KeepAliveTimeout MaxKeepAliveRequests LimitRequestLine LimitRequestFields LimitRequestFieldSize "
    "H2MaxSessionStreams RegisterHttpMethod "
    # what is logged, and which words and media types answers have
    "LogLevel ErrorLog ErrorLogFormat CustomLog SetEnv AddType TypesConfig DirectoryIndex ForceType FileETag ErrorDocument "
    # how a backend is spoken to once a request is admitted
    "ProxySet ProxyPassReverse".split()
)
"""Directives whose presence decides nothing about who is let in or what a backend is told of them: left as they are."""


def mutants(nodes: Tree) -> Iterator[Mutant]:
    """Every mutant of a tree, in the order of its lines."""
    yield from _in_scope(nodes, "", lambda changed: changed)
    yield from _orders(nodes)
    yield from _together(nodes)


def _in_scope(nodes: Tree, path: str, whole: Callable[[Tree], Tree]) -> Iterator[Mutant]:
    counted: dict[str, int] = {}
    for position, node in enumerate(nodes):
        if isinstance(node, Comment):
            continue
        label = _label(node)
        counted[label] = counted.get(label, 0) + 1
        here = f"{path}/{label}" + (f" #{counted[label]}" if counted[label] > 1 else "")
        before, after = nodes[:position], nodes[position + 1 :]

        def put(new: Tree, before: Tree = before, after: Tree = after) -> Tree:
            return whole((*before, *new, *after))

        for operator, what, new in (
            () if node.name in NOT_ABOUT_ACCESS else _changes(node, inside_all=path.endswith("/RequireAll"))
        ):
            yield Mutant(f"{here}: {what}", operator, put(new))
        if isinstance(node, Section):

            def inner(children: Tree, node: Section = node, put: Callable[[Tree], Tree] = put) -> Tree:
                return put((replace(node, children=children),))

            yield from _in_scope(node.children, here, inner)


def _changes(node: Directive | Section, *, inside_all: bool) -> Iterator[Change]:
    """``inside_all``: in a ``RequireAll``, where a line that always holds is the same as none."""
    yield "delete", "deleted", ()
    yield from _openings(node, inside_all=inside_all)
    for args in _weaker(node):
        if args != node.args:
            yield "weaken", f"is {' '.join(map(str, args))}", (replace(node, args=args),)
    for number, arg in enumerate(node.args):
        if not isinstance(arg, Expr):
            continue
        for what, weaker in _permissive(arg.of):
            if not (inside_all and weaker == TRUE):
                args = (*node.args[:number], Expr(weaker, arg.prefix), *node.args[number + 1 :])
                yield "condition", what, (replace(node, args=args),)


def _openings(node: Directive | Section, *, inside_all: bool) -> Iterator[Change]:
    if isinstance(node, Section) and node.name == "RequireAll":
        yield "open", "all granted instead", (_GRANTED,)
        yield "shut", "all denied instead", (_DENIED,)
        yield "weaken", "one suffices", (replace(node, name="RequireAny"),)
    elif node.name == "Require" and not inside_all:
        if node != _GRANTED:
            yield "open", "all granted instead", (_GRANTED,)
        if node != _DENIED:
            yield "shut", "all denied instead", (_DENIED,)
    elif node.name == "ServerName" and isinstance(node.args[0], tuple):
        name = str(node.args[0][0]).removesuffix(":")
        yield "weaken", "without its port", (directive("ServerName", name),)


def _weaker(node: Directive | Section) -> tuple[tuple[Arg, ...], ...]:
    if node.name == "SSLCipherSuite" and len(node.args) > 1:
        return ()  # TLS 1.3 has no weak suites to choose
    if node.name == "Options":
        return (("All",), ("+Includes",)) if node.args != ("None",) else (("All",),)
    return _WEAKER.get(node.name, ())


def _permissive(of: object, *, up: bool = True) -> Iterator[tuple[str, Condition]]:
    """``of`` with one condition in it replaced by what lets more pass: true, or false below a "not"."""
    value = TRUE if up else FALSE
    if isinstance(of, Eq | OneOf | Matches | Exists | IsEmpty):
        yield f"{_short(of)} is always {'true' if up else 'false'}", value
    if isinstance(of, OneOf) and len(of.texts) > 1:
        for number, _ in enumerate(of.texts):
            fewer = replace(of, texts=(*of.texts[:number], *of.texts[number + 1 :]))
            yield f"{_short(of)} lacks choice {number + 1}", fewer
    if isinstance(of, Not):
        for what, inner in _permissive(of.of, up=not up):
            yield what, Not(inner)
    if isinstance(of, AllOf | AnyOf):
        joins = isinstance(of, AllOf)
        for number, part in enumerate(of.of):
            others = (of.of[:number], of.of[number + 1 :])
            if joins != up:  # the alternative that lets people in goes: fewer pass, and somebody declared is shut out
                yield f"part {number + 1} of {len(of.of)} gone", replace(of, of=(*others[0], *others[1]))
            for what, inner in _permissive(part, up=up):
                yield f"part {number + 1}, {what}", replace(of, of=(*others[0], inner, *others[1]))


def _orders(nodes: Tree) -> Iterator[Mutant]:
    """Sections of which a later one overrides an earlier one, moved behind it; virtual hosts, aliases and headers turned round."""
    hosts = [n for n in nodes if isinstance(n, Section) and n.name == "VirtualHost"]
    if len(hosts) > 1:
        others = [n for n in nodes if n not in hosts]
        yield Mutant("virtual hosts: the other way round", "reorder", (*others, *reversed(hosts)))
    for host in hosts:

        def put(children: Tree, host: Section = host) -> Tree:
            return tuple(replace(host, children=children) if n is host else n for n in nodes)

        here = f"/{_label(host)}"
        locations = [n for n in host.children if isinstance(n, Section) and n.name.startswith("Location")]
        for number, node in enumerate(locations):
            if any(_covers(node, later) for later in locations[number + 1 :]):
                rest = tuple(n for n in host.children if n is not node)
                yield Mutant(f"{here}/{_label(node)}: comes last", "reorder", put((*rest, node)))
        guard = locations[-1]
        if guard.name == "LocationMatch":
            rest = tuple(n for n in host.children if n is not guard)
            yield Mutant(f"{here}/{_label(guard)}: comes first", "reorder", put((guard, *rest)))
        yield from _turned(host.children, here, "Alias", put)
        for node in locations:

            def inside(children: Tree, node: Section = node, host: Section = host) -> Tree:
                return tuple(
                    replace(host, children=tuple(replace(node, children=children) if c is node else c for c in host.children))
                    if n is host else n for n in nodes
                )  # fmt: skip

            yield from _turned(node.children, f"{here}/{_label(node)}", "RequestHeader", inside)


def _covers(node: Section, later: Section) -> bool:
    above, below = str(node.args[0]), str(later.args[0])
    return later.name == "LocationMatch" or (above.endswith("/") and below.startswith(above))


def _turned(children: Tree, here: str, name: str, put: Callable[[Tree], Tree]) -> Iterator[Mutant]:
    places = [i for i, n in enumerate(children) if isinstance(n, Directive) and n.name.startswith(name)]
    if len(places) > 1:
        turned = list(children)
        for place, source in zip(places, reversed(places), strict=True):
            turned[place] = children[source]
        yield Mutant(f"{here}/{name}…: the other way round", "reorder", put(tuple(turned)))


def _together(nodes: Tree) -> Iterator[Mutant]:
    """Changes that only open something when they are made together, and in every host at once."""
    old = ("-all", "+TLSv1", "+TLSv1.1", "+TLSv1.2", "+TLSv1.3")

    def everywhere(wanted: Mapping[str, tuple[Arg, ...]]) -> Tree:
        return tuple(_set(node, wanted) for node in nodes)

    combined: dict[str, Mapping[str, tuple[Arg, ...]]] = {
        "old versions with all suites": {"SSLProtocol": old, "SSLCipherSuite": ("ALL:@SECLEVEL=0",)},
        "all suites": {"SSLCipherSuite": ("ALL",)},
        "weak keys and hashes": {"SSLCipherSuite": (f"{_TLS12}:@SECLEVEL=0",)},
        "session tickets": {"SSLSessionTickets": ("on",)},
        "a session cache and tickets": {"SSLSessionTickets": ("on",), "SSLSessionCache": ("shmcb:sessions(512000)",)},
        "CAs below the anchors": {"SSLVerifyDepth": ("2",)},
        "no verification": {"SSLVerifyClient": ("optional_no_ca",)},
    }
    for what, wanted in combined.items():
        yield Mutant(f"every host: {what}", "together", everywhere(wanted))


def _set(node: Node, wanted: Mapping[str, tuple[Arg, ...]]) -> Node:
    if isinstance(node, Section):
        return replace(node, children=tuple(_set(child, wanted) for child in node.children))
    if (
        isinstance(node, Directive)
        and node.name in wanted
        and not (node.name == "SSLCipherSuite" and len(node.args) > 1)
    ):
        return replace(node, args=wanted[node.name])
    return node


def anchor_mutants(
    nodes: Tree, files: Mapping[str, bytes], foreign: Mapping[str, tuple[bytes, bytes]]
) -> Iterator[Mutant]:
    """Changes of the files of CA certificates: ``foreign`` maps a description to (plain PEM, trusted PEM) that are added."""
    for name, content in files.items():
        yield Mutant(f"{name}: emptied", "anchors", nodes, {name: b""})
        ends = [m.end() for m in re.finditer(rb"-----END [A-Z ]+-----\n", content)]
        for number, end in enumerate(ends if len(ends) > 1 else []):
            start = ends[number - 1] if number else 0
            yield Mutant(
                f"{name}: lacks number {number + 1}", "anchors", nodes, {name: content[:start] + content[end:]}
            )
        for what, (plain, trusted) in foreign.items():
            more = trusted if "trusted" in name else plain
            yield Mutant(f"{name}: {what} added", "anchors", nodes, {name: content + more})


def _label(node: Directive | Section) -> str:
    """The name, and what tells it apart from its neighbours, without ports and folders of this run."""
    if node.name in {"VirtualHost", "RequireAll"}:
        return node.name if node.name == "RequireAll" else _host(node)
    told = {"RequestHeader": 2, "LoadModule": 1, "ErrorDocument": 1, "SSLCipherSuite": len(node.args) - 1, "Alias": 1,
            "AliasMatch": 1, "Location": 1, "LocationMatch": 0, "Directory": 0, "AddType": 1, "Require": 1,
            "SetEnv": 1, "Proxy": 1, "IfDefine": 1, "Define": 1, "ServerAlias": 1}.get(node.name, 0)  # fmt: skip
    words = [_word(arg) for arg in node.args[:told]]
    return " ".join([node.name, *words])


def _host(node: Directive | Section) -> str:
    assert isinstance(node, Section)
    names = [n.args[0] for n in node.children if isinstance(n, Directive) and n.name == "ServerName"]
    first = names[0][0] if names and isinstance(names[0], tuple) else "nobody"
    return f"host {str(first).removesuffix(':')}"


def _word(arg: Arg) -> str:
    if isinstance(arg, Expr):
        return "expr"
    if isinstance(arg, Setting):
        return arg.name
    text = "".join(_word(part) for part in arg) if isinstance(arg, tuple) else arg
    return re.sub(r"(://[^/:]+):\d+", r"\1:port", text)


def _short(of: Condition) -> str:
    """A condition in the words of httpd, without this run's folders and names of CAs."""
    if isinstance(of, OneOf):
        return f"{expression(of.word)} in …"
    text = re.sub(r"'[^']*/((?:rev|pages|members)/[^']*)'", r"'\1'", expression(of))
    return text if len(text) <= 60 else f"{text[:57]}…"
