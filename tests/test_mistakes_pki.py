"""What people get wrong with certificates and authorities, and what Gatewright answers.

As in ``test_mistakes``: exit code, nothing on standard output, nothing changed, and the message in
tests/golden/mistakes_pki, word for word, but for serial numbers, dates and hashes of keys.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gatewright.cli.main import main
from gatewright.model.pki import KeyKind
from gatewright.pki.keys import generate, signature_hash
from gatewright.pki.names import distinguished_name
from tests.vectors.x509.kit import issuing, leaf, root

GOLDEN = Path(__file__).parent / "golden" / "mistakes_pki"

GATEWAY = """\
gateway: localhost
listen: 8443
authorities:
  home:   { managed: true }
  other:  { managed: true }
  globex: { anchor: partners/globex.pem }
clients:
  bot:   { authority: home, san: bot.example.org }
  twin:  { authority: home, san: twin.example.org }
  idle:  { authority: home, san: idle.example.org }
  erp:   { authority: globex, subject: { organization: Globex, common_name: erp } }
routes:
  /: { respond: { status: 200, text: hello }, access: any-client }
"""

# What the serial numbers, dates and names of CAs of one run become in the golden files.
_SERIAL = re.compile(r"\b[0-9A-F]{38,40}\b")
_DATE = re.compile(r"\b20\d\d-\d\d-\d\d(?: \d\d:\d\d(?::\d\d)?)?\b")
_CA = re.compile(r"(CA G\d+) [0-9a-f]{6}\b")


@dataclass(frozen=True)
class Mistake:
    """The words typed in a folder where things were done before, and the exit code that is due."""

    name: str
    words: str
    code: int = 2


MISTAKES = [
    Mistake("issue-unknown-client", "cert issue bott"),
    Mistake("issue-unknown-client-nothing-near", "cert issue zebra"),
    Mistake("issue-name-is-a-path", "cert issue ../etc --authority home --san a.example.org"),
    Mistake("issue-without-san", "cert issue extra --authority home"),
    Mistake("issue-unknown-authority", "cert issue extra --authority hom --san extra.example.org"),
    Mistake("issue-for-a-partner", "cert issue erp"),
    Mistake("issue-other-authority", "cert issue bot --authority other"),
    Mistake("issue-foreign-san", "cert issue bot --san twin.example.org"),
    Mistake("issue-san-of-a-client", "cert issue extra --authority home --san bot.example.org"),
    Mistake("issue-bad-san", "cert issue extra --authority home --san *.example.org"),
    Mistake("issue-san-kind", "cert issue extra --authority home --profile server --san email:a@example.org"),
    Mistake("issue-lifetime", "cert issue bot --lifetime 30"),
    Mistake("issue-lifetime-zero", "cert issue bot --lifetime 0d"),
    Mistake("issue-reason-is-not-text", "cert issue bot --reason a\x00b"),
    Mistake("issue-profile", "cert issue bot --profile clinet"),
    Mistake("issue-key", "cert issue bot --key rsa2048"),
    Mistake("sign-without-client", "cert sign good.csr"),
    Mistake("sign-unknown-client", "cert sign good.csr --client bott"),
    Mistake("sign-missing-file", "cert sign missing.csr --client bot"),
    Mistake("sign-a-certificate", "cert sign clients/bot/bot.pem --client bot", 1),
    Mistake("sign-a-key", "cert sign clients/bot/bot.key --client bot", 1),
    Mistake("sign-other-name", "cert sign good.csr --client twin", 1),
    Mistake("renew-unknown", "cert renew botx"),
    Mistake("renew-never-issued", "cert renew idle"),
    Mistake("renew-revoked", "cert renew gone"),
    Mistake("renew-a-ca", "cert renew certs/ca/home-issuing.pem"),
    Mistake("revoke-nothing-named", "cert revoke"),
    Mistake("revoke-unknown-name", "cert revoke botx"),
    Mistake("revoke-unknown-serial", "cert revoke 00112233445566778899AABBCCDDEEFF"),
    Mistake("revoke-ambiguous", "cert revoke twin"),
    Mistake("revoke-already", "cert revoke gone", 1),
    Mistake("revoke-hold-again", "cert revoke held --reason certificate-hold", 1),
    Mistake("revoke-not-a-certificate", "cert revoke ./gateway.yaml"),
    Mistake("revoke-missing-file", "cert revoke ./missing.pem"),
    Mistake("revoke-foreign-certificate", "cert revoke ./foreign.pem"),
    Mistake("revoke-a-ca", "cert revoke certs/ca/home-issuing.pem"),
    Mistake("revoke-a-root", "cert revoke certs/ca/home-root.pem --authority home"),
    Mistake("revoke-reason", "cert revoke bot --reason key-compromised"),
    Mistake("revoke-since-without-authority", "cert revoke --issued-since 2026-01-01"),
    Mistake("revoke-since-no-time", "cert revoke --issued-since yesterday --authority home"),
    Mistake("revoke-since-future", "cert revoke --issued-since 2090-01-01 --authority home"),
    Mistake("release-not-held", "cert release bot", 1),
    Mistake("release-revoked", "cert release gone", 1),
    Mistake("unrevoke-too-late", "cert unrevoke gone", 1),
    Mistake("unrevoke-held", "cert unrevoke held", 1),
    Mistake("list-limit", "cert list --limit lots"),
    Mistake("list-name-is-not-text", "cert list --name \udcff"),
    Mistake("list-authority", "cert list --authority hone"),
    Mistake("list-bookmark", "cert list --after here"),
    Mistake("list-bookmark-beyond", "cert list --after OTk5OTk5OTk5OTk5OTk5OTk5OTk6NQ"),
    Mistake("list-bookmark-of-another-order", "cert list --after NTphYmM"),
    Mistake("list-expiring-revoked", "cert list --expiring 30d --status revoked"),
    Mistake("export-without-form", "cert export bot"),
    Mistake("export-p12-without-out", "cert export bot --p12 modern"),
    Mistake("export-key-to-terminal", "cert export bot --pem --with-key"),
    Mistake("export-over-a-file", "cert export bot --p12 modern --out gateway.yaml"),
    Mistake("export-into-no-folder", "cert export bot --p12 modern --out nowhere/bot.p12"),
    Mistake("export-readable-password", "cert export bot --p12 modern --out bot.p12 --password-file open.txt"),
    Mistake("export-empty-password", "cert export bot --p12 modern --out bot.p12 --password-file empty.txt"),
    Mistake("ca-show-unknown", "ca show hoem"),
    Mistake("ca-next-partner", "ca next globex"),
    Mistake("ca-next-pin-in-uri", "ca next home --keys pkcs11:token=a?pin-value=1234"),
    Mistake("ca-offline-readable-passphrase", "ca offline home --out root.key --passphrase-file open.txt"),
    Mistake("ca-offline-short-passphrase", "ca offline home --out root.key --passphrase-file short.txt"),
    Mistake("ca-offline-over-a-file", "ca offline home --out gateway.yaml --passphrase-file secret.txt"),
    Mistake("ca-offline-without-passphrase", "ca offline home --out root.key"),
    Mistake("ca-online-already", "ca online home --in root.key --passphrase-file secret.txt"),
    Mistake("ca-online-wrong-passphrase", "ca online other --in other-root.key --passphrase-file wrong.txt"),
    Mistake("ca-online-missing-file", "ca online other --in missing.key --passphrase-file secret.txt"),
    Mistake("ca-next-root-offline", "ca next other", 3),
    Mistake("ca-audit-head", "ca audit --expect-head abc"),
    Mistake("store-password-in-argument", "cert list --store postgresql://u:hunter2@db/x"),
    Mistake("store-unknown-kind", "cert list --store mysql://db/x"),
    Mistake("store-port", "cert list --store postgresql://db:notaport/x"),
    Mistake("no-pki-in-the-folder", "-C partners cert list"),
]


def run(words: str) -> int:
    return main(words.split())


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gateway's folder with a history: clients issued, one revoked, one on hold, one twice; one root is offline."""
    folder = tmp_path_factory.mktemp("template") / "gateway"
    (folder / "partners").mkdir(parents=True)
    (folder / "gateway.yaml").write_text(GATEWAY)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("GATEWRIGHT_STORE", raising=False)
        (folder / "partners" / "globex.pem").write_text("not looked at here\n")
        for name, text, mode in (
            ("open.txt", "long enough a passphrase\n", 0o644),
            ("empty.txt", "\n", 0o600),
            ("short.txt", "short\n", 0o600),
            ("secret.txt", "long enough a passphrase\n", 0o600),
            ("wrong.txt", "another long passphrase\n", 0o600),
        ):
            (folder / name).write_text(text)
            (folder / name).chmod(mode)
        for words in (
            "cert issue bot",
            "cert issue twin",
            "cert issue twin",
            "cert issue gone --authority home --san gone.example.org",
            "cert revoke gone --reason superseded",
            "cert issue held --authority home --san held.example.org",
            "cert revoke held --reason certificate-hold",
            "cert issue temporary --authority other --san temporary.example.org",
            "ca offline other --out other-root.key --passphrase-file secret.txt",
        ):
            assert run(words) == 0, words
    _request_and_stranger(folder)
    return folder


