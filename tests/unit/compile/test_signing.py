"""The lines that sign, to the letter, and what they compute, checked against a calculation written down here."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.compile.made import SECRET, inputs

from gatewright.compile.gateway import compile_gateway
from gatewright.model.machine import OutputFile

TEXT = """\
gateway: api.example.org
listen: 8443
authorities:
  home: { managed: true }
routes:
  /orders/: { access: any-client, backend: { url: "http://127.0.0.1:9001", signed: orders } }
"""
MESSAGE = (
    "gatewright-1 %{req_novary:X-Gateway-Time} %{req_novary:X-Gateway-Request} %{REQUEST_METHOD} %{HTTP_HOST} %{REMOTE_ADDR} "
    "%{req_novary:X-Gateway-Target} %{req_novary:Client-Cert} %{req_novary:X-Client-Subject} %{req_novary:X-Client-Issuer} "
    "%{req_novary:X-Client-Serial} %{req_novary:X-Client-Not-After} %{req_novary:X-Client-DNS} %{req_novary:X-Client-Email} "
    "%{req_novary:X-Forwarded-Client-Cert} %{req_novary:X-SSL-Client-Cert} %{req_novary:X-SSL-Client-Verify} "
    "%{req_novary:X-SSL-Client-S-DN} %{req_novary:X-SSL-Client-I-DN} %{req_novary:X-SSL-Client-Serial} "
    "%{req_novary:X-Basic-User} %{req_novary:X-Token-Subject}"
)


def files(text: str = TEXT) -> dict[str, OutputFile]:
    return {str(file.path): file for file in compile_gateway(inputs(text)).files}


def test_the_file_that_signs_is_this() -> None:
    """Time, identifier and target are set first, then everything is signed with the inner and the outer key."""
    signing = files()["sign-orders.conf"]
    inner, outer = SECRET[:64], SECRET[64:]
    assert signing.content.decode().splitlines()[1:] == [
        "RequestHeader set X-Gateway-Time %t",
        'RequestHeader edit X-Gateway-Time "^t=" ""',
        'RequestHeader set X-Gateway-Request "expr=%{reqenv:UNIQUE_ID}"',
        'RequestHeader set X-Gateway-Target "expr=%{REQUEST_FILENAME}"',
        'RequestHeader edit X-Gateway-Target "^proxy:(unix:[^|]*[|])?https?://[^/]*" ""',
        f'RequestHeader set X-Gateway-Signature "expr=v1=%{{sha1:{outer}%{{sha1:{inner}{MESSAGE}}}}}"',
    ]


def test_secrets_stand_in_that_file_only() -> None:
    """Only its owner may read the file, it is not published, and no other file holds a key."""
    made = files()
    assert made["sign-orders.conf"].mode == 0o600
    assert not made["sign-orders.conf"].public
    others = [name for name, file in made.items() if SECRET[:64].encode() in file.content]
    assert others == ["sign-orders.conf"]


def test_twin_without_the_key_nothing_is_signed() -> None:
    """A gateway file that signs nothing has no such file and no such line."""
    made = files(TEXT.replace(", signed: orders", ""))
    assert not [name for name in made if name.startswith("sign-")]
    assert b"Include sign" not in made["httpd.conf"].content


def test_a_secret_that_was_not_read_is_no_empty_one() -> None:
    """Compiling without the secret fails; it never signs with nothing."""
    with pytest.raises(KeyError):
        compile_gateway(replace(inputs(TEXT), secrets={}))
