"""``partner`` and ``client``: what they make of a real gateway file, what they print, and what they refuse without touching anything."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from tests.live.pki import CLIENT, DAY, Pair, authority, make, name

from gatewright.app.enrolled import keep
from gatewright.cli.main import main
from gatewright.edges.files import LocalFiles
from gatewright.pki.matching import pin_of
from gatewright.wiring import places_of

GATEWAY = """\
# Whose gateway this is.
gateway: localhost     # and nowhere else
listen: 8443
authorities:
  home:   { managed: true }   # ours
clients:
  bot:    { authority: home, san: bot.example.org }
  other:  { authority: home, san: other.example.org }
groups:
  bots: [bot, other]
routes:
  /open/:  { respond: { text: 'open' }, access: public }
  /any/:   { respond: { text: any }, access: any-client }
  /bots/:  { respond: { text: bots }, access: [bots] }
  /one/:   { respond: { text: one }, access: [other] }   # the other one
  /night/: { respond: { text: night }, access: { any-of: [home], during: { from: "22:00" } } }
  /both/:
    respond: { text: both }
    access:
      - bot
      - other
"""

Run = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a gateway file, as the current one, and a partner's CAs beside it."""
    (tmp_path / "gw").mkdir()
    (tmp_path / "gw" / "gateway.yaml").write_text(GATEWAY)
    (tmp_path / "gw" / "gateway.yaml").chmod(0o600)
    monkeypatch.chdir(tmp_path / "gw")
    monkeypatch.delenv("GATEWRIGHT_STORE", raising=False)
    return tmp_path


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs one command line with ``--json`` and gives what it printed. Where it fails, nothing may have changed."""

    def go(*words: str, code: int = 0) -> Any:
        capsys.readouterr()
        before = tree(folder)
        found = main([*words, "--json"])
        out, err = capsys.readouterr()
        assert found == code, out + err
        if code == 2 or "diagnostics" in json.loads(out):
            assert tree(folder) == before, "a refused command changes nothing"
        return json.loads(out)

    return go


def tree(folder: Path) -> dict[str, bytes]:
    """Every file of the gateway, but what the PKI made."""
    return {str(p): p.read_bytes() for p in (folder / "gw").rglob("*") if p.is_file() and p.suffix in {".yaml", ".pem"}}


def text(folder: Path) -> str:
    return (folder / "gw" / "gateway.yaml").read_text()


def came(folder: Path) -> list[str]:
    """The lines that are new."""
    return [line for line in text(folder).splitlines() if line not in GATEWAY.splitlines()]


def put(folder: Path, name: str, *pairs: Pair) -> str:
    """A file with these certificates."""
    (folder / name).write_bytes(b"".join(pair.pem for pair in pairs))
    return str(folder / name)


def codes(told: Any) -> list[str]:
    return [d["code"] for d in told["diagnostics"]]


def test_a_partner_with_a_ca_of_its_own(run: Run, folder: Path) -> None:
    """Its certificate is copied, its authority declared, and only lines are added."""
    told = run("partner", "add", "globex", "--ca", put(folder, "g.pem", ca := authority("Globex")), "--contact", "a: b")
    assert came(folder) == [
        "  globex: { anchor: partners/globex-1.pem }",
        "partners:",
        '  globex: { authority: globex, contact: "a: b" }',
    ]
    copied = folder / "gw" / "partners" / "globex-1.pem"
    assert copied.read_bytes() == ca.pem
    assert copied.stat().st_mode & 0o777 == 0o644
    assert (folder / "gw" / "gateway.yaml").stat().st_mode & 0o777 == 0o600
    assert told["written"] == ["partners/globex-1.pem"]
    assert [c["kind"] for c in told["plan"]["changes"]][:1] == ["route-opened"] or told["plan"]["first"]


def test_a_partner_whose_requests_are_signed(run: Run, folder: Path) -> None:
    """An authority is made for it alone, and the names that it may have are said."""
    run("partner", "add", "initech", "--allowed-name", "*.initech.example", "--allowed-name", "a@initech.example")
    assert came(folder) == [
        "  initech: { managed: true }",
        "partners:",
        '  initech: { authority: initech, names: ["*.initech.example", a@initech.example] }',
    ]
    run("client", "add", "robot", "--authority", "initech", "--san", "robot.initech.example", "--route", "/one/")
    assert codes(run("client", "add", "evil", "--authority", "initech", "--san", "evil.example", code=2)) == [
        "client-beyond-names"
    ]


def test_a_root_that_issues_by_itself_needs_a_host_of_its_own(run: Run, folder: Path) -> None:
    """As ``check`` says it, with its three ways out; the third is an option."""
    root = put(folder, "root.pem", make("Legacy root", ca=True))
    told = run("partner", "add", "legacy", "--ca", root, code=2)
    assert codes(told) == ["anchor-self-signed"]
    assert [line[:2] for line in told["diagnostics"][0]["fix"].splitlines()] == ["on", "1.", "2.", "3."]
    assert not (folder / "gw" / "partners").exists() or not list((folder / "gw" / "partners").iterdir())
    run("partner", "add", "legacy", "--ca", root, "--host", "legacy.localhost")
    assert "  legacy: { anchor: partners/legacy-1.pem, host: legacy.localhost }" in came(folder)
    assert codes(run("partner", "add", "deep", "--ca", put(folder, "d.pem", authority("Deep")), "--depth", "2", code=2)) == [
        "anchor-depth"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("partner add x", "usage"),
        ("partner add x --csr --ca g.pem", "usage"),
        ("partner add 'x y' --csr", "bad-name"),
        ("partner add home --csr", "name-taken"),
        ("partner add HOME --csr", "name-taken"),
        ("partner add x --authority home", "no-server-certificate"),
        ("partner add x --authority nobody", "unknown-authority"),
        ("partner add x --csr --yes", "usage"),
        ("partner add x --ca missing.pem", "no-such-file"),
        ("partner add x --ca gateway.yaml", "anchor-not-a-certificate"),
        ("partner add x --allowed-name 10.0.0.1", "bad-allowed-name"),
        ("partner disable x", "unknown-partner"),
        ("partner show home", "unknown-partner"),
        ("partner renew x --retire y", "unknown-partner"),
        ("partner renew x", "usage"),
        ("client add bot --authority home --san a.example", "name-taken"),
        ("client add bots --authority home --san a.example", "name-taken"),
        ("client add x --san a.example", "unknown-authority"),
        ("client add x --authority hom --san a.example", "unknown-authority"),
        ("client add x --authority home", "client-known-by"),
        ("client add x --authority home --san a.example --email a@b.example", "client-known-by"),
        ("client add x --authority home --san 'a b'", "bad-host"),
        ("client add x --authority home --san bot.example.org", "same-client"),
        ("client add x --authority home --subject nonsense", "bad-subject"),
        ("client add x --authority home --subject CN=a,CN=b", "bad-subject"),
        ("client add x --authority home --san a.example --route /on/", "unknown-route"),
        ("client add x --authority home --san a.example --group bot", "unknown-group"),
        ("client show x", "unknown-client"),
        ("client remove x", "unknown-client"),
        ("client remove other", "access-nobody"),
    ],
)
def test_what_is_refused(run: Run, words: str, code: str) -> None:
    """With one message each, and nothing is changed."""
    import shlex  # noqa: PLC0415 - for this test alone

    assert code in codes(run(*shlex.split(words), code=2))


@pytest.mark.parametrize(
    ("option", "entry"),
    [
        (("--san", "a.example.org"), "san: a.example.org"),
        (("--email", "a@example.org"), "email: a@example.org"),
        (("--uri", "spiffe://example.org/a"), 'uri: "spiffe://example.org/a"'),
        (("--serial", "0123"), 'serial: "0123"'),
        (("--subject", "O=Globex\\, Inc.,CN=erp"), 'subject: { organization: "Globex, Inc.", common_name: erp }'),
    ],
)
def test_a_client_by_each_way_to_know_it(run: Run, folder: Path, option: tuple[str, str], entry: str) -> None:
    """On one line, with the quotes that it needs, in its group and at its routes."""
    run(
        "client", "add", "x", "--authority", "home", *option, "--group", "bots", "--route", "/both/", "--route", "/one/"
    )
    assert came(folder) == [
        f"  x: {{ authority: home, {entry} }}",
        "  bots: [bot, other, x]",
        "  /one/:   { respond: { text: one }, access: [other, x] }   # the other one",
        "      - x",
    ]


def test_a_route_for_an_authority_gets_its_first_client(run: Run, folder: Path) -> None:
    """The hours and the authority stay; what is for all already is left alone, and that is said."""
    told = run(
        "client", "add", "x", "--authority", "home", "--san", "x.example.org", "--route", "/night/", "--route", "/any/"
    )
    assert came(folder)[-1] == (
        '  /night/: { respond: { text: night }, access: { any-of: [home], during: { from: "22:00" }, clients: [x] } }'
    )
    assert [note["code"] for note in told["notes"]] == ["route-for-all"]


@pytest.mark.parametrize(
    ("subject", "sans", "entry"),
    [
        ("erp", ["erp.globex.example"], "san: erp.globex.example"),
        ("erp", [x509.RFC822Name("erp@globex.example")], "email: erp@globex.example"),
        ("erp", ["erp.globex.example", x509.UniformResourceIdentifier("spiffe://g/erp")], 'uri: "spiffe://g/erp"'),
        (name("erp", (NameOID.ORGANIZATION_NAME, "Globex")), [], "subject: { organization: Globex, common_name: erp }"),
        (name("a", (NameOID.COMMON_NAME, "b")), [], None),
        ("erp", ["a.globex.example", "b.globex.example"], "subject: { common_name: erp }"),
    ],
)
def test_a_client_by_its_certificate(run: Run, folder: Path, subject: Any, sans: list[Any], entry: str | None) -> None:
    """What it is best known by is read off it, and whose it is; the entry admits this very certificate."""
    ca = authority("Globex")
    run("partner", "add", "globex", "--ca", put(folder, "g.pem", ca))
    pair = make(subject, ca, usage=[CLIENT], sans=sans)
    run("client", "add", "erp", "--cert", put(folder, "erp.pem", pair))
    wanted = entry or f'key: "{pin_of(pair.certificate)}"'
    assert f"  erp: {{ authority: globex, {wanted} }}" in came(folder)


def test_a_certificate_that_is_nobodys_or_not_the_clients(run: Run, folder: Path) -> None:
    """A stranger's, one of the same issuer's name but another key, and one that the entry would not admit."""
    ca = authority("Globex")
    run("partner", "add", "globex", "--ca", put(folder, "g.pem", ca))
    impostor = make("erp", authority("Globex"), usage=[CLIENT], sans=["erp.globex.example"])
    right = make("erp", ca, usage=[CLIENT], sans=["erp.globex.example"])
    for pair, words, code in (
        (make("x"), (), "not-issued-by-authority"),
        (impostor, (), "not-issued-by-authority"),
        (right, ("--san", "other.globex.example"), "certificate-not-the-clients"),
    ):
        told = run("client", "add", "erp", "--cert", put(folder, "c.pem", pair), *words, code=1)
        assert codes(told) == [code]


def test_a_client_of_an_authority_with_cas_in_between(run: Run, folder: Path) -> None:
    """Whose it is is found through the CAs behind it, no further than the depth; alone, the message says what is missing."""
    root = make("Umbrella root", ca=True)
    middle = make("Umbrella middle", root, ca=True)
    issuing = make("Umbrella issuing", middle, ca=True)
    leaf = make("erp", issuing, usage=[CLIENT], sans=["erp.umbrella.example"])
    bundle = folder / "bundle.pem"
    bundle.write_bytes(leaf.pem + middle.pem + issuing.pem)
    run(
        "partner", "add", "umbrella", "--ca", put(folder, "u.pem", root), "--host", "umbrella.localhost", "--depth", "1"
    )
    told = run("client", "add", "erp", "--cert", str(bundle), code=1)
    assert codes(told) == ["not-issued-by-authority"]
    (folder / "gw" / "gateway.yaml").write_text(text(folder).replace("depth: 1", "depth: 2"))
    told = run("client", "add", "erp", "--cert", put(folder, "erp.pem", leaf), code=1)
    assert "of a client of umbrella, put the CAs in between behind its certificate" in str(told)
    run("client", "add", "erp", "--cert", str(bundle))
    assert "  erp: { authority: umbrella, san: erp.umbrella.example }" in came(folder)


def test_disabling_and_enabling_leave_the_file_as_it_was(run: Run, folder: Path) -> None:
    """Twice is once, and enabling takes back exactly what disabling did."""
    run("partner", "add", "globex", "--ca", put(folder, "g.pem", authority("Globex")))
    before = text(folder)
    run("partner", "disable", "globex")
    assert "  globex: { authority: globex, disabled: true }" in came(folder)
    assert run("partner", "disable", "globex")["changed"] is False
    (partner,) = run("partner", "list")["partners"]
    assert partner["disabled"] is True
    run("partner", "enable", "globex")
    assert text(folder) == before
    assert run("partner", "enable", "globex")["changed"] is False


def test_the_next_ca_beside_the_old_one(run: Run, folder: Path) -> None:
    """Added, then the old one retired; the last one is not."""
    run("partner", "add", "globex", "--ca", put(folder, "1.pem", authority("Globex 1")))
    run("partner", "renew", "globex", "--ca", put(folder, "2.pem", authority("Globex 2")))
    assert "  globex: { anchor: [partners/globex-1.pem, partners/globex-2.pem] }" in came(folder)
    assert codes(run("partner", "renew", "globex", "--retire", "3.pem", code=2)) == ["no-such-anchor"]
    run("partner", "renew", "globex", "--retire", "globex-1.pem")
    assert "  globex: { anchor: [partners/globex-2.pem] }" in came(folder)
    assert codes(run("partner", "renew", "globex", "--retire", "globex-2.pem", code=2)) == ["last-anchor"]
    told = run("partner", "renew", "globex", "--ca", put(folder, "k.pem", authority("K"), make("L", ca=True)), code=2)
    assert codes(told) == ["anchor-bundle"]
    assert told["diagnostics"][0]["what"].endswith("2 certificates: CN=K issuing; CN=L (a root)")


def test_a_ca_that_is_needed_still_is_not_retired_in_silence(run: Run, folder: Path) -> None:
    """Of clients whose certificates are enrolled it is known here which CA issued them; of the next CA's nothing is said."""
    old, new = authority("Globex 1"), authority("Globex 2")
    run("partner", "add", "globex", "--ca", put(folder, "1.pem", old), "--ca", put(folder, "2.pem", new))
    uri = x509.UniformResourceIdentifier("spiffe://globex.example/job")
    pair = make("job", old, usage=[CLIENT], sans=[uri])
    job = put(folder, "job.pem", pair)
    run("client", "add", "job", "--cert", job, "--route", "/one/")
    keep(LocalFiles(), places_of(folder / "gw"), "globex", pair.pem)
    before = text(folder)
    told = run("partner", "renew", "globex", "--retire", "globex-2.pem")["notes"]
    assert "anchor-in-use" not in [note["code"] for note in told]
    (folder / "gw" / "gateway.yaml").write_text(before)
    told = run("partner", "renew", "globex", "--retire", "globex-1.pem")["notes"]
    (note,) = (note for note in told if note["code"] == "anchor-in-use")
    assert note["what"].endswith(", of job")
    (told,) = (c for c in run("client", "list")["clients"] if c["name"] == "job")
    assert len(told["enrolled"]) == 1


