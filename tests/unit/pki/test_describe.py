"""Files are explained for a human, whatever is in them, and nothing makes the explanation crash or leak."""

from __future__ import annotations

import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    pkcs7,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID as Eku
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.vectors.x509.kit import DAY, NOW, Holder, crl, dns, issuing, leaf, name, root, rsa_1024, signed_with_sha1

from gatewright.errors import GatewrightError, UsageError
from gatewright.pki import formats
from gatewright.pki.describe import Description, describe_certificate, readable, revocation_marker
from gatewright.pki.describe_files import PasswordNeeded, describe_file
from gatewright.pki.verify import Certificate

TOP = root()
MID = issuing(TOP)
LEAF = leaf(MID, sans=[dns("erp.example.org")])


def remarks(holder: Holder, at: dt.datetime = NOW) -> str:
    return " / ".join(describe_certificate(holder.found, at).remarks)


def only(data: bytes, **options: object) -> Description:
    (found,) = describe_file(data, "file", NOW, **options)  # type: ignore[arg-type]
    return found


def key_bytes(
    holder: Holder, encoding: Encoding = Encoding.PEM, encryption: KeySerializationEncryption | None = None
) -> bytes:
    return holder.key.private_bytes(encoding, PrivateFormat.PKCS8, encryption or NoEncryption())


def test_a_certificate_is_explained() -> None:
    """Who, by whom, for what, how long, which names, which key, and the fingerprints."""
    facts = dict(describe_certificate(LEAF.found, NOW).facts)
    assert facts["Subject"] == "CN=leaf,O=Vectors"
    assert facts["Issuer"] == "CN=issuing,O=Vectors"
    assert facts["Names"] == "DNS:erp.example.org"
    assert facts["May be used for"] == "client (clientAuth)"
    assert facts["CA"] == "no"
    assert facts["Key"] == "EC P-256"
    assert facts["Valid"].endswith("30 days left")
    assert facts["SHA-256"] == LEAF.certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def test_the_revocation_marker_is_the_hash_of_the_pem() -> None:
    """The marker is SHA-1 over the PEM text as httpd writes it."""
    digest = hashes.Hash(hashes.SHA1())
    digest.update(LEAF.certificate.public_bytes(Encoding.PEM))
    assert revocation_marker(LEAF.der) == digest.finalize().hex()


@pytest.mark.parametrize(
    ("holder", "words"),
    [
        (leaf(MID, eku=[Eku.SERVER_AUTH], sans=[dns("x.org")]), "no extended key usage clientAuth"),
        (leaf(MID), "only a common name"),
        (leaf(MID, key=rsa_1024()), "too weak"),
        (leaf(MID, not_after=NOW - DAY), "has expired"),
        (leaf(MID, not_before=NOW + DAY), "not valid yet"),
        (leaf(MID, not_after=NOW + 5 * DAY), "ends within 30 days"),
        (MID, "it is a CA"),
        (TOP, "self-signed"),
        (leaf(MID, key_usage=["key_cert_sign"]), "may sign certificates by its key usage"),
    ],
)
def test_remarks(holder: Holder, words: str) -> None:
    """What is wrong with a certificate, or unusual about it, is said."""
    assert words in remarks(holder)


def test_a_good_certificate_has_no_remark() -> None:
    """Nothing is said against a certificate that is in order."""
    assert remarks(leaf(MID, sans=[dns("x.org")], not_after=NOW + 90 * DAY)) == ""


def test_a_sha1_signature_is_named() -> None:
    """A SHA-1 signature is refused by OpenSSL, and that is said."""
    found = describe_certificate(Certificate(signed_with_sha1(MID), "f"), NOW)
    assert "SHA1" in " ".join(found.remarks)


