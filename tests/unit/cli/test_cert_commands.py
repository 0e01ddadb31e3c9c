"""The commands ``cert`` and ``ca`` on real folders: what they write, print and leave alone."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key, pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID

from gatewright.app.issuing import Order, issue
from gatewright.cli.main import main
from gatewright.model.pki import KeyKind, ProfileName
from gatewright.wiring.pki import opened

GATEWAY = """\
gateway: localhost
listen: 8443
authorities:
  home: { managed: true }
  lab:  { managed: true, key: p384 }
clients:
  bot:  { authority: home, san: bot.example.org }
  twin: { authority: home, san: twin.example.org }
  erp:  { authority: lab, subject: { common_name: erp, organization: Globex } }
  job:  { authority: home, uri: "spiffe://example.org/job" }
  mail: { authority: home, email: mail@example.org }
  card: { authority: home, serial: "0A1B" }
  pin:  { authority: home, key: "sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }
  bare: { authority: home, subject: { common_name: bare.example.org } }
routes:
  /in: { respond: { status: 200, text: hello }, access: [bot] }
"""

Run = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a gateway file and nothing else, as the current one."""
    (tmp_path / "gateway.yaml").write_text(GATEWAY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GATEWRIGHT_STORE", raising=False)
    return tmp_path


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs one command line with ``--json`` and gives what it printed; ``code`` is the exit code that is due."""

    def go(words: str, code: int = 0) -> Any:
        capsys.readouterr()
        found = main([*words.split(), "--json"])
        out, err = capsys.readouterr()
        assert found == code, out + err
        return json.loads(out)

    return go


def leaf(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificates(path.read_bytes())[0]


def test_issue_follows_the_entry(folder: Path, run: Run) -> None:
    """The entry's authority issues, the entry's name stands in it, key and password are their owner's alone, and the curl line is complete."""
    told = run("cert issue bot --reason ticket-1")
    files = {kind: Path(place) for kind, place in told["files"].items() if place}
    certificate = leaf(files["chain"])
    assert told["certificate"]["names"] == ["dns:bot.example.org"]
    assert (told["certificate"]["authority"], told["certificate"]["why"]) == ("home", "ticket-1")
    assert load_pem_private_key(files["key"].read_bytes(), None).public_key() == certificate.public_key()
    assert {
        kind: place.stat().st_mode & 0o077 for kind, place in files.items() if kind in {"key", "p12", "p12_password"}
    } == {
        "key": 0,
        "p12": 0,
        "p12_password": 0,
    }
    secret = files["p12_password"].read_text().strip()
    _, packed, above = pkcs12.load_key_and_certificates(files["p12"].read_bytes(), secret.encode())
    assert packed == certificate
    assert len(above) == 1
    assert secret not in json.dumps(told)
    assert told["curl"].endswith(" https://localhost:8443/in")


def test_a_client_known_by_its_subject(run: Run) -> None:
    """An entry with ``subject`` leads to exactly that subject and no alternative name, by its own authority."""
    told = run("cert issue erp")["certificate"]
    assert (told["subject"], told["authority"], told["names"]) == ("CN=erp,O=Globex", "lab", ["cn:erp"])


@pytest.mark.parametrize(
    ("profile", "purpose"),
    [
        ("client", ExtendedKeyUsageOID.CLIENT_AUTH),
        ("server", ExtendedKeyUsageOID.SERVER_AUTH),
        ("admin", ExtendedKeyUsageOID.CLIENT_AUTH),
        ("backend-client", ExtendedKeyUsageOID.CLIENT_AUTH),
    ],
)
def test_profiles(run: Run, profile: str, purpose: x509.ObjectIdentifier) -> None:
    """Each profile has its purpose."""
    told = run(f"cert issue thing --profile {profile} --authority home --san thing.example.org --lifetime 2h")
    usage = leaf(Path(told["files"]["chain"])).extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [purpose]


@pytest.mark.parametrize("kind", ["p256", "p384", "rsa3072", "ed25519"])
def test_kinds_of_key(folder: Path, run: Run, kind: str) -> None:
    """OpenSSL accepts the chain for each kind of key; of Ed25519 it is said who does not take it."""
    told = run(f"cert issue bot --key {kind}")
    assert [d["code"] for d in told["said"]] == (["key-ed25519"] if kind == "ed25519" else [])
    words = ["openssl", "verify", "-x509_strict", "-CAfile", "certs/ca/home-root.pem"]
    words += ["-untrusted", "certs/ca/home-issuing.pem", "clients/bot/bot.pem"]
    assert subprocess.run(words, capture_output=True, check=False, cwd=folder).returncode == 0


def test_a_lifetime_beyond_the_issuer_is_cut_and_said(run: Run) -> None:
    """Nothing outlives its issuer; whoever asked for more is told. What was asked for within it is not remarked on."""
    assert [d["code"] for d in run("cert issue bot --lifetime 5000d")["said"]] == ["lifetime-cut"]
    assert [d["code"] for d in run("cert issue bot --lifetime 12h")["said"]] == ["earlier-stays-valid"]


def test_an_earlier_certificate_that_stays_valid_is_said(run: Run) -> None:
    """Who issues anew is told that the one before still opens doors; not of the first, nor once that is revoked."""
    first = run("cert issue bot")
    assert first["said"] == []
    (told,) = run("cert issue bot")["said"]
    assert (told["code"], told["severity"]) == ("earlier-stays-valid", "note")
    assert told["fix"].endswith(f"gatewright cert revoke {first['certificate']['serial']} --reason superseded")
    run("cert revoke bot --all")
    assert run("cert issue bot")["said"] == []


def test_nobody_gets_the_name_of_a_declared_client(run: Run) -> None:
    """Neither its alternative name nor the common name that its entry asks for; another authority may use them."""
    assert run("cert issue x --authority home --san a.example.org --san bot.example.org", 2)["diagnostics"][0][
        "code"
    ] == ("san-of-other-client")
    assert (
        run("cert issue x --authority home --san bare.example.org", 2)["diagnostics"][0]["code"]
        == "san-of-other-client"
    )
    run("cert issue x --authority lab --san bot.example.org")


def test_sign_says_what_was_dropped(folder: Path, run: Run) -> None:
    """The partner's key is certified under the entry's name only; the dropped organization is said; no key is here."""
    request = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    request += ["-keyout", "bot.key", "-out", "bot.csr", "-subj", "/O=Else/CN=bot.example.org"]
    subprocess.run(request, check=True, capture_output=True, cwd=folder)
    told = run("cert sign bot.csr --client bot")
    assert told["certificate"]["subject"] == "CN=bot.example.org"
    assert [d["code"] for d in told["said"]] == ["csr-subject-parts"]
    assert told["certificate"]["key_kept_here"] is False
    assert not (folder / "clients" / "bot" / "bot.key").exists()
    assert run("cert export bot --p12 modern --out x.p12", 2)["diagnostics"][0]["code"] == "key-not-here"
    run("cert revoke bot --reason key-compromise")
    assert run("cert sign bot.csr --client bot", 1)["diagnostics"][0]["code"] == "csr-key-blocked"


def test_sign_beside_an_earlier_key_warns(folder: Path, run: Run) -> None:
    """A key in the client's folder that is not this certificate's is named."""
    run("cert issue bot")
    request = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    request += ["-keyout", "k", "-out", "bot.csr", "-subj", "/CN=bot.example.org"]
    subprocess.run(request, check=True, capture_output=True, cwd=folder)
    assert "key-of-earlier-certificate" in [d["code"] for d in run("cert sign bot.csr --client bot")["said"]]


def test_renew_keeps_the_old_one_valid(run: Run) -> None:
    """The successor has the same names and a new key; by name, the newest is meant; an entry that changed is not followed."""
    first = run("cert issue bot --lifetime 30d")["certificate"]
    second = run("cert renew bot")
    assert second["renews"] == first["serial"]
    assert second["certificate"]["names"] == first["names"]
    assert second["certificate"]["spki_sha256"] != first["spki_sha256"]
    assert run("cert renew bot")["renews"] == second["certificate"]["serial"]
    assert len(run("cert list --name bot --status valid")["certificates"]) == 3
    Path("gateway.yaml").write_text(GATEWAY.replace("bot.example.org", "robot.example.org"))
    assert run("cert renew bot", 2)["diagnostics"][0]["code"] == "entry-changed"


def test_certificates_are_named_three_ways(run: Run) -> None:
    """Client, alternative name, serial with and without colons, and file all mean the same certificate."""
    serial = run("cert issue bot")["certificate"]["serial"]
    colons = ":".join(serial[i : i + 2] for i in range(0, len(serial), 2))
    ways = ["bot", "bot.example.org", serial, serial.lower(), colons, "clients/bot/bot.pem", "./clients/bot/bot.pem"]
    for way in ways:
        done = run(f"cert revoke {way} --reason certificate-hold")
        assert [c["serial"] for c in done["certificates"]] == [serial], way
        assert done["crls_published"]
        assert [c["serial"] for c in run(f"cert release {way}")["certificates"]] == [serial], way


def test_the_same_key(folder: Path, run: Run) -> None:
    """With --same-key every certificate for the key goes, whoever it names; others stay."""
    request = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    request += ["-keyout", "k", "-out", "bot.csr", "-subj", "/CN=bot.example.org"]
    subprocess.run(request, check=True, capture_output=True, cwd=folder)
    one = run("cert sign bot.csr --client bot")["certificate"]["serial"]
    two = run("cert sign bot.csr --client bot")["certificate"]["serial"]
    run("cert issue twin")
    done = run(f"cert revoke {one} --same-key --reason key-compromise")
    assert {c["serial"] for c in done["certificates"]} == {one, two}
    assert {c["status"] for c in done["certificates"]} == {"revoked"}
    assert [c["client"] for c in run("cert list --status valid --profile client")["certificates"]] == ["twin"]


def test_everything_issued_since(run: Run) -> None:
    """Everything of one authority since a time, with a way back; nothing of another authority."""
    run("cert issue bot")
    run("cert issue twin")
    run("cert issue erp")
    done = run("cert revoke --issued-since 2020-01-01 --authority home --undo-within 1h")
    assert {c["client"] for c in done["certificates"]} == {"bot", "twin"}
    run("cert revoke --issued-since 2020-01-01 --authority home", 1)
    run("cert unrevoke bot")
    assert {c["client"] for c in run("cert list --status valid --profile client")["certificates"]} == {"bot", "erp"}


def test_what_was_taken_at_once_comes_back_at_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A hold and a revocation with a way back of many certificates end with the very line that was printed; what is final stays."""
    for name in ("bot", "twin", "bare"):
        main(["cert", "issue", name])
    main(["cert", "revoke", "bare"])
    for how, status in ((["--reason", "certificate-hold"], "hold"), (["--undo-within", "1h"], "revoked")):
        assert main(["cert", "revoke", "--issued-since", "2020-01-01", "--authority", "home", *how]) == 0
        line = next(words for words in capsys.readouterr().out.splitlines() if "--since" in words)
        words = line[line.index(" cert ") :].split()
        assert _standing(capsys) == {"bare": "revoked", "bot": status, "twin": status}
        assert main(words) == 0
        assert _standing(capsys) == {"bare": "revoked", "bot": "valid", "twin": "valid"}
        capsys.readouterr()
        assert main(words) == 1
        assert "[nothing-to-give-back]" in capsys.readouterr().err


def _standing(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    capsys.readouterr()
    main(["cert", "list", "--profile", "client", "--json"])
    return {c["client"]: c["status"] for c in json.loads(capsys.readouterr().out)["certificates"]}


def test_verify_refuses_what_the_gateway_refuses(folder: Path, run: Run) -> None:
    """By the gateway's rule a hold and a revocation are error 23, whatever the chain is worth; in the past, and by others' rules, not."""
    run("cert issue bot")
    file = "clients/bot/bot.pem"
    assert run(f"verify {file}")["revoked_here"] is False
    run("cert revoke bot --reason certificate-hold")
    told = run(f"verify {file}", 1)
    assert ([e["error"] for e in told["errors"]], told["revoked_here"]) == ([23], True)
    assert "at this gateway" in told["errors"][0]["cause"]
    assert run(f"verify {file} --anchor certs/ca/home-root.pem")["valid"]
    run("cert release bot")
    assert run(f"verify {file}")["valid"]
    run("cert revoke bot")
    assert run(f"verify {file}", 1)["revoked_here"]


def test_verify_knows_the_retired_generations(folder: Path, run: Run) -> None:
    """What an older issuing CA issued is good at the gateway, and so says ``verify``; without that CA's file it is error 20."""
    run("cert issue bot")
    leaf_alone = leaf(folder / "clients" / "bot" / "bot.pem").public_bytes(Encoding.PEM)
    (folder / "old.pem").write_bytes(leaf_alone)
    run("ca next home")
    assert run("verify old.pem")["valid"]
    (folder / "certs" / "ca" / "home-issuing-1.pem").unlink()
    assert [e["error"] for e in run("verify old.pem", 1)["errors"]] == [20]


def test_test_certificates_are_listed_when_asked_for(folder: Path, run: Run) -> None:
    """The prover's are left out of every list but their own: they would fill page after page."""
    run("cert issue bot")
    with opened(folder, None) as desk:
        authority = desk.authority("home")
        ref, key = desk.deps.keystore.create(KeyKind.P256)
        name, san = x509.Name([]), x509.DNSName("bot.example.org")
        order = Order(ProfileName.CANARY, name, (san,), key.public_key(), ref)
        issue(authority, [order], desk.deps)
    assert [c["profile"] for c in run("cert list --name bot")["certificates"]] == ["client"]
    assert "canary" not in [c["profile"] for c in run("cert list")["certificates"]]
    assert [c["profile"] for c in run("cert list --profile canary")["certificates"]] == ["canary"]


def test_list_page_by_page(run: Run) -> None:
    """Each page says where the next begins; together they are everything once, soonest end first, or by name."""
    for days in (40, 10, 20, 30):
        run(f"cert issue c{days} --authority home --san c{days}.example.org --lifetime {days}d")
    for more in ("", " --name c"):
        seen: list[str] = []
        after = ""
        while True:
            page = run(f"cert list --profile client --limit 3{more}{after}")
            seen += [c["client"] for c in page["certificates"]]
            if page["after"] is None:
                break
            after = f" --after {page['after']}"
        assert seen == ["c10", "c20", "c30", "c40"]
    assert [c["client"] for c in run("cert list --expiring 25d")["certificates"]] == ["c10", "c20"]


def test_export_java(folder: Path, run: Run) -> None:
    """The .p12 and the trust store open under the password written beside them; the trust store holds the root alone."""
    run("cert issue bot")
    told = run("cert export bot --p12 java --out bot.p12")
    secret = Path(told["password_file"]).read_text().strip().encode()
    key, certificate, _ = pkcs12.load_key_and_certificates((folder / "bot.p12").read_bytes(), secret)
    assert key is not None
    assert certificate == leaf(folder / "clients" / "bot" / "bot.pem")
    store = pkcs12.load_pkcs12(Path(told["truststore"]).read_bytes(), secret)
    assert [c.certificate for c in store.additional_certs] == [leaf(folder / "certs" / "ca" / "home-root.pem")]
    assert not [p for p in folder.glob("bot*") if p.stat().st_mode & 0o077]


def test_reading_writes_nothing(folder: Path, run: Run) -> None:
    """The commands that list, show and audit leave every file as it was, and make none."""
    run("cert issue bot")
    run("cert revoke bot")
    run("cert issue bot")

    def state() -> dict[str, tuple[int, bytes]]:
        return {str(p): (p.stat().st_mtime_ns, p.read_bytes()) for p in folder.rglob("*") if p.is_file()}

    (folder / "certs" / "ca" / "home-root.pem").unlink()
    before = state()
    for words in ("cert list", "ca list", "ca show home", "ca audit"):
        run(words)
    assert state() == before


def test_the_root_goes_away_and_comes_back(folder: Path, run: Run) -> None:
    """Offline: the key is in the file only, CRLs go on, no next CA. Online: the next CA issues. Interrupted: repeated."""
    run("cert issue bot")
    (folder / "pass").write_text("a long enough passphrase\n")
    (folder / "pass").chmod(0o600)
    keys = {p.name for p in Path("keys").iterdir()}
    told = run("ca offline home --out root.key --passphrase-file pass")
    assert told["crls_signed_ahead"] > 30
    assert len(keys - {p.name for p in Path("keys").iterdir()}) == 1
    assert b"ENCRYPTED" in (folder / "root.key").read_bytes()
    run("ca crl")
    assert run("ca next home", 3)["diagnostics"][0]["code"] == "key-offline"
    run("ca online home --in root.key --passphrase-file pass")
    assert run("ca next home --key p384")["generation"] == 2
    told = run("cert issue bot")["certificate"]
    assert run("ca offline home --out root.key --passphrase-file pass")["out"] == str(folder / "root.key")
    states = [
        (g["role"], g["number"], g["active"], g["key"], g["key_state"]) for g in run("ca show home")["generations"]
    ]
    assert states == [
        ("root", 1, True, "p256", "offline"),
        ("issuing", 1, False, "p256", "online"),
        ("issuing", 2, True, "p384", "online"),
    ]
    assert run("ca audit")["faults"] == []


def test_audit_finds_what_was_changed(folder: Path, run: Run) -> None:
    """A head noted earlier stays in the chain; one that never was, a lost key, and a planted certificate are found."""
    run("cert issue bot")
    head = run("ca audit")["head"]
    run("cert issue twin")
    assert run(f"ca audit --expect-head {head}")["faults"] == []
    assert [f["code"] for f in run(f"ca audit --expect-head {'0' * 64}", 1)["faults"]] == ["head-unknown"]
    for key in (folder / "keys").glob("*.pem"):
        key.unlink()
    codes = {f["code"] for f in run("ca audit", 1)["faults"]}
    assert codes == {"key-missing"}


def test_crls_are_copied_out(folder: Path, run: Run) -> None:
    """Each CA's list under the name that certificates would point to, and the bundle; a second run renews nothing."""
    run("cert issue bot")
    assert run("ca crl --out public")["renewed"] == 2
    assert run("ca crl --out public")["renewed"] == 0
    assert sorted(p.name for p in (folder / "public").iterdir()) == [
        "home-issuing-1.crl",
        "home-root-1.crl",
        "home.pem",
    ]
    x509.load_der_x509_crl((folder / "public" / "home-issuing-1.crl").read_bytes())


def test_a_password_in_the_environment_is_not_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that cannot be reached is named without its password."""
    monkeypatch.setenv("GATEWRIGHT_STORE", "postgresql://somebody:hunter2@127.0.0.1:1/nothing")
    told = run("cert list", 3)
    assert told["diagnostics"][0]["code"] == "store-unusable"
    assert "hunter2" not in json.dumps(told)


@pytest.mark.parametrize(
    ("client", "name"), [("job", "uri:spiffe://example.org/job"), ("mail", "email:mail@example.org")]
)
def test_clients_known_by_other_names_get_certificates_with_them(run: Run, client: str, name: str) -> None:
    """A URI and a mail address stand in the certificate as what they are."""
    assert run(f"cert issue {client}")["certificate"]["names"][0] == name


@pytest.mark.parametrize(("client", "code"), [("card", "client-entry-unusable"), ("pin", "key-is-given")])
def test_what_cannot_be_issued_says_why(run: Run, client: str, code: str) -> None:
    """A serial number exists already, and a key is its holder's: neither is a bug, both name the way out."""
    (problem,) = run(f"cert issue {client}", 2)["diagnostics"]
    assert problem["code"] == code
    assert problem["fix"]
