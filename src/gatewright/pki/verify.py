"""Is this chain good? OpenSSL's verdict, asked through pyOpenSSL with the time as an argument, and told certificate by certificate.

httpd judges with OpenSSL, so nothing here decides by itself whether a chain is good. Pure: the answer depends on the
:class:`Question` alone.
"""

from __future__ import annotations

import enum
import ipaddress
import warnings
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from OpenSSL import crypto
from OpenSSL._util import lib as _lib  # pyOpenSSL gives no public way to set purpose and host name

from gatewright.errors import Diagnostic, UsageError
from gatewright.model.values import HostName
from gatewright.pki import openssl_errors

# What pyOpenSSL cannot be asked: the security level (errors 66 to 68 of X509_STORE_CTX_get_error(3)).
LEVEL_ERRORS = frozenset({66, 67, 68})
GATEWAY_LEVEL = 2
_MAX_PATH = 100


class Purpose(enum.StrEnum):
    """What the certificate at the bottom is to be used for."""

    CLIENT = "client"
    SERVER = "server"

    @property
    def eku(self) -> str:
        """The extended key usage it needs (RFC 5280 §4.2.1.12)."""
        return f"{self.value}Auth"


class Revocation(enum.StrEnum):
    """Which certificates must be covered by a CRL: none, the one at the bottom, or all but the anchor."""

    NONE = "none"
    LEAF = "leaf"
    CHAIN = "chain"


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate as it was found: its DER bytes, untouched, and the place it came from, for a human."""

    der: bytes
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """Everything the verdict depends on. ``at`` is aware.

    ``as_gateway``: as the gateway's httpd does it: every anchor is trusted by itself, must have issued the certificate
    directly, and must not be self-signed (``SSLVerifyDepth 0``); keys and hashes must reach security level 2. Otherwise
    OpenSSL's own defaults: the chain must end at a self-signed anchor, unless ``partial_chain``.

    ``between``: likewise under a name where one authority alone is trusted: so many CAs may stand between the anchor, which may be
    self-signed there, and the certificate.

    ``withdrawn``: the gateway has a marker against this certificate, by which it refuses it whatever the chain is worth.
    """

    certificate: Certificate
    at: datetime
    chain: tuple[Certificate, ...] = ()
    anchors: tuple[Certificate, ...] = ()
    crls: tuple[bytes, ...] = ()
    purpose: Purpose = Purpose.CLIENT
    revocation: Revocation = Revocation.NONE
    host: HostName | None = None
    as_gateway: bool = False
    partial_chain: bool = False
    strict: bool = False
    withdrawn: bool = False
    between: int | None = None

    @property
    def any_anchor(self) -> bool:
        """Whether an anchor need not be self-signed."""
        return self.as_gateway or self.partial_chain

    @property
    def level(self) -> int | None:
        """The security level asked of keys and hashes, if any (SSL_CTX_set_security_level(3))."""
        return GATEWAY_LEVEL if self.as_gateway else None


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong: OpenSSL's number, and how far above the bottom (depth 0). ``der`` is empty where unknown."""

    number: int
    depth: int
    der: bytes = b""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one OpenSSL said. ``chain``, from the bottom up, is the one it built, where it accepted and tells."""

    engine: str
    accepted: bool
    findings: tuple[Finding, ...] = ()
    chain: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """One certificate of the path as it can be drawn, and whether it is an anchor."""

    certificate: Certificate
    trusted: bool


@dataclass(frozen=True, slots=True)
class Judgement:
    """The answer: good only when every OpenSSL asked said so, and the gateway's rule where it was asked for.

    ``path`` runs from the bottom up. ``unconfirmed`` says why the host's OpenSSL has no say in it, or is empty.
    ``disagreement`` is empty when the two gave the same answer for a common reason.
    """

    question: Question
    accepted: bool
    findings: tuple[Finding, ...]
    path: tuple[Link, ...]
    verdicts: tuple[Verdict, ...]
    disagreement: str = ""
    unconfirmed: str = ""


def ask_pyopenssl(question: Question) -> Verdict:
    """The verdict of the OpenSSL inside pyOpenSSL.

    Raises :class:`UsageError` for bytes that OpenSSL cannot read as certificate or CRL.
    """
    engine = f"pyOpenSSL ({crypto_version()})"
    store = _store(question)
    leaf = _load(question.certificate)
    context = crypto.X509StoreContext(store, leaf, [_load(c) for c in question.chain])
    try:
        built = context.get_verified_chain()
    except crypto.X509StoreContextError as error:
        number, depth = int(error.errors[0]), int(error.errors[1])
        return Verdict(engine, accepted=False, findings=(Finding(number, depth, _written(error.certificate)),))
    chain = tuple(crypto.dump_certificate(crypto.FILETYPE_ASN1, c) for c in built)
    return Verdict(engine, accepted=True, chain=chain)


def _written(certificate: crypto.X509) -> bytes:
    """The certificate at fault; nothing where OpenSSL read it and cannot write it, such as one with a key that is none."""
    try:
        return crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)
    except crypto.Error:
        return b""


def crypto_version() -> str:
    """The release of the OpenSSL inside pyOpenSSL, e.g. ``OpenSSL 4.0.3 29 Sep 2026``."""
    # cryptography and pyOpenSSL share one library; backend is its documented way to tell (hazmat.backends).
    from cryptography.hazmat.backends.openssl import backend  # noqa: PLC0415  # costly import, needed here only

    return backend.openssl_version_text()


def _store(question: Question) -> crypto.X509Store:
    store = crypto.X509Store()
    # First, because set_time replaces the store's parameters; without it the verdict would depend on the clock.
    store.set_time(question.at)
    flags = crypto.X509StoreFlags
    wanted = 0
    if question.any_anchor:
        wanted |= flags.PARTIAL_CHAIN
    if question.strict:
        wanted |= flags.X509_STRICT
    if question.revocation is not Revocation.NONE:
        wanted |= flags.CRL_CHECK
    if question.revocation is Revocation.CHAIN:
        wanted |= flags.CRL_CHECK_ALL
    if wanted:
        store.set_flags(wanted)
    purpose = _lib.X509_PURPOSE_SSL_CLIENT if question.purpose is Purpose.CLIENT else _lib.X509_PURPOSE_SSL_SERVER
    if _lib.X509_STORE_set_purpose(store._store, purpose) != 1:
        msg = "OpenSSL did not take the purpose"
        raise RuntimeError(msg)
    if question.host is not None:
        _set_host(store, question.host)
    for anchor in question.anchors:
        store.add_cert(_load(anchor))
    for crl in question.crls:
        store.add_crl(_load_crl(crl))
    return store


def _set_host(store: crypto.X509Store, host: HostName) -> None:
    param = _lib.X509_VERIFY_PARAM_new()
    try:
        if host.is_address:
            packed = ipaddress.ip_address(host).packed
            done = _lib.X509_VERIFY_PARAM_set1_ip(param, packed, len(packed))
        else:
            name = host.encode("ascii")
            done = _lib.X509_VERIFY_PARAM_set1_host(param, name, len(name))
        if done != 1 or _lib.X509_STORE_set1_param(store._store, param) != 1:
            msg = "OpenSSL did not take the host name"
            raise RuntimeError(msg)
    finally:
        _lib.X509_VERIFY_PARAM_free(param)


def _load(certificate: Certificate) -> crypto.X509:
    try:
        return crypto.load_certificate(crypto.FILETYPE_ASN1, certificate.der)
    except crypto.Error as error:
        what = f"{certificate.origin or 'this'} is not a certificate that OpenSSL can read"
        fix = "look at what it is: gatewright cert show FILE"
        raise UsageError(Diagnostic("not-a-certificate", what, _reason(error), fix)) from error


def _load_crl(der: bytes) -> x509.CertificateRevocationList:
    try:
        return x509.load_der_x509_crl(der)
    except ValueError as error:
        raise UsageError(Diagnostic("not-a-crl", "a file given with --crl is not a CRL", str(error))) from error


def _reason(error: crypto.Error) -> str:
    try:
        return str(error.args[0][0][2])
    except (IndexError, TypeError):
        return ""


def parsed(certificate: Certificate) -> x509.Certificate | None:
    """The certificate as cryptography reads it, or ``None`` where it is stricter than OpenSSL."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            read = x509.load_der_x509_certificate(certificate.der)
            # Each of these is read lazily and may fail by itself.
            _ = (read.subject, read.issuer, read.serial_number, read.not_valid_after_utc, read.extensions)
        except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension):
            return None
    return read


