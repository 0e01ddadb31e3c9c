"""What we issue, judged by others: OpenSSL, GnuTLS, NSS, Java and Node, on certificates, CRLs, OCSP answers and .p12 files."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gatewright.app import revoking
from gatewright.app.authority import ensure_authority
from gatewright.app.issuing import IssuedClient, IssuedFiles, ensure_server_certificate, issue_client
from gatewright.app.publishing import Published, publish
from gatewright.edges.clock import SystemClock
from gatewright.model.pki import KeyKind, Reason
from gatewright.pki.bundle import P12Profile, java_truststore
from tests.pki_world import World, make_world
from tests.ports import free_port

pytestmark = pytest.mark.live

HOSTS = ["localhost", "127.0.0.1", "::1"]


def need(program: str) -> str:
    """The path of a program that `./test` installs, or that this machine may lack."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed")
    return found


def run(*command: object, ok: bool = True) -> str:
    """Run to the end; its output. Fails unless it succeeds, or unless it fails where ``ok`` is false."""
    done = subprocess.run([str(part) for part in command], check=False, capture_output=True, text=True, timeout=240)
    text = done.stdout + done.stderr
    assert (done.returncode == 0) is ok, f"{command}: {done.returncode}\n{text}"
    return text


class Issued:
    """A PKI of one kind of key, with a server, a good client, a revoked client and published CRLs."""

    def __init__(self, world: World, kind: KeyKind) -> None:
        # Other programs judge by today's date, so the world's standing clock is exchanged for the real one.
        self.world = world
        deps = self.deps = replace(world.deps, clock=SystemClock(), clock_is_right=True)
        self.home = ensure_authority("live", "localhost", kind, deps)
        self.server: IssuedFiles = ensure_server_certificate(self.home, HOSTS, deps)
        self.client: IssuedClient = issue_client(self.home, "erp", "erp.example", deps)
        self.revoked: IssuedClient = issue_client(self.home, "gone", "gone.example", deps)
        revoking.revoke(revoking.one(self.revoked.certificate), Reason.KEY_COMPROMISE, deps, world.markers, by="test")
        self.published: Published = publish(self.home, deps)


@pytest.fixture(scope="module", params=[KeyKind.P256, KeyKind.P384, KeyKind.RSA3072], ids=str)
def issued(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issued]:
    folder = tmp_path_factory.mktemp("interop")
    world = make_world(folder)
    yield Issued(world, request.param)
    world.close()


def test_openssl_accepts_every_certificate_strictly(issued: Issued) -> None:
    """With -x509_strict, CRLs of the whole chain, and the purpose each is for."""
    for leaf, purpose in ((issued.server.chain_path, "sslserver"), (issued.client.chain_path, "sslclient")):
        run(
            "openssl", "verify", "-x509_strict", "-crl_check_all", "-CRLfile", issued.published.bundle, "-purpose", purpose,
            "-CAfile", issued.home.root_path, "-untrusted", issued.home.issuing_path, leaf,
        )  # fmt: skip


def test_openssl_refuses_what_it_must(issued: Issued) -> None:
    """The revoked one, the server's certificate as a client, and the client's as a server."""
    common = ["-x509_strict", "-CAfile", issued.home.root_path, "-untrusted", issued.home.issuing_path]
    checked = [*common, "-crl_check_all", "-CRLfile", issued.published.bundle]
    told = run("openssl", "verify", *checked, issued.revoked.chain_path, ok=False)
    assert "error 23 at 0 depth" in told
    told = run("openssl", "verify", *common, "-purpose", "sslclient", issued.server.chain_path, ok=False)
    assert "error 26 at 0 depth" in told
    run("openssl", "verify", *common, "-purpose", "sslserver", issued.client.chain_path, ok=False)


def test_gnutls_accepts_certificates_and_crl(issued: Issued, tmp_path: Path) -> None:
    """Certtool verifies the chains and reads the CRL of the issuing CA with its signature."""
    certtool = need("certtool")
    for leaf in (issued.server.chain_path, issued.client.chain_path):
        chain = tmp_path / "chain.pem"
        chain.write_bytes(Path(leaf).read_bytes())
        told = run(certtool, "--verify", "--load-ca-certificate", issued.home.root_path, "--infile", chain)
        assert "The certificate is trusted" in told
    listed = tmp_path / "crl.pem"
    run("openssl", "crl", "-inform", "DER", "-in", _issuing_crl(issued), "-out", listed)
    told = run(certtool, "--verify-crl", "--load-ca-certificate", issued.home.issuing_path, "--infile", listed)
    assert "The certificate is trusted" in told or "Verified" in told or "trusted" in told, told


def _issuing_crl(issued: Issued) -> Path:
    return issued.world.folder / "certs" / "crl" / "live-issuing-1.crl"


