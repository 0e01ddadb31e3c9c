"""The article's five addresses, seen by every kind of client over every protocol: admitted or refused as declared."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatewright.diagnose.narrate import Narrator
from tests.live.conftest import Lab
from tests.live.gate import until
from tests.live.httpd import HANDSHAKE_ENDED, Running, curl, running, site

pytestmark = pytest.mark.live

ARTICLE = """
gateway: localhost
listen: 0
authorities:
  home: { managed: true }
routes:
  /unprotected/: { files: site/unprotected, access: public }
  /main.html:    { files: site/main.html,   access: public }
  /health:       { respond: { status: 200, json: { status: ok } }, access: public }
  /protected/:   { files: site/protected,   access: any-client }
"""
OPEN = ("/unprotected/unprotected.html", "/main.html", "/health")
SHUT = ("/protected/confidential.html", "/protected/protected.html")
PROTOCOLS = {
    "TLS 1.2, HTTP/1.1": ("--tlsv1.2", "--tls-max", "1.2", "--http1.1"),
    "TLS 1.2, HTTP/2": ("--tlsv1.2", "--tls-max", "1.2", "--http2"),
    "TLS 1.3, HTTP/1.1": ("--tlsv1.3", "--http1.1"),
    "TLS 1.3, HTTP/2": ("--tlsv1.3", "--http2"),
}
REFUSED_IN_THE_HANDSHAKE = ("foreign", "self-signed", "expired", "not yet valid", "server certificate")


@pytest.fixture(scope="module")
def gate(lab: Lab, open_folder: Path) -> Iterator[Running]:
    """The article's gateway."""
    site(open_folder)
    with running(ARTICLE, open_folder, {"home": lab.home}) as gate:
        # Denied by configuration; and at depth 0 a foreign chain is "too long" before it is foreign (measured).
        gate.expect("AH01630", "AH02040")
        yield gate


def seen(gate: Running, lab: Lab, client: str, path: str, protocol: str) -> str:
    """What the client got: an HTTP status, or ``handshake`` when there was no HTTP at all."""
    done = curl(gate, path, *lab.arguments(client), *PROTOCOLS[protocol])
    if done.returncode:
        # curl(1): 58 own certificate; 60 is what curl makes of the alert certificate_expired in TLS 1.2.
        assert done.returncode in {58, 60, *HANDSHAKE_ENDED}, done.stderr
        return "handshake"
    return done.stdout.rsplit("\n", 1)[-1].split()[0]


def expected(client: str, path: str) -> str:
    """The answer that the gateway file stands for."""
    if client in REFUSED_IN_THE_HANDSHAKE:
        return "handshake"
    return "403" if client == "none" and path in SHUT else "200"


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("client", ["none", "alice", "bob", *REFUSED_IN_THE_HANDSHAKE])
def test_each_client_gets_what_is_declared(gate: Running, lab: Lab, client: str, protocol: str) -> None:
    """Every address answers every client as the gateway file says, whatever the protocol."""
    got = {path: seen(gate, lab, client, path, protocol) for path in OPEN + SHUT}
    assert got == {path: expected(client, path) for path in OPEN + SHUT}


def test_a_foreign_certificate_is_told_once(lab: Lab, tmp_path: Path) -> None:
    """Of a foreign chain httpd writes twice, of the CA and then of its depth; the reader sees one line, about whose issuer is unknown."""
    site(tmp_path)
    # At a gateway of its own: of those before it, the last lines may still be on their way into the log.
    with running(ARTICLE, tmp_path, {"home": lab.home}) as gate:
        gate.expect("AH02040")
        assert seen(gate, lab, "foreign", "/health", "TLS 1.3, HTTP/1.1") == "handshake"
        until(lambda: "AH02008" in gate.error_log.rpartition("\n")[0])
        narrator = Narrator()
        told = [words for line in gate.error_log.splitlines() for words in narrator.error(line)]
    (once,) = [words for words in told if "refused in the handshake" in words]
    assert (
        "the client's own hangs below another: certificate CN=stranger issuing was issued by CN=stranger root, which no"
        in once
    )


def test_protocols_are_those_asked_for(gate: Running, lab: Lab) -> None:
    """The matrix above really speaks the TLS and HTTP versions its rows name."""
    for protocol, arguments in PROTOCOLS.items():
        done = curl(gate, "/health", *lab.arguments("alice"), *arguments)
        assert done.stdout.rsplit("\n", 1)[-1].split()[1] == ("2" if "HTTP/2" in protocol else "1.1")
    until(lambda: all(f'"tls":"{version}"' in gate.access_log for version in ("TLSv1.2", "TLSv1.3")))


def test_twin_an_opened_route_is_noticed(lab: Lab, tmp_path: Path) -> None:
    """The same expectations fail on a gateway whose protected route was declared public."""
    site(tmp_path)
    opened = ARTICLE.replace("any-client", "public")
    with running(opened, tmp_path, {"home": lab.home}) as gate:
        got = seen(gate, lab, "none", SHUT[0], "TLS 1.3, HTTP/2")
    assert got == "200" != expected("none", SHUT[0])


def test_twin_a_trusted_stranger_is_noticed(lab: Lab, tmp_path: Path) -> None:
    """A certificate of the other authority is refused here only because that authority is not named here."""
    site(tmp_path)
    both = ARTICLE.replace("  home: { managed: true }", "  home: { managed: true }\n  globex: { anchor: globex.pem }")
    with running(both, tmp_path, {"home": lab.home, "globex": lab.globex}) as gate:
        assert seen(gate, lab, "erp", SHUT[0], "TLS 1.3, HTTP/2") == "200"


def test_the_other_authority_is_a_stranger_here(gate: Running, lab: Lab) -> None:
    """What the twin admits is refused where only ``home`` is named."""
    for protocol in PROTOCOLS:
        assert seen(gate, lab, "erp", "/health", protocol) == "handshake"


NAMED = """
gateway: localhost
listen: 0
authorities:
  home: { managed: true }
  globex: { anchor: globex.pem }
clients:
  alice: { authority: home, san: alice.example.org }
  erp: { authority: globex, subject: { common_name: erp } }
routes:
  /health: { respond: { status: 200 }, access: public }
  /alice/: { respond: { text: alice }, access: [alice] }
  /erp/:   { respond: { text: erp }, access: [erp] }
  /both/:  { respond: { text: both }, access: [alice, erp] }
"""


@pytest.fixture(scope="module")
def named(lab: Lab, open_folder: Path) -> Iterator[Running]:
    """A gateway whose routes name their clients."""
    with running(NAMED, open_folder / "named", {"home": lab.home, "globex": lab.globex}) as gate:
        gate.expect("AH01630")
        yield gate


ADMITTED = {("alice", "/alice/"), ("erp", "/erp/"), ("alice", "/both/"), ("erp", "/both/")}


@pytest.mark.parametrize(
    ("client", "path"), list(itertools.product(["none", "alice", "bob", "erp"], ["/alice/", "/erp/", "/both/"]))
)
def test_named_clients_reach_their_routes_and_no_others(named: Running, lab: Lab, client: str, path: str) -> None:
    """A partner's client is admitted where it is named; the other partner's, and nobody's, are not."""
    for protocol in PROTOCOLS:
        assert seen(named, lab, client, path, protocol) == ("200" if (client, path) in ADMITTED else "403")
