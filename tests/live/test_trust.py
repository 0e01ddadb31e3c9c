"""The real stores of this machine: the root goes in, programs need no --cacert, the root comes out, and they need it again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.live.browser import PROGRAM, Home, Visit, browser, home
from tests.live.gate import Gate, running_gateway
from tests.live.test_confined import POLICY

DEBIAN = Path("/usr/local/share/ca-certificates")
JAVA_HOMES = Path("/usr/lib/jvm")

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(os.geteuid() != 0 or not DEBIAN.is_dir(), reason="changes Debian's store, as root"),
    pytest.mark.skipif(shutil.which("update-ca-certificates") is None, reason="needs ca-certificates"),
]


@dataclass
class Machine:
    """A gateway whose root nobody trusts yet, and somebody's home."""

    gate: Gate
    person: Home
    more: dict[str, str] = field(default_factory=dict)

    def trust(self, *words: str) -> subprocess.CompletedProcess[str]:
        """One command of the family, at home."""
        return self.gate.run("trust", *words, env={**os.environ, "HOME": str(self.person.folder), **self.more})

    def told(self, *words: str) -> dict[str, Any]:
        """The JSON result of one."""
        done = self.trust("--json", *words)
        assert done.stdout, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def standing(self, store: str) -> set[str]:
        """How the root stands in all stores of a kind."""
        return {item["standing"] for item in self.told("status", "--store", store)["stores"]}

    def curl(self) -> int:
        """Curl's exit code for a public page, without --cacert: 60 where the certificate is not trusted."""
        url = f"https://localhost:{self.gate.port}/health"
        return subprocess.run(["curl", "-sS", "-o", "/dev/null", url], capture_output=True, check=False).returncode


def java_stores() -> list[Path]:
    """The keystores of this machine."""
    return sorted({p.resolve() for p in JAVA_HOMES.glob("*/lib/security/cacerts")})


@pytest.fixture(scope="module")
def gate() -> Iterator[Gate]:
    """A gateway whose authority is for localhost only."""
    with running_gateway(POLICY) as gate:
        assert gate.run("cert", "issue", "demo-client").returncode == 0
        yield gate


@pytest.fixture
def machine(gate: Gate) -> Iterator[Machine]:
    """The machine; its stores are as they were in the end, even when the test fails."""
    files = set(DEBIAN.iterdir())
    stores = {store: store.read_bytes() for store in java_stores()}
    with home() as person:
        try:
            yield Machine(gate, person)
        finally:
            left = [file for file in DEBIAN.glob("gatewright-*.crt") if file not in files]
            for file in left:
                file.unlink()
            if left:
                subprocess.run(["update-ca-certificates"], check=True, capture_output=True)
            for store, content in stores.items():
                store.write_bytes(content)
            (gate.folder / "trust.json").unlink(missing_ok=True)


def test_the_system_trusts_it_and_forgets_it_again(machine: Machine) -> None:
    """Without a yes nothing happens; with one, curl needs no --cacert; after remove, it does, and no trace is left."""
    before, bundle = set(DEBIAN.iterdir()), Path("/etc/ssl/certs/ca-certificates.crt").read_bytes()
    assert machine.curl() == 60
    asked = machine.trust("install", "--store", "system")
    assert asked.returncode == 1
    assert "would write /usr/local/share/ca-certificates/gatewright-" in asked.stdout
    assert "would run update-ca-certificates" in asked.stdout
    assert "Nothing was changed: it needs --yes." in asked.stdout
    assert set(DEBIAN.iterdir()) == before
    assert machine.curl() == 60

    done = machine.trust("install", "--store", "system", "--yes")
    assert done.returncode == 0, done.stderr
    assert machine.curl() == 0
    assert machine.standing("system") == {"trusted"}
    (written,) = set(DEBIAN.iterdir()) - before
    assert written.read_bytes() == (machine.gate.folder / "certs" / "ca" / "home-root.pem").read_bytes()
    assert (machine.gate.folder / "trust.json").stat().st_mode & 0o777 == 0o600
    again = machine.told("install", "--store", "system", "--yes")
    assert [item["steps"] for item in again["stores"]] == [[]]

    gone = machine.trust("remove", "--yes")
    assert gone.returncode == 0, gone.stderr
    assert machine.curl() == 60
    assert machine.standing("system") == {"not trusted"}
    assert set(DEBIAN.iterdir()) == before
    assert Path("/etc/ssl/certs/ca-certificates.crt").read_bytes() == bundle


