"""The request table: every vector is judged as its page says, and no input whatsoever raises or is echoed."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.vectors.csr import VECTORS, Vector
from tests.vectors.csr.kit import SAN, SUBJECT, key_pem, openssl_request, p256, request
from tests.vectors.csr.wishes import challenge_password

from gatewright.edges.linting import PkilintLinter
from gatewright.errors import Severity
from gatewright.model.gateway import Client, Subject
from gatewright.model.matchers import EmailAddress, KeyPin, SerialNumber, UriName
from gatewright.model.pki import KeyKind, ProfileName
from gatewright.model.values import HostName, Name
from gatewright.pki import build, keys
from gatewright.pki.build import Issuer
from gatewright.pki.csr import Allowed, KeyStanding, judge
from gatewright.pki.keys import spki_sha256
from gatewright.pki.lint import LintGate
from gatewright.pki.names import distinguished_name
from gatewright.pki.profiles import PROFILES

NOW = datetime(2026, 11, 23, tzinfo=UTC)
CA_KEY = keys.generate(KeyKind.P256)
ISSUER = Issuer(build.root(CA_KEY, distinguished_name("home"), 1, NOW), CA_KEY, "http://crl.example.org/home.crl")
GATE = LintGate(PkilintLinter().lint, keys.generate)
# RSA: its signatures and so the request have one length in every run.
GOOD = request(
    x509.SubjectAlternativeName([x509.DNSName("billing.example.org")]),
    key=rsa.generate_private_key(65537, 2048),
    encoding=Encoding.DER,
)


def free(_: bytes) -> KeyStanding:
    return KeyStanding.FREE


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v.name)
def test_vector(vector: Vector) -> None:
    """The request is accepted or refused as its page says, with exactly the codes that its page names."""
    said = judge(vector.build(), vector.allowed, lambda _: vector.standing)
    codes = {d.code for d in said.refused} if not said.accepted else {d.code for d in (*said.dropped, *said.noted)}
    assert (said.accepted, codes) == (vector.accepted, set(vector.codes)), said
    assert said.accepted == (not said.refused) == (said.public_key is not None) == (said.subject is not None)
    for d in (*said.dropped, *said.refused, *said.noted):
        assert d.what.isprintable()
        assert len(d.what) < 600
        assert d.severity is not Severity.ERROR or d.fix
    if said.accepted:
        assert (said.subject, said.sans) == vector.allowed.compose()


@pytest.mark.parametrize("vector", [v for v in VECTORS if v.accepted], ids=lambda v: v.name)
def test_what_is_accepted_can_be_issued(vector: Vector) -> None:
    """Every accepted request leads to a certificate that the linter passes, with the entry's names and the request's key only."""
    said = judge(vector.build(), vector.allowed, free)
    assert said.public_key is not None
    assert said.subject is not None
    certificate = GATE.leaf(
        ISSUER,
        replace(PROFILES[ProfileName.CLIENT], san_required=bool(said.sans)),
        said.public_key,
        name=said.subject,
        alternative_names=said.sans,
        serial=x509.random_serial_number(),
        now=NOW,
    )
    assert certificate.public_key() == said.public_key
    assert certificate.subject == said.subject
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    listed = [e.value for e in certificate.extensions if isinstance(e.value, x509.SubjectAlternativeName)]
    assert [tuple(san) for san in listed] == ([said.sans] if said.sans else [])


def test_table_is_large_enough() -> None:
    """At least thirty hostile requests are in the table."""
    assert len([v for v in VECTORS if not v.accepted]) >= 30


def test_names_come_from_the_entry() -> None:
    """Whatever the request says, the certificate's names are those of the entry."""
    said = judge(request(subject=x509.Name([])), SUBJECT, free)
    assert said.subject is not None
    assert said.subject.rfc4514_string() == "CN=erp,O=Globex"
    assert said.sans == ()
    said = judge(request(), SAN, free)
    assert said.sans == (x509.DNSName("billing.example.org"),)


def test_long_san_falls_back_to_the_clients_name() -> None:
    """A SAN longer than a common name may be is not cut; the client's name stands in for it."""
    long = HostName.parse(".".join(["a" * 60, "b" * 60, "example.org"]))
    client = Client(authority=Name("home"), san=long)
    subject, sans = Allowed.of("bot", client).compose()
    assert subject.rfc4514_string() == "CN=bot"
    assert sans == (x509.DNSName(long),)


