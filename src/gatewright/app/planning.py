"""What applying the gateway file would do, found out without writing anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath

from cryptography import x509

from gatewright import __version__
from gatewright.app.generations import Manifest, changed_by_hand, current_number, read_manifest
from gatewright.app.in_place import before_change
from gatewright.app.issuing import RENEW_IN_LAST
from gatewright.app.places import Places
from gatewright.app.policy import Policy, applied_gateway, readable
from gatewright.app.preparing import fingerprint
from gatewright.compile.handshake import handshake
from gatewright.errors import Diagnostic
from gatewright.model.gateway import Gateway
from gatewright.model.virtual_hosts import virtual_hosts
from gatewright.pki.reading import pem_certificate
from gatewright.plan.diff import Change, Difference, Kind, Trust, changes
from gatewright.plan.handshake_plan import HandshakePlan, browsers_asked, handshake_plan
from gatewright.ports.clock import Clock
from gatewright.ports.files import FileKind, Files
from gatewright.ports.openssl import OpenSsl

NOT_YET = "made when it is applied"
"""Stands for the name of a CA that does not exist yet."""


@dataclass(frozen=True, slots=True)
class PlanReport:
    """The difference between what is in force and the gateway file. ``generation`` is the current one, 0: none."""

    folder: str
    generation: int
    difference: Difference
    warnings: tuple[Diagnostic, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """The JSON form."""
        return {
            "folder": self.folder,
            "generation": self.generation,
            **self.difference.as_dict(),
            "warnings": [warning.as_dict() for warning in self.warnings],
        }


@dataclass(frozen=True, slots=True)
class Planning:
    """The use case over its ports."""

    places: Places
    files: Files
    openssl: OpenSsl
    clock: Clock

    def __call__(self, policy: Policy) -> PlanReport:
        """Compare ``policy`` with the current generation."""
        number = current_number(self.files, self.places)
        old = self._proved(number) or applied_gateway(self.files, self.places)
        manifest = read_manifest(self.files, self.places.layout(number)) if number else None
        before, after = Trust(manifest.anchors if manifest else {}), Trust(self._anchors(policy.gateway, manifest))
        found = [*changes(old, policy.gateway, before, after), *self._server(policy.gateway, manifest)]
        rewritten = tuple(self._rewritten(number, manifest))
        found += rewritten
        difference = Difference(
            tuple(sorted(found, key=lambda change: not change.asks)),
            _handshakes(policy.gateway, after),
            _handshakes(old, before) if old is not None else (),
            first=old is None,
            reload=old != policy.gateway or bool(found),
        )
        asked_anew = difference.handshakes != difference.handshakes_before
        notes = browsers_asked(difference.handshakes, policy.gateway) if asked_anew else ()
        return PlanReport(str(self.places.folder), number, difference, (*policy.warnings, *notes))

    def _proved(self, number: int) -> Gateway | None:
        """What was proved last, where a change of members after it is not: that change is still to be judged."""
        before = before_change(self.files, self.places.layout(number)) if number else None
        return readable(before) if before is not None else None

    def _anchors(self, gateway: Gateway, manifest: Manifest | None) -> dict[str, tuple[tuple[str, str], ...]]:
        anchors = {}
        for name, authority in gateway.authorities.items():
            known = manifest.anchors.get(name, ()) if manifest is not None and authority.managed else ()
            for path in authority.anchors or (f"certs/ca/{name}-issuing.pem",):
                known = self._with_anchor(name, self.places.folder / path, known)
            anchors[str(name)] = known
        return anchors

    def _with_anchor(
        self, name: str, path: PurePath, known: tuple[tuple[str, str], ...]
    ) -> tuple[tuple[str, str], ...]:
        """``known`` and the certificate at ``path``."""
        if self.files.kind(path) is not FileKind.FILE:
            return known or (("", NOT_YET),)
        pem = self.files.read(path)
        ca = _certificate(pem)
        if ca is None:  # of a partner's, the check said so; one of ours is written anew
            return known
        pair = (fingerprint(ca), self.openssl.anchor(name, pem).subject)
        return known if pair in known else (*known, pair)

    def _server(self, gateway: Gateway, manifest: Manifest | None) -> Iterator[Change]:
        """Whether the gateway's own certificate is replaced, and why."""
        own = gateway.certificate
        if own is not None and own.chain is not None:
            leaf = _certificate(self.files.read(self.places.folder / own.chain))
            if manifest is not None and leaf is not None and fingerprint(leaf) != manifest.certificate:
                text = f"the server certificate is replaced by the one in {own.chain}"
                yield Change(Kind.CERTIFICATE, "server", text)
            return
        reason = self._why_issued(gateway)
        if reason:
            yield Change(Kind.CERTIFICATE, "server", f"the server certificate is issued: {reason}")

    def _why_issued(self, gateway: Gateway) -> str:
        path = self.places.folder / "certs" / "server" / "chain.pem"
        if self.files.kind(path) is not FileKind.FILE:
            return "there is none yet"
        leaf = _certificate(self.files.read(path))
        if leaf is None:
            return "the present one cannot be read"
        wanted = set(map(str, gateway.served_names))
        if _names(leaf) != wanted:
            return f"it must name {', '.join(sorted(wanted))}"
        life = leaf.not_valid_after_utc - leaf.not_valid_before_utc
        if self.clock.now() >= leaf.not_valid_after_utc - life * RENEW_IN_LAST:
            return f"the present one ends on {_day(leaf.not_valid_after_utc)}"
        return self._other_issuer(gateway, leaf)

    def _other_issuer(self, gateway: Gateway, leaf: x509.Certificate) -> str:
        issuing = self.places.folder / "certs" / "ca" / f"{gateway.server_authority}-issuing.pem"
        if self.files.kind(issuing) is not FileKind.FILE:
            return "its authority is made first"
        ca = _certificate(self.files.read(issuing))
        if ca is None or ca.subject == leaf.issuer:
            return ""
        return f"another CA issues now: {ca.subject.rfc4514_string()}"

    def _rewritten(self, number: int, manifest: Manifest | None) -> Iterator[Change]:
        """Why the same gateway file gives another generation all the same."""
        if manifest is None:
            return
        changed = changed_by_hand(self.files, self.places.layout(number), manifest)
        if changed:
            text = f"files of generation {number} that were changed by hand are written anew: {', '.join(changed)}"
            yield Change(Kind.CONFIGURATION, str(number), text)
        if manifest.version != __version__:
            text = f"the configuration is written anew by Gatewright {__version__} (it was {manifest.version})"
            yield Change(Kind.CONFIGURATION, str(number), text)


def _handshakes(gateway: Gateway, trust: Trust) -> tuple[HandshakePlan, ...]:
    subjects = {str(name): trust.subjects(name) for name in gateway.authorities}
    return tuple(
        plan
        for number, host in enumerate(virtual_hosts(gateway))
        for plan in handshake_plan(host.gateway, handshake(host.gateway).value, subjects, rest=not number)
    )


def _certificate(pem: bytes) -> x509.Certificate | None:
    """The first certificate of a file, or ``None`` where there is none that can be read."""
    try:
        return pem_certificate(pem)
    except ValueError:
        return None


def _names(leaf: x509.Certificate) -> set[str]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {str(name.value) for name in names}


def _day(when: datetime) -> str:
    return when.strftime("%Y-%m-%d")
