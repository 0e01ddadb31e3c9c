"""``outside_hours``: who would be admitted at another time is told when; whoever would not, is told nothing of it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gatewright.compile.inputs import TABLE_FROM
from gatewright.model.matchers import Weekday
from tests.live.httpd import curl, running
from tests.live.pki import make

pytestmark = pytest.mark.live

WEEK = tuple(Weekday)
NOW, LATER = (
    # Two days away from any midnight that the test could run over.
    ", ".join(sorted((WEEK[(datetime.now(UTC).weekday() + n) % 7] for n in days), key=WEEK.index))
    for days in ((-1, 0, 1), (3, 4))
)

POLICY = f"""
gateway: localhost
listen: 0
authorities:
  home: {{ managed: true }}
  globex: {{ anchor: globex.pem }}
clients:
  alice: {{ authority: home, san: alice.example.org }}
  bob: {{ authority: home, san: bob.example.org }}
  member: {{ authority: globex, email: erp@globex.example }}
groups:
  both: [alice, member]
routes:
  /public: {{ respond: {{ text: ok }}, access: public }}
  /now/: {{ respond: {{ text: ok }}, access: {{ clients: [alice], during: {{ days: [{NOW}] }} }} }}
  /later/: {{ respond: {{ text: ok }}, access: {{ clients: [alice], during: {{ days: [{LATER}], from: "06:30" }} }} }}
  /later/nested/: {{ respond: {{ text: ok }}, access: [bob] }}
  /later/nested/again/: {{ respond: {{ text: ok }}, access: {{ any-of: [globex], during: {{ days: [{LATER}] }} }} }}
  /exact: {{ respond: {{ text: ok }}, access: {{ clients: [alice], during: {{ days: [{LATER}] }} }} }}
  /exact/: {{ respond: {{ text: ok }}, access: [bob] }}
  /group: {{ respond: {{ text: ok }}, access: {{ clients: [both], during: {{ days: [{LATER}] }} }} }}
  /password/:
    respond: {{ text: ok }}
    access: {{ clients: [alice], during: {{ days: [{LATER}] }} }}
    credentials: {{ basic: users }}
"""
REFUSED = "certificate_not_authorised"
EXPECTED = {
    "/now/x": {"alice": "", "bob": REFUSED, "erp": REFUSED, "gone": "certificate_revoked"},
    "/later/x": {"alice": f"{LATER} 06:30 to 24:00 UTC", "bob": REFUSED, "erp": REFUSED, "gone": "certificate_revoked"},
    "/later/nested/x": {"alice": REFUSED, "bob": "", "erp": REFUSED, "gone": "certificate_revoked"},
    "/later/nested/again/x": {"alice": REFUSED, "bob": REFUSED, "erp": f"{LATER} UTC", "gone": "certificate_revoked"},
    "/exact": {"alice": f"{LATER} UTC", "bob": REFUSED, "erp": REFUSED, "gone": "certificate_revoked"},
    "/exact/x": {"alice": REFUSED, "bob": "", "erp": REFUSED, "gone": "certificate_revoked"},
    "/group": {"alice": f"{LATER} UTC", "bob": REFUSED, "erp": REFUSED, "gone": "certificate_revoked"},
    "/password/x": {"alice": f"{LATER} UTC", "bob": REFUSED, "erp": REFUSED, "gone": "certificate_revoked"},
}
"""For each path and caller: nothing when admitted, the reason, or when the route is open; nobody's reason is always the same."""


@contextmanager
def served(
    folder: Path, table_from: int, change: Callable[[str], str] = lambda same: same
) -> Iterator[Callable[..., tuple[str, str]]]:
    """The gateway, as a function from path, caller and further arguments of curl to status and answer."""
    (folder / "users").write_text("alice:$2y$05$abcdefghijklmnopqrstuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu\n")
    cas = {name: make(f"{name} issuing", make(f"{name} root", ca=True), ca=True) for name in ("home", "globex")}
    known: dict[str, list[str]] = {"nobody": []}
    for name, issuer, san in (
        ("alice", "home", "alice.example.org"),
        ("bob", "home", "bob.example.org"),
        ("erp", "globex", "alice.example.org"),
        ("gone", "home", "alice.example.org"),
    ):
        pair = make(name, cas[issuer], sans=[san])
        chain, key = pair.write(folder, name)
        known[name] = ["--cert", str(chain), "--key", str(key)]
        if name == "gone":
            revoked = hashlib.sha1(pair.pem).hexdigest()
    with running(POLICY, folder, cas, change, table_from) as gate:
        gate.expect("AH01630")  # refusals are what this is about
        (folder / "rev" / revoked).touch()

        def ask(path: str, who: str, *args: str) -> tuple[str, str]:
            body, _, status = curl(gate, path, *known[who], *args).stdout.rpartition("\n")
            return status.split()[0], body

        yield ask


