"""The unit, run by a real systemd: as process 1 of a container of our image, with the unit file as it is shipped."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.live.engine import LIMITS, ROOT, USABLE, build, built, podman
from tests.live.gate import until

pytestmark = [
    pytest.mark.live,
    pytest.mark.slow,
    pytest.mark.skipif(not USABLE, reason="needs root, podman, runc and mmdebstrap"),
]

FOLDER = "/var/lib/gatewright-orders"
UNIT = "gatewright@orders.service"
_IMAGE = """
FROM {image}
USER 0:0
RUN apt-get update -q && apt-get install -y -q --no-install-recommends systemd systemd-sysv dbus procps curl
COPY gatewright@.service /etc/systemd/system/
ENTRYPOINT ["/sbin/init"]
CMD []
"""


@dataclass(frozen=True)
class Machine:
    """One whose process 1 is systemd."""

    name: str

    def run(self, *words: str, check: bool = True) -> str:
        """What a command of root's printed there."""
        return podman("exec", self.name, *words, check=check).stdout.strip()

    def gatewright(self, *words: str) -> int:
        """The exit code of a command run as the gateway's user."""
        as_user = ("setpriv", "--reuid=gatewright", "--regid=gatewright", "--clear-groups")
        command = (*as_user, "/opt/gatewright/bin/gatewright", "-C", FOLDER, *words)
        done = podman("exec", self.name, *command, check=False)
        print(done.stdout, done.stderr)
        return done.returncode

    def told(self, *properties: str) -> list[str]:
        """Those properties of the unit."""
        return [self.run("systemctl", "show", UNIT, "--value", "-p", name) for name in properties]

    def status(self, path: str, *options: str, client: bool = False) -> str:
        """The HTTP status of one request at port 443."""
        own = f"{FOLDER}/clients/demo-client/demo-client"
        presented = ("--cert", f"{own}.pem", "--key", f"{own}.key") if client else ()
        known = ("--cacert", f"{FOLDER}/certs/ca/home-root.pem")
        shown = ("-s", "-o", "/dev/null", "-w", "%{http_code}")
        return self.run("curl", *shown, *known, *presented, *options, f"https://localhost/{path}", check=False)

    def serves(self) -> bool:
        """Whether it answers."""
        return self.status("health") == "200"

    def declare(self, old: str, new: str) -> None:
        """Edit the gateway file there, as its owner would."""
        text = self.run("cat", f"{FOLDER}/gateway.yaml")
        assert old in text
        edited = text.replace(old, new)
        self.run("sh", "-c", f'printf "%s\\n" "$0" > {FOLDER}/gateway.yaml', edited)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """With a gateway that stands at port 443, so that the unit's one capability is needed, and was started by the unit."""
    context = tmp_path_factory.mktemp("context")
    with built() as image:
        name = f"{image}-systemd"
        (context / "Dockerfile").write_text(_IMAGE.format(image=image))
        shutil.copy(ROOT / "packaging" / "gatewright@.service", context)
        build(name, context)
        machine = Machine(f"gatewright-systemd-{context.stat().st_ino}")
        try:
            podman("run", "-d", "--name", machine.name, "--privileged", "--systemd=always", *LIMITS, name)
            until(lambda: machine.run("systemctl", "is-system-running", check=False) in {"running", "degraded"}, 240)
            machine.run("install", "-d", "-o", "gatewright", "-g", "gatewright", "-m", "0700", FOLDER)
            assert machine.gatewright("init", "--listen", "443") == 0
            machine.run("systemctl", "enable", "--now", UNIT)
            until(machine.serves, 240)
            yield machine
        finally:
            print(podman("exec", machine.name, "journalctl", "-u", UNIT, "--no-pager", check=False).stdout[-4000:])
            podman("rm", "-f", "-v", machine.name, check=False)
            podman("rmi", "-f", name, check=False)


def test_it_serves_a_low_port_as_nobody_in_particular(machine: Machine) -> None:
    """Public, refused and admitted as declared; no process of the unit is root's, and none has more than the one capability."""
    assert [machine.status("main.html"), machine.status("protected/protected.html")] == ["200", "403"]
    assert machine.status("protected/protected.html", client=True) == "200"
    group = machine.told("ControlGroup")[0]
    pids = machine.run("sh", "-c", f"cat $(find /sys/fs/cgroup -path '*{group}/cgroup.procs' | head -1)").split()
    assert len(pids) >= 3
    told = [machine.run("cat", f"/proc/{pid}/status") for pid in pids]
    users = {line.split()[1] for text in told for line in text.splitlines() if line.startswith("Uid:")}
    bounds = {line.split()[1] for text in told for line in text.splitlines() if line.startswith("CapBnd:")}
    assert users == {machine.run("id", "-u", "gatewright")}
    assert {int(bound, 16) for bound in bounds} == {1 << 10}  # CAP_NET_BIND_SERVICE (capabilities(7))
    assert machine.gatewright("status") == 0


