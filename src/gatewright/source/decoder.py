"""From the tree to the gateway's values, led by the shapes. Collects every problem; gives up on nothing but the value."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final

from gatewright.errors import Diagnostic, Span, ValueRejected
from gatewright.model.gateway import Access, Openness, Path
from gatewright.source.scalars import MAX_NUMBER, resolve
from gatewright.source.shapes import (
    AccessRule,
    Anything,
    Choice,
    Key,
    ListOf,
    Record,
    Shape,
    TableOf,
    Text,
    Truth,
    Value,
    Whole,
    expected,
    records,
)
from gatewright.source.tree import Broken, Listing, Node, Place, Scalar, Table


class _Refused:
    """The type of :data:`REFUSED`."""


REFUSED: Final = _Refused()
"""Stands for a value that was refused: the problem is noted, and what contains it is not built."""

_SINGULAR = {
    "routes": "route",
    "clients": "client",
    "groups": "group",
    "authorities": "authority",
    "partners": "partner",
}

_ACCESS_FIX = "add 'access: public', 'access: any-client' or 'access: [client, ...]'"


def describe(path: Path) -> str:
    """The value at ``path`` in words: ``'backend.url' of route '/a/'``."""
    if not path:
        return "the gateway file"
    owner = ""
    rest = path
    if len(path) > 1 and path[0] in _SINGULAR:
        owner, rest = f"{_SINGULAR[str(path[0])]} {str(path[1])!r}", path[2:]
    if not rest:
        return owner
    inner = ".".join(str(part) for part in rest)
    return f"'{inner}' of {owner}" if owner else f"'{inner}'"


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that ``word`` most likely stands for, if any is near."""
    known = {candidate.casefold(): candidate for candidate in candidates}
    close = get_close_matches(word.casefold()[:64], known, n=1, cutoff=0.6)
    return known[close[0]] if close else None


