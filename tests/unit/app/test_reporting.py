"""Reports on disk: written whole, signed by the gateway's own PKI, and refused if a single byte is not what was signed."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from tests.pki_world import World, make_world
from tests.unit.prove.reports import hostile, proven, unproven

from gatewright.app.authority import find_authority, next_issuing_ca
from gatewright.app.issuing import issue_client
from gatewright.app.reporting import KEEP, Reporting
from gatewright.app.revoking import revoke
from gatewright.edges.files import LocalFiles
from gatewright.errors import FindingError, UsageError, ValueRejected
from gatewright.model.pki import CaRole, Filter, ProfileName, Reason
from gatewright.pki import signing
from gatewright.pki.keys import from_pem
from gatewright.pki.profiles import PROFILES
from gatewright.prove.report import Report


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    folder = tmp_path / "gateway"
    folder.mkdir()
    made = make_world(folder)
    yield made
    made.close()


def reporting(world: World, folder: Path | None = None) -> Reporting:
    return Reporting(LocalFiles(), world.clock, folder or world.folder)


@dataclass(frozen=True)
class Written:
    """Where the three files of a signed report are."""

    report: Path
    page: Path
    signature: Path


def save(world: World, report: Report | None = None, keep: int = KEEP) -> Written:
    """A report, signed by the world's authority."""
    saved = reporting(world).save(report or proven(), world.home, world.deps, keep=keep)
    assert saved.problem is None
    assert saved.report is not None
    assert saved.page is not None
    assert saved.signature is not None
    return Written(Path(saved.report), Path(saved.page), Path(saved.signature))


def refused(world: World, path: Path, anchors: tuple[Path, ...] = ()) -> str:
    """The code of the refusal; what and fix are told with each."""
    with pytest.raises(FindingError) as told:
        reporting(world).verify(path, anchors)
    diagnostic = told.value.diagnostics[0]
    assert diagnostic.what
    assert diagnostic.fix
    return diagnostic.code


def test_a_report_is_three_files_for_the_owner_and_the_group(world: World) -> None:
    """JSON, page and signature are named after time and generation, mode 0640, and the JSON's hash of the page is right."""
    saved = save(world)
    assert saved.report == world.folder / "reports" / "20300101T120000Z-0007.json"
    for path in (saved.report, saved.page, saved.signature):
        assert path.stat().st_mode & 0o777 == 0o640
    assert sorted(p.name for p in Path(world.folder / "reports").iterdir()) == [
        "20300101T120000Z-0007.html",
        "20300101T120000Z-0007.json",
        "20300101T120000Z-0007.json.p7s",
    ]


def test_an_untouched_report_is_authentic(world: World, tmp_path: Path) -> None:
    """It is checked by its root alone, far from the gateway, under any of its three names, years later."""
    saved = save(world)
    away = tmp_path / "auditor"
    shutil.copytree(world.folder / "reports", away)
    root = shutil.copy(world.home.root_path, away / "root.pem")
    world.clock.turn(days=4000)
    for name in (saved.report.name, saved.page.name, f"{saved.report.name}.p7s"):
        checked = reporting(world, tmp_path / "nowhere").verify(away / name, [Path(root)])
        assert checked.page
        assert checked.proven
        assert "Gatewright proof reports" in checked.signer
        assert checked.anchor.startswith("CN=home root CA")
    (away / saved.page.name).unlink()
    assert not reporting(world, tmp_path / "nowhere").verify(away / saved.report.name, [Path(root)]).page


def test_an_authentic_report_of_failure_is_not_proven(world: World) -> None:
    """Authentic is not proven: what the report says decides that."""
    saved = save(world, unproven())
    checked = reporting(world).verify(saved.report)
    assert not checked.proven
    assert "NOT PROVEN, 2 of 6 probes failed" in checked.text()


def test_hostile_words_are_signed_like_others(world: World) -> None:
    """Whatever stands in a report, it can be written, signed and checked."""
    saved = save(world, hostile())
    assert not reporting(world).verify(saved.report).proven


