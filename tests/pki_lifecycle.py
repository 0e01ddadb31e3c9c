"""A model of the whole lifecycle, driven at random: what the store, the markers and the CRLs say must equal what the model says."""

from __future__ import annotations

import shutil
import tempfile
from datetime import timedelta
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from gatewright.app import revoking
from gatewright.app.auditing import audit
from gatewright.app.authority import next_issuing_ca
from gatewright.app.issuing import renew
from gatewright.app.publishing import Published, publish
from gatewright.errors import FindingError, UsageError
from gatewright.model.pki import Certificate, Reason, Status
from gatewright.pki import crl
from tests.pki_world import World, make_world

FINAL = [reason for reason in Reason if reason is not Reason.CERTIFICATE_HOLD]


class Lifecycle(RuleBasedStateMachine):
    """Issue, renew, revoke, hold, release, undo, turn the clock, publish, change the CA, restart, restore a backup.

    In the model a revoked certificate is never valid again unless its time to undo had not passed, and no serial repeats.
    """

    certificates = Bundle("certificates")
    url: str | None = None

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="gatewright-lifecycle-"))
        self.world: World = make_world(self.folder, self.url)
        self.known: dict[bytes, Certificate] = {}
        self.state: dict[bytes, Status] = {}
        self.undo_until: dict[bytes, object] = {}
        self.numbers: dict[int, int] = {}
        self.updates: dict[int, object] = {}

    def teardown(self) -> None:
        """Leave nothing behind."""
        self.world.close()
        shutil.rmtree(self.folder)

    def _learn(self, issued: list[Certificate]) -> None:
        taken = {(c.issuer, c.serial) for c in self.known.values()}
        for certificate in issued:
            assert (certificate.issuer, certificate.serial) not in taken
            assert certificate.not_after <= self.world.home.issuing.not_after
            self.known[certificate.sha256] = certificate
            self.state[certificate.sha256] = Status.VALID

    @rule(target=certificates, count=st.integers(1, 3))
    def issue(self, count: int) -> object:
        """New certificates, with serial numbers that were never seen."""
        issued = self.world.clients(count)
        self._learn(issued)
        return multiple(*issued)

    @rule(target=certificates, old=certificates)
    def renew(self, old: Certificate) -> object:
        """Only what is valid can be renewed."""
        present = self.world.stored(old)
        try:
            issued = renew(self.world.home, present, self.world.deps, requested_by="model", why="")
        except UsageError:
            assert self.state[old.sha256] is not Status.VALID
            return multiple()
        assert self.state[old.sha256] is Status.VALID
        self._learn([issued])
        return issued

    @rule(which=certificates, reason=st.sampled_from(FINAL), minutes=st.none() | st.integers(1, 90))
    def revoke(self, which: Certificate, reason: Reason, minutes: int | None) -> None:
        """For good, perhaps with a time to undo it."""
        within = None if minutes is None else timedelta(minutes=minutes)
        done = revoking.revoke(
            revoking.one(which), reason, self.world.deps, self.world.markers, by="model", undo_within=within
        )
        changed = self.state[which.sha256] is not Status.REVOKED
        assert len(done.certificates) == changed
        if changed:
            self.state[which.sha256] = Status.REVOKED
            self.undo_until[which.sha256] = done.undo_until

    @rule(which=certificates)
    def hold(self, which: Certificate) -> None:
        """On hold, unless it is revoked already."""
        revoking.revoke(revoking.one(which), Reason.CERTIFICATE_HOLD, self.world.deps, self.world.markers, by="model")
        if self.state[which.sha256] is Status.VALID:
            self.state[which.sha256] = Status.HELD

    @rule(which=certificates)
    def release(self, which: Certificate) -> None:
        """Ends a hold, and only a hold."""
        revoking.release(revoking.one(which), self.world.deps, self.world.markers, by="model")
        if self.state[which.sha256] is Status.HELD:
            self.state[which.sha256] = Status.VALID

    @rule(which=certificates)
    def undo(self, which: Certificate) -> None:
        """Within the stated time only."""
        until = self.undo_until.get(which.sha256)
        allowed = self.state[which.sha256] is not Status.REVOKED or (until is not None and until >= self.world.clock.at)  # type: ignore[operator]
        try:
            revoking.undo(revoking.one(which), self.world.deps, self.world.markers, by="model")
        except FindingError:
            assert not allowed
        else:
            assert allowed
            self.state[which.sha256] = Status.VALID

    @rule(which=certificates)
    def revoke_everything_since(self, which: Certificate) -> None:
        """Everything its issuer issued since it did this one."""
        chosen = revoking.issued_since(which.issuer, which.not_before + timedelta(minutes=5))
        revoking.revoke(chosen, Reason.CA_COMPROMISE, self.world.deps, self.world.markers, by="model")
        for sha256, certificate in self.known.items():
            later = certificate.issuer == which.issuer and certificate.not_before >= which.not_before
            if later and self.state[sha256] is not Status.REVOKED:
                self.state[sha256] = Status.REVOKED
                self.undo_until[sha256] = None

    @rule(minutes=st.sampled_from([1, 30, 60, 60 * 24 * 4, 60 * 24 * 40]))
    def time_passes(self, minutes: int) -> None:
        """Minutes or weeks."""
        self.world.clock.turn(minutes=minutes)

    @rule(seconds=st.integers(1, 299))
    def clock_corrected_back(self, seconds: int) -> None:
        """A correction smaller than the tolerance must harm nothing; once per run, so that corrections do not add up."""
        if not hasattr(self, "corrected"):
            self.corrected = True
            self.world.clients(1)
            self.world.clock.turn(seconds=-seconds)

    @rule()
    def change_the_issuing_ca(self) -> None:
        """A new generation issues from now on."""
        if len(self.world.home.issuing_generations) < 3:
            self.world.home = next_issuing_ca("home", "localhost", "p256", self.world.deps)

    @rule()
    def publish(self) -> None:
        """CRLs list exactly what is revoked; numbers and times rise whenever a list is new."""
        published: Published = publish(self.world.home, self.world.deps)
        now = self.world.clock.at
        listed = set()
        for current in published.crls:
            before = self.numbers.get(current.issuer, 0)
            assert current.number >= before
            if current.number > before and before:
                assert current.this_update > self.updates[current.issuer]  # type: ignore[operator]
            self.numbers[current.issuer], self.updates[current.issuer] = current.number, current.this_update
            assert current.next_update > now
            listed |= {(current.issuer, serial) for serial, _ in crl.content(current.der)}
        for sha256, certificate in self.known.items():
            line = (certificate.issuer, int.from_bytes(certificate.serial, "big"))
            if self.state[sha256] is Status.VALID:
                assert line not in listed
            elif certificate.not_after >= now:
                assert line in listed

    @rule()
    def restart(self) -> None:
        """Another process takes over: markers are brought in line, and nothing else changes."""
        revoking.synchronise_markers(self.world.deps, self.world.markers)

    @invariant()
    def the_store_agrees(self) -> None:
        """Status in the store and markers before httpd equal the model, after every step."""
        marked = self.world.marked()
        for sha256, certificate in self.known.items():
            assert self.world.stored(certificate).status is self.state[sha256]
            alive = certificate.not_after >= self.world.clock.at
            if self.state[sha256] is Status.VALID:
                assert certificate.pem_sha1.hex() not in marked
            elif alive:
                assert certificate.pem_sha1.hex() in marked

    @rule()
    def audited(self) -> None:
        """The log agrees with everything at any time."""
        assert audit(self.world.deps).faults == ()
