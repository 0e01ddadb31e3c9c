"""Extensions and attributes: which wishes are dangerous, which are merely not fulfilled."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import AttributeOID, ExtendedKeyUsageOID, ObjectIdentifier
from tests.vectors.csr.kit import accepted, common_name, openssl, openssl_request, p256, refused, request


def _usage(**bits: bool) -> x509.KeyUsage:
    names = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign crl_sign"
    )
    return x509.KeyUsage(**{n: bits.get(n, False) for n in (*names.split(), "encipher_only", "decipher_only")})


@accepted()
def what_the_profile_has_anyway() -> bytes:
    """CA:FALSE, digitalSignature and clientAuth are what the certificate will hold: nothing to say."""
    return request(
        x509.BasicConstraints(False, None),
        _usage(digital_signature=True),
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]),
    )


@refused("csr-asks-for-ca")
def ca_true() -> bytes:
    """CA:TRUE: its holder could issue certificates."""
    return request(x509.BasicConstraints(True, 0))


@refused("csr-asks-for-ca")
def key_cert_sign() -> bytes:
    """The usage keyCertSign without CA:TRUE."""
    return request(_usage(digital_signature=True, key_cert_sign=True))


@refused("csr-asks-for-ca")
def crl_sign() -> bytes:
    """cRLSign: its holder could sign revocation lists."""
    return request(_usage(digital_signature=True, crl_sign=True))


@refused("csr-asks-for-ca")
def name_constraints() -> bytes:
    """Name constraints belong to CAs only."""
    return request(x509.NameConstraints([x509.DNSName("example.org")], None), critical=True)


@refused("csr-asks-for-ca")
def policy_mappings() -> bytes:
    """Policy constraints belong to CAs only."""
    return request(x509.PolicyConstraints(0, 0), critical=True)


@refused("csr-ocsp-signing")
def ocsp_signing() -> bytes:
    """OCSPSigning: its holder could declare every revoked certificate good."""
    return request(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]))


@refused("csr-critical-extension")
def unknown_critical_extension() -> bytes:
    """Critical means "do not ignore me", and nothing is known of it."""
    return openssl_request("1.2.3.4=critical,ASN1:UTF8String:x")


@refused("csr-extensions-twice")
def same_extension_twice() -> bytes:
    """Two SAN extensions, of which the first one looks right."""
    return openssl_request(
        "subjectAltName=DNS:billing.example.org\n2.5.29.17=DER:300b8209657669 6c2e74657374".replace(" ", "")
    )


@refused("csr-extensions-twice")
def two_extension_lists() -> bytes:
    """Two extensionRequest attributes: most readers see the first only."""
    point = p256().public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    inner = (
        "[cri]\nversion=INTEGER:0\nsubject=SEQUENCE:name\nspki=SEQUENCE:spki\nattributes=IMPLICIT:0,SET:lists\n"
        "[name]\nrdn=SET:rdn\n[rdn]\nava=SEQUENCE:ava\n[ava]\noid=OID:CN\nvalue=UTF8:billing.example.org\n"
        f"[spki]\nalg=SEQUENCE:ec\nkey=FORMAT:HEX,BITSTRING:{point.hex()}\n"
        "[ec]\noid=OID:id-ecPublicKey\ncurve=OID:prime256v1\n"
        "[lists]\na=SEQUENCE:list1\nb=SEQUENCE:list2\n"
        + "".join(
            f"[list{n}]\noid=OID:1.2.840.113549.1.9.14\nvalues=SET:v{n}\n[v{n}]\nx=SEQUENCE:x{n}\n[x{n}]\ny=SEQUENCE:y{n}\n"
            f"[y{n}]\noid=OID:2.5.29.17\nvalue=OCTWRAP,SEQUENCE:n{n}\n[n{n}]\nz=IMPLICIT:2,IA5STRING:{name}\n"
            for n, name in ((1, "billing.example.org"), (2, "billing.example.orh"))
        )
    )
    run = ("asn1parse", "-genconf", "g.cnf", "-noout", "-out", "o.der")
    signed = openssl(*run, files={"g.cnf": ("asn1=SEQUENCE:cri\n" + inner).encode()}, out="o.der")
    signature = p256().sign(signed, ec.ECDSA(hashes.SHA256())).hex()
    outer = f"asn1=SEQUENCE:csr\n[csr]\ncri=SEQUENCE:cri\nalg=SEQUENCE:alg\nsig=FORMAT:HEX,BITSTRING:{signature}\n"
    outer += "[alg]\noid=OID:ecdsa-with-SHA256\n"
    return openssl(*run, files={"g.cnf": (outer + inner).encode()}, out="o.der")


@refused("csr-extensions-unreadable")
def damaged_extension() -> bytes:
    """A basic constraints extension that holds text."""
    return openssl_request("2.5.29.19=critical,ASN1:UTF8String:CA TRUE")


@accepted("csr-extended-key-usage")
def server_auth() -> bytes:
    """serverAuth, as most tools ask by default: dropped and said."""
    return request(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]))


@accepted("csr-extended-key-usage")
def any_and_code_signing() -> bytes:
    """Both anyExtendedKeyUsage and codeSigning are not given."""
    return request(
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE, ExtendedKeyUsageOID.CODE_SIGNING])
    )


@accepted("csr-key-usage")
def key_encipherment() -> bytes:
    """The usage keyEncipherment served the RSA key exchange of TLS 1.2, which nothing here speaks."""
    return request(_usage(digital_signature=True, key_encipherment=True))


@accepted("csr-attribute")
def challenge_password() -> bytes:
    """A challenge password: ignored, said, and never repeated."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(common_name())
    builder = builder.add_attribute(AttributeOID.CHALLENGE_PASSWORD, b"hunter2-secret")
    return builder.sign(p256(), hashes.SHA256()).public_bytes(Encoding.PEM)


@accepted("csr-extension")
def must_staple() -> bytes:
    """OCSP must-staple concerns servers."""
    return request(x509.TLSFeature([x509.TLSFeatureType.status_request]))


@accepted("csr-extension")
def unknown_extension() -> bytes:
    """An unknown extension that is not critical."""
    return openssl_request("1.2.3.4=ASN1:UTF8String:x")


@accepted("csr-extension", "csr-extended-key-usage", "csr-key-usage", "csr-attribute")
def windows_certreq() -> bytes:
    """What ``certreq`` on Windows sends: template, application policies, Windows version, provider."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(common_name())
    builder = builder.add_attribute(
        ObjectIdentifier("1.3.6.1.4.1.311.13.2.3"), b"10.0.19045.2", _tag=_ASN1Type.IA5String
    )
    builder = builder.add_extension(
        x509.MSCertificateTemplate(ObjectIdentifier("1.3.6.1.4.1.311.21.8.1"), 100, 1), False
    )
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
    builder = builder.add_extension(_usage(digital_signature=True, key_encipherment=True), True)
    return builder.sign(p256(), hashes.SHA256()).public_bytes(Encoding.PEM)


@accepted("csr-extension")
def many_unknown_extensions() -> bytes:
    """Fifty unknown extensions: ten are named, the rest is counted."""
    return openssl_request("\n".join(f"1.2.3.{n}=ASN1:NULL" for n in range(1, 51)))
