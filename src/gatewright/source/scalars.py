"""What an unquoted word means: the core schema of YAML 1.2 (specification 1.2.2 §10.3.2), nothing more.

``yes``, ``no``, ``on``, ``off``, ``1_000`` and ``2026-01-01`` are text here; many tools still read YAML 1.1.
"""

from __future__ import annotations

import re

from gatewright.source.tree import Scalar

_NULL = {"", "~", "null", "Null", "NULL"}
_TRUTH = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]+\Z")
_OCTAL = re.compile(r"0o[0-7]+\Z")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_SPECIAL = re.compile(r"([-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))\Z")

MAX_NUMBER = 40
"""Characters of a number. Longer ones are text: no port, status or JSON number that anybody reads exactly is longer."""


def resolve(scalar: Scalar) -> str | int | float | bool | None:
    """The value of ``scalar``. Quoted: always text."""
    text = scalar.text
    if not scalar.plain:
        return text
    if text in _NULL:
        return None
    if text in _TRUTH:
        return _TRUTH[text]
    if text[0] not in "+-.0123456789" or len(text) > MAX_NUMBER:
        return text
    return _number(text)


def _number(text: str) -> str | int | float:
    if _INTEGER.match(text):
        return int(text)
    if _OCTAL.match(text):
        return int(text[2:], 8)
    if _HEXADECIMAL.match(text):
        return int(text[2:], 16)
    if _SPECIAL.match(text):
        return float(text.replace(".", ""))
    if _FLOAT.match(text):
        return float(text)
    return text
