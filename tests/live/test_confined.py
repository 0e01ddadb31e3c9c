"""Authorities that can vouch for some names only: OpenSSL, GnuTLS, NSS and Java hold them to it, and so does the gateway."""

from __future__ import annotations

import itertools
import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cryptography import x509

from gatewright.app.authority import AuthorityState, PkiDeps, ensure_authority
from gatewright.app.issuing import ensure_server_certificate, issue_client
from gatewright.edges.clock import SystemClock
from gatewright.model.pki import KeyKind, ProfileName
from gatewright.pki import build, bundle
from gatewright.pki.confinement import confined_to, names_left
from gatewright.pki.keys import generate
from gatewright.pki.names import alternative_names, distinguished_name
from gatewright.pki.profiles import PROFILES
from gatewright.prove.cases import Kind
from tests.live.conftest import Lab
from tests.live.gate import running_gateway
from tests.live.httpd import running
from tests.live.proving import prove
from tests.live.test_pki_interop import need
from tests.pki_world import make_world

pytestmark = pytest.mark.live

LOCAL = ("localhost", "127.0.0.1", "::1")
CONFINED = {"localhost and its addresses": LOCAL, "a name and no address": ("example.org",)}
GOOD = {"localhost and its addresses": LOCAL, "a name and no address": ("example.org", "www.example.org")}
EVIL = ("www.bank.example", "localhost.bank.example", "192.0.2.1", "2001:db8::1")


@dataclass(frozen=True)
class Confined:
    """An authority and what it issued: within its names, and, by its key's thief, outside of them."""

    home: AuthorityState
    deps: PkiDeps
    folder: Path
    server: Path
    client: Path

    def forged(self, name: str, *, by_root: bool = False) -> Path:
        """A server's certificate that no command of ours would issue: signed by a thief of the issuing CA's key.

        ``by_root``: of the root's key, who also makes an issuing CA without constraints.
        """
        issuing = build.Issuer(self.home.issuing_certificate, self.deps.keystore.load(self.home.issuing.key))
        if by_root:
            root = build.Issuer(self.home.root_certificate, self.deps.keystore.load(self.home.root.key))
            key = generate(KeyKind.P256)
            rogue = build.issuing_ca(
                root, key.public_key(), name=distinguished_name("rogue"), serial=self.deps.randomness.serial(), now=self.deps.clock.now()
            )  # fmt: skip
            issuing = build.Issuer(rogue, key)
        made = build.leaf(
            issuing, PROFILES[ProfileName.SERVER], generate(KeyKind.P256).public_key(), name=distinguished_name("forged"),
            alternative_names=alternative_names([name]), serial=self.deps.randomness.serial(), now=self.deps.clock.now(),
        )  # fmt: skip
        path = self.folder / f"forged-{name.replace(':', '.')}-{by_root}.pem"
        path.write_bytes(bundle.chain([made, issuing.certificate]))
        return path


@pytest.fixture(scope="module", params=CONFINED)
def confined(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Confined]:
    """A confined authority of each kind, with a server's and a client's certificate."""
    world = make_world(tmp_path_factory.mktemp("confined"))
    deps = replace(world.deps, clock=SystemClock(), clock_is_right=True)
    home = ensure_authority("bound", "localhost", KeyKind.P256, deps, constraints=confined_to(CONFINED[request.param]))
    good = GOOD[request.param]
    server = ensure_server_certificate(home, good, deps)
    client = issue_client(home, "demo", f"demo-client.{good[0]}", deps)
    yield Confined(home, deps, world.folder, Path(server.chain_path), Path(client.chain_path))
    world.close()


Judge = Callable[[Confined, Path, bool], bool]
"""Whether a chain is good below the root, for a server or for a client."""


def said(*words: object) -> tuple[int, str]:
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=240, check=False)
    return done.returncode, done.stdout + done.stderr


def openssl(confined: Confined, chain: Path, server: bool) -> bool:
    purpose = "sslserver" if server else "sslclient"
    common = ["-x509_strict", "-purpose", purpose, "-CAfile", confined.home.root_path, "-untrusted", chain]
    code, told = said("openssl", "verify", *common, chain)
    assert code == 0 or "permitted subtree violation" in told or "excluded subtree violation" in told, told
    return code == 0


def gnutls(confined: Confined, chain: Path, server: bool) -> bool:
    purpose = "1.3.6.1.5.5.7.3.1" if server else "1.3.6.1.5.5.7.3.2"
    common = ["--verify", "--load-ca-certificate", confined.home.root_path, "--verify-purpose", purpose]
    _, told = said(need("certtool"), *common, "--infile", chain)
    return "Chain verification output: Verified." in told


def nss(confined: Confined, chain: Path, server: bool) -> bool:
    store = confined.folder / f"nss-{chain.stem}"
    certutil = need("certutil")
    store.mkdir(exist_ok=True)
    said(certutil, "-N", "-d", f"sql:{store}", "--empty-password")
    _, issuing = x509.load_pem_x509_certificates(chain.read_bytes())
    above = store / "issuing.pem"
    above.write_bytes(build.pem(issuing))
    for name, trust, path in (
        ("root", "CT,,", confined.home.root_path),
        ("issuing", ",,", above),
        ("leaf", ",,", chain),
    ):
        code, told = said(certutil, "-A", "-d", f"sql:{store}", "-n", name, "-t", trust, "-i", path)
        assert code == 0, told
    code, told = said(certutil, "-V", "-d", f"sql:{store}", "-n", "leaf", "-u", "V" if server else "C", "-e")
    return code == 0


