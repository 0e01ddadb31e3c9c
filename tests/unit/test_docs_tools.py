"""The tools that write documents: pieces of configuration, pictures, and links that hold on a forge and in the site."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from tests.tools import diagram
from tests.tools.site_hooks import outside, place, rewritten
from tests.tools.snippets import COMPILED, PAGE, filled, piece

CONFIGURATION = """\
<VirtualHost a>
  <Location />
    first
  </Location>
</VirtualHost>
<VirtualHost b>
  # said
  SSLVerifyClient optional
  SSLVerifyDepth 0
  <Location />
    second
  </Location>
</VirtualHost>
"""


@pytest.mark.parametrize(
    ("what", "lines"),
    [
        ("SSLVerifyDepth", "SSLVerifyDepth 0\n"),
        ("# said ... SSLVerifyDepth", "# said\nSSLVerifyClient optional\nSSLVerifyDepth 0\n"),
        ("<Location />", "<Location />\n  second\n</Location>\n"),
        ("SSLVerifyDepth ... </Loc", "SSLVerifyDepth 0\n<Location />\n  second\n</Location>\n"),
    ],
)
def test_a_piece_of_configuration(what: str, lines: str) -> None:
    """One line, several, or a section, of the last host that has it."""
    assert piece(CONFIGURATION, what) == lines


def test_what_is_no_longer_compiled_is_told() -> None:
    """The twin: a page that shows a line which the compiler does not write any more."""
    with pytest.raises(LookupError, match="SSLVerifyDeep"):
        piece(CONFIGURATION, "SSLVerifyDeep")


def test_a_page_that_shows_something_else_is_out_of_date() -> None:
    """The twin for the test of generated pages: another line in the configuration is another page."""
    page, compiled = PAGE.read_text(), COMPILED.read_text()
    assert page.count("<!-- compiled: ") >= 8
    assert filled(page, compiled) == page
    assert filled(page, compiled.replace("SSLVerifyDepth 0", "SSLVerifyDepth 1")) != page


def test_pictures_are_whole() -> None:
    """Well-formed, with a title and a text for those who do not see them, every step of it in both, nothing from elsewhere."""
    for text, steps in ((diagram.tls_12(), diagram.TLS_12), (diagram.tls_13(), diagram.TLS_13)):
        root = ET.fromstring(text)
        said = " ".join(root.itertext())
        assert [s.what for s in steps if said.count(s.what) < 2] == []
        assert "href" not in text
        assert text.count("http") == text.count("http://www.w3.org/2000/svg")


def test_links_hold_in_the_site() -> None:
    """Within docs/ as they are, files of the project as copies, its own pages as pages; addresses and anchors untouched."""
    page = "[a](../pki.md#list) [b](../../src/gatewright/backend.py) [c](../../CHANGELOG.md) [d](https://x.org/) [e](#here)"
    assert rewritten(page, "docs/recipes/x.md", "recipes/x.md") == (
        "[a](../pki.md#list) [b](../files/src/gatewright/backend.py.txt) [c](../changelog.md) [d](https://x.org/) [e](#here)"
    )
    assert outside(page, "docs/recipes/x.md") == {"src/gatewright/backend.py"}
    assert place("docs/pki.md") == "pki.md"
    assert rewritten("[a](docs/pki.md)", "CONTRIBUTING.md", "contributing.md") == "[a](pki.md)"
