"""A host under which nobody is asked for a certificate: what is public answers, what is protected does not, and both are proved."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live.conftest import Lab
from tests.live.httpd import curl, running, site
from tests.live.proving import prove

pytestmark = pytest.mark.live

GATEWAY = """
gateway: localhost
public_hosts: [www.localhost, pages.localhost]
listen: 0
authorities:
  home:   { managed: true }
  globex: { anchor: globex.pem }
clients:
  alice: { authority: home, san: alice.example.org }
routes:
  /:        { files: site, access: public }
  /health:  { respond: { text: open }, access: public }
  /health/in/: { respond: { text: deep }, access: any-client }
  /alice/:  { respond: { text: alice }, access: [alice] }
  /globex/: { respond: { text: globex }, access: { any-of: [globex] } }
"""
# A request by HTTP/1.1 and TLS 1.2 for a name that asks, in a connection for one that does not, is refused (421); while the page for
# that is made, httpd asks for a certificate after all, by the anchors of the wrong host, so that the connection ends. Nothing is served.
RENEGOTIATED = "AH02261"
PATHS = {"/health": "200", "/health/in/x": "403", "/alice/x": "403", "/globex/x": "403"}


def test_public_pages_answer_and_nothing_else_does(lab: Lab, tmp_path: Path) -> None:
    """Whatever certificate a caller holds, good, foreign or expired: it is not asked for, opens nothing and spoils nothing."""
    site(tmp_path)
    with running(GATEWAY, tmp_path, {"home": lab.home, "globex": lab.globex}) as gate:
        gate.expect("AH01630", "AH02032", "AH02040")
        for host in ("www.localhost", "pages.localhost"):
            resolve = ("--resolve", f"{host}:{gate.port}:127.0.0.1")
            for client in ("none", "alice", "erp", "foreign", "expired"):
                for path, status in PATHS.items():
                    done = curl(gate, path, *lab.arguments(client), *resolve, host=host)
                    assert done.stdout.rsplit("\n", 1)[-1].split()[0] == status, (host, client, path)
        # Twin: under the name that asks, a foreign certificate ends in the handshake, and a good one opens its door.
        assert curl(gate, "/health", *lab.arguments("foreign")).returncode != 0
        assert curl(gate, "/alice/x", *lab.arguments("alice")).stdout.rsplit("\n", 1)[-1].split()[0] == "200"
        # A connection for one name is no good for another.
        resolve = ("--resolve", f"www.localhost:{gate.port}:127.0.0.1")
        crossed = curl(gate, "/alice/x", *resolve, "-H", f"Host: localhost:{gate.port}", host="www.localhost")
        assert crossed.stdout.rsplit("\n", 1)[-1].split()[0] == "421"


def test_it_is_proved(lab: Lab, tmp_path: Path) -> None:
    """The prover finds nothing, and has tried the public host with certificates that nobody asks for."""
    site(tmp_path)
    authorities = {"home": lab.home, "globex": lab.globex}
    with running(GATEWAY, tmp_path, authorities) as gate:
        gate.expect(RENEGOTIATED)
        report = prove(gate, GATEWAY, authorities)
        assert report.proven, [f"{v.case.id}: {v.case.expected} {v.evidence}" for v in report.findings]
        unasked = [v for v in report.verdicts if "unasked" in v.case.id]
        assert {v.case.ask.sni for v in unasked} == {"www.localhost"}
        assert {str(v.case.identity.kind) for v in unasked} == {"foreign", "unnamed"}


WEAKER = {
    "it asks after all": (
        "  SSLVerifyClient none\n",
        "  SSLVerifyClient optional\n  SSLVerifyDepth 0\n  SSLCACertificateFile anchors.trusted.pem\n  SSLCADNRequestFile anchors.pem\n",
    ),
    "a protected route is open": ('Require expr "false"', "Require all granted"),
}


@pytest.mark.parametrize("label", WEAKER)
def test_twin_a_weaker_public_host_is_found(lab: Lab, tmp_path: Path, label: str) -> None:
    """A public host that asks, or that leaves a door open: the proof fails."""
    before, after = WEAKER[label]
    authorities = {"home": lab.home, "globex": lab.globex}

    def weaken(text: str) -> str:
        head, mark, tail = text.rpartition("<VirtualHost")
        assert before in tail
        changed = tail.replace(before, after)
        if label == "a protected route is open":
            changed = changed.replace("""Require expr "%{SSL_CLIENT_VERIFY} == 'SUCCESS'"\n""", "Require all granted\n")
            lines = [line for line in changed.splitlines() if "/rev/.ready" not in line]
            changed = "\n".join(lines) + "\n"
        return head + mark + changed

    site(tmp_path)
    with running(GATEWAY, tmp_path, authorities, weaken) as gate:
        gate.expect(RENEGOTIATED)
        assert not prove(gate, GATEWAY, authorities).proven
