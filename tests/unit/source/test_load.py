from __future__ import annotations

import pytest

from gatewright.errors import Diagnostic, UsageError
from gatewright.model.gateway import Access, Backend, Declared, Openness, Respond
from gatewright.model.values import BackendUrl, Duration, HostName, Listen, Name, RoutePath
from gatewright.source import decode_text, load
from gatewright.source import tree as tree_module
from gatewright.source.tree import MAX_CHARACTERS

WHOLE = """\
gateway: [api.example.org, 192.0.2.7]
listen: 127.0.0.1:8443
authorities:
  home: { managed: true, key: p384 }
  globex: { anchor: ./partners//globex.pem }
clients:
  erp:
    authority: globex
    subject: { organization: Globex, country: NO }
routes:
  /orders/:
    backend:
      url: http://127.0.0.1:9001
      timeout: 1500ms
      keep_alive: false
    access: [erp]
    methods:
      - GET
      - POST
  /short/: { backend: "http://127.0.0.1:9002/x/", access: any-client }
  /health: { respond: { json: { up: true, since: 2026-01-01, n: [1, 0x10, 1.5, ~] } }, access: public }
"""


def declared(text: str) -> Declared:
    return load(text, "gateway.yaml")


def refused(text: str) -> tuple[Diagnostic, ...]:
    with pytest.raises(UsageError) as caught:
        declared(text)
    return caught.value.diagnostics


def codes(text: str) -> list[str]:
    return [d.code for d in refused(text)]


def with_route(body: str) -> str:
    return f"gateway: localhost\nlisten: 8443\nauthorities: {{home: {{managed: true}}}}\nroutes:\n  /a/: {body}\n"


def test_a_whole_file_becomes_values() -> None:
    """Every kind of key arrives as the value it stands for, short forms included."""
    gateway = declared(WHOLE).gateway
    assert gateway.hosts == ("api.example.org", "192.0.2.7")
    assert gateway.listen == Listen(8443, HostName("127.0.0.1"))
    assert gateway.authorities[Name("home")].key_algorithm == "p384"
    assert gateway.authorities[Name("globex")].anchors == ("partners/globex.pem",)
    subject = gateway.clients[Name("erp")].subject
    assert subject is not None
    assert subject.parts() == (("C", "NO"), ("O", "Globex"))
    orders = gateway.routes[RoutePath("/orders/")]
    url = BackendUrl("http", HostName("127.0.0.1"), 9001, "")
    assert orders.backend == Backend(url, timeout=Duration(1500), keep_alive=False)
    assert orders.access == Access(names=(Name("erp"),))
    assert orders.methods == ("GET", "POST")
    short = gateway.routes[RoutePath("/short/")]
    assert short.backend == Backend(BackendUrl("http", HostName("127.0.0.1"), 9002, "/x/"))
    assert short.access == Access(openness=Openness.ANY_CLIENT)
    body = {"up": True, "since": "2026-01-01", "n": [1, 16, 1.5, None]}
    assert gateway.routes[RoutePath("/health")].respond == Respond(json=body)


def test_every_value_has_its_place() -> None:
    """Scalars are found where they stand, collections at their key, short forms under the long path too."""
    places = declared(WHOLE).places
    assert places[()] == (1, 1)
    assert places["gateway", 1] == (1, 28)
    assert places["clients", "erp"] == (7, 3)
    assert places["clients", "erp", "authority"] == (8, 16)
    assert places["routes", "/orders/", "access"] == (16, 5)
    assert places["routes", "/orders/", "access", 0] == (16, 14)
    assert places["routes", "/orders/", "methods", 1] == (19, 9)
    assert places["routes", "/short/", "backend", "url"] == (20, 23)


def test_columns_count_characters_not_bytes() -> None:
    """A letter of two bytes before a value does not move its column."""
    text = with_route("{ respond: { text: äöü }, access: pubic }")
    (found,) = refused(text)
    assert found.where is not None
    assert text.split("\n")[found.where.line - 1][found.where.column - 1 :].startswith("pubic")


def test_a_url_in_braces_needs_no_quotes() -> None:
    """YAML 1.2 lets a word contain ':' inside brackets (§7.3.3), which libyaml does not know yet."""
    route = declared(with_route("{ backend: http://127.0.0.1:9001/x/, access: public }")).gateway.routes[
        RoutePath("/a/")
    ]
    assert route.backend is not None
    assert str(route.backend.url) == "http://127.0.0.1:9001/x/"


@pytest.mark.parametrize(
    "word", ["yes", "no", "on", "off", "y", "1_000", "2026-01-01", "12:30:45", "0b1", "0777x", "="]
)
def test_words_of_yaml_1_1_are_text(word: str) -> None:
    """What YAML 1.1 read as truth values, numbers, times or tags is text, as YAML 1.2 says."""
    respond = (
        declared(with_route(f"{{ respond: {{ text: {word} }}, access: public }}"))
        .gateway.routes[RoutePath("/a/")]
        .respond
    )
    assert respond is not None
    assert respond.text == word


