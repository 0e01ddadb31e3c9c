"""A `publish: crl` route of a running gateway: what curl gets, what OpenSSL makes of it, and what a revocation changes."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.live.test_cert_commands import Shell
from tests.ports import free_port

pytestmark = pytest.mark.live

GATEWAY = """
gateway: localhost
listen: {port}
authorities:
  home: {{ managed: true, crl_url: "http://crl.example.org/home" }}
clients:
  good: {{ authority: home, san: good.example.org }}
  bad:  {{ authority: home, san: bad.example.org }}
routes:
  /crl/:      {{ publish: crl, access: public }}
  /crl/notes/: {{ files: notes, access: public }}
  /protected: {{ respond: {{ text: inside }}, access: any-client }}
"""


@dataclass(frozen=True)
class Gate:
    """A gateway that runs, its user, and a folder for what is fetched."""

    shell: Shell
    port: int

    def get(self, path: str, *arguments: str) -> tuple[int, dict[str, str], bytes]:
        """One request without a client certificate: status, headers, body."""
        head, body = self.shell.folder / "fetched.head", self.shell.folder / "fetched"
        body.unlink(missing_ok=True)
        curl = shutil.which("curl")
        assert curl is not None
        command = [
            curl,
            "-sS",
            "--noproxy",
            "*",
            "-m",
            "60",
            "--path-as-is",
            "-D",
            str(head),
            "-o",
            str(body),
            *arguments,
        ]
        command += [
            "--cacert",
            str(self.shell.folder / "certs/ca/home-root.pem"),
            f"https://localhost:{self.port}{path}",
        ]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode == 0, (command, done.stderr)
        status, *lines = head.read_text().strip().splitlines()
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return int(status.split()[1]), headers, body.read_bytes() if body.exists() else b""

    def number(self, name: str = "home-issuing-1.crl") -> int:
        """The number of a served CRL, as openssl reads it."""
        self.get(f"/crl/{name}")
        told = self.shell("openssl crl -inform DER -in fetched -noout -crlnumber").stdout
        return int(told.strip().partition("=")[2], 16)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Until it holds; where root publishes to httpd's children, that is within a second or two."""
        deadline = time.monotonic() + 90
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def verify(self, client: str, code: int) -> str:
        """OpenSSL's word on a client, with the whole set of published CRLs and nothing else."""
        self.get("/crl/home.pem")
        return self.shell(
            "openssl verify -x509_strict -crl_check_all -purpose sslclient -CAfile certs/ca/home-root.pem "
            f"-untrusted certs/ca/home-issuing.pem -CRLfile fetched clients/{client}/{client}.pem 2>&1",
            code,
        ).stdout


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """The gateway above with two clients."""
    folder = tmp_path_factory.mktemp("crl")
    gate = Gate(Shell(folder), free_port())
    (folder / "gateway.yaml").write_text(GATEWAY.format(port=gate.port))
    gate.shell("mkdir notes && printf 'a note' > notes/a.pem && gatewright up --detach")
    yield gate
    gate.shell("gatewright down")


def test_a_crl_is_served_as_rfcs_ask(gate: Gate) -> None:
    """DER, its media type, an hour of caching, a validator by which the next fetch costs nothing; HEAD alike."""
    status, headers, body = gate.get("/crl/home-issuing-1.crl")
    assert (status, headers["content-type"]) == (200, "application/pkix-crl")
    assert headers["cache-control"] == "public, max-age=3600, must-revalidate"
    assert headers["content-length"] == str(len(body))
    gate.shell("openssl crl -inform DER -in fetched -noout -verify -CAfile certs/ca/home-issuing.pem")
    for version in ("--http1.1", "--http2"):
        assert gate.get("/crl/home-issuing-1.crl", version)[2] == body
        unchanged = gate.get("/crl/home-issuing-1.crl", version, "-H", f"If-None-Match: {headers['etag']}")
        assert (unchanged[0], unchanged[2]) == (304, b"")
        assert (
            gate.get("/crl/home-issuing-1.crl", version, "-H", f"If-Modified-Since: {headers['last-modified']}")[0]
            == 304
        )
        assert gate.get("/crl/home-issuing-1.crl", version, "-I")[0] == 200
        assert gate.get("/crl/home-issuing-1.crl", version, "-r", "0-9")[2] in {body[:10], body}


