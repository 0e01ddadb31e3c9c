"""How mod_ssl spells names decides who is let in: our spelling must be the same to the byte, or a route is shut or open wrongly."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import ExtendedKeyUsageOID as Eku
from cryptography.x509.oid import NameOID as N

from gatewright.edges.openssl import OpenSsl
from tests.ports import free_port

pytestmark = pytest.mark.live

HTTPD = shutil.which("apache2") or shutil.which("httpd") or "/usr/sbin/apache2"
MODULES = Path("/usr/lib/apache2/modules")


def one(*attributes: x509.NameAttribute[str]) -> x509.Name:
    return x509.Name(attributes)


def bmp(text: str) -> x509.NameAttribute[str]:
    return x509.NameAttribute(N.COMMON_NAME, text, _ASN1Type.BMPString)


NAMES: dict[str, x509.Name] = {
    "plain": one(
        x509.NameAttribute(N.COUNTRY_NAME, "DE"),
        x509.NameAttribute(N.ORGANIZATION_NAME, "Globex"),
        x509.NameAttribute(N.COMMON_NAME, "erp"),
    ),
    "utf-8": one(
        x509.NameAttribute(N.ORGANIZATION_NAME, "Grüße & Söhne €"), x509.NameAttribute(N.COMMON_NAME, "日本語 😀")
    ),
    "comma and plus": one(
        x509.NameAttribute(N.ORGANIZATION_NAME, "A, B + C; D"), x509.NameAttribute(N.COMMON_NAME, "a=b<c>")
    ),
    "quotes and backslash": one(x509.NameAttribute(N.COMMON_NAME, "the \"real\" \\ one 'x'")),
    "leading and trailing space": one(x509.NameAttribute(N.COMMON_NAME, "  two each  ")),
    "leading hash": one(x509.NameAttribute(N.COMMON_NAME, "#1 partner # x")),
    "several values in one part": x509.Name(
        [
            x509.RelativeDistinguishedName([x509.NameAttribute(N.ORGANIZATION_NAME, "O1")]),
            x509.RelativeDistinguishedName(
                [
                    x509.NameAttribute(N.COMMON_NAME, "joined"),
                    x509.NameAttribute(N.SERIAL_NUMBER, "42"),
                    x509.NameAttribute(N.USER_ID, "u1"),
                ]
            ),
        ]
    ),
    "BMPString": one(bmp("Größe ‖ x")),
    "T61String": one(x509.NameAttribute(N.COMMON_NAME, "caf\u00e9", _ASN1Type.T61String)),
    "e-mail, DC, serialNumber, unknown type": one(
        x509.NameAttribute(N.DOMAIN_COMPONENT, "org"),
        x509.NameAttribute(N.DOMAIN_COMPONENT, "example"),
        x509.NameAttribute(N.EMAIL_ADDRESS, "a+b@example.org"),
        x509.NameAttribute(N.SERIAL_NUMBER, "HRB 1, 2"),
        x509.NameAttribute(x509.ObjectIdentifier("1.2.3.4.5"), "odd"),
        x509.NameAttribute(N.COMMON_NAME, "x"),
    ),
    "control characters": one(x509.NameAttribute(N.COMMON_NAME, "line\nfeed\ttab\x7fdel\x00nul")),
    "slashes and percent": one(x509.NameAttribute(N.COMMON_NAME, "/CN=evil/O=%{SSL_CLIENT_S_DN}${PATH}")),
    "two common names": one(x509.NameAttribute(N.COMMON_NAME, "first"), x509.NameAttribute(N.COMMON_NAME, "second")),
    "right-to-left and zero width": one(x509.NameAttribute(N.COMMON_NAME, "a\u202eb\u200bc")),
}

NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)


def build(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    *,
    ca: bool,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if not ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage([Eku.CLIENT_AUTH]), critical=False)
    return builder.sign(signer, hashes.SHA256())


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@contextlib.contextmanager
def httpd(folder: Path, trusted: str, server: bytes, key: bytes) -> Iterator[int]:
    """A private httpd that answers with the names it saw, base64 encoded; yields its port."""
    port = free_port()
    (folder / "trusted.pem").write_text(trusted)
    (folder / "server.pem").write_bytes(server)
    (folder / "server.key").write_bytes(key)
    modules = ["mpm_event", "authz_core", "ssl", "headers", "unixd"]
    # A module without a file is compiled in.
    present = [m for m in modules if (MODULES / f"mod_{m}.so").exists()]
    lines = [f"LoadModule {m}_module {MODULES}/mod_{m}.so" for m in present]
    if os.getuid() == 0:
        lines += ["User www-data", "Group www-data"]
    lines += [
        f'ServerRoot "{folder}"',
        f"Listen 127.0.0.1:{port}",
        f"ServerName localhost:{port}",
        f"DefaultRuntimeDir {folder}",
        f"PidFile {folder}/pid",
        f"ErrorLog {folder}/log",
        "Mutex file:. default",
        "StartServers 1",
        "SSLEngine on",
        f"SSLCertificateFile {folder}/server.pem",
        f"SSLCertificateKeyFile {folder}/server.key",
        f"SSLCACertificateFile {folder}/trusted.pem",
        f"SSLCADNRequestFile {folder}/server.pem",
        "SSLVerifyClient optional",
        "SSLVerifyDepth 0",
        'Header always set X-Subject "expr=%{base64:%{SSL_CLIENT_S_DN}}"',
        'Header always set X-Issuer "expr=%{base64:%{SSL_CLIENT_I_DN}}"',
        'Header always set X-Verify "expr=%{SSL_CLIENT_VERIFY}"',
    ]
    (folder / "httpd.conf").write_text("\n".join(lines) + "\n")
    process = subprocess.Popen(
        [HTTPD, "-X", "-f", str(folder / "httpd.conf")], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"httpd did not start: {process.stderr.read() if process.stderr else ''!r}")
                time.sleep(0.02)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def names_seen(port: int, client: Path) -> dict[str, str]:
    """One request with the certificate and key in ``client``; the response headers, lower-case."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.load_cert_chain(client)
    with (
        socket.create_connection(("127.0.0.1", port), timeout=60) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as tls,
    ):
        tls.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: tls.recv(65536), b""))
    head = answer.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head)}


