"""A judgement told to a human: the chain drawn from the root down, where it breaks, why, and the way out."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from gatewright.errors import Diagnostic
from gatewright.pki import describe, openssl_errors
from gatewright.pki.openssl_errors import Facts
from gatewright.pki.reading import serial_of
from gatewright.pki.verify import Certificate, Finding, Judgement, Link, parsed

E = TypeVar("E", bound=x509.ExtensionType)
_CRITICAL_KNOWN = frozenset(
    {
        x509.BasicConstraints.oid,
        x509.KeyUsage.oid,
        x509.ExtendedKeyUsage.oid,
        x509.SubjectAlternativeName.oid,
        x509.NameConstraints.oid,
        x509.CertificatePolicies.oid,
        x509.PolicyConstraints.oid,
        x509.InhibitAnyPolicy.oid,
    }
)


@dataclass(frozen=True, slots=True)
class Explanation:
    """One finding, told: OpenSSL's number and symbol, the certificate at fault, what it means, cause and fix."""

    number: int
    symbol: str
    depth: int
    subject: str
    origin: str
    meaning: str
    cause: str
    fix: str

    def as_dict(self) -> dict[str, object]:
        """The JSON form."""
        return {
            "error": self.number,
            "symbol": self.symbol,
            "depth": self.depth,
            "subject": self.subject,
            "file": self.origin,
            "meaning": self.meaning,
            "cause": self.cause,
            "fix": self.fix,
        }

    def diagnostic(self) -> Diagnostic:
        """The same as every other message to a user."""
        what = f"error {self.number} at depth {self.depth}: {self.cause}"
        return Diagnostic(f"x509-error-{self.number}", what, self.meaning, self.fix)


def explanations(judgement: Judgement) -> tuple[Explanation, ...]:
    """Every finding of ``judgement``, the same number at the same place once."""
    told: dict[tuple[int, int], Explanation] = {}
    for finding in judgement.findings:
        entry = openssl_errors.explain(finding.number)
        facts = facts_of(judgement, finding)
        at_fault = _at_fault(judgement, finding)
        told.setdefault(
            (finding.number, finding.depth),
            Explanation(
                finding.number,
                entry.symbol,
                finding.depth,
                _name(at_fault),
                at_fault.origin,
                entry.meaning,
                entry.cause(facts),
                entry.fix(facts),
            ),
        )
    return tuple(told.values())


def facts_of(judgement: Judgement, finding: Finding) -> Facts:
    """What an explanation of ``finding`` may name."""
    question, path = judgement.question, judgement.path
    at_fault = _at_fault(judgement, finding)
    read, leaf = parsed(at_fault), parsed(question.certificate)
    over = path[finding.depth + 1].certificate if finding.depth + 1 < len(path) else None
    under = path[finding.depth - 1].certificate if 0 < finding.depth <= len(path) else None
    known: dict[str, str] = {
        "who": who(at_fault),
        "file": _file(at_fault),
        "above": who(over) if over else (f"'{describe.dn(read.issuer)}'" if read else "its issuer"),
        "below": who(under) if under else "the certificate below it",
        "leaf": who(question.certificate),
        "leaf_issuer": f"'{describe.dn(leaf.issuer)}'" if leaf else "its issuer",
        "at": describe.when(question.at),
        "purpose": question.purpose.value,
        "eku_wanted": question.purpose.eku,
        "depth_limit": str(question.between or 0) if question.as_gateway else "100",
    }
    if question.host is not None:
        known["host"] = str(question.host)
    if read is not None:
        known |= _certificate_facts(read, judgement, finding)
    else:
        known["near_miss"] = " That certificate has a field that cannot be read; OpenSSL then finds no issuer for it."
    return Facts(**known)


def _certificate_facts(read: x509.Certificate, judgement: Judgement, finding: Finding) -> dict[str, str]:
    key, _ = describe.key_of(read)
    ca, path_length = describe.is_ca(read)
    uses = describe.ekus(read)
    known = {
        "issuer": f"'{describe.dn(read.issuer)}'",
        "serial": f"{serial_of(read):x}",
        "not_before": describe.when(read.not_valid_before_utc),
        "not_after": describe.when(read.not_valid_after_utc),
        "eku": "anything by its extended key usage" if uses is None else ", ".join(uses) or "nothing",
        "key": key,
        "hash": describe.hash_words(read),
        "ca": _ca_words(read, ca=ca),
        "path_len": "no limit of" if path_length is None else str(path_length),
        "names": ", ".join([*describe.sans(read)[:10], f"subject '{describe.dn(read.subject)}'"]),
        "critical": ", ".join(_unhandled(read)) or "unknown ones",
        "constraints": _constraints(judgement, finding) or "certain names",
        "near_miss": _near_miss(read, judgement),
        "revoked": f"stands on the CRL of '{describe.dn(read.issuer)}'",
    }
    known |= _crl_facts(read, judgement)
    if judgement.question.withdrawn and finding.depth == 0:
        known["revoked"] = "was revoked or put on hold at this gateway, which refuses it"
    return known