def _request_and_stranger(folder: Path) -> None:
    key = generate(KeyKind.P256)
    builder = x509.CertificateSigningRequestBuilder().subject_name(distinguished_name("bot.example.org"))
    (folder / "good.csr").write_bytes(builder.sign(key, signature_hash(key)).public_bytes(Encoding.PEM))
    stranger = leaf(issuing(root()))
    (folder / "foreign.pem").write_bytes(stranger.certificate.public_bytes(Encoding.PEM))


@pytest.fixture
def folder(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, as the current folder."""
    place = tmp_path / "gateway"
    shutil.copytree(template, place, symlinks=True)
    monkeypatch.chdir(place)
    monkeypatch.delenv("GATEWRIGHT_STORE", raising=False)
    return place


def everything(folder: Path) -> dict[str, bytes]:
    """Every file with its content; the database by the log's last entry, because reading may tidy its pages."""
    files = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    found = {name: content for name, content in files.items() if not name.startswith("state.db")}
    connection = sqlite3.connect(folder / "state.db")
    try:
        found["log"] = str(connection.execute("SELECT max(seq), max(hash) FROM log").fetchone()).encode()
    finally:
        connection.close()
    return found


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_answered(
    mistake: Mistake, folder: Path, capsys: pytest.CaptureFixture[str], *, update_golden: bool
) -> None:
    """Exit code and message are as recorded, nothing is on standard output, and nothing was changed in the folder."""
    before = everything(folder)
    capsys.readouterr()
    code = run(mistake.words)
    out, err = capsys.readouterr()
    assert (code, out) == (mistake.code, ""), err
    assert "Traceback" not in err
    assert "hunter2" not in err
    assert err.count("    fix: ") >= err.count("error: ") > 0
    assert everything(folder) == before
    said = _CA.sub(r"\1 KEY", _DATE.sub("DATE", _SERIAL.sub("SERIAL", err.replace(str(folder), "DIR"))))
    golden = GOLDEN / f"{mistake.name}.txt"
    if update_golden:
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(said)
    assert said == golden.read_text()


def test_the_table_is_long_and_has_no_name_twice() -> None:
    """At least forty mistakes, each with a message of its own, and no message without its mistake."""
    names = [mistake.name for mistake in MISTAKES]
    assert len(names) == len(set(names)) >= 40
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(names)
