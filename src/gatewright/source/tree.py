"""YAML text to a tree of nodes with places, refusing what a file that decides about access must not contain.

Built from the parser's *events*: no recursion, so nesting cannot exhaust the stack, and aliases are seen before anything
is copied, so they cannot blow up. Only libyaml's scanner (or ruamel's own, where the C extension is missing) is used;
types are resolved by :mod:`.scalars`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from gatewright.errors import Diagnostic, Span

MAX_CHARACTERS = 32 * 1024 * 1024
"""10,000 routes with 100,000 clients take about 10 MB; three times that is a mistake, or somebody's attempt to keep the machine busy."""

MAX_DEPTH = 32
"""Open lists and mappings. The deepest key of the model stands at 5; the rest is room for the body of a JSON answer."""

MAX_SLOW_CHARACTERS = 1024 * 1024
"""What ruamel's own scanner is given where libyaml is too old: about four seconds of work."""

# libyaml's complaint about "{ backend: http://host:1 }", which is right in YAML 1.1 and wrong in 1.2 (§7.3.3).
_COLON = "found unexpected ':'"

# Controls, delete, surrogates, non-characters; bidirectional overrides, which make a line show other than it is
# (CVE-2021-42574); U+0085, U+2028 and U+2029, which are line ends for some readers and not for others.
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]"
)

Place = tuple[int, int]
"""Line and column, both from 1, columns in characters."""


@dataclass(slots=True)
class Scalar:
    """A single value. ``plain``: written without quotes, so that it may mean a number, a truth value or nothing."""

    place: Place
    text: str
    plain: bool


@dataclass(slots=True)
class Broken:
    """Stands where a value was refused already, so that it is not refused a second time."""

    place: Place


@dataclass(slots=True)
class Listing:
    """A list."""

    place: Place
    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Table:
    """A mapping: key to (place of the key, value)."""

    place: Place
    entries: dict[str, tuple[Place, Node]] = field(default_factory=dict)


Node = Scalar | Broken | Listing | Table


class _Waiting:
    """A mapping under construction: ``key`` is set between a key and its value; ``ignored``: the key was refused."""

    __slots__ = ("ignored", "key", "table")

    def __init__(self, table: Table) -> None:
        self.table = table
        self.key: tuple[str, Place] | None = None
        self.ignored = False


def parse(text: str, file: str) -> tuple[Node | None, list[Diagnostic]]:
    """The tree of ``text`` and every problem found on the way. The tree is ``None`` where it makes no sense to go on."""
    problem = _unusable(text, file)
    if problem is not None:
        return None, [problem]
    builder = _Builder(file)
    try:
        finished = builder.run(events(text))
    except YAMLError as error:
        if _COLON not in str(getattr(error, "problem", "")) or len(text) > MAX_SLOW_CHARACTERS:
            return None, [*builder.problems, _syntax(error, text, file)]
        builder = _Builder(file)
        try:
            finished = builder.run(YAML(typ="safe", pure=True).parse(text))
        except YAMLError as second:
            return None, [*builder.problems, _syntax(second, text, file)]
    if not finished:
        return None, builder.problems
    root = builder.root
    if root is None or (isinstance(root, Scalar) and root.plain and not root.text):
        return None, [*builder.problems, empty_file(file)]
    return root, builder.problems


def empty_file(file: str) -> Diagnostic:
    """The refusal of a file without content."""
    return Diagnostic(
        "empty-file",
        "the gateway file is empty",
        "",
        "run 'gatewright init' in an empty folder for a starter file",
        Span(file),
    )


def events(text: str) -> Iterator[Any]:
    """What the YAML parser says of ``text``, with places. Raises ``YAMLError`` where it is no YAML."""
    try:
        parser = YAML(typ="safe", pure=False)
    except (ImportError, AttributeError):  # no C extension on this machine: the same events, about five times slower
        parser = YAML(typ="safe", pure=True)
    yield from parser.parse(text)