def test_a_ca_that_ends_soon_is_told_until_another_one_goes_on(run: Run, folder: Path) -> None:
    """Within two weeks ``partner list`` and ``show`` exit with 1 and say what to do; with the next CA there they do not."""
    root = make("Globex root", ca=True)
    old = make("Globex 1", root, ca=True, path_length=0, not_after=10 * DAY)
    run("partner", "add", "globex", "--ca", put(folder, "1.pem", old))
    for words in (("partner", "list"), ("partner", "show", "globex")):
        told = run(*words, code=1)
        assert [p["code"] for p in told["problems"]] == ["anchor-ends-soon"]
        assert "gatewright partner renew globex --ca FILE" in told["problems"][0]["fix"]
    run("partner", "renew", "globex", "--ca", put(folder, "2.pem", make("Globex 2", root, ca=True, path_length=0)))
    anchors = run("partner", "show", "globex")["anchors"]
    assert [(a["file"], a["days_left"]) for a in anchors] == [
        ("partners/globex-1.pem", 9),
        ("partners/globex-2.pem", 29),
    ]


def test_a_disabled_partners_end_is_nobodys_concern(run: Run, folder: Path) -> None:
    """Its CA may end, or have ended, and the file still checks."""
    root = make("Globex root", ca=True)
    old = make("Globex 1", root, ca=True, path_length=0, not_after=10 * DAY)
    run("partner", "add", "globex", "--ca", put(folder, "1.pem", old))
    run("partner", "disable", "globex")
    assert run("partner", "list")["problems"] == []
    ended = make("Globex 1", root, ca=True, path_length=0, not_before=-3 * DAY, not_after=-dt.timedelta(hours=1))
    (folder / "gw" / "partners" / "globex-1.pem").write_bytes(ended.pem)
    assert main(["check"]) == 0
    assert codes(run("partner", "enable", "globex", code=2)) == ["anchor-expired"]


