"""Keys in a SoftHSM token: they sign certificates, requests, CRLs and OCSP answers that OpenSSL accepts, and never leave."""

from __future__ import annotations

import copy
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePath

import pytest
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from gatewright.edges.pkcs11 import TokenKeys
from gatewright.errors import EnvironmentFault, ValueRejected
from gatewright.model.pki import KeyKind, KeyRef, ProfileName
from gatewright.pki import build, keys
from gatewright.pki.build import Issuer
from gatewright.pki.names import distinguished_name
from gatewright.pki.profiles import PROFILES
from gatewright.ports.tokens import TokenUri

pytest.importorskip("pkcs11")
MODULE = next(
    (p for p in map(Path, ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so")) if p.exists()), None
)
pytestmark = [pytest.mark.live, pytest.mark.skipif(MODULE is None, reason="SoftHSM is not installed")]
NOW = datetime.now(UTC)
PIN = "48151623"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """SoftHSM with three tokens in a folder of its own; one per process, for the module reads its settings once."""
    place = tmp_path_factory.mktemp("softhsm")
    (place / "tokens").mkdir()
    (place / "softhsm2.conf").write_text(f"directories.tokendir = {place}/tokens\nlog.level = ERROR\n")
    (place / "pin").write_text(PIN + "\n")
    (place / "pin").chmod(0o600)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(place / "softhsm2.conf"))
        for label in ("home", "refusing", "short lived"):
            tool = ["softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", "31415926", "--pin", PIN]
            subprocess.run(tool, check=True, capture_output=True)
        yield place


def uri(folder: Path, token: str = "home", *, pin: str = "pin") -> TokenUri:
    """The URI of ``token``, as it would stand in a configuration."""
    text = f"pkcs11:token={token.replace(' ', '%20')}?module-path={MODULE}&pin-source=file:{folder / pin}"
    return TokenUri.parse(text)


@pytest.fixture(scope="module")
def token(folder: Path) -> TokenKeys:
    """The keys of token ``home``."""
    return TokenKeys(uri(folder))


def verify(folder: Path, root: x509.Certificate, issuing: x509.Certificate, leaf: x509.Certificate, crls: bytes) -> str:
    """What ``openssl verify`` says of the chain with CRL checks at every level."""
    place = folder / f"verify-{leaf.serial_number:x}"
    place.mkdir()
    for name, content in (
        ("root", build.pem(root)),
        ("issuing", build.pem(issuing)),
        ("leaf", build.pem(leaf)),
        ("crls", crls),
    ):
        (place / f"{name}.pem").write_bytes(content)
    command = "openssl verify -x509_strict -crl_check_all -purpose sslclient -CAfile root.pem -untrusted issuing.pem -CRLfile crls.pem leaf.pem"
    done = subprocess.run(command.split(), cwd=place, capture_output=True, text=True, check=False)
    shutil.rmtree(place)
    return done.stdout + done.stderr


def crl(issuer: Issuer, *revoked: x509.Certificate) -> bytes:
    """A CRL signed by ``issuer``."""
    entries = [
        x509.RevokedCertificateBuilder().serial_number(c.serial_number).revocation_date(NOW).build() for c in revoked
    ]
    builder = x509.CertificateRevocationListBuilder(issuer.certificate.subject, NOW, NOW + timedelta(1), [], entries)
    identifier = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = builder.add_extension(x509.CRLNumber(1), critical=False)
    authority_key = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    builder = builder.add_extension(authority_key, critical=False)
    return builder.sign(issuer.key, keys.signature_hash(issuer.key)).public_bytes(Encoding.PEM)


def client(issuer: Issuer) -> x509.Certificate:
    """A client certificate by ``issuer``."""
    return build.leaf(
        issuer,
        PROFILES[ProfileName.CLIENT],
        keys.generate(KeyKind.P256).public_key(),
        name=distinguished_name("erp"),
        alternative_names=[x509.DNSName("erp.example.org")],
        serial=x509.random_serial_number(),
        now=NOW,
    )


@pytest.mark.parametrize("kind", [KeyKind.P256, KeyKind.P384, KeyKind.RSA3072])
def test_whole_hierarchy_signed_in_the_token(folder: Path, token: TokenKeys, kind: KeyKind) -> None:
    """Root and issuing CA live in the token; OpenSSL accepts leaf and CRLs, refuses the revoked, and a chain of another key."""
    _, root_key = token.create(kind)
    ref, issuing_key = token.create(kind)
    root = Issuer(build.root(root_key, distinguished_name(f"Root {kind}"), 1, NOW), root_key)
    name = distinguished_name(f"Issuing {kind}")
    certificate = build.issuing_ca(root, issuing_key.public_key(), name=name, serial=2, now=NOW)
    issuing = Issuer(certificate, token.load(ref))
    leaf, gone = client(issuing), client(issuing)
    crls = crl(root) + crl(issuing, gone)
    assert "leaf.pem: OK" in verify(folder, root.certificate, certificate, leaf, crls)
    assert "certificate revoked" in verify(folder, root.certificate, certificate, gone, crls)
    _, wrong_key = token.create(kind)
    forged = client(Issuer(certificate, wrong_key))
    assert "certificate signature failure" in verify(folder, root.certificate, certificate, forged, crls)
    forged_crls = crl(root) + crl(Issuer(certificate, wrong_key))
    assert "CRL signature failure" in verify(folder, root.certificate, certificate, leaf, forged_crls)


@pytest.mark.parametrize("kind", [KeyKind.P256, KeyKind.RSA3072])
def test_requests_and_ocsp_answers(token: TokenKeys, kind: KeyKind) -> None:
    """The same keys sign requests and OCSP answers."""
    _, key = token.create(kind)
    request = x509.CertificateSigningRequestBuilder().subject_name(distinguished_name("x")).sign(key, hashes.SHA256())
    assert request.is_signature_valid
    ca = build.root(key, distinguished_name("Root"), 1, NOW)
    builder = ocsp.OCSPResponseBuilder().add_response(
        ca, ca, hashes.SHA256(), ocsp.OCSPCertStatus.GOOD, NOW, NOW + timedelta(1), None, None
    )
    answer = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, ca).sign(key, hashes.SHA256())
    public = key.public_key()
    if isinstance(public, ec.EllipticCurvePublicKey):
        public.verify(answer.signature, answer.tbs_response_bytes, ec.ECDSA(hashes.SHA256()))
    else:
        assert isinstance(public, rsa.RSAPublicKey)
        public.verify(answer.signature, answer.tbs_response_bytes, padding.PKCS1v15(), hashes.SHA256())


