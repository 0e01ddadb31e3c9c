"""Texts that mean something to httpd's configuration, to its expressions or to neither."""

from __future__ import annotations

from hypothesis import strategies as st

PIECES = (
    '"', "'", "\\", "\\\\", '\\"', "\\'", "<", ">", "</Location>", "#", " ", "\t", "  ", "$", "$1", "$0", "${", "}", "{",
    "${HOME}", "${GW_PORT}", "${GW_DOLLAR}", "$${", "%", "%%", "%{SSL_CLIENT_S_DN}", "%{HOME}", "%{", "%s", "&&", "||", "!",
    "' || true || '", "'} || true || {'", '" all granted "', "m#x#", "/a/", "*", "?", "[a]", ";", ",", "=", "=~", "-e", "ü", "日本",
    "\u202e", "\x01", "\x0b", "\x0c", "\x1b[31m", "\x7f", "\x85", "\u2028", "\udcff", "a", "B7", "null", "\\n", "\\1", "\\x41", "`id`", "|",
)  # fmt: skip
"""Each has ended, begun or changed something somewhere."""

_ANY = st.text(st.characters(codec="utf-8", exclude_characters="\x00\n\r"), max_size=12)


def texts(max_pieces: int = 8) -> st.SearchStrategy[str]:
    """Pieces and anything else in any order; whatever httpd's configuration can hold."""
    return st.lists(st.sampled_from(PIECES) | _ANY, max_size=max_pieces).map("".join)


LONG = ("x" * 4_000 + "'\\\"%{X}" + "y" * 4_000, "\\" * 5_000, "'" * 3_000, "é" * 4_000)
"""Texts near the end of what an expression can hold."""
