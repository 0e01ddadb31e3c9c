"""What somebody could smuggle through the compiler: names, folders, paths and headers that mean more to httpd than to us."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.backend import backend
from tests.live.conftest import Lab
from tests.live.httpd import Running, curl, running, site
from tests.live.pki import CLIENT, authority, make

pytestmark = pytest.mark.live

HEAD = """
gateway: localhost
listen: 0
authorities:
  home: { managed: true }
"""


def status(gate: Running, path: str, *arguments: str) -> str:
    done = curl(gate, path, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.rsplit("\n", 1)[-1].split()[0]


@pytest.mark.parametrize(
    "name",
    [
        "Partner'} || true || 'a' in {'a",
        "Partner' || true || 'a' == 'a",
        "Partner\\'} || true || 'a' in {'a",
        '" all granted "',
        "%{SSL_CLIENT_I_DN}",
        "${GW_PORT}$1%%",
        "Globex, Inc. + Söhne; <CA>",
        " # \\ ",
    ],
)
def test_a_partner_cannot_open_routes_by_the_name_of_its_authority(lab: Lab, tmp_path: Path, name: str) -> None:
    """Whatever a partner calls its CA, its name is compared and never read: nobody gets in who should not, ours do."""
    hostile = authority(name)
    theirs = make("erp", hostile, usage=[CLIENT], sans=["erp.example"]).write(tmp_path, "erp")
    text = HEAD + "  globex: { anchor: globex.pem }\nroutes:\n"
    text += (
        "  /shut: { respond: { text: secret }, access: any-client }\n  /: { respond: { text: o }, access: public }\n"
    )
    with running(text, tmp_path, {"globex": hostile, "home": lab.home}) as gate:
        gate.expect("AH01630")
        assert status(gate, "/shut") == "403"
        assert status(gate, "/shut", *lab.arguments("alice")) == "200"
        assert status(gate, "/shut", "--cert", str(theirs[0]), "--key", str(theirs[1])) == "200"


@pytest.mark.parametrize("name", ["a b", "q'\"uo", "x\\1y", "b\\", "x$1&y", "${HOME}", "%{HOME}s", "ü<>#", "$0 %%"])
def test_a_folder_of_any_name_works(lab: Lab, tmp_path: Path, name: str) -> None:
    """Files, fixed answers, pages and revocations are found in a folder whose name means something to httpd."""
    folder = tmp_path / name
    folder.mkdir()
    site(folder)
    routes = """
routes:
  /files/: { files: site/unprotected, access: public }
  /tree/:  { respond: { text: tree }, access: public }
  /one:    { respond: { text: one }, access: public }
  /shut:   { respond: { text: shut }, access: any-client }
"""
    with running(HEAD + routes, folder, {"home": lab.home}) as gate:
        gate.expect("AH01630")
        paths = ("/files/unprotected.html", "/tree/x", "/one")
        assert [status(gate, path) for path in paths] == ["200"] * 3
        assert status(gate, "/shut", *lab.arguments("alice")) == "200"
        refused = curl(gate, "/shut").stdout
        assert '"client_certificate_required"' in refused


@pytest.fixture(scope="module")
def echo(lab: Lab, open_folder: Path) -> Iterator[Running]:
    """A gateway before a backend that tells what it was sent."""
    with backend() as port:
        text = (
            HEAD
            + f"""
routes:
  /shut/:  {{ backend: "http://127.0.0.1:{port}", access: any-client }}
  /purge/: {{ backend: "http://127.0.0.1:{port}", access: any-client, methods: [GET, PURGE, X-OWN, PROPFIND] }}
"""
        )
        with running(text, open_folder, {"home": lab.home}) as gate:
            yield gate


@pytest.mark.parametrize(
    "named",
    [
        "Client-Cert",
        "keep-alive; Client-Cert",
        "keep-alive Client-Cert",
        "keep-alive\tClient-Cert",
        ";Client-Cert;",
        "close ; client-cert ; X-Client-Subject X-Client-Issuer",
        ",,Client-Cert,,X-Client-Subject,,",
        "Client-Cert Client-Cert Client-Cert",
        '"a" Client-Cert',
        '"a"Client-Cert, Client-Cert',
        'Client-Cert "',
    ],
)
def test_connection_cannot_remove_identity_whatever_separates_its_names(echo: Running, lab: Lab, named: str) -> None:
    """In ``Connection``, httpd takes semicolons and blanks for separators too; what it then removes is not ours."""
    done = curl(echo, "/shut/x", "--http1.1", *lab.arguments("alice"), "-H", f"Connection: {named}")
    told = json.loads(done.stdout.rpartition("\n")[0])
    names = {name.lower() for name, _ in told["headers"]}
    assert {"client-cert", "x-client-subject", "x-client-issuer", "x-client-serial"} <= names


def test_methods_that_httpd_does_not_know_work_where_declared(echo: Running, lab: Lab) -> None:
    """A method of one's own is registered, and allowed on its route only."""
    alice = lab.arguments("alice")
    echo.expect("AH01623", "AH00135")
    # The backend answers 501 to methods it has no code for: the request did arrive.
    assert status(echo, "/purge/x", "-X", "PURGE", *alice) == "501"
    assert status(echo, "/purge/x", "-X", "X-OWN", *alice) == "501"
    assert status(echo, "/purge/x", "-X", "DELETE", *alice) == "405"
    assert status(echo, "/purge/x", "-X", "BREW", *alice) in {"400", "501"}