def test_no_byte_of_the_report_can_be_changed(world: World) -> None:
    """Each byte of the JSON: changed, its signature does not fit any more."""
    saved = save(world)
    content = Path(saved.report).read_bytes()
    signed = signing.opened(Path(f"{saved.report}.p7s").read_bytes())
    signing.check(content, signed)
    for altered in flipped(content):
        with pytest.raises(ValueRejected) as told:
            signing.check(altered, signed)
        assert told.value.code == "report-altered"
    Path(saved.report).write_bytes(altered)
    assert refused(world, Path(saved.report)) == "report-altered"


def test_no_byte_of_the_signature_can_be_changed(world: World) -> None:
    """Each byte of the signature file, the certificates in it and what no signature covers included: changed, it is refused."""
    saved = save(world)
    content, roots, codes = Path(saved.report).read_bytes(), reporting(world)._roots(()), set()
    for altered in flipped(Path(f"{saved.report}.p7s").read_bytes()):
        with pytest.raises(ValueRejected) as told:
            reporting(world)._checked(Path(saved.report), content, altered, roots)
        codes.add(told.value.code)
    assert codes == {
        "report-signature-damaged",
        "report-altered",
        "report-signer-untrusted",
        "report-signer-unfit",
    }


def test_no_byte_of_the_page_can_be_changed(world: World) -> None:
    """The page that people read belongs to what is signed: another one beside it is refused."""
    saved = save(world)
    path = Path(saved.page)
    content = path.read_bytes()
    for altered in flipped(content, every=61):
        path.write_bytes(altered)
        assert refused(world, path) == "report-page-altered"
    path.write_bytes(content)
    assert reporting(world).verify(path).page


def flipped(content: bytes, every: int = 1) -> Iterator[bytes]:
    """``content`` with one bit of one byte turned over, for each byte or every so many."""
    for place in range(0, len(content), every):
        yield content[:place] + bytes([content[place] ^ 0x01]) + content[place + 1 :]


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c[:-1],
        lambda c: c + b"\0",
        lambda c: c + b"\n",
        lambda c: b"",
        lambda c: c + c,
        lambda c: b"\x30\x80" + c[4:],
    ],
    ids=["cut", "longer", "newline", "empty", "twice", "indefinite-length"],
)
@pytest.mark.parametrize("end", [".json", ".json.p7s"])
def test_no_byte_can_be_added_or_taken(world: World, end: str, change: Callable[[bytes], bytes]) -> None:
    """Longer, shorter, empty, or written otherwise: refused, with a reason."""
    path = Path(save(world).report).with_suffix(end)
    path.write_bytes(change(path.read_bytes()))
    assert refused(world, path) in {"report-altered", "report-signature-damaged"}


def test_the_signature_of_another_report_does_not_do(world: World) -> None:
    """Two authentic reports with their signatures exchanged are both refused."""
    one, two = save(world), save(world, unproven())
    assert two.report.name == "20300101T120000Z-0007-2.json"
    shutil.copy(f"{two.report}.p7s", f"{one.report}.p7s")
    assert refused(world, Path(one.report)) == "report-altered"


def test_another_ca_is_refused(world: World, tmp_path: Path) -> None:
    """A report of another gateway is refused, by a folder's root or by a given one; its own root accepts it."""
    folder = tmp_path / "other"
    folder.mkdir()
    other = make_world(folder)
    saved = save(other)
    assert refused(world, Path(saved.report)) == "report-signer-untrusted"
    assert refused(other, Path(saved.report), (Path(world.home.root_path),)) == "report-signer-untrusted"
    assert reporting(world).verify(saved.report, [other.home.root_path]).proven
    other.close()


def test_a_client_signs_no_reports(world: World) -> None:
    """A client's certificate of the same authority makes a good signature, and is refused for its purpose."""
    saved = save(world)
    client = issue_client(world.home, "mallory", "mallory.example", world.deps)
    assert client.key_path is not None
    key = from_pem(Path(client.key_path).read_bytes())
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    certificate = x509.load_der_x509_certificate(client.certificate.der)
    forged = signing.sign(Path(saved.report).read_bytes(), key, certificate, [world.home.issuing_certificate])
    Path(f"{saved.report}.p7s").write_bytes(forged)
    assert refused(world, Path(saved.report)) == "report-signer-unfit"


