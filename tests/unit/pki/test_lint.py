"""The lint gate: every profile is clean, what is not is never signed, and a shape seen before is judged as a full lint would."""

from __future__ import annotations

import functools
import ipaddress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.edges.linting import PkilintLinter
from gatewright.errors import FindingError
from gatewright.model.pki import KeyKind, ProfileName
from gatewright.pki import build, keys
from gatewright.pki.build import Issuer, NameConstraints
from gatewright.pki.lint import Finding, LintGate, LintSeverity, leaf_shape
from gatewright.pki.names import distinguished_name
from gatewright.pki.profiles import PROFILES

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LINTER = PkilintLinter()
LEAVES = [name for name, profile in PROFILES.items() if not profile.is_ca]
DNS = x509.DNSName("billing.example.org")


@functools.cache
def key_of(kind: KeyKind) -> keys.PrivateKey:
    """One key of each kind: RSA keys take long to make."""
    return keys.generate(kind)


class Counting:
    """The real linter, counting its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def lint(self, certificate: bytes) -> tuple[Finding, ...]:
        """As :class:`PkilintLinter`."""
        self.calls += 1
        return LINTER.lint(certificate)


def authority(kind: KeyKind = KeyKind.P256, years: int = 3) -> Issuer:
    """A root whose leaves are looked at; long-lived where leaves are to end after 2049."""
    key = key_of(kind)
    certificate = build.root(key, distinguished_name(f"root {years}"), 7, NOW)
    if years > 10:
        builder = x509.CertificateBuilder().subject_name(certificate.subject).issuer_name(certificate.issuer)
        builder = builder.serial_number(7).public_key(certificate.public_key()).not_valid_before(NOW)
        builder = builder.not_valid_after(NOW + timedelta(days=365 * years))
        for extension in certificate.extensions:
            builder = builder.add_extension(extension.value, extension.critical)
        certificate = builder.sign(key, keys.signature_hash(key))
    return Issuer(certificate, key, "http://crl.example.org/home.crl", "http://ocsp.example.org/")


P256 = authority()
HUNDRED_YEARS = authority(years=100)


def refusing(certificate: x509.Certificate) -> list[Finding]:
    """The linter's findings that forbid a signature."""
    return [f for f in LINTER.lint(certificate.public_bytes(Encoding.DER)) if f.severity.refuses]


def leaf_by(gate: LintGate, issuer: Issuer, *, subject: x509.Name, names: list[x509.GeneralName]) -> x509.Certificate:
    """A client certificate through ``gate``."""
    return gate.leaf(
        issuer,
        PROFILES[ProfileName.CLIENT],
        keys.generate(KeyKind.P256).public_key(),
        name=subject,
        alternative_names=names,
        serial=x509.random_serial_number(),
        now=NOW,
    )


@pytest.mark.parametrize("kind", list(KeyKind))
@pytest.mark.parametrize("name", LEAVES)
def test_leaves_are_clean(name: ProfileName, kind: KeyKind) -> None:
    """Certificates of every leaf profile and kind of key give not one finding of WARNING or worse."""
    profile = PROFILES[name]
    names = [DNS] if "dns" in profile.san_kinds else []
    certificate = build.leaf(
        P256,
        profile,
        key_of(kind).public_key(),
        name=distinguished_name("billing.example.org"),
        alternative_names=names,
        serial=x509.random_serial_number(),
        now=NOW,
    )
    found = LINTER.lint(certificate.public_bytes(Encoding.DER))
    assert [f for f in found if f.severity not in {LintSeverity.NOTICE, LintSeverity.INFO}] == []


@pytest.mark.parametrize("kind", [KeyKind.P256, KeyKind.P384, KeyKind.RSA3072])
def test_cas_are_clean(kind: KeyKind) -> None:
    """Root and issuing CAs, with and without name constraints, pass the gate and keep their own keys."""
    gate = LintGate(LINTER.lint, key_of)
    limits = NameConstraints(
        (x509.DNSName("example.org"), x509.DNSName("localhost")), (x509.IPAddress(ipaddress.ip_network("0.0.0.0/0")),)
    )
    for constraints in (None, limits):
        key, below = keys.generate(kind), keys.generate(kind)
        root = gate.root(key, distinguished_name("home Root CA"), 1, NOW, constraints)
        root.verify_directly_issued_by(root)
        issuing = gate.issuing_ca(
            Issuer(root, key, "http://crl.example.org/r.crl"),
            below.public_key(),
            name=distinguished_name("home Issuing CA"),
            serial=2,
            now=NOW,
            constraints=constraints,
        )
        issuing.verify_directly_issued_by(root)
        if constraints is None:
            assert refusing(root) == refusing(issuing) == []


