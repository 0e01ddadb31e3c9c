"""How diagnostics, tables and lengths of time are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.cli.render import as_typed, count, render_days, render_diagnostics, render_length, render_table, visible
from gatewright.errors import Diagnostic, Severity, Span

ROUTE = Diagnostic(
    "route-without-access",
    "route '/orders/' does not say who may use it",
    "nothing is open by leaving something out",
    "add 'access: public', 'access: any-client' or 'access: [client, ...]'",
    Span("gateway.yaml", 12, 5),
)


def test_a_diagnostic_in_full() -> None:
    """Place, severity, what, code; then why and fix, indented."""
    assert render_diagnostics([ROUTE]) == (
        "gateway.yaml:12:5: error: route '/orders/' does not say who may use it [route-without-access]\n"
        "    why: nothing is open by leaving something out\n"
        "    fix: add 'access: public', 'access: any-client' or 'access: [client, ...]'\n"
    )


def test_a_diagnostic_with_little() -> None:
    """Without place, why and fix there is one line, and a place without line is the file alone."""
    assert render_diagnostics([Diagnostic("a-code", "it is so", severity=Severity.NOTE)]) == "note: it is so [a-code]\n"
    assert render_diagnostics([Diagnostic("a-code", "no", where=Span("f"))]) == "f: error: no [a-code]\n"


def test_several_lines_stay_under_their_label() -> None:
    """A fix of several lines is indented under its first."""
    text = render_diagnostics([Diagnostic("a-code", "no", fix="one\ntwo")])
    assert text.endswith("    fix: one\n         two\n")


def test_color_is_only_there_when_asked_for() -> None:
    """Colour marks severity and code, and without it there is no escape character at all."""
    assert "\x1b[1;31merror:\x1b[0m" in render_diagnostics([ROUTE], color=True)
    assert "\x1b" not in render_diagnostics([ROUTE])


def test_what_a_user_wrote_cannot_move_the_cursor() -> None:
    """Escape sequences, line ends and bidirectional overrides in a value are written as escapes."""
    text = render_diagnostics([Diagnostic("a-code", "client 'x\x1b[2J\n\u202ey' is unknown", where=Span("a\rb", 1, 1))])
    assert text == "a\\rb:1:1: error: client 'x\\x1b[2J\\n\\u202ey' is unknown [a-code]\n"


@given(st.text(alphabet=st.characters()))
def test_visible_text_is_one_printable_line(text: str) -> None:
    """Whatever goes in, nothing comes out that a terminal obeys, and ordinary letters of any script stay."""
    shown = visible(text)
    assert not [c for c in shown if ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 or 0xD800 <= ord(c) < 0xE000]
    assert len(shown.splitlines()) <= 1
    assert visible("Größe 日本 e\u0301") == "Größe 日本 e\u0301"


def test_a_table_lines_up() -> None:
    """Columns are as wide as their widest cell; without rows there is no header either."""
    assert render_table(("A", "BB"), [("xxx", "1"), ("y", "22")]) == "A    BB\nxxx  1\ny    22\n"
    assert render_table(("A", "BB"), []) == ""


def test_commands_are_told_as_this_user_types_them() -> None:
    """Run from its source folder, every command in a message begins with that path; names, paths and prose stay as they are."""
    text = "gatewright apply; or: 'gatewright -C /x up', see /opt/gatewright plan; the gatewright team; gatewright-canary up"
    told = "/src/gatewright apply; or: '/src/gatewright -C /x up', see /opt/gatewright plan; the gatewright team; gatewright-canary up"
    assert as_typed(text, "/src/gatewright") == told
    assert as_typed(text, "gatewright") == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3_725, "1 h 2 min"),
        (86_400 * 3 + 4 * 3600 + 5, "3 d 4 h"),
        (-5, "0 s"),
    ],
)
def test_lengths_of_time(seconds: float, text: str) -> None:
    """The two largest units, cut off rather than rounded."""
    assert render_length(seconds) == text


@pytest.mark.parametrize(
    ("days", "text"),
    [(89, "89 days left"), (1, "1 day left"), (0, "ends today"), (-1, "expired 1 day ago"), (-9, "expired 9 days ago")],
)
def test_days_left(days: int, text: str) -> None:
    """What is over is said to be over."""
    assert render_days(days) == text


def test_counting() -> None:
    """One thing is singular, and no thing is plural."""
    assert [count(n, "route") for n in (0, 1, 2)] == ["0 routes", "1 route", "2 routes"]
    assert count(2, "entry", "entries") == "2 entries"
