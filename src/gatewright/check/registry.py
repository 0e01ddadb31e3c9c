"""How rules are written and run.

A rule is a generator of :class:`Finding`; :func:`rule` registers it under its code. ``RULES`` is the list of all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches

from gatewright.check.facts import AnchorFact, Facts, PathFact, PathKind
from gatewright.errors import Diagnostic, Severity, Span
from gatewright.model.gateway import Declared, Path
from gatewright.model.values import Name, RelativePath

MAX_SUGGESTIONS = 20
"""Suggestions cost a comparison with every known name; after this many misspelt names the point has been made."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A diagnostic before it has its code and place: ``path`` is where the value stands in the gateway file."""

    path: Path
    what: str
    why: str
    fix: str
    severity: Severity = Severity.ERROR


class View:
    """The declared gateway and the facts, with the questions that several rules ask."""

    def __init__(self, declared: Declared, facts: Facts) -> None:
        self.declared = declared
        self.gateway = declared.gateway
        self.facts = facts
        self._suggested: dict[str, str] = {}
        routes = self.gateway.routes.values()
        self.named = frozenset(name for route in routes for name in route.access.names)
        self.named_clients = frozenset(self.gateway.members(self.named))
        self.named_authorities = frozenset(name for route in routes for name in route.access.any_of)
        self.disabled = frozenset(a for p in self.gateway.partners.values() if p.disabled for a in p.authorities)
        self.any_client = any(route.access.admits_any_client for route in routes)

    def where(self, path: Path) -> Span:
        """The place of ``path``, or of the nearest value around it that has one."""
        for length in range(len(path), -1, -1):
            place = self.declared.places.get(path[:length])
            if place is not None:
                return Span(self.declared.file, *place)
        return Span(self.declared.file)

    def path(self, name: str) -> PathFact:
        """What was found at a path that the file names."""
        return self.facts.paths.get(name, PathFact(PathKind.MISSING))

    def anchors(self) -> Iterator[tuple[Name, Path, AnchorFact]]:
        """Every anchor that could be parsed: authority, place, fact."""
        for name, place, anchor in self.anchor_files():
            fact = self.facts.anchors.get(anchor)
            if isinstance(fact, AnchorFact):
                yield name, place, fact

    def anchor_files(self) -> Iterator[tuple[Name, Path, RelativePath]]:
        """Every anchor that the file names: authority, place, path."""
        for name, authority in self.gateway.authorities.items():
            for index, anchor in enumerate(authority.anchors):
                yield name, ("authorities", name, "anchor", index), anchor

    def nearest(self, name: str, known: Iterable[str]) -> str:
        """The known name that ``name`` most likely stands for, or empty."""
        if name not in self._suggested:
            if len(self._suggested) >= MAX_SUGGESTIONS:
                return ""
            self._suggested[name] = next(iter(get_close_matches(name, list(known), n=1)), "")
        return self._suggested[name]


Rule = Callable[[View], Iterator[Finding]]
RULES: dict[str, Rule] = {}
_OF_THE_WHOLE: set[str] = set()


def rule(code: str, *, of_the_whole: bool = False) -> Callable[[Rule], Rule]:
    """Register a rule under its stable code. ``of_the_whole``: it is about what is nowhere in the file."""

    def register(function: Rule) -> Rule:
        assert code not in RULES, code
        assert function.__doc__, code
        RULES[code] = function
        if of_the_whole:
            _OF_THE_WHOLE.add(code)
        return function

    return register


def check(declared: Declared, facts: Facts, *, left_out: Collection[str] | None = None) -> list[Diagnostic]:
    """Every finding of every rule, errors and warnings, in the order of the file.

    ``left_out``: ``declared`` is only a part, without the entries of these names. Then only errors are told that are errors
    whatever stands in the rest: nothing about what is missing, and nothing about those names.
    """
    view = View(declared, facts)
    found = [
        Diagnostic(code, finding.what, finding.why, finding.fix, view.where(finding.path), finding.severity)
        for code, function in RULES.items()
        if left_out is None or code not in _OF_THE_WHOLE
        for finding in function(view)
    ]
    if left_out is not None:
        named = [repr(name) for name in left_out]
        found = [d for d in found if d.severity is Severity.ERROR and not any(name in d.what for name in named)]
    return sorted(found, key=lambda d: (d.where or Span(declared.file), d.code, d.what))
