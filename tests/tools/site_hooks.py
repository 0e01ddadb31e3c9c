"""MkDocs' hooks: what pages link to outside docs/ is part of the site, too, so that the same Markdown is right on a forge and there.

A linked source file is shown as text below ``files/``; the changelog and the guide for contributors become pages.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
PROJECT_PAGES = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
_LINK = re.compile(r"\]\((?!https?:|#|mailto:)(?P<to>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")


def place(target: str) -> str:
    """Where in the site a file of the repository is, given relative to the repository's top."""
    if target in PROJECT_PAGES:
        return PROJECT_PAGES[target]
    if target.startswith("docs/"):
        return target.removeprefix("docs/")
    return f"files/{target}.txt"


def rewritten(markdown: str, source: str, shown: str) -> str:
    """The Markdown of ``source`` (relative to the repository's top) with links as they must be in the site at ``shown``."""

    def one(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), match["to"]))
        return f"]({posixpath.relpath(place(target), posixpath.dirname(shown) or '.')}{match['anchor'] or ''})"

    return _LINK.sub(one, markdown)


def outside(markdown: str, source: str) -> set[str]:
    """The repository's files outside docs/ that a page links to, pages of the site left out."""
    found = {posixpath.normpath(posixpath.join(posixpath.dirname(source), m["to"])) for m in _LINK.finditer(markdown)}
    return {t for t in found if not t.startswith("docs/") and t not in PROJECT_PAGES and (ROOT / t).is_file()}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the project's pages, and what pages link to."""
    from mkdocs.structure.files import File  # noqa: PLC0415 - only there when a site is built

    wanted = set[str]()
    for name, shown in PROJECT_PAGES.items():
        text = (ROOT / name).read_text()
        files.append(File.generated(config, shown, content=rewritten(text, name, shown)))
        wanted |= outside(text, name)
    for path in sorted((ROOT / "docs").rglob("*.md")):
        wanted |= outside(path.read_text(), str(path.relative_to(ROOT)))
    for target in sorted(wanted):
        files.append(File.generated(config, place(target), content=(ROOT / target).read_text()))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Links that lead out of docs/ lead to the copies."""
    source = page.file.src_uri
    if source in PROJECT_PAGES.values():
        return markdown
    return rewritten(markdown, f"docs/{source}", source)
