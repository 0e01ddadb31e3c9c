"""What backends are told of a client: each field exact, nothing injected by odd names, nothing of the client's own."""

from __future__ import annotations

import base64
import json
import re
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from gatewright.compile.passes.identity import OURS, spellings
from tests.live.backend import backend
from tests.live.conftest import Lab
from tests.live.httpd import Running, curl, running
from tests.live.pki import CLIENT, make, name

pytestmark = pytest.mark.live

GATEWAY = """
gateway: localhost
listen: 0
authorities:
  home: {{ managed: true }}
routes:
  /all/:
    access: any-client
    backend:
      url: http://127.0.0.1:{port}
      identity: [client-cert, x-client-subject, x-client-issuer, x-client-serial, x-client-not-after, x-client-dns,
                 x-client-email, xfcc, x-ssl-client]
  /quiet/: {{ access: any-client, backend: {{ url: "http://127.0.0.1:{port}", identity: [nothing] }} }}
  /raw/:   {{ access: any-client, backend: {{ url: "http://127.0.0.1:{raw}", keep_alive: false }} }}
"""
VERSIONS = ("--http1.1", "--http2")


class Raw:
    """A server that keeps every byte it is sent, trailers included, which Python's own would not show."""

    def __init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listening.getsockname()[1])
        self.requests: list[bytes] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            with connection:
                data = b""
                while b"\r\n0\r\n" not in data or not data.endswith(b"\r\n\r\n"):
                    more = connection.recv(65536)
                    if not more:
                        break
                    data += more
                self.requests.append(data)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")


@contextmanager
def raw_server() -> Iterator[Raw]:
    server = Raw()
    try:
        yield server
    finally:
        server.listening.close()


@pytest.fixture(scope="module")
def raw() -> Iterator[Raw]:
    with raw_server() as server:
        yield server


@pytest.fixture(scope="module")
def gate(lab: Lab, open_folder: Path, raw: Raw) -> Iterator[Running]:
    with (
        backend() as port,
        running(GATEWAY.format(port=port, raw=raw.port), open_folder, {"home": lab.home}) as gate,
    ):
        gate.expect("AH01630")
        yield gate


def told(gate: Running, path: str, *arguments: str) -> dict[str, str]:
    """What the backend was sent, by lower-case name; a name sent twice fails."""
    done = curl(gate, path, *arguments)
    found: dict[str, str] = {}
    for field, value in json.loads(done.stdout.rpartition("\n")[0])["headers"]:
        assert field.lower() not in found, f"{field} came twice"
        found[field.lower()] = value
    return found


def agrees(sent: dict[str, str], certificate: x509.Certificate) -> None:
    """Every field says what the certificate says, and none holds a blank or anything that could end it."""
    pem = certificate.public_bytes(Encoding.PEM).decode()
    der = certificate.public_bytes(Encoding.DER)
    ours = {field: value for field, value in sent.items() if field in {o.lower() for o in OURS}}
    assert all(re.fullmatch(r"[\x21-\x7e]*", value) for value in ours.values())
    assert len(ours) == 13
    assert base64.b64decode(sent["client-cert"].removeprefix(":").removesuffix(":"), validate=True) == der
    for field in ("x-client-serial", "x-ssl-client-serial"):
        assert int(sent[field], 16) == certificate.serial_number
    for field in ("x-client-subject", "x-ssl-client-s-dn"):
        assert unquote(sent[field]) == openssl(certificate, "-subject").removeprefix("subject=")
    assert sent["x-client-issuer"] == sent["x-ssl-client-i-dn"] == "CN=home%20issuing"
    assert sent["x-ssl-client-verify"] == "SUCCESS"
    assert unquote(sent["x-ssl-client-cert"]) == pem
    ended = openssl(certificate, "-enddate").removeprefix("notAfter=")
    assert unquote(sent["x-client-not-after"]) == ended
    # Envoy's element: exactly two keys, each quoted, no quote within.
    element = re.fullmatch(r'Cert="([^"]*)";Subject="([^"]*)"', sent["x-forwarded-client-cert"])
    assert element
    assert "+" not in element[1]
    assert unquote(element[1]) == pem
    assert element[2] == sent["x-client-subject"]
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    for field, kind in (("x-client-dns", x509.DNSName), ("x-client-email", x509.RFC822Name)):
        assert [unquote(one) for one in sent[field].split(",") if one] == names.get_values_for_type(kind)[:8]