class Decoder:
    """One walk over one file: ``places`` and ``problems`` grow on the way.

    ``left_out``: names of entries with a problem. They are missing from the tables, which are good for nothing but looking for
    more problems then.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.places: dict[Path, Place] = {}
        self.problems: list[Diagnostic] = []
        self.left_out: set[str] = set()
        self._by_shape: dict[type, Callable[[Any, Node, Path], object]] = {
            Text: self._text,
            Whole: self._whole,
            Truth: self._truth,
            Anything: self._anything,
            Choice: self._choice,
            Value: self._value,
            ListOf: self._list,
            TableOf: self._table,
            AccessRule: self._access,
            Record: self._record,
        }

    def decode(self, shape: Shape, node: Node, path: Path, key: Place | None = None) -> object:
        """The value of ``node``, or :data:`REFUSED`. ``key``: where the key stands that leads to it.

        A scalar's place is where it stands itself; a collection's is its key, because its first item may be far below.
        """
        self.places[path] = node.place if key is None or isinstance(node, Scalar) else key
        if isinstance(node, Broken):
            return REFUSED
        return self._by_shape[type(shape)](shape, node, path)

    def refuse(self, code: str, what: str, fix: str, place: Place, why: str = "") -> _Refused:
        """Note a problem."""
        self.problems.append(Diagnostic(code, what, why, fix, Span(self.file, *place)))
        return REFUSED

    def _wrong_type(self, shape: Shape, node: Node, path: Path) -> _Refused:
        wanted = expected(shape)
        fix = f"write {wanted}"
        if isinstance(node, Scalar) and _would_do_as_text(shape, node):
            fix = f'put it in quotes: "{node.text}"'
        if isinstance(node, Scalar) and isinstance(shape, Record | TableOf):
            fix = f"write {wanted}, indented below, or in {{ }}"
        return self.refuse(
            "wrong-type", f"{describe(path)} is {_found(node)}; expected: {wanted}", fix, self.places[path]
        )

    def _parsed(self, shape: Value, text: str, place: Place) -> object:
        try:
            return shape.parse(text)
        except ValueRejected as refused:
            self.problems.append(refused.at(Span(self.file, *place)))
            return REFUSED

    def _text(self, shape: Text, node: Node, path: Path) -> object:
        value = resolve(node) if isinstance(node, Scalar) else None
        return value if isinstance(value, str) else self._wrong_type(shape, node, path)

    def _whole(self, shape: Whole, node: Node, path: Path) -> object:
        value = resolve(node) if isinstance(node, Scalar) else None
        return value if type(value) is int else self._wrong_type(shape, node, path)

    def _truth(self, shape: Truth, node: Node, path: Path) -> object:
        value = resolve(node) if isinstance(node, Scalar) else None
        if isinstance(value, bool):
            return value
        word = value.casefold() if isinstance(value, str) else ""
        if word in {"yes", "no", "on", "off"}:
            meant = "true" if word in {"yes", "on"} else "false"
            what = f"{describe(path)} is the text {value!r}; expected: true or false"
            why = "gateway files are YAML 1.2, where 'yes', 'no', 'on' and 'off' are plain text"
            return self.refuse("wrong-type", what, f"write {meant}", node.place, why)
        return self._wrong_type(shape, node, path)

    def _choice(self, shape: Choice, node: Node, path: Path) -> object:
        value = resolve(node) if isinstance(node, Scalar) else None
        if not isinstance(value, str):
            return self._wrong_type(shape, node, path)
        for member in shape.kind:
            if member.value == value:
                return member
        meant = nearest(value, shape.kind)
        fix = f"did you mean '{meant}'?" if meant else f"write {expected(shape)}"
        return self.refuse(
            "wrong-value", f"{describe(path)} is {value!r}; expected: {expected(shape)}", fix, node.place
        )

    def _value(self, shape: Value, node: Node, path: Path) -> object:
        value = resolve(node) if isinstance(node, Scalar) else None
        if type(value) is int and shape.number:
            value = str(value)
        if not isinstance(value, str):
            return self._wrong_type(shape, node, path)
        return self._parsed(shape, value, node.place)

    def _anything(self, _: Anything, node: Node, path: Path) -> object:
        if isinstance(node, Scalar) and resolve(node) is None:
            what = f"{describe(path)} is empty"
            return self.refuse("wrong-type", what, "write a value, or remove the key", node.place)
        return self._plain(node, path)

    def _plain(self, node: Node, path: Path) -> object:
        """Plain Python for a JSON body. Recursion is bounded by the tree's depth."""
        if isinstance(node, Scalar):
            value = resolve(node)
            if isinstance(value, float) and not math.isfinite(value):
                what = f"{node.text} in {describe(path)} is no number in JSON (RFC 8259 section 6)"
                return self.refuse("wrong-value", what, f'put it in quotes: "{node.text}"', node.place)
            if node.plain and len(node.text) > MAX_NUMBER and node.text.isascii() and node.text.isdigit():
                what = f"a number of {len(node.text)} digits in {describe(path)}"
                return self.refuse("wrong-value", what, "put it in quotes to send it as text", node.place)
            return value
        if isinstance(node, Listing):
            return [self._plain(item, path) for item in node.items]
        if isinstance(node, Table):
            return {name: self._plain(item, path) for name, (_, item) in node.entries.items()}
        return REFUSED

    def _list(self, shape: ListOf, node: Node, path: Path) -> object:
        if shape.single and isinstance(node, Scalar) and resolve(node) is not None:
            only = self.decode(shape.item, node, (*path, 0))
            return REFUSED if only is REFUSED else (only,)
        if not isinstance(node, Listing):
            if isinstance(node, Scalar) and resolve(node) is not None:
                what = f"{describe(path)} is {_found(node)}; expected: {expected(shape)}"
                return self.refuse("wrong-type", what, f"write [{node.text}]", node.place)
            return self._wrong_type(shape, node, path)
        if not node.items:
            what = f"{describe(path)} is an empty list"
            return self.refuse("empty-list", what, "name at least one, or remove the key", self.places[path])
        return self._items(shape.item, node, path)

    def _items(self, shape: Shape, node: Listing, path: Path) -> object:
        """Every item, in order; an item that stands twice is refused with the place of the first."""
        first: dict[object, Place] = {}
        for index, item in enumerate(node.items):
            value = self.decode(shape, item, (*path, index))
            if value is not REFUSED and value in first:
                line, column = first[value]
                what = f"{str(value)!r} stands twice in {describe(path)}; the first is at {self.file}:{line}:{column}"
                self.refuse("duplicate-item", what, "remove one of them", item.place)
                value = REFUSED
            first.setdefault(value, item.place)
        return REFUSED if REFUSED in first else tuple(first)

    def _table(self, shape: TableOf, node: Node, path: Path) -> object:
        if not isinstance(node, Table):
            return self._wrong_type(shape, node, path)
        built: dict[object, object] = {}
        for name, (place, item) in node.entries.items():
            before = len(self.problems)
            parsed = self._parsed(shape.key, name, place)
            value = self.decode(shape.item, item, (*path, name), place)
            if len(self.problems) > before or parsed is REFUSED or value is REFUSED:
                self.left_out.add(name)
            else:
                built[parsed] = value
        return MappingProxyType(built)

    def _access(self, shape: AccessRule, node: Node, path: Path) -> object:
        if isinstance(node, Listing):
            if not node.items:
                what = f"{describe(path)} is an empty list: nobody could use it"
                why = "a route for nobody is a mistake more often than a wish"
                return self.refuse("access-nobody", what, "name a client, or remove the route", self.places[path], why)
            names = self._items(shape.name, node, path)
            return REFUSED if names is REFUSED else Access(names=names)  # type: ignore[arg-type]  # items of that shape are names
        if isinstance(node, Table):
            return self._record(shape.mapping, node, path)
        value = resolve(node) if isinstance(node, Scalar) else ""
        if value is None:
            return self._route_without_access(path[:-1], node.place)
        for member in Openness:
            if member.value == value:
                return Access(openness=member)
        meant = nearest(value, Openness) if isinstance(value, str) else None
        if meant is None and isinstance(node, Scalar) and isinstance(value, str):
            fix = f"write [{node.text}] if that is a client's name; otherwise 'public' or 'any-client'"
        else:
            fix = f"did you mean '{meant}'?" if meant else f"write {expected(shape)}"
        what = f"{describe(path)} is {_found(node)}; expected: {expected(shape)}"
        return self.refuse("wrong-access", what, fix, self.places[path], "openness is spelled out, never guessed")

    def _route_without_access(self, path: Path, place: Place) -> _Refused:
        what = f"{describe(path)} does not say who may use it"
        why = "nothing is open by leaving something out"
        return self.refuse("route-without-access", what, _ACCESS_FIX, place, why)

    def _record(self, shape: Record, node: Node, path: Path) -> object:
        if shape.direct and isinstance(node, Scalar) and resolve(node) is not None:
            key = shape.keys[shape.direct]
            value = self.decode(key.shape, node, (*path, key.name))
            return REFUSED if value is REFUSED else shape.cls(**{key.attribute: value})
        if not isinstance(node, Table):
            if isinstance(node, Scalar) and not node.text and shape.cls.__name__ == "Route":
                return self._route_without_access(path, self.places[path])
            return self._wrong_type(shape, node, path)
        return self._fields(shape, node, path)

    def _fields(self, shape: Record, node: Table, path: Path) -> object:
        before = len(self.problems)
        values: dict[str, object] = {}
        unknown = [name for name in node.entries if name not in shape.keys]
        for name, (place, item) in node.entries.items():
            key = shape.keys.get(name)
            if key is None:
                self._unknown_key(shape, node, name, path, place)
            else:
                values[name] = self.decode(key.shape, item, (*path, name), place)
        if not path and not unknown:
            before = len(self.problems)  # the file itself: its tables go on without the entries that have a problem
        for key in shape.keys.values():
            if key.required and key.name not in node.entries:
                self._missing(key, path)
        self._alternatives(shape, values, node, path)
        if len(self.problems) > before or any(value is REFUSED for value in values.values()):
            return REFUSED
        return shape.cls(**{shape.keys[name].attribute: value for name, value in values.items()})

    def _unknown_key(self, shape: Record, node: Table, name: str, path: Path, place: Place) -> None:
        free = [key for key in shape.keys if key not in node.entries]
        meant = nearest(name, free) or nearest(name, shape.keys)
        home = next((r.cls.__name__ for r in records().values() if name in r.keys), "")
        if meant:
            fix = f"did you mean '{meant}'?"
        elif home:
            fix = f"'{name}' belongs to {_HOMES.get(home, home)}; check the indentation"
        else:
            fix = f"write one of {', '.join(shape.keys)}, or remove it"
        inside = f" in {describe(path)}" if path else ""
        self.refuse(
            "unknown-key", f"unknown key {name!r}{inside}", fix, place, "a key that is not understood would do nothing"
        )

    def _missing(self, key: Key, path: Path) -> None:
        place = self.places[path]
        if isinstance(key.shape, AccessRule):
            self._route_without_access(path, place)
            return
        example = f"{key.name}: {key.example}" if key.example else f"{key.name}:"
        self.refuse("missing-key", f"{describe(path)} has no '{key.name}'", f"add '{example}'", place)

    def _alternatives(self, shape: Record, values: dict[str, object], node: Table, path: Path) -> None:
        """Refuse keys that exclude each other, and a record in which none of them stands."""
        place = self.places[path]
        if shape.needs_any and not node.entries:
            self.refuse(
                "one-needed", f"{describe(path)} is empty", f"write at least one of {', '.join(shape.keys)}", place
            )
        rule = shape.alternatives
        if rule is None:
            return
        there = [name for name, value in values.items() if value is not False]
        groups = [group for group in rule.groups if any(name in there for name in group)]
        if not groups and rule.needed:
            self.refuse("one-needed", f"{describe(path)} has none of {rule}", f"write one of {rule}", place)
        if len(groups) > 1 and rule.exclusive:
            named = " and ".join(f"'{name}'" for group in groups for name in group if name in there)
            what = f"{describe(path)} has {named}, which exclude each other"
            self.refuse("one-too-many", what, f"keep one of {rule}", place)
        elif groups and rule.exclusive:
            for name in groups[0]:
                if name not in there:
                    given = next(n for n in groups[0] if n in there)
                    self.refuse(
                        "one-needed", f"{describe(path)} has '{given}' without '{name}'", f"add '{name}'", place
                    )


