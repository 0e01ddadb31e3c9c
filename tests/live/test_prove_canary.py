"""Test identities end at the canary: judged like anybody by the route's own rules, and never at anything real."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.x509.oid import NameOID

from gatewright.edges.accounts import LocalAccounts
from gatewright.edges.probing.canary import LocalCanary
from gatewright.model.canary import MARK, SOCKET
from tests.live.backend import backend
from tests.live.conftest import Lab
from tests.live.httpd import Running, curl, running, site
from tests.live.pki import CLIENT, make, name
from tests.ports import free_port

pytestmark = pytest.mark.live

GATEWAY = """
gateway: localhost
listen: 0
authorities:
  home: {{ managed: true }}
clients:
  alice: {{ authority: home, san: alice.example.org }}
  bob: {{ authority: home, san: bob.example.org }}
routes:
  /files/:    {{ files: site/protected, access: any-client }}
  /file.html: {{ files: site/main.html, access: any-client }}
  /respond/:  {{ respond: {{ text: real }}, access: any-client, methods: [GET] }}
  /backend/:  {{ backend: "http://127.0.0.1:{port}", access: any-client }}
  /mapped/:   {{ backend: "http://127.0.0.1:{port}/inner/", access: [alice] }}
  /secure/:   {{ backend: {{ url: "https://localhost:{dead}", ca: server-root.pem }}, access: [alice] }}
  /open/:     {{ backend: "http://127.0.0.1:{port}", access: public }}
  /bob/:      {{ respond: {{ text: real }}, access: [bob] }}
"""
ADMITTED = ("/files/protected.html", "/file.html", "/files/", "/respond/x", "/backend/x?q=1", "/mapped/x",
            "/secure/x", "/open/x")  # fmt: skip
VERSIONS = ("--http1.1", "--http2")


@pytest.fixture(scope="module")
def gate(lab: Lab, open_folder: Path) -> Iterator[Running]:
    """A gateway with every kind of content."""
    site(open_folder)
    (open_folder / "server-root.pem").write_bytes(lab.home.pem)
    with backend() as port:
        text = GATEWAY.format(port=port, dead=free_port())
        with running(text, open_folder, {"home": lab.home}) as gate:
            gate.expect("AH01630", "AH01623", "AH00957", "AH02454", "AH01114", "AH00898")
            yield gate


@pytest.fixture(scope="module")
def marked(lab: Lab, open_folder: Path) -> tuple[str, ...]:
    """Curl's arguments for a test identity that stands for alice."""
    subject = name("alice", (NameOID.ORGANIZATIONAL_UNIT_NAME, MARK))
    pair = make(subject, lab.home, usage=[CLIENT], sans=["alice.example.org"])
    certificate, key = pair.write(open_folder, "marked")
    return ("--cert", str(certificate), "--key", str(key))


@pytest.fixture
def canary(gate: Running) -> Iterator[LocalCanary]:
    """A canary that listens."""
    account = LocalAccounts().unprivileged()
    folder = gate.folder if account else gate.folder / "run"
    listening = LocalCanary(folder / SOCKET, "tweet", account.gid if account else None)
    yield listening
    listening.close()


def status(done: str) -> str:
    return done.rsplit("\n", 1)[-1].split(maxsplit=1)[0]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", ADMITTED)
def test_an_admitted_test_identity_ends_at_the_canary(
    gate: Running, marked: tuple[str, ...], canary: LocalCanary, path: str, version: str
) -> None:
    """Whatever the route holds, the answer is the canary's, not the content."""
    done = curl(gate, path, version, "-i", *marked).stdout
    assert "x-gatewright-canary: tweet" in done.lower()
    assert status(done) == "200"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("path", "method", "expected", "code"),
    [
        ("/bob/x", "GET", "403", "certificate_not_authorised"),
        ("/nowhere", "GET", "403", "no_such_route"),
        ("/respond/x", "POST", "405", "method_not_allowed"),
        ("/respond/x", "TRACE", "405", "method_not_allowed"),
        ("/.gatewright/denied.asis", "GET", "403", "no_such_route"),
        ("/backend/..;/x", "GET", "403", "unsafe_path"),
    ],
)
def test_a_refused_one_stays_refused(
    gate: Running,
    marked: tuple[str, ...],
    canary: LocalCanary,
    path: str,
    method: str,
    expected: str,
    code: str,
    version: str,
) -> None:
    """The route's own rule answers first, in its own words."""
    done = curl(gate, path, version, "-X", method, *marked).stdout
    assert status(done) == expected
    assert f'"error": "{code}"' in done


def test_the_canary_sees_what_a_backend_would(
    gate: Running, lab: Lab, marked: tuple[str, ...], canary: LocalCanary
) -> None:
    """The same header names arrive as at the real backend, identity included, lies excluded."""
    lies = ("-H", "X-Client-Subject: a-liar", "-H", "Connection: keep-alive, Client-Cert", "-H", "X-Harmless: yes")
    real = json.loads(curl(gate, "/backend/x", *lab.arguments("alice"), *lies).stdout.rpartition("\n")[0])
    seen = json.loads(curl(gate, "/backend/x", *marked, *lies).stdout.rpartition("\n")[0])
    names = [sorted(k.lower() for k, _ in told["headers"] if k.lower() != "connection") for told in (real, seen)]
    assert names[0] == names[1]
    assert "client-cert" in names[1]
    assert "a-liar" not in json.dumps(seen)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", ADMITTED)
def test_with_nobody_listening_nothing_real_is_reached(
    gate: Running, marked: tuple[str, ...], path: str, version: str
) -> None:
    """Without a canary a test identity gets 502, whatever the route holds."""
    done = curl(gate, path, version, *marked).stdout
    assert status(done) == "502"
    assert "backend_unreachable" in done


@pytest.mark.parametrize("version", VERSIONS)
def test_twin_without_the_mark_everything_is_real(gate: Running, lab: Lab, canary: LocalCanary, version: str) -> None:
    """The same client without the mark gets the content, so the tests above can fail."""
    for path, text in (("/files/protected.html", "protected page"), ("/respond/x", "real"), ("/backend/x", "path")):
        done = curl(gate, path, version, "-i", *lab.arguments("alice")).stdout
        assert text in done
        assert "x-gatewright-canary" not in done.lower()
