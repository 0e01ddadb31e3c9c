"""The certificate that our own authority issues for backends: shown, kept 0600, renewed with the rest. A whole gateway."""

from __future__ import annotations

import json
import shutil
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from tests.live.backend import backend
from tests.live.gate import Gate
from tests.live.pki import SERVER, make
from tests.ports import free_port

pytestmark = pytest.mark.live

POLICY = """\
gateway: localhost
listen: {port}
authorities:
  home: {{ managed: true }}
routes:
  /health: {{ respond: {{ text: fine }}, access: public }}
  /b/: {{ backend: {{ url: "https://localhost:{backend}", ca: ca.pem{shown} }}, access: public }}
"""
SHOWN = ", client_certificate: { authority: home }"


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder with the backend's CA."""
    folder = Path(tempfile.mkdtemp(prefix="gatewright-backend-"))
    yield folder
    shutil.rmtree(folder)


def test_what_we_issue_is_shown_and_renewed(place: Path) -> None:
    """Nothing is shown before it is declared; then the backend sees the gateway by name, and after a revocation a new serial number."""
    ca = make("backend root", ca=True)
    folder = place / "gateway"
    folder.mkdir()
    (folder / "ca.pem").write_bytes(ca.pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*make("localhost", ca, usage=[SERVER], sans=["localhost"]).write(place, "backend"))
    gate = Gate(folder, free_port())
    with backend(context=context) as port:
        gate.policy = POLICY.format(port=gate.port, backend=port, shown="")
        assert gate.run("up", "--detach").returncode == 0
        try:
            context.load_verify_locations(str(folder / "certs" / "ca" / "home-root.pem"))
            context.verify_mode = ssl.CERT_REQUIRED
            assert gate.get("/b/x")[0] == 502
            gate.policy = POLICY.format(port=gate.port, backend=port, shown=SHOWN)
            planned = gate.json("plan")
            assert "a client certificate of home instead of no client certificate" in json.dumps(planned)
            assert planned["needs_yes"], "a public door opens to what the backend gives to the gateway alone"
            assert gate.run("apply", "--yes").returncode == 0
            status, body = gate.get("/b/x")
            assert (status, json.loads(body)["peer"]) == (200, "localhost")
            first = _serial(gate)
            assert gate.run("cert", "revoke", f"{first:X}", "--reason", "superseded").returncode == 0
            assert gate.run("apply", "--yes").returncode == 0
            assert _serial(gate) != first
            assert gate.get("/b/x")[0] == 200
        finally:
            gate.run("down")
    kept = folder / "keys" / "backends"
    assert kept.stat().st_mode & 0o777 == 0o700
    assert all(f.stat().st_mode & 0o777 == 0o600 for f in kept.iterdir() if "PRIVATE KEY" in f.read_text())
    assert sum("PRIVATE KEY" in f.read_text() for f in kept.iterdir()) == 2


def _serial(gate: Gate) -> int:
    """Of the certificate that the current generation shows."""
    text = (gate.folder / "generations" / "current" / "httpd.conf").read_text()
    (path,) = {line.split()[1] for line in text.splitlines() if "SSLProxyMachineCertificateFile" in line}
    return x509.load_pem_x509_certificate(Path(path).read_bytes()).serial_number
