"""What another run of this program ended with is what this one ends with."""

from __future__ import annotations

import json

import pytest

from gatewright.errors import Diagnostic, EnvironmentFault, FindingError, GatewrightError, UsageError
from gatewright.wiring.ourselves import ended_with

SILENT = Diagnostic("silent", "it said nothing")
PROBLEM = Diagnostic("unproven", "a door stands open", "why", "fix")


@pytest.mark.parametrize(
    ("code", "kind"),
    [(1, FindingError), (2, UsageError), (3, EnvironmentFault), (70, EnvironmentFault), (-9, EnvironmentFault)],
)
@pytest.mark.parametrize("key", ["problems", "diagnostics"])
def test_exit_codes_are_handed_on(code: int, kind: type[GatewrightError], key: str) -> None:
    """A finding stays a finding, a wrong file a wrong file; what is no code of ours is the environment's."""
    error = ended_with(code, json.dumps({key: [PROBLEM.as_dict()]}).encode(), SILENT)
    assert type(error) is kind
    assert error.diagnostics == (PROBLEM,)


@pytest.mark.parametrize(
    "said", [b"", b"{", b"[]", b"7", b'{"problems": [{}]}', b'{"problems": 7}', b'{"diagnostics": []}']
)
def test_half_a_word_is_no_crash(said: bytes) -> None:
    """One that was killed while it spoke is told as one that said nothing."""
    assert ended_with(3, said, SILENT).diagnostics == (SILENT,)