def test_hostile_names_are_shown_escaped() -> None:
    """Control characters and direction overrides in names cannot reach the terminal."""
    evil = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a\x1b[2Jb\u202ec\nd")])
    shown = describe_certificate(leaf(MID, subject=evil).found, NOW).text()
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "c\nd" not in shown
    assert "somebody may mean to deceive" in shown


def test_many_names_are_counted_not_printed() -> None:
    """A certificate with 2,000 names is explained in a few lines."""
    found = describe_certificate(leaf(MID, sans=[dns(f"n{i}.example.org") for i in range(2000)]).found, NOW)
    assert "1,980 more" in dict(found.facts)["Names"]
    assert len(found.text()) < 4000


def test_der_pem_and_bundles_are_the_same_certificates() -> None:
    """PEM, DER, PKCS#7 and trusted PEM give the certificate itself."""
    pem = LEAF.certificate.public_bytes(Encoding.PEM)
    both = [LEAF.certificate, MID.certificate]
    for data in (pem, LEAF.der, b"\xef\xbb\xbf" + pem, pem.replace(b"\n", b"\r\n"), b"Bag Attributes\n" + pem):
        assert formats.certificates(data, "f")[0].der == LEAF.der
    for encoding in (Encoding.PEM, Encoding.DER):
        bundle = formats.certificates(pkcs7.serialize_certificates(both, encoding), "f")
        assert {c.der for c in bundle} == {LEAF.der, MID.der}


def test_a_request_is_explained_and_its_proof_checked() -> None:
    """A CSR says what it asks for; a wrong signature and CA:TRUE are remarked."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(name("req"))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    request = builder.sign(LEAF.key, hashes.SHA256())
    found = only(request.public_bytes(Encoding.PEM))
    assert found.kind == "request"
    assert "asks to be a CA" in " ".join(found.remarks)
    bad = bytearray(request.public_bytes(Encoding.DER))
    bad[-1] ^= 1
    assert "signature is wrong" in " ".join(only(bytes(bad)).remarks)


def test_a_crl_is_explained() -> None:
    """A CRL says whose it is, how many it revokes, and that it is late."""
    found = only(crl(MID, [LEAF], this=NOW - 5 * DAY, following=NOW - DAY))
    assert dict(found.facts)["Revoked"] == "1 certificates"
    assert "expired" in found.remarks[0]
    assert not only(crl(MID)).remarks


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_a_private_key_is_described_and_never_shown(encoding: Encoding) -> None:
    """Kind, openness of its file and hash are told; no part of the key is."""
    data = key_bytes(LEAF, encoding)
    found = only(data, mode=0o644)
    assert found.kind == "private key"
    assert "chmod 600" in found.text()
    secret = LEAF.key.private_numbers().private_value  # type: ignore[union-attr]
    assert f"{secret:x}" not in found.text().lower()
    assert "chmod" not in only(data, mode=0o600).text()


def test_an_encrypted_key_needs_its_password() -> None:
    """Without a password only that it is encrypted is told; with the wrong one, that it is wrong."""
    data = key_bytes(LEAF, encryption=BestAvailableEncryption(b"right"))
    assert "--password-file" in only(data).text()
    assert dict(only(data, password=b"right").facts)["Key"] == "EC P-256"
    with pytest.raises(UsageError) as caught:
        only(data, password=b"wrong")
    assert caught.value.diagnostics[0].code == "wrong-password"


def test_pkcs12_is_opened_with_its_password_only() -> None:
    """Without or with a wrong password it is an error; with the right one everything in it is described."""
    data = pkcs12.serialize_key_and_certificates(
        b"n",
        LEAF.key,
        LEAF.certificate,
        [MID.certificate],
        BestAvailableEncryption(b"right"),
    )
    with pytest.raises(PasswordNeeded):
        describe_file(data, "f", NOW)
    with pytest.raises(UsageError) as caught:
        describe_file(data, "f", NOW, password=b"wrong")
    assert caught.value.diagnostics[0].code == "wrong-password"
    found = describe_file(data, "f", NOW, password=b"right")
    assert [d.kind for d in found] == ["pkcs12", "certificate", "certificate"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"ssh-ed25519 AAAA me@host", "SSH public key"),
        (b"\xfe\xed\xfe\xed\x00\x00", "Java keystore"),
        (b"PK\x03\x04zip", "ZIP"),
        (b"hello", "plain text"),
        (b"\x00\x01\x02", "binary"),
        (b'{"a": 1}', "JSON"),
        ("-----BEGIN CERTIFICATE-----".encode("utf-16"), "UTF-16"),
        (b"-----BEGIN CERTIFICATE-----\nMIIB", "cut off"),
        (b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n", "damaged"),
        (b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "its content is not one"),
        (LEAF.certificate.public_bytes(Encoding.PEM).split(b"-----")[2], "without the lines"),
        (key_bytes(LEAF), "no certificate but: PRIVATE KEY"),
        (LEAF.der[:100], "cut off"),
    ],
)
def test_what_is_no_certificate_is_called_by_its_name(data: bytes, words: str) -> None:
    """Where no certificate can be found, the error says what the file looks like."""
    with pytest.raises(UsageError) as caught:
        formats.certificates(data, "f")
    assert words in caught.value.diagnostics[0].why


def samples() -> list[bytes]:
    request = x509.CertificateSigningRequestBuilder().subject_name(name("r")).sign(LEAF.key, hashes.SHA256())
    return [
        LEAF.der,
        MID.der,
        LEAF.certificate.public_bytes(Encoding.PEM),
        crl(MID, [LEAF]),
        request.public_bytes(Encoding.DER),
        key_bytes(LEAF, Encoding.DER),
        LEAF.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        pkcs7.serialize_certificates([LEAF.certificate], Encoding.DER),
        pkcs12.serialize_key_and_certificates(b"n", LEAF.key, LEAF.certificate, None, NoEncryption()),
    ]


SAMPLES = samples()


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(SAMPLES),
    st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), min_size=1, max_size=6),
    st.integers(0, 4000),
)
def test_mutated_files_never_crash(sample: bytes, changes: list[tuple[int, int]], cut: int) -> None:
    """Any change to any bytes ends in a description or in an error for the user, and shows nothing raw."""
    data = bytearray(sample)
    for place, value in changes:
        data[place % len(data)] = value
    if cut < len(data) // 8:
        del data[len(data) - cut :]
    try:
        found = describe_file(bytes(data), "f", NOW)
    except GatewrightError:
        return
    for description in found:
        assert all(c == "\n" or c.isprintable() for c in description.text())
        description.as_dict()


@given(st.binary(max_size=300))
def test_garbage_never_crashes(data: bytes) -> None:
    """Random bytes end in an error for the user."""
    with pytest.raises(GatewrightError):
        describe_file(data, "f", NOW)


@given(st.text())
def test_readable_text_is_one_printable_line(text: str) -> None:
    """Nothing that moves the cursor or hides text survives, and the rest stays."""
    shown = readable(text, limit=10_000)
    assert "\n" not in shown
    assert "\x1b" not in shown
    assert shown == text or not (text.isascii() and text.isprintable())