@pytest.mark.parametrize("word", ["true", "FALSE", "5", "-5", "0o17", "0x1f", "1.5", "1e3", ".inf", "~", "null", ""])
def test_other_types_are_not_taken_for_text(word: str) -> None:
    """A number, truth value or nothing where text is expected is refused rather than spelled some way."""
    assert codes(with_route(f"{{ respond: {{ text: {word} }}, access: public }}")) == ["wrong-type"]


def test_quotes_make_text() -> None:
    """Quoted, every word is text."""
    route = declared(with_route("{ respond: { text: '8443' }, access: \"public\" }")).gateway.routes[RoutePath("/a/")]
    assert route.respond == Respond(text="8443")


def test_a_route_without_access_is_never_open() -> None:
    """However access is left out, the file is refused with the code for exactly that."""
    for body in ("{ files: x }", "{ files: x, access: }", "{ files: x, access: ~ }", ""):
        assert "route-without-access" in codes(with_route(body)), body


def test_an_empty_list_of_methods_does_not_mean_all() -> None:
    """`methods: []` is refused: without methods all are allowed, and an empty list reads like none."""
    assert codes(with_route("{ files: x, access: public, methods: [] }")) == ["empty-list"]


def test_all_problems_come_at_once_in_file_order() -> None:
    """Problems of syntax tree and values are reported together, sorted by place."""
    found = refused("gatway: localhost\nlisten: x\nclients: *c\nroutes: {/a: {access: public, <<: 1}}\n")
    places = [d.where for d in found]
    assert [d.code for d in found] == [
        "unknown-key",
        "missing-key",
        "bad-listen",
        "yaml-alias",
        "one-needed",
        "yaml-merge",
    ]
    assert places == sorted(p for p in places if p is not None)


def test_the_nearest_key_is_suggested() -> None:
    """A misspelt key brings the key that was meant, a misplaced one says where it belongs."""
    (near,) = (d for d in refused(with_route("{ files: x, access: public, metods: [GET] }")))
    assert near.fix == "did you mean 'methods'?"
    (far,) = refused(with_route("{ files: x, access: public, websocket: true }"))
    assert "belongs to 'backend'" in far.fix


def test_aliases_cannot_blow_up() -> None:
    """The billion-laughs document is refused at its aliases, without being expanded."""
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 10)]
    assert codes("\n".join(lines)).count("yaml-alias") == 81


def test_size_and_depth_have_limits() -> None:
    """A huge or bottomless file is refused at once, with the limit."""
    assert codes("#" * (MAX_CHARACTERS + 1)) == ["file-too-large"]
    assert codes("[" * 100_000) == ["too-deep"]
    assert codes("a: " + "{b: " * 100_000) == ["too-deep"]


def test_enormous_numbers_are_refused_not_computed() -> None:
    """Digits without end neither take time nor raise: they are no port and no number for JSON."""
    digits = "9" * 6000
    assert codes(with_route(f"{{ respond: {{ json: {digits} }}, access: public }}")) == ["wrong-value"]
    assert codes(f"gateway: localhost\nroutes: {{}}\nlisten: {digits}\n") == ["bad-listen"]
    assert codes(f"gateway: localhost\nroutes: {{}}\nlisten: '{digits}'\n") == ["bad-listen"]


def test_managed_false_counts_as_not_managed() -> None:
    """`managed: false` beside an anchor is the truth and accepted; alone it leaves nothing."""
    head = "gateway: localhost\nlisten: 8443\nroutes: {}\nauthorities: { a: "
    assert not declared(head + "{ managed: false, anchor: a.pem } }").gateway.authorities[Name("a")].managed
    assert codes(head + "{ managed: false } }") == ["one-needed"]


def test_broken_bytes_name_their_place() -> None:
    """Bytes that are not UTF-8 are refused with the place of the first of them."""
    with pytest.raises(UsageError) as caught:
        decode_text("a: ü\nb: ".encode() + b"\xff", "gateway.yaml")
    assert str(caught.value.diagnostics[0].where) == "gateway.yaml:2:4"


def test_without_the_c_scanner_the_result_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scanner of ruamel itself scanner, used where the C extension is missing, gives the same values and places."""
    with_c = declared(WHOLE)
    monkeypatch.setattr(tree_module, "YAML", _only_pure)
    assert declared(WHOLE) == with_c
    assert codes("a: [1") == ["yaml-syntax"]


def _only_pure(*, typ: str, pure: bool) -> object:
    from ruamel.yaml import YAML  # noqa: PLC0415 - the name in the module under test is replaced

    if not pure:
        raise ImportError
    return YAML(typ=typ, pure=True)
