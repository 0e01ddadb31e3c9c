"""What a pack says, and that nothing in it breaks out of a program's quotes."""

from __future__ import annotations

import ast
import io
import json
import shutil
import subprocess
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gatewright.app.handover import Door, Handover, archive, pack
from gatewright.model.credentials import Bearer, Credentials, HttpsUrl, KeySource
from gatewright.model.gateway import Openness
from gatewright.model.values import HostName, Name, RelativePath, RoutePath

ODD = "/it's/$HOME/`x`/!a&b=c;d".replace(";", ",").replace("`", "~") + "/"


def handover(path: str = "/orders/", *, key: bytes | None = b"KEY", ca: bytes | None = b"CA") -> Handover:
    """One for a client ``shop``."""
    begins, ends = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
    doors = (Door(RoutePath.parse("/open"), Openness.PUBLIC), Door(RoutePath.parse("/orders/"), None, ("GET", "POST")))
    p12 = None if key is None else b"P12"
    host = HostName.parse("api.example.org")
    return Handover(Name("shop"), host, 8443, path, doors, "CN=a`b,O=x", begins, ends, b"PEM", key, p12, ca)


def texts(given: Handover) -> dict[str, str]:
    """Its files, by path."""
    return {str(file.path): file.content.decode() for file in pack(given)}


def test_where_the_developer_keeps_the_key_nothing_is_secret() -> None:
    """No key, no .p12; the page says where the key belongs. The twin with a key marks both as secret."""
    files = pack(handover(key=None))
    assert not [f for f in files if f.secret]
    assert "with you alone" in texts(handover(key=None))["README.md"]
    assert {str(f.path) for f in pack(handover()) if f.secret} == {"shop.key", "shop.p12"}


def test_the_page_says_what_may_be_asked_for_and_until_when() -> None:
    """Paths, methods, what is open anyway, and the certificate's dates."""
    page = texts(handover())["README.md"]
    for said in (
        "everything below `/orders/`, with GET, POST",
        "`/open` (open to everybody)",
        "2026-04-01",
        "`CN=ab,O=x`",
    ):
        assert said in page
    assert "@@" not in "".join(texts(handover()).values())


def test_the_page_says_what_is_demanded_besides_the_certificate() -> None:
    """Password, token, hours, and what comes of a first visit; the twin without any of these says that nothing else is needed."""
    plain = texts(handover())
    assert "no password, no token" in plain["README.md"]
    assert not [said for said in ("401", "503", "outside_hours") if said in plain["README.md"]]
    bearer = Bearer(HttpsUrl("https://login.example.org"), "orders-api", KeySource("keys.json"))
    doors = (
        Door(RoutePath.parse("/"), Openness.PUBLIC),
        Door(RoutePath.parse("/basic/"), None, demands=Credentials(basic=RelativePath("users"))),
        Door(
            RoutePath.parse("/orders/"), None, hours="every day 08:00 to 18:00 UTC", demands=Credentials(bearer=bearer)
        ),
    )
    files = texts(replace(handover(), doors=doors, enrolled=True))
    for said in (
        "a password or a bearer token is wanted as well",
        "- everything below `/basic/`, and besides the certificate a user name and password",
        '- everything below `/orders/`, and besides the certificate a bearer token of https://login.example.org for "orders-api"',
        "bound to this certificate (RFC 8705), open every day 08:00 to 18:00 UTC",
        "| 401 `credentials_required` |",
        "| 401 `token_bound_to_another_certificate` |",
        "| 403 `outside_hours` |",
        "| 503 `certificate_not_enrolled_yet` |",
    ):
        assert said in files["README.md"], said
    assert "no password" not in files["README.md"]
    assert '-H "Authorization: Bearer $TOKEN" https://' in files["curl.txt"]
    # What the longest path that covers the request demands, and not what another does.
    assert "-u USER" in texts(replace(handover("/basic/x"), doors=doors))["curl.txt"]
    assert "-u USER" not in texts(replace(handover("/open"), doors=doors))["curl.txt"]


def test_without_a_ca_of_ours_curl_asks_the_system() -> None:
    """A public server certificate: no ca.pem, and no option that names it."""
    files = texts(handover(ca=None))
    assert "ca.pem" not in files
    assert "--cacert" not in files["curl.txt"]


@pytest.mark.parametrize("name", ["python_requests.py", "python_httpx.py"])
def test_odd_paths_stay_inside_pythons_quotes(name: str) -> None:
    """The URL is one literal, exactly as it is."""
    tree = ast.parse(texts(handover(ODD))[f"code/{name}"])
    literals = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert f"https://api.example.org:8443{ODD}" in literals


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
def test_odd_paths_stay_inside_javascripts_quotes(tmp_path: Path) -> None:
    """Node.js parses the program; the literal is read back as the URL."""
    text = texts(handover(ODD))["code/example.mjs"]
    (tmp_path / "example.mjs").write_text(text)
    assert subprocess.run(["node", "--check", str(tmp_path / "example.mjs")], check=False).returncode == 0
    literal = next(line.strip().rstrip(",") for line in text.splitlines() if "api.example.org" in line)
    assert json.loads(literal) == f"https://api.example.org:8443{ODD}"


def test_odd_paths_stay_inside_the_shells_quotes() -> None:
    """The line's last word is the URL."""
    line = texts(handover(ODD))["curl.txt"].splitlines()[1].replace("curl", "printf '%s\\n'", 1)
    told = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True).stdout
    assert told.splitlines()[-1] == f"https://api.example.org:8443{ODD}"


def test_equal_packs_are_equal_archives() -> None:
    """No time of making in it; secret files keep their mode."""
    files = pack(handover())
    assert archive("shop-pack", files) == archive("shop-pack", files)
    with zipfile.ZipFile(io.BytesIO(archive("shop-pack", files))) as made:
        modes = {entry.filename: entry.external_attr >> 16 for entry in made.infolist()}
    assert modes["shop-pack/shop.key"] == 0o600
    assert modes["shop-pack/README.md"] == 0o644
    assert len(modes) == len(files)
