"""What we issue is accepted by verifiers we did not write, and what must be refused is refused by each of them.

OpenSSL (strict), GnuTLS, NSS, Java and Node judge the same certificates and CRLs, made through the lint gate. Each accepts the
good client, and refuses the revoked one and one of a foreign root that has the same names.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from gatewright.edges.linting import PkilintLinter
from gatewright.model.pki import CaRole, KeyKind, ProfileName, Reason, RevokedSerial
from gatewright.pki import build, crl, keys
from gatewright.pki.build import Issuer, NameConstraints
from gatewright.pki.lint import LintGate
from gatewright.pki.names import alternative_names, distinguished_name
from gatewright.pki.profiles import PROFILES

pytestmark = pytest.mark.live
NOW = datetime.now(UTC)
GATE = LintGate(PkilintLinter().lint, keys.generate)
# (kind of the CAs' keys, kind of the leaves' keys)
KINDS = [
    (KeyKind.P256, KeyKind.P256),
    (KeyKind.P384, KeyKind.P384),
    (KeyKind.RSA3072, KeyKind.RSA3072),
    (KeyKind.P256, KeyKind.ED25519),
]


@dataclass(frozen=True)
class Hierarchy:
    """A folder of PEM files: root, issuing, crls, and of each leaf NAME.pem, NAME.key and NAME-chain.pem."""

    folder: Path
    leaves: KeyKind

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """The command's result, run in the folder."""
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False, timeout=240)


def make(folder: Path, cas: KeyKind, leaves: KeyKind) -> Hierarchy:
    """A hierarchy with name constraints; a server, two clients of which one is revoked, CRLs of both CAs; and a foreign twin."""
    rogue = folder / "rogue"
    rogue.mkdir()
    for place in (folder, rogue):
        limits = NameConstraints(tuple(x509.DNSName(n) for n in ("example.org", "localhost")))
        root_key, issuing_key = keys.generate(cas), keys.generate(cas)
        name = distinguished_name("Interop Root CA", "example.org")
        root = Issuer(
            GATE.root(root_key, name, x509.random_serial_number(), NOW), root_key, "http://crl.example.org/r.crl"
        )
        issuing = Issuer(
            GATE.issuing_ca(
                root,
                issuing_key.public_key(),
                name=distinguished_name("Interop Issuing CA", "example.org"),
                serial=x509.random_serial_number(),
                now=NOW,
                constraints=limits,
            ),
            issuing_key,
            "http://crl.example.org/i.crl",
        )
        gone = []
        for label, profile in (
            ("server", ProfileName.SERVER),
            ("client", ProfileName.CLIENT),
            ("revoked", ProfileName.CLIENT),
        ):
            key = keys.generate(leaves)
            host = "localhost" if label == "server" else f"{label}.example.org"
            leaf = GATE.leaf(
                issuing,
                PROFILES[profile],
                key.public_key(),
                name=distinguished_name(host),
                alternative_names=alternative_names([host]),
                serial=x509.random_serial_number(),
                now=NOW,
            )
            (place / f"{label}.pem").write_bytes(build.pem(leaf))
            (place / f"{label}-chain.pem").write_bytes(build.pem(leaf) + build.pem(issuing.certificate))
            (place / f"{label}.key").write_bytes(keys.pem(key))
            if label == "revoked":
                gone.append(RevokedSerial(leaf.serial_number, NOW, Reason.KEY_COMPROMISE))
        lists = (
            crl.build(root, [], crl.window(crl.CALENDARS[CaRole.ROOT], NOW, 0, None)),
            crl.build(issuing, gone, crl.window(crl.CALENDARS[CaRole.ISSUING], NOW, 0, None)),
        )
        for file, der in zip(("root.crl", "issuing.crl"), lists, strict=True):
            (place / file).write_bytes(der)
            (place / f"{file}.pem").write_bytes(crl.pem(der))
        pems = b"".join(crl.pem(der) for der in lists)
        (place / "crls.pem").write_bytes(pems)
        (place / "root.pem").write_bytes(build.pem(root.certificate))
        (place / "issuing.pem").write_bytes(build.pem(issuing.certificate))
    return Hierarchy(folder, leaves)


