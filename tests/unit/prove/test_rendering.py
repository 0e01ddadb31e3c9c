"""A report as text, page and JSON: what it must say, and what hostile words in it must not do."""

from __future__ import annotations

import json
import math
import unicodedata
from dataclasses import replace
from html.parser import HTMLParser

from tests.unit.prove.reports import BEGAN, HOSTILE, hostile, proven, unproven

from gatewright.prove.cases import Family
from gatewright.prove.rendering import WORDS, to_html, to_json, to_text
from gatewright.prove.verdict import Verdict

_VOID = {"meta"}
_OURS = {
    "html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "p", "dl", "dt", "dd", "article", "strong", "code",
    "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "details", "summary",
}  # fmt: skip


class Page(HTMLParser):
    """What a browser would find: elements, attributes, text; and whether every element is closed."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(content.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """One ends: the one that began last."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Text."""
        self.texts.append(data)


def test_every_family_has_words() -> None:
    """No family is without a description for readers."""
    assert set(WORDS) == set(Family)


def test_the_text_begins_with_the_result() -> None:
    """Proven or not is the first thing said; a finding tells what was expected, seen and why."""
    good, bad = to_text(proven()), to_text(unproven())
    assert good.startswith("result:     proven: 4 probes")
    assert bad.startswith("result:     NOT PROVEN: of 6 probes, 1 ended otherwise than it must and 1 came to nothing\n")
    assert "FAILED  no-certificate /orders/%2e tls1.3 h2\n  expected: refused by HTTP: 403" in bad
    assert "INCONCLUSIVE  no-certificate /orders/;x" in bad
    assert "clients of partner (12 cases): its key is the partner's" in good


def test_nothing_tried_is_not_proven() -> None:
    """A report without a single probe proves nothing, in every form."""
    empty = replace(proven(), verdicts=())
    assert "NOT PROVEN: nothing was tried" in to_text(empty)
    assert b"NOT PROVEN: nothing was tried" in to_html(empty, BEGAN)
    assert json.loads(to_json(empty, BEGAN))["proven"] is False


def test_what_is_not_gone_is_said() -> None:
    """A test certificate that could not be revoked stands in text and page with its serial number."""
    left = replace(proven(), identities=(replace(proven().identities[0], gone=False),))
    assert "1 NOT GONE" in to_text(left)
    assert "0A1B" in to_text(left)
    assert "0A1B" not in to_text(proven())
    assert b"<details open>" in to_html(left, BEGAN)


def test_json_is_stable_and_complete() -> None:
    """Equal reports give the same bytes; every verdict is there, with numbers as they were seen."""
    content = to_json(unproven(), BEGAN, "ee")
    assert content == to_json(unproven(), BEGAN, "ee")
    data = json.loads(content)
    assert content == (json.dumps(data, sort_keys=True, separators=(",", ":")) + "\n").encode()
    assert (data["format"], data["html_sha256"], data["made"]) == ("gatewright-proof-1", "ee", "2030-01-01T11:59:50Z")
    assert [v["passed"] for v in data["verdicts"]] == [True] * 4 + [False] * 2
    assert data["verdicts"][2]["seen"]["alert"] == 48
    assert data["verdicts"][5]["seen"]["errno"] == 110
    assert data["verdicts"][5]["inconclusive"]


def test_values_of_headers_stay_out() -> None:
    """What the gateway adds for its backends may be secret: the report holds the names alone."""
    content = to_json(proven(), BEGAN)
    assert json.loads(content)["verdicts"][3]["seen"]["headers"] == ["X-Api-Key", "X-Client"]
    assert b"hunter2" not in content + to_html(proven(), BEGAN) + to_text(proven()).encode()


def test_json_has_no_infinity() -> None:
    """A length of time that is no number does not make JSON that others refuse."""
    strange = replace(proven(), seconds=math.inf)
    assert json.loads(to_json(strange, BEGAN), parse_constant=lambda _: 1 / 0)["seconds"] == -1


def test_hostile_words_stay_words_on_the_page() -> None:
    """Markup in evidence is text: no element, no attribute of it exists, and nothing invisible is left."""
    content = to_html(hostile(), BEGAN)
    page = Page(content)
    assert page.elements <= _OURS
    assert page.attributes <= {"lang", "charset", "http-equiv", "content", "name", "class", "open"}
    assert page.open == []
    assert any("<script>alert(1)</script>" in text for text in page.texts)
    assert not [c for c in content.decode() if c != "\n" and unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}]
    assert b"script-src" not in content
    assert b"default-src 'none'" in content


def test_hostile_words_stay_words_on_the_terminal() -> None:
    """No control, no override, no line of its own: a finding cannot draw a line that says it passed."""
    text = to_text(hostile())
    assert not [c for c in text if c != "\n" and not c.isprintable()]
    assert not [line for line in text.splitlines() if line.startswith("FAKE")]


def test_hostile_words_stay_words_in_json() -> None:
    """JSON is ASCII without controls, and gives back every word as it was."""
    content = to_json(hostile(), BEGAN)
    assert content.isascii()
    assert not [b for b in content[:-1] if b < 0x20]
    data = json.loads(content)
    assert data["verdicts"][-1]["evidence"] == HOSTILE
    assert data["target"] == HOSTILE


def test_the_page_tells_every_probe() -> None:
    """Passed ones too: each id stands on the page."""
    page = to_html(unproven(), BEGAN).decode()
    found: list[Verdict] = list(unproven().verdicts)
    assert all(v.case.id in page for v in found)
