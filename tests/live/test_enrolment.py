"""Clients known by URI or key, through the whole product: first contact, look-alikes, revocation, a dead supervisor, floods."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import signal
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from gatewright.plan.contacts import Limits
from tests.live.gate import Gate, gateway, until
from tests.live.pki import Pair, authority
from tests.vectors.zoo.kit import PIN, SAN, URI, Order, build, dns, loaded, name, pinned_key, uri

pytestmark = pytest.mark.live

POLICY = f"""\
gateway: localhost
listen: {{port}}
authorities:
  home: {{{{ managed: true }}}}
  globex: {{{{ anchor: partners/globex.pem }}}}
clients:
  demo-client: {{{{ authority: home, san: demo-client.localhost }}}}
  job:    {{{{ authority: globex, uri: "{URI}" }}}}
  pinned: {{{{ authority: globex, key: "{PIN}" }}}}
routes:
  /health:    {{{{ respond: {{{{ json: {{{{ generation: 1 }}}} }}}}, access: public }}}}
  /private/:  {{{{ respond: {{{{ text: private }}}}, access: [demo-client] }}}}
  /job/:      {{{{ respond: {{{{ text: job }}}}, access: [job] }}}}
  /pinned/:   {{{{ respond: {{{{ text: pinned }}}}, access: [pinned] }}}}
"""
GLOBEX = authority("globex")


@pytest.fixture(scope="module")
def gate() -> Iterator[Gate]:
    """A gateway with one partner, up and serving."""
    with gateway(POLICY) as gate:
        (gate.folder / "partners").mkdir()
        (gate.folder / "partners" / "globex.pem").write_bytes(GLOBEX.pem)
        done = gate.run("up", "--detach")
        assert done.returncode == 0, done.stdout + done.stderr
        yield gate


def holder(order: Order, issuer: Pair = GLOBEX) -> Pair:
    der, key = build(order, issuer.certificate, issuer.key)
    return Pair(loaded(der), key)


def sha1(pair: Pair) -> str:
    return hashlib.sha1(pair.pem).hexdigest()


@contextlib.contextmanager
def connected(gate: Gate, pair: Pair) -> Iterator[http.client.HTTPSConnection]:
    """One connection that presents ``pair``."""
    with opened(gate, *pair.write(gate.folder.parent / "callers", "caller")) as line:
        yield line


@contextlib.contextmanager
def opened(gate: Gate, cert: Path, key: Path) -> Iterator[http.client.HTTPSConnection]:
    """One connection that presents the certificate in ``cert``."""
    context = ssl.create_default_context(cafile=str(gate.folder / "certs" / "ca" / "home-root.pem"))
    context.load_cert_chain(cert, key)
    with contextlib.closing(http.client.HTTPSConnection("localhost", gate.port, timeout=60, context=context)) as line:
        yield line


def ask(line: http.client.HTTPSConnection, path: str) -> tuple[int, str]:
    """Status, and the reason of a refusal."""
    line.request("GET", path)
    answer = line.getresponse()
    body = answer.read().decode()
    return answer.status, json.loads(body)["error"] if answer.status != 200 else body


def settled(line: http.client.HTTPSConnection, path: str) -> tuple[int, str]:
    """The answer when it is not 503 any more."""
    found = [ask(line, path)]

    def answered() -> bool:
        found.append(ask(line, path))
        return found[-1][0] != 503

    until(answered)
    return found[-1]


def said(gate: Gate) -> str:
    return (gate.folder / "logs" / "gatewright.log").read_text()


def visible(gate: Gate) -> Path:
    """The folder that httpd's children see."""
    if os.getuid() != 0:
        return gate.folder
    return Path("/var/lib/gatewright") / hashlib.sha256(str(gate.folder).encode()).hexdigest()[:16]


def test_the_first_request_waits_and_the_next_is_admitted(gate: Gate) -> None:
    """503 with the reason; on the same connection, as soon as the supervisor has looked, 200: for its own routes only."""
    with connected(gate, holder(Order(sans=uri(URI)))) as line:
        assert ask(line, "/job/x") == (503, "certificate_not_enrolled_yet")
        assert settled(line, "/job/x") == (200, "job")
        assert ask(line, "/pinned/x") == (403, "certificate_not_authorised")
        assert ask(line, "/private/x") == (403, "certificate_not_authorised")
    until(lambda: "Enrolled a certificate of globex: it is job" in said(gate))


