"""Keeps the reports of proofs, signed by the gateway's own PKI, and checks such a report anywhere, without a gateway.

A report is three files: JSON, which is what is signed and holds everything; an HTML page for readers, whose hash stands in the
JSON; and the detached signature of the JSON. The JSON is written last: where it is, the others are.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePath
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from gatewright.app.authority import AuthorityState, PkiDeps
from gatewright.app.issuing import Order, issue, serves_still
from gatewright.app.showing import read_given
from gatewright.errors import Diagnostic, FindingError, GatewrightError, Severity, UsageError, ValueRejected
from gatewright.model.pki import Filter, KeyKind, ProfileName
from gatewright.pki import formats, signing
from gatewright.pki.names import distinguished_name, rfc2253
from gatewright.pki.reading import der_certificate
from gatewright.ports.clock import Clock
from gatewright.ports.files import FileKind, Files
from gatewright.prove.rendering import FORMAT, to_html, to_json
from gatewright.prove.report import Report

FOLDER = "reports"
KEEP = 50
"""How many reports stay: with a proof every hour, two days; a probe takes about 1 kB in them."""

SIGNATURE = ".p7s"
AHEAD = timedelta(minutes=5)
"""How far a report may come from the future before it is refused, for clocks that differ a little."""

_MODE = 0o640
_SIGNER = "Gatewright proof reports"
_NAME = re.compile(r"(\d{8}T\d{6}Z)-(\d{4,})(?:-(\d+))?\Z")
_ENDS = (".html", f".json{SIGNATURE}", ".json")


@dataclass(frozen=True, slots=True)
class Saved:
    """Where a report was written. ``problem`` says why it could not be signed, where ``signature`` is ``None``,

    or why it could not be kept at all, where ``report`` is ``None`` too.
    """

    report: PurePath | None = None
    page: PurePath | None = None
    signature: PurePath | None = None
    problem: Diagnostic | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """A report in the folder, by its name: when it was written, of which generation, and whether a signature lies beside it."""

    path: PurePath
    made: datetime
    generation: int
    signed: bool


@dataclass(frozen=True, slots=True)
class Checked:
    """A report that is what was signed, by a certificate that an anchor vouches for.

    ``proven`` is what the report itself says. ``page`` tells whether the HTML page lay beside it and is the one that belongs to it.
    """

    path: PurePath
    signer: str
    serial: str
    anchor: str
    made: datetime
    proven: bool
    page: bool
    report: Mapping[str, Any]

    def as_dict(self) -> dict[str, object]:
        """For programs."""
        return {
            "authentic": True,
            "report": str(self.path),
            "signer": self.signer,
            "serial": self.serial,
            "anchor": self.anchor,
            "made": self.made.isoformat(),
            "page": self.page,
            "proven": self.proven,
            "target": self.report.get("target"),
            "generation": self.report.get("generation"),
            "policy_sha256": self.report.get("policy_sha256"),
            "tried": self.report.get("tried"),
            "findings": self.report.get("findings"),
        }

    def text(self) -> str:
        """For readers; may hold what is not printable."""
        result = f"{'proven' if self.proven else 'NOT PROVEN'}, {self.report.get('findings')} of {self.report.get('tried')} probes failed"
        rows = [
            ("report", f"authentic: {self.path}"),
            ("signed by", f"{self.signer} (serial number {self.serial})"),
            ("trusted by", self.anchor),
            ("made", f"{self.made:%Y-%m-%d %H:%M:%S} UTC"),
            ("target", f"{self.report.get('target')}{' (shadow instance)' if self.report.get('shadow') else ''}"),
            ("policy", f"generation {self.report.get('generation')}, SHA-256 {self.report.get('policy_sha256')}"),
            ("page", "belongs to the report" if self.page else "not there, so not checked"),
            ("result", result),
        ]
        return "".join(f"{name + ':':<12}{value}\n" for name, value in rows)


@dataclass(frozen=True, slots=True)
class Reporting:
    """Writes and checks reports below ``folder``, the gateway's."""

    files: Files
    clock: Clock
    folder: PurePath

    @property
    def reports(self) -> PurePath:
        """Where reports are kept."""
        return self.folder / FOLDER

    def save(self, report: Report, authority: AuthorityState | None, pki: PkiDeps | None, *, keep: int = KEEP) -> Saved:
        """Write ``report``, signed below ``authority`` where there is one, and remove all but the newest ``keep``.

        A report that cannot be signed is written all the same, with the reason in :attr:`Saved.problem`.
        Raises :class:`~gatewright.errors.EnvironmentFault` when it cannot be written.
        """
        signer, problem = _signer(authority, pki)
        made = self.clock.now().astimezone(UTC).replace(microsecond=0)
        page = to_html(report, made)
        content = to_json(report, made, hashlib.sha256(page).hexdigest())
        self.files.make_folder(self.reports)
        path = self.reports / f"{self._free_name(made, report.generation)}.json"
        self.files.write(path.with_suffix(".html"), page, _MODE)
        signature = None
        if signer is not None:
            signature = path.with_name(path.name + SIGNATURE)
            value = signing.sign(content, signer.key, signer.certificate, signer.above)
            self.files.write(signature, value, _MODE)
        self.files.write(path, content, _MODE)
        self._prune(keep)
        return Saved(path, path.with_suffix(".html"), signature, problem)

    def save_if_possible(self, report: Report, authority: AuthorityState | None, pki: PkiDeps | None) -> Saved:
        """As :meth:`save`, but a report that cannot be written is told in :attr:`Saved.problem`: the proof itself still holds."""
        try:
            return self.save(report, authority, pki)
        except GatewrightError as fault:
            told = fault.diagnostics[0]
            what = f"the report was not kept: {told.what}"
            return Saved(problem=Diagnostic("report-not-kept", what, told.why, told.fix, told.where, Severity.WARNING))

    def kept(self) -> tuple[Kept, ...]:
        """Every whole report, newest first."""
        names = set(self._names())
        found = [
            (key, stem) for stem in {_stem(n) for n in names if n.endswith(".json")} for key in [_key(stem)] if key
        ]
        return tuple(
            Kept(self.reports / f"{stem}.json", made, number, f"{stem}.json{SIGNATURE}" in names)
            for (made, number, _), stem in sorted(found, reverse=True)
        )

    def verify(self, given: PurePath, anchors: Sequence[PurePath] = ()) -> Checked:
        """Whether the report ``given`` (its JSON, page or signature) is untouched and signed by this gateway's PKI.

        ``anchors`` are files with the root to trust; without any, the roots of the gateway's folder. Nothing else of a gateway
        is needed. Raises :class:`FindingError` with the reason of a refusal, :class:`UsageError` where a file is missing.
        """
        path = _json_of(given)
        content, signature = read_given(self.files, path), path.with_name(path.name + SIGNATURE)
        if self.files.kind(signature) is not FileKind.FILE:
            raise FindingError(_unsigned(path, signature))
        roots = self._roots(anchors)
        try:
            return self._checked(path, content, self.files.read(signature), roots)
        except ValueRejected as problem:
            raise FindingError(problem.at(None)) from problem

    def _checked(self, path: PurePath, content: bytes, signature: bytes, roots: Sequence[x509.Certificate]) -> Checked:
        signed = signing.opened(signature)
        signing.check(content, signed)
        signing.trust(signed, roots, signed.signer.not_valid_before_utc)
        data = _read(content)
        made = _moment(data.get("made"))
        _timely(made, signed.signer, self.clock.now())
        anchor = signing.trust(signed, roots, made)
        page = path.with_suffix(".html")
        there = self.files.kind(page) is FileKind.FILE
        if there and hashlib.sha256(self.files.read(page)).hexdigest() != data.get("html_sha256"):
            raise ValueRejected(
                "report-page-altered",
                f"the page {page} is not the one that belongs to the signed report",
                "it was changed, or put there from another report; the signed JSON beside it is untouched",
                "read the JSON, or get the page from where it was written",
            )
        return Checked(
            path,
            rfc2253(signed.signer.subject),
            f"{signed.signer.serial_number:X}",
            rfc2253(anchor.subject),
            made,
            data.get("proven") is True,
            there,
            data,
        )

    def _roots(self, anchors: Sequence[PurePath]) -> list[x509.Certificate]:
        paths = list(anchors)
        own = self.folder / "certs" / "ca"
        if not paths and self.files.kind(own) is FileKind.FOLDER:
            paths = [own / name for name in self.files.list(own) if name.endswith("-root.pem")]
        if not paths:
            raise UsageError(
                Diagnostic(
                    "no-report-anchor",
                    f"there is no root certificate in {own}",
                    "a report is checked against the root of the gateway that signed it, and nothing else is trusted",
                    "give it: gatewright prove --verify FILE --anchor ROOT.pem",
                )
            )
        found = [c for path in paths for c in formats.certificates(read_given(self.files, path), str(path))]
        try:
            return [der_certificate(c.der) for c in found]
        except ValueError as problem:
            names = ", ".join(map(str, paths))
            raise UsageError(
                Diagnostic(
                    "not-a-certificate",
                    f"{names}: a certificate cannot be read",
                    str(problem),
                    "give the root's PEM file",
                )
            ) from problem

    def _names(self) -> Sequence[str]:
        return self.files.list(self.reports) if self.files.kind(self.reports) is FileKind.FOLDER else ()

    def _free_name(self, made: datetime, generation: int) -> str:
        stem = f"{made:%Y%m%dT%H%M%SZ}-{generation:04d}"
        taken = {_stem(name) for name in self._names()}
        return next(
            name for n in range(1, len(taken) + 2) for name in [stem if n == 1 else f"{stem}-{n}"] if name not in taken
        )

    def _prune(self, keep: int) -> None:
        stems = {stem: key for name in self._names() for stem in [_stem(name)] for key in [_key(stem)] if key}
        whole = [_key(_stem(str(kept.path.name))) for kept in self.kept()[: max(1, keep)]]
        oldest = min(key for key in whole if key)
        for stem, key in stems.items():
            if key < oldest:
                # The JSON first: what is left of a removal that was interrupted is never taken for a report.
                for end in reversed(_ENDS):
                    self.files.remove(self.reports / f"{stem}{end}")