def _unusable(text: str, file: str) -> Diagnostic | None:
    """Why ``text`` is not even looked at."""
    if len(text) > MAX_CHARACTERS:
        return Diagnostic(
            "file-too-large",
            f"the gateway file has {len(text):,} characters, more than {MAX_CHARACTERS:,}",
            "10,000 routes with 100,000 clients take about ten million; a file this large is a mistake, and reading it would keep the machine busy",
            "check that this is the right file, or split the gateway",
            Span(file),
        )
    if text.startswith("\ufeff"):
        return Diagnostic(
            "byte-order-mark",
            "the gateway file starts with a byte order mark",
            "it is invisible in editors and other tools read it as part of the first key",
            "save the file as UTF-8 without BOM",
            Span(file, 1, 1),
        )
    bad = _FORBIDDEN.search(text)
    if bad is not None:
        index = bad.start()
        return Diagnostic(
            "control-character",
            f"the gateway file holds the character U+{ord(bad[0]):04X}",
            "it cannot be seen in an editor and could hide what a line says",
            "remove it",
            Span(file, text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)),
        )
    return None


class _Builder:
    """Takes events, keeps the tree and the problems."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Diagnostic] = []
        self.root: Node | None = None
        self._stack: list[Listing | _Waiting] = []
        self._documents = 0

    def run(self, events: Iterable[Any]) -> bool:
        """Take all events; ``False``: given up on the way. Raises ``YAMLError`` from the scanner."""
        return all(self.take(event) for event in events)

    def take(self, event: Any) -> bool:
        """Take one event; ``False`` means that reading on is pointless."""
        match event:
            case ScalarEvent():
                self._attach(self._scalar(event))
            case MappingStartEvent() | SequenceStartEvent():
                return self._open(event)
            case MappingEndEvent() | SequenceEndEvent():
                top = self._stack.pop()
                self._attach(top.table if isinstance(top, _Waiting) else top)
            case AliasEvent():
                place = _place(event)
                self._refuse(
                    "yaml-alias",
                    f"the alias '*{event.anchor}' is not allowed in a gateway file",
                    "a line that decides about access must say what it means where it stands",
                    "write the value out",
                    place,
                )
                self._attach(Broken(place))
            case DocumentStartEvent():
                return self._document(event)
        return True

    def _refuse(self, code: str, what: str, why: str, fix: str, place: Place) -> None:
        self.problems.append(Diagnostic(code, what, why, fix, Span(self.file, *place)))

    def _document(self, event: Any) -> bool:
        self._documents += 1
        if self._documents > 1:
            self._refuse(
                "several-documents",
                "the gateway file holds more than one YAML document",
                "only one of them could be meant",
                "remove the '---' line, or split the file",
                _place(event),
            )
            return False
        version = event.version
        if version is not None and tuple(version) != (1, 2):
            self._refuse(
                "yaml-version",
                f"the gateway file asks for YAML {version[0]}.{version[1]}",
                "gateway files are YAML 1.2, where 'yes', 'no' and 'on' are plain text",
                "remove the %YAML line",
                (1, 1),
            )
        return True

    def _open(self, event: Any) -> bool:
        place = _place(event)
        if len(self._stack) >= MAX_DEPTH:
            self._refuse(
                "too-deep",
                f"more than {MAX_DEPTH} lists and mappings stand inside each other",
                "nothing in a gateway file needs that",
                "check the brackets and the indentation",
                place,
            )
            return False
        if event.tag is not None:
            self._tag(event.tag, place)
        if isinstance(event, MappingStartEvent):
            self._stack.append(_Waiting(Table(place)))
        else:
            self._stack.append(Listing(place))
        return True

    def _scalar(self, event: Any) -> Node:
        place = _place(event)
        if event.tag is not None:
            self._tag(event.tag, place)
            return Broken(place)
        return Scalar(place, event.value, not event.style)

    def _tag(self, tag: str, place: Place) -> None:
        shown = tag.replace("tag:yaml.org,2002:", "!!")
        self._refuse(
            "yaml-tag",
            f"the tag '{shown}' is not allowed in a gateway file",
            "every key has one type already",
            "remove it; quotes make a value text",
            place,
        )

    def _attach(self, node: Node) -> None:
        if not self._stack:
            self.root = node
            return
        top = self._stack[-1]
        if isinstance(top, Listing):
            top.items.append(node)
        elif top.ignored:
            top.ignored = False
        elif top.key is None:
            self._key(top, node)
        else:
            (name, place), top.key = top.key, None
            top.table.entries[name] = (place, node)

    def _key(self, top: _Waiting, node: Node) -> None:
        """``node`` stands where a key is expected: remember it, or refuse it and ignore the value that follows."""
        top.ignored = True
        if isinstance(node, Broken):
            return
        if not isinstance(node, Scalar):
            self._refuse(
                "bad-key", "a list or mapping stands where a key is expected", "", "write 'key: value'", node.place
            )
            return
        if node.plain and node.text == "<<":
            self._refuse(
                "yaml-merge",
                "the merge key '<<' is not allowed in a gateway file",
                "a line that decides about access must say what it means where it stands",
                "write the keys out",
                node.place,
            )
            return
        first = top.table.entries.get(node.text)
        if first is not None:
            line, column = first[0]
            self._refuse(
                "duplicate-key",
                f"{node.text!r} stands twice; the first is at {self.file}:{line}:{column}",
                "one of the two would silently win",
                "remove or rename one of them",
                node.place,
            )
            return
        top.key, top.ignored = (node.text, node.place), False


def _place(event: Any) -> Place:
    mark = event.start_mark
    return mark.line + 1, mark.column + 1


# What libyaml and ruamel's scanner say, and what a reader can act on.
_PLAIN_WORDS = (
    (_COLON, "a value with ':' inside brackets", "put quotes around the value"),
    (
        "mapping values are not allowed",
        "a second ':' on this line, or a line that is indented too far",
        "put quotes around a value that contains ': ', or line up the indentation",
    ),
    (
        "cannot start any token",
        "a character that cannot start a value",
        "put quotes around the value; indent with spaces, never tabs",
    ),
    ("undefined alias", "a value that starts with '*'", "put quotes around it"),
    ("expected ',' or ']'", "a list '[' that is not closed", "write the closing ']'"),
    ("expected ',' or '}'", "a mapping '{' that is not closed", "write the closing '}'"),
    ("end of stream", "a quote that is not closed", "write the closing quote"),
    ("could not find expected ':'", "a line without ':' where 'key: value' is expected", "write 'key: value'"),
    ("expected ':'", "a line without ':' where 'key: value' is expected", "write 'key: value'"),
    (
        "expected key",
        "something that is not 'key: value', or an indentation that matches no line above",
        "line it up with the keys above",
    ),
    (
        "expected <block end>",
        "something that is not 'key: value', or an indentation that matches no line above",
        "line it up with the keys above",
    ),
    (
        "expected '-' indicator",
        "a line in a list that does not start with '-'",
        "start it with '- ', or indent it under its entry",
    ),
    (
        "escape",
        "a backslash sequence that does not exist, in double quotes",
        "use single quotes, or double the backslash",
    ),
)


def _syntax(error: YAMLError, text: str, file: str) -> Diagnostic:
    """The parser's complaint in plain words. A tab in the indentation is named as such, whatever the parser said."""
    problem = str(getattr(error, "problem", None) or "")
    mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
    if mark is None:
        return Diagnostic("yaml-syntax", f"not YAML: {error}", "", "correct the file", Span(file))
    lines = text.split("\n")
    for number in range(min(mark.line, len(lines) - 1), max(mark.line - 2, -1), -1):
        indentation = lines[number][: len(lines[number]) - len(lines[number].lstrip())]
        if "\t" in indentation:
            what, fix = "a tab in the indentation", "indent with spaces"
            return Diagnostic(
                "yaml-tab", what, "YAML forbids it", fix, Span(file, number + 1, indentation.index("\t") + 1)
            )
    line, column = mark.line, mark.column
    context = getattr(error, "context_mark", None)
    unclosed = "',' or" in problem or "end of stream" in problem
    if unclosed and context is not None:  # where the bracket or quote opens says more than where the file ends
        line, column = context.line, context.column
    for known, what, fix in _PLAIN_WORDS:
        if known in problem:
            return Diagnostic("yaml-syntax", what, "", fix, Span(file, line + 1, column + 1))
    return Diagnostic("yaml-syntax", f"not YAML: {problem}", "", "correct the line", Span(file, line + 1, column + 1))
