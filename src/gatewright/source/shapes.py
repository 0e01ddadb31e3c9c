"""The dataclasses of the gateway, read once as shapes: what may stand where, for the decoder, the schema and the reference.

Two things cannot be said by a dataclass field and stand here as tables: which keys exclude each other, and which
mappings and lists have a short form.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gatewright.model import credentials, matchers, partners, values
from gatewright.model import gateway as model
from gatewright.model.keys import DOC, EXAMPLE, key_name


@dataclass(frozen=True, slots=True)
class Text:
    """Any text."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number."""


@dataclass(frozen=True, slots=True)
class Truth:
    """``true`` or ``false``."""


@dataclass(frozen=True, slots=True)
class Anything:
    """Any value that JSON can carry, except nothing."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    kind: type[enum.StrEnum]


@dataclass(frozen=True, slots=True)
class Value:
    """Text that a value type parses. ``number``: a whole number is understood as well."""

    parse: Callable[[str], object]
    schema: Mapping[str, object]
    expected: str
    number: bool


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list without repetitions and with at least one item. ``single``: one item may stand without the brackets."""

    item: Shape
    single: bool


@dataclass(frozen=True, slots=True)
class TableOf:
    """A mapping with names of the user's choice."""

    key: Value
    item: Shape


@dataclass(frozen=True, slots=True)
class AccessRule:
    """``public``, ``any-client``, a list of names, or a mapping."""

    name: Value
    mapping: Record


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a record: its spelling, the attribute it fills, and what the model says about it."""

    name: str
    attribute: str
    shape: Shape
    required: bool
    doc: str
    example: str
    default: object


@dataclass(frozen=True, slots=True)
class Alternatives:
    """Groups of keys of which one excludes the others. ``needed``: one must be there. Not ``exclusive``: several may be."""

    groups: tuple[tuple[str, ...], ...]
    needed: bool = True
    exclusive: bool = True

    def __str__(self) -> str:
        """``'authority', or 'chain' with 'key'``."""
        named = [" with ".join(f"'{name}'" for name in group) for group in self.groups]
        return f"{', '.join(named[:-1])} or {named[-1]}"


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """A mapping with fixed keys that becomes ``cls``. ``direct``: the key that a bare value stands for, or empty."""

    cls: type
    keys: Mapping[str, Key]
    doc: str
    direct: str
    alternatives: Alternatives | None
    needs_any: bool


Shape = Text | Whole | Truth | Anything | Choice | Value | ListOf | TableOf | AccessRule | Record

_ALTERNATIVES: Mapping[type, Alternatives] = {
    model.Route: Alternatives((("files",), ("respond",), ("backend",), ("publish",))),
    model.Authority: Alternatives((("managed",), ("anchor",))),
    model.Client: Alternatives((("san",), ("email",), ("uri",), ("serial",), ("key",), ("subject",))),
    model.Access: Alternatives((("clients",), ("any-of",)), exclusive=False),
    model.Respond: Alternatives((("json",), ("text",), ("html",)), needed=False),
    credentials.Credentials: Alternatives((("basic",), ("bearer",))),
    model.ServerCertificate: Alternatives((("authority",), ("chain", "key"))),
    model.BackendCertificate: Alternatives((("authority",), ("chain", "key"))),
}
_NEEDS_ANY = {model.Subject, model.Proof, model.During}
_DIRECT: Mapping[type, str] = {model.Backend: "url"}
_SINGLE = {
    (model.Gateway, "gateway"),
    (model.Gateway, "public_hosts"),
    (model.Authority, "anchor"),
    (partners.Partner, "authority"),
}

_EXPECTED: Mapping[Any, str] = {
    values.Name: "a name",
    values.HostName: "a host name or IP address",
    values.RoutePath: "a URL path",
    values.Method: "an HTTP method",
    values.Duration: "a length of time such as 30s",
    values.BackendUrl: "an http:// or https:// URL",
    values.CrlUrl: "an http:// URL",
    values.Listen: "a port or address:port",
    values.RelativePath: "a path inside the gateway's folder",
    matchers.EmailAddress: "an e-mail address",
    matchers.UriName: "a URI",
    matchers.SerialNumber: "a serial number in hexadecimal, in quotes",
    matchers.KeyPin: "sha256: and a hash in base64",
    partners.AllowedName: "a DNS name, '*.' and a DNS name, an e-mail address or a URI",
    matchers.TimeOfDay: "a time of day such as 08:00",
    credentials.HttpsUrl: "an https:// URL",
    credentials.KeySource: "a path inside the gateway's folder, or an https:// URL",
}
_ALSO_NUMBERS = {values.Listen}


def expected(shape: Shape) -> str:  # noqa: PLR0911 - one line per kind of shape
    """What a reader should write, in words that complete "expected …"."""
    match shape:
        case Text():
            return "text"
        case Whole():
            return "a whole number"
        case Truth():
            return "true or false"
        case Anything():
            return "a value"
        case Choice():
            return "one of " + ", ".join(shape.kind)
        case Value():
            return shape.expected
        case ListOf():
            one = expected(shape.item)
            return f"{one}, or a list of them" if shape.single else f"a list ({one} each)"
        case TableOf():
            return f"a mapping from {shape.key.expected} to its description"
        case AccessRule():
            return "public, any-client, a list of names of clients and groups, or a mapping"
        case Record():
            keys = f"a mapping with {', '.join(shape.keys)}"
            return f"{expected(shape.keys[shape.direct].shape)} or {keys}" if shape.direct else keys


@functools.cache
def root() -> Record:
    """The shape of the whole file."""
    return _record(model.Gateway)


@functools.cache
def records() -> Mapping[str, Record]:
    """Every record of the file by its class name, the file itself first, then in order of appearance."""
    found: dict[str, Record] = {}

    def visit(shape: Shape) -> None:
        if isinstance(shape, Record):
            if shape.cls.__name__ not in found:
                found[shape.cls.__name__] = shape
                for key in shape.keys.values():
                    visit(key.shape)
        elif isinstance(shape, ListOf | TableOf):
            visit(shape.item)
        elif isinstance(shape, AccessRule):
            visit(shape.mapping)

    visit(root())
    return found


@functools.cache
def _record(cls: type) -> Record:
    hints = typing.get_type_hints(cls)
    keys: dict[str, Key] = {}
    for field in dataclasses.fields(cls):
        if DOC not in field.metadata:
            continue  # no key of the file
        name = key_name(field)
        has_factory = field.default_factory is not dataclasses.MISSING
        required = field.default is dataclasses.MISSING and not has_factory
        default = None if required or has_factory else field.default
        shape = _shape(hints[field.name], single=(cls, name) in _SINGLE)
        doc, example = str(field.metadata[DOC]), str(field.metadata[EXAMPLE])
        keys[name] = Key(name, field.name, shape, required, doc, example, default)
    doc = inspect.cleandoc(cls.__doc__ or "")
    return Record(cls, keys, doc, _DIRECT.get(cls, ""), _ALTERNATIVES.get(cls), cls in _NEEDS_ANY)


def _shape(hint: Any, *, single: bool = False) -> Shape:  # noqa: PLR0911 - one line per kind of hint
    """The shape of a type hint. Raises ``TypeError`` for one that a gateway file cannot express."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in {types.UnionType, typing.Union}:
        (only,) = (a for a in arguments if a is not types.NoneType)
        return _shape(only)
    if origin is tuple:
        return ListOf(_shape(arguments[0]), single)
    if origin is Mapping:
        return TableOf(_value(arguments[0]), _shape(arguments[1]))
    simple: Mapping[Any, Shape] = {str: Text(), int: Whole(), bool: Truth(), object: Anything()}
    if hint in simple:
        return simple[hint]
    if hint is model.Access:
        return AccessRule(_value(values.Name), _record(hint))
    if hasattr(hint, "parse"):
        return _value(hint)
    if isinstance(hint, type) and issubclass(hint, enum.StrEnum):
        return Choice(hint)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _record(hint)
    msg = f"a gateway file has no spelling for {hint!r}"
    raise TypeError(msg)


def _value(kind: Any) -> Value:
    return Value(kind.parse, kind.schema, _EXPECTED[kind], kind in _ALSO_NUMBERS)