@dataclass(frozen=True, slots=True)
class _Signer:
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    above: tuple[x509.Certificate, ...]


def _signer(authority: AuthorityState | None, pki: PkiDeps | None) -> tuple[_Signer | None, Diagnostic | None]:
    """What signs reports below ``authority``, or why nothing does."""
    if authority is None or pki is None:
        why, fix = "this gateway has no managed authority", "declare one in gateway.yaml with 'managed: true'"
        return None, Diagnostic("report-not-signed", "the report is not signed", why, fix, severity=Severity.WARNING)
    try:
        return _ensure_signer(authority, pki), None
    except GatewrightError as problem:
        told = problem.diagnostics[0]
        return None, Diagnostic(
            "report-not-signed", f"the report is not signed: {told.what}", told.why, told.fix, severity=Severity.WARNING
        )


def _ensure_signer(authority: AuthorityState, pki: PkiDeps) -> _Signer:
    """The signer of reports: a new one where there is none, the issuing CA changed, it was revoked, its key is gone, or

    in the last third of its life.
    """
    with pki.store.reading() as reader:
        found = reader.newest(Filter(authority=authority.name, profile=ProfileName.REPORT))
    if found is None or not serves_still(found, authority, pki):
        ref, key = pki.keystore.create(KeyKind.P256)
        order = Order(
            ProfileName.REPORT,
            distinguished_name(_SIGNER),
            (),
            key.public_key(),
            ref,
            requested_by="gatewright",
            why="signs the reports of proofs",
        )
        found = issue(authority, [order], pki)[0]
    assert found.key is not None
    key = pki.keystore.load(found.key)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return _Signer(key, x509.load_der_x509_certificate(found.der), (authority.issuing_certificate,))