JAVA = """
import java.io.*; import java.nio.file.*; import java.security.KeyStore; import java.security.cert.*; import java.util.*;
import javax.net.ssl.*;
public class Judge {
  public static void main(String[] files) throws Exception {
    CertificateFactory x509 = CertificateFactory.getInstance("X.509");
    KeyStore trusted = KeyStore.getInstance("PKCS12");
    trusted.load(null, null);
    try (InputStream in = Files.newInputStream(Path.of(files[0]))) {
      trusted.setCertificateEntry("root", x509.generateCertificate(in));
    }
    TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    factory.init(trusted);
    X509TrustManager manager = (X509TrustManager) factory.getTrustManagers()[0];
    for (String file : Arrays.copyOfRange(files, 1, files.length)) {
      X509Certificate[] chain;
      try (InputStream in = Files.newInputStream(Path.of(file))) {
        chain = x509.generateCertificates(in).toArray(new X509Certificate[0]);
      }
      try {
        if (file.contains("demo")) manager.checkClientTrusted(chain, "EC");
        else manager.checkServerTrusted(chain, "ECDHE_ECDSA");
        System.out.println("good");
      } catch (CertificateException refused) { System.out.println(refused.getMessage()); }
    }
  }
}
"""


@pytest.mark.parametrize("judge", [openssl, gnutls, nss])
def test_other_makes_hold_the_authority_to_its_names(confined: Confined, judge: Judge) -> None:
    """What it may issue is good; with names of others, a thief of its key can do nothing, whatever kind of name it is."""
    assert judge(confined, confined.server, True)
    assert judge(confined, confined.client, False)
    for name, by_root in itertools.product(EVIL, (False, True)):
        assert not judge(confined, confined.forged(name, by_root=by_root), True), (name, by_root)


def test_java_holds_the_issuing_ca_to_its_names_and_the_root_to_nothing(confined: Confined) -> None:
    """Java's trust managers heed the constraints of CAs in a chain, and not those of the root that they trust (measured on 17).

    So a thief of the root's key is not confined in Java, which is what ``trust install`` says of that store.
    """
    (confined.folder / "Judge.java").write_text(JAVA)
    forged = [[confined.forged(name, by_root=by_root) for name in EVIL] for by_root in (False, True)]
    chains = [confined.server, confined.client, *forged[0], *forged[1]]
    code, told = said(need("java"), confined.folder / "Judge.java", confined.home.root_path, *chains)
    assert code == 0, told
    verdicts = told.splitlines()
    assert verdicts[:2] == ["good", "good"]
    assert all("name constraints check failed" in verdict for verdict in verdicts[2 : 2 + len(EVIL)])
    assert verdicts[2 + len(EVIL) :] == ["good"] * len(EVIL)


def test_what_is_left_is_read_off_the_certificate(confined: Confined) -> None:
    """Root and issuing CA both say so; an authority without constraints, or with half of them, is not confined."""
    for certificate in (confined.home.root_certificate, confined.home.issuing_certificate):
        left = names_left(certificate)
        assert left is not None
        assert set(left) in [set(names) for names in CONFINED.values()]


POLICY = """\
gateway: localhost
listen: {port}
authorities:
  home: {{ managed: true, names: [localhost] }}
clients:
  demo-client: {{ authority: home, san: demo-client.localhost }}
routes:
  /health:    {{ respond: {{ text: ok }}, access: public }}
  /private/:  {{ respond: {{ text: private }}, access: [demo-client] }}
  /any/:      {{ respond: {{ text: any }}, access: any-client }}
"""


def test_the_gateway_of_a_confined_authority_is_proved() -> None:
    """It admits its client, proves itself, refuses to issue for other names, and refuses to be told it was made otherwise."""
    with running_gateway(POLICY) as gate:
        assert gate.run("cert", "issue", "demo-client").returncode == 0
        gate.doors_are_shut()
        report = gate.json("prove")
        assert report["proven"]
        assert Kind.OUTSIDE_NAMES in json.dumps(report)
        outside = gate.run("cert", "issue", "x", "--authority", "home", "--san", "www.bank.example")
        assert (outside.returncode, "[name-not-permitted]" in outside.stderr) == (2, True), outside.stderr
        gate.policy = gate.policy.replace("names: [localhost]", "names: [localhost, bank.example]")
        changed = gate.run("apply", "--yes")
        assert (changed.returncode, "[authority-has-other-names]" in changed.stderr) == (2, True), changed.stderr
        assert gate.get("/private/", client=True)[0] == 200


UNBOUND = """
gateway: localhost
listen: 0
authorities:
  home: { managed: true, names: [example.org] }
clients:
  alice: { authority: home, san: alice.example.org }
routes:
  /health: { respond: { text: ok }, access: public }
  /alice/: { respond: { text: alice }, access: [alice] }
  /any/:   { respond: { text: any }, access: any-client }
"""


def test_twin_an_authority_that_only_claims_to_be_confined_is_found(lab: Lab, tmp_path: Path) -> None:
    """The file says 'names', and the CA has no constraints: the proof fails, by the certificate that should not have passed."""
    with running(UNBOUND, tmp_path, {"home": lab.home}) as gate:
        report = prove(gate, UNBOUND, {"home": lab.home})
        assert not report.proven
        assert {v.case.identity.kind for v in report.findings} == {Kind.OUTSIDE_NAMES}