def test_bad_certificate_is_not_signed() -> None:
    """A name that breaks RFC 5280 is refused with the linter's words, and the CA's key is not used."""

    class Untouched:
        def __getattr__(self, name: str) -> object:
            pytest.fail(f"the CA's key was asked for {name}")

    issuer = replace(P256, key=Untouched())  # type: ignore[arg-type]
    with pytest.raises(FindingError) as refusal:
        leaf_by(
            LintGate(LINTER.lint, key_of),
            issuer,
            subject=distinguished_name("x"),
            names=[x509.DNSName("double..example.org")],
        )
    assert refusal.value.diagnostics[0].code == "lint-pkix-invalid-domain-name-syntax"
    assert refusal.value.exit_code == 1


def test_a_shape_is_linted_once() -> None:
    """A hundred clients of one kind cost one lint; another issuer, key kind or kind of name costs one more each."""
    counting = Counting()
    gate = LintGate(counting.lint, key_of)
    for n in range(100):
        leaf_by(gate, P256, subject=distinguished_name(f"c{n}"), names=[x509.DNSName(f"c{n}.example.org")])
    assert counting.calls == 1
    leaf_by(gate, P256, subject=distinguished_name("a"), names=[x509.IPAddress(ipaddress.ip_address("192.0.2.1"))])
    leaf_by(gate, P256, subject=distinguished_name("a", "Globex"), names=[DNS])
    leaf_by(gate, HUNDRED_YEARS, subject=distinguished_name("a"), names=[DNS])
    leaf_by(gate, replace(P256, crl_url="http://other.example.org/x.crl"), subject=distinguished_name("a"), names=[DNS])
    assert counting.calls == 5


def test_a_refused_shape_is_not_remembered_as_clean() -> None:
    """What was refused once is refused again."""
    gate = LintGate(LINTER.lint, key_of)
    broken = replace(P256, crl_url="not a url")
    for _ in range(2):
        with pytest.raises(FindingError):
            leaf_by(gate, broken, subject=distinguished_name("a"), names=[DNS])


def test_values_out_of_the_ordinary_are_linted_each_time() -> None:
    """A name with an umlaut, or a mail address, has no shape: each such certificate is linted itself."""
    counting = Counting()
    gate = LintGate(counting.lint, key_of)
    for _ in range(2):
        leaf_by(gate, P256, subject=distinguished_name("x", "Müller & Söhne"), names=[DNS])
        leaf_by(gate, P256, subject=distinguished_name("x"), names=[x509.RFC822Name("a@example.org")])
    assert counting.calls == 4