@pytest.fixture(scope="module")
def spellings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str, str, str]]:
    """For each odd name: (subject ours, subject httpd's, issuer ours, issuer httpd's)."""
    folder = tmp_path_factory.mktemp("dn")
    openssl = OpenSsl()
    signer = ec.generate_private_key(ec.SECP256R1())
    server = build(NAMES["plain"], NAMES["plain"], signer, signer, ca=False)
    cas, clients = [], {}
    for label, name in NAMES.items():
        ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        # Subject and issuer both carry the odd name, told apart by one more part so that nothing is self-issued.
        issuer = x509.Name(
            [*name.rdns, x509.RelativeDistinguishedName([x509.NameAttribute(N.ORGANIZATIONAL_UNIT_NAME, "CA")])]
        )
        ca = build(issuer, x509.Name([x509.NameAttribute(N.COMMON_NAME, "root")]), ca_key, signer, ca=True)
        leaf = build(name, issuer, key, ca_key, ca=False)
        cas.append(openssl.trusted(ca.public_bytes(Encoding.PEM)))
        path = folder / f"{len(cas)}.pem"
        path.write_bytes(leaf.public_bytes(Encoding.PEM) + key_pem(key))
        clients[label] = (path, ca.public_bytes(Encoding.PEM), leaf.public_bytes(Encoding.PEM))
    seen = {}
    with httpd(folder, "".join(cas), server.public_bytes(Encoding.PEM), key_pem(signer)) as port:
        for label, (path, ca_pem, leaf_pem) in clients.items():
            answer = names_seen(port, path)
            assert answer["x-verify"] == "SUCCESS", label
            theirs = [base64.b64decode(answer[h]).decode("utf-8", "surrogateescape") for h in ("x-subject", "x-issuer")]
            seen[label] = (openssl.subject(leaf_pem), theirs[0], openssl.subject(ca_pem), theirs[1])
    return seen


@pytest.mark.parametrize("label", NAMES)
def test_names_are_spelled_as_mod_ssl_spells_them(label: str, spellings: dict[str, tuple[str, str, str, str]]) -> None:
    """`OpenSsl.subject` gives exactly what `SSL_CLIENT_S_DN` and `SSL_CLIENT_I_DN` hold in a real httpd."""
    our_subject, their_subject, our_issuer, their_issuer = spellings[label]
    assert (our_subject, our_issuer) == (their_subject, their_issuer)


def test_different_names_have_different_spellings(spellings: dict[str, tuple[str, str, str, str]]) -> None:
    """No two of the odd names are spelled alike, so comparing spellings cannot confuse them."""
    subjects = [ours for ours, *_ in spellings.values()]
    assert len(set(subjects)) == len(subjects)
