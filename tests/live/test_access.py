"""E-mail addresses, serial numbers, groups, ``any-of`` and ``during`` as httpd decides them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from gatewright.model.matchers import Weekday
from tests.live.httpd import Running, curl, running
from tests.live.pki import Pair, make

pytestmark = pytest.mark.live


def _policy(card: Pair) -> str:
    # Two days away from any midnight that the test could run over.
    week = tuple(Weekday)
    today = datetime.now(UTC).weekday()
    near = ", ".join(week[(today + n) % 7] for n in (-1, 0, 1))
    far = ", ".join(week[(today + n) % 7] for n in (3, 4))
    now = datetime.now(UTC)
    begin, end = (f"{now + timedelta(hours=h):%H:%M}" for h in (-2, 2))
    return f"""
gateway: localhost
listen: 0
authorities:
  home: {{ managed: true }}
  globex: {{ anchor: globex.pem }}
clients:
  alice: {{ authority: home, san: alice.example.org }}
  mailer: {{ authority: globex, email: erp@globex.example }}
  card: {{ authority: globex, serial: "{card.certificate.serial_number:x}" }}
groups:
  both: [alice, mailer, card]
routes:
  /open: {{ respond: {{ text: ok }}, access: public }}
  /mail: {{ respond: {{ text: ok }}, access: [mailer] }}
  /card: {{ respond: {{ text: ok }}, access: [card] }}
  /both: {{ respond: {{ text: ok }}, access: [both] }}
  /any-of: {{ respond: {{ text: ok }}, access: {{ clients: [alice], any-of: [globex] }} }}
  /days: {{ respond: {{ text: ok }}, access: {{ clients: [alice], during: {{ days: [{near}] }} }} }}
  /other-days: {{ respond: {{ text: ok }}, access: {{ clients: [alice], during: {{ days: [{far}] }} }} }}
  /hours: {{ respond: {{ text: ok }}, access: {{ clients: [alice], during: {{ from: "{begin}", to: "{end}" }} }} }}
  /other-hours: {{ respond: {{ text: ok }}, access: {{ clients: [alice], during: {{ from: "{end}", to: "{begin}" }} }} }}
"""


@pytest.fixture(scope="module")
def gate(open_folder: Path) -> Iterator[tuple[Running, dict[str, list[str]]]]:
    """A gateway, and curl's arguments for each client."""
    cas = {name: make(f"{name} issuing", make(f"{name} root", ca=True), ca=True) for name in ("home", "globex")}
    clients = {
        "alice": make("alice", cas["home"], sans=["alice.example.org"]),
        "alice-of-globex": make("alice", cas["globex"], sans=["alice.example.org"]),
        "mailer": make("mailer", cas["globex"], sans=[x509.RFC822Name("erp@globex.example")]),
        "mailer-as-dns": make(
            "erp@globex.example", cas["globex"], sans=[x509.UniformResourceIdentifier("erp@globex.example")]
        ),
        "mailer-of-home": make("mailer", cas["home"], sans=[x509.RFC822Name("erp@globex.example")]),
        "card": make("card", cas["globex"], sans=["card.example.org"]),
    }
    known = {}
    for name, pair in clients.items():
        chain, key = pair.write(open_folder, name)
        known[name] = ["--cert", str(chain), "--key", str(key)]
    with running(_policy(clients["card"]), open_folder, cas) as served:
        served.expect("AH01630")  # refusals are what this is about
        yield served, known


ADMITTED = {
    "/mail": {"mailer"},
    "/card": {"card"},
    "/both": {"alice", "mailer", "card"},
    "/any-of": {"alice", "alice-of-globex", "mailer", "mailer-as-dns", "card"},
    "/days": {"alice"},
    "/other-days": set(),
    "/hours": {"alice"},
    "/other-hours": set(),
}


@pytest.mark.parametrize("path", ADMITTED)
def test_who_is_named_gets_in_and_nobody_else(gate: tuple[Running, dict[str, list[str]]], path: str) -> None:
    """By the right name of the right type, of the right authority, at the right time."""
    served, known = gate
    statuses = {
        name: curl(served, path, *arguments).stdout.split("\n")[-1].split()[0] for name, arguments in known.items()
    }
    assert statuses == {name: "200" if name in ADMITTED[path] else "403" for name in known}
