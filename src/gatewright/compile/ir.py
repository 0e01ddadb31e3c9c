"""httpd configuration as a tree: directives with arguments, sections with children. Never strings until rendered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from gatewright.compile.expr import Expr


@dataclass(frozen=True, slots=True)
class Setting:
    """A variable of the configuration itself (``Define``), so that one tree can be started on another port."""

    name: str


Part = str | Setting
Arg = str | Setting | Expr | tuple[Part, ...]
"""One argument: literal text, a setting, an expression, or literal text and settings joined."""


@dataclass(frozen=True, slots=True)
class Directive:
    """One line: a directive and its arguments."""

    name: str
    args: tuple[Arg, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A block: ``<name args>`` children ``</name>``."""

    name: str
    args: tuple[Arg, ...]
    children: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Comment:
    """A line that says why the next ones are there."""

    text: str


Node = Directive | Section | Comment


def directive(name: str, *args: Arg) -> Directive:
    """A directive with its arguments."""
    return Directive(name, args)


def section(name: str, *args: Arg, children: tuple[Node, ...]) -> Section:
    """A section with its arguments and children."""
    return Section(name, args, children)


def walk(nodes: tuple[Node, ...]) -> Iterator[Directive | Section]:
    """Every directive and section, parents before children, in order."""
    for node in nodes:
        if isinstance(node, Comment):
            continue
        yield node
        if isinstance(node, Section):
            yield from walk(node.children)


def as_data(nodes: tuple[Node, ...]) -> list[dict[str, object]]:
    """The tree as JSON can hold it: one object a node, arguments as text, settings and expressions by their parts."""
    return [_node_data(node) for node in nodes]


def _node_data(node: Node) -> dict[str, object]:
    if isinstance(node, Comment):
        return {"comment": node.text}
    data: dict[str, object] = {"name": node.name, "args": [_arg_data(arg) for arg in node.args]}
    if isinstance(node, Section):
        data["children"] = as_data(node.children)
    return data


def _arg_data(arg: Arg) -> object:
    if isinstance(arg, str):
        return arg
    if isinstance(arg, tuple):
        return [_arg_data(part) for part in arg]
    if isinstance(arg, Setting):
        return {"setting": arg.name}
    return {"expression": asdict(arg)}
