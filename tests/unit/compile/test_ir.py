"""The tree and its two outputs: text and JSON."""

from __future__ import annotations

import json

from gatewright.compile.expr import Eq, Expr, Lit, Var
from gatewright.compile.ir import Comment, Setting, as_data, directive, section, walk
from gatewright.compile.render import render

TREE = (
    Comment("why"),
    directive("Listen", ("[::1]:", Setting("GW_PORT"))),
    section("Location", "/a b", children=(section("RequireAll", children=(directive("Require", "all", "denied"),)),)),
    directive("Header", "set", "X", Expr(Eq(Var("A"), Lit("b")), "expr=")),
)


def test_text_is_indented_and_in_order() -> None:
    """Two spaces a level, one line a directive, a section without arguments closed by its name."""
    assert render(TREE) == (
        "# why\n"
        'Listen "[::1]:${GW_PORT}"\n'
        '<Location "/a b">\n'
        "  <RequireAll>\n"
        "    Require all denied\n"
        "  </RequireAll>\n"
        "</Location>\n"
        "Header set X \"expr=%{A} == 'b'\"\n"
    )


def test_walk_meets_parents_before_children_and_no_comments() -> None:
    """Every directive and section once, in the order of the text."""
    assert [node.name for node in walk(TREE)] == ["Listen", "Location", "RequireAll", "Require", "Header"]


def test_data_can_be_written_as_json_and_keeps_the_parts() -> None:
    """Settings and expressions are told apart from text."""
    data = json.loads(json.dumps(as_data(TREE)))
    assert data[0] == {"comment": "why"}
    assert data[1] == {"name": "Listen", "args": [["[::1]:", {"setting": "GW_PORT"}]]}
    assert data[2]["children"][0]["children"] == [{"name": "Require", "args": ["all", "denied"]}]
    assert data[3]["args"][2]["expression"]["prefix"] == "expr="
    assert as_data((directive("PidFile", Setting("GW_RUN")),))[0]["args"] == [{"setting": "GW_RUN"}]