def _ca_words(read: x509.Certificate, *, ca: bool) -> str:
    usage = _extension(read, x509.KeyUsage)
    basic = "basicConstraints CA:TRUE" if ca else "no basicConstraints CA:TRUE"
    return f"{basic}, key usage without keyCertSign" if usage is not None and not usage.key_cert_sign else basic


def who(certificate: Certificate) -> str:
    """A certificate by its subject and the file it came from: ``'CN=erp,O=Globex' (erp.pem)``."""
    origin = f" ({describe.readable(certificate.origin)})" if certificate.origin else ""
    return f"'{_name(certificate)}'{origin}"


def _name(certificate: Certificate) -> str:
    read = parsed(certificate)
    return describe.dn(read.subject) if read is not None else "(unreadable certificate)"


def _file(certificate: Certificate) -> str:
    return describe.readable(certificate.origin).partition(", certificate ")[0] or "FILE"


def _at_fault(judgement: Judgement, finding: Finding) -> Certificate:
    """By the bytes OpenSSL pointed at, else by the depth in the path, else the last one reached."""
    question = judgement.question
    if finding.der:
        pool = (question.certificate, *question.chain, *question.anchors)
        return next((c for c in pool if c.der == finding.der), Certificate(finding.der))
    path = judgement.path
    return path[min(finding.depth, len(path) - 1)].certificate


def _unhandled(read: x509.Certificate) -> list[str]:
    return [
        f"{e.oid._name} ({e.oid.dotted_string})" for e in read.extensions if e.critical and e.oid not in _CRITICAL_KNOWN
    ]


def _constraints(judgement: Judgement, finding: Finding) -> str:
    found: list[str] = []
    for link in judgement.path[finding.depth + 1 :]:
        read = parsed(link.certificate)
        if read is None:
            continue
        try:
            value = read.extensions.get_extension_for_class(x509.NameConstraints).value
        except x509.ExtensionNotFound:
            continue
        wanted = value.excluded_subtrees if finding.number == 48 else value.permitted_subtrees
        found += describe.general_names(x509.GeneralNames(wanted)) if wanted else []
    return ", ".join(found)


def _near_miss(read: x509.Certificate, judgement: Judgement) -> str:
    """A certificate of the issuer's name that was given and still is not the issuer: said, because it misleads."""
    question = judgement.question
    for candidate in (*question.anchors, *question.chain):
        other = parsed(candidate)
        if other is None or other.subject != read.issuer or other == read:
            continue
        usage = _extension(other, x509.KeyUsage)
        if usage is not None and not usage.key_cert_sign:
            return f" {who(candidate)} has that name, but its key usage does not allow it to sign certificates."
        if _key_ids_differ(read, other):
            return f" {who(candidate)} has that name, but another key: it is another generation of that CA."
        if candidate not in question.anchors:
            return f" {who(candidate)} has that name and was not accepted as its issuer."
    return ""


def _key_ids_differ(child: x509.Certificate, candidate: x509.Certificate) -> bool:
    wanted, have = _extension(child, x509.AuthorityKeyIdentifier), _extension(candidate, x509.SubjectKeyIdentifier)
    return wanted is not None and have is not None and wanted.key_identifier not in {None, have.digest}


def _extension(read: x509.Certificate, kind: type[E]) -> E | None:
    try:
        return read.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _crl_facts(read: x509.Certificate, judgement: Judgement) -> dict[str, str]:
    for der in judgement.question.crls:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                crl = x509.load_der_x509_crl(der)
                if crl.issuer != read.issuer:
                    continue
                known = {"crl_this": describe.when(crl.last_update_utc)}
                if crl.next_update_utc is not None:
                    known["crl_next"] = describe.when(crl.next_update_utc)
                entry = crl.get_revoked_certificate_by_serial_number(serial_of(read))
                if entry is not None:
                    since = f"since {describe.when(entry.revocation_date_utc)}{_reason(entry)}"
                    known["revoked"] = f"stands on the CRL of '{describe.dn(read.issuer)}' {since}"
            except (ValueError, UnsupportedAlgorithm):
                continue
        return known
    return {}


def _reason(entry: x509.RevokedCertificate) -> str:
    try:
        return f", reason {entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value}"
    except (x509.ExtensionNotFound, ValueError):
        return ""


