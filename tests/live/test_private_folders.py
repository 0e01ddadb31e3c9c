"""What Gatewright puts into the gateway's folder and is secret: no route serves it, whichever folder it stands in."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from gatewright.check.files import PRIVATE
from tests.live.gate import Gate, gateway
from tests.live.pki import CLIENT, SERVER, authority, make

pytestmark = pytest.mark.live

EVERYTHING = """\
gateway: localhost
listen: {port}
authorities:
  home: {{ managed: true }}
clients:
  bot: {{ authority: home, san: bot.localhost }}
certificate: {{ chain: own.pem, key: own.key }}
routes:
  /bot/:   {{ access: [bot], backend: {{ url: "https://b.example:1", signed: orders, client_certificate: {{ authority: home }} }} }}
  /other/: {{ access: [bot], backend: {{ url: "https://c.example:1", client_certificate: {{ chain: shown.pem, key: shown.key }} }} }}
"""


def secrets_of(gate: Gate) -> set[str]:
    """Every file with a private key or a password, relative to the gateway's folder, but for the user's own."""
    found = set()
    for path in gate.folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            name = path.relative_to(gate.folder)
            secret = b"PRIVATE KEY-----" in path.read_bytes() or not stat.S_IMODE(path.stat().st_mode) & 0o077
            if secret and len(name.parts) > 1:
                found.add(str(name))
    return found


def test_every_secret_stands_in_a_folder_that_is_never_served() -> None:
    """However a key came there: no folder around it can be served, up to the gateway's own; what is made to be published can."""
    with gateway(EVERYTHING) as gate:
        made_by = authority("somebody")
        make("localhost", made_by, usage=[SERVER], sans=["localhost", "127.0.0.1", "::1"]).write(gate.folder, "own")
        make("shown", made_by, usage=[CLIENT]).write(gate.folder, "shown")
        # No proof is needed for what is made before it.
        gate.run("apply", "--yes")
        assert gate.run("cert", "issue", "bot").returncode == 0
        found = secrets_of(gate)
        assert any(name.startswith("certs/server/own-") for name in found)
        assert any(name.startswith("keys/") for name in found)
        for name in found:
            assert any(name == p or name.startswith(f"{p}/") for p in PRIVATE), name
        around = sorted({str(above) for name in found for above in Path(name).parents})
        routes = [f"  /{number}/: {{ files: {folder}, access: public }}" for number, folder in enumerate(around)]
        gate.policy += "\n".join([*routes, "  /good/: { files: certs/ca, access: public }", ""])
        refused = gate.run("check").stderr
        assert refused.count("[files-private]") == len(around) > 4
        assert "'/good/'" not in refused
