"""Certificates that OpenSSL takes and the product's library does not: an answer each time, never an exception of another kind."""

from __future__ import annotations

import datetime as dt
import ssl

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from tests.live.pki import Pair, authority
from tests.vectors.zoo.kit import Order, build

from gatewright.app.partnering import issuing_certificates
from gatewright.errors import UsageError
from gatewright.pki.reading import der_certificate, pem_certificate, pem_certificates
from gatewright.pki.verify import Certificate, Question, Verdict, ask_pyopenssl

GLOBEX: Pair = authority("globex")


def with_version(number: int) -> bytes:
    """A certificate whose version field holds ``number``; 2 stands for version 3 (RFC 5280 §4.1.2.1)."""
    field = b"\xa0\x03\x02\x01"
    order = Order(tamper=lambda tbs: tbs.replace(field + b"\x02", field + bytes([number])))
    return build(order, GLOBEX.certificate, GLOBEX.key)[0]


def asked(der: bytes) -> Verdict:
    """What OpenSSL says of it as the gateway asks."""
    anchor = Certificate(GLOBEX.certificate.public_bytes(Encoding.DER))
    question = Question(Certificate(der), dt.datetime.now(dt.UTC), (), (anchor,), as_gateway=True)
    return ask_pyopenssl(question)


def test_a_version_that_there_is_not() -> None:
    """OpenSSL accepts version 6; the library's refusal is the usual error in each of the ways to read, and version 3 is read."""
    good, strange = with_version(2), with_version(5)
    assert asked(good).accepted
    assert asked(strange).accepted
    assert der_certificate(good) == pem_certificate(ssl.DER_cert_to_PEM_cert(good).encode())
    pem = ssl.DER_cert_to_PEM_cert(strange).encode()
    for read in (lambda: der_certificate(strange), lambda: pem_certificate(pem), lambda: pem_certificates(pem)):
        with pytest.raises(ValueError, match="version"):
            read()
    for content in (pem, strange):
        with pytest.raises(UsageError):
            issuing_certificates([content])
