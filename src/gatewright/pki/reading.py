"""Reading certificates that somebody else wrote: what cannot be read is a ``ValueError``, whatever the library calls it.

``cryptography`` has exceptions that are no ``ValueError``: a certificate of version 6, which OpenSSL and so httpd takes, is one
(``InvalidVersion``). Whoever expects only the usual one would be ended by a stranger's certificate.
"""

from __future__ import annotations

import warnings

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

_OTHERS = (TypeError, OverflowError, UnsupportedAlgorithm, x509.InvalidVersion)


def pem_certificates(content: bytes) -> list[x509.Certificate]:
    """Every plain certificate in ``content``, at least one. Raises ``ValueError``."""
    try:
        return x509.load_pem_x509_certificates(content)
    except _OTHERS as problem:
        raise ValueError(str(problem)) from problem


def pem_certificate(content: bytes) -> x509.Certificate:
    """The first certificate in ``content``. Raises ``ValueError``."""
    return pem_certificates(content)[0]


def der_certificate(content: bytes) -> x509.Certificate:
    """The certificate. Raises ``ValueError``."""
    try:
        return x509.load_der_x509_certificate(content)
    except _OTHERS as problem:
        raise ValueError(str(problem)) from problem


def serial_of(certificate: x509.Certificate) -> int:
    """The serial number, which may be one that RFC 5280 §4.1.2.2 forbids: the library's remark on that is nothing for users."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return certificate.serial_number
