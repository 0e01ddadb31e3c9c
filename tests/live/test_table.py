"""Routes in a table: the same doors as with a section for each, also where the table itself is damaged."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatewright.model.shut import shut_name
from tests.live.backend import backend
from tests.live.conftest import Lab
from tests.live.gate import until
from tests.live.httpd import Running, curl, running, site
from tests.live.pki import make
from tests.live.proving import prove

pytestmark = pytest.mark.live

GATEWAY = """
gateway: localhost
listen: 0
authorities:
  home: {{ managed: true }}
clients:
  alice: {{ authority: home, san: alice.example.org }}
proof: {{ on_finding: shut }}
routes:
  /:               {{ files: site/unprotected, access: public }}
  /open/:          {{ backend: "http://127.0.0.1:{port}", access: public }}
  /open/deep/er/:  {{ backend: "http://127.0.0.1:{port}/inner/", access: [alice] }}
  /docs/:          {{ files: site, access: public }}
  /docs/index.html: {{ files: site/main.html, access: [alice] }}
  /leaf:           {{ respond: {{ text: leaf }}, access: public }}
  /leaf/below/:    {{ respond: {{ text: below }}, access: any-client, methods: [GET] }}
  /tree/:          {{ respond: {{ text: tree }}, access: public }}
"""
# Of a route that covers everything the prover thinks the gateway's own pages are a part.
PROVEN = GATEWAY.replace("  /:   ", "  /all/:   ")


@pytest.fixture(scope="module", params=["sections", "table"])
def gate(request: pytest.FixtureRequest, lab: Lab, open_folder: Path) -> Iterator[Running]:
    """One policy, as a section for each route and as a table: every test below has to pass with both."""
    folder = open_folder / request.param
    folder.mkdir(mode=0o755)
    site(folder)
    with (
        backend() as port,
        running(
            GATEWAY.format(port=port), folder, {"home": lab.home}, table_from=1 if request.param == "table" else 999
        ) as gate,
    ):
        gate.expect("AH01630", "AH01623", "AH00127", "AH00036", "AH01276", "AH01114", "AH10508", "AH10244", "AH00126")
        yield gate


def status(gate: Running, path: str, *arguments: str) -> str:
    """The status of one request."""
    done = curl(gate, path, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.rsplit("\n", 1)[-1].split()[0]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/unprotected.html", "200"), ("/docs/main.html", "200"), ("/leaf", "200"), ("/tree/", "200"), ("/tree/a/b", "200"),
        ("/leaf/", "403"), ("/leaf/x", "403"), ("/leaf/below", "403"), ("/leaf/below/", "403"), ("/docs/index.html", "403"),
        ("/open/x", "200"), ("/open/deep/", "200"), ("/open/deep/er/", "403"), ("/open/deep/er/x/y", "403"),
        ("/open/deep//er/x", "403"), ("/open/./deep/er/x", "403"), ("/open/deep/er", "200"), ("/open/deep/%65r/x", "403"),
        ("/open/..;/docs/", "403"), ("/open/a%0ab", "403"), ("/open/a%5cb", "403"), ("/leaf%0a", "403"), ("/leaf%00", "404"),
        ("/nowhere", "404"), ("/open%2fdeep/er/x", "404"),
        (f"/open/{'x' * 3000}", "200"), (f"/docs/{'x' * 3000}", "403"), ("/open/a%23b", "200"), ("/open/%c3%bc/%ff", "200"),
    ],
)  # fmt: skip
def test_the_longest_declared_path_decides(gate: Running, path: str, found: str) -> None:
    """Trees, exact paths and what is below them, in every spelling, without a certificate."""
    assert status(gate, path) == found


def test_twin_who_may_is_let_in(gate: Running, lab: Lab) -> None:
    """With the certificate, what was refused above is there."""
    for path in ("/leaf/below/", "/leaf/below/x", "/open/deep/er/x"):
        assert status(gate, path, *lab.arguments("alice")) == "200"
    assert status(gate, "/leaf/below/x", *lab.arguments("alice"), "-X", "POST") == "405"
    assert "main page" in curl(gate, "/docs/index.html", *lab.arguments("alice")).stdout


def test_a_folders_index_is_another_routes_and_stays_its(gate: Running, lab: Lab) -> None:
    """What httpd looks up for a folder is asked for by its own path: it is not shown to whom that path refuses."""
    (gate.folder / "site" / "index.html").write_text("index of the site")
    assert "index of the site" not in curl(gate, "/docs/").stdout
    assert "main page" in curl(gate, "/docs/", *lab.arguments("alice")).stdout


def test_backends_get_the_path_they_are_meant_to(gate: Running, lab: Lab) -> None:
    """The route's path is kept or replaced, with what is below it and the query, every character as it was sent."""
    alice = lab.arguments("alice")
    kept = json.loads(curl(gate, "/open/a%20b%3Fc;d%25?q=%20&x").stdout.rpartition("\n")[0])
    assert kept["path"] == "/open/a%20b%3Fc;d%25?q=%20&x"
    replaced = json.loads(curl(gate, "/open/deep/er/a/b?q", *alice).stdout.rpartition("\n")[0])
    assert replaced["path"] == "/inner/a/b?q"


def test_redirects_and_refusals_speak_of_the_path_that_was_asked_for(gate: Running) -> None:
    """A folder without its slash is redirected to itself with one; a refusal names the path of the request."""
    where = curl(gate, "/docs/protected", "-w", "\n%{redirect_url} 1.1 x").stdout
    assert where.rsplit("\n", 1)[-1].split()[0] == f"https://localhost:{gate.port}/docs/protected/"
    assert json.loads(curl(gate, "/open/deep/er/x").stdout.rpartition("\n")[0])["path"] == "/open/deep/er/x"