def test_roots_are_included_and_the_set_is_one_file(gate: Gate) -> None:
    """The root's CRL has its own address, and one PEM file holds both."""
    assert gate.number("home-root-1.crl") > 0
    status, headers, body = gate.get("/crl/home.pem")
    assert (status, headers["content-type"]) == (200, "application/x-pem-file")
    assert body.count(b"BEGIN X509 CRL") == 2


def test_routes_below_inherit_nothing(gate: Gate) -> None:
    """A route of files below the one with the CRLs has neither their caching nor their media types."""
    status, headers, body = gate.get("/crl/notes/a.pem")
    assert (status, body) == (200, b"a note")
    assert "cache-control" not in headers
    assert headers.get("content-type") != "application/x-pem-file"


def test_nothing_else_is_there(gate: Gate) -> None:
    """No listing, no other file, no other method; and a missing one is a plain 404 that nobody keeps."""
    for path in (
        "/crl/",
        "/crl/other.crl",
        "/crl/home.pem/x",
        "/crl/../keys",
        "/crl/%2e%2e/state.db",
        "/crl/.",
        "/crl/home.pem%00",
    ):
        status, headers, body = gate.get(path)
        assert status in {400, 403, 404}, path
        assert b"BEGIN" not in body
        assert b"issuing" not in body
        assert headers["cache-control"] == "no-store"
    assert gate.get("/crl/home.pem", "--http1.1", "-d", "x=1")[0] == 405
    assert gate.get("/crl/home.pem", "-X", "DELETE")[0] == 405


def test_certificates_name_the_declared_address(gate: Gate) -> None:
    """What is issued names the declared address, and the gateway serves a file of that name."""
    gate.shell("gatewright cert issue good --json")
    told = gate.shell("openssl x509 -in clients/good/good.pem -noout -ext crlDistributionPoints").stdout
    assert "URI:http://crl.example.org/home/home-issuing-1.crl" in told
    above = gate.shell("openssl x509 -in certs/ca/home-issuing.pem -noout -ext crlDistributionPoints").stdout
    assert "URI:http://crl.example.org/home/home-root-1.crl" in above


def test_a_revocation_is_published_by_the_command_that_made_it(gate: Gate) -> None:
    """After `cert revoke` the number rises, OpenSSL refuses that client by the published set, and no other."""
    for client in ("good", "bad"):
        gate.shell(f"gatewright cert issue {client} --json")
        assert f"clients/{client}/{client}.pem: OK" in gate.verify(client, 0)
    before, etag = gate.number(), gate.get("/crl/home-issuing-1.crl")[1]["etag"]
    gate.shell("gatewright cert revoke bad --all --reason key-compromise")
    gate.wait_for(lambda: gate.number() > before)
    assert "certificate revoked" in gate.verify("bad", 2)
    assert "OK" in gate.verify("good", 0)
    assert gate.get("/crl/home-issuing-1.crl", "-H", f"If-None-Match: {etag}")[0] == 200


def test_what_is_lost_while_the_gateway_is_down_is_back_at_its_start(gate: Gate) -> None:
    """Started again without its folder of CRLs, the gateway serves them with numbers that never fall."""
    before = gate.number()
    gate.shell("gatewright down && rm -r certs/crl && gatewright up --detach")
    assert gate.number() >= before
    assert "OK" in gate.verify("good", 0)


def test_another_address_is_used_from_the_next_certificate_on(gate: Gate) -> None:
    """A changed crl_url stands in what is issued after the next start, and the change is in the log."""
    file = gate.shell.folder / "gateway.yaml"
    file.write_text(file.read_text().replace("http://crl.example.org/home", "http://mirror.example.org:8080"))
    gate.shell("gatewright down && gatewright up --detach")
    gate.shell("gatewright cert issue good --json")
    told = gate.shell("openssl x509 -in clients/good/good.pem -noout -ext crlDistributionPoints").stdout
    assert "URI:http://mirror.example.org:8080/home-issuing-1.crl" in told
    assert json.loads(gate.shell("gatewright ca audit --json").stdout)["faults"] == []
