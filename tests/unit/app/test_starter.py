"""The starter: what it writes, what it refuses, and that it is itself a good gateway file."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from gatewright.app.reports import Example
from gatewright.app.starter import GATEWAY_FILE, STARTER_CLIENT, examples_for, init, schema_text, starter_files
from gatewright.edges.files import LocalFiles
from gatewright.errors import UsageError
from gatewright.model.gateway import Openness
from gatewright.model.values import HostName, Listen
from gatewright.source import load

ARTICLE = {
    "/unprotected/unprotected.html": 200,
    "/protected/confidential.html": 403,
    "/protected/protected.html": 403,
    "/main.html": 200,
    "/health": 200,
}


def starter_text() -> str:
    return next(f.content.decode() for f in starter_files() if str(f.path) == GATEWAY_FILE)


def test_the_starter_is_a_good_gateway_file() -> None:
    """The starter file loads, serves the five addresses' routes and asks a certificate for exactly one of them."""
    gateway = load(starter_text(), GATEWAY_FILE).gateway
    access = {str(path): route.access.openness for path, route in gateway.routes.items()}
    assert access == {
        "/main.html": Openness.PUBLIC,
        "/health": Openness.PUBLIC,
        "/unprotected/": Openness.PUBLIC,
        "/protected/": Openness.ANY_CLIENT,
    }
    assert STARTER_CLIENT in gateway.clients
    assert gateway.managed_authorities == ("home",)


def test_what_is_commented_out_is_good_too() -> None:
    """A reader who takes the comment marks off the partner, its client and the backend gets a good file."""
    text = re.sub(r"(?m)^  # (globex|globex-erp|/orders/):", r"  \1:", starter_text())
    gateway = load(text, GATEWAY_FILE).gateway
    assert "globex" in gateway.authorities
    assert "globex-erp" in gateway.clients
    assert gateway.routes["/orders/"].backend is not None  # type: ignore[index]  # a RoutePath is a str


def test_editors_find_the_schema() -> None:
    """The first line names the schema file that is written beside it, and that file is a JSON Schema."""
    assert starter_text().splitlines()[0] == "# yaml-language-server: $schema=gateway.schema.json"
    Draft202012Validator.check_schema(json.loads(schema_text()))


def test_pages_stand_alone() -> None:
    """No page holds a script or refers to another host."""
    pages = [f.content.decode() for f in starter_files() if f.path.suffix == ".html"]
    assert len(pages) == 4
    for page in pages:
        assert "<script" not in page
        assert "//" not in page.replace("data:,", "")


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    """Everything is written, and the gateway file last, so that an interruption never leaves a half-made gateway."""
    report = init(LocalFiles(), tmp_path / "new" / "gateway")
    assert report.written[-1] == GATEWAY_FILE
    assert report.kept == ()
    assert all((tmp_path / "new" / "gateway" / name).is_file() for name in report.written)


def test_a_gateway_is_left_alone(tmp_path: Path) -> None:
    """Beside an existing gateway file nothing is written, not even the site."""
    (tmp_path / GATEWAY_FILE).write_text("mine")
    report = init(LocalFiles(), tmp_path)
    assert report.written == ()
    assert [p.name for p in tmp_path.iterdir()] == [GATEWAY_FILE]
    assert (tmp_path / GATEWAY_FILE).read_text() == "mine"


@pytest.mark.parametrize("name", ["notes.txt", "site/other.html", "site/protected/protected.html", "src/a.py"])
def test_a_folder_of_something_else_is_refused(tmp_path: Path, name: str) -> None:
    """A folder with files that are not the starter's own is refused and left exactly as it was."""
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError) as caught:
        init(LocalFiles(), tmp_path)
    assert caught.value.diagnostics[0].code == "folder-not-empty"
    assert sorted(tmp_path.rglob("*")) == before


def test_a_gateway_file_that_is_not_mounted_is_not_replaced(tmp_path: Path) -> None:
    """A gateway.yaml that is a link to nothing is refused: a starter with open routes must not take its place."""
    files = LocalFiles()
    init(files, tmp_path)
    (tmp_path / GATEWAY_FILE).unlink()
    (tmp_path / GATEWAY_FILE).symlink_to("/nowhere/gateway.yaml")
    with pytest.raises(UsageError) as caught:
        init(files, tmp_path)
    assert caught.value.diagnostics[0].code == "folder-not-empty"
    assert (tmp_path / GATEWAY_FILE).is_symlink()


def test_dotfiles_do_not_count_and_are_kept(tmp_path: Path) -> None:
    """A folder under version control is as good as empty, and its own .gitignore stays."""
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("mine")
    report = init(LocalFiles(), tmp_path)
    assert report.kept == (".gitignore",)
    assert (tmp_path / ".gitignore").read_text() == "mine"


@pytest.mark.parametrize("count", range(1, 7))
def test_an_interrupted_start_is_taken_up_again(tmp_path: Path, count: int) -> None:
    """Whatever number of files a first attempt wrote, the second writes the rest."""
    for file in starter_files()[:count]:
        (tmp_path / file.path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file.path).write_bytes(file.content)
    report = init(LocalFiles(), tmp_path)
    assert len(report.kept) == count
    assert len(report.written) + count == len(starter_files())


def test_its_authority_can_vouch_for_this_machine_only() -> None:
    """Whoever trusts the starter's root risks nothing: it is for localhost and what is below it."""
    (home,) = load(starter_text(), GATEWAY_FILE).gateway.authorities.values()
    assert home.names == ("localhost",)
    assert home.permits(HostName("demo-client.localhost"))
    assert not home.permits(HostName("www.bank.example"))


def test_examples_cover_the_article() -> None:
    """The requests to try are the article's five addresses without a certificate, and the shut ones with."""
    examples = examples_for(load(starter_text(), GATEWAY_FILE).gateway, STARTER_CLIENT)
    without = {e.path: e.status for e in examples if not e.with_certificate}
    assert without.items() <= ARTICLE.items()
    assert {e.path: e.status for e in examples if e.with_certificate} == {
        "/protected/protected.html": 200,
        "/protected/confidential.html": 200,
    }


def test_no_example_with_a_certificate_nobody_has() -> None:
    """Without a client of ours, and for routes that name somebody else, only the refusal is shown."""
    text = starter_text().replace("access: any-client", "access: [demo-client]")
    gateway = load(text, GATEWAY_FILE).gateway
    assert not [e for e in examples_for(gateway, None) if e.with_certificate]
    assert Example("/protected/protected.html", 403) in examples_for(gateway, None)


def test_another_host_and_port_are_written_as_yaml_reads_them() -> None:
    """``init --host --listen``: names and numbers plain, addresses quoted; both are read back as what they were."""
    for host, listen in (("api.example.org", "443"), ("::1", "[::1]:8443"), ("192.0.2.7", "127.0.0.1:8443")):
        text = next(f.content for f in starter_files(host, listen) if str(f.path) == "gateway.yaml").decode()
        gateway = load(text, "gateway.yaml").gateway
        assert (gateway.hosts, gateway.listen) == ((HostName.parse(host),), Listen.parse(listen))
        (home,) = gateway.authorities.values()
        assert home.names == ("localhost", HostName.parse(host))


def test_a_host_that_is_none_is_refused() -> None:
    """Before anything is written, with the way out."""
    with pytest.raises(UsageError, match="not a host name"):
        starter_files("*.example.org")