def test_status_tells_what_is_there_not_what_was_done(machine: Machine) -> None:
    """Taken out by somebody else, it is not trusted, whatever the record says; a copy of somebody else's is not removed."""
    assert machine.trust("install", "--store", "system", "--yes").returncode == 0
    (ours,) = DEBIAN.glob("gatewright-*.crt")
    theirs = DEBIAN / "gatewright-theirs.crt"
    ours.rename(theirs)
    subprocess.run(["update-ca-certificates"], check=True, capture_output=True)
    assert machine.standing("system") == {"trusted"}
    told = machine.told("remove", "--store", "system", "--yes")
    assert [item["steps"] for item in told["stores"]] == [[]]
    assert theirs.exists()
    theirs.unlink()
    subprocess.run(["update-ca-certificates"], check=True, capture_output=True)
    assert machine.standing("system") == {"not trusted"}
    assert json.loads((machine.gate.folder / "trust.json").read_text()) == {"entries": []}


def test_browsers_trust_it_and_forget_it_again(machine: Machine) -> None:
    """Firefox's and Chromium's databases at home; another certificate there stays."""
    profile = machine.person.folder / ".mozilla" / "firefox" / "abc.default"
    profile.mkdir(parents=True)
    subprocess.run(["certutil", "-N", "-d", f"sql:{profile}", "--empty-password"], check=True)
    issuing = machine.gate.folder / "certs" / "ca" / "home-issuing.pem"
    subprocess.run(
        ["certutil", "-A", "-d", f"sql:{profile}", "-n", "another one", "-t", ",,", "-i", issuing], check=True
    )
    assert machine.standing("nss") == {"not trusted"}
    done = machine.told("install", "--store", "nss", "--yes")
    assert [(item["standing"], len(item["steps"])) for item in done["stores"]] == [("trusted", 1)] * 2
    assert {Path(item["path"]).name for item in done["stores"]} == {"nssdb", "abc.default"}
    assert machine.standing("nss") == {"trusted"}
    assert machine.curl() == 60
    assert machine.trust("remove", "--yes").returncode == 0
    assert machine.standing("nss") == {"not trusted"}
    listed = subprocess.run(["certutil", "-L", "-d", f"sql:{profile}"], capture_output=True, text=True, check=True)
    assert "another one" in listed.stdout
    assert "gatewright" not in listed.stdout


@pytest.mark.slow
@pytest.mark.skipif(shutil.which(PROGRAM) is None, reason="needs Chromium")
def test_a_browser_opens_the_page_without_a_warning(machine: Machine) -> None:
    """Chromium itself: turned away before, the page after, turned away again after remove."""
    url = f"https://localhost:{machine.gate.port}/health"
    for words, seen in (
        ((), Visit(None, "net::ERR_CERT_AUTHORITY_INVALID")),
        (("install", "--store", "nss", "--yes"), Visit(200)),
        (("remove", "--yes"), Visit(None, "net::ERR_CERT_AUTHORITY_INVALID")),
    ):
        assert not words or machine.trust(*words).returncode == 0
        with browser(machine.person) as opened:
            assert opened.visit(url) == seen


ASK = """
import java.net.URL; import javax.net.ssl.HttpsURLConnection;
public class Ask {
  public static void main(String[] args) throws Exception {
    try { System.out.println(((HttpsURLConnection) new URL(args[0]).openConnection()).getResponseCode()); }
    catch (javax.net.ssl.SSLHandshakeException refused) { System.out.println("refused"); }
  }
}
"""