def test_an_unsigned_report_is_refused(world: World) -> None:
    """Without an authority a report is written all the same, says why it is not signed, and is not authentic."""
    saved = reporting(world).save(proven(), None, None)
    assert saved.report is not None
    assert saved.signature is None
    assert saved.problem is not None
    assert saved.problem.code == "report-not-signed"
    assert refused(world, Path(saved.report)) == "report-signature-missing"


def test_a_key_that_is_away_does_not_lose_the_report(world: World) -> None:
    """Where nothing can be issued (the issuing CA's key is gone), the report is written unsigned, with the reason."""
    ref = world.home.issuing.key
    world.deps.keystore.remove(ref)
    saved = reporting(world).save(proven(), world.home, world.deps)
    assert saved.report is not None
    assert saved.signature is None
    assert saved.problem is not None
    assert "not signed: " in saved.problem.what
    assert json.loads(Path(saved.report).read_bytes())["proven"]


def test_a_report_that_cannot_be_written_is_a_warning(world: World) -> None:
    """Where the folder cannot be made, the proof's result is not lost: nothing is raised, and the reason is told."""
    (world.folder / "reports").write_text("in the way")
    saved = reporting(world).save_if_possible(proven(), world.home, world.deps)
    assert (saved.report, saved.page, saved.signature) == (None, None, None)
    assert saved.problem is not None
    assert saved.problem.code == "report-not-kept"
    assert "reports" in saved.problem.what


def test_a_report_out_of_time_is_refused(world: World) -> None:
    """A report from the future, and one dated where its signer was not valid, are refused, signed as they are."""
    saved = save(world)
    world.clock.turn(hours=-1)
    assert refused(world, Path(saved.report)) == "report-from-the-future"
    world.clock.turn(hours=1)
    data = json.loads(Path(saved.report).read_bytes()) | {"made": "2029-01-01T00:00:00Z"}
    resign(world, saved, json.dumps(data).encode())
    assert refused(world, Path(saved.report)) == "report-signer-not-valid-then"


@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b"{}",
        b"not json",
        b"[" * 100_000,
        b'{"format": "gatewright-proof-2"}',
        b'{"format": "gatewright-proof-1", "made": 3}',
    ],
    ids=["list", "empty", "text", "deep", "newer", "no-time"],
)
def test_signed_nonsense_is_no_report(world: World, content: bytes) -> None:
    """What is signed but is no report of a known format is refused, not crashed on."""
    saved = save(world)
    resign(world, saved, content)
    assert refused(world, Path(saved.report)) == "report-format-unknown"


def resign(world: World, saved: Written, content: bytes) -> None:
    """Put ``content`` in place of the report, signed with the report key itself."""
    with world.store.reading() as reader:
        found = reader.newest(Filter(authority="home", profile=ProfileName.REPORT))
    assert found is not None
    assert found.key is not None
    key = world.deps.keystore.load(found.key)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    certificate = x509.load_der_x509_certificate(found.der)
    Path(saved.report).write_bytes(content)
    Path(f"{saved.report}.p7s").write_bytes(signing.sign(content, key, certificate, [world.home.issuing_certificate]))


def test_one_signer_signs_until_its_last_third(world: World) -> None:
    """A year's certificate for documents only; a new one in its last third, after revocation, and for a new issuing CA."""

    def signer() -> str:
        return reporting(world).verify(save(world).report).serial

    first = signer()
    world.clock.turn(days=243)
    assert signer() == first
    world.clock.turn(days=2)
    second = signer()
    assert second != first
    revoke(
        lambda reader: reader.by_serial(bytes.fromhex(second.zfill(40))),
        Reason.SUPERSEDED,
        world.deps,
        world.markers,
        by="test",
    )
    third = signer()
    assert third != second
    world.home = next_issuing_ca("home", "localhost", "p256", world.deps)
    assert signer() != third
    assert PROFILES[ProfileName.REPORT].validity == timedelta(days=366)
    assert not {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH} & set(
        PROFILES[ProfileName.REPORT].purposes
    )