_HOMES = {
    "Gateway": "the top of the file",
    "Route": "a route",
    "Client": "a client",
    "Authority": "an authority",
    "Partner": "a partner",
    "Backend": "'backend'",
    "BackendCertificate": "'client_certificate'",
    "Respond": "'respond'",
    "Subject": "'subject'",
    "Access": "'access'",
    "During": "'during'",
    "ServerCertificate": "'certificate'",
    "Credentials": "'credentials'",
    "Bearer": "'bearer'",
}


def _would_do_as_text(shape: Shape, scalar: Scalar) -> bool:
    """Whether quotes alone make ``scalar`` right where ``shape`` is expected."""
    if resolve(scalar) is None:
        return False
    if isinstance(shape, Value):
        try:
            shape.parse(scalar.text)
        except ValueRejected:
            return False
        return True
    return isinstance(shape, Text)


def _found(node: Node) -> str:
    match node:
        case Listing():
            return "a list" if node.items else "an empty list"
        case Table():
            return "a mapping"
        case Scalar():
            value = resolve(node)
            if value is None:
                return "empty"
            if isinstance(value, bool):
                return str(value).lower()
            shown = node.text if len(node.text) <= 60 else node.text[:60] + "..."
            return f"the text {shown!r}" if isinstance(value, str) else f"the number {shown}"
    return "unusable"