LABEL = st.from_regex(r"\A[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?\Z", fullmatch=True)
NAMES = st.one_of(
    st.lists(LABEL, min_size=1, max_size=6).map(lambda labels: x509.DNSName(".".join(labels))),
    st.from_regex(r"\A[a-zA-Z0-9._*-]{1,70}\Z", fullmatch=True).map(x509.DNSName),
    st.ip_addresses().map(x509.IPAddress),
    st.sampled_from(["a@b.c", "ceo@example.org"]).map(x509.RFC822Name),
)
PARTS = st.lists(
    st.tuples(
        st.sampled_from([NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.LOCALITY_NAME, NameOID.SERIAL_NUMBER]),
        st.one_of(st.text(min_size=1, max_size=16), st.text(st.characters(max_codepoint=126), min_size=1, max_size=64)),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=250, deadline=None)
@given(PARTS, st.lists(NAMES, min_size=1, max_size=4, unique=True), st.booleans(), st.integers(1, (1 << 159) - 1))
def test_shape_decides_as_a_full_lint_would(
    parts: list[tuple[x509.ObjectIdentifier, str]], names: list[x509.GeneralName], late: bool, serial: int
) -> None:
    """Whatever has a shape is as clean as the shape's first sample: the memory never hides a finding."""
    issuer = HUNDRED_YEARS if late else P256
    subject = x509.Name([x509.NameAttribute(oid, text) for oid, text in parts])
    lifetime = timedelta(days=30_000) if late else None
    key = keys.generate(KeyKind.P256).public_key()
    profile = replace(PROFILES[ProfileName.CLIENT], san_kinds=frozenset({"dns", "ip", "email"}))
    validity = build.validity(profile, issuer.certificate, NOW, lifetime)
    shape = leaf_shape(issuer, profile, key, name=subject, alternative_names=names, serial=serial, validity=validity)
    if shape is not None:
        certificate = build.leaf(
            issuer, profile, key, name=subject, alternative_names=names, serial=serial, now=NOW, lifetime=lifetime
        )
        LintGate(LINTER.lint, key_of).demand_clean(certificate)


@pytest.mark.parametrize("host", ["localhost", "db", "a.b", "xn--mller-kva.example", "node-1.svc.c0m"])
def test_names_of_one_label_are_not_bad_syntax(host: str) -> None:
    """Hosts such as localhost are host names by RFC 1123, whatever pkilint says, and are signed."""
    gate = LintGate(LINTER.lint, key_of)
    leaf_by(gate, P256, subject=distinguished_name(host), names=[x509.DNSName(host)])


@pytest.mark.parametrize(
    "host", ["*.example.org", "a..b", "-a.example.org", "a b.example.org", "1.2.3.4", "UPPER", "a.b."]
)
def test_the_exemption_covers_host_names_only(host: str) -> None:
    """The same finding about a name that is not of the preferred syntax stands, and such names have no shape."""
    gate = LintGate(LINTER.lint, key_of)
    names: list[x509.GeneralName] = [DNS, x509.DNSName(host)]
    certificate = build.leaf(
        P256,
        PROFILES[ProfileName.CLIENT],
        P256.certificate.public_key(),  # type: ignore[arg-type]
        name=distinguished_name("x"),
        alternative_names=names,
        serial=1,
        now=NOW,
    )
    validity = (NOW, NOW)
    key = keys.public_key_of(certificate)
    profile = PROFILES[ProfileName.CLIENT]
    assert (
        leaf_shape(P256, profile, key, name=certificate.subject, alternative_names=names, serial=1, validity=validity)
        is None
    )
    if refusing(certificate):
        with pytest.raises(FindingError):
            gate.demand_clean(certificate)


def test_garbage_is_a_fatal_finding() -> None:
    """Bytes that are no certificate are a FATAL finding, not an exception."""
    for garbage in (b"", b"hello", b"\x30\x03\x02\x01\x01"):
        assert LINTER.lint(garbage)[0].severity is LintSeverity.FATAL


def test_the_linter_sees_what_it_should() -> None:
    """The linter itself is awake: a CA certificate without key usage and subject key identifier is an error."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder().subject_name(distinguished_name("x")).issuer_name(distinguished_name("x"))
    builder = builder.serial_number(1).not_valid_before(NOW).not_valid_after(NOW).public_key(key.public_key())
    bad = builder.add_extension(x509.BasicConstraints(True, None), False).sign(key, hashes.SHA256())
    codes = {finding.code for finding in refusing(bad)}
    assert {"pkix.certificate_skid_ca_missing", "pkix.ca_certificate_no_ku_extension"} <= codes


def test_stand_in_signs_by_the_same_algorithm() -> None:
    """The linted certificate differs from the signed one in nothing but the signature, for an RSA-4096 CA as well."""
    seen: list[bytes] = []

    def lint(certificate: bytes) -> tuple[Finding, ...]:
        seen.append(certificate)
        return ()

    issuer = authority(KeyKind.RSA4096)
    signed = leaf_by(LintGate(lint, key_of), issuer, subject=distinguished_name("x"), names=[DNS])
    assert isinstance(issuer.key, rsa.RSAPrivateKey)
    assert x509.load_der_x509_certificate(seen[0]).tbs_certificate_bytes == signed.tbs_certificate_bytes
