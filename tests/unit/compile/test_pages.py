"""The gateway's own answers: refusals as HTML and JSON, and fixed responses."""

from __future__ import annotations

import base64
import hashlib
import json
import re

import pytest
from tests.unit.compile.made import inputs

from gatewright.compile.pages import BROWSER_HELP, DENIED, error_pages, page_name, response_name, responses
from gatewright.model import reasons
from gatewright.model.gateway import Respond

PAGES = {file.path.stem: file for file in error_pages()}


def filled(text: str) -> str:
    """A page as mod_include leaves it when every variable is empty."""
    return re.sub(r"<!--#echo [^>]* -->", "", text)


def test_every_reason_has_a_page() -> None:
    """Each refusal is told by a page that exists; the three of protected routes share one."""
    assert {page_name(reason) for reason in reasons.ALL} <= set(PAGES)
    assert page_name(reasons.CERTIFICATE_REVOKED) == DENIED


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_headers_an_empty_line_and_two_bodies(name: str) -> None:
    """The status line comes first, nothing is stored by caches, and each JSON body parses with its reason."""
    file = PAGES[name]
    head, _, body = file.content.decode().partition("\n\n")
    assert re.match(
        r"Status: [45]\d\d [A-Z][A-Za-z ]+\nCache-Control: no-store\n(Retry-After: 1\n)?Vary: Accept\n"
        r"Content-Security-Policy: default-src 'none'; .*\nX-Content-Type-Options: nosniff\nReferrer-Policy: no-referrer$",
        head,
    )
    assert file.public
    found = [
        json.loads(filled(text)) for text in re.findall(r'\{"error".*?"request_id": "[^"]*"[^}]*\}', _json_part(body))
    ]
    assert found
    for told in found:
        assert {"error", "status", "title", "detail", "remedy", "path", "request_id"} <= told.keys()
    assert "<h1>" in body


def _json_part(body: str) -> str:
    return filled(body.replace('\\"', "'"))


@pytest.mark.parametrize("name", PAGES)
def test_what_comes_from_the_request_is_encoded(name: str) -> None:
    """Each variable is entity-encoded in HTML and percent-encoded in JSON; none is written raw, none is run."""
    text = PAGES[name].content.decode()
    echoes = re.findall(r"<!--#echo ([^>]*) -->", text)
    assert echoes
    assert all(re.fullmatch(r'encoding="(entity|url)" var="[A-Z0-9_]+"', echo) for echo in echoes)
    assert "#exec" not in text
    assert "#include" not in text


@pytest.mark.parametrize("name", PAGES)
def test_a_page_needs_nothing_from_elsewhere(name: str) -> None:
    """No script, no address of anybody else, and one style sheet, which is the one that the policy names by its hash."""
    head, _, body = PAGES[name].content.decode().partition("\n\n")
    assert "<script" not in body
    assert not re.search(r"\b(?:src|style|on[a-z]+)=|url\(|@import", body)
    assert set(re.findall(r'href="([^"]*)"', body)) <= {"data:,", "", f"#{BROWSER_HELP}"}
    sheets = set(re.findall(r"<style>(.*?)</style>", body))
    hashes = {base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in sheets}
    assert hashes == set(re.findall(r"style-src 'sha256-([^']+)'", head))
    assert len(hashes) == 1


def test_only_a_missing_certificate_is_explained_for_browsers() -> None:
    """The page links to the section on browsers where it has one; other pages have neither."""
    text = PAGES[DENIED].content.decode()
    assert text.count(f'href="#{BROWSER_HELP}"') == text.count(f'id="{BROWSER_HELP}"') == 1
    assert [name for name, file in PAGES.items() if BROWSER_HELP.encode() in file.content] == [DENIED]


def test_only_pages_about_a_certificate_show_one() -> None:
    """The subject appears where the reason is about the certificate, and nowhere else."""
    assert [name for name, file in PAGES.items() if b"SSL_CLIENT_S_DN" in file.content] == [DENIED]


@pytest.mark.parametrize(
    ("respond", "head", "body"),
    [
        (Respond(), "Status: 200\nContent-Type: text/plain; charset=utf-8", ""),
        (Respond(418, text="Status: 500\n\nx ü"), "Status: 418\nContent-Type: text/plain; charset=utf-8", "Status: 500\n\nx ü"),
        (Respond(503, html="<h1>x</h1>"), "Status: 503\nContent-Type: text/html; charset=utf-8", "<h1>x</h1>"),
        (Respond(json={"a": ["ü", None]}), "Status: 200\nContent-Type: application/json", '{"a": ["ü", null]}\n'),
    ],
)  # fmt: skip
def test_fixed_responses(respond: Respond, head: str, body: str) -> None:
    """Status, type, empty line, then the body exactly; nothing in a body can become a header."""
    made = inputs("gateway: a.example\nlisten: 1\nroutes:\n  /a: { respond: {}, access: public }\n")
    route = next(iter(made.gateway.routes.values()))
    object.__setattr__(route, "respond", respond)
    (file,) = responses(made)
    assert str(file.path) == response_name(respond)
    assert file.content.decode() == f"{head}\n\n{body}"


def test_equal_responses_share_a_file() -> None:
    """Ten thousand equal answers are one file; different ones are not."""
    text = "gateway: a.example\nlisten: 1\nroutes:\n  /a: { respond: { text: x }, access: public }\n"
    text += "  /b: { respond: { text: x }, access: public }\n  /c: { respond: { html: x }, access: public }\n"
    assert len(responses(inputs(text))) == 2
