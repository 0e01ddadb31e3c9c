"""The outcome of a proof as data: what was proved, with whom, what was found, what was not tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from gatewright.prove.cases import Family, Kind
from gatewright.prove.verdict import Verdict


@dataclass(frozen=True, slots=True)
class UsedIdentity:
    """A test certificate: who it stood for, and what became of it (``gone``: revoked at the gateway and its key forgotten).

    ``twin`` marks one that was signed by a stand-in of the authority, whose key is ours and which only a shadow instance trusts.
    """

    description: str
    authority: str
    serial: str
    sha256: str
    not_after: datetime
    twin: bool
    gone: bool


@dataclass(frozen=True, slots=True)
class NotCovered:
    """Something that was not tried, how many cases that is, and why."""

    what: str
    why: str
    cases: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """One proof. ``policy_sha256`` hashes the gateway file that was proved; ``generation`` is 0 where it is none.

    ``target`` is ``host:port``; ``sampled`` tells that not every route was tried with every case.
    """

    target: str
    shadow: bool
    policy_sha256: str
    generation: int
    gatewright_version: str
    httpd_version: str
    openssl_version: str
    began: datetime
    seconds: float
    sampled: bool
    routes: int
    identities: tuple[UsedIdentity, ...]
    verdicts: tuple[Verdict, ...]
    not_covered: tuple[NotCovered, ...]

    @property
    def findings(self) -> tuple[Verdict, ...]:
        """Every verdict that did not pass."""
        return tuple(v for v in self.verdicts if not v.passed)

    @property
    def proven(self) -> bool:
        """Whether something was tried and everything tried passed."""
        return bool(self.verdicts) and not self.findings

    @property
    def summary(self) -> Mapping[Family, tuple[int, int]]:
        """(tried, passed) by family, in the order of :class:`Family`."""
        counts = dict.fromkeys(Family, (0, 0))
        for verdict in self.verdicts:
            tried, passed = counts[verdict.case.family]
            counts[verdict.case.family] = (tried + 1, passed + verdict.passed)
        return {family: count for family, count in counts.items() if count[0]}


CLIENTS_OF = "clients of "
"""Begins what is said not to be covered where an authority's key is not at hand."""

GOOD_CREDENTIALS = "good passwords and tokens"
"""What is said not to be covered where nobody vouches for users and tokens."""

OPEN_CONNECTIONS = "revocation on open connections of clients of "
"""Begins what is said not to be covered where nobody of an authority is admitted, so that nobody can be seen to be refused later."""

CLIENT = "client "
"""Begins what is said not to be covered where no test identity can pass for a client."""

STAND_IN = "with stand-ins: "
"""Begins the id of a case that was tried at a shadow instance which trusts stand-ins of partners' CAs."""


def together(own: Report, twins: Report | None, lost: str = "") -> Report:
    """One report of two proofs: of the gateway itself, and of its twin with stand-ins for partners.

    What only the twin could cover is no longer said to be uncovered. ``lost`` says why there was no twin, where one was needed.
    """
    if twins is None:
        more = (NotCovered("clients of partners, with stand-ins", lost),) if lost else ()
        return replace(own, not_covered=(*own.not_covered, *more))
    covered = {f"{CLIENTS_OF}{i.authority}" for i in twins.identities if i.twin}
    covered |= {f"{CLIENT}{v.case.identity.client}" for v in twins.verdicts if v.case.identity.client}
    covered |= {
        f"{OPEN_CONNECTIONS}{v.case.identity.authority}"
        for v in twins.verdicts
        if v.case.identity.kind is Kind.REVOKED_MEANWHILE
    }
    covered |= {GOOD_CREDENTIALS for v in twins.verdicts if v.case.ask.voucher}
    marked = tuple(replace(v, case=replace(v.case, id=f"{STAND_IN}{v.case.id}")) for v in twins.verdicts)
    return replace(
        own,
        seconds=round(own.seconds + twins.seconds, 3),
        identities=(*own.identities, *twins.identities),
        verdicts=(*own.verdicts, *marked),
        not_covered=tuple(n for n in own.not_covered if n.what not in covered),
    )
