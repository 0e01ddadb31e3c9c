"""Signing a partner's request, from its bytes to the delivered certificate, linted on the way."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from tests.pki_world import World, make_world

from gatewright.app import revoking
from gatewright.app.auditing import audit
from gatewright.app.signing import sign_request, sign_requests
from gatewright.edges.linting import PkilintLinter
from gatewright.errors import FindingError
from gatewright.model.gateway import Subject
from gatewright.model.pki import KeyKind, Reason
from gatewright.model.values import HostName
from gatewright.pki.csr import Allowed
from gatewright.pki.keys import PrivateKey, generate, signature_hash
from gatewright.pki.lint import LintGate
from gatewright.pki.names import distinguished_name

ERP = Allowed("erp", HostName("erp.globex.example"))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path)
    made.deps = dataclasses.replace(made.deps, builder=LintGate(PkilintLinter().lint, generate))
    yield made
    made.close()


def request_for(key: PrivateKey, name: str) -> bytes:
    san = x509.SubjectAlternativeName([x509.DNSName(name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(distinguished_name(name))
    return builder.add_extension(san, critical=False).sign(key, signature_hash(key)).public_bytes(Encoding.PEM)


def test_a_request_becomes_a_certificate_without_a_key_of_ours(world: World) -> None:
    """The certificate is for the partner's key and the entry's name; no key and no .p12 is written."""
    key = generate(KeyKind.P256)
    signed = sign_request(world.home, request_for(key, "erp.globex.example"), ERP, world.deps, requested_by="test")
    certificate = x509.load_pem_x509_certificates(Path(signed.client.chain_path).read_bytes())[0]
    assert certificate.public_key() == key.public_key()
    assert signed.client.certificate.names == (("dns", "erp.globex.example"),)
    assert (signed.client.key_path, signed.client.p12_path, signed.client.certificate.key) == (None, None, None)
    assert audit(world.deps).faults == ()


def test_a_client_known_by_its_subject_gets_a_subject_only(world: World) -> None:
    """An entry with ``subject`` makes a certificate without alternative names, which the linter has nothing against."""
    entry = Allowed("erp", None, Subject(common_name="erp", organization="Globex"))
    key = generate(KeyKind.P256)
    builder = x509.CertificateSigningRequestBuilder().subject_name(distinguished_name("erp", "Globex"))
    request = builder.sign(key, signature_hash(key)).public_bytes(Encoding.PEM)
    signed = sign_request(world.home, request, entry, world.deps, requested_by="test")
    assert signed.client.certificate.subject == "CN=erp,O=Globex"


def test_a_name_of_somebody_else_is_refused(world: World) -> None:
    """Nothing is issued, and the log does not grow."""
    before = audit(world.deps)
    with pytest.raises(FindingError):
        sign_request(
            world.home, request_for(generate(KeyKind.P256), "bank.example"), ERP, world.deps, requested_by="test"
        )
    assert audit(world.deps) == before


def test_a_compromised_key_never_comes_back(world: World) -> None:
    """Revoked for compromise, the same key is refused for the same client; revoked as superseded, it is not."""
    lost, replaced = generate(KeyKind.P256), generate(KeyKind.P256)
    for key, reason in ((lost, Reason.KEY_COMPROMISE), (replaced, Reason.SUPERSEDED)):
        request = request_for(key, "erp.globex.example")
        signed = sign_request(world.home, request, ERP, world.deps, requested_by="test")
        revoking.revoke(revoking.one(signed.client.certificate), reason, world.deps, world.markers, by="test")
    with pytest.raises(FindingError):
        sign_request(world.home, request_for(lost, "erp.globex.example"), ERP, world.deps, requested_by="test")
    sign_request(world.home, request_for(replaced, "erp.globex.example"), ERP, world.deps, requested_by="test")


def test_keys_of_others_are_refused(world: World) -> None:
    """Neither the issuing CA's own key nor another client's is certified for this one."""
    ca = world.deps.keystore.load(world.home.issuing.key)
    other = world.clients()[0]
    assert other.key is not None
    for key in (ca, world.deps.keystore.load(other.key)):
        with pytest.raises(FindingError):
            sign_request(world.home, request_for(key, "erp.globex.example"), ERP, world.deps, requested_by="test")


def test_many_requests_at_once_are_judged_one_by_one(world: World) -> None:
    """All are signed together; a foreign name or a key that two clients show means that none is."""
    entries = [Allowed(f"p{i}", HostName(f"p{i}.example")) for i in range(3)]
    keys = [generate(KeyKind.P256) for _ in entries]
    good = [
        (request_for(key, f"p{i}.example"), entry) for i, (key, entry) in enumerate(zip(keys, entries, strict=True))
    ]
    done = sign_requests(world.home, good, world.deps, requested_by="test")
    assert [c.client for c in done] == ["p0", "p1", "p2"]
    before = audit(world.deps)
    assert before.faults == ()
    shared = generate(KeyKind.P256)
    foreign = [*good[:2], (request_for(generate(KeyKind.P256), "bank.example"), entries[2])]
    twice = [(request_for(shared, f"p{i}.example"), entries[i]) for i in range(2)]
    for wrong in (foreign, twice):
        with pytest.raises(FindingError):
            sign_requests(world.home, wrong, world.deps, requested_by="test")
    assert audit(world.deps) == before
