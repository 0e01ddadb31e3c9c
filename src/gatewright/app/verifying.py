"""Verifying a chain: files in, OpenSSL's verdicts out. Trusts what it is told to trust, and nothing more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath

from gatewright.app.places import Places
from gatewright.app.showing import read_given
from gatewright.errors import Diagnostic, EnvironmentFault
from gatewright.model.pki import marker_of
from gatewright.model.values import HostName
from gatewright.model.virtual_hosts import in_force
from gatewright.pki import describe, formats
from gatewright.pki.reading import serial_of
from gatewright.pki.verify import Certificate, Judgement, Purpose, Question, Revocation, ask_pyopenssl, judge, parsed
from gatewright.ports.clock import Clock
from gatewright.ports.files import FileKind, Files
from gatewright.ports.openssl import OpenSsl
from gatewright.source import loader

GATEWAY_FILE = "gateway.yaml"
OWN_AUTHORITIES = PurePath("certs/ca")


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked on the command line. ``at`` is aware; ``None`` means now.

    Without ``anchors`` and ``system``, a client's anchors are the issuing CAs of the gateway in the folder, judged by the
    gateway's rule, and a server's the roots of its authorities, as the gateway's callers judge it; where there is no gateway, nothing is trusted.
    """

    certificate: PurePath
    chain: tuple[PurePath, ...] = ()
    anchors: tuple[PurePath, ...] = ()
    crls: tuple[PurePath, ...] = ()
    purpose: Purpose = Purpose.CLIENT
    at: datetime | None = None
    host: HostName | None = None
    system: bool = False
    as_gateway: bool = False
    partial_chain: bool = False
    strict: bool = False
    crl_chain: bool = False


@dataclass(frozen=True, slots=True)
class Verifying:
    """The use case over its ports. ``openssl`` finds the host's OpenSSL when it is needed, and may fail to.

    ``places`` says where everything of the gateway in a folder stands.
    """

    files: Files
    clock: Clock
    openssl: Callable[[], OpenSsl]
    places: Callable[[PurePath], Places]

    def __call__(self, request: Request, folder: PurePath) -> Judgement:
        """The judgement. Raises :class:`UsageError` for files that cannot be read as what they are given for."""
        return self.judged(self.question(request, folder))

    def judged(self, question: Question) -> Judgement:
        """What both OpenSSLs say; ours alone where the host's is not to be had."""
        ours = ask_pyopenssl(question)
        try:
            hosts = self.openssl().verify(question)
        except EnvironmentFault as fault:
            told = fault.diagnostics[0]
            return judge(question, ours, None, f"{told.what}{f' ({told.why})' if told.why else ''}")
        return judge(question, ours, hosts)

    def question(self, request: Request, folder: PurePath) -> Question:
        """Everything the verdict depends on, with all files read. Raises :class:`UsageError`."""
        leaf, *rest = self._certificates(request.certificate)
        chain = (*rest, *(c for path in request.chain for c in self._certificates(path)))
        anchors = [c for path in request.anchors for c in self._certificates(path)]
        as_gateway, withdrawn = request.as_gateway, False
        if request.system:
            path, content = self.openssl().system_anchors()
            anchors += formats.certificates(content, path)
        elif not request.anchors and self.files.kind(folder / GATEWAY_FILE) is FileKind.FILE:
            as_gateway = as_gateway or request.purpose is Purpose.CLIENT
            anchors = list(self._gateway_anchors(folder) if as_gateway else self._own(folder, roots=True))
            # Markers say what is refused now, not what was before.
            withdrawn = (
                as_gateway and self._withdrawn(leaf, folder) and (request.at is None or request.at >= self.clock.now())
            )
        crls = tuple(der for path in request.crls for der in formats.revocation_lists(self.read(path), str(path)))
        revocation = Revocation.NONE
        if crls:
            revocation = Revocation.CHAIN if request.crl_chain else Revocation.LEAF
        return Question(
            leaf,
            request.at or self.clock.now(),
            chain,
            _once(anchors),
            crls,
            request.purpose,
            revocation,
            request.host,
            as_gateway,
            request.partial_chain,
            request.strict,
            withdrawn,
        )

    def read(self, path: PurePath) -> bytes:
        """A file's content. Raises :class:`UsageError` where there is none to read."""
        return read_given(self.files, path)

    def _certificates(self, path: PurePath) -> tuple[Certificate, ...]:
        return formats.certificates(self.read(path), str(path))

    def _withdrawn(self, leaf: Certificate, folder: PurePath) -> bool:
        """Whether there is a marker against ``leaf``: what the gateway's httpd looks for at each request."""
        revoked, read = self.places(folder).revoked, parsed(leaf)
        names = [describe.revocation_marker(leaf.der)]
        if (
            read is not None and 0 < (serial := serial_of(read)) < 1 << 160
        ):  # 20 octets, RFC 5280 §4.1.2.2: ours have no others
            names.append(marker_of(serial.to_bytes(20, "big")))
        marker = revoked / names[0]
        kinds = {self.files.kind(revoked / name) for name in names}
        if FileKind.UNREADABLE in kinds:
            raise EnvironmentFault(
                Diagnostic(
                    "revocations-unreadable",
                    f"this account may not see what the gateway has revoked ({marker.parent})",
                    "what is revoked must not be called valid",
                    "run it as the account that runs the gateway, or judge the chain alone: --anchor FILE",
                )
            )
        return kinds != {FileKind.MISSING}

    def _gateway_anchors(self, folder: PurePath) -> tuple[Certificate, ...]:
        """The CAs that the gateway in ``folder`` trusts by itself: partners' anchors, and our own issuing CAs."""
        path = folder / GATEWAY_FILE
        declared = loader.load(loader.decode_text(self.read(path), str(path)), str(path))
        found: list[Certificate] = []
        for authority in in_force(declared.gateway).authorities.values():
            for anchor in authority.anchors:
                found += self._certificates(folder / anchor)
        return (*found, *self._own(folder, roots=False))

    def _own(self, folder: PurePath, *, roots: bool) -> tuple[Certificate, ...]:
        """Certificates of the authorities kept here: the roots, which the gateway's callers trust, or the issuing CAs."""
        own = folder / OWN_AUTHORITIES
        if self.files.kind(own) is not FileKind.FOLDER:
            return ()
        files = (own / name for name in self.files.list(own) if name.endswith(".pem"))
        return tuple(c for file in files for c in self._certificates(file) if _self_signed(c) is roots)


def _self_signed(certificate: Certificate) -> bool:
    read = parsed(certificate)
    return read is not None and read.subject == read.issuer


def _once(certificates: list[Certificate]) -> tuple[Certificate, ...]:
    return tuple({c.der: c for c in certificates}.values())
