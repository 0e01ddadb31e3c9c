"""Finding the one certificate request in what somebody handed over, and saying plainly what it is when it is none.

A private key that arrives here has already left its owner's machine. It is refused before anything else is looked at,
and no part of the input is ever repeated in a message.
"""

from __future__ import annotations

import re

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from gatewright.errors import ValueRejected

MAX_REQUEST_BYTES = 64 * 1024
"""A request with an RSA-4096 key and a hundred names has 6 KiB; what is larger is refused before it is parsed."""

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----.*?-----END \1-----", re.DOTALL)
_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----")
_REQUEST_LABELS = {b"CERTIFICATE REQUEST", b"NEW CERTIFICATE REQUEST"}
# RFC 7292 §4: PFX ::= SEQUENCE { version INTEGER {v3(3)}, ... }; only as a magic number, nothing is parsed.
_PKCS12 = re.compile(rb"\A\x30(?:\x80|[\x00-\x7f]|\x81.|\x82..|\x83...)\x02\x01\x03\x30", re.DOTALL)
_JKS_MAGIC = (b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce")
_MAKE_ONE = "make a request with: openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -keyout erp.key -out erp.csr -subj /CN=erp"


def read_request(data: bytes) -> x509.CertificateSigningRequest:
    """The request in ``data``: PEM (any text around it, CRLF, UTF-16, both RFC 7468 labels) or DER (RFC 2986).

    Raises :class:`~gatewright.errors.ValueRejected` for anything else. The signature is not verified here.
    """
    if len(data) > MAX_REQUEST_BYTES:
        raise ValueRejected(
            "csr-too-large",
            f"the request has {len(data)} bytes; {MAX_REQUEST_BYTES} is the limit",
            "no honest request is that large, and parsing it would cost the authority time",
            "send the .csr file alone, with the names of one client",
        )
    if not data.strip():
        raise ValueRejected("csr-empty", "the request is empty", "", _MAKE_ONE)
    text = _narrow(data)
    _refuse_private_key(text)
    labels = [match[1] for match in _BEGIN.finditer(text)]
    if not labels:
        return _load(data, pem=False)
    blocks = [match for match in _BLOCK.finditer(text) if match[1] in _REQUEST_LABELS]
    if not blocks:
        raise _other_block(labels[0])
    if len(blocks) > 1:
        raise ValueRejected(
            "csr-several",
            f"the file holds {len(blocks)} requests",
            "only one of them can have been meant, and taking the first would be a guess",
            "send one request per file",
        )
    return _load(blocks[0][0], pem=True)


def _narrow(data: bytes) -> bytes:
    """UTF-16, which PowerShell's ``>`` writes, as bytes that hold ASCII; anything else as it is."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace").encode("ascii", errors="replace")
    return data


def _refuse_private_key(text: bytes) -> None:
    if b"PRIVATE KEY-----" in text or b"PuTTY-User-Key-File" in text or _is_der_private_key(text):
        raise ValueRejected(
            "private-key-handed-over",
            "this is a private key, or a file that holds one: it never has to leave your machine",
            "whoever has seen this file can act as you; nothing of it was kept or repeated here",
            "treat this key as lost: delete the copies, make a new key and request, and send the .csr alone",
        )


def _is_der_private_key(data: bytes) -> bool:
    if _PKCS12.match(data) or data.startswith(_JKS_MAGIC):
        return True
    if not data.startswith(b"\x30"):
        return False
    try:
        serialization.load_der_private_key(data, None)
    except TypeError:  # an encrypted PKCS#8 key: cryptography asks for the password
        return True
    except (
        UnsupportedAlgorithm
    ):  # a key all the same, or a public structure whose algorithm nobody knows: not a request
        return False
    except ValueError:
        return False
    return True


def _other_block(label: bytes) -> ValueRejected:
    name = label.decode("ascii")
    if name in {"CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"}:
        return ValueRejected(
            "csr-cut-off",
            "the request has a BEGIN line but no matching END line",
            "it was cut off while copying",
            "send the .csr file itself",
        )
    if "CERTIFICATE" in name or name in {"PKCS7", "CMS"}:
        what, why = "this is a certificate, not a request", "a certificate does not prove that you hold its key"
    elif "PUBLIC KEY" in name:
        what, why = (
            "this is a public key, not a request",
            "a bare public key does not prove that you hold the private one",
        )
    else:
        what, why = f"this is a PEM file of kind {name!r}, not a request", ""
    return ValueRejected("csr-other-thing", what, why, "send the .csr file; " + _MAKE_ONE)


def _load(block: bytes, *, pem: bool) -> x509.CertificateSigningRequest:
    try:
        return x509.load_pem_x509_csr(block) if pem else x509.load_der_x509_csr(block)
    except (ValueError, x509.InvalidVersion):
        pass
    if not pem and _is_der_certificate(block):
        raise _other_block(b"CERTIFICATE")
    raise ValueRejected(
        "csr-unreadable",
        "this is not a readable PKCS #10 certificate request",
        "it is damaged, has bytes after its end, or is something else",
        "check it with: openssl req -in FILE -noout -text -verify; or " + _MAKE_ONE,
    )


def _is_der_certificate(data: bytes) -> bool:
    try:
        x509.load_der_x509_certificate(data)
    except (ValueError, x509.InvalidVersion):
        return False
    return True
