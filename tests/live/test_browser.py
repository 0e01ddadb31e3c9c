"""The starter's gateway in a real browser: what people see without a certificate, with it, and with wrong ones.

The pictures of ``docs/images`` are made here: ``--update-screenshots`` writes them anew.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509

from gatewright.compile.pages import BROWSER_HELP
from tests.live.browser import PROGRAM, Browser, Hangs, Home, Visit, browser, home, managed_policy
from tests.live.gate import Gate, gateway, running_gateway
from tests.live.pki import CLIENT, Pair, authority, make

pytestmark = [
    pytest.mark.live,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which(PROGRAM) is None, reason="needs Chromium"),
]

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
PICTURES = ("no-certificate", "no-certificate-dark", "admitted", "unknown-path", "revoked")
MOST_BYTES = 100_000
SHUT, OPEN = "/protected/protected.html", "/main.html"

ENDED = {"net::ERR_BAD_SSL_CLIENT_AUTH_CERT", "net::ERR_SOCKET_NOT_CONNECTED", "net::ERR_CONNECTION_RESET"}
"""How Chromium tells a refused certificate. In TLS 1.3 the refusal comes after its own part of the handshake, and whether it reads
the alert or finds the connection closed first is chance (measured: about half of the times each).
"""


@dataclass(frozen=True)
class Site:
    """The starter's gateway, running, and where pictures go."""

    gate: Gate
    pictures: Path

    def url(self, path: str) -> str:
        """The address of a page."""
        return f"https://localhost:{self.gate.port}{path}"

    @property
    def root(self) -> Path:
        """The root that a browser must trust."""
        return self.gate.folder / "certs" / "ca" / "home-root.pem"

    @property
    def chooses(self) -> dict[str, object]:
        """The policy by which the browser shows the certificate without asking its user."""
        rule = json.dumps({"pattern": f"https://localhost:{self.gate.port}", "filter": {}})
        return {"AutoSelectCertificateForUrls": [rule]}

    def pack(self, folder: str) -> tuple[Path, Path, str]:
        """Hand the demo client's newest certificate over: the .p12, the file with its password, and the serial number."""
        out = self.gate.folder.parent / folder
        told = self.gate.json("client", "pack", "demo-client", "--out", str(out))
        return out / "demo-client.p12", Path(told["password_file"]), told["serial"]

    def take(self, opened: Browser, title: str) -> None:
        """A picture of the page that is open."""
        assert title in PICTURES
        picture = opened.picture()
        assert picture.startswith(b"\x89PNG")
        assert len(picture) < MOST_BYTES
        (self.pictures / f"{title}.png").write_bytes(picture)


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """What ``init`` and ``up`` make of an empty folder, on a free port."""
    pictures = IMAGES if request.config.getoption("--update-screenshots") else tmp_path_factory.mktemp("pictures")
    pictures.mkdir(exist_ok=True)
    with gateway() as gate:
        (gate.folder / "gateway.yaml").unlink()
        for words in (("init", "--listen", str(gate.port)), ("up", "--detach")):
            done = gate.run(*words)
            assert done.returncode == 0, done.stderr
        yield Site(gate, pictures)


@pytest.fixture
def person(site: Site) -> Iterator[Home]:
    """Somebody who trusts the gateway's root and holds no certificate."""
    with home() as person:
        person.trust(site.root)
        yield person


def p12(folder: Path, pair: Pair) -> tuple[Path, Path]:
    """A certificate as a browser imports it, and the file with its password."""
    certificate, key = pair.write(folder, "wrong")
    password = folder / "password"
    password.write_text("a password\n")
    subprocess.run(
        ["openssl", "pkcs12", "-export", "-in", certificate, "-inkey", key, "-name", "wrong", "-out", folder / "wrong.p12",
         "-passout", f"file:{password}"], check=True,
    )  # fmt: skip
    return folder / "wrong.p12", password


