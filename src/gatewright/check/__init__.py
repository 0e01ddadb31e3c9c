"""What a well-formed gateway file may still get wrong: one rule per function, each with a stable code and a reason.

Pure: what was found about files and certificates arrives as :class:`Facts`.
"""

from gatewright.check import (  # noqa: F401 - importing registers the rules
    access,
    anchors,
    backend_certificates,
    backends,
    clients,
    credentials,
    files,
    names,
    own_hosts,
    partners,
    proof,
    routes,
    server,
)
from gatewright.check.facts import AnchorFact, Facts, PairFact, PathFact, PathKind, ServerFact, Unusable
from gatewright.check.registry import RULES, check

__all__ = ["RULES", "AnchorFact", "Facts", "PairFact", "PathFact", "PathKind", "ServerFact", "Unusable", "check"]
