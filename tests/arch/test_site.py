"""The documentation site: built from docs/ with every warning an error, whole, and without anything from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.live.transcript import blocks, declared, read
from tests.tools import site

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(str(p.relative_to(DOCS)) for p in DOCS.rglob("*.md"))
TYPED = re.compile(r"^(?:\$ |\./)?(?:gatewright|curl|openssl|sudo|docker|podman|python3?|pip|git)(?= |$)", re.MULTILINE)
ELSEWHERE = {"pki.md": "tests/live/test_cert_commands.py", "library.md": "tests/unit/pki/test_library_page.py"}
"""Pages whose code other tests run, block by block."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, in a temporary folder."""
    folder = tmp_path_factory.mktemp("site")
    done = site.build(folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_site_is_whole(built: Path) -> None:
    """No dead link or anchor, no page that nothing leads to, and nothing is loaded from elsewhere."""
    assert site.problems(built) == []
    assert len(list(built.rglob("*.html"))) > len(PAGES)


def test_every_page_is_in_the_navigation() -> None:
    """Each page of docs/ stands in mkdocs.yml, once."""
    named = re.findall(r"^ +- ([\w./-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(named) == sorted([*PAGES, "changelog.md", "contributing.md"])


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda html: html.replace('href="prove.html"', 'href="proof.html"'), "dead link: proof.html"),
        (lambda html: html.replace("<p>", '<p><a href="apply.html#nowhere">', 1), "dead anchor: apply.html#nowhere"),
        (lambda html: html.replace("<p>", '<p><a href="https:/broken">', 1), "no address: https:/broken"),
        (
            lambda html: html.replace("<p>", '<p><img src="//cdn.example.org/a.png">', 1),
            "loads //cdn.example.org/a.png",
        ),
        (lambda html: html.replace("<p>", '<p class="mermaid">', 1), "loads https://a-service-of-the-theme"),
        (
            lambda html: html.replace(
                "</head>", '<link rel="stylesheet" href="https://fonts.example.org/a.css"></head>'
            ),
            "loads https://fonts.example.org/a.css",
        ),
    ],
)
def test_what_is_wrong_with_a_site_is_seen(built: Path, spoil: Callable[[str], str], told: str) -> None:
    """The twin: one page spoilt in one way."""
    page = built / "index.html"
    sound = page.read_text()
    page.write_text(spoil(sound))
    try:
        assert f"index.html: {told}" in site.problems(built)
    finally:
        page.write_text(sound)


def test_a_page_that_nothing_leads_to_is_seen(built: Path, tmp_path: Path) -> None:
    """The twin: a page beside the others."""
    (tmp_path / "index.html").write_text("<p>")
    (tmp_path / "lonely.html").write_text("<p>")
    assert site.problems(tmp_path) == ["lonely.html: nothing leads there"]


def test_a_warning_ends_the_build(tmp_path: Path) -> None:
    """The twin: a page that links to none, and one that is not in the navigation."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("[gone](gone.md)\n")
    text = "site_name: x\nnav: [index.md]\n"
    (tmp_path / "mkdocs.yml").write_text(text)
    done = site.build(tmp_path / "site", tmp_path / "mkdocs.yml")
    assert done.returncode != 0
    assert "gone.md" in done.stderr


@pytest.mark.parametrize("name", PAGES)
def test_commands_are_executed_or_say_why_not(name: str) -> None:
    """Every block with something to type is executed by a test, or the comment before it says why it is not."""
    text = (DOCS / name).read_text()
    if declared(text):
        assert read(name, text).steps
    loose = [
        f"{name}:{block.line}"
        for block in blocks(text)
        if not block.why_not
        and (
            block.kind.split(" ")[0] == "console"
            or (block.kind in {"", "sh", "bash", "text"} and TYPED.search(block.text))
        )
        and not (declared(text) and block.kind.split(" ")[0] == "console")
        and name not in ELSEWHERE
    ]
    assert not loose
