"""A revoked certificate shown with the other of its two ECDSA signatures is another text, and the same revoked certificate."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gatewright.model.pki import marker_of
from gatewright.prove.sha1 import altered
from tests.live.conftest import Lab
from tests.live.httpd import Running, curl, running
from tests.live.pki import CLIENT, Pair, make

pytestmark = pytest.mark.live

GATEWAY = """
gateway: localhost
listen: 0
authorities:
  home: { managed: true }
clients:
  alice: { authority: home, san: alice.example.org }
routes:
  /a/: { respond: { text: admitted }, access: [alice] }
"""


def test_the_other_signature_does_not_escape_revocation(lab: Lab, tmp_path: Path) -> None:
    """Both texts are admitted before, neither after; by its text alone, as it was once done, the altered one still would be."""
    alice = make("alice", lab.home, usage=[CLIENT], sans=["alice.example.org"])
    twin = Pair(altered(alice.certificate, ec.SECP256R1()), alice.key)
    assert twin.pem != alice.pem
    assert twin.certificate.tbs_certificate_bytes == alice.certificate.tbs_certificate_bytes
    serial = alice.certificate.serial_number.to_bytes(20, "big")
    with running(GATEWAY, tmp_path, {"home": lab.home}) as gate:
        gate.expect("AH01630")
        assert [status(gate, pair) for pair in (alice, twin)] == [200, 200]
        (tmp_path / "rev" / sha1(alice)).touch()
        assert [status(gate, pair) for pair in (alice, twin)] == [403, 200]
        (tmp_path / "rev" / marker_of(serial)).touch()
        assert [status(gate, pair) for pair in (alice, twin)] == [403, 403]


def sha1(pair: Pair) -> str:
    import hashlib  # noqa: PLC0415

    return hashlib.sha1(pair.pem).hexdigest()


def status(gate: Running, pair: Pair) -> int:
    cert, key = pair.write(gate.folder, "caller")
    done = curl(gate, "/a/x", "--cert", str(cert), "--key", str(key))
    return int(done.stdout.rpartition("\n")[2].split()[0])
