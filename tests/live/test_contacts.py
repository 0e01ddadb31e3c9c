"""First contacts as httpd sees them: who is logged, who is told to come again, and that only an entry admits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from gatewright.app.enrolling import Contact
from gatewright.compile.passes.contacts import LONGEST
from gatewright.edges.logs import LONGEST_LINE
from tests.live.conftest import Lab
from tests.live.gate import until
from tests.live.httpd import Running, curl, running
from tests.live.pki import Pair, authority
from tests.vectors.zoo.kit import PIN, URI, Order, build, dns, loaded, name, part, parts, pinned_key, uri

pytestmark = pytest.mark.live

GATEWAY = f"""
gateway: localhost
listen: 0
authorities:
  globex: {{ anchor: globex.pem }}
  initech: {{ anchor: initech.pem }}
clients:
  job:    {{ authority: globex, uri: "{URI}" }}
  pinned: {{ authority: globex, key: "{PIN}" }}
  plain:  {{ authority: initech, san: plain.example }}
routes:
  /open:   {{ respond: {{ text: open }}, access: public }}
  /job/:   {{ respond: {{ text: job }}, access: [job] }}
  /other/: {{ respond: {{ text: other }}, access: [pinned, plain] }}
"""


@pytest.fixture(scope="module")
def initech() -> Pair:
    return authority("initech")


@pytest.fixture
def gate(lab: Lab, initech: Pair, tmp_path: Path) -> Iterator[Running]:
    """A gateway of two partners; only one has clients that httpd cannot recognise."""
    with running(GATEWAY, tmp_path, {"globex": lab.globex, "initech": initech}) as gate:
        gate.expect("AH01630")
        for folder in ("members", "contacts/known/globex", "contacts/quiet"):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        yield gate


def holder(issuer: Pair, order: Order) -> Pair:
    der, key = build(order, issuer.certificate, issuer.key)
    return Pair(loaded(der), key)


def ask(gate: Running, pair: Pair, path: str, *more: str) -> tuple[int, str, str]:
    """Status, reason code and Retry-After of one request."""
    cert, key = pair.write(gate.folder, "caller")
    done = curl(gate, path, "--cert", str(cert), "--key", str(key), "-D", str(gate.folder / "headers"), *more)
    assert done.returncode == 0, done.stderr
    body, _, last = done.stdout.rpartition("\n")
    status = int(last.split()[0])
    heads = [line.partition(":") for line in (gate.folder / "headers").read_text().splitlines()]
    after = next((v.strip() for k, _, v in heads if k.lower() == "retry-after"), "")
    return status, json.loads(body)["error"] if status != 200 else "", after


def sha1(pair: Pair) -> str:
    return hashlib.sha1(pair.pem).hexdigest()


def logged(gate: Running) -> list[str]:
    path = gate.folder / "logs" / "contacts.log"
    return path.read_text().rpartition("\n")[0].splitlines() if path.exists() else []  # whole lines only


def logged_are(gate: Running, count: int) -> list[str]:
    """The lines, once there are so many: httpd writes them after it has answered."""
    until(lambda: len(logged(gate)) >= count)
    assert len(logged(gate)) == count
    return logged(gate)


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_a_first_contact_is_logged_and_asked_to_come_again(gate: Running, lab: Lab, version: str) -> None:
    """503 with Retry-After, and the very certificate in the log; an entry admits it, a look without one refuses it for good."""
    job = holder(lab.globex, Order(sans=uri(URI)))
    assert ask(gate, job, "/job/x", version) == (503, "certificate_not_enrolled_yet", "1")
    (line,) = logged_are(gate, 1)
    who, pem, *sent = line.split("|")
    assert sent == ["-", "-"]
    assert who == "globex"
    assert pem.replace("\\n", "\n").encode() == job.pem
    assert x509.load_pem_x509_certificate(pem.replace("\\n", "\n").encode()) == job.certificate
    (gate.folder / "contacts" / "known" / "globex" / sha1(job)).touch()
    assert ask(gate, job, "/job/x", version) == (403, "certificate_not_authorised", "")
    members = gate.folder / "members" / "generation" / "job" / "globex"
    members.mkdir(parents=True)
    (members / f"cert-{sha1(job)}").touch()
    assert ask(gate, job, "/job/x", version)[0] == 200
    assert ask(gate, job, "/other/x", version) == (403, "certificate_not_authorised", "")
    logged_are(gate, 1)
    (gate.folder / "rev" / sha1(job)).touch()
    assert ask(gate, job, "/job/x", version) == (403, "certificate_revoked", "")


def test_an_entry_of_one_client_is_no_entry_of_another(gate: Running, lab: Lab, initech: Pair) -> None:
    """Neither another client's folder nor another authority's certificate is admitted by it."""
    job = holder(lab.globex, Order(sans=uri(URI)))
    stranger = holder(initech, Order(sans=uri(URI)))
    folder = gate.folder / "members" / "generation"
    for client in ("pinned", "job"):
        (folder / client / "globex").mkdir(parents=True)
    (folder / "pinned" / "globex" / f"cert-{sha1(job)}").touch()
    assert ask(gate, job, "/job/x")[0] == 503
    assert ask(gate, job, "/other/x")[0] == 200
    (folder / "job" / "globex" / f"cert-{sha1(stranger)}").touch()
    assert ask(gate, stranger, "/job/x")[:2] == (403, "certificate_not_authorised")


def test_others_are_neither_logged_nor_asked_again(gate: Running, lab: Lab, initech: Pair) -> None:
    """A partner without such clients, nobody, a revoked certificate, the prover's own: each its own answer, no line."""
    gone = holder(lab.globex, Order(sans=uri(URI)))
    (gate.folder / "rev" / sha1(gone)).touch()
    assert ask(gate, gone, "/job/x")[:2] == (403, "certificate_revoked")
    logged_are(gate, 1)  # logged it may be; what it is is told apart when it is looked at
    assert ask(gate, holder(initech, Order(sans=dns("x.example"))), "/other/x")[:2] == (
        403,
        "certificate_not_authorised",
    )
    assert curl(gate, "/job/x").stdout.rpartition("\n")[2].startswith("403")
    assert ask(gate, holder(lab.globex, Order(name("x"), uri(URI), key=pinned_key())), "/open")[0] == 200
    logged_are(gate, 2)
    (gate.folder / "contacts" / "quiet" / "globex").touch()
    assert ask(gate, holder(lab.globex, Order(sans=uri(URI))), "/job/x")[0] == 503
    logged_are(gate, 2)


