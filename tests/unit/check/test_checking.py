"""The rules on a real folder: files, links, certificates and keys that are really there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path, PurePath

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from tests.unit.check.certificates import NOW, certificate, key_pem, name

from gatewright.app.checking import check_gateway, gather_facts, read_gateway
from gatewright.check import PathKind
from gatewright.edges.files import LocalFiles
from gatewright.edges.openssl import OpenSsl
from gatewright.errors import Diagnostic, Severity, UsageError
from gatewright.pki.inspect import PemInspector

FILE = PurePath("gateway.yaml")
BEGUN, ENDLESS = datetime(2025, 1, 1, tzinfo=UTC), datetime(2035, 1, 1, tzinfo=UTC)
HEAD = "gateway: [api.example.org, 192.0.2.7]\nlisten: 8443\n"
PARTNER = (
    HEAD
    + """\
authorities: { home: { managed: true }, globex: { anchor: globex.pem } }
clients: { erp: { authority: globex, san: erp.globex.example } }
routes: { /: { backend: "http://127.0.0.1:9001", access: [erp] } }
"""
)
OWN = (
    HEAD
    + """\
certificate: { chain: chain.pem, key: key.pem }
routes: { /: { backend: "http://127.0.0.1:9001", access: public } }
"""
)
SERVED = HEAD + "authorities: { home: { managed: true } }\nroutes: { /: { files: site, access: public } }\n"


class StoppedClock:
    """A clock that stands still."""

    def now(self) -> datetime:
        """Always the same."""
        return NOW

    def monotonic(self) -> float:
        """Always the start."""
        return 0.0


def judge(folder: Path, text: str) -> list[Diagnostic]:
    (folder / FILE).write_text(text)
    return check_gateway(LocalFiles(), folder, FILE, StoppedClock(), PemInspector())[1]


def codes(folder: Path, text: str) -> list[str]:
    return [d.code for d in judge(folder, text)]


def own_certificate(
    folder: Path, key: bytes, mode: int = 0o600, *, since: datetime = BEGUN, until: datetime = ENDLESS
) -> None:
    made = ec.generate_private_key(ec.SECP256R1())
    names = [x509.DNSName("*.example.org"), x509.IPAddress(ip_address("192.0.2.7"))]
    (folder / "chain.pem").write_bytes(
        certificate(name("gateway"), key=made, ca=False, sans=names, since=since, until=until)
    )
    (folder / "key.pem").write_bytes(key or key_pem(made))
    (folder / "key.pem").chmod(mode)


def test_a_missing_gateway_file_says_how_to_get_one(tmp_path: Path) -> None:
    """Without a gateway file the way out is `gatewright init`, and it is an error of usage."""
    with pytest.raises(UsageError) as caught:
        read_gateway(LocalFiles(), tmp_path, FILE)
    assert caught.value.diagnostics[0].code == "no-gateway-file"
    assert caught.value.diagnostics[0].fix == f"gatewright init -C {tmp_path}"
    (tmp_path / FILE).mkdir()
    with pytest.raises(UsageError, match="is not a file"):
        read_gateway(LocalFiles(), tmp_path, FILE)


def test_a_good_partner_is_accepted(tmp_path: Path) -> None:
    """An issuing CA below a root passes without a word."""
    (tmp_path / "globex.pem").write_bytes(certificate(name("Issuing")))
    assert codes(tmp_path, PARTNER) == []


def test_an_anchor_near_its_end_is_a_warning(tmp_path: Path) -> None:
    """Thirty days before its end an anchor is announced, one day earlier it is not; the file stays valid."""
    (tmp_path / "globex.pem").write_bytes(certificate(name("Issuing"), until=NOW + timedelta(days=30)))
    assert [(d.code, d.severity) for d in judge(tmp_path, PARTNER)] == [("anchor-expires-soon", Severity.WARNING)]
    (tmp_path / "globex.pem").write_bytes(certificate(name("Issuing"), until=NOW + timedelta(days=31)))
    assert codes(tmp_path, PARTNER) == []


@pytest.mark.parametrize(
    ("issuer", "expected"),
    [("Issuing", ["anchor-self-signed"]), ("ISSUING ", ["anchor-self-signed"]), ("Issuing 2", [])],
)
def test_a_self_signed_root_is_no_anchor(tmp_path: Path, issuer: str, expected: list[str]) -> None:
    """A CA that names itself as its issuer, as OpenSSL compares names, is refused; any other is not."""
    (tmp_path / "globex.pem").write_bytes(certificate(name("Issuing"), issuer=name(issuer)))
    assert codes(tmp_path, PARTNER) == expected


@pytest.mark.parametrize("file", ["home-issuing.pem", "home-issuing-1.pem"])
def test_a_partner_cannot_bear_the_name_of_our_own_ca(tmp_path: Path, file: str) -> None:
    """An anchor named like an issuing CA kept here, retired ones too, up to case and spaces, is refused; a different name is not."""
    (tmp_path / "globex.pem").write_bytes(certificate(name("home  ISSUING")))
    assert codes(tmp_path, PARTNER) == []
    ours = tmp_path / "certs" / "ca" / file
    ours.parent.mkdir(parents=True)
    ours.write_bytes(certificate(name("Home Issuing", "globex")))
    assert codes(tmp_path, PARTNER) == ["same-anchor-name"]
    for harmless in (certificate(name("Home Issuing 2")), b"damaged"):
        ours.write_bytes(harmless)
        assert codes(tmp_path, PARTNER) == []
    ours.with_name("homely-issuing.pem").write_bytes(certificate(name("Home Issuing", "globex")))
    assert codes(tmp_path, PARTNER) == []


def test_a_private_key_beside_an_anchor_is_refused(tmp_path: Path) -> None:
    """A partner that sent its CA's key has to know."""
    key = key_pem(ec.generate_private_key(ec.SECP256R1()))
    (tmp_path / "globex.pem").write_bytes(certificate(name("Issuing")) + key)
    assert codes(tmp_path, PARTNER) == ["anchor-private-key"]
    (tmp_path / "globex.pem").write_bytes(key)
    (found,) = judge(tmp_path, PARTNER)
    assert found.code == "anchor-not-a-certificate"
    assert "PRIVATE KEY" in found.what


