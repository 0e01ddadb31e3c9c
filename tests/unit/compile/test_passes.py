"""What single passes decide, where a whole configuration would hide it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from tests.unit.compile.made import anchor, gateway, inputs, layout

from gatewright.compile.expr import AnyOf, Expr
from gatewright.compile.gateway import compile_gateway, tree
from gatewright.compile.ir import Directive, Section, directive, walk
from gatewright.compile.passes.access import requirements
from gatewright.compile.passes.backends import target
from gatewright.compile.passes.identity import OURS, spellings
from gatewright.compile.quote import Unwritable
from gatewright.errors import UsageError
from gatewright.model.gateway import Access
from gatewright.model.values import BackendUrl, Name, RoutePath

HEAD = "gateway: api.example.org\nlisten: 8443\nauthorities:\n  home: { managed: true }\n"


def sections(text: str, name: str) -> list[Section]:
    return [n for n in walk(tree(inputs(text))) if isinstance(n, Section) and n.name == name]


@pytest.mark.parametrize("bad", ["/a*/", "/a?", "/[a]/"])
def test_a_path_that_httpd_reads_as_a_pattern_is_refused_once_more(bad: str) -> None:
    """Even if the gateway file's rules let it pass: it would cover nothing below it, and leave that to shorter routes."""
    made = inputs(HEAD + "routes:\n  /: { respond: {}, access: any-client }\n")
    (route,) = made.gateway.routes.values()
    open_to_patterns = replace(made, gateway=replace(made.gateway, routes={RoutePath(bad): route}))
    with pytest.raises(Unwritable, match="pattern"):
        tree(open_to_patterns)
    with pytest.raises(UsageError) as caught:
        compile_gateway(open_to_patterns)
    assert caught.value.diagnostics[0].code == "route-pattern"


@pytest.mark.parametrize(
    ("path", "url", "expected"),
    [
        ("/a/", "http://b:1", "http://b:1/a/"),
        ("/a/", "http://b:1/", "http://b:1/"),
        ("/a/", "https://b/x/", "https://b:443/x/"),
        ("/a", "http://[::1]", "http://[::1]:80/a"),
    ],
)
def test_where_a_path_leads(path: str, url: str, expected: str) -> None:
    """Without a path of its own the backend gets the route's; the port is always written."""
    assert target(RoutePath(path), BackendUrl.parse(url)) == expected


def test_every_spelling_of_a_header() -> None:
    """All ways to separate the words, once each."""
    found = spellings("Client-Cert-Chain", ("-", "_", "."))
    assert len(found) == len(set(found)) == 9
    assert "Client_Cert.Chain" in found


def test_connection_loses_our_names_and_nothing_else() -> None:
    """Whatever separates the names in Connection, ours are removed from it and others stay."""
    (edit,) = [
        n for n in walk(tree(inputs(HEAD + "routes: {}\n"))) if n.name == "RequestHeader" and "Connection" in n.args
    ]
    pattern = re.compile(str(edit.args[2]))
    for separator in (",", ", ", ";", " ; ", " ", "\t", ",,"):
        for name in OURS:
            left = pattern.sub("", separator.join(["close", name.upper(), name, "Upgrade"]))
            assert name.lower() not in left.lower()
            assert "close" in left
            assert "Upgrade" in left
    assert pattern.sub("", "client-certs, xclient, my-x-client") == "client-certs, xclient, my-x-client"


def test_an_authority_without_an_issuing_ca_admits_nobody() -> None:
    """No anchor, no client: the condition is false, not a syntax error and not true."""
    text = (
        HEAD
        + "clients:\n  bot: { authority: home, san: bot.example.org }\nroutes:\n  /: { respond: {}, access: [bot] }\n"
    )
    made = replace(inputs(text), anchors=())
    conf = next(f for f in compile_gateway(made).files if str(f.path) == "httpd.conf").content.decode()
    assert "Require expr \"(false) && (%{SSL_CLIENT_SAN_DNS_0} in {'bot.example.org'})\"" in conf
    anybody = replace(made, gateway=gateway(HEAD + "routes:\n  /: { respond: {}, access: any-client }\n"))
    conf = next(f for f in compile_gateway(anybody).files if str(f.path) == "httpd.conf").content.decode()
    assert 'Require expr "false"' in conf


def test_access_of_nobody_is_nobody() -> None:
    """An access that is neither public nor any-client nor a list is never open."""
    made = inputs(HEAD + "routes:\n  /: { respond: {}, access: any-client }\n")
    (require,) = requirements(made, Access())
    assert isinstance(require, Section)
    assert directive("Require", "expr", Expr(AnyOf(()))) in require.children
    assert not Access().is_public
    assert not Access(names=(Name("a"),)).is_public


def test_names_that_are_not_utf_8_come_out_as_they_came_in() -> None:
    """Bytes of a folder or of a CA's name that are no UTF-8 reach httpd unchanged (PEP 383)."""
    made = inputs(HEAD + "routes:\n  /: { respond: {}, access: any-client }\n", folder="/srv/caf\udce9")
    made = replace(made, anchors=(anchor("home", "CN=caf\udce9"),), layout=layout("/srv/caf\udce9"))
    conf = next(f for f in compile_gateway(made).files if str(f.path) == "httpd.conf").content
    assert b'ServerRoot "/srv/caf\xe9/generations/0001"' in conf
    assert b"{'CN=caf\xe9'}" in conf


def test_no_trust_is_written_where_no_certificate_is_asked_for() -> None:
    """A gateway of public routes has no anchors, neither in its files nor in its configuration."""
    made = inputs(HEAD + "routes:\n  /: { respond: {}, access: public }\n")
    artifact = compile_gateway(made)
    assert not [f for f in artifact.files if "anchors" in str(f.path)]
    assert not [n for n in walk(tree(made)) if n.name.startswith("SSLCA")]
    shut = compile_gateway(inputs(HEAD + "routes:\n  /: { respond: {}, access: any-client }\n"))
    anchors = {str(f.path): (f.content, f.public) for f in shut.files if "anchors" in str(f.path)}
    assert anchors["anchors.trusted.pem"][0].startswith(b"-----BEGIN TRUSTED CERTIFICATE-----\nhome\n")
    assert anchors["anchors.pem"][0].startswith(b"-----BEGIN CERTIFICATE-----\nhome\n")
    assert not any(public for _, public in anchors.values())


def test_the_same_inputs_give_the_same_bytes() -> None:
    """Nothing depends on the order of sets, on time or on chance."""
    text = (
        HEAD + 'routes:\n  /a/: { backend: "https://b.example.org", access: any-client, methods: [PURGE, GET, BREW] }\n'
    )
    assert compile_gateway(inputs(text)) == compile_gateway(inputs(text))


def test_own_methods_are_registered_before_they_are_allowed() -> None:
    """Methods without a number of httpd's own, each once."""
    text = HEAD + 'routes:\n  /a/: { backend: "http://b:1", access: any-client, methods: [PURGE, GET, BREW] }\n'
    nodes = list(walk(tree(inputs(text))))
    (own,) = [n for n in nodes if n.name == "RegisterHttpMethod"]
    allowed = next(n for n in nodes if n.name == "AllowMethods" and "PURGE" in n.args)
    assert own.args == ("BREW", "PURGE")
    assert nodes.index(own) < nodes.index(allowed)
    assert isinstance(own, Directive)
