"""What a certificate points at is never asked, and identities stay apart on the connections that requests share."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from tests.live.backend import backend
from tests.live.conftest import Lab
from tests.live.httpd import Running, curl, running
from tests.live.pki import CLIENT, Pair, make

pytestmark = pytest.mark.live

GATEWAY = """
gateway: localhost
listen: 0
authorities:
  home: {{ managed: true }}
routes:
  /open:   {{ respond: {{ text: open }}, access: public }}
  /shut/:  {{ backend: "http://127.0.0.1:{port}", access: any-client }}
"""


@dataclass
class Trap:
    """A server on loopback that notes who connects, hears the question out and answers 404."""

    listener: socket.socket
    callers: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where it waits."""
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def wait(self) -> None:
        """Until the listener is shut down."""
        with contextlib.suppress(OSError):
            while True:
                caller, (address, port) = self.listener.accept()
                self.callers.append(f"{address}:{port}")
                # Heard out: who hangs up before leaves it to chance which error the caller meets, and so logs.
                with contextlib.suppress(OSError), caller, caller.makefile("rb") as question:
                    caller.settimeout(60)
                    length = 0
                    while head := question.readline().strip().lower():
                        length = int(head.partition(b":")[2]) if head.startswith(b"content-length:") else length
                    question.read(length)
                    caller.sendall(b"HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n")


@pytest.fixture
def trap() -> Iterator[Trap]:
    """The trap, watched by a thread of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = Trap(listener)
        watcher = threading.Thread(target=found.wait, daemon=True)
        watcher.start()
        yield found
        listener.shutdown(socket.SHUT_RDWR)
        watcher.join(60)


def baited(lab: Lab, trap: Trap) -> Pair:
    """A good client's certificate whose OCSP, issuer and CRL addresses are the trap's."""
    at = [x509.UniformResourceIdentifier(f"{trap.url}/{word}") for word in ("ocsp", "issuer", "crl")]
    access = [
        x509.AccessDescription(AuthorityInformationAccessOID.OCSP, at[0]),
        x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, at[1]),
    ]
    more = [
        x509.AuthorityInformationAccess(access),
        x509.CRLDistributionPoints([x509.DistributionPoint([at[2]], None, None, None)]),
    ]
    return make("alice", lab.home, usage=[CLIENT], sans=["alice.example.org"], more=more)


def test_nothing_that_a_certificate_points_at_is_fetched(lab: Lab, tmp_path: Path, trap: Trap) -> None:
    """The client is admitted, in both versions of TLS, and nobody has connected to any of the three addresses."""
    certificate, key = baited(lab, trap).write(tmp_path, "baited")
    with backend() as port, running(GATEWAY.format(port=port), tmp_path, {"home": lab.home}) as gate:
        for version in ("1.2", "1.3"):
            done = curl(gate, "/shut/x", "--cert", str(certificate), "--key", str(key), "--tls-max", version)
            assert done.returncode == 0, done.stderr
            assert " 200" in f" {done.stdout.rpartition(chr(10))[2]}"
    assert trap.callers == []


def test_twin_with_ocsp_switched_on_somebody_connects(lab: Lab, tmp_path: Path, trap: Trap) -> None:
    """The same certificate at a gateway whose configuration was changed by one directive: the trap is asked."""
    certificate, key = baited(lab, trap).write(tmp_path, "baited")

    def ask(configuration: str) -> str:
        return configuration.replace("SSLVerifyDepth 0", "SSLVerifyDepth 0\n  SSLOCSPEnable leaf")

    with backend() as port, running(GATEWAY.format(port=port), tmp_path, {"home": lab.home}, ask) as gate:
        gate.expect("AH01980")
        done = curl(gate, "/shut/x", "--cert", str(certificate), "--key", str(key))
        assert " 200" not in done.stdout
    assert trap.callers


def subjects(gate: Running, lab: Lab, client: str, times: int) -> list[tuple[str, str]]:
    """Who the backend was told it is, and on which of the gateway's connections, for requests on one of the client's."""
    context = ssl.create_default_context(cafile=str(gate.server_root))
    context.load_cert_chain(*lab.clients[client])
    connection = http.client.HTTPSConnection("localhost", gate.port, context=context, timeout=60)
    found = []
    with contextlib.closing(connection):
        for number in range(times):
            connection.request("GET", f"/shut/{number}")
            told = json.loads(connection.getresponse().read())
            (subject,) = [value for name, value in told["headers"] if name == "X-Client-Subject"]
            found.append((subject, told["connection"]))
    return found


def both(gate: Running, lab: Lab) -> dict[str, list[tuple[str, str]]]:
    """Alice and bob at the same time, each on several connections, one after the other on each."""
    with ThreadPoolExecutor(8) as pool:
        asked = [(client, pool.submit(subjects, gate, lab, client, 25)) for client in ("alice", "bob") * 8]
        found: dict[str, list[tuple[str, str]]] = {}
        for client, answer in asked:
            found.setdefault(client, []).extend(answer.result())
    return found


def test_identities_do_not_mix_on_shared_connections(lab: Lab, tmp_path: Path) -> None:
    """Hundreds of requests of two clients, through connections to the backend that both used: each is told as itself."""
    with backend() as port, running(GATEWAY.format(port=port), tmp_path, {"home": lab.home}) as gate:
        found = both(gate, lab)
    assert {client: {subject for subject, _ in told} for client, told in found.items()} == {
        "alice": {"CN=alice"},
        "bob": {"CN=bob"},
    }
    used = [{connection for _, connection in told} for told in found.values()]
    assert used[0] & used[1], "no connection to the backend was used for both"


def test_twin_a_gateway_that_mixes_them_is_noticed(lab: Lab, tmp_path: Path) -> None:
    """The same requests where the configuration says one name for everybody."""

    def mix(configuration: str) -> str:
        changed, number = re.subn(
            r"RequestHeader set X-Client-Subject .*", "RequestHeader set X-Client-Subject CN=alice", configuration
        )
        assert number
        return changed

    with backend() as port, running(GATEWAY.format(port=port), tmp_path, {"home": lab.home}, mix) as gate:
        assert {subject for subject, _ in both(gate, lab)["bob"]} == {"CN=alice"}