def openssl(certificate: x509.Certificate, what: str) -> str:
    """OpenSSL's own reading, which is httpd's."""
    done = subprocess.run(
        ["openssl", "x509", "-noout", what, "-nameopt", "RFC2253,-esc_msb"],
        input=certificate.public_bytes(Encoding.PEM),
        capture_output=True,
        check=True,
    )
    return done.stdout.decode().strip("\n")


@pytest.mark.parametrize("version", VERSIONS)
def test_every_field_says_what_the_certificate_says(gate: Running, lab: Lab, version: str) -> None:
    """All that can be chosen arrives, each field in its own form."""
    certificate = x509.load_pem_x509_certificates(lab.clients["alice"][0].read_bytes())[0]
    agrees(told(gate, "/all/x", version, *lab.arguments("alice")), certificate)


def test_a_backend_that_is_told_nothing_is_told_nothing(gate: Running, lab: Lab) -> None:
    """No field of identity at all arrives."""
    sent = told(gate, "/quiet/x", *lab.arguments("alice"))
    assert not {o.lower() for o in OURS} & set(sent)


EVIL = 'x";Hash=aa;URI="spiffe://evil'
NAMES: dict[str, tuple[str, list[str], list[str]]] = {
    "quote and semicolon": (EVIL, ["alice.example.org"], []),
    "comma": ("a,CN=root", ["a,b.example", "c.example"], []),
    "line ends": ("a\r\nX-Client-Subject: CN=root\r\n\r\n", ["alice.example.org"], []),
    "percent": ("100%%0d%0a%2C", ["a%2Cb.example"], []),
    "backslash and plus": ("a\\,b+OU=x", ["alice.example.org"], []),
    "unicode": ("Größe 日本語 €", ["xn--gre-6ka8i.example"], ["mailer@globex.example"]),
    "blanks": ("  a  b  ", ["a b.example"], []),
    "markup": ("<script>alert(1)</script>", ["<b>.example"], []),
    "expression": ("%{SSL_CLIENT_VERIFY} ${HOME} $1 %t", ["%t.example"], ["$1@a.example"]),
    "many names": ("many", [f"n{number}.example" for number in range(10)], [f"m{n}@a.example" for n in range(9)]),
    "long": ("x" * 60, [f"{'a' * 60}.{'b' * 60}.{'c' * 60}.example"], []),
    "no names": ("none", ["."], []),
    "colon": (":AAAA:", ["alice.example.org"], []),
    "armour": ("-----END CERTIFICATE-----", ["alice.example.org"], []),
    "tab and escape": ("a\tb\x1b[31m\x7f", ["alice.example.org"], []),
}


@pytest.mark.parametrize("case", NAMES)
def test_no_name_breaks_out_of_its_field(gate: Running, lab: Lab, tmp_path: Path, case: str) -> None:
    """Hostile names and alternative names arrive as they are, each in its own field, in both versions of HTTP."""
    common, dns, emails = NAMES[case]
    sans = [*map(x509.DNSName, dns), *map(x509.RFC822Name, emails)]
    pair = make(name(common, (NameOID.ORGANIZATION_NAME, EVIL)), lab.home, usage=[CLIENT], sans=sans)
    certificate, key = pair.write(tmp_path, "odd")
    for version in VERSIONS:
        sent = told(gate, "/all/x", version, "--cert", str(certificate), "--key", str(key))
        agrees(sent, pair.certificate)