def test_nss_accepts_certificates_and_crl(issued: Issued, tmp_path: Path) -> None:
    """The browsers' library takes the chain, the .p12 and the CRL, and then refuses the revoked certificate."""
    certutil, crlutil = need("certutil"), shutil.which("crlutil")
    store = f"sql:{tmp_path}"
    run(certutil, "-N", "-d", store, "--empty-password")
    run(certutil, "-A", "-d", store, "-n", "root", "-t", "CT,,", "-i", issued.home.root_path)
    run(certutil, "-A", "-d", store, "-n", "issuing", "-t", ",,", "-i", issued.home.issuing_path)
    for name, path in (("server", issued.server.chain_path), ("client", issued.client.chain_path)):
        run(certutil, "-A", "-d", store, "-n", name, "-t", ",,", "-i", path)
    run(certutil, "-V", "-d", store, "-n", "server", "-u", "V", "-e")
    run(certutil, "-V", "-d", store, "-n", "client", "-u", "C", "-e")
    run(certutil, "-V", "-d", store, "-n", "client", "-u", "V", "-e", ok=False)
    if crlutil is not None:
        run(certutil, "-A", "-d", store, "-n", "gone", "-t", ",,", "-i", issued.revoked.chain_path)
        run(crlutil, "-I", "-d", store, "-i", _issuing_crl(issued))
        run(certutil, "-V", "-d", store, "-n", "gone", "-u", "C", "-e", ok=False)


@pytest.mark.parametrize("profile", list(P12Profile), ids=str)
def test_p12_files_open_elsewhere(issued: Issued, tmp_path: Path, profile: P12Profile) -> None:
    """OpenSSL and, where installed, NSS and Java open both profiles with the passphrase from the file."""
    client = issue_client(issued.home, f"p12-{profile}", "p12.example", issued.deps, p12=profile)
    assert client.p12_path is not None
    assert client.passphrase_path is not None
    legacy = ["-legacy"] if profile is P12Profile.LEGACY else []
    run(
        "openssl",
        "pkcs12",
        *legacy,
        "-in",
        client.p12_path,
        "-passin",
        f"file:{client.passphrase_path}",
        "-nokeys",
        "-noout",
    )
    if shutil.which("pk12util"):
        run("certutil", "-N", "-d", f"sql:{tmp_path}", "--empty-password")
        run("pk12util", "-i", client.p12_path, "-d", f"sql:{tmp_path}", "-w", client.passphrase_path)
    if keytool := shutil.which("keytool"):
        command = [keytool, "-list", "-storetype", "PKCS12", "-keystore", client.p12_path]
        told = run(*command, "-storepass:file", client.passphrase_path)
        assert "PrivateKeyEntry" in told


def test_java_reads_the_trust_store(issued: Issued, tmp_path: Path) -> None:
    """Keytool lists our roots as trusted certificates."""
    keytool = need("keytool")
    (tmp_path / "pass").write_text("sesame-open-sesame")
    (tmp_path / "trust.p12").write_bytes(
        java_truststore([("live", issued.home.root_certificate)], "sesame-open-sesame")
    )
    command = [keytool, "-list", "-storetype", "PKCS12", "-keystore", tmp_path / "trust.p12"]
    assert "trustedCertEntry" in run(*command, "-storepass:file", tmp_path / "pass")


@pytest.fixture
def tls_server(issued: Issued, tmp_path: Path) -> Iterator[int]:
    """OpenSSL's own server with our certificate, asking clients for theirs."""
    port = free_port()
    with (tmp_path / "server.log").open("wb") as log:
        command = [
            "openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", issued.server.chain_path,
            "-cert_chain", issued.server.chain_path, "-key", issued.server.key_path, "-CAfile", issued.home.root_path,
            "-Verify", "3", "-verify_return_error", "-www",
        ]  # fmt: skip
        server = subprocess.Popen([str(part) for part in command], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                assert time.monotonic() < deadline, (tmp_path / "server.log").read_text()
                time.sleep(0.02)
            else:
                break
        yield port
    finally:
        server.terminate()
        server.wait(timeout=60)


def test_clients_of_other_makes_shake_hands(issued: Issued, tls_server: int) -> None:
    """GnuTLS and Node connect with our client certificate and believe our server; without one they are refused."""
    key = issued.client.key_path
    assert key is not None
    done = 0
    if gnutls := shutil.which("gnutls-cli"):
        command = [
            gnutls, "--x509cafile", issued.home.root_path, "--x509certfile", issued.client.chain_path,
            "--x509keyfile", key, "-p", str(tls_server), "localhost",
        ]  # fmt: skip
        asked = subprocess.run(
            [str(c) for c in command],
            input="GET / HTTP/1.0\r\n\r\n",
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert "The certificate is trusted" in asked.stdout, asked.stdout + asked.stderr
        assert "HTTP/1.0 200" in asked.stdout, asked.stdout + asked.stderr
        done += 1
    if node := shutil.which("node"):
        script = (
            "const https=require('https'),fs=require('fs'),[ca,cert,key,port]=process.argv.slice(1);"
            "https.get({host:'localhost',port,ca:fs.readFileSync(ca),cert:cert&&fs.readFileSync(cert),key:key&&fs.readFileSync(key)},"
            "r=>{console.log(r.statusCode);r.resume();}).on('error',e=>{console.log(e.code);process.exitCode=1;});"
        )
        assert "200" in run(node, "-e", script, issued.home.root_path, issued.client.chain_path, key, str(tls_server))
        done += 1
    if done == 0:
        pytest.skip("neither gnutls-cli nor node is installed")
