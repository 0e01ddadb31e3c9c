"""The tree to text: two spaces a level, one line a directive, in the order given."""

from __future__ import annotations

from gatewright.compile.ir import Comment, Node, Section
from gatewright.compile.quote import words


def render(nodes: tuple[Node, ...]) -> str:
    """The whole configuration file."""
    lines: list[str] = []
    _append(lines, nodes, 0)
    return "".join(f"{line}\n" for line in lines)


def _append(lines: list[str], nodes: tuple[Node, ...], depth: int) -> None:
    pad = "  " * depth
    for node in nodes:
        if isinstance(node, Comment):
            lines.append(f"{pad}# {node.text}")
        elif isinstance(node, Section):
            lines.append(f"{pad}<{words(node.name, node.args)}>")
            _append(lines, node.children, depth + 1)
            lines.append(f"{pad}</{node.name}>")
        else:
            lines.append(f"{pad}{words(node.name, node.args)}")