@pytest.mark.parametrize("kind", [KeyKind.P256, KeyKind.RSA3072])
def test_the_key_never_leaves(token: TokenKeys, kind: KeyKind) -> None:
    """Neither numbers nor bytes of the private key can be had, nor anything but signatures."""
    _, key = token.create(kind)
    assert isinstance(key, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey))
    with pytest.raises(TypeError, match="cannot be read"):
        key.private_numbers()
    with pytest.raises(TypeError, match="cannot be written"):
        key.private_bytes(Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    assert copy.copy(key) is key
    assert copy.deepcopy(key) is key
    if isinstance(key, rsa.RSAPrivateKey):
        with pytest.raises(UnsupportedAlgorithm):
            key.sign(b"x", padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
        with pytest.raises(TypeError, match="only signs"):
            key.decrypt(b"x", padding.PKCS1v15())
    else:
        with pytest.raises(TypeError, match="only signs"):
            key.exchange(ec.ECDH(), ec.generate_private_key(ec.SECP256R1()).public_key())


def test_references_find_removes(token: TokenKeys) -> None:
    """A reference names the key by its public hash; it is found again by a new adapter, and gone after removal."""
    ref, key = token.create(KeyKind.P256)
    assert ref == f"pkcs11:token=home;object={keys.spki_sha256(key).hex()}"
    assert ref in token.references()
    assert token.holds(ref)
    assert token.keep(key) == ref
    assert token.path(ref) is None
    assert keys.spki_sha256(token.load(ref)) == keys.spki_sha256(key)
    token.remove(ref)
    assert not token.holds(ref)
    with pytest.raises(EnvironmentFault) as fault:
        token.load(ref)
    assert fault.value.diagnostics[0].code == "token-key-missing"


def test_keys_by_label_of_ones_own(token: TokenKeys) -> None:
    """A key may be made and found under a label; a label is given once."""
    made = token.generate(KeyKind.P256, "issuing 2026")
    assert keys.spki_sha256(token.key("issuing 2026")) == keys.spki_sha256(made)
    assert token.load(KeyRef("pkcs11:token=home;object=issuing%202026")).public_key() == made.public_key()
    with pytest.raises(EnvironmentFault) as fault:
        token.generate(KeyKind.P256, "issuing 2026")
    assert fault.value.diagnostics[0].code == "token-label-taken"


def test_a_replaced_key_is_noticed(token: TokenKeys) -> None:
    """A key that carries the hash of another key as its label is not used."""
    other = keys.spki_sha256(keys.generate(KeyKind.P256)).hex()
    token.generate(KeyKind.P256, other)
    with pytest.raises(EnvironmentFault) as fault:
        token.load(KeyRef(f"pkcs11:token=home;object={other}"))
    assert fault.value.diagnostics[0].code == "token-key-changed"


def test_keys_from_outside_are_refused(token: TokenKeys) -> None:
    """A key that was in memory is not put into the token, and file references are another store's."""
    for attempt in (
        lambda: token.keep(keys.generate(KeyKind.P256)),
        lambda: token.load(KeyRef("pkcs11:token=other;object=x")),
    ):
        with pytest.raises(EnvironmentFault):
            attempt()
    assert not token.holds(KeyRef("file:" + "0" * 64))


def faults(folder: Path) -> dict[str, TokenUri]:
    """URIs that cannot work, by the code that must be said."""
    (folder / "wrong").write_text("99999999")
    (folder / "wrong").chmod(0o600)
    (folder / "open").write_text(PIN)
    (folder / "open").chmod(0o644)
    good = uri(folder, "refusing")
    return {
        "token-pin-wrong": uri(folder, "refusing", pin="wrong"),
        "token-pin-readable-by-others": uri(folder, "refusing", pin="open"),
        "token-pin-missing": uri(folder, "refusing", pin="nowhere"),
        "token-pin-unnamed": TokenUri("refusing", module=good.module),
        "token-missing": uri(folder, "nobody"),
        "token-module-unnamed": TokenUri("refusing", pin_source=good.pin_source),
        "token-module-unusable": TokenUri("refusing", module=PurePath("/nonexistent.so"), pin_source=good.pin_source),
    }


@pytest.mark.parametrize(
    "code",
    [
        "token-pin-wrong",
        "token-pin-readable-by-others",
        "token-pin-missing",
        "token-pin-unnamed",
        "token-missing",
        "token-module-unnamed",
        "token-module-unusable",
    ],
)
def test_what_can_go_wrong_is_said(folder: Path, code: str) -> None:
    """Each way in which a token cannot be reached has its own code and a fix, and none repeats a PIN."""
    with pytest.raises(EnvironmentFault) as fault:
        TokenKeys(faults(folder)[code]).references()
    said = fault.value.diagnostics[0]
    assert said.code == code
    assert said.fix
    assert PIN not in repr(said)
    assert "99999999" not in repr(said)


def test_lost_session_is_said(folder: Path) -> None:
    """A key whose session has ended says so; a new session works again."""
    short = TokenKeys(uri(folder, "short lived"))
    ref, key = short.create(KeyKind.P256)
    short.close()
    with pytest.raises(EnvironmentFault) as fault:
        build.root(key, distinguished_name("x"), 1, NOW)
    assert fault.value.diagnostics[0].code == "token-session-lost"
    build.root(short.load(ref), distinguished_name("x"), 1, NOW)


def test_pin_file_named_by_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``pin-source=env:NAME`` reads the file that NAME holds the path of."""
    monkeypatch.setenv("HOME_PIN_FILE", str(folder / "pin"))
    TokenKeys(TokenUri("home", None, PurePath(MODULE or ""), "env:HOME_PIN_FILE")).references()
    monkeypatch.delenv("HOME_PIN_FILE")
    with pytest.raises(EnvironmentFault):
        TokenKeys(TokenUri("home", None, PurePath(MODULE or ""), "env:HOME_PIN_FILE")).references()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("pkcs11:token=home?pin-value=1234", "pin-in-uri"),
        ("pkcs11:object=x", "bad-pkcs11-uri"),
        ("file:x", "bad-pkcs11-uri"),
        ("pkcs11:token=a;token=b", "bad-pkcs11-uri"),
        ("pkcs11:token=a;type=cert", "bad-pkcs11-uri"),
        ("pkcs11:token=a?pin-source=|cat", "bad-pkcs11-uri"),
        ("pkcs11:token=a;slot-id=0", "bad-pkcs11-uri"),
    ],
)
def test_uris_that_are_refused(text: str, code: str) -> None:
    """A URI that holds a PIN, or anything unknown, is refused and not repeated."""
    with pytest.raises(ValueRejected) as refusal:
        TokenUri.parse(text)
    assert refusal.value.code == code
    assert "1234" not in str(refusal.value)