def told(answer: tuple[str, str]) -> str:
    """In the terms of :data:`EXPECTED`."""
    status, body = answer
    if status == "200":
        return ""
    page = json.loads(body)
    assert status == "403"
    assert ("open" in page) == (page["error"] == "outside_hours")
    return str(page.get("open", page["error"]))


@pytest.mark.parametrize("table_from", [TABLE_FROM, 1], ids=["sections", "table"])
def test_only_whom_the_hour_keeps_out_is_told_it(tmp_path: Path, table_from: int) -> None:
    """In a location and in a table, over HTTP/1.1 and HTTP/2, alone, in a group, as a whole authority, with a password besides."""
    with served(tmp_path, table_from) as ask:
        for path, wanted in EXPECTED.items():
            for version in ("--http1.1", "--http2"):
                found = {who: told(ask(path, who, version)) for who in (*wanted, "nobody")}
                assert found == {**wanted, "nobody": "client_certificate_required"}, (path, version)
        status, page = ask("/later/x", "alice", "-H", "Accept: text/html")
        assert (status, f"<dt>Open</dt><dd>{LATER} 06:30 to 24:00 UTC</dd>" in page) == ("403", True)
        status, page = ask("/later/x", "bob", "-H", "Accept: text/html")
        assert (status, "06:30" in page) == ("403", False)


@pytest.mark.parametrize(
    ("gone", "instead", "path", "who"),
    [
        (r"(SetEnvIfExpr .*)in \{'alice.example.org'\}", r"\1in {'bob.example.org'}", "/later/x", "bob"),
        (r"\n *SetEnvIf Request_URI \"\^\" !GW_HOURS", "", "/later/nested/x", "alice"),
        (r"\n *SetEnvIf Request_URI \"\^\" !GW_HOURS", "", "/exact/x", "alice"),
    ],
    ids=["who", "forget", "forget-exact"],
)
def test_without_one_of_its_lines_it_would_tell_others(
    tmp_path: Path, gone: str, instead: str, path: str, who: str
) -> None:
    """The twin: who is admitted within the hours, and forgetting what a wider route said, are each needed."""

    def change(text: str) -> str:
        changed = re.sub(gone, instead, text)
        assert changed != text or "GW_HOURS" not in text
        return changed

    with served(tmp_path, TABLE_FROM, change) as ask:
        status, body = ask(path, who)
        assert (status, json.loads(body)["error"]) == ("403", "outside_hours")


MIDNIGHT = """
gateway: localhost
listen: 0
authorities:
  home: { managed: true }
routes:
  /public: { respond: { text: ok }, access: public }
  /until/: { respond: { text: ok }, access: { any-of: [home], during: { from: "HOUR", to: "00:00" } } }
  /since/: { respond: { text: ok }, access: { any-of: [home], during: { from: "00:00", to: "HOUR" } } }
"""


@pytest.mark.parametrize("table_from", [TABLE_FROM, 1], ids=["sections", "table"])
@pytest.mark.parametrize("opens_at", ["23:59", "00:01"])
def test_midnight_is_an_end_like_any_other(tmp_path: Path, table_from: int, opens_at: str) -> None:
    """``to: "00:00"`` shuts the route until it opens: early and late, each other's negative twin, never both open or both shut."""
    home = make("home issuing", make("home root", ca=True), ca=True)
    chain, key = make("alice", home, sans=["alice.example.org"]).write(tmp_path, "alice")
    with running(MIDNIGHT.replace("HOUR", opens_at), tmp_path, {"home": home}, table_from=table_from) as gate:
        gate.expect("AH01630")

        def state(path: str) -> str:
            return told_of(curl(gate, path, "--cert", str(chain), "--key", str(key)).stdout)

        for _ in range(3):
            before = f"{datetime.now(UTC):%H:%M}" >= opens_at
            found = (state("/until/x"), state("/since/x"))
            if before is (f"{datetime.now(UTC):%H:%M}" >= opens_at):
                break  # else the minute passed between the two
        assert found == (("200", "403") if before else ("403", "200"))


def told_of(output: str) -> str:
    return output.rpartition("\n")[2].split()[0]