def test_a_client_is_removed_everywhere(run: Run, folder: Path) -> None:
    """From its section, its group and its routes; the group goes with its last member."""
    run("client", "remove", "bot")
    assert "  bots: [other]" in text(folder)
    assert "- bot\n" not in text(folder)
    assert "bot.example.org" not in text(folder)
    last = ("client", "add", "last", "--authority", "home", "--san", "last.example.org")
    run(*last, "--route", "/one/", "--route", "/bots/", "--route", "/both/")
    run("client", "remove", "other")
    assert "groups:" not in text(folder)
    assert "access: [last] }   # the other one" in text(folder)


def test_what_is_known_of_clients(run: Run, folder: Path) -> None:
    """Where they are admitted, and their certificates: valid ones, and how many are revoked."""
    for words in (("cert", "issue", "bot"), ("cert", "issue", "bot"), ("cert", "revoke", "bot", "--all")):
        assert main([*words]) == 0
    assert main(["cert", "issue", "bot"]) == 0
    told = {c["name"]: c for c in run("client", "list")["clients"]}
    assert told["bot"]["routes"] == ["/any/", "/bots/", "/night/", "/both/"]
    assert told["bot"]["groups"] == ["bots"]
    assert told["bot"]["revoked"] == 2
    assert [c["status"] for c in told["bot"]["certificates"]] == ["valid", "revoked", "revoked"]
    assert told["bot"]["last_issued"] == told["bot"]["certificates"][0]["not_before"]
    assert told["other"]["certificates"] == []
    assert run("client", "show", "bot") == told["bot"]