def test_a_pinned_key_is_admitted_under_any_name(gate: Gate) -> None:
    """The key decides; the same name with another key does not pass."""
    with connected(gate, holder(Order(name("whoever"), key=pinned_key()))) as line:
        assert settled(line, "/pinned/x") == (200, "pinned")
    with connected(gate, holder(Order(name("whoever")))) as line:
        assert settled(line, "/pinned/x") == (403, "certificate_not_authorised")


def of_version_6(tbs: bytes) -> bytes:
    """The version field (RFC 5280 §4.1.2.1), which is 2 for version 3."""
    assert tbs.count(b"\xa0\x03\x02\x01\x02") == 1
    return tbs.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05")


def test_a_certificate_that_only_openssl_reads_ends_nothing(gate: Gate) -> None:
    """A version that X.509 does not have passes the handshake: it is nobody's, is told so, and the next is served as ever."""
    der, key = build(Order(sans=uri(URI), tamper=of_version_6), GLOBEX.certificate, GLOBEX.key)
    with pytest.raises(x509.InvalidVersion):
        x509.load_der_x509_certificate(der)
    folder = gate.folder.parent / "callers"
    _, key_file = Pair(GLOBEX.certificate, key).write(folder, "version-6")
    chain = folder / "version-6-only.pem"
    chain.write_text(ssl.DER_cert_to_PEM_cert(der))
    with opened(gate, chain, key_file) as line:
        assert ask(line, "/job/x") == (503, "certificate_not_enrolled_yet")
        assert settled(line, "/job/x") == (403, "certificate_not_authorised")
    with connected(gate, holder(Order(sans=uri(URI)))) as line:
        assert settled(line, "/job/x") == (200, "job")
    until(lambda: "it cannot be read" in said(gate))


LOOK_ALIKES = {
    "URI inside a DNS name": Order(sans=dns(URI)),
    "URI behind a text": Order(sans=dns(f"x, URI:{URI}")),
    "URI with a suffix": Order(sans=uri(f"{URI}/x")),
    "a second URI": Order(sans=uri(URI, "spiffe://globex.example/ns/prod/sa/admin")),
    "NUL behind the URI": Order(sans=uri(f"{URI}\0x")),
    "URI as common name": Order(name("job")),
}


@pytest.mark.parametrize("order", LOOK_ALIKES.values(), ids=LOOK_ALIKES.keys())
def test_look_alikes_stay_out(gate: Gate, order: Order) -> None:
    """After the look it is 403 for good, and nothing is enrolled."""
    before = sorted((gate.folder / "enrolled").glob("*/*"))
    pair = holder(order)
    with connected(gate, pair) as line:
        assert settled(line, "/job/x") == (403, "certificate_not_authorised")
        assert ask(line, "/job/x") == (403, "certificate_not_authorised")
    assert sorted((gate.folder / "enrolled").glob("*/*")) == before


def test_revocation_bites(gate: Gate) -> None:
    """An enrolled certificate that is revoked is refused by the next request on the same connection."""
    pair = holder(Order(sans=uri(URI)))
    with connected(gate, pair) as line:
        assert settled(line, "/job/x")[0] == 200
        (visible(gate) / "rev" / sha1(pair)).touch()
        assert ask(line, "/job/x") == (403, "certificate_revoked")