def _json_of(given: PurePath) -> PurePath:
    """The signed file of a report, whichever of its files was named."""
    if given.name.endswith(SIGNATURE):
        return given.with_name(given.name.removesuffix(SIGNATURE))
    return given.with_suffix(".json") if given.suffix == ".html" else given


def _unsigned(path: PurePath, signature: PurePath) -> Diagnostic:
    return Diagnostic(
        "report-signature-missing",
        f"there is no signature {signature.name!r} beside {path}",
        "without it, anybody can have written the report",
        "get it from where the report was written, the gateway's folder 'reports'; a gateway without a managed authority signs none",
    )


def _read(content: bytes) -> dict[str, Any]:
    try:
        data = json.loads(content)
    except (ValueError, RecursionError) as problem:
        raise _foreign("it is no JSON") from problem
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise _foreign(f"its format is not {FORMAT}")
    return data


def _moment(text: object) -> datetime:
    try:
        return datetime.strptime(str(text), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError as problem:
        raise _foreign("it does not say when it was made") from problem


def _foreign(why: str) -> ValueRejected:
    return ValueRejected(
        "report-format-unknown",
        f"the file is signed, but it is no report that this Gatewright knows: {why}",
        "its words could mean something else",
        "check it with the Gatewright that wrote it, or a newer one",
    )


def _timely(made: datetime, signer: x509.Certificate, now: datetime) -> None:
    """A report speaks of a time at which its signer was valid, and which has come. Raises :class:`ValueRejected`."""
    if made > now + AHEAD:
        raise ValueRejected(
            "report-from-the-future",
            f"the report says that it was made at {made:%Y-%m-%d %H:%M:%S} UTC; now is {now.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC",
            "a clock is wrong: the gateway's when it was signed, or this one",
            "set this clock right: timedatectl status",
        )
    if not signer.not_valid_before_utc <= made <= signer.not_valid_after_utc:
        raise ValueRejected(
            "report-signer-not-valid-then",
            f"the report says that it was made at {made:%Y-%m-%d %H:%M:%S} UTC, when its signer's certificate was not valid "
            f"({signer.not_valid_before_utc:%Y-%m-%d} to {signer.not_valid_after_utc:%Y-%m-%d})",
            "a key that was taken out of use signs no new reports, and no older ones either",
            "do not rely on it; prove again: gatewright prove",
        )


def _stem(name: str) -> str:
    return next((name.removesuffix(end) for end in sorted(_ENDS, key=len, reverse=True) if name.endswith(end)), name)


def _key(stem: str) -> tuple[datetime, int, int] | None:
    """What a report's name says, in the order of writing; ``None`` for a file of somebody else's."""
    match = _NAME.match(stem)
    if match is None:
        return None
    try:
        made = datetime.strptime(match[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    return made, int(match[2]), int(match[3] or 1)