def test_the_client_says_nothing_in_any_spelling(gate: Running, lab: Lab) -> None:
    """Every spelling of every field that a backend may believe is taken from the request, in both versions of HTTP."""
    lies = [s for o in OURS for s in spellings(o, ("-", "_", "."))]
    lies += [
        s for o in ("X-SSL-Client-M-Serial", "X-Amzn-Mtls-Clientcert-Serial-Number") for s in spellings(o, ("-", "_"))
    ]
    lies += ["X.Remote.User", "SSL.Client.S.DN", "X.Forwarded.For"]
    lies += ["Content_Length", "Content.Length", "Transfer_Encoding", "transfer.encoding"]
    for version in VERSIONS:
        for start in range(0, len(lies), 90):
            headers = [word for lie in lies[start : start + 90] for word in ("-H", f"{lie}: gatewright-lie")]
            for path in ("/all/x", "/quiet/x"):
                sent = told(gate, path, version, *lab.arguments("alice"), *headers)
                assert not [field for field, value in sent.items() if "gatewright-lie" in value]
    # The negative twin: another field passes, so those above would be seen.
    assert told(gate, "/all/x", *lab.arguments("alice"), "-H", "X-Else: gatewright-lie")["x-else"] == "gatewright-lie"


def test_connection_takes_nothing_away(gate: Running, lab: Lab) -> None:
    """A client that names our fields in Connection does not have them removed."""
    usual = set(told(gate, "/all/x", "--http1.1", *lab.arguments("alice")))
    for named in (", ".join(OURS), "keep-alive,X-Forwarded-Client-Cert", "x-ssl-client-s-dn ; close"):
        sent = told(gate, "/all/x", "--http1.1", *lab.arguments("alice"), "-H", f"Connection: {named}")
        assert usual <= set(sent)


# With a character that no base64 of a certificate has.
LIE = b"gatewright-lie"
TRAILERS = b"Client-Cert: :%s:\r\nX-Client-Subject: %s\r\nX-Gateway-Signature: %s\r\n" % (LIE, LIE, LIE)
BODY = b"x" * 200_000


def chunked(port: int, path: str) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost:{port}\r\nTransfer-Encoding: chunked\r\nTrailer: Client-Cert\r\nTE: trailers\r\n\r\n"
    return head.encode() + b"%x\r\n%s\r\n0\r\n" % (len(BODY), BODY) + TRAILERS + b"\r\n"


def test_trailers_do_not_reach_a_backend(gate: Running, lab: Lab, raw: Raw) -> None:
    """What a client says after the body, in HTTP/1.1 and HTTP/2, goes nowhere: mod_proxy ends every body without trailers."""
    context = ssl.create_default_context(cafile=str(gate.server_root))
    context.load_cert_chain(*map(str, lab.clients["alice"]))
    with (
        socket.create_connection(("127.0.0.1", gate.port)) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as talk,
    ):
        talk.settimeout(60)
        talk.sendall(chunked(gate.port, "/raw/x"))
        assert b" 200 " in talk.recv(65536)
    body = gate.folder / "body"
    body.write_bytes(BODY)
    certificate, key = lab.clients["alice"]
    nghttp = shutil.which("nghttp")
    assert nghttp
    trailers = [f"--trailer={line.lower()}" for line in TRAILERS.decode().splitlines()]
    words = [nghttp, f"--cert={certificate}", f"--key={key}", "-d", str(body), "--no-content-length", *trailers]
    subprocess.run([*words, f"https://localhost:{gate.port}/raw/x"], check=True, capture_output=True, timeout=120)
    assert len(raw.requests) == 2
    for request in raw.requests:
        assert request.endswith(b"\r\n0\r\n\r\n")
        assert LIE not in request
        assert b"\r\nTrailer:" not in request
        assert b"Client-Cert: :MI" in request


def test_twin_without_a_gateway_trailers_are_seen() -> None:
    """The same bytes straight to the same server show their trailers, so the test above can fail."""
    with raw_server() as server, socket.create_connection(("127.0.0.1", server.port)) as talk:
        talk.sendall(chunked(server.port, "/raw/x"))
        assert b" 200 " in talk.recv(65536)
        assert TRAILERS in server.requests[0]