def test_enrolled_certificates_survive_a_change(gate: Gate) -> None:
    """Another generation admits at once who was enrolled; a client that is no longer named is refused at once."""
    pair = holder(Order(sans=uri(URI)))
    with connected(gate, pair) as line:
        assert settled(line, "/job/x")[0] == 200
    number, text = gate.current, gate.policy
    gate.mark(2)
    assert gate.run("apply").returncode == 0
    assert gate.current > number
    with connected(gate, pair) as line:
        assert ask(line, "/job/x") == (200, "job")
    gate.policy = gate.policy.replace(URI, URI + "/other")
    done = gate.run("apply", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    with connected(gate, pair) as line:
        assert settled(line, "/job/x") == (403, "certificate_not_authorised")
    gate.policy = text
    assert gate.run("apply", "--yes").returncode == 0
    with connected(gate, pair) as line:
        assert settled(line, "/job/x") == (200, "job")


def test_a_certificate_is_enrolled_beforehand(gate: Gate) -> None:
    """``client enrol``: not even the first request waits. Another's certificate, or one that is not valid, is not enrolled."""
    pair = holder(Order(sans=uri(URI)))
    cert, _ = pair.write(gate.folder.parent / "callers", "early")
    done = gate.run("client", "enrol", "job", str(cert))
    assert done.returncode == 0, done.stderr
    with connected(gate, pair) as line:
        assert ask(line, "/job/x") == (200, "job")
    stranger, _ = holder(Order(sans=uri(URI)), authority("stranger")).write(gate.folder.parent / "callers", "stranger")
    other, _ = holder(Order(sans=dns(SAN))).write(gate.folder.parent / "callers", "other")
    for words, code in (
        (("job", str(stranger)), "certificate-not-the-clients"),
        (("job", str(other)), "certificate-not-the-clients"),
        (("demo-client", str(cert)), "client-needs-no-enrolment"),
        (("nobody", str(cert)), "client-unknown"),
    ):
        refused = gate.run("--json", "client", "enrol", *words)
        assert refused.returncode != 0
        assert code in refused.stdout + refused.stderr


def test_without_a_supervisor_nobody_new_comes_in() -> None:
    """The supervisor is killed: who is enrolled is served, who is not stays refused, and ``status`` tells that it is gone."""
    with gateway(POLICY) as gate:
        (gate.folder / "partners").mkdir()
        (gate.folder / "partners" / "globex.pem").write_bytes(GLOBEX.pem)
        assert gate.run("up", "--detach").returncode == 0
        old, new = holder(Order(sans=uri(URI))), holder(Order(sans=uri(URI)))
        with connected(gate, old) as line:
            assert settled(line, "/job/x")[0] == 200
        record = json.loads((gate.folder / "run" / "gateway.json").read_text())
        os.kill(int(str(record["supervisor"]).split()[0].split(":")[0].split("@")[0]), signal.SIGKILL)
        until(lambda: gate.json("status")["running"] is False or "supervisor" in json.dumps(gate.json("status")))
        with connected(gate, new) as line:
            for _ in range(3):
                assert ask(line, "/job/x") == (503, "certificate_not_enrolled_yet")
        with connected(gate, old) as line:
            assert ask(line, "/job/x") == (200, "job")
        assert not (gate.folder / "enrolled" / "globex" / f"{sha1(new)}.pem").exists()
        kept = x509.load_pem_x509_certificate((gate.folder / "enrolled" / "globex" / f"{sha1(old)}.pem").read_bytes())
        assert kept == old.certificate


def test_the_proof_enrols_and_takes_back(gate: Gate) -> None:
    """Stand-ins of such clients were admitted when enrolled and refused when not; nothing of the prover's is left behind."""
    told = "".join(path.read_text() for path in (gate.folder / "reports").rglob("*.json"))
    for words in ("client of globex as job", "client of globex as pinned", "not-enrolled of globex as job"):
        assert words in told
    assert not list((visible(gate) / "members").rglob("canary-*"))
    known = list((visible(gate) / "contacts" / "known" / "globex").iterdir())
    assert len(known) <= len(list((gate.folder / "enrolled" / "globex").iterdir())) + len(LOOK_ALIKES) + 2


# The last, for what it leaves behind is remembered.
@pytest.mark.slow
def test_a_flood_of_new_certificates_is_told_and_borne(gate: Gate) -> None:
    """More new certificates than are looked at: it is told, their authority is kept quiet, and who is enrolled is served."""
    known, late = holder(Order(sans=uri(URI))), holder(Order(sans=uri(URI)))
    # Made beforehand, so that they come within one window on any machine.
    strangers = [holder(Order(sans=uri(f"spiffe://globex.example/{n}"))) for n in range(Limits().looks + 50)]
    with connected(gate, known) as line:
        assert settled(line, "/job/x")[0] == 200
    quiet = visible(gate) / "contacts" / "quiet" / "globex"
    for pair in strangers:
        with connected(gate, pair) as stranger:
            assert ask(stranger, "/job/x")[0] in {403, 503}
        if quiet.exists():
            break
    until(quiet.exists)
    until(lambda: f"more than {Limits().looks} different certificates of globex" in said(gate))
    size = (gate.folder / "logs" / "contacts.log").stat().st_size
    with connected(gate, late) as line:
        assert ask(line, "/job/x") == (503, "certificate_not_enrolled_yet")
        assert (gate.folder / "logs" / "contacts.log").stat().st_size == size
    with connected(gate, known) as line:
        assert ask(line, "/job/x") == (200, "job")
    # Another connection, for httpd ends one that is idle for longer than the others are kept quiet.
    until(lambda: not quiet.exists())
    with connected(gate, late) as line:
        assert settled(line, "/job/x") == (200, "job")