def same_issuer(child: x509.Certificate, candidate: x509.Certificate) -> bool:
    """Whether ``candidate`` may be the issuer: the name fits, and the key identifiers where both have one."""
    if child.issuer != candidate.subject:
        return False
    try:
        wanted = child.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
        have = candidate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return True
    return wanted is None or wanted == have


def path_of(question: Question, built: tuple[bytes, ...] = ()) -> tuple[Link, ...]:
    """The path from the bottom up: the one OpenSSL built, or as far as names and key identifiers lead, for a drawing."""
    trusted = {a.der for a in question.anchors}
    if built:
        found = {c.der: c for c in (*question.chain, *question.anchors, question.certificate)}
        return tuple(Link(found.get(der, Certificate(der)), der in trusted) for der in built)
    links = [Link(question.certificate, question.certificate.der in trusted)]
    candidates = [
        (c, p) for c in (*question.anchors, *question.chain) for p in [parsed(c)] if p is not None
    ]  # anchors first, as OpenSSL does
    while len(links) < _MAX_PATH:
        last = parsed(links[-1].certificate)
        if last is None or last.issuer == last.subject:
            break
        seen = {link.certificate.der for link in links}
        over = next((c for c, p in candidates if c.der not in seen and same_issuer(last, p)), None)
        if over is None:
            break
        links.append(Link(over, over.der in trusted))
        if question.any_anchor and over.der in trusted:
            break
    return tuple(links)


