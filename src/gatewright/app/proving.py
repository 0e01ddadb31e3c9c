"""Proves a gateway: derives what must be tried, makes the test identities, tries everything, takes the identities back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import PurePath
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from gatewright import __version__
from gatewright.app.authority import PkiDeps, find_authority, issuer_of, sha256_of
from gatewright.app.issuing import Order, issue
from gatewright.app.proving_enrolment import Enrolment, enrol
from gatewright.app.revoking import TWIN, revoke
from gatewright.errors import Diagnostic, EnvironmentFault, UsageError
from gatewright.model.gateway import Gateway
from gatewright.model.pki import Certificate, KeyKind, ProfileName, Reason, marker_of
from gatewright.model.values import Name, RoutePath
from gatewright.pki import audit
from gatewright.pki.build import record
from gatewright.pki.keys import generate
from gatewright.ports.files import FileKind
from gatewright.ports.prober import Listener, Prober
from gatewright.ports.proof import ProofResult, Touched, Where
from gatewright.ports.store import Reader
from gatewright.prove.cases import Case, Derived, Identity, Kind
from gatewright.prove.derive import Depth, derive, meanwhile
from gatewright.prove.doors import Doors, StandIns
from gatewright.prove.expecting import CANARY, VALID, WITHDRAWN
from gatewright.prove.members import derive_members
from gatewright.prove.minting import Credential, Key, Signer, Supplies, mint, subject_of
from gatewright.prove.report import CLIENTS_OF, NotCovered, Report, UsedIdentity
from gatewright.prove.sha1 import altered
from gatewright.prove.verdict import Seen, Verdict, judge

if TYPE_CHECKING:  # loads joserfc, which few gateways need
    from gatewright.prove.vouching import Vouching

ACTOR = "gatewright prove"
"""Who asked for test certificates and took them back, in the log of issuances."""

_PATIENCE_S = 60.0
_FINDINGS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Target:
    """What to prove, and where.

    ``canary`` is where httpd looks for the canary's socket, ``gid`` the group of its children where they run under another account.
    ``anchors`` are the issuing CA certificates by :func:`gatewright.prove.cases.issuer_key`, those of disabled partners too. ``twins`` stand in for authorities whose keys are not
    ours, on a shadow instance that trusts them. ``certificate`` is the SHA-256 (hex) of the server certificate, empty for any. ``secrets`` are
    those that requests to backends are signed with, by name. ``only`` limits the proof to
    callers with certificates of these authorities, or in imitation of them, and to good credentials. ``enrolment`` is where test identities are enrolled.
    ``vouching`` makes good credentials, at a shadow instance that takes them.
    """

    gateway: Gateway
    policy_sha256: str
    generation: int
    address: str
    port: int
    canary: PurePath
    anchors: Mapping[str, x509.Certificate]
    gid: int | None = None
    shadow: bool = False
    certificate: str = ""
    twins: Mapping[str, Signer] = field(default_factory=dict)
    only: frozenset[str] | None = None
    httpd_version: str = ""
    openssl_version: str = ""
    enrolment: Enrolment | None = None
    vouching: Vouching | None = None
    secrets: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Proving:
    """The use case. ``markers`` is the folder that revokes, ``lock`` the file that lets one proof run at a time, ``pause`` waits a moment."""

    deps: PkiDeps
    prober: Prober
    markers: PurePath
    lock: PurePath
    pause: Callable[[], None]

    def __call__(
        self,
        target: Target,
        *,
        depth: Depth = Depth.SAMPLED,
        focus: Collection[RoutePath] = (),
        touched: Touched | None = None,
    ) -> Report:
        """Prove ``target``. Test identities are gone again when this returns or raises. Where there are ``twins``, only

        what needs them is tried: the rest was tried at the real thing. ``touched``: only the doors that these members concern.

        Raises :class:`EnvironmentFault` when the proof cannot even begin; whatever fails later is in the report.
        """
        began = self.deps.clock.monotonic()
        while True:
            with self.deps.files.lock(self.lock) as ours:
                if ours:
                    now, stand_ins = self.deps.clock.now(), self._stand_ins(target)
                    if touched is not None:
                        derived = derive_members(target.gateway, touched.routes, touched.clients, now, stand_ins)
                        return self._prove(target, derived, ())
                    derived = derive(target.gateway, depth=depth, focus=focus, now=now, stand_ins=stand_ins)
                    return self._prove(target, derived, meanwhile(target.gateway, now, stand_ins))
            if self.deps.clock.monotonic() - began > _PATIENCE_S:
                raise EnvironmentFault(
                    Diagnostic(
                        "proof-under-way",
                        f"another proof of this gateway has been running for more than {_PATIENCE_S:.0f} seconds",
                        "two proofs at once would take each other's canary",
                        "wait for it, or look for a process 'gatewright prove' or 'gatewright apply' that hangs",
                    )
                )
            self.pause()

    def _prove(self, target: Target, derived: Derived, later: tuple[Case, ...]) -> Report:
        now, began = self.deps.clock.now(), self.deps.clock.monotonic()
        office = _Identities(self.deps, self.markers, target)
        if target.only is not None:
            only = target.only
            derived = replace(derived, cases=tuple(c for c in derived.cases if _about(c, only)))
            later = tuple(c for c in later if _about(c, only))
        possible, not_covered = office.possible((*derived.cases, *later))
        cases = [case for case in derived.cases if case.identity in possible]
        later = tuple(case for case in later if case.identity in possible)
        nonce = self.deps.randomness.passphrase()
        listener = Listener(target.address, target.port, target.certificate)
        try:
            credentials = office.make([case.identity for case in (*cases, *later)])
            office.withdraw(lambda identity: identity.kind in {Kind.REVOKED, Kind.REVOKED_ALTERED})
            with self.prober.canary(target.canary, nonce, target.gid):
                verdicts = self._tried(listener, cases, credentials, nonce, target)
                verdicts += self._revoked_meanwhile(listener, later, credentials, nonce, office)
        finally:
            office.withdraw(lambda _: True)
            office.clear()
            office.leave()
        return Report(
            target=f"{target.address}:{target.port}",
            shadow=target.shadow,
            policy_sha256=target.policy_sha256,
            generation=target.generation,
            gatewright_version=__version__,
            httpd_version=target.httpd_version,
            openssl_version=target.openssl_version,
            began=now,
            seconds=round(self.deps.clock.monotonic() - began, 3),
            sampled=derived.sampled,
            routes=len(target.gateway.routes),
            identities=office.used,
            verdicts=tuple(verdicts),
            not_covered=(*not_covered, *(NotCovered(what, why) for what, why in derived.left_out)),
        )

    def _stand_ins(self, target: Target) -> StandIns:
        clients = target.gateway.clients.items()
        serials = {name: client.serial for name, client in clients if client.serial is not None}
        revoked = {
            name
            for name, serial in serials.items()
            if self.deps.files.kind(self.markers / marker_of(bytes.fromhex(serial))) is not FileKind.MISSING
        }
        return StandIns(frozenset(target.twins), frozenset(revoked), target.vouching is not None)

    def _tried(
        self,
        listener: Listener,
        cases: Sequence[Case],
        credentials: Mapping[Identity, Credential],
        nonce: str,
        target: Target,
    ) -> list[Verdict]:
        secrets = target.secrets

        def passes(case: Case, seen: Seen) -> bool:
            return judge(case, seen, listener.certificate, secrets).passed

        # What is judged, and reported, holds no credential.
        asked = [self._with_voucher(case, credentials, target) for case in cases]
        seen = self.prober.run(listener, asked, credentials, nonce, passes)
        return [judge(case, s, listener.certificate, secrets) for case, s in zip(cases, seen, strict=True)]

    def _with_voucher(self, case: Case, credentials: Mapping[Identity, Credential], target: Target) -> Case:
        demanded = target.gateway.routes[RoutePath(case.route)].credentials if case.ask.voucher else None
        if demanded is None or target.vouching is None:
            return case
        shown = credentials.get(case.identity)
        certificate = None if shown is None else shown.certificate
        value = target.vouching.field(demanded, certificate, case.ask.voucher, self.deps.clock.now())
        return replace(case, ask=replace(case.ask, headers=(*case.ask.headers, ("Authorization", value))))

    def _revoked_meanwhile(
        self,
        listener: Listener,
        cases: Sequence[Case],
        credentials: Mapping[Identity, Credential],
        nonce: str,
        office: _Identities,
    ) -> list[Verdict]:
        """On one connection: admitted, revoked, refused. Both halves must hold."""

        def withdraw() -> None:
            office.withdraw(lambda identity: identity.kind is Kind.REVOKED_MEANWHILE)

        verdicts = []
        pairs = self.prober.while_revoked(listener, cases, credentials, nonce, withdraw) if cases else ()
        for case, (before, after) in zip(cases, pairs, strict=True):
            first = judge(replace(case, expected=CANARY), before, listener.certificate)
            second = judge(case, after, listener.certificate)
            if not first.passed:
                second = replace(first, case=case, evidence=f"before it was revoked: {first.evidence}")
            verdicts.append(second)
        return verdicts


def _about(case: Case, authorities: Collection[str]) -> bool:
    return case.identity.authority in authorities or case.identity.other in authorities or bool(case.ask.voucher)


@dataclass(slots=True)
class _Identities:
    """Makes test identities and takes them back."""

    deps: PkiDeps
    markers: PurePath
    target: Target
    _signers: dict[str, Signer] = field(default_factory=dict)
    _missing: dict[str, str] = field(default_factory=dict)
    _made: dict[Identity, list[Certificate]] = field(default_factory=dict)
    _gone: set[bytes] = field(default_factory=set)
    _entries: list[PurePath] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Finds out which authorities' keys are at hand."""
        self._signers.update(self.target.twins)
        for name, authority in self.target.gateway.every_authority.items():
            if name in self._signers:
                continue
            if not authority.managed:
                self._missing[name] = "its key is the partner's; proved from the refusing side only"
            else:
                self._find(name)

    def _find(self, name: Name) -> None:
        try:
            issuer = issuer_of(find_authority(name, self.deps).issuing, self.deps)
        except (EnvironmentFault, UsageError) as fault:
            self._missing[name] = fault.diagnostics[0].what
        else:
            self._signers[name] = Signer(issuer.certificate, issuer.key)

    @property
    def used(self) -> tuple[UsedIdentity, ...]:
        """Every test certificate that an authority's key signed."""
        return tuple(
            UsedIdentity(
                str(identity),
                c.authority,
                c.serial_hex,
                c.sha256.hex(),
                c.not_after,
                self._signers[c.authority].twin,
                c.sha256 in self._gone,
            )
            for identity, certificates in self._made.items()
            for c in certificates
        )

    def possible(self, cases: Iterable[Case]) -> tuple[set[Identity], tuple[NotCovered, ...]]:
        """Which identities can be made, and what is not covered for want of the others."""
        good: set[Identity] = set()
        lost: dict[tuple[str, str], int] = {}
        for case in cases:
            why = self._impossible(case.identity)
            if why is None:
                good.add(case.identity)
            else:
                lost[why] = lost.get(why, 0) + 1
        return good, tuple(NotCovered(what, why, count) for (what, why), count in lost.items())

    def _impossible(self, identity: Identity) -> tuple[str, str] | None:
        authority = identity.authority or ""
        if identity.needs_key and authority in self._missing:
            return f"{CLIENTS_OF}{authority}", self._missing[authority]
        if identity.needs_key and identity.issuer not in self._signers:
            return f"{CLIENTS_OF}{authority}", f"its CA {identity.generation + 1} is not at hand"
        if identity.kind is Kind.REVOKED_ALTERED and not isinstance(
            self._signers[identity.issuer].certificate.public_key(), ec.EllipticCurvePublicKey
        ):
            return f"altered signatures of {authority}", "its signatures have one form only"
        if identity.needs_sub_ca and not self._signers[identity.issuer].twin:
            return f"CAs below {authority}", "a CA certificate is never signed with a real key only to try it"
        if authority and identity.issuer not in self.target.anchors and not identity.needs_key:
            return f"imitations of {authority}", "its issuing CA certificate is not at hand"
        return None

    def make(self, identities: Iterable[Identity]) -> dict[Identity, Credential]:
        """A credential for each, recorded before it is used where a real authority's key signed it."""
        wanted = [i for i in dict.fromkeys(identities) if i.kind is not Kind.NONE]
        doors = Doors(self.target.gateway)
        # What its authority cannot vouch for, no authority issues as it issues others: it is signed as what is wrong on purpose.
        valid = (i for i in wanted if i.kind in VALID | WITHDRAWN and doors.vouches(i))
        proper = [i for i in valid if not self._signers[i.issuer].twin]
        credentials = self._proper(proper)
        supplies = Supplies(
            self.deps.clock.now(),
            lambda: generate(KeyKind.P256),
            lambda: rsa.generate_private_key(65537, 1024),  # noqa: S505 - it must be refused for this
            self.deps.randomness.serial,
            dict(self.target.anchors) | {name: s.top for name, s in self._signers.items() if s.twin},
            self._signers,
        )
        for identity in wanted:
            if identity not in credentials:
                credentials[identity] = mint(self.target.gateway, identity, supplies)
        self._record([(i, c) for i in wanted if i not in proper for c in credentials[i].issued], supplies.now)
        for identity in wanted:
            if identity.kind is Kind.REVOKED_ALTERED:
                key = self._signers[identity.issuer].certificate.public_key()
                assert isinstance(key, ec.EllipticCurvePublicKey)  # see _impossible
                shown = altered(credentials[identity].certificate, key.curve)
                credentials[identity] = replace(credentials[identity], certificate=shown)
        if self.target.enrolment is not None:
            self._entries += enrol(
                self.deps.files, self.target.enrolment, self.target.gateway, credentials, self.target.gid
            )
        return credentials

    def leave(self) -> None:
        """Take back what was enrolled."""
        for path in self._entries:
            self.deps.files.remove(path)
        self._entries.clear()

    def _proper(self, identities: Sequence[Identity]) -> dict[Identity, Credential]:
        """Those that are valid, issued like any certificate: linted, recorded, logged. Their keys never leave memory."""
        credentials: dict[Identity, Credential] = {}
        by_authority: dict[str, list[Identity]] = {}
        for identity in identities:
            by_authority.setdefault(identity.authority or "", []).append(identity)
        for name, group in by_authority.items():
            keys: list[Key] = [generate(KeyKind.P256) for _ in group]
            orders = []
            for identity, key in zip(group, keys, strict=True):
                subject, sans = subject_of(self.target.gateway, identity)
                orders.append(
                    Order(
                        ProfileName.CANARY,
                        subject,
                        sans,
                        key.public_key(),
                        requested_by=ACTOR,
                        why=f"proof: {identity}",
                    )
                )
            authority = find_authority(name, self.deps)
            for identity, key, made in zip(group, keys, issue(authority, orders, self.deps), strict=True):
                certificate = x509.load_der_x509_certificate(made.der)
                credentials[identity] = Credential(certificate, key, (self._signers[name].certificate,), (certificate,))
                self._made[identity] = [made]
        return credentials

    def _record(self, issued: Sequence[tuple[Identity, x509.Certificate]], now: datetime) -> None:
        """Keep what a real key signed in the store and the log, faulty as it is on purpose; of twins' only a note here."""
        records, events = [], []
        for identity, certificate in issued:
            name = identity.authority or ""
            twin = self._signers[name].twin
            authority = None if twin else find_authority(name, self.deps)
            kept = record(
                certificate,
                authority.issuing.id if authority else 0,
                ProfileName.CANARY,
                name,
                requested_by=ACTOR,
                why=f"proof: {identity}",
            )
            self._made.setdefault(identity, []).append(kept)
            if authority is not None:
                records.append(kept)
                events.append(audit.issued(kept, sha256_of(authority.issuing), now))
        if records:
            with self.deps.store.writing() as tx:
                tx.add_certificates(records)
                tx.append(events, clock_is_right=self.deps.clock_is_right)

    def withdraw(self, which: Callable[[Identity], bool]) -> None:
        """Revoke those identities at the gateway; effective when this returns."""
        chosen = [
            certificate
            for identity, certificates in self._made.items()
            if which(identity)
            for certificate in certificates
            if certificate.sha256 not in self._gone
        ]
        real = [c for c in chosen if not self._signers[c.authority].twin]
        if real:

            def selection(reader: Reader) -> Sequence[Certificate]:
                return [found for c in real for found in [reader.certificate(c.sha256)] if found is not None]

            revoke(selection, Reason.CESSATION_OF_OPERATION, self.deps, self.markers, by=ACTOR)
        for certificate in chosen:
            if self._signers[certificate.authority].twin:
                for name in self._markers(certificate):
                    # Else whoever makes markers and store agree would take it away in the middle of the proof.
                    self.deps.files.touch(self.markers / f"{TWIN}{name}")
                    self.deps.files.touch(self.markers / name)
            self._gone.add(certificate.sha256)

    def _markers(self, certificate: Certificate) -> tuple[str, ...]:
        """What revokes a stand-in's certificate. Not its serial number, where that is a real client's, who must get in meanwhile."""
        by_text, by_serial = certificate.markers
        clients = self.target.gateway.clients.values()
        borrowed = any(client.serial == certificate.serial_hex for client in clients)
        return (by_text,) if borrowed else (by_text, by_serial)

    def clear(self) -> None:
        """Remove the markers of stand-ins' certificates, also those that a killed proof left; their keys never left a process."""
        if self.deps.files.kind(self.markers) is not FileKind.FOLDER:
            return
        for name in self.deps.files.list(self.markers):
            if name.startswith(TWIN):
                self.deps.files.remove(self.markers / name.removeprefix(TWIN))
                self.deps.files.remove(self.markers / name)