def test_address_entry_gets_an_ip_san() -> None:
    """An entry whose san is an IP address is written as iPAddress, and such a request passes."""
    allowed = Allowed("probe", san=HostName.parse("192.0.2.7"))
    said = judge(openssl_request("subjectAltName=IP:192.0.2.7", subject="CN=probe"), allowed, free)
    assert [type(n) for n in said.sans] == [x509.IPAddress]


MAIL, JOB = EmailAddress.parse("erp@globex.example"), UriName.parse("spiffe://globex.example/job")


@pytest.mark.parametrize(
    ("allowed", "asked", "accepted"),
    [
        (Allowed("erp", email=MAIL), x509.RFC822Name("erp@globex.example"), True),
        (Allowed("erp", email=MAIL), x509.RFC822Name("other@globex.example"), False),
        (Allowed("erp", email=MAIL), x509.UniformResourceIdentifier("erp@globex.example"), False),
        (Allowed("erp", uri=JOB), x509.UniformResourceIdentifier("spiffe://globex.example/job"), True),
        (Allowed("erp", uri=JOB), x509.UniformResourceIdentifier("spiffe://globex.example/job/admin"), False),
        (Allowed("erp", uri=JOB), x509.DNSName("globex.example"), False),
    ],
)
def test_typed_names_are_those_of_the_entry(allowed: Allowed, asked: x509.GeneralName, accepted: bool) -> None:
    """A mail address is no URI, a URI no host name; the certificate has the entry's own, whatever was asked."""
    said = judge(request(x509.SubjectAlternativeName([asked]), subject=x509.Name([])), allowed, free)
    assert said.accepted is accepted
    if accepted:
        assert said.sans == (asked,)


def test_a_client_known_by_its_key_gets_a_certificate_for_that_key_only() -> None:
    """The request must be made with the very key; the twin with another one is refused."""
    key = p256()
    pin = KeyPin.parse("sha256:" + base64.b64encode(spki_sha256(key.public_key())).decode())
    named = x509.Name([])
    assert judge(request(subject=named, key=key), Allowed("card", pin=pin), free).accepted
    other = judge(request(subject=named, key=keys.generate(KeyKind.P384)), Allowed("card", pin=pin), free)
    assert [d.code for d in other.refused] == ["csr-other-key"]


def test_a_serial_number_is_no_name_to_issue_by() -> None:
    """An entry with a serial number names one certificate that exists."""
    client = Client(authority=Name("home"), serial=SerialNumber.parse("0A1B"))
    said = judge(request(subject=x509.Name([])), Allowed.of("card", client), free)
    assert [d.code for d in said.refused] == ["client-entry-unusable"]


def test_unusable_entry_is_refused_not_raised() -> None:
    """An entry that X.509 cannot hold (a country of three letters) is reported as the entry's fault."""
    said = judge(request(subject=x509.Name([])), Allowed("x", subject=Subject(country="ITA")), free)
    assert [d.code for d in said.refused] == ["client-entry-unusable"]


def test_standing_is_asked_by_canonical_key_hash() -> None:
    """The store is asked with the SHA-256 of the key's SubjectPublicKeyInfo, once."""
    asked: list[bytes] = []

    def standing(digest: bytes) -> KeyStanding:
        asked.append(digest)
        return KeyStanding.FREE

    judge(request(), SAN, standing)
    assert asked == [spki_sha256(p256().public_key())]


def test_unproved_key_is_not_looked_up() -> None:
    """A request that proves nothing learns nothing about whose key it is."""
    der = bytearray(request(encoding=Encoding.DER))
    der[-1] ^= 1
    said = judge(bytes(der), SAN, lambda _: pytest.fail("the store was asked"))
    assert not said.accepted


def test_secrets_are_never_repeated() -> None:
    """Neither a private key nor a challenge password appears in what is said."""
    assert "hunter2" not in repr(judge(challenge_password(), SAN, free))
    body = key_pem().decode().splitlines()[1]
    assert body not in repr(judge(key_pem(), SAN, free))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_requests_never_raise(data: st.DataObject) -> None:
    """Any few bytes changed in a request lead to a judgement, and never to a name that the entry does not have."""
    der = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 3))):
        der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    said = judge(bytes(der), SAN, free)
    if said.accepted:
        assert (said.subject, said.sans) == SAN.compose()


@given(st.binary(max_size=300))
def test_any_bytes_are_judged(data: bytes) -> None:
    """Arbitrary bytes are refused, not raised."""
    assert not judge(data, SAN, free).accepted
