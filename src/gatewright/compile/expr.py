"""httpd's expressions (``ap_expr``) as values: only the operators this compiler emits, all of them total and exact."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Var:
    """``%{NAME}``: a variable such as ``SSL_CLIENT_I_DN``; undefined ones are the empty string."""

    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """``%{function:argument}``: ``sha1``, ``escape``, ``reqenv`` …"""

    function: str
    argument: Word


@dataclass(frozen=True, slots=True)
class Lit:
    """A text compared or joined exactly as it is."""

    text: str


@dataclass(frozen=True, slots=True)
class Joined:
    """Several words, one after the other."""

    words: tuple[Lit | Var | Call | Group, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """``$1``: what a group of the last regular expression that matched in the same expression had found."""

    number: int


@dataclass(frozen=True, slots=True)
class Read:
    """``file('…')``: what is in a file; where it cannot be read, the whole expression counts as not true."""

    path: Joined


Word = Lit | Var | Call | Joined | Group | Read


@dataclass(frozen=True, slots=True)
class Eq:
    """Both words are the same, byte for byte."""

    left: Word
    right: Word


@dataclass(frozen=True, slots=True)
class OneOf:
    """The word is one of the texts."""

    word: Word
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Matches:
    """The word matches a regular expression of ours (never of a user's)."""

    word: Word
    regex: str


@dataclass(frozen=True, slots=True)
class Exists:
    """A file or folder of that name is there (``-e``)."""

    path: Word


@dataclass(frozen=True, slots=True)
class IsEmpty:
    """The word is empty (``-z``)."""

    word: Word


@dataclass(frozen=True, slots=True)
class Not:
    """The contrary."""

    of: Condition


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every condition holds. With none: true."""

    of: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one condition holds. With none: false."""

    of: tuple[Condition, ...]


Condition = Eq | OneOf | Matches | Exists | IsEmpty | Not | AllOf | AnyOf


@dataclass(frozen=True, slots=True)
class Expr:
    """A whole expression as a directive's argument; ``prefix`` is what the directive wants before it (``expr=``).

    ``of`` is a condition (``Require expr``, ``<If>``) or a word (a header's value).
    """

    of: Condition | Word
    prefix: str = ""