def test_without_its_capability_it_has_no_port(machine: Machine) -> None:
    """The twin: the port really is one that others may not take."""
    assert machine.gatewright("prove") == 0
    machine.run("systemctl", "stop", UNIT)
    assert machine.gatewright("up", "--detach") == 3
    machine.run("systemctl", "start", UNIT)
    until(machine.serves, 240)


def test_reload_applies_what_is_proved_and_refuses_what_needs_a_yes(machine: Machine) -> None:
    """An edited answer is in effect after ``systemctl reload``; a door that would open is not, and the old goes on."""
    before = machine.told("MainPID")
    machine.declare("status: ok", "status: fine")
    machine.run("systemctl", "reload", UNIT)
    assert "fine" in machine.run("curl", "-sk", "https://localhost/health")
    machine.declare("access: any-client", "access: public")
    assert podman("exec", machine.name, "systemctl", "reload", UNIT, check=False).returncode != 0
    assert machine.status("protected/protected.html") == "403"
    assert machine.told("MainPID", "ActiveState") == [*before, "active"]
    machine.run("sed", "-i", "/protected/s/access: public/access: any-client/", f"{FOLDER}/gateway.yaml")
    machine.run("systemctl", "reload", UNIT)


# Run by the image's own interpreter: makes the issuer's key once, and prints a token bound to the demo client's certificate.
_TOKEN = """
import base64, hashlib, pathlib, time
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet
folder = pathlib.Path("{folder}")
key = ECKey.generate_key("P-256", {{"kid": "one"}})
(folder / "jwks.json").write_text(__import__("json").dumps({{"keys": [key.as_dict(private=False)]}}))
shown = x509.load_pem_x509_certificate((folder / "clients/demo-client/demo-client.pem").read_bytes())
bound = base64.urlsafe_b64encode(shown.fingerprint(SHA256())).rstrip(b"=").decode()
claims = {{"iss": "https://login.example.org", "aud": "orders", "sub": "joe", "exp": int(time.time()) + 600,
          "cnf": {{"x5t#S256": bound}}}}
print(jwt.encode({{"alg": "ES256", "kid": "one"}}, claims, key))
"""


def test_tokens_are_judged_within_the_units_limits(machine: Machine) -> None:
    """The authorizer runs as confined as the rest: a bound token is admitted, the same one altered is not."""
    token = machine.run("/opt/gatewright/bin/python", "-c", _TOKEN.format(folder=FOLDER))
    machine.run("chown", "gatewright:gatewright", f"{FOLDER}/jwks.json")
    demands = "bearer: { issuer: 'https://login.example.org', audience: orders, jwks: jwks.json }"
    route = f"  /orders/: {{ respond: {{ text: ordered }}, access: any-client, credentials: {{ {demands} }} }}"
    machine.declare("\nroutes:\n", f"\nroutes:\n{route}\n")
    assert machine.gatewright("apply", "--yes") == 0
    with_token = ("-H", f"Authorization: Bearer {token}")
    altered = ("-H", f"Authorization: Bearer {token[:-6]}AAAAAA")
    assert machine.status("orders/", *with_token, client=True) == "200"
    assert [machine.status("orders/", *altered, client=True), machine.status("orders/", client=True)] == ["401"] * 2
    assert machine.status("orders/", *with_token) == "403"
    assert machine.gatewright("prove") == 0


def test_the_supervisor_killed_is_started_again(machine: Machine) -> None:
    """With -9: another main process, and the door is as shut as before."""
    before = machine.told("MainPID")
    machine.run("kill", "-9", *before)
    until(lambda: machine.told("MainPID") not in (before, ["0"]) and machine.serves(), 240)
    assert machine.status("protected/protected.html") == "403"
    assert machine.status("protected/protected.html", client=True) == "200"


def test_stopping_ends_everything_and_keeps_the_pki(machine: Machine) -> None:
    """A clean end, nothing left running; started again its client is known."""
    root = machine.run("cat", f"{FOLDER}/certs/ca/home-root.pem")
    machine.run("systemctl", "stop", UNIT)
    assert machine.told("Result", "ExecMainStatus", "ActiveState") == ["success", "0", "inactive"]
    assert machine.run("pgrep", "-u", "gatewright", check=False) == ""
    machine.run("systemctl", "start", UNIT)
    until(machine.serves, 240)
    assert machine.run("cat", f"{FOLDER}/certs/ca/home-root.pem") == root
    assert machine.status("protected/protected.html", client=True) == "200"


def test_a_file_that_is_wrong_is_not_tried_again_and_again(machine: Machine) -> None:
    """Exit code 2, told in the journal, no restart; mended, it starts."""
    machine.run("systemctl", "stop", UNIT)
    machine.declare("access: any-client", "access: anybody-client")
    machine.run("systemctl", "start", UNIT)
    until(lambda: machine.told("ActiveState") == ["failed"], 240)
    assert machine.told("ExecMainStatus", "NRestarts") == ["2", "0"]
    assert "anybody-client" in machine.run("journalctl", "-u", UNIT, "--no-pager", "-n", "20")
    machine.declare("anybody-client", "any-client")
    machine.run("systemctl", "start", UNIT)
    until(machine.serves, 240)
