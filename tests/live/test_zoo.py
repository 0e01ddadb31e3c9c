"""The zoo goes through a real httpd: no name injects a header, none is taken for another, and the server lives on."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gatewright.edges.openssl import OpenSsl
from tests.live.backend import backend
from tests.live.conftest import Lab
from tests.live.httpd import Running, running
from tests.vectors.zoo import CASES, CLIENTS, Case
from tests.vectors.zoo.kit import EMAIL, SAN, SERIAL, loaded

pytestmark = [
    pytest.mark.live,
    pytest.mark.filterwarnings("ignore:Parsed a serial number which wasn't positive"),
]

GATEWAY = f"""
gateway: localhost
listen: 0
authorities:
  globex: {{{{ anchor: globex.pem }}}}
clients:
  san:     {{{{ authority: globex, san: {SAN} }}}}
  subject: {{{{ authority: globex, subject: {{{{ organization: Globex, common_name: erp }}}} }}}}
  email:   {{{{ authority: globex, email: {EMAIL} }}}}
  serial:  {{{{ authority: globex, serial: "{SERIAL}" }}}}
routes:
  /alive:    {{{{ respond: {{{{ text: alive }}}}, access: public }}}}
  /echo/:    {{{{ backend: "http://127.0.0.1:{{port}}", access: any-client }}}}
  /san/:     {{{{ respond: {{{{ text: "yes" }}}}, access: [san] }}}}
  /subject/: {{{{ respond: {{{{ text: "yes" }}}}, access: [subject] }}}}
  /email/:   {{{{ respond: {{{{ text: "yes" }}}}, access: [email] }}}}
  /serial/:  {{{{ respond: {{{{ text: "yes" }}}}, access: [serial] }}}}
"""

# What the gateway adds to the request of a client that sends nothing but Host and Accept-Encoding.
ADDED = {
    "host", "accept-encoding", "client-cert", "x-client-subject", "x-client-issuer", "x-client-serial", "x-forwarded-proto",
    "x-forwarded-for", "x-forwarded-host", "x-forwarded-server", "connection", "keep-alive",
}  # fmt: skip

# Too long for a header line: this backend says 431 by itself (Python's http.server, 65,536 octets).
TOO_LONG = {"rfc5280_a_1_a_common_name_of_64_kb": 431}


# Not even loaded by OpenSSL, which both this client and httpd use: no such certificate comes as far as a handshake.
UNLOADABLE = {"rfc5280_4_2_the_extension_twice", "rfc3629_3_utf8string_that_is_none"}
LOADABLE = [case for case in CASES if case.name not in UNLOADABLE]


@pytest.fixture(scope="module")
def gate(lab: Lab, open_folder: Path) -> Iterator[Running]:
    """A gateway in front of a backend that echoes what it is sent."""
    with backend() as port, running(GATEWAY.format(port=port), open_folder, {"globex": lab.globex}) as gate:
        gate.expect("AH01630")  # denied
        yield gate


@contextlib.contextmanager
def connected(gate: Running, case: Case, lab: Lab) -> Iterator[tuple[http.client.HTTPSConnection, bytes]]:
    """A connection that presents the case's certificate, and that certificate."""
    der, key = case.build(lab.globex.certificate, lab.globex.key)
    file = gate.folder / "zoo.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(ssl.DER_cert_to_PEM_cert(der).encode() + private)
    context = ssl.create_default_context(cafile=str(gate.server_root))
    context.load_cert_chain(file)
    connection = http.client.HTTPSConnection("localhost", gate.port, timeout=60, context=context)
    with contextlib.closing(connection):
        yield connection, der


def get(connection: http.client.HTTPSConnection, path: str) -> tuple[int, bytes]:
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read()


@pytest.mark.parametrize("case", LOADABLE, ids=lambda c: c.name)
def test_the_backend_learns_exactly_who_it_is(gate: Running, lab: Lab, case: Case) -> None:
    """What reaches the backend decodes to that certificate and its subject, in headers of our own only, once each."""
    with connected(gate, case, lab) as (connection, der):
        status, body = get(connection, "/echo/x")
        if case.name in TOO_LONG:
            assert status == TOO_LONG[case.name]
            return
        assert status == 200, body
        pairs = json.loads(body)["headers"]
    names = [name.lower() for name, _ in pairs]
    assert len(names) == len(set(names))
    assert set(names) <= ADDED
    sent = {name.lower(): value for name, value in pairs}
    assert base64.b64decode(sent["client-cert"].strip(":"), validate=True) == der
    assert all(32 <= ord(c) < 127 for value in sent.values() for c in value)
    pem = ssl.DER_cert_to_PEM_cert(der).encode()
    assert unquote_to_bytes(sent["x-client-subject"]).decode("utf-8", "surrogateescape") == OpenSsl().subject(pem)


@pytest.mark.parametrize("case", LOADABLE, ids=lambda c: c.name)
def test_httpd_and_the_matcher_agree(gate: Running, lab: Lab, case: Case) -> None:
    """Where httpd compares by itself, it admits exactly the certificates that the exact matcher matches."""
    with connected(gate, case, lab) as (connection, der):
        for client in ("san", "subject", "email", "serial"):
            status, body = get(connection, f"/{client}/")
            expected = 200 if case.loads and CLIENTS[client](loaded(der)).matches else 403
            assert (client, status) == (client, expected)
            if status == 403:
                told = json.loads(body)
                assert told["error"] == "certificate_not_authorised"
        assert get(connection, "/alive")[0] == 200


@pytest.mark.parametrize("case", [c for c in CASES if c.name in UNLOADABLE], ids=lambda c: c.name)
def test_openssl_refuses_to_load_it(gate: Running, lab: Lab, case: Case) -> None:
    """The library that httpd reads certificates with says no to these by itself."""
    with pytest.raises(ssl.SSLError), connected(gate, case, lab):
        pass


def test_the_server_lives_on(gate: Running, lab: Lab) -> None:
    """After the whole zoo no child of httpd has died, and an honest client is served."""
    for case in LOADABLE:
        with connected(gate, case, lab) as (connection, _):
            assert get(connection, "/alive")[0] == 200
    log = gate.error_log
    assert not any(number in log for number in ("AH00051", "AH00052", "AH00050"))