@pytest.mark.parametrize("cut", [30, 200, 400])
def test_a_damaged_anchor_is_refused_not_raised(tmp_path: Path, cut: int) -> None:
    """A certificate with a piece missing is a finding, wherever the piece was."""
    pem = certificate(name("Issuing"))
    (tmp_path / "globex.pem").write_bytes(pem[:cut] + pem[cut + 40 :])
    assert codes(tmp_path, PARTNER) == ["anchor-not-a-certificate"]


def with_trust(pem: bytes) -> bytes:
    """The certificate as OpenSSL writes it with trust settings."""
    return OpenSsl().trusted(pem).encode()


def test_a_certificate_that_only_openssl_sees_is_refused(tmp_path: Path) -> None:
    """What OpenSSL would read first and the rules would pass over is refused: before the certificate, after it, instead of it."""
    good, hidden = certificate(name("Issuing")), with_trust(certificate(name("Issuing")))
    for content in (hidden + good, good + hidden, hidden):
        (tmp_path / "globex.pem").write_bytes(content)
        (found,) = judge(tmp_path, PARTNER)
        assert found.code == "anchor-not-a-certificate"
        assert "'TRUSTED CERTIFICATE'" in found.what
    (tmp_path / "globex.pem").write_bytes(good + b"This is not -----BEGIN CERTIFICATE-----\n")
    assert codes(tmp_path, PARTNER) == ["anchor-not-a-certificate"]
    (tmp_path / "globex.pem").write_bytes(b"subject=CN=Issuing\r\n" + good.replace(b"\n", b"\r\n"))
    assert codes(tmp_path, PARTNER) == []


