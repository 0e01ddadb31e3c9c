"""Builds the documentation site and says what is wrong with it, as a reader without a network would find it."""

from __future__ import annotations

import os
import posixpath
import re
import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[2]
_LOADED = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "embed": "src",
}
_LOADED_LINKS = {"stylesheet", "icon", "preload", "prefetch", "modulepreload", "preconnect", "dns-prefetch", "manifest"}
_CSS_URL = re.compile(r"""(?:url\(|@import\s+)["']?(?P<url>[^"')\s]+)""")
# The theme's own script loads Mermaid, or asks a forge, where a page has an element for that; nothing else loads from elsewhere.
_TRIGGERS = re.compile(r'class="[^"]*\bmermaid\b|data-md-component="source"')
_UNLINKED = {"404.html"}


def build(folder: Path, config: Path = ROOT / "mkdocs.yml") -> subprocess.CompletedProcess[str]:
    """The site in ``folder``; every warning is an error (not with ``--quiet``, which leaves them uncounted)."""
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(config), "-d", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@dataclass
class _Found(HTMLParser):
    """What one page names, links to, and loads."""

    names: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.names |= {given[k] for k in ("id", "name") if given.get(k)}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "link" and set(given.get("rel", "").split()) & _LOADED_LINKS:
            self.loads.append(given.get("href", ""))
        if given.get(_LOADED.get(tag, "")):
            self.loads.append(given[_LOADED[tag]])
        self.loads += _CSS_URL.findall(given.get("style", ""))


def problems(folder: Path) -> list[str]:
    """Dead links and anchors, pages that nothing leads to, malformed addresses, and whatever is loaded from elsewhere."""
    pages = {str(p.relative_to(folder)): _read(p) for p in sorted(folder.rglob("*.html"))}
    found = [f"{name}: {wrong}" for name in pages for wrong in _of_page(folder, pages, name)]
    for css in folder.rglob("*.css"):
        found += [f"{css.name}: loads {u}" for u in _CSS_URL.findall(css.read_text()) if _elsewhere(u)]
    found += [f"{name}: nothing leads there" for name in sorted(set(pages) - _reached(pages) - _UNLINKED)]
    return found


def _read(path: Path) -> _Found:
    page, text = _Found(), path.read_text()
    page.feed(text)
    if _TRIGGERS.search(text):
        page.loads.append("https://a-service-of-the-theme")
    return page


def _elsewhere(url: str) -> bool:
    parts = urlsplit(url)
    return bool(parts.netloc) or (bool(parts.scheme) and parts.scheme != "data")


def _of_page(folder: Path, pages: dict[str, _Found], name: str) -> list[str]:
    page = pages[name]
    wrong = [f"loads {url}" for url in page.loads if _elsewhere(url)]
    for url in [*page.links, *page.loads]:
        parts = urlsplit(url)
        if parts.scheme or parts.netloc:
            if parts.scheme not in {"https", "http", "data", "mailto"} or (
                parts.scheme.startswith("http") and "." not in parts.netloc
            ):
                wrong.append(f"no address: {url}")
            continue
        target = _target(name, parts.path)
        if not (folder / target).is_file():
            wrong.append(f"dead link: {url}")
        elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].names:
            wrong.append(f"dead anchor: {url}")
    return wrong


def _target(name: str, path: str) -> str:
    if not path:
        return name
    target = posixpath.normpath(posixpath.join(posixpath.dirname(name), unquote(path)))
    return "index.html" if target in {".", "/"} else target.lstrip("/")


def _reached(pages: dict[str, _Found]) -> set[str]:
    reached, rest = set[str](), ["index.html"]
    while rest:
        name = rest.pop()
        if name in reached or name not in pages:
            continue
        reached.add(name)
        rest += [_target(name, urlsplit(u).path) for u in pages[name].links if not _elsewhere(u)]
    return reached
