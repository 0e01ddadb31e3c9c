"""The JSON Schema of the gateway file (draft 2020-12), for editors: ``# yaml-language-server: $schema=...``.

It refuses no file that :func:`~gatewright.source.load` accepts. The loader also checks what a schema cannot say well:
the syntax of host names and URLs, YAML's own traps, repeated keys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gatewright.source.scalars import resolve
from gatewright.source.shapes import (
    AccessRule,
    Alternatives,
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
    records,
    root,
)
from gatewright.source.tree import Listing, Node, Scalar, Table, parse

Json = dict[str, object]


def schema() -> Json:
    """The schema as plain Python, ready for ``json.dumps``."""
    definitions = {name: _record(record) for name, record in records().items() if record is not root()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Gatewright gateway file",
        **_record(root()),
        "$defs": definitions,
    }


def _any_value(_: Shape) -> Json:
    return {"not": {"type": "null"}}


def _simple(kind: str) -> Callable[[Any], Json]:
    return lambda _: {"type": kind}


def _choice(shape: Choice) -> Json:
    return {"enum": [member.value for member in shape.kind]}


def _value(shape: Value) -> Json:
    return dict(shape.schema)


def _list(shape: ListOf) -> Json:
    many: Json = {"type": "array", "items": _shape(shape.item), "minItems": 1, "uniqueItems": True}
    return {"anyOf": [_shape(shape.item), many]} if shape.single else many


def _table(shape: TableOf) -> Json:
    return {"type": "object", "propertyNames": _shape(shape.key), "additionalProperties": _shape(shape.item)}


def _access(shape: AccessRule) -> Json:
    names = _list(ListOf(shape.name, single=False))
    return {"oneOf": [{"enum": ["public", "any-client"]}, names, _reference(shape.mapping)]}


def _reference(shape: Record) -> Json:
    reference: Json = {"$ref": f"#/$defs/{shape.cls.__name__}"}
    return {"anyOf": [_shape(shape.keys[shape.direct].shape), reference]} if shape.direct else reference


_BY_SHAPE: Mapping[type, Callable[[Any], Json]] = {
    Text: _simple("string"),
    Whole: _simple("integer"),
    Truth: _simple("boolean"),
    Anything: _any_value,
    Choice: _choice,
    Value: _value,
    ListOf: _list,
    TableOf: _table,
    AccessRule: _access,
    Record: _reference,
}


def _shape(shape: Shape) -> Json:
    return _BY_SHAPE[type(shape)](shape)


def _record(record: Record) -> Json:
    built: Json = {
        "description": record.doc.replace("`", "'"),
        "type": "object",
        "properties": {key.name: _property(key) for key in record.keys.values()},
        "additionalProperties": False,
    }
    required = [key.name for key in record.keys.values() if key.required]
    if required:
        built["required"] = required
    if record.needs_any:
        built["minProperties"] = 1
    if record.alternatives is not None:
        built |= _alternatives(record, record.alternatives)
    return built


def _property(key: Key) -> Json:
    built: Json = {"description": key.doc.replace("`", "'"), **_shape(key.shape)}
    if key.example:
        built["examples"] = [example_value(key.example)]
    if key.default is not None and isinstance(key.default, str | int | bool):
        built["default"] = key.default
    return built


def _alternatives(record: Record, rule: Alternatives) -> Json:
    """Exactly one group, or at most one. A truth value counts only where it is ``true``."""
    ways = [_group(record, group) for group in rule.groups]
    if not rule.exclusive:
        return {"anyOf": ways} if rule.needed else {}
    if rule.needed:
        return {"oneOf": ways}
    return {"oneOf": [*ways, {"not": {"anyOf": ways}}]}


def _group(record: Record, group: tuple[str, ...]) -> Json:
    true = {name: {"const": True} for name in group if isinstance(record.keys[name].shape, Truth)}
    way: Json = {"required": list(group)}
    if len(group) > 1:
        way["properties"] = {}
    return {**way, "properties": true} if true else way


def example_value(example: str) -> object:
    """The plain value of a YAML example of the model."""
    tree, problems = parse(example, "example")
    assert tree is not None, problems
    assert not problems
    return plain(tree)


def plain(node: Node) -> object:
    """What a node holds, as plain Python; nothing where it was refused."""
    match node:
        case Scalar():
            return resolve(node)
        case Listing():
            return [plain(item) for item in node.items]
        case Table():
            return {name: plain(item) for name, (_, item) in node.entries.items()}
    return None
