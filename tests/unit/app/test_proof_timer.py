"""When a serving gateway proves itself, what a finding shuts, and what is told of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from gatewright.app.metrics import LastProof, metrics, problems
from gatewright.app.proof_timer import ProofTimer
from gatewright.check import RULES
from gatewright.errors import UsageError
from gatewright.model.gateway import Gateway, OnFinding, Proof
from gatewright.model.values import Duration
from gatewright.source import load

_NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
_SOUND = LastProof(_NOW, 1, passed=True, findings=0, probes=284)
_FOUND = LastProof(_NOW, 1, passed=False, findings=2, probes=284, first="no-certificate: 200", shut=("/a/", "/b/"))


@dataclass
class Run:
    """A proof that ends when the test says so."""

    code: int | None = None

    def poll(self) -> int | None:
        """The code that the test set."""
        return self.code


@dataclass
class World:
    """A clock to turn by hand, and everything else that a timer asks for."""

    proof: Proof | None = field(default_factory=lambda: Proof(every=Duration(60_000)))
    time: float = 1000.0
    applying: bool = False
    last: LastProof | None = _SOUND
    runs: list[Run] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def now(self) -> datetime:
        """The time of day that goes with the clock."""
        return _NOW + timedelta(seconds=self.time)

    def monotonic(self) -> float:
        """Seconds."""
        return self.time

    def begin(self) -> Run:
        """A proof under way."""
        self.runs.append(Run())
        return self.runs[-1]

    def timer(self) -> ProofTimer:
        """The timer of this world."""
        return ProofTimer(
            self,
            declared=lambda: self.proof,
            applying=lambda: self.applying,
            begin=self.begin,
            last=lambda: self.last,
            say=self.said.append,
        )

    def pass_by(self, timer: ProofTimer, seconds: int) -> None:
        """Let time pass, a second at a time."""
        for _ in range(seconds):
            self.time += 1
            timer()


def test_a_proof_is_due_after_each_interval() -> None:
    """The first an interval after the start, the next an interval after the first ended; never two at once."""
    world = World()
    timer = world.timer()
    world.pass_by(timer, 59)
    assert not world.runs
    world.pass_by(timer, 6)
    assert len(world.runs) == 1
    world.pass_by(timer, 500)
    assert len(world.runs) == 1
    world.runs[0].code = 0
    world.pass_by(timer, 59)
    assert len(world.runs) == 1
    world.pass_by(timer, 7)
    assert len(world.runs) == 2
    assert world.said == ["Proof: 284 probes, each ended as it must."]


@pytest.mark.parametrize("proof", [None, Proof(on_finding=OnFinding.SHUT)])
def test_without_an_interval_nothing_is_proved(proof: Proof | None) -> None:
    """No timer is declared: no proof, ever; once one is declared and applied, it is followed."""
    world = World(proof=proof)
    timer = world.timer()
    world.pass_by(timer, 500)
    assert not world.runs
    world.proof = Proof(every=Duration(60_000))
    world.pass_by(timer, 6)
    assert len(world.runs) == 1


def test_an_apply_goes_first() -> None:
    """While somebody applies no proof begins; soon after it does."""
    world = World(applying=True)
    timer = world.timer()
    world.pass_by(timer, 200)
    assert not world.runs
    world.applying = False
    world.pass_by(timer, 6)
    assert len(world.runs) == 1


@pytest.mark.parametrize(
    ("code", "last", "said"),
    [(1, _FOUND, "2 of 284 probes"), (1, _FOUND, "/a/, /b/"), (3, _SOUND, "exit code 3"), (0, None, "proof.log")],
)
def test_how_a_proof_ended_is_told(code: int, last: LastProof | None, said: str) -> None:
    """A finding with what is shut; a proof that could not be made with where to look."""
    world = World(last=last)
    timer = world.timer()
    world.pass_by(timer, 65)
    world.runs[0].code = code
    world.pass_by(timer, 1)
    assert said in world.said[0]


def test_metrics_of_a_proof() -> None:
    """Numbers for a collector; a failed proof is a problem that names what is shut, a passed one is none."""
    lines = metrics(_FOUND).splitlines()
    assert "gatewright_proof_passed 0" in lines
    assert "gatewright_proof_findings 2" in lines
    assert "gatewright_proof_probes 284" in lines
    assert f"gatewright_proof_last_seconds {int(_NOW.timestamp())}" in lines
    assert "gatewright_proof_passed 1" in metrics(_SOUND)
    assert "/a/, /b/" in problems(_FOUND)[0].what
    assert not problems(_SOUND)
    assert not problems(None)


def test_the_last_proof_is_read_back() -> None:
    """What is written is read again; anything else is nothing."""
    assert LastProof.from_json(json.dumps(_FOUND.as_dict()).encode()) == _FOUND
    assert LastProof.from_json(b"{}") is None
    assert LastProof.from_json(b"x") is None


_FILE = """\
gateway: localhost
listen: 8443
authorities: { home: { managed: true } }
routes:
  /open: { respond: { text: o }, access: public }
  /a/: { respond: { text: a }, access: any-client }
"""


def _gateway(proof: str) -> Gateway:
    return load(f"{_FILE}proof: {proof}\n", "gateway.yaml").gateway


def test_the_key_proof() -> None:
    """Both keys are read; an empty mapping and an unknown word are refused, and so is less than a minute."""
    assert _gateway("{ every: 6h, on_finding: shut }").proof == Proof(Duration(21_600_000), OnFinding.SHUT)
    for wrong in ("{}", "{ on_finding: page }", "{ every: often }"):
        with pytest.raises(UsageError):
            _gateway(wrong)
    assert "proof-too-often" in RULES
