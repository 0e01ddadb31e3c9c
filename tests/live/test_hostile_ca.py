"""What a partner's CA may try against another partner's routes, as compiled and as the usual configuration would have it.

Two partners share a host and port. Alice is a client of A, Bob of B; A's CA is hostile itself. Each case runs against three
configurations: as compiled (issuing CAs are the anchors, depth 0), with roots as anchors and the issuer's name compared (what
is usual), and with issuing CAs at depth 1. The first must refuse every one; the others are the twins that show why.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from gatewright.edges.openssl import OpenSsl
from tests.live.httpd import Running, curl, running
from tests.live.pki import CLIENT, DAY, Pair, make

pytestmark = pytest.mark.live

GATEWAY = """
gateway: localhost
listen: 0
authorities:
  a: { anchor: a.pem }
  b: { anchor: b.pem }
clients:
  alice: { authority: a, san: alice.example.org }
  bob:   { authority: b, san: bob.example.org }
certificate: { chain: server.pem, key: server.key }
routes:
  /open: { respond: { text: open }, access: public }
  /a/:   { respond: { text: a }, access: [alice] }
  /b/:   { respond: { text: b }, access: [bob] }
"""


@dataclass(frozen=True)
class Parties:
    """Roots and issuing CAs of both partners, and callers by what they try."""

    roots: dict[str, Pair]
    issuing: dict[str, Pair]
    callers: dict[str, tuple[Path, Path]]


def imitation(of: Pair, issuer: Pair, *, identifier: bytes | None) -> Pair:
    """A CA that ``issuer`` signs for itself with the name of another, and its key identifier where one is given."""
    key = ec.generate_private_key(ec.SECP256R1())
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    now = of.certificate.not_valid_before_utc
    signed = (
        x509.CertificateBuilder()
        .subject_name(of.certificate.subject)
        .issuer_name(issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + 30 * DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier(identifier) if identifier else own, critical=False)
        .sign(issuer.key, hashes.SHA256())
    )
    above = () if issuer.certificate.issuer == issuer.certificate.subject else (issuer.certificate, *issuer.chain)
    return Pair(signed, key, above)


def bob_of(issuer: Pair, *more: x509.Certificate) -> Pair:
    """A client certificate with Bob's names, and what is sent after its chain."""
    made = make("bob", issuer, usage=[CLIENT], sans=["bob.example.org"])
    return Pair(made.certificate, made.key, (*made.chain, *more))


@pytest.fixture(scope="module")
def parties(open_folder: Path) -> Parties:
    """CAs without a path length, so that only the gateway's own rule can stop what stands below them."""
    roots = {name: make(f"{name} root", ca=True) for name in "ab"}
    issuing = {name: make(f"{name} issuing", roots[name], ca=True) for name in "ab"}
    a, b = issuing["a"], issuing["b"]
    identifier = b.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    named, copied = imitation(b, a, identifier=None), imitation(b, a, identifier=identifier)
    of_root = imitation(b, roots["a"], identifier=identifier)
    pairs = {
        "alice": make("alice", a, usage=[CLIENT], sans=["alice.example.org"]),
        "bob": make("bob", b, usage=[CLIENT], sans=["bob.example.org"]),
        "bob's name from a": bob_of(a),
        "a CA below a": bob_of(make("anything", a, ca=True)),
        "a CA below a, named as b": bob_of(named),
        "a CA below a, named as b, with b's key identifier": bob_of(copied),
        "the same below a's root": bob_of(of_root),
        "the same, with b's certificates appended": bob_of(copied, b.certificate, roots["b"].certificate),
        "forged without any of a's keys": bob_of(imitation(b, make("a stranger", ca=True), identifier=identifier)),
    }
    files = {n: p.write(open_folder / "callers", hashlib.sha256(n.encode()).hexdigest()[:12]) for n, p in pairs.items()}
    return Parties(roots, issuing, files)


