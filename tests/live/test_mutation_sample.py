"""The prover is itself proved: weakened in whatever way, a configuration is not proven, or stands in the file of survivors."""

from __future__ import annotations

import sys

import pytest

from tests.mutation.arena import Fate
from tests.mutation.run import arguments, catalogue, chosen, run, sound_ids, table

pytestmark = [pytest.mark.live, pytest.mark.slow]

SAMPLE = 20


@pytest.fixture(scope="module")
def ids() -> list[tuple[str, str, str]]:
    """Every mutant of every gateway, by name."""
    return catalogue()


def test_the_gateways_are_sound_before_they_are_weakened() -> None:
    """As compiled, each is proven: what is noticed below is noticed for the change."""
    results = run(sound_ids(), ())
    assert [r for r in results if r.fate is not Fate.SURVIVED] == []


def test_a_sample_of_mutants_is_noticed(ids: list[tuple[str, str, str]]) -> None:
    """A fixed sample with every kind of change, two workers: the proof fails, or httpd refuses, for each."""
    wanted = chosen(ids, SAMPLE, "", arguments())
    operators = {operator for _, _, operator in ids}
    results = run(wanted, (), sys.stderr)
    assert {r.operator for r in results} == operators
    assert [r.id for r in results if r.fate is Fate.SURVIVED] == [], table(results)


def test_every_argument_is_about_some_mutant(ids: list[tuple[str, str, str]]) -> None:
    """A match that fits nothing would argue away what nobody looked at."""
    matches = [a.match for a in arguments()]
    assert [a.match for a in arguments() if not any(a.covers(mutant) for _, mutant, _ in ids)] == []
    assert len(set(matches)) == len(matches)
    assert all(a.why.endswith(".") for a in arguments())
