"""``verify`` and ``cert show`` as a user runs them: real files, exit codes, and what is trusted when nothing is said."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.vectors.x509 import kit
from tests.vectors.x509.kit import DAY, NOW, Holder, crl, issuing, leaf, root

from gatewright.cli.main import main
from gatewright.edges.openssl import OpenSsl
from gatewright.errors import EnvironmentFault, UsageError
from gatewright.pki.formats import armor
from gatewright.pki.verify import Certificate, Question, ask_pyopenssl, judge

TOP = root()
MID = issuing(TOP)
LEAF = leaf(MID)
AT = ["--at", "2026-11-23T12:00:00Z"]


def pem(*holders: Holder) -> bytes:
    return b"".join(h.certificate.public_bytes(Encoding.PEM) for h in holders)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with the files of a small chain, as the current one."""
    (tmp_path / "leaf.pem").write_bytes(pem(LEAF))
    (tmp_path / "full.pem").write_bytes(pem(LEAF, MID))
    (tmp_path / "issuing.pem").write_bytes(pem(MID))
    (tmp_path / "root.pem").write_bytes(pem(TOP))
    (tmp_path / "crl.pem").write_bytes(armor("X509 CRL", crl(MID, [LEAF])))
    before = Path.cwd()
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(before)


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (["leaf.pem", "--chain", "issuing.pem", "--anchor", "root.pem"], 0, None),
        (["full.pem", "--anchor", "root.pem"], 0, None),
        (["leaf.pem", "--anchor", "root.pem"], 1, 20),
        (["leaf.pem"], 1, 20),
        (["full.pem", "--anchor", "issuing.pem"], 1, 2),
        (["full.pem", "--anchor", "issuing.pem", "--partial-chain"], 0, None),
        (["leaf.pem", "--anchor", "issuing.pem", "--as-gateway"], 0, None),
        (["full.pem", "--anchor", "root.pem", "--purpose", "server"], 1, 26),
        (["full.pem", "--anchor", "root.pem", "--crl", "crl.pem"], 1, 23),
        (["full.pem", "--anchor", "root.pem", "--at", "2030-01-01"], 1, 10),
        (["full.pem", "--anchor", "root.pem", "--at", "2020-01-01"], 1, 9),
        (["root.pem", "--system"], 1, 18),
    ],
)
def test_verify(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, error: int | None
) -> None:
    """Exit code 0 for good and 1 for not good, with the error number in the JSON answer."""
    at = [] if "--at" in words else AT
    assert main(["verify", *words, *at, "--json"]) == code
    told = json.loads(capsys.readouterr().out)
    assert told["valid"] is (code == 0)
    assert error is None or error in [e["error"] for e in told["errors"]]
    assert not told["unconfirmed"]
    assert not told["disagreement"]


def test_the_gateway_in_the_folder_is_what_is_trusted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --anchor, the anchors of the gateway's authorities count, by the gateway's rule."""
    (folder / "gateway.yaml").write_text(
        "gateway: localhost\nlisten: 8443\nauthorities:\n  globex: { anchor: issuing.pem }\n"
        "routes:\n  /: { respond: { text: hello }, access: any-client }\n"
    )
    assert main(["verify", "leaf.pem", *AT, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rule"] == "gateway"
    assert main(["verify", "leaf.pem", *AT, "--anchor", "root.pem", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["rule"] == "openssl"


def test_a_server_is_judged_as_the_gateways_callers_do(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --purpose server the gateway's own root is trusted, and nothing but that: not the issuing CA beside it, nor partners' CAs."""
    server = leaf(MID, eku=[ExtendedKeyUsageOID.SERVER_AUTH])
    (folder / "server.pem").write_bytes(pem(server, MID))
    (folder / "alone.pem").write_bytes(pem(server))
    (folder / "gateway.yaml").write_text(
        "gateway: localhost\nlisten: 8443\nauthorities:\n  home: { managed: true }\n  globex: { anchor: issuing.pem }\n"
        "routes:\n  /: { respond: { text: hello }, access: any-client }\n"
    )
    assert main(["verify", "server.pem", "--purpose", "server", *AT]) == 1
    own = folder / "certs" / "ca"
    own.mkdir(parents=True)
    (own / "home-root.pem").write_bytes(pem(TOP))
    (own / "home-issuing.pem").write_bytes(pem(MID))
    assert main(["verify", "server.pem", "--purpose", "server", *AT]) == 0
    assert main(["verify", "alone.pem", "--purpose", "server", *AT]) == 1
    capsys.readouterr()
    assert main(["verify", "full.pem", "--purpose", "server", *AT, "--json"]) == 1
    assert [e["error"] for e in json.loads(capsys.readouterr().out)["errors"]] == [26]


