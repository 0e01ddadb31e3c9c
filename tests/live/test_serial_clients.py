"""Clients known by a serial number are proved too: a stand-in of the authority gives the number once more, and the client notices nothing."""

from __future__ import annotations

import contextlib
import http.client
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from gatewright.app.revoking import TWIN
from gatewright.model.pki import marker_of
from gatewright.wiring import places_of
from tests.live.gate import Gate
from tests.live.pki import CLIENT, authority, make
from tests.ports import free_port

pytestmark = pytest.mark.live

POLICY = """\
gateway: localhost
listen: {port}
authorities:
  home:   {{ managed: true }}
  globex: {{ anchor: globex.pem }}
clients:
  bot:   {{ authority: home, san: bot.example.org }}
  card:  {{ authority: globex, serial: "{card}" }}
{badge}routes:
  /health: {{ respond: {{ text: open }}, access: public }}
  /bot/:   {{ respond: {{ text: bot }}, access: [bot] }}
  /card/:  {{ respond: {{ text: card }}, access: [card] }}
"""
BADGES = """\
  badge: {{ authority: home, serial: "{badge}" }}
groups:
  badges: [badge, card]
"""


@dataclass(frozen=True)
class World:
    """The gateway, and certificate and key of each client."""

    gate: Gate
    files: dict[str, tuple[Path, Path]]

    def status(self, who: str, path: str) -> int:
        """The answer to one request."""
        context = self.gate.context()
        context.load_cert_chain(*self.files[who])
        with contextlib.closing(http.client.HTTPSConnection("localhost", self.gate.port, context=context)) as line:
            line.request("GET", path)
            return line.getresponse().status

    def report(self) -> Any:
        """A proof's report."""
        return self.gate.json("prove")

    @property
    def configuration(self) -> Path:
        """The generation's httpd.conf."""
        return self.gate.folder / "generations" / "current" / "httpd.conf"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """A partner's client and one of ours, each known by its serial number, alone and in a group."""
    folder = Path(tempfile.mkdtemp(prefix="gatewright-serial-"))
    globex = authority("globex")
    (folder / "globex.pem").write_bytes(globex.pem)
    pair = make("card", globex, usage=[CLIENT])
    files = {name: p.write(folder / "given", name) for name, p in {"card": pair, "other": make("card", globex)}.items()}
    gate = Gate(folder, free_port())
    card = f"{pair.certificate.serial_number:x}"
    gate.policy = POLICY.format(port=gate.port, card=card, badge="")
    try:
        up = gate.run("up", "--detach")
        assert up.returncode == 0, up.stderr
        assert gate.run("cert", "issue", "bot").returncode == 0
        files["badge"] = (folder / "clients" / "bot" / "bot.pem", folder / "clients" / "bot" / "bot.key")
        badge = x509.load_pem_x509_certificate(files["badge"][0].read_bytes()).serial_number
        more = BADGES.format(badge=f"{badge:x}")
        text = POLICY.format(port=gate.port, card=card, badge=more)
        gate.policy = text + "  /badge/: { respond: { text: badge }, access: [badges] }\n"
        applied = gate.run("apply", "--yes")
        assert applied.returncode == 0, applied.stdout + applied.stderr
        yield World(gate, files)
    finally:
        gate.run("down")
        shutil.rmtree(folder)


def test_they_are_proved_by_stand_ins_with_their_number(world: World) -> None:
    """Each is admitted at the shadow instance, alone and in a group; the number from elsewhere is refused; nothing is left out."""
    told = world.report()
    assert told["proven"], [v["id"] for v in told["verdicts"] if not v["passed"]]
    ids = {v["id"] for v in told["verdicts"]}
    for whose in ("globex as card, /card/", "globex as card, /badge/", "home as badge, /badge/"):
        assert f"with stand-ins: admitted: client of {whose}, tls1.3 h2" in ids, whose
    assert "with stand-ins: wrong-client: name-from-other-authority of home as card, /card/, tls1.3 h2" in ids
    assert "with stand-ins: wrong-moment: revoked of globex as card, /card/, tls1.3 h2" in ids
    assert not [left for left in told["not_covered"] if left["what"] in {"client card", "client badge"}]
    given = {i["serial"] for i in told["identities"] if i["twin"]}
    real = {
        f"{x509.load_pem_x509_certificate(world.files[n][0].read_bytes()).serial_number:X}" for n in ("card", "badge")
    }
    assert {r.lstrip("0") for r in real} <= {g.lstrip("0") for g in given}


def test_the_real_clients_are_admitted_all_the_while(world: World) -> None:
    """No proof takes the number away from whose it is: not for a moment while it runs, and nothing is left of it."""
    markers, found = Path(places_of(world.gate.folder).revoked), set()
    with subprocess.Popen(world.gate.command("prove"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as proof:
        while proof.poll() is None:
            found |= {(who, world.status(who, "/badge/x")) for who in ("card", "badge")}
    assert proof.returncode == 0
    assert found == {("card", 200), ("badge", 200)}
    assert world.status("other", "/badge/x") == 403
    certificates = [x509.load_pem_x509_certificate(world.files[n][0].read_bytes()) for n in ("card", "badge")]
    serials = {marker_of(c.serial_number.to_bytes(20, "big")) for c in certificates}
    left = {path.name for path in markers.iterdir()}
    assert ".ready" in left
    assert not [name for name in left if name in serials or name.startswith(TWIN)]


@pytest.mark.slow
@pytest.mark.parametrize("route", ["/card/", "/badge/"])
def test_twin_a_number_that_does_not_count_is_found(world: World, route: str) -> None:
    """Where any certificate of the partner passes, or none does any more, the stand-ins show it."""
    text = world.configuration.read_text()
    section = re.search(rf"(?s)<Location {route}>.*?</Location>|<Location \"{route}\">.*?</Location>", text)
    assert section is not None, text
    for instead in ("-n 'x'", "-z 'x'"):
        weak = re.sub(
            r"%\{SSL_CLIENT_M_SERIAL\} in \{[^}]*\}|-e '[^']*/serial-%\{sha1:%\{SSL_CLIENT_M_SERIAL\}\}'",
            instead,
            section[0],
        )
        assert weak != section[0]
        world.configuration.write_text(text.replace(section[0], weak))
        try:
            told = world.report()
        finally:
            world.configuration.write_text(text)
        failed = [v["id"] for v in told["verdicts"] if not v["passed"]]
        kind = "wrong-client" if instead.startswith("-n") else "admitted: client of globex as card"
        assert any(v.startswith(f"with stand-ins: {kind}") for v in failed), failed


def test_a_revoked_one_is_not_expected_to_get_in(world: World) -> None:
    """Its number's marker refuses stand-ins as well: the report says so, and the rest is proved as before."""
    badge = f"{x509.load_pem_x509_certificate(world.files['badge'][0].read_bytes()).serial_number:x}"
    assert world.gate.run("cert", "revoke", "bot", "--reason", "certificate-hold").returncode == 0
    assert world.status("badge", "/badge/x") == 403
    told = world.report()
    assert told["proven"], [v["id"] for v in told["verdicts"] if not v["passed"]]
    assert [left["why"] for left in told["not_covered"] if left["what"] == "client badge"], (badge, told["not_covered"])
    assert world.gate.run("cert", "release", "bot").returncode == 0
    assert world.status("badge", "/badge/x") == 200
