"""How httpd reads a configuration file, written once more from its documentation and source, not from our quoting.

The tests that start a real httpd (``tests/live/test_quoting_oracle.py``) hold this model to the truth.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gatewright.compile import quote
from gatewright.compile.expr import Expr
from gatewright.compile.ir import Arg, Comment, Node, Section, Setting


@dataclass
class Line:
    """A directive or section: its name, its arguments as httpd's code gets them, and what stands inside it."""

    name: str
    args: list[str]
    children: list[Line] = field(default_factory=list)


def read(text: str, defines: Mapping[str, str] | None = None) -> list[Line]:
    """The lines of a configuration file, ``Define`` applied. Raises ``ValueError`` where httpd would stop."""
    known = dict(defines or {})
    stack: list[Line] = [Line("", [])]
    for raw in text.split("\n"):
        line = raw.strip(" \t\r\f\v")
        if not line or line.startswith("#"):
            continue
        if line.endswith("\\"):
            raise ValueError(f"a line that goes on in the next: {line!r}")
        line = _resolve(line, known)
        if line.startswith("</"):
            if line != f"</{stack[-1].name}>":
                raise ValueError(f"{line} closes {stack[-1].name!r}")
            stack.pop()
            continue
        section = line.startswith("<")
        if section:
            end = line.rfind(">")
            if end < 0:
                raise ValueError(f"an open section: {line!r}")
            line = line[1:end]
        found = _words(line)
        stack[-1].children.append(found)
        if found.name == "Define" and _applies(stack[1:], known):
            known[found.args[0]] = found.args[1]
        if section:
            stack.append(found)
    if len(stack) > 1:
        raise ValueError(f"{stack[-1].name} is not closed")
    return stack[0].children


def _applies(scopes: list[Line], known: Mapping[str, str]) -> bool:
    return all((s.args[0][1:] not in known) if s.args[0].startswith("!") else (s.args[0] in known) for s in scopes)


def _resolve(line: str, known: Mapping[str, str]) -> str:
    """``ap_resolve_env``: once, from left to right; what is not known stays."""
    return re.sub(r"\$\{([^}]*)\}", lambda m: known.get(m[1], m[0]), line)


def _words(line: str) -> Line:
    name, _, rest = line.partition(" ")
    args: list[str] = []
    rest = rest.strip(" \t")
    while rest:
        if name == "Require" and args == ["expr"]:  # mod_authz_core: the rest of the line, without its outer quotes
            quoted = len(rest) > 1 and rest[0] == rest[-1] == '"'
            return Line(name, ["expr", rest[1:-1] if quoted else rest])
        word, rest = (_bare if name in {"RewriteCond", "RewriteRule"} else _word)(rest)
        args.append(word)
    return Line(name, args)


def _bare(rest: str) -> tuple[str, str]:
    """mod_rewrite's ``parseargline``: quotes end a word, and a backslash is a character like any other."""
    mark = rest[0] if rest[0] == '"' else ""
    body = rest[len(mark) :]
    end = next((n for n, char in enumerate(body) if char == mark or (not mark and char in " \t")), len(body))
    return body[:end], body[end + len(mark) :].lstrip(" \t")


def _word(rest: str) -> tuple[str, str]:
    """``ap_getword_conf``: one word and what follows it."""
    mark = rest[0] if rest[0] in "\"'" else ""
    word, position = "", len(mark)
    while position < len(rest):
        char = rest[position]
        if char == "\\" and rest[position + 1 : position + 2] in {"\\", mark or "\\"}:
            word += rest[position + 1]
            position += 2
            continue
        if char == mark or (not mark and char in " \t"):
            break
        word += char
        position += 1
    else:
        if mark:
            raise ValueError(f"an open quote: {rest!r}")
    return word, rest[position + len(mark) :].lstrip(" \t")


def meant(nodes: tuple[Node, ...], settings: Mapping[str, str]) -> Iterator[Line]:
    """The same lines as the tree means them."""
    for node in nodes:
        if isinstance(node, Comment):
            continue
        children = list(meant(node.children, settings)) if isinstance(node, Section) else []
        yield Line(node.name, [_meant(arg, settings) for arg in node.args], children)


def _meant(arg: Arg, settings: Mapping[str, str]) -> str:
    if isinstance(arg, Setting):
        return settings[arg.name]
    if isinstance(arg, tuple):
        return "".join(_meant(part, settings) for part in arg)
    if isinstance(arg, Expr):
        return arg.prefix + quote.expression(arg.of)
    return arg