def judge(question: Question, ours: Verdict, hosts: Verdict | None, unconfirmed: str = "") -> Judgement:
    """Both verdicts and the gateway's rule brought together; the stricter one counts."""
    refusals = [v for v in (ours, hosts) if v is not None and not v.accepted]
    path = path_of(question, ours.chain if ours.accepted else ())
    findings: tuple[Finding, ...] = ()
    if refusals:
        findings = _together(refusals)
    elif question.as_gateway:
        findings = _beyond_depth(path, question.between)
    if question.withdrawn:
        findings += (Finding(openssl_errors.CERT_REVOKED, 0, question.certificate.der),)
    verdicts = tuple(v for v in (ours, hosts) if v is not None)
    disagreement = _disagreement(question, ours, hosts) if hosts is not None else ""
    return Judgement(question, not refusals and not findings, findings, path, verdicts, disagreement, unconfirmed)


def _together(refusals: list[Verdict]) -> tuple[Finding, ...]:
    """Every finding once. pyOpenSSL stops at the first and gives its bytes; the host's openssl goes on after some."""
    found: dict[tuple[int, int], Finding] = {}
    for verdict in refusals:
        for finding in verdict.findings:
            found.setdefault((finding.number, finding.depth), finding)
    return tuple(found.values())


def _beyond_depth(path: tuple[Link, ...], between: int | None) -> tuple[Finding, ...]:
    """``SSLVerifyDepth`` as httpd counts it: a certificate over the leaf counts unless it is a partial chain's end.

    It is 0 where authorities share a name; where one has a name of its own, it allows for the CAs ``between`` and a root's own.
    """
    if len(path) == 1:
        return ()
    if between is not None:
        too_far = len(path) - 2 > between
        return (Finding(openssl_errors.CERT_CHAIN_TOO_LONG, 1, path[1].certificate.der),) if too_far else ()
    top = parsed(path[1].certificate)
    self_signed = top is not None and top.subject == top.issuer
    if len(path) > 2 or self_signed:
        return (Finding(openssl_errors.CERT_CHAIN_TOO_LONG, 1, path[1].certificate.der),)
    return ()


def _disagreement(question: Question, ours: Verdict, hosts: Verdict) -> str:
    mine, theirs = {f.number for f in ours.findings}, {f.number for f in hosts.findings}
    if ours.accepted == hosts.accepted:
        if ours.accepted or mine & theirs:
            return ""
        return (
            f"both refuse, for different reasons: {ours.engine} says {_list(mine)}, {hosts.engine} says {_list(theirs)}"
        )
    if question.level is not None and ours.accepted and theirs <= LEVEL_ERRORS:
        return ""  # pyOpenSSL cannot be asked about key strength
    accepts, refuses = (ours, hosts) if ours.accepted else (hosts, ours)
    numbers = {f.number for f in refuses.findings}
    return f"{accepts.engine} accepts what {refuses.engine} refuses with error {_list(numbers)}"


def _list(numbers: set[int]) -> str:
    return ", ".join(map(str, sorted(numbers))) or "nothing"