def test_without_a_certificate_the_page_explains_itself(site: Site, person: Home) -> None:
    """Status 403 in our own page: what is missing, its code, and a link to how a browser presents a certificate."""
    with browser(person) as opened:
        assert opened.visit(site.url(SHUT)) == Visit(403)
        assert opened.ask("document.title") == "A client certificate is required"
        assert opened.text("h1") == ["A client certificate is required"]
        assert opened.ask("document.documentElement.lang") == "en"
        told = dict(zip(opened.text("dt"), opened.text("dd"), strict=True))
        assert told["Reason"] == "client_certificate_required (403)"
        assert told["Address"] == SHUT
        assert re.fullmatch(r"[\w@-]{20,}", told["Request id"])
        assert opened.text("main > p > a[href]") == ["How to do that in a browser"]
        assert opened.ask("document.querySelector('p a').hash") == f"#{BROWSER_HELP}"
        assert ".p12" in opened.text(f"#{BROWSER_HELP} li")[0]
        again = f"document.querySelector('#{BROWSER_HELP} a').href"
        assert opened.ask(again) == site.url(SHUT)
        site.take(opened, "no-certificate")
        opened.dark()
        site.take(opened, "no-certificate-dark")


_COLOURS = """Array.from(document.querySelectorAll('h1,h2,p,li,a,dt,dd,code'), e => {
  let ground = e;
  while (getComputedStyle(ground).backgroundColor === 'rgba(0, 0, 0, 0)') ground = ground.parentElement;
  return [e.tagName, getComputedStyle(e).color, getComputedStyle(ground).backgroundColor];
})"""