def test_removing_says_what_is_still_valid(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the command that revokes it."""
    assert main(["cert", "issue", "bot"]) == 0
    capsys.readouterr()
    assert main(["client", "remove", "bot"]) == 0
    said = capsys.readouterr().out
    command = next(line.split("gatewright ", 1)[1] for line in said.splitlines() if "Revoke it with" in line)
    assert main(command.split()) == 0
    capsys.readouterr()
    assert main(["cert", "list", "--name", "bot", "--status", "valid", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["certificates"] == []


def test_text_for_people(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The difference, who gains, and the next command."""
    put(folder, "g.pem", authority("Globex"))
    assert main(["partner", "add", "globex", "--ca", str(folder / "g.pem")]) == 0
    out = capsys.readouterr().out
    assert out.startswith("--- gateway.yaml\n+++ gateway.yaml\n@@ ")
    assert "\n+  globex: { anchor: partners/globex-1.pem }\n" in out
    assert "\nwrote partners/globex-1.pem\n" in out
    assert out.endswith("\nApply it with: gatewright apply --yes\n")
    assert main(["partner", "show", "globex"]) == 0
    assert "their CA" in capsys.readouterr().out


def test_another_writer_is_not_overwritten(run: Run, folder: Path) -> None:
    """A file of that name that holds something else stays; the same certificate there is taken as it is."""
    ca, partners = authority("Globex"), folder / "gw" / "partners"
    partners.mkdir()
    (partners / "globex-1.pem").write_bytes(b"mine")
    assert codes(run("partner", "add", "globex", "--ca", put(folder, "g.pem", ca), code=2)) == ["output-exists"]
    (partners / "globex-1.pem").write_bytes(ca.pem)
    assert run("partner", "add", "globex", "--ca", str(partners / "globex-1.pem"))["written"] == []