@pytest.fixture(scope="module", params=KINDS, ids=lambda kinds: f"ca-{kinds[0]}-leaf-{kinds[1]}")
def pki(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Hierarchy:
    """One hierarchy for each pair of key kinds."""
    cas, leaves = request.param
    return make(tmp_path_factory.mktemp("pki"), cas, leaves)


def needs(*programs: str) -> None:
    """Skip where a verifier is not installed."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


def by_openssl(pki: Hierarchy, chain: str, purpose: str) -> tuple[bool, str]:
    """``openssl verify -x509_strict`` with CRL checks on every certificate of the chain."""
    command = "openssl verify -x509_strict -crl_check_all -CAfile root.pem -CRLfile crls.pem -purpose"
    done = pki.run(*command.split(), f"ssl{purpose}", "-untrusted", chain, chain)
    return done.returncode == 0, done.stdout + done.stderr


def by_gnutls(pki: Hierarchy, chain: str, purpose: str) -> tuple[bool, str]:
    """GnuTLS's certtool."""
    usage = {"client": "1.3.6.1.5.5.7.3.2", "server": "1.3.6.1.5.5.7.3.1"}[purpose]
    command = "certtool --verify --load-ca-certificate root.pem --load-crl crls.pem --infile"
    done = pki.run(*command.split(), chain, "--verify-purpose", usage)
    return done.returncode == 0, done.stdout + done.stderr


def by_nss(pki: Hierarchy, chain: str, purpose: str) -> tuple[bool, str]:
    """NSS, from a fresh database that holds root and CRLs; the classic verifier, which takes CRLs from there."""
    base = pki.folder / "nss"
    if not base.exists():
        base.mkdir()
        for command in (
            "certutil -N -d sql:nss --empty-password",
            "certutil -A -d sql:nss -n root -t CT,, -i root.pem",
            "certutil -A -d sql:nss -n issuing -t ,, -i issuing.pem",
            "crlutil -I -d sql:nss -t 1 -i root.crl -B",
            "crlutil -I -d sql:nss -t 1 -i issuing.crl -B",
        ):
            done = pki.run(*command.split())
            assert done.returncode == 0, done
    leaf = chain.replace("-chain", "")
    usage = {"client": "0", "server": "1"}[purpose]
    done = pki.run("vfychain", "-d", "sql:nss", "-v", "-u", usage, "-a", leaf)
    return done.returncode == 0 and "Chain is good" in done.stdout + done.stderr, done.stdout + done.stderr


JAVA = """
import java.io.*; import java.nio.file.*; import java.security.cert.*; import java.util.*;
public class Judge {
  public static void main(String[] a) throws Exception {
    var f = CertificateFactory.getInstance("X.509");
    var root = (X509Certificate) f.generateCertificate(new FileInputStream("root.pem"));
    var crls = f.generateCRLs(new FileInputStream("crls.pem"));
    for (String chain : a) {
      var p = new PKIXParameters(Set.of(new TrustAnchor(root, null)));
      p.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(crls)));
      p.setRevocationEnabled(true);
      String said = "ok";
      try {
        var path = f.generateCertPath(new ArrayList<Certificate>(f.generateCertificates(new FileInputStream(chain))));
        CertPathValidator.getInstance("PKIX").validate(path, p);
      } catch (CertPathValidatorException e) { said = "refused " + e.getReason() + " " + e.getMessage(); }
      System.out.println(chain + "\\t" + said);
    }
  }
}
"""


def by_java(pki: Hierarchy, chain: str, purpose: str) -> tuple[bool, str]:
    """Java's PKIX validator with revocation from the CRLs (it judges paths, not purposes)."""
    del purpose
    answers = pki.folder / "java.json"
    if not answers.exists():
        (pki.folder / "Judge.java").write_text(JAVA)
        chains = [f"{place}{leaf}-chain.pem" for place in ("", "rogue/") for leaf in ("server", "client", "revoked")]
        done = pki.run("java", "Judge.java", *chains)
        assert done.returncode == 0, done
        answers.write_text(json.dumps(dict(line.split("\t") for line in done.stdout.splitlines())))
    said: str = json.loads(answers.read_text())[chain]
    return said == "ok", said


NODE = """
const tls = require('tls'), fs = require('fs'), read = f => fs.readFileSync(f);
const [serverChain, clientChain] = process.argv.slice(2);
const crls = ['root.crl.pem', 'issuing.crl.pem'].map(read);  // one list each: Node reads only the first of a file
const key = f => read(f.replace('-chain.pem', '.key'));
const server = tls.createServer({ cert: read(serverChain), key: key(serverChain), ca: read('root.pem'), crl: crls,
  requestCert: true, rejectUnauthorized: false }, s => { s.end(s.authorized ? 'welcome' : 'refused ' + s.authorizationError); });
server.on('tlsClientError', e => { console.log('server refuses: ' + e.message); });
server.listen(0, '127.0.0.1', () => {
  const c = tls.connect({ port: server.address().port, host: '127.0.0.1', servername: 'localhost', cert: read(clientChain),
    key: key(clientChain), ca: read('root.pem'), crl: crls });
  c.on('data', d => console.log(d.toString()));
  c.on('error', e => { console.log('client: ' + (e.code || e.message)); });
  c.on('close', () => server.close());
});
"""


def by_node(pki: Hierarchy, chain: str, purpose: str) -> tuple[bool, str]:
    """A mutual handshake in Node: ``chain`` on its own side, the good certificate on the other."""
    (pki.folder / "handshake.js").write_text(NODE)
    pair = (chain, "client-chain.pem") if purpose == "server" else ("server-chain.pem", chain)
    done = pki.run("node", "handshake.js", *pair)
    return "welcome" in done.stdout, done.stdout + done.stderr


Judge = Callable[[Hierarchy, str, str], tuple[bool, str]]
JUDGES: dict[str, tuple[Judge, tuple[str, ...]]] = {
    "openssl": (by_openssl, ("openssl",)),
    "gnutls": (by_gnutls, ("certtool",)),
    "nss": (by_nss, ("vfychain", "certutil", "crlutil")),
    "java": (by_java, ("java",)),
    "node": (by_node, ("node",)),
}


# NSS 3.87's classic verifier asks keyEncipherment of a server's RSA key, which TLS 1.3 never uses, and knows no Ed25519 there.
ODD = {("nss", KeyKind.ED25519, "server"), ("nss", KeyKind.RSA3072, "server")}


@pytest.mark.parametrize("judge", JUDGES)
def test_verdicts(pki: Hierarchy, judge: str) -> None:
    """Good server and client are accepted; the revoked client and the foreign twins of both are refused."""
    verdict, programs = JUDGES[judge]
    needs(*programs)
    cases = [
        ("server-chain.pem", "server", True),
        ("client-chain.pem", "client", True),
        ("revoked-chain.pem", "client", False),
        ("rogue/client-chain.pem", "client", False),
        ("rogue/server-chain.pem", "server", False),
    ]
    for chain, purpose, wanted in cases:
        accepted, said = verdict(pki, chain, purpose)
        expected = wanted and (judge, pki.leaves, purpose) not in ODD
        assert accepted is expected, f"{chain}: {said}"
        if chain.startswith("revoked"):
            assert "revoked" in said.lower(), said


@pytest.mark.parametrize("judge", ["openssl", "gnutls", "nss", "node"])
def test_purposes(pki: Hierarchy, judge: str) -> None:
    """A client's certificate is no server's, and the other way round."""
    verdict, programs = JUDGES[judge]
    needs(*programs)
    for chain, purpose in (("client-chain.pem", "server"), ("server-chain.pem", "client")):
        accepted, said = verdict(pki, chain, purpose)
        assert not accepted, f"{chain} as {purpose}: {said}"


def test_keytool_reads_every_certificate(pki: Hierarchy) -> None:
    """Java's keytool prints each of them, and the CRL."""
    needs("keytool")
    for chain in ("server-chain.pem", "client-chain.pem", "root.pem"):
        done = pki.run("keytool", "-printcert", "-file", chain)
        assert done.returncode == 0, done.stdout
    done = pki.run("keytool", "-printcrl", "-file", "issuing.crl")
    assert done.returncode == 0, done.stdout
    assert "X.509 CRL v2" in done.stdout