def drawing(judgement: Judgement) -> str:
    """The path with the root at the top and the certificate in question at the bottom, each line ended by LF."""
    marks: dict[int, list[int]] = {}
    for finding in judgement.findings:
        depth = _depth_of(judgement, finding)
        if finding.number not in marks.setdefault(depth, []):
            marks[depth].append(finding.number)
    lines: list[str] = []
    top = judgement.path[-1]
    read = parsed(top.certificate)
    if not judgement.accepted and not top.trusted and read is not None and read.issuer != read.subject:
        lines += [f"  ?  {describe.dn(read.issuer)}", "     not given", "  |"]
    for depth in range(len(judgement.path) - 1, -1, -1):
        lines += _drawn(judgement.path[depth], marks.get(depth, []), "|" if depth else " ")
        if depth:
            lines.append("  |")
    lines.append("\n  (* trusted, o supplied, X refused, ? missing)")
    return "\n".join(lines) + "\n"


def _depth_of(judgement: Judgement, finding: Finding) -> int:
    found = (d for d, link in enumerate(judgement.path) if finding.der and link.certificate.der == finding.der)
    return next(found, min(finding.depth, len(judgement.path) - 1))


def _drawn(link: Link, numbers: list[int], bar: str) -> list[str]:
    read = parsed(link.certificate)
    mark = "X" if numbers else ("*" if link.trusted else "o")
    lines = [f"  {mark}  {_name(link.certificate)}"]
    if read is not None:
        validity = f"{describe.when(read.not_valid_before_utc)} to {describe.when(read.not_valid_after_utc)}"
        lines.append(f"     {validity}, {describe.key_of(read)[0]}")
    origin = describe.readable(link.certificate.origin) or "built by OpenSSL"
    lines.append(f"     {origin}{', trusted' if link.trusted else ''}")
    lines += [f"     error {n}: {openssl_errors.explain(n).text}" for n in numbers]
    return [line if i == 0 else line.replace("     ", f"  {bar}  ", 1) for i, line in enumerate(lines)]


def text(judgement: Judgement) -> str:
    """The whole answer for a terminal."""
    question = judgement.question
    verdict = "valid" if judgement.accepted else "not valid"
    rule = "the gateway's rule" if question.as_gateway else "OpenSSL's default rule"
    lines = [
        f"{who(question.certificate)} is {verdict} as a {question.purpose.value} certificate at {describe.when(question.at)}",
        f"by {rule}, with {len(question.anchors)} trusted and {len(question.chain)} other certificates.",
        "",
        drawing(judgement),
    ]
    for told in explanations(judgement):
        lines += [
            f"error {told.number} at depth {told.depth} ({told.symbol})",
            f"  meaning: {told.meaning}",
            f"  cause:   {told.cause}",
            f"  fix:     {told.fix}",
            "",
        ]
    said = [f"{v.engine}: {'accepts' if v.accepted else 'refuses'}" for v in judgement.verdicts]
    if question.withdrawn:
        said.append("the gateway's own revocations: refused")
    lines.append("; ".join(said))
    if judgement.disagreement:
        lines.append(f"note: {judgement.disagreement}; the refusal counts")
    if judgement.unconfirmed:
        lines.append(f"note: not confirmed by the host's OpenSSL: {judgement.unconfirmed}")
    return "\n".join(lines) + "\n"


def as_dict(judgement: Judgement) -> dict[str, object]:
    """The JSON form of the whole answer."""
    question = judgement.question
    return {
        "valid": judgement.accepted,
        "purpose": question.purpose.value,
        "at": question.at.isoformat(),
        "rule": "gateway" if question.as_gateway else "openssl",
        "revoked_here": question.withdrawn,
        "chain": [_link_dict(link) for link in reversed(judgement.path)],
        "errors": [told.as_dict() for told in explanations(judgement)],
        "engines": [
            {"engine": v.engine, "accepts": v.accepted, "errors": [f.number for f in v.findings]}
            for v in judgement.verdicts
        ],
        "disagreement": judgement.disagreement or None,
        "unconfirmed": judgement.unconfirmed or None,
    }


def _link_dict(link: Link) -> dict[str, object]:
    read = parsed(link.certificate)
    return {
        "subject": _name(link.certificate),
        "file": link.certificate.origin,
        "trusted": link.trusted,
        "not_before": read.not_valid_before_utc.isoformat() if read else None,
        "not_after": read.not_valid_after_utc.isoformat() if read else None,
        "key": describe.key_of(read)[0] if read else None,
        "sha256": describe.fingerprint(link.certificate.der),
    }
