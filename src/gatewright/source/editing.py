"""Changes of a gateway file that leave everything else of it byte for byte: comments, order, spacing, quotes.

A YAML library that writes a whole file anew keeps comments and order, and takes the rest for its own to choose: columns that were
aligned, spaces within braces, line ends. So a change is a splice into the text, at the places that the parser tells; and it is done
only if the new text, read again by the same reader as ever, holds exactly what the change was to make of the old one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml.events import MappingEndEvent, MappingStartEvent, ScalarEvent, SequenceEndEvent, SequenceStartEvent

from gatewright.errors import Diagnostic, UsageError
from gatewright.model.gateway import Path
from gatewright.source.scalars import resolve
from gatewright.source.schema import plain
from gatewright.source.tree import Scalar, events, parse

_PLAIN = re.compile(r"[A-Za-z0-9_/][A-Za-z0-9_./@+-]*\Z")
"""What may stand without quotes within braces; anything else is put into them."""

_INDENTED_COMMENT = re.compile(r"\r?\n[ \t]+#")


@dataclass(slots=True)
class _Spot:
    """Where a value stands: ``end`` is behind its last character. ``flow``: in braces or brackets. ``block_scalar``: ``|`` or ``>``."""

    start: int
    end: int
    column: int
    kind: str
    flow: bool = False
    entries: list[tuple[_Spot, str, _Spot]] = field(default_factory=list)
    items: list[_Spot] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Document:
    """The text of a gateway file. Raises :class:`UsageError` for text that is no gateway file at all, or cannot be edited so."""

    text: str
    file: str = "gateway.yaml"
    known: Any = field(default=None, compare=False, repr=False)

    @property
    def data(self) -> Any:
        """What it holds, as plain values, not to be changed. ``known`` where it was read before."""
        if self.known is not None:
            return self.known
        tree, problems = parse(self.text, self.file)
        if tree is None or problems:
            raise UsageError(*problems)
        return plain(tree)

    def add(self, path: Path, key: str, value: object, *, after: Iterable[str] = ()) -> Document:
        """A new entry at the end of the mapping at ``path``, or behind the last of ``after`` that is there.

        A mapping at the top of the file that is not there yet is made, behind the same.
        """
        data = self.data
        holder = _at(data, path)
        if holder is None and len(path) == 1:
            return self.add((), str(path[0]), {key: value}, after=after)
        above = set(after)
        spot, before = self._spot(path), [e for e in (holder or {}) if e in above]
        behind = next(
            (e for e in spot.entries if before and e[1] == before[-1]), spot.entries[-1] if spot.entries else None
        )
        holder = _at(wanted := deepcopy(data), path)
        holder[key] = value
        if spot.flow or behind is None:
            place, text = (spot.start + 1, f" {inline(key)}: {inline(value)} ") if behind is None else (
                behind[2].end, f", {inline(key)}: {inline(value)}"
            )  # fmt: skip
        else:
            place = self._line_end(behind[2].end) if path else self._section_end(behind[2].end)
            text = self._block_entry(behind[0].column, key, value, top=not path)
        return self._spliced(place, place, text, wanted)

    def put(self, path: Path, value: object) -> Document:
        """Another value in the place of the one at ``path``."""
        wanted = deepcopy(self.data)
        _at(wanted, path[:-1])[path[-1]] = value
        spot = self._spot(path)
        return self._spliced(spot.start, spot.end, inline(value), wanted)

    def append(self, path: Path, value: object) -> Document:
        """One more item at the end of the list at ``path``; a single value there becomes a list."""
        data = self.data
        spot, found = self._spot(path), _at(data, path)
        wanted = deepcopy(data)
        if not isinstance(found, list):
            _at(wanted, path[:-1])[path[-1]] = [found, value]
            text = f"[{self.text[spot.start : spot.end]}, {inline(value)}]"
            return self._spliced(spot.start, spot.end, text, wanted)
        _at(wanted, path).append(value)
        if spot.flow or not spot.items:
            place, text = (spot.items[-1].end, f", {inline(value)}") if spot.items else (spot.start + 1, inline(value))
        else:
            place = self._line_end(spot.items[-1].end)
            text = f"{self._newline}{' ' * spot.column}- {inline(value)}"
        return self._spliced(place, place, text, wanted)

    def remove(self, path: Path) -> Document:
        """Without the entry or item at ``path``; its comments on the same line go with it."""
        wanted, last = deepcopy(self.data), path[-1]
        if len(path) == 2 and len(_at(wanted, path[:-1])) == 1:
            return self.remove(path[:-1])  # a section that would be left without entries
        del _at(wanted, path[:-1])[last]
        holder = self._spot(path[:-1])
        if isinstance(last, int):
            parts = [(item.start, item.end) for item in holder.items]
            index = last
        else:
            parts = [(key.start, value.end) for key, _, value in holder.entries]
            index = [name for _, name, _ in holder.entries].index(last)
        if holder.flow:
            start, end = _between(parts, index)
        else:
            start = self.text.rfind("\n", 0, parts[index][0]) + 1
            end = min(self._line_end(parts[index][1]) + len(self._newline), len(self.text))
        return self._spliced(start, end, "", wanted)

    def _spliced(self, start: int, end: int, new: str, wanted: object) -> Document:
        changed = Document(self.text[:start] + new + self.text[end:], self.file)
        try:
            same = changed.data == wanted
        except UsageError:
            same = False
        if not same:
            raise UsageError(
                Diagnostic(
                    "cannot-edit",
                    f"{self.file} is written in a way that this command cannot change without rewriting it",
                    "nothing but what was asked for may change in it",
                    "make the change by hand, then: gatewright plan",
                )
            )
        return Document(changed.text, self.file, wanted)

    def _spot(self, path: Path) -> _Spot:
        spot = _spots(self.text)
        for part in path:
            if isinstance(part, int):
                spot = spot.items[part]
            else:
                spot = next(value for _, name, value in spot.entries if name == part)
        return spot

    @property
    def _newline(self) -> str:
        return "\r\n" if "\r\n" in self.text else "\n"

    def _line_end(self, place: int) -> int:
        found = self.text.find(self._newline, place)
        return len(self.text) if found < 0 else found

    def _section_end(self, place: int) -> int:
        """The end of the line, or of the last of the indented comments right below it, which belong to its section."""
        place = self._line_end(place)
        while below := _INDENTED_COMMENT.match(self.text, place):
            place = self._line_end(below.end())
        return place

    def _block_entry(self, column: int, key: str, value: object, *, top: bool) -> str:
        """Lines to be put behind the end of another: a section of the file takes several, anything else stands in braces on one."""
        margin = self._newline + " " * column
        if top and isinstance(value, Mapping):
            entries = (f"{margin}  {inline(k)}: {inline(v)}" for k, v in value.items())
            return "".join((f"{margin}{inline(key)}:", *entries))
        return f"{margin}{inline(key)}: {inline(value)}"


def inline(value: object) -> str:
    """``value`` on one line, so that the gateway file's reader reads the same again."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{inline(k)}: {inline(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(inline, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return json.dumps(value)
    if _PLAIN.match(value) and resolve(Scalar((1, 1), value, plain=True)) == value:
        return value
    return json.dumps(value, ensure_ascii=False)