def test_a_hidden_certificate_of_ones_own_is_refused(tmp_path: Path) -> None:
    """The hidden one would be served with a key that was held against the other."""
    own_certificate(tmp_path, b"")
    assert codes(tmp_path, OWN) == []
    chain = tmp_path / "chain.pem"
    chain.write_bytes(with_trust(certificate(name("gateway"))) + chain.read_bytes())
    assert codes(tmp_path, OWN) == ["certificate-unusable"]


def test_a_good_certificate_of_ones_own_is_accepted(tmp_path: Path) -> None:
    """Chain and key that belong together, with all names (one by a wildcard), pass without a word."""
    own_certificate(tmp_path, b"")
    assert codes(tmp_path, OWN) == []


def test_a_key_that_httpd_cannot_use_is_refused(tmp_path: Path) -> None:
    """A foreign, an encrypted and a broken key are refused, each with its reason."""
    foreign = ec.generate_private_key(ec.SECP256R1())
    for key, reason in (
        (key_pem(foreign), "does not belong"),
        (key_pem(foreign, b"secret"), "encrypted"),
        (b"key", "not PEM"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "cannot be read"),
    ):
        own_certificate(tmp_path, key)
        (found,) = judge(tmp_path, OWN)
        assert found.code == "key-unusable"
        assert reason in found.what


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """Mode 0640 is refused with the command that mends it."""
    own_certificate(tmp_path, b"", mode=0o640)
    (found,) = judge(tmp_path, OWN)
    assert (found.code, found.fix) == ("key-file-open", "chmod 600 key.pem")


def test_dates_of_ones_own_certificate_are_judged(tmp_path: Path) -> None:
    """Ended and not begun are errors, the last thirty days a warning."""
    for since, until, severity in (
        (BEGUN, NOW, Severity.ERROR),
        (NOW + timedelta(seconds=1), ENDLESS, Severity.ERROR),
        (BEGUN, NOW + timedelta(days=29), Severity.WARNING),
    ):
        own_certificate(tmp_path, b"", since=since, until=until)
        assert [(d.code, d.severity) for d in judge(tmp_path, OWN)] == [("certificate-dates", severity)]


def test_a_name_that_the_certificate_lacks_is_refused(tmp_path: Path) -> None:
    """A wildcard covers one label, never two, and never an address."""
    own_certificate(tmp_path, b"")
    text = OWN.replace("[api.example.org, 192.0.2.7]", "[a.b.example.org, 192.0.2.8, example.org, api.example.org]")
    found = judge(tmp_path, text)
    assert [d.code for d in found] == ["certificate-names"] * 3
    assert "api.example.org" not in " ".join(d.what for d in found)


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("real", PathKind.FOLDER),
        ("./other/../real", PathKind.FOLDER),
        ("{folder}/real", PathKind.FOLDER),
        ("../{name}/real", PathKind.OUTSIDE),
        ("..", PathKind.OUTSIDE),
        ("/", PathKind.OUTSIDE),
        ("{folder}x", PathKind.OUTSIDE),
        ("{folder}/../..", PathKind.OUTSIDE),
        ("out/../real", PathKind.OUTSIDE),
        ("site", PathKind.OUTSIDE),
        ("nothing", PathKind.MISSING),
    ],
)
def test_links_are_followed_inside_only(tmp_path: Path, target: str, kind: PathKind) -> None:
    """A link is followed as the kernel does, and refused as soon as it leaves the gateway's folder or runs in a circle."""
    folder = tmp_path / "gateway"
    for made in ("real", "other"):
        (folder / made).mkdir(parents=True)
    (folder / "out").symlink_to("/usr/bin")
    (folder / "site").symlink_to(target.format(folder=folder, name="gateway"))
    (folder / FILE).write_text(SERVED)
    declared = read_gateway(LocalFiles(), folder, FILE)
    facts = gather_facts(declared, LocalFiles(), folder, StoppedClock(), PemInspector())
    assert facts.paths["site"].kind is kind


def test_checking_writes_nothing(tmp_path: Path) -> None:
    """The folder is the same before and after a check."""
    (tmp_path / "site").mkdir()
    assert codes(tmp_path, SERVED) == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["gateway.yaml", "site"]