def test_only_the_newest_stay(world: World) -> None:
    """All but the newest are removed, whole; files of others in the folder are left alone."""
    (world.folder / "reports").mkdir()
    (world.folder / "reports" / "notes.html").write_text("mine")
    (world.folder / "reports" / "20200101T000000Z-0001.html").write_text("left by a crash")
    for _ in range(4):
        save(world, keep=2)
        world.clock.turn(seconds=1)
    save(world, keep=2)
    kept = reporting(world).kept()
    assert [(k.path.name, k.generation, k.signed) for k in kept] == [
        ("20300101T120004Z-0007.json", 7, True),
        ("20300101T120003Z-0007.json", 7, True),
    ]
    assert len(list((world.folder / "reports").iterdir())) == 7
    assert (world.folder / "reports" / "notes.html").exists()


def test_nothing_to_trust_is_said(world: World, tmp_path: Path) -> None:
    """Without a root nothing is checked: no folder of a gateway, no anchor, a file that is none, or no report."""
    saved = save(world)
    for path, anchors, code in (
        (saved.report, [], "no-report-anchor"),
        (saved.report, [tmp_path / "none.pem"], "no-such-file"),
        (tmp_path / "none.json", [world.home.root_path], "no-such-file"),
    ):
        with pytest.raises(UsageError) as told:
            reporting(world, tmp_path).verify(path, anchors)
        assert told.value.diagnostics[0].code == code


@pytest.mark.parametrize("purpose", [[], ["-purpose", "any"]], ids=["default", "any"])
def test_openssl_accepts_it_and_refuses_a_changed_one(world: World, purpose: list[str]) -> None:
    """The command of docs/prove-report.md: openssl cms accepts the report as it stands and refuses another byte."""
    saved = save(world)

    def openssl() -> int:
        command = ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", f"{saved.report}.p7s"]
        command += ["-content", str(saved.report), "-CAfile", str(world.home.root_path), "-out", "/dev/null", *purpose]
        at = ["-attime", str(int(world.clock.now().timestamp()))]
        return subprocess.run([*command, *at], capture_output=True, check=False).returncode

    assert openssl() == 0
    path = Path(saved.report)
    path.write_bytes(path.read_bytes().replace(b'"generation":7', b'"generation":8'))
    assert openssl() != 0


def test_openssl_refuses_a_clients_signature(world: World) -> None:
    """By default openssl cms asks for a purpose that only the report's signer has."""
    saved = save(world)
    client = issue_client(world.home, "mallory", "mallory.example", world.deps)
    assert client.key_path is not None
    command = [
        "openssl",
        "cms",
        "-sign",
        "-binary",
        "-outform",
        "DER",
        "-in",
        str(saved.report),
        "-out",
        f"{saved.report}.p7s",
    ]
    command += [
        "-signer",
        str(client.chain_path),
        "-inkey",
        str(client.key_path),
        "-certfile",
        str(world.home.issuing_path),
    ]
    subprocess.run(command, check=True, capture_output=True)
    verify = [
        "openssl",
        "cms",
        "-verify",
        "-binary",
        "-inform",
        "DER",
        "-in",
        f"{saved.report}.p7s",
        "-content",
        str(saved.report),
    ]
    verify += [
        "-CAfile",
        str(world.home.root_path),
        "-attime",
        str(int(world.clock.now().timestamp())),
        "-out",
        "/dev/null",
    ]
    assert subprocess.run(verify, capture_output=True, check=False).returncode != 0
    assert refused(world, Path(saved.report)) == "report-signature-damaged"


def test_the_root_is_found_in_the_folder(world: World) -> None:
    """The folder's own roots are trusted, its issuing CAs only through them."""
    assert {g.role for g in (find_authority("home", world.deps).root,)} == {CaRole.ROOT}
    roots = reporting(world)._roots(())
    assert [r.subject for r in roots] == [world.home.root_certificate.subject]


def test_a_report_of_an_earlier_release_is_authentic(world: World) -> None:
    """A report kept in the repository is accepted: what writes signature files today writes them as it did then."""
    stored = Path(__file__).resolve().parents[2] / "vectors" / "report"
    checked = reporting(world).verify(stored / "report.json", [stored / "root.pem"])
    assert checked.page
    assert checked.proven
