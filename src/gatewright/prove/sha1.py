"""Certificates with another signature than libraries make: with SHA-1, which every gateway must refuse to take, and the other

of the two ECDSA signatures that are as good as each other.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

_SEQUENCE, _BIT_STRING = 0x30, 0x03
# AlgorithmIdentifiers: ecdsa-with-SHA1 (RFC 3279 §2.2.3, no parameters), sha1WithRSAEncryption (RFC 3279 §2.2.1, NULL).
_ECDSA = bytes.fromhex("300906072a8648ce3d0401")
_RSA = bytes.fromhex("300d06092a864886f70d0101050500")


def resigned(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> x509.Certificate:
    """``certificate`` with everything as it is, but signed with SHA-1 by ``key``."""
    algorithm = _RSA if isinstance(key, rsa.RSAPrivateKey) else _ECDSA
    # Certificate ::= SEQUENCE { tbsCertificate, ... }; in it: version [0], serialNumber, signature, ... (RFC 5280 §4.1).
    tbs = _inside(certificate.tbs_certificate_bytes)
    elements = _elements(tbs)
    tbs = _element(_SEQUENCE, elements[0] + elements[1] + algorithm + b"".join(elements[3:]))
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(tbs, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303 - it must be refused for this
    else:
        signature = key.sign(tbs, ec.ECDSA(hashes.SHA1()))  # noqa: S303 - likewise
    der = _element(_SEQUENCE, tbs + algorithm + _element(_BIT_STRING, b"\0" + signature))
    made = x509.load_der_x509_certificate(der)
    assert made.public_bytes(Encoding.DER) == der
    return made


def altered(certificate: x509.Certificate, curve: ec.EllipticCurve) -> x509.Certificate:
    """``certificate`` with its ECDSA signature (r, s) written as (r, n-s), which needs no key and verifies as well (SEC 1 §4.1.4)."""
    r, s = decode_dss_signature(certificate.signature)
    algorithm = _elements(_inside(certificate.public_bytes(Encoding.DER)))[1]
    signature = encode_dss_signature(r, curve.group_order - s)
    der = _element(_SEQUENCE, certificate.tbs_certificate_bytes + algorithm + _element(_BIT_STRING, b"\0" + signature))
    return x509.load_der_x509_certificate(der)


def _element(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def _extent(der: bytes, start: int) -> tuple[int, int]:
    """Where the content of the element at ``start`` begins and ends."""
    first = der[start + 1]
    if first < 0x80:
        return start + 2, start + 2 + first
    begin = start + 2 + (first & 0x7F)
    return begin, begin + int.from_bytes(der[start + 2 : begin], "big")


def _inside(der: bytes) -> bytes:
    begin, end = _extent(der, 0)
    return der[begin:end]


def _elements(der: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(der):
        _, end = _extent(der, at)
        found.append(der[at:end])
        at = end
    return found