def usual(parties: Parties, gate_folder: Path) -> str:
    """Both roots trusted, chains of any usual depth, told apart by the issuer's name."""
    path = gate_folder / "roots.pem"
    path.write_bytes(b"".join(root.pem for root in parties.roots.values()))
    path.chmod(0o644)
    return str(path)


def refused(gate: Running, parties: Parties, caller: str, version: tuple[str, ...]) -> bool:
    """Whether Bob's route is shut to the caller, in the handshake or by 403."""
    chain, key = parties.callers[caller]
    done = curl(gate, "/b/x", "--cert", str(chain), "--key", str(key), *version)
    return bool(done.returncode) or done.stdout.rsplit("\n", 1)[-1].split()[0] == "403"


EXPECTED = ("AH01630", "AH02040")
HOSTILE = (
    "alice",
    "bob's name from a",
    "a CA below a",
    "a CA below a, named as b",
    "a CA below a, named as b, with b's key identifier",
    "the same below a's root",
    "the same, with b's certificates appended",
    "forged without any of a's keys",
)
VERSIONS = {"TLS 1.2 HTTP/1.1": ("--tls-max", "1.2", "--http1.1"), "TLS 1.3 HTTP/2": ("--tlsv1.3", "--http2")}


@pytest.fixture(scope="module")
def gate(parties: Parties, open_folder: Path) -> Iterator[Running]:
    """As compiled."""
    with running(GATEWAY, open_folder, parties.issuing) as gate:
        gate.expect(*EXPECTED)
        yield gate


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("caller", HOSTILE)
def test_no_partner_reaches_another_partners_route(gate: Running, parties: Parties, caller: str, version: str) -> None:
    """Whatever A's CA signs, B's route stays shut."""
    assert refused(gate, parties, caller, VERSIONS[version])


@pytest.mark.parametrize("version", VERSIONS)
def test_bob_himself_gets_in(gate: Running, parties: Parties, version: str) -> None:
    """The route is not shut to everybody."""
    assert not refused(gate, parties, "bob", VERSIONS[version])


def test_twin_comparing_issuers_below_roots_lets_the_hostile_ca_in(parties: Parties, tmp_path: Path) -> None:
    """Roots as anchors, the very same rule by the issuer's name: a CA of A that calls itself B opens B's route."""
    roots = usual(parties, tmp_path)

    def loosen(text: str) -> str:
        text = text.replace("SSLVerifyDepth 0", "SSLVerifyDepth 3")
        return text.replace("SSLCACertificateFile anchors.trusted.pem", f"SSLCACertificateFile {roots}")

    with running(GATEWAY, tmp_path, parties.issuing, loosen) as gate:
        gate.expect(*EXPECTED)
        tls13 = VERSIONS["TLS 1.3 HTTP/2"]
        let_in = {caller for caller in HOSTILE if not refused(gate, parties, caller, tls13)}
        assert "a CA below a, named as b" in let_in
        assert "a CA below a, named as b, with b's key identifier" in let_in
        assert not refused(gate, parties, "bob", tls13)


def test_twin_one_level_more_lets_the_hostile_ca_in(parties: Parties, tmp_path: Path) -> None:
    """The anchors as compiled, but depth 1: a CA below A that calls itself B is enough."""

    def loosen(text: str) -> str:
        return text.replace("SSLVerifyDepth 0", "SSLVerifyDepth 1")

    with running(GATEWAY, tmp_path, parties.issuing, loosen) as gate:
        gate.expect(*EXPECTED)
        assert not refused(gate, parties, "a CA below a, named as b", VERSIONS["TLS 1.3 HTTP/2"])


def test_equal_names_cannot_be_told_apart_by_a_rule(parties: Parties) -> None:
    """What ``check`` refuses for this reason: as OpenSSL spells it, an imitation has the very name of the real CA."""
    real = parties.issuing["b"]
    false = imitation(real, parties.issuing["a"], identifier=None)
    openssl = OpenSsl()
    assert openssl.subject(real.pem) == openssl.subject(false.pem)
    assert real.pem != false.pem
