"""Exactly the modules that are used get loaded."""

from __future__ import annotations

import pytest
from tests.unit.compile.made import HTTPD, inputs

from gatewright.compile.expr import Expr, Var
from gatewright.compile.gateway import tree
from gatewright.compile.ir import directive, section
from gatewright.compile.modules import ALWAYS, module_of, modules_for

HEAD = "gateway: api.example.org\nlisten: 8443\nauthorities:\n  home: { managed: true }\nroutes:\n"


@pytest.mark.parametrize(
    ("name", "module"),
    [("Require", "mod_authz_core"), ("SSLEngine", "mod_ssl"), ("H2MaxSessionStreams", "mod_http2"), ("Timeout", "")],
)
def test_a_directive_belongs_to_a_module(name: str, module: str) -> None:
    """By table, by prefix for mod_ssl and mod_http2, to the core otherwise."""
    assert module_of(name) == module


def test_an_unknown_directive_is_a_bug() -> None:
    """A pass that emits a directive nobody registered fails at once, instead of when httpd starts."""
    with pytest.raises(KeyError):
        module_of("NoSuchDirective")


def test_handlers_filters_protocols_and_variables_count() -> None:
    """Modules that are named by an argument, or only by a variable in an expression, are found."""
    nodes = (
        section("Location", "/", children=(directive("SetHandler", "send-as-is"),)),
        directive("SetOutputFilter", "INCLUDES"),
        directive("Protocols", "h2", "http/1.1"),
        directive("Require", "expr", Expr(Var("SSL_CLIENT_VERIFY"))),
        directive("ProxyPass", "/", "http://a/"),
    )
    found = modules_for(nodes)
    assert set(found) - set(ALWAYS) == {
        "mod_asis", "mod_include", "mod_http2", "mod_ssl", "mod_proxy", "mod_proxy_http"
    }  # fmt: skip
    assert set(found[: len(ALWAYS)]) == set(ALWAYS)


def test_every_directive_of_a_full_gateway_is_registered() -> None:
    """What the passes emit has a module each, and httpd as Debian packages it has them all."""
    text = HEAD + '  /a/: { backend: "https://b.example.org", access: any-client, methods: [GET, PURGE] }\n'
    text += "  /b/: { files: site, access: public }\n  /c/: { respond: {}, access: public }\n"
    modules = modules_for(tree(inputs(text)))
    assert all(HTTPD.has(module) for module in modules)
    assert "mod_asis" in modules
