"""Every vector gives its number, in pyOpenSSL and in the host's openssl, and the explanation names the right certificate."""

from __future__ import annotations

import pytest
from tests.vectors.x509 import chains, revocation
from tests.vectors.x509.kit import VECTORS, Vector

from gatewright.edges.openssl import OpenSsl
from gatewright.pki import explain
from gatewright.pki.verify import Judgement, ask_pyopenssl, judge

MODULES = (chains, revocation)  # their vectors enter themselves into VECTORS
HOST = OpenSsl()
# Strict checks that OpenSSL 3.0 makes and the 4.0 inside pyOpenSSL no longer does (measured with 3.0.19 and 4.0.3).
DROPPED = {88, 89}


def judged(vector: Vector) -> Judgement:
    question = vector.make()
    return judge(question, ask_pyopenssl(question), HOST.verify(question))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v.label)
def test_every_vector_gets_its_number(vector: Vector) -> None:
    """The judgement holds the vector's error number at the vector's depth, or is good where nothing is wrong."""
    found = judged(vector)
    numbers = [(f.number, f.depth) for f in found.findings]
    if vector.number == 0:
        assert found.accepted, numbers
    else:
        assert not found.accepted
        assert (vector.number, vector.depth) in numbers


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v.label)
def test_pyopenssl_gives_the_same_number_where_it_can_be_asked(vector: Vector) -> None:
    """By itself, pyOpenSSL gives the vector's number, or the one the vector says it must give."""
    verdict = ask_pyopenssl(vector.make())
    assert [f.number for f in verdict.findings] == ([vector.ours] if vector.ours else [])


@pytest.mark.parametrize("vector", [v for v in VECTORS if v.number], ids=lambda v: v.label)
def test_cause_and_fix_name_the_certificates(vector: Vector) -> None:
    """Cause and fix name the certificate at fault, its file and what else the reader needs."""
    told = next(t for t in explain.explanations(judged(vector)) if t.number == vector.number)
    for name in vector.names:
        assert name in f"{told.cause} {told.fix}"
    assert "{" not in told.cause + told.fix


@pytest.mark.parametrize("vector", [v for v in VECTORS if v.number not in DROPPED], ids=lambda v: v.label)
def test_both_openssls_agree(vector: Vector) -> None:
    """The wheel's OpenSSL and the host's agree on every vector, so no disagreement is reported."""
    assert judged(vector).disagreement == ""


@pytest.mark.parametrize("vector", [v for v in VECTORS if v.number in DROPPED], ids=lambda v: v.label)
def test_a_disagreement_is_reported_and_the_refusal_counts(vector: Vector) -> None:
    """Where one OpenSSL accepts what the other refuses, the answer is no, and the disagreement is told."""
    found = judged(vector)
    assert not found.accepted
    assert "accepts what" in found.disagreement
    assert "the refusal counts" in explain.text(found)


def test_there_are_vectors_for_at_least_25_numbers() -> None:
    """The table of explanations is exercised by real refusals, 25 numbers at least."""
    assert len({v.number for v in VECTORS if v.number}) >= 25


def test_every_vector_has_its_page() -> None:
    """A vector without a docstring explains nothing."""
    assert [v.label for v in VECTORS if not v.page] == []
