"""What a partner may hand over as its CA certificate: files that two programs read in two ways, and names that are somebody else's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from gatewright.edges.openssl import OpenSsl
from gatewright.prove.cases import Kind
from tests.live.gate import Gate, gateway
from tests.live.httpd import Running, curl, running
from tests.live.pki import CLIENT, DAY, Pair, make
from tests.live.proving import prove

pytestmark = pytest.mark.live

BESIDES_US = """\
gateway: localhost
listen: {port}
authorities:
  home:   {{ managed: true }}
  globex: {{ anchor: globex.pem }}
clients:
  bot: {{ authority: home, san: bot.localhost }}
  erp: {{ authority: globex, san: erp.globex.example }}
routes:
  /bot/: {{ respond: {{ text: bot }}, access: [bot] }}
  /erp/: {{ respond: {{ text: erp }}, access: [erp] }}
"""
TWO_PARTNERS = """
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
  /a/: { respond: { text: a }, access: [alice] }
  /b/: { respond: { text: b }, access: [bob] }
"""


def respelled(name: x509.Name) -> x509.Name:
    """The same name to OpenSSL, in other letters."""
    return x509.Name([x509.NameAttribute(part.oid, str(part.value).upper()) for part in name])


def issuing(subject: str | x509.Name) -> Pair:
    """A partner's issuing CA, below a root of its own."""
    return make(subject, make("a root", ca=True), ca=True, not_after=400 * DAY)


@pytest.fixture(scope="module")
def started() -> Iterator[Gate]:
    """A folder whose own CA exists, and a partner whose file is good. Nothing serves: what is refused is refused before."""
    with gateway(BESIDES_US) as gate:
        (gate.folder / "globex.pem").write_bytes(issuing("globex issuing").pem)
        assert gate.run("cert", "issue", "bot").returncode == 0
        yield gate


def test_a_certificate_hidden_before_the_one_that_is_shown(started: Gate) -> None:
    """OpenSSL would trust the first, with an attacker's key; every rule, and whoever compares fingerprints, would see the second."""
    honest, hidden = issuing("globex issuing"), issuing("globex issuing")
    file = started.folder / "globex.pem"
    file.write_bytes(OpenSsl().trusted(hidden.pem).encode() + honest.pem)
    assert started.run("check").returncode == 2
    assert started.codes("apply", "--yes") == ["anchor-not-a-certificate"]
    file.write_bytes(honest.pem)
    assert started.run("check").returncode == 0


def test_a_partners_ca_with_the_name_of_ours(started: Gate) -> None:
    """Anybody can read our CA's name in the handshake. A partner's CA of that name, however it is spelled, is not trusted."""
    file, ours = started.folder / "globex.pem", started.folder / "certs" / "ca" / "home-issuing.pem"
    named = x509.load_pem_x509_certificate(ours.read_bytes()).subject
    for imitation in (named, respelled(named)):
        file.write_bytes(issuing(imitation).pem)
        assert "same-anchor-name" in started.run("check").stderr
    assert started.codes("apply", "--yes") == ["same-anchor-name"]
    # With nothing to compare with when files are checked, what is trusted in the end is looked at once more.
    ours.unlink()
    assert started.run("check").returncode == 0
    assert started.codes("apply", "--yes") == ["same-anchor-name"]
    assert started.run("check").returncode == 2, "apply has published it again"
    file.write_bytes(issuing("globex issuing").pem)
    assert started.run("check").returncode == 0


@pytest.fixture
def spelled(open_folder: Path) -> Iterator[tuple[Running, dict[str, Pair]]]:
    """What the rules refuse, served all the same: partner A's CA has the name of partner B's in other letters."""
    b = issuing("b issuing")
    authorities = {"a": issuing(respelled(b.certificate.subject)), "b": b}
    with running(TWO_PARTNERS, open_folder, authorities) as gate:
        yield gate, authorities


def test_why_that_name_is_refused_and_that_the_proof_would_see_it(
    spelled: tuple[Running, dict[str, Pair]], tmp_path: Path
) -> None:
    """A's CA writes its name as B's does and makes a Bob of its own: he gets in. The proof tries just that."""
    gate, authorities = spelled
    a, b = authorities["a"], authorities["b"]
    made = make("bob", a, usage=[CLIENT], sans=["bob.example.org"])
    builder = (
        x509.CertificateBuilder()
        .subject_name(made.certificate.subject)
        .issuer_name(b.certificate.subject)
        .public_key(made.key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(made.certificate.not_valid_before_utc)
        .not_valid_after(made.certificate.not_valid_after_utc)
    )
    for extension in made.certificate.extensions:
        builder = builder.add_extension(extension.value, critical=extension.critical)
    chain, key = Pair(builder.sign(a.key, hashes.SHA256()), made.key).write(tmp_path, "bob")
    assert curl(gate, "/b/x", "--cert", str(chain), "--key", str(key)).stdout.startswith("b")

    report = prove(gate, TWO_PARTNERS, authorities)
    found = {verdict.case.identity.kind for verdict in report.findings}
    assert Kind.SPELLED_AS_OTHER in found


def test_the_proof_finds_no_fault_where_names_differ(open_folder: Path) -> None:
    """The twin: CAs that OpenSSL tells apart."""
    authorities = {"a": issuing("a issuing"), "b": issuing("b issuing")}
    with running(TWO_PARTNERS, open_folder, authorities) as gate:
        report = prove(gate, TWO_PARTNERS, authorities)
    assert not report.findings
    assert any(verdict.case.identity.kind is Kind.SPELLED_AS_OTHER for verdict in report.verdicts)
