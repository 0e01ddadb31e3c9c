"""A change of a gateway file leaves every other byte as it is, and does exactly what was asked, or is not made."""

from __future__ import annotations

import pytest

from gatewright.errors import UsageError
from gatewright.source.editing import Document, inline

TEXT = """\
# Ours since 2019.
gateway: localhost      # the name
listen: 8443

authorities:
  home:   { managed: true }   # ours
  globex: { anchor: partners/globex-1.pem }
clients:
  # the billing robot
  billing-bot: { authority: home,   san: billing.example.org }
  erp:
    authority: globex
    subject: { organization: "Globex, Inc.", common_name: 'erp' }

groups:
  both: [billing-bot, erp]
routes:
  /a/: { respond: { text: "x" }, access: [billing-bot, erp] }  # two of them
  /b/:
    respond: { text: x }
    access:
      - billing-bot   # first
      - erp
  /c/: { respond: { text: x }, access: public }
"""


def changed(before: str, after: Document) -> tuple[list[str], list[str]]:
    """Lines that went, and lines that came."""
    old, new = before.splitlines(), after.text.splitlines()
    return [line for line in old if line not in new], [line for line in new if line not in old]


def test_an_entry_is_added_on_a_line_of_its_own() -> None:
    """Behind the last of its section; nothing else moves."""
    added = Document(TEXT).add(("clients",), "robot", {"authority": "home", "san": "r.example"})
    assert changed(TEXT, added) == ([], ["  robot: { authority: home, san: r.example }"])
    assert added.text.index("robot") < added.text.index("\ngroups:")


def test_a_section_is_made_behind_the_one_before_it() -> None:
    """A new section stands where it is looked for, not at the end."""
    added = Document(TEXT).add(("partners",), "globex", {"authority": "globex"}, after=("authorities", "clients"))
    assert changed(TEXT, added) == ([], ["partners:", "  globex: { authority: globex }"])
    assert added.text.index("common_name") < added.text.index("partners:") < added.text.index("groups:")


def test_a_key_is_added_in_braces_and_in_a_block() -> None:
    """In the style of what is there."""
    braces = Document(TEXT).add(("authorities", "globex"), "host", "g.example")
    assert changed(TEXT, braces)[1] == ["  globex: { anchor: partners/globex-1.pem, host: g.example }"]
    block = Document(TEXT).add(("routes", "/b/"), "methods", ["GET"])
    assert changed(TEXT, block) == ([], ["    methods: [GET]"])


def test_an_item_is_added_to_both_kinds_of_list_and_to_a_single_value() -> None:
    """A single value becomes a list."""
    assert changed(TEXT, Document(TEXT).append(("routes", "/a/", "access"), "robot"))[1] == [
        '  /a/: { respond: { text: "x" }, access: [billing-bot, erp, robot] }  # two of them'
    ]
    assert changed(TEXT, Document(TEXT).append(("routes", "/b/", "access"), "robot")) == ([], ["      - robot"])
    assert changed(TEXT, Document(TEXT).append(("authorities", "globex", "anchor"), "partners/globex-2.pem"))[1] == [
        "  globex: { anchor: [partners/globex-1.pem, partners/globex-2.pem] }"
    ]


@pytest.mark.parametrize(("index", "left"), [(0, "[erp]"), (1, "[billing-bot]")])
def test_an_item_is_removed(index: int, left: str) -> None:
    """With the comma beside it, or with its line."""
    assert changed(TEXT, Document(TEXT).remove(("groups", "both", index)))[1] == [f"  both: {left}"]
    gone = ["      - billing-bot   # first", "      - erp"][index]
    assert changed(TEXT, Document(TEXT).remove(("routes", "/b/", "access", index))) == ([gone], [])


def test_an_entry_is_removed() -> None:
    """Of one line, of several, and the last of its section with the section."""
    gone, came = changed(TEXT, Document(TEXT).remove(("clients", "erp")))
    assert (gone[0], len(gone), came) == ("  erp:", 3, [])
    assert changed(TEXT, Document(TEXT).remove(("groups", "both"))) == (["groups:", "  both: [billing-bot, erp]"], [])
    assert changed(TEXT, Document(TEXT).remove(("routes", "/a/", "respond")))[1] == [
        "  /a/: { access: [billing-bot, erp] }  # two of them"
    ]


def test_a_value_is_replaced() -> None:
    """In its place."""
    assert changed(TEXT, Document(TEXT).put(("routes", "/c/", "access"), ["erp"]))[1] == [
        "  /c/: { respond: { text: x }, access: [erp] }"
    ]


@pytest.mark.parametrize("text", [TEXT.replace("\n", "\r\n"), TEXT.rstrip("\n"), TEXT + "\n\n# the end\n"])
def test_line_ends_are_kept(text: str) -> None:
    """Of other systems too, and where the last line has none."""
    added = Document(text).add(("routes",), "/d/", {"respond": {}, "access": ["erp"]})
    assert added.text.count("\r\n") == (text.count("\r\n") + 1 if "\r" in text else 0)
    assert added.text.replace("\r\n", "\n").replace("\n  /d/: { respond: {  }, access: [erp] }", "") == text.replace(
        "\r\n", "\n"
    )
    assert Document(added.text).remove(("routes", "/d/")).text.rstrip() == text.rstrip()


def test_a_file_in_braces_is_edited_too() -> None:
    """JSON is YAML."""
    text = '{"gateway": "localhost", "clients": {}, "routes": {"/a": {"access": ["x"]}}}'
    assert Document(text).add(("clients",), "x", {"san": "a.example"}).text == text.replace(
        "{}", "{ x: { san: a.example } }"
    )
    assert Document(text).append(("routes", "/a", "access"), "y").text == text.replace('["x"]', '["x", y]')
    assert Document(text).add(("partners",), "p", {"authority": "a"}, after=("clients",)).data["partners"] == {
        "p": {"authority": "a"}
    }


def test_a_block_of_text_is_no_trap() -> None:
    """An entry behind a text of several lines, and comments below it, stays apart from it."""
    text = "routes:\n  /a:\n    respond:\n      text: |\n        one\n        two\n\n# below\nlisten: 1\n"
    added = Document(text).add(("routes",), "/b", {"access": "public"})
    assert added.data == {
        "routes": {"/a": {"respond": {"text": "one\ntwo\n"}}, "/b": {"access": "public"}},
        "listen": 1,
    }
    assert "# below" in added.text


def test_what_cannot_be_edited_is_refused_whole() -> None:
    """Where the result would hold anything else than what was asked for, there is none."""
    with pytest.raises(UsageError) as refused:
        Document("# a line end of old\ra: { b: c }\n").add(("a",), "d", "e")
    assert refused.value.diagnostics[0].code == "cannot-edit"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"), ("/a/b.pem", "/a/b.pem"), ("a b", '"a b"'), ("yes: no", '"yes: no"'), ("true", '"true"'), ("12", '"12"'),
        ("1e3", '"1e3"'), ("0x1F", '"0x1F"'), ("null", '"null"'), ("", '""'), ("*.a.example", '"*.a.example"'), ("a#b", '"a#b"'),
        ("~", '"~"'), (True, "true"), (12, "12"), (["a", "b c"], '[a, "b c"]'), ({"a": "b"}, "{ a: b }"), ("ü", '"ü"'),
    ],
)  # fmt: skip
def test_values_are_quoted_where_they_must_be(value: object, text: str) -> None:
    """So that the same reader reads the same value."""
    assert inline(value) == text
    assert Document(f"k: {text}").data == {"k": value}
