"""How a dataclass field says what it means in the gateway file: one description, many readers.

The loader, the JSON Schema and ``docs/gateway-file.md`` are all made from these descriptions, so they cannot disagree.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

DOC = "gatewright.doc"
EXAMPLE = "gatewright.example"
KEY = "gatewright.key"


def key(
    doc: str,
    *,
    example: str = "",
    name: str = "",
    default: Any = dataclasses.MISSING,
    default_factory: Callable[[], Any] | Any = dataclasses.MISSING,
) -> Any:
    """A dataclass field that is a key of the gateway file.

    ``doc`` is one or more sentences for the reference; ``example`` is YAML; ``name`` is the key's spelling where it
    differs from the field's. A field without default is required.
    """
    metadata: Mapping[str, object] = {DOC: doc, EXAMPLE: example, KEY: name}
    if default_factory is not dataclasses.MISSING:
        return dataclasses.field(default_factory=default_factory, metadata=metadata)
    if default is not dataclasses.MISSING:
        return dataclasses.field(default=default, metadata=metadata)
    return dataclasses.field(metadata=metadata)


def key_name(field: dataclasses.Field[Any]) -> str:
    """The spelling of ``field`` in the gateway file."""
    return str(field.metadata.get(KEY) or field.name)