def test_the_log_names_the_route(gate: Running) -> None:
    """Path and route of a request are told as they are."""
    assert status(gate, "/tree/logged") == "200"

    def mine() -> list[tuple[str, str]]:
        lines = gate.access_log.rpartition("\n")[0].splitlines()
        return [(line["path"], line["route"]) for line in (json.loads(x) for x in lines if "/tree/logged" in x)]

    until(lambda: bool(mine()))  # httpd writes it after it has answered
    assert mine() == [("/tree/logged", "/tree/")]


def test_a_shut_route_is_shut_with_all_below_it(gate: Running, lab: Lab) -> None:
    """The file that shuts a route shuts the routes below it as well, others not, until it is gone."""
    folder = Path(gate.layout.shut)
    folder.mkdir(parents=True)
    alice = lab.arguments("alice")
    for route in ("/open/", "/leaf"):
        (folder / shut_name(route)).touch()
    with contextlib.ExitStack() as after:
        after.callback(shutil.rmtree, folder)
        for path in ("/open/x", "/open/deep/er/x", "/leaf", "/leaf/below/"):
            assert (status(gate, path, *alice), "route_shut" in curl(gate, path, *alice).stdout) == ("403", True)
        assert status(gate, "/tree/x") == "200"
    assert status(gate, "/open/x") == "200"
    assert status(gate, "/leaf/below/", *alice) == "200"


def record(gate: Running, path: str) -> Path:
    """The file of one path's record."""
    return Path(gate.layout.pages) / f"route-{hashlib.sha1(path.encode()).hexdigest()}"


@pytest.fixture
def tabled(lab: Lab, tmp_path: Path) -> Iterator[Running]:
    """The same policy, as a table that may be damaged."""
    site(tmp_path)
    with backend() as port, running(GATEWAY.format(port=port), tmp_path, {"home": lab.home}, table_from=1) as gate:
        gate.expect("AH01630", "AH00127")
        yield gate


@pytest.mark.parametrize(
    "damage", [b"", b"0", b"0 /tree/ page", b"\0" * 60, b"x y z - - -", b"9 /tree/ - page respond"]
)
def test_a_damaged_record_opens_nothing(tabled: Running, damage: bytes) -> None:
    """A record that is empty, cut short, or not one at all leaves its path refused, and no other path."""
    assert status(tabled, "/tree/x") == "200"
    record(tabled, "/tree/").write_bytes(damage)
    assert status(tabled, "/tree/x") == "403"
    assert status(tabled, "/leaf") == "200"


def test_a_lost_table_refuses_everything(tabled: Running, lab: Lab) -> None:
    """Without its folder no route is found, whoever asks; a path whose own record is lost never opens by a longer one's."""
    record(tabled, "/leaf/below/").unlink()
    assert status(tabled, "/leaf/below/", *lab.arguments("alice")) == "403"
    shutil.rmtree(Path(tabled.layout.pages))
    for path in ("/", "/open/x", "/leaf", "/tree/"):
        assert status(tabled, path) == "403"


def test_nothing_a_client_says_chooses_a_route(tabled: Running) -> None:
    """The variables that choose are ours: no header, query or path sets them, and no path reaches a backend of its own choice."""
    names = ("GW_RULES_1", "GW-RULES-1", "GW_http_TO", "GW_http_AT", "REDIRECT_GW_RULES_1")
    headers = [word for name in names for word in ("-H", f"{name}: 0")]
    assert status(tabled, "/open/deep/er/x", *headers) == "403"
    assert status(tabled, "/.gatewright/http://127.0.0.1/", *headers) == "403"
    assert status(tabled, "/open/deep/er/x?GW_RULES_1=0") == "403"


def test_a_table_is_proven(lab: Lab, tmp_path: Path) -> None:
    """The prover, which knows nothing of tables, finds nothing."""
    site(tmp_path)
    home = make("home issuing", make("loose root", ca=True), ca=True)
    with backend() as port:
        text = PROVEN.format(port=port)
        with running(text, tmp_path, {"home": home}, table_from=1) as gate:
            gate.expect("AH02261", "AH02262", "AH10421", "AH10191", "AH00128", "AH01630", "AH00127")
            report = prove(gate, text, {"home": home})
    assert report.proven, [(v.case.id, v.case.expected, v.evidence) for v in report.findings]


@pytest.mark.parametrize(
    ("weakened", "text"),
    [
        ("every route is everybody's", (r"(?s)<RequireAll>.*?</RequireAll>", "Require all granted")),
        ("rules are those of another route", (r"E=GW_RULES_1:%1", "E=GW_RULES_1:0")),
    ],
)
def test_twin_a_weakened_table_is_not(lab: Lab, tmp_path: Path, weakened: str, text: tuple[str, str]) -> None:
    """Weakened in one way, the same table is not proven."""
    site(tmp_path)
    home = make("home issuing", make("loose root", ca=True), ca=True)
    with backend() as port:
        policy = PROVEN.format(port=port)
        changed: list[bool] = []

        def weaken(conf: str) -> str:
            changed.append(bool(re.search(text[0], conf)))
            return re.sub(text[0], text[1], conf)

        with running(policy, tmp_path, {"home": home}, weaken, table_from=1) as gate:
            gate.expect("AH02261", "AH02262", "AH10421", "AH10191", "AH00128", "AH01630", "AH00127")
            report = prove(gate, policy, {"home": home})
    assert changed == [True], weakened
    assert report.findings