def _light(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [int(p) / 255 for p in re.findall(r"\d+", colour)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    dark, light = sorted((_light(one), _light(other)))
    return (light + 0.05) / (dark + 0.05)


def test_an_error_page_can_be_read_by_day_and_by_night(site: Site, person: Home) -> None:
    """Its own style sheet is applied under its strict policy, and all text has 4.5:1 against its ground in both schemes."""
    grounds = []
    with browser(person) as opened:
        opened.visit(site.url(SHUT))
        for dark in (False, True):
            if dark:
                opened.dark()
            grounds.append(opened.ask("getComputedStyle(document.body).backgroundColor"))
            found = opened.ask(_COLOURS)
            assert len(found) > 10
            assert [f for f in found if _contrast(f[1], f[2]) < 4.5] == []
        asked = [e["params"]["request"]["url"] for e in opened.events if e.get("method") == "Network.requestWillBeSent"]
        assert [u for u in asked if u != site.url(SHUT) and not u.startswith("data:")] == []
        # Twin: without the policy's leave nothing runs, not even what stands in the page itself.
        opened.ask("document.body.insertAdjacentHTML('beforeend', '<style>body{background:rgb(1,2,3)}</style>')")
        assert opened.ask("getComputedStyle(document.body).backgroundColor") == grounds[-1]
    assert grounds == ["rgb(244, 246, 248)", "rgb(16, 22, 28)"]


def test_an_unknown_path_says_so(site: Site, person: Home) -> None:
    """What no route covers is refused with the reason for it."""
    with browser(person) as opened:
        assert opened.visit(site.url("/nothing/here")) == Visit(403)
        assert opened.text("h1") == ["Nothing is served here"]
        assert "no_such_route (403)" in opened.text("dd")
        assert opened.text(f"#{BROWSER_HELP}") == []
        site.take(opened, "unknown-path")


def test_the_p12_of_the_hand_over_opens_the_door(site: Site, person: Home) -> None:
    """Imported, and chosen by the administrator's policy, it shows the protected page; revoked, it is told so at once."""
    done = site.gate.run("cert", "issue", "demo-client")
    assert done.returncode == 0, done.stderr
    *held, serial = site.pack("handed-over")
    person.hold(*held)
    with managed_policy(site.chooses), browser(person) as opened:
        assert opened.visit(site.url(SHUT)) == Visit(200)
        assert opened.text("h1") == ["You are known here"]
        site.take(opened, "admitted")
        done = site.gate.run("cert", "revoke", serial, "--reason", "key-compromise")
        assert done.returncode == 0, done.stderr
        # A page without Cache-Control is kept for a tenth of its file's age (RFC 9111 §4.2.2): what is asked here is the gateway.
        opened.call("Network.setCacheDisabled", cacheDisabled=True)
        assert opened.visit(site.url(SHUT)) == Visit(403)
        assert opened.text("h1") == ["This client certificate has been revoked"]
        assert "certificate_revoked (403)" in opened.text("dd")
        site.take(opened, "revoked")
        assert opened.visit(site.url(OPEN)) == Visit(200)


def test_a_certificate_of_a_foreign_authority_is_not_even_shown(site: Site, person: Home, tmp_path: Path) -> None:
    """The browser is told whose certificates count, so it has none to choose and gets the page that says so."""
    person.hold(*p12(tmp_path, make("demo", authority("stranger"), usage=[CLIENT], sans=["demo-client.localhost"])))
    with managed_policy(site.chooses), browser(person) as opened:
        assert opened.visit(site.url(SHUT)) == Visit(403)
        assert opened.text("h1") == ["A client certificate is required"]


def test_a_forged_authority_is_refused_in_the_handshake(site: Site, person: Home, tmp_path: Path) -> None:
    """With the name of the real issuing CA but another key: the browser shows it, and the connection ends in the handshake."""
    issuing = x509.load_pem_x509_certificate((site.gate.folder / "certs" / "ca" / "home-issuing.pem").read_bytes())
    forged = make(issuing.subject, ca=True)
    person.hold(*p12(tmp_path, make("demo", forged, usage=[CLIENT], sans=["demo-client.localhost"])))
    with managed_policy(site.chooses), browser(person) as opened:
        for path in (SHUT, OPEN):
            seen = opened.visit(site.url(path))
            assert seen.status is None
            assert seen.error in ENDED
    log = (site.gate.folder / "logs" / "error.log").read_text()
    assert re.search(r"AH02276.*subject: CN=demo[ /]", log)


def test_without_the_root_the_browser_turns_away(site: Site) -> None:
    """The certificate alone is not enough: a browser that does not trust the gateway's root shows no page of it."""
    with home() as person:
        person.hold(*site.pack("rootless")[:2])
        with managed_policy(site.chooses), browser(person) as opened:
            assert opened.visit(site.url(SHUT)) == Visit(None, "net::ERR_CERT_AUTHORITY_INVALID")


def test_the_pictures_of_the_documents_exist() -> None:
    """Each is there, is a PNG, is small, and is shown on docs/browser.md."""
    page = (IMAGES.parent / "browser.md").read_text()
    for title in PICTURES:
        picture = (IMAGES / f"{title}.png").read_bytes()
        assert picture.startswith(b"\x89PNG")
        assert len(picture) < MOST_BYTES
        assert f"(images/{title}.png)" in page


SPLIT = """\
gateway: localhost
public_hosts: [www.localhost]
listen: {port}
authorities:
  home: {{ managed: true, names: [localhost] }}
clients:
  demo-client: {{ authority: home, san: demo-client.localhost }}
routes:
  /open: {{ respond: {{ html: "<h1>open</h1>" }}, access: public }}
  /shut: {{ respond: {{ html: "<h1>shut</h1>" }}, access: any-client }}
"""


def test_a_browser_with_a_certificate_is_asked_except_under_a_public_host() -> None:
    """Without a policy, a public page waits for its user's choice where certificates are asked for; under a public host it is there at once."""
    with running_gateway(SPLIT) as gate, home() as person:
        site = Site(gate, gate.folder)
        assert gate.run("cert", "issue", "demo-client").returncode == 0
        person.trust(site.root)
        elsewhere = f"https://www.localhost:{gate.port}"
        with browser(person) as opened:
            assert opened.visit(site.url("/open")) == Visit(200)
        person.hold(*site.pack("handed-over")[:2])
        with browser(person) as opened:
            assert opened.visit(f"{elsewhere}/open") == Visit(200)
            assert opened.text("h1") == ["open"]
            assert opened.visit(f"{elsewhere}/shut") == Visit(403)
        assert opened.certificate_requests() == 0
        with browser(person) as opened, pytest.raises(Hangs):
            opened.visit(site.url("/open"), 5)
        assert opened.certificate_requests() > 0
        with managed_policy(site.chooses), browser(person) as opened:
            # From one name to the other: a browser may keep the connection, and asks anew when it is told that it is the wrong one.
            assert opened.visit(f"{elsewhere}/open") == Visit(200)
            assert opened.visit(site.url("/shut")) == Visit(200)
            assert opened.text("h1") == ["shut"]


@pytest.mark.parametrize("public", ["", "public_hosts: [www.localhost]\n"])
def test_the_plan_says_which_names_ask(public: str) -> None:
    """Each name with what it asks; a note says where browsers ask on public pages too, and the way out of it."""
    with gateway(SPLIT.replace("public_hosts: [www.localhost]\n", public)) as gate:
        told = gate.json("plan")
        asks = {h["host"]: h["certificate"] for h in told["handshakes"]}
        assert asks["localhost"] == "optional"
        assert asks.get("www.localhost") == ("none" if public else None)
        assert [w["code"] for w in told["warnings"] if w["code"] == "browsers-asked"] == (
            [] if public else ["browsers-asked"]
        )