@dataclass(frozen=True, slots=True)
class Attack:
    """:class:`gatewright.ports.proof.Proof`: what ``apply`` needs of a proof. ``target`` completes what it knows; ``keep`` stores reports.

    ``twins`` adds, before anything is switched, what only stand-ins of partners can show.
    """

    proving: Proving
    target: Callable[[Where], Target]
    keep: Callable[[Where, Report], None]
    twins: Callable[[Where, Report], Report] = lambda _where, report: report

    def prove(self, where: Where) -> ProofResult:
        """Every probe's outcome against what the policy demands; briefly on the real port, after the shadow instance."""
        depth = Depth.SAMPLED if where.shadow or where.unseen else Depth.BRIEF
        report = self.proving(self.target(where), depth=depth, focus=where.focus, touched=where.touched)
        if where.shadow:
            report = self.twins(where, report)
        self.keep(where, report)
        findings = tuple(map(finding, report.findings))
        hidden = len(findings) - _FINDINGS_SHOWN
        if hidden > 0:
            more = Diagnostic("unproven", f"and {hidden} more findings", "", "see all of them: gatewright prove")
            findings = (*findings[:_FINDINGS_SHOWN], more)
        return ProofResult(report.proven, findings, len(report.verdicts))


def finding(verdict: Verdict) -> Diagnostic:
    """A verdict that did not pass, for readers."""
    case = verdict.case
    return Diagnostic(
        "probe-inconclusive" if verdict.inconclusive else "unproven",
        f"{case.id}: expected {case.expected}; {verdict.evidence}",
        case.why,
        "look at the gateway's log around this moment: logs/error.log",
    )


def policy_hash(text: bytes) -> str:
    """SHA-256 (hex) of a gateway file."""
    return hashlib.sha256(text).hexdigest()
