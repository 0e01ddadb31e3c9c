"""How each kind of argument and expression is written, and what is refused."""

from __future__ import annotations

import pytest

from gatewright.compile.expr import (
    AllOf,
    AnyOf,
    Call,
    Condition,
    Eq,
    Exists,
    Expr,
    IsEmpty,
    Joined,
    Lit,
    Matches,
    Not,
    OneOf,
    Var,
    Word,
)
from gatewright.compile.ir import Arg, Setting
from gatewright.compile.quote import MAX_EXPRESSION_TEXT, Unwritable, argument, expression, substitution, words


@pytest.mark.parametrize(
    ("arg", "written"),
    [
        ("plain-word_1.2:/@+%=,*!", "plain-word_1.2:/@+%=,*!"),
        ("", '""'),
        ("two words", '"two words"'),
        ('say "x"', r'"say \"x\""'),
        ("back\\slash", r'"back\\slash"'),
        ("end\\", '"end\\\\"'),
        ("it's", '"it\'s"'),
        ("${HOME}", '"${GW_DOLLAR}{HOME}"'),
        ("$${x", '"$${GW_DOLLAR}{x"'),
        ("$1", '"$1"'),
        ("<x>", '"<x>"'),
        ("#", '"#"'),
        ("ü", '"ü"'),
        (Setting("GW_RUN"), '"${GW_RUN}"'),
        ((Setting("GW_RUN"), '/"a"'), r'"${GW_RUN}/\"a\""'),
        (Expr(Eq(Var("A"), Lit('"')), "expr="), '"expr=%{A} == \'\\\\\\"\'"'),
    ],
)
def test_arguments(arg: Arg, written: str) -> None:
    """Bare where nothing needs quotes, else in double quotes with backslash, quote and ``${`` escaped."""
    assert argument(arg) == written


def test_require_takes_its_expression_as_it_stands() -> None:
    """Only the two outer quotes are httpd's; backslashes are the expression's own."""
    condition = Expr(Eq(Var("A"), Lit("a\\, \"b\" 'c' ${D}")))
    assert (
        words("Require", ("expr", condition)) == r"""Require expr "%{A} == 'a\\, \"b\" \'c\' \${GW_DOLLAR}{D}'" """[:-1]
    )
    assert words("If", (condition,)) == r"""If "%{A} == 'a\\\\, \\\"b\\\" \\'c\\' \\${GW_DOLLAR}{D}'" """[:-1]


def test_a_rewrite_condition_cannot_hold_a_double_quote() -> None:
    """Backslashes stand as they are; what would end the condition is refused."""
    assert (
        words("RewriteCond", ("expr", Expr(Eq(Var("A"), Lit("a\\b")))))
        == r"""RewriteCond expr "%{A} == 'a\\b'" """[:-1]
    )
    with pytest.raises(Unwritable):
        words("RewriteCond", ("expr", Expr(Eq(Var("A"), Lit('a"b')))))


@pytest.mark.parametrize(
    ("of", "written"),
    [
        (Eq(Var("A"), Lit("x")), "%{A} == 'x'"),
        (Eq(Call("sha1", Var("A")), Joined((Lit("a"), Var("B"), Call("tolower", Var("C"))))),
         "'%{sha1:%{A}}' == 'a%{B}%{tolower:%{C}}'"),
        (OneOf(Var("A"), ("x", "it's")), r"%{A} in {'x', 'it\'s'}"),
        (OneOf(Var("A"), ()), "false"),
        (Matches(Var("A"), "^a$"), "%{A} =~ m#^a$#"),
        (Exists(Lit("/a b")), "-e '/a b'"),
        (IsEmpty(Var("A")), "-z %{A}"),
        (Not(IsEmpty(Var("A"))), "! (-z %{A})"),
        (AllOf(()), "true"),
        (AnyOf(()), "false"),
        (AllOf((IsEmpty(Var("A")),)), "-z %{A}"),
        (AllOf((IsEmpty(Var("A")), AnyOf((IsEmpty(Var("B")), IsEmpty(Var("C")))))),
         "(-z %{A}) && ((-z %{B}) || (-z %{C}))"),
        (Var("A"), "%{A}"),
        (Lit("$1 %{A} \\ ' \""), r"\$1 \%{A} \\ \' \""),
        (Call("reqenv", Lit("GW_X.y-z:1")), "%{reqenv:GW_X.y-z:1}"),
    ],
)  # fmt: skip
def test_expressions(of: Condition | Word, written: str) -> None:
    """Each operator as httpd writes it, parts of a whole in parentheses, nothing in an empty list."""
    assert expression(of) == written


@pytest.mark.parametrize("bad", ["}", "%", "'", " ", "\\", "\n", "ü"])
def test_a_functions_own_argument_is_plain(bad: str) -> None:
    """httpd knows no escape there, so what could end it is refused."""  # noqa: D403
    with pytest.raises(Unwritable):
        expression(Call("reqenv", Lit(f"A{bad}")))


def test_a_pattern_cannot_end_itself() -> None:
    """The sign that ends a regular expression is refused inside it."""
    with pytest.raises(Unwritable):
        expression(Matches(Var("A"), "a#b"))


def test_a_text_that_is_too_long_for_an_expression_is_refused() -> None:
    """Bytes count, not characters."""
    assert expression(Lit("é" * (MAX_EXPRESSION_TEXT // 2)))
    for text in ("x" * (MAX_EXPRESSION_TEXT + 1), "é" * (MAX_EXPRESSION_TEXT // 2 + 1)):
        with pytest.raises(Unwritable, match="cannot stand in an expression"):
            expression(Lit(text))


def test_the_target_of_a_pattern_names_no_groups() -> None:
    """Dollars and backslashes of a folder's name stay what they are."""
    assert substitution("/srv/$1\\x&y") == "/srv/\\$1\\\\x&y"


def test_a_refusal_says_which_character() -> None:
    """The message names the text and the character."""
    with pytest.raises(Unwritable) as caught:
        argument("a\nb")
    assert "'a\\nb' holds '\\n'" in caught.value.what
    assert caught.value.fix