@pytest.mark.parametrize(
    "words",
    [
        ["verify", "nothere.pem"],
        ["verify", "."],
        ["verify", "leaf.pem", "--anchor", "nothere.pem"],
        ["verify", "leaf.pem", "--at", "yesterday"],
        ["verify", "leaf.pem", "--host", "bad host"],
        ["verify", "leaf.pem", "--crl", "root.pem"],
        ["verify", "crl.pem"],
        ["cert", "show", "nothere.pem"],
        ["cert", "show"],
        ["cert", "nonsense"],
    ],
)
def test_unreadable_input_is_a_usage_error(folder: Path, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    """Exit code 2, an explanation on standard error, nothing on standard output."""
    assert main(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "error:" in said.err


def test_the_answer_in_words_names_the_issuer_and_the_way_out(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Error 20 says whose certificate is missing, draws the gap, and how to add it."""
    assert main(["verify", "leaf.pem", "--anchor", "root.pem", *AT]) == 1
    said = capsys.readouterr().out
    assert "?  CN=issuing,O=Vectors" in said
    assert "The issuer of 'CN=leaf,O=Vectors' (leaf.pem) is 'CN=issuing,O=Vectors'" in said
    assert "--chain FILE" in said


def test_cert_show_opens_what_the_password_file_opens(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A key with an open mode is remarked, and every certificate of a bundle is described."""
    key = folder / "key.pem"
    key.write_bytes(LEAF.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    key.chmod(0o644)
    assert main(["cert", "show", "full.pem", "key.pem", "crl.pem"]) == 0
    said = capsys.readouterr().out
    assert "Client certificate (full.pem)" in said
    assert "CA certificate (full.pem)" in said
    assert "chmod 600 key.pem" in said
    assert "PRIVATE KEY" not in said


def test_a_missing_openssl_is_told_with_the_command_that_installs_it() -> None:
    """Where no openssl is found, the fault names the packages."""
    with pytest.raises(EnvironmentFault) as caught:
        OpenSsl("openssl-that-is-not-there")
    assert "apt-get install openssl" in caught.value.diagnostics[0].fix


def test_openssl_refuses_what_is_no_certificate() -> None:
    """A key given as an anchor is a usage error, not a traceback."""
    with pytest.raises(UsageError):
        OpenSsl().anchor("globex", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")


def test_an_anchor_has_all_that_httpd_needs() -> None:
    """Plain and trusted PEM, and the subject as mod_ssl spells it."""
    anchor = OpenSsl().anchor("globex", pem(MID))
    assert anchor.pem.encode() == pem(MID)
    assert anchor.trusted_pem.startswith("-----BEGIN TRUSTED CERTIFICATE-----\n")
    assert anchor.subject == "CN=issuing,O=Vectors"


def test_an_anchor_is_the_certificate_that_the_rules_see() -> None:
    """OpenSSL would take the block with trust settings, which stands first; it never gets the file, and of two plain ones none."""
    hidden = HOST.trusted(pem(TOP)).encode()
    assert HOST.subject(hidden + pem(MID)) != HOST.subject(pem(MID))
    assert HOST.anchor("globex", hidden + pem(MID)) == HOST.anchor("globex", pem(MID))
    with pytest.raises(UsageError):
        HOST.anchor("globex", pem(TOP) + pem(MID))


HOST = OpenSsl()


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10_000), st.integers(0, 255))
def test_both_openssls_agree_about_mutated_certificates(place: int, value: int) -> None:
    """Whatever byte is changed, no OpenSSL accepts what the other refuses, and neither accepts a changed certificate."""
    der = bytearray(LEAF.der)
    der[place % len(der)] = value
    question = Question(Certificate(bytes(der), "leaf.pem"), NOW, (MID.found,), (TOP.found,))
    try:
        ours = ask_pyopenssl(question)
        hosts = HOST.verify(question)
    except (UsageError, EnvironmentFault):
        return  # not a certificate any more
    assert "accepts what" not in judge(question, ours, hosts).disagreement
    assert ours.accepted == (bytes(der) == LEAF.der)


def test_time_is_an_argument() -> None:
    """The verdict depends on the time asked for, never on the clock."""
    question = Question(LEAF.found, NOW, (MID.found,), (TOP.found,))
    assert ask_pyopenssl(question).accepted
    for at in (NOW - 365 * DAY, NOW + 365 * DAY, dt.datetime(1999, 1, 1, tzinfo=dt.UTC)):
        assert not ask_pyopenssl(Question(LEAF.found, at, (MID.found,), (TOP.found,))).accepted
    assert kit.NOW == NOW