def test_a_ca_of_the_same_name_elsewhere_makes_no_contacts_here(lab: Lab, tmp_path: Path) -> None:
    """Under its own host, in whatever case that is asked for, a CA with the shared one's very name uses up nothing of the other's."""
    twin = authority("globex")
    assert twin.certificate.subject == lab.globex.certificate.subject
    policy = GATEWAY.replace("initech.pem }", "twin.pem, host: twin.localhost }").replace("initech", "twin")
    with running(policy, tmp_path, {"globex": lab.globex, "twin": twin}) as gate:
        gate.expect("AH01630")
        for folder in ("members", "contacts/known/globex", "contacts/quiet"):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        cert, key = holder(twin, Order(sans=uri(URI))).write(gate.folder, "twins")
        for host in ("twin.localhost", "TWIN.localhost"):
            where = ("--connect-to", f"{host}:{gate.port}:127.0.0.1:{gate.port}", "-k")
            done = curl(gate, "/job/x", "--cert", str(cert), "--key", str(key), *where, host=host)
            assert json.loads(done.stdout.rpartition("\n")[0])["error"] == "certificate_not_authorised"
        # The twin: the shared one's client, under the shared name, is a first contact. It alone is logged.
        assert ask(gate, holder(lab.globex, Order(sans=uri(URI))), "/job/x")[0] == 503
        assert [line.partition("|")[0] for line in logged_are(gate, 1)] == ["globex"]


def padded(issuer: Pair, octets: int) -> Pair:
    filler = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.32473.1"), b"x" * octets)
    return holder(issuer, Order(sans=uri(URI), more=(filler,)))


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_a_certificate_too_long_to_be_read_is_no_first_contact(gate: Running, lab: Lab, version: str) -> None:
    """However often it comes, nothing of it is logged, and it is told no instead of later: it would never be looked at.

    The twin: the longest that is logged can be read from there, whole.
    """
    huge = padded(lab.globex, 60_000)
    for _ in range(3):
        assert ask(gate, huge, "/job/x", version)[:2] == (403, "certificate_not_authorised")
    assert logged(gate) == []
    long = padded(lab.globex, 6_900)
    assert 9_900 < len(long.pem) <= LONGEST
    assert ask(gate, long, "/job/x", version)[0] == 503
    (line,) = logged_are(gate, 1)
    contact = Contact.parse(line)
    assert contact is not None
    assert contact.pem == long.pem
    # Three of them, each with its line ends escaped, are less than the longest line that is read.
    assert 3 * len(line) < LONGEST_LINE


def test_marked_certificates_are_never_logged(gate: Running, lab: Lab) -> None:
    """The prover's test identities are told to come again, and leave no trace in the log of contacts."""
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    from gatewright.model.canary import MARK  # noqa: PLC0415

    marked = holder(lab.globex, Order(parts(part(NameOID.ORGANIZATIONAL_UNIT_NAME, MARK)), uri(URI)))
    assert ask(gate, marked, "/job/x")[:2] == (503, "certificate_not_enrolled_yet")
    assert logged(gate) == []


def test_the_page_cannot_be_asked_for(gate: Running, lab: Lab) -> None:
    """The rewrite is for refusals only: the page itself stays out of reach."""
    job = holder(lab.globex, Order(sans=uri(URI)))
    for path in ("/.gatewright/denied.asis", "/.gatewright/certificate_not_enrolled_yet.asis"):
        assert ask(gate, job, path)[0] == 403
