"""Quoting by the thousand, judged by a model of how httpd reads; ``tests/live/test_quoting_oracle.py`` asks httpd itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.property.texts import texts
from tests.unit.compile.reading import meant, read

from gatewright.compile.expr import AllOf, AnyOf, Call, Condition, Eq, Exists, Expr, Joined, Lit, Not, OneOf, Var
from gatewright.compile.ir import Arg, Node, Setting, directive, section
from gatewright.compile.quote import DOLLAR, Unwritable, setting_value
from gatewright.compile.render import render

SETTINGS = {DOLLAR: "$", "GW_RUN": "/a \"b\\\\' ${HOME}"}

conditions: st.SearchStrategy[Condition] = st.recursive(
    st.builds(Eq, st.just(Var("HTTP_HOST")), st.builds(Lit, texts()))
    | st.builds(OneOf, st.just(Call("reqenv", Lit("X"))), st.lists(texts(), max_size=3).map(tuple))
    | st.builds(lambda text: Exists(Joined((Lit(text), Call("sha1", Var("X"))))), texts()),
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(AllOf, st.lists(inner, max_size=3).map(tuple))
        | st.builds(AnyOf, st.lists(inner, max_size=3).map(tuple))
    ),
    max_leaves=4,
)
arguments: st.SearchStrategy[Arg] = (
    texts() | st.just(Setting("GW_RUN")) | st.tuples(texts(), st.just(Setting("GW_RUN")), texts())
)
directives: st.SearchStrategy[Node] = (
    st.builds(lambda args: directive("SetEnv", *args), st.lists(arguments, min_size=1, max_size=4))
    | st.builds(lambda condition: directive("Require", "expr", Expr(condition)), conditions)
    | st.builds(lambda condition: directive("Header", "set", "X", Expr(condition, "expr=")), conditions)
)
trees: st.SearchStrategy[list[Node]] = st.lists(
    directives
    | st.builds(
        lambda path, inner: section("Location", path, children=tuple(inner)), texts(), st.lists(directives, max_size=3)
    )
    | st.builds(
        lambda condition, inner: section("If", Expr(condition), children=tuple(inner)),
        conditions,
        st.lists(directives, max_size=3),
    ),
    max_size=4,
)


@given(trees)
def test_a_tree_is_read_as_it_was_meant(nodes: list[Node]) -> None:
    """Whatever texts stand in it, httpd finds the directives, sections and arguments of the tree, and nothing else."""
    defines = {DOLLAR: "$", "GW_RUN": setting_value(SETTINGS["GW_RUN"])}
    assert read(render(tuple(nodes)), defines) == list(meant(tuple(nodes), SETTINGS))


@given(texts())
def test_the_value_of_a_setting_survives_both_readings(value: str) -> None:
    """A setting is read when it is defined and again where it stands; the text comes out unchanged."""
    nodes = (
        directive("Define", DOLLAR, "$"),
        directive("Define", "S", setting_value(value)),
        directive("PidFile", (Setting("S"), "/x")),
        directive("ErrorLog", Setting("S")),
    )
    found = read(render(nodes))
    assert [line.args for line in found[2:]] == [[f"{value}/x"], [value]]


@given(texts(), st.sampled_from("\x00\n\r"), texts())
def test_what_no_line_can_hold_is_refused_everywhere(before: str, bad: str, after: str) -> None:
    """NUL, line feed and carriage return are refused in arguments, joined arguments, settings' values and expressions."""
    text = before + bad + after
    for node in (
        directive("SetEnv", "A", text),
        directive("SetEnv", "A", (text, Setting("GW_RUN"))),
        directive("Define", "A", setting_value(text)),
        directive("Require", "expr", Expr(Eq(Var("A"), Lit(text)))),
        directive("Header", "set", "A", Expr(Eq(Var("A"), Lit(text)), "expr=")),
        section("Location", text, children=()),
    ):
        with pytest.raises(Unwritable):
            render((node,))


@pytest.mark.parametrize(
    "line",
    [
        'SetEnv A a b"',
        'SetEnv A "a\\"',
        'SetEnv A "${HOME}"',
        "SetEnv A a\\",
        "<Location /a> </Location>",
        "Require expr \"%{A} == 'a\\\\'b'\"",
    ],
)
def test_twin_what_is_not_quoted_is_noticed(line: str) -> None:
    """The model does not read everything back as it was: unquoted or wrongly quoted text is seen to change or to stop it."""
    text = {"SetEnv": 'a b"', "Require": "a'b"}
    name = line.partition(" ")[0]
    wanted = [name, "expr", "%{A} == 'a\\'b'"] if name == "Require" else [name, "A", text.get(name, "")]
    try:
        found = read(line, {"HOME": "/root", DOLLAR: "$"})
    except ValueError:
        return
    assert [found[0].name, *found[0].args] != wanted
