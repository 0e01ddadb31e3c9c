"""``explain``: who is this certificate, and would the gateway in this folder admit it there? Offline; reads only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import PurePath

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gatewright.app.enrolled import digest_of, known_folder
from gatewright.app.generations import current_number
from gatewright.app.own_cas import issuing_files
from gatewright.app.verifying import Request, Verifying
from gatewright.errors import Diagnostic, EnvironmentFault, UsageError
from gatewright.model.enrolment import ENTRY, clients_by_enrolment
from gatewright.model.gateway import Declared
from gatewright.model.shut import shut_name
from gatewright.model.values import Name, RoutePath
from gatewright.pki import explain, formats
from gatewright.pki.reading import der_certificate
from gatewright.pki.verify import Certificate, Judgement, Question, ask_pyopenssl, judge
from gatewright.plan.admission import Admission, Asking, Presented, decide
from gatewright.ports.files import FileKind

# X509_STORE_CTX_get_error(3): no issuer, a signature that does not fit, self-signed, or nothing that leads to an anchor.
_NOT_SIGNED = frozenset({2, 7, 18, 19, 20, 21})


@dataclass(frozen=True, slots=True)
class Asked:
    """The request: ``at`` is aware, ``None`` means now; without ``host``, by the name under which the certificate is known."""

    certificate: PurePath | None
    path: str
    method: str = "GET"
    at: datetime | None = None
    host: str | None = None


@dataclass(frozen=True, slots=True)
class Explaining:
    """The use case. ``verifying`` puts the question to both OpenSSLs as ``verify`` does."""

    verifying: Verifying

    def __call__(self, declared: Declared, folder: PurePath, asked: Asked) -> Admission:
        """The decision. Raises :class:`UsageError` for a file that holds no certificate, and a host that is not the gateway's."""
        known = declared.gateway.served_names
        if asked.host is not None and asked.host not in known:
            what = f"{asked.host!r} is none of this gateway's names"
            raise UsageError(
                Diagnostic("host-not-served", what, "it answers under its own names only", f"use {', '.join(known)}")
            )
        moment = asked.at or self.verifying.clock.now()
        presented = self._presented(declared, folder, asked) if asked.certificate is not None else None
        request = Asking(asked.path, asked.method, moment, asked.host, self._shut(declared, folder))
        return decide(declared, presented, request)

    def _presented(self, declared: Declared, folder: PurePath, asked: Asked) -> Presented:
        assert asked.certificate is not None
        path = asked.certificate
        question = self.verifying.question(Request(path, at=asked.at, as_gateway=True), folder)
        try:
            leaf = der_certificate(question.certificate.der)
        except ValueError as problem:
            what = f"{str(path)!r} holds no certificate that can be read"
            raise UsageError(
                Diagnostic("not-a-certificate", what, str(problem), "give a client's certificate")
            ) from None
        problems: list[tuple[Name, Judgement]] = []
        for name, anchors in self._anchors(declared, folder):
            authority = declared.gateway.every_authority[name]
            between = authority.depth if authority.host is not None else None
            judged = self._judged(replace(question, anchors=anchors, between=between, withdrawn=False))
            if judged.accepted and name in declared.gateway.shut_out:
                partner = declared.gateway.partner_of(name)
                what = f"its partner {str(partner)!r} is disabled, so that its authority {str(name)!r} is trusted for nothing"
                return Presented(leaf, None, what, f"gatewright partner enable {partner}, if it is to be let in again")
            if judged.accepted:
                return self._known(declared, folder, Presented(leaf, name, revoked=question.withdrawn))
            if name not in declared.gateway.shut_out:
                problems.append((name, judged))
        return _refused(declared, leaf, problems)

    def _judged(self, question: Question) -> Judgement:
        """By both OpenSSLs, unless the first already finds no signature of these CAs: there are as many questions as authorities."""
        ours = ask_pyopenssl(question)
        if not ours.accepted and all(f.number in _NOT_SIGNED for f in ours.findings):
            return judge(question, ours, None, "no CA of that authority signed it")
        return self.verifying.judged(question)

    def _known(self, declared: Declared, folder: PurePath, presented: Presented) -> Presented:
        """With what the gateway has written down of this certificate, where its authority's clients are enrolled."""
        name = presented.authority
        clients = clients_by_enrolment(declared.gateway, name)
        if name is None or not clients:
            return presented
        places, digest = self.verifying.places(folder), digest_of(presented.certificate.public_bytes(Encoding.PEM))
        members = places.layout(current_number(self.verifying.files, places)).members
        enrolled = {c for c in clients if self._there(members / c / name / f"{ENTRY}{digest}")}
        looked_at = self._there(known_folder(places, name) / digest)
        return replace(presented, enrolled=frozenset(enrolled), looked_at=looked_at)

    def _shut(self, declared: Declared, folder: PurePath) -> frozenset[RoutePath]:
        """The routes that a proof has shut in the generation at hand."""
        places = self.verifying.places(folder)
        shut = places.layout(current_number(self.verifying.files, places)).shut
        return frozenset(route for route in declared.gateway.routes if self._there(shut / shut_name(route)))

    def _there(self, path: PurePath) -> bool:
        kind = self.verifying.files.kind(path)
        if kind is FileKind.UNREADABLE:
            what = f"this account may not see what the gateway has written down ({path.parent})"
            fix = "run it as the account that runs the gateway"
            raise EnvironmentFault(Diagnostic("gateway-state-unreadable", what, "the answer depends on it", fix))
        return kind is not FileKind.MISSING

    def _anchors(self, declared: Declared, folder: PurePath) -> Iterator[tuple[Name, tuple[Certificate, ...]]]:
        """The CAs of each authority, of disabled partners last: partners' as the file names them, ours as they are published in the folder."""
        files = self.verifying.files
        for name, authority in declared.gateway.every_authority.items():
            paths = [folder / anchor for anchor in authority.anchors]
            if authority.managed:
                paths = list(issuing_files(files, folder, name))
            yield name, tuple(c for p in paths for c in formats.certificates(self.verifying.read(p), str(p)))


def _refused(declared: Declared, leaf: x509.Certificate, problems: list[tuple[Name, Judgement]]) -> Presented:
    """Of the authority that signed it, why it does not pass all the same; where none did, that."""
    for name, judged in problems:
        told = explain.explanations(judged)
        if told and all(t.number not in _NOT_SIGNED for t in told):
            first = told[0]
            return Presented(
                leaf, name, f"a CA of {name} signed it, but: {first.cause} (X.509 error {first.number})", first.fix
            )
    names = ", ".join(name for name, _ in problems) or "none is declared"
    what = f"no authority of this gateway signed it ({names}), so the handshake fails"
    fix = "have it issued by one of them, or declare its issuing CA under 'authorities'"
    deep = [str(name) for name, _ in problems if declared.gateway.every_authority[name].depth]
    if deep:
        fix += (
            f"; a client of {' or '.join(deep)} must send the CAs in between: put them behind its certificate in FILE"
        )
    return Presented(leaf, None, what, fix)
