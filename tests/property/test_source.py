"""Whatever the text, :func:`load` returns a gateway or refuses with diagnostics; nothing else ever leaves it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.test_golden_refusals import CASES, NOW

from gatewright.check import Facts, check
from gatewright.errors import Diagnostic, UsageError
from gatewright.model.gateway import Declared
from gatewright.source import decode_text, load, schema
from gatewright.source.shapes import records

KEYS = sorted({name for record in records().values() for name in record.keys})
WORDS = st.sampled_from(
    [
        *KEYS,
        "home",
        "/a/",
        "/b",
        "public",
        "any-client",
        "http://127.0.0.1:9001",
        "GET",
        "5s",
        "localhost",
        "8443",
        "yes",
        "",
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=8)
TREES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(max_size=4), inner, max_size=6),
    max_leaves=25,
)
TOPS = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(records()["Gateway"].keys, TREES),
)
SEEDS = [path.read_bytes() for case in CASES for path in [case / "gateway.yaml"]]

RELAXED = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def judge(text: str) -> Declared | None:
    """Load; and where that succeeds, run every rule against a machine on which nothing is there."""
    declared = None
    problems: tuple[Diagnostic, ...]
    try:
        declared = load(text, "gateway.yaml")
    except UsageError as error:
        problems = error.diagnostics
    else:
        problems = tuple(check(declared, Facts(NOW)))
    assert all(d.what and d.fix and d.where is not None for d in problems), problems
    return declared


@RELAXED
@given(st.text())
def test_any_text(text: str) -> None:
    """Arbitrary text is refused in words."""
    judge(text)


@RELAXED
@given(st.text(alphabet="ab:-[]{}&*!|>'\"%@`#,?~<0. \n\t\\é", max_size=60))
def test_any_punctuation(text: str) -> None:
    """YAML's own punctuation in any order is refused in words."""
    judge(text)


@RELAXED
@given(TREES | TOPS)
def test_any_tree(tree: object) -> None:
    """Any well-formed document, of the right keys or not, is loaded or refused in words."""
    judge(json.dumps(tree))


@RELAXED
@given(st.sampled_from(SEEDS), st.integers(0, 2000), st.integers(0, 20), st.binary(max_size=6))
def test_any_damage(seed: bytes, at: int, length: int, put: bytes) -> None:
    """A gateway file with a piece cut out and bytes put in is loaded or refused in words."""
    at %= len(seed) + 1
    damaged = seed[:at] + put + seed[at + length :]
    try:
        text = decode_text(damaged, "gateway.yaml")
    except UsageError:
        return
    judge(text)


@RELAXED
@given(TOPS)
def test_the_schema_refuses_nothing_that_loads(tree: object) -> None:
    """Whatever loads is valid under the JSON Schema."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - slow to import, used here only

    text = json.dumps(tree)
    if judge(text) is not None:
        assert Draft202012Validator(schema()).is_valid(json.loads(text))
