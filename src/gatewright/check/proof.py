"""Rules about the proof that the gateway makes by itself."""

from __future__ import annotations

from collections.abc import Iterator

from gatewright.check.registry import Finding, View, rule

SHORTEST_S = 60
"""A proof takes seconds and issues certificates; more often than this it would be a load of its own."""


@rule("proof-too-often")
def proof_too_often(view: View) -> Iterator[Finding]:
    """Each proof issues and revokes certificates, all of them kept in the store for good."""
    proof = view.gateway.proof
    if proof is not None and proof.every is not None and proof.every.seconds < SHORTEST_S:
        yield Finding(
            ("proof", "every"),
            f"a proof every {proof.every} is too often",
            "each one issues and revokes certificates, which stay in the store",
            "write '1m' or longer, for example: every: 6h",
        )