def _between(parts: list[tuple[int, int]], index: int) -> tuple[int, int]:
    """From where to where one of several goes, with one of the commas beside it."""
    if index + 1 < len(parts):
        return parts[index][0], parts[index + 1][0]
    return parts[index - 1][1] if index else parts[index][0], parts[index][1]


def _at(data: Any, path: Path) -> Any:
    """The value at ``path``; ``None`` where there is none."""
    for part in path:
        if isinstance(data, Mapping):
            data = data.get(part)
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            return None
    return data


def _spots(text: str) -> _Spot:
    """Where everything stands. Only for text that the reader has taken: no aliases, no tags, one document."""
    lines = [0]
    lines += [m.end() for m in re.finditer("\n", text)]

    def offset(mark: Any) -> int:
        return lines[mark.line] + int(mark.column) if mark.line < len(lines) else len(text)

    stack: list[_Spot] = []
    keys: list[tuple[_Spot, str] | None] = []
    root: _Spot | None = None

    def done(spot: _Spot, word: str | None) -> None:
        nonlocal root
        if not stack:
            root = spot
        elif stack[-1].kind == "list":
            stack[-1].items.append(spot)
        elif keys[-1] is None:
            keys[-1] = (spot, word or "")
        else:
            stack[-1].entries.append((*keys[-1], spot))
            keys[-1] = None

    for event in events(text):
        match event:
            case ScalarEvent():
                start, end = offset(event.start_mark), offset(event.end_mark)
                if event.style in {"|", ">"}:
                    end = start + len(text[start:end].rstrip())
                done(_Spot(start, end, event.start_mark.column, "scalar"), event.value)
            case MappingStartEvent() | SequenceStartEvent():
                kind = "mapping" if isinstance(event, MappingStartEvent) else "list"
                start = offset(event.start_mark)
                stack.append(_Spot(start, start, event.start_mark.column, kind, bool(event.flow_style)))
                keys.append(None)
            case MappingEndEvent() | SequenceEndEvent():
                spot = stack.pop()
                keys.pop()
                last = spot.entries[-1][2] if spot.entries else spot.items[-1] if spot.items else None
                spot.end = offset(event.end_mark) if spot.flow or last is None else last.end
                done(spot, None)
    assert root is not None
    return root