@pytest.mark.slow
@pytest.mark.skipif(not java_stores(), reason="needs a JDK")
def test_java_trusts_it_and_forgets_it_again(machine: Machine) -> None:
    """Java's own client with its own store, said beforehand what Java does not hold the root to."""
    (machine.person.folder / "Ask.java").write_text(ASK)

    def ask() -> str:
        # By address: this client of Java's sends no name in the handshake that has no dot, and the gateway answers that with 421.
        words = ["java", str(machine.person.folder / "Ask.java"), f"https://127.0.0.1:{machine.gate.port}/health"]
        return subprocess.run(words, capture_output=True, text=True, check=True, timeout=120).stdout.strip()

    assert ask() == "refused"
    assert any("Java holds issuing CAs" in danger for danger in machine.told("install", "--store", "java")["dangers"])
    done = machine.trust("install", "--store", "java", "--yes")
    assert done.returncode == 0, done.stderr
    assert machine.standing("java") == {"trusted"}
    assert ask() == "200"
    assert machine.trust("remove", "--store", "java", "--yes").returncode == 0
    assert machine.standing("java") == {"not trusted"}
    assert ask() == "refused"


@pytest.mark.slow
@pytest.mark.skipif(not java_stores(), reason="needs a JDK")
def test_a_store_with_another_password_is_told_and_the_others_go_on(machine: Machine, tmp_path: Path) -> None:
    """A JDK at JAVA_HOME whose store has its own password: refused without it, changed with it; it never stands in an argument."""
    store = tmp_path / "lib" / "security" / "cacerts"
    store.parent.mkdir(parents=True)
    subprocess.run(
        ["keytool", "-importcert", "-noprompt", "-alias", "first", "-file", machine.gate.folder / "certs/ca/home-issuing.pem",
         "-storetype", "JKS", "-keystore", store, "-storepass:env", "P"],
        check=True, capture_output=True, env={**os.environ, "P": "another password"},
    )  # fmt: skip
    machine.more = {"JAVA_HOME": str(tmp_path)}
    done = machine.trust("--json", "install", "--store", "java", "--yes")
    assert done.returncode == 3
    found = {item["path"]: item for item in json.loads(done.stdout)["stores"]}
    assert found[str(store)]["problem"]["code"] == "trust-tool-failed"
    assert {item["standing"] for path, item in found.items() if path != str(store)} == {"trusted"}
    machine.more["GATEWRIGHT_JAVA_STOREPASS"] = "another password"
    done = machine.trust("--json", "install", "--store", "java", "--yes")
    (own,) = [item for item in json.loads(done.stdout)["stores"] if item["path"] == str(store)]
    assert own["standing"] == "trusted"
    assert not [step for step in own["steps"] if "another password" in step]


def test_a_root_that_may_vouch_for_everything_needs_more_than_a_yes() -> None:
    """Refused, whatever yes is given, until it is agreed to by its name; then it says so loudly and still asks."""
    with running_gateway() as gate, home() as person:
        machine = Machine(gate, person)
        refused = machine.trust("install", "--store", "nss", "--yes")
        assert refused.returncode == 2
        assert "[root-not-confined]" in refused.stderr
        assert machine.standing("nss") == {"not trusted"}
        asked = machine.trust("install", "--store", "nss", "--unconstrained")
        assert asked.returncode == 1
        assert "EVERY name" in asked.stdout
        assert machine.standing("nss") == {"not trusted"}
        assert machine.trust("install", "--store", "nss", "--unconstrained", "--yes").returncode == 0
        assert machine.standing("nss") == {"trusted"}


def test_what_the_record_says_is_never_run(machine: Machine) -> None:
    """Whoever writes in the gateway's folder chooses neither programs nor files of others: other stores are refused, other names left."""
    assert machine.trust("install", "--store", "nss", "--yes").returncode == 0
    record = machine.gate.folder / "trust.json"
    entries = json.loads(record.read_text())["entries"]
    strange = {"store": "system", "path": "/etc", "sha256": entries[0]["sha256"], "refresh": ["touch", "/tmp/owned"]}
    record.write_text(json.dumps({"entries": [*entries, strange]}))
    told = machine.told("remove", "--yes")
    assert [item["problem"] and item["problem"]["code"] for item in told["stores"]] == [None, "trust-store-elsewhere"]
    assert not Path("/tmp/owned").exists()
    record.write_text("not json")
    assert "[trust-record-unreadable]" in machine.trust("remove", "--yes").stderr
