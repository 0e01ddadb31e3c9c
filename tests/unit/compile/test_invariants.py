"""The rules about compiled trees can fail: each security-relevant line, deleted or weakened, is missed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.unit.compile.invariants import violations
from tests.unit.compile.made import inputs

from gatewright.compile.gateway import tree
from gatewright.compile.ir import Comment, Directive, Node, Section, directive, section

TEXT = """
gateway: {gateway}
listen: 8443
authorities:
  home: {{ managed: true }}
clients:
  bot: {{ authority: home, san: bot.example.org }}
routes:
  /open/:  {{ files: site, access: public }}
  /shut/:  {{ files: site, access: any-client }}
  /shut/x: {{ backend: "http://127.0.0.1:9001", access: [bot], methods: [GET] }}
"""
MADE = inputs(TEXT.format(gateway="api.example.org"))
LOCAL = inputs(TEXT.format(gateway="localhost"))
NEEDED = frozenset(
    "SSLVerifyClient SSLVerifyDepth SSLCACertificateFile SSLCADNRequestFile SSLSessionTickets SSLSessionCache SSLEngine "
    "SSLProtocol SSLCompression SSLVHostSNIPolicy Require RequireAll TraceEnable ProxyRequests ServerName RequestReadTimeout "
    "ProxyPass AllowMethods LocationMatch VirtualHost ServerTokens ServerSignature AllowEncodedSlashes".split()
)


def without_one(nodes: tuple[Node, ...], path: str = "") -> Iterator[tuple[str, tuple[Node, ...]]]:
    """Every tree that lacks one needed line, with the place of that line."""
    for position, node in enumerate(nodes):
        if isinstance(node, Comment):
            continue
        here = f"{path}/{node.name} {node.args[:1]}"
        before, after = nodes[:position], nodes[position + 1 :]
        if node.name in NEEDED:
            yield here, (*before, *after)
        if isinstance(node, Section):
            for place, children in without_one(node.children, here):
                yield place, (*before, replace(node, children=children), *after)


@pytest.mark.parametrize("made", [MADE, LOCAL], ids=["named", "by address too"])
def test_no_needed_line_can_go_unnoticed(made: object) -> None:
    """Whatever needed line is deleted, some rule is broken."""
    chosen = MADE if made is MADE else LOCAL
    trees = list(without_one(tree(chosen)))
    assert len(trees) > 40
    assert [place for place, nodes in trees if not violations(chosen, nodes)] == []


def changed(nodes: tuple[Node, ...], old: Directive, new: tuple[Node, ...]) -> tuple[Node, ...]:
    """The tree with ``new`` in place of every ``old``."""
    found: list[Node] = []
    for node in nodes:
        if isinstance(node, Section):
            found.append(replace(node, children=changed(node.children, old, new)))
        else:
            found += new if node == old else (node,)
    return tuple(found)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (directive("SSLVerifyClient", "optional"), (directive("SSLVerifyClient", "optional_no_ca"),)),
        (directive("SSLVerifyClient", "optional"), (directive("SSLVerifyClient", "none"),)),
        (directive("SSLVerifyDepth", "0"), (directive("SSLVerifyDepth", "1"),)),
        (directive("SSLSessionTickets", "off"), (directive("SSLSessionTickets", "on"),)),
        (directive("SSLSessionCache", "none"), (directive("SSLSessionCache", "shmcb:x"),)),
        (directive("SSLVHostSNIPolicy", "strict"), (directive("SSLVHostSNIPolicy", "secure"),)),
        (directive("Require", "all", "denied"), (directive("Require", "all", "granted"),)),
        (directive("AllowMethods", "GET"), (directive("AllowMethods", "GET"), directive("AllowMethods", "reset"))),
        (directive("TraceEnable", "off"), (directive("TraceEnable", "off"), directive("Include", "/etc/x"))),
        (directive("SetHandler", "none"), (directive("SetHandler", "none"), directive("SSLVerifyClient", "require"))),
        (directive("ServerAlias", "x"), ()),
    ],
)
def test_a_weakened_line_is_noticed(old: Directive, new: tuple[Node, ...]) -> None:
    """A sound value replaced by an unsound one breaks a rule; a change that changes nothing breaks none."""
    nodes = changed(tree(MADE), old, new)
    assert bool(violations(MADE, nodes)) == (nodes != tree(MADE))


def test_a_route_too_many_is_noticed() -> None:
    """An open location that nobody declared breaks a rule, wherever it stands."""
    extra = section("Location", "/extra/", children=(directive("Require", "all", "granted"),))
    nodes = tree(MADE)
    hosts = [n for n in nodes if isinstance(n, Section) and n.name == "VirtualHost"]
    for host in hosts:
        wider = replace(host, children=(*host.children, extra))
        assert violations(MADE, tuple(wider if n is host else n for n in nodes))


def test_order_is_noticed() -> None:
    """The same locations in the contrary order break a rule."""
    nodes = tree(MADE)
    host = next(n for n in reversed(nodes) if isinstance(n, Section))
    locations = [n for n in host.children if isinstance(n, Section) and n.name == "Location"]
    others = [n for n in host.children if n not in locations]
    turned = replace(host, children=(*others, *reversed(locations)))
    assert violations(MADE, tuple(turned if n is host else n for n in nodes))
