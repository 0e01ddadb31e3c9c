"""What a password and a bearer token cost: CPU time of httpd and of the authorizer per request, beside the certificate alone.

Each on a kept connection over TLS 1.3 and HTTP/1.1, one client, a fixed answer of a few bytes.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from tests.live.gate import Gate, gateway

POLICY = """\
gateway: localhost
listen: {port}
authorities:
  home: {{ managed: true }}
clients:
  demo-client: {{ authority: home, san: demo-client.localhost }}
routes:
  /plain/:  {{ respond: {{ text: ok }}, access: [demo-client] }}
  /token/:  {{ respond: {{ text: ok }}, access: [demo-client], credentials: {{ bearer: {{ issuer: "https://login.example", audience: api, jwks: keys.json }} }} }}
  /basic/:  {{ respond: {{ text: ok }}, access: [demo-client], credentials: {{ basic: users.htpasswd }} }}
"""
REQUESTS = 1_000
_TICK = os.sysconf("SC_CLK_TCK")


def cpu(folder: str, word: str) -> float:
    """Seconds of processor time of every process whose command line holds both."""
    total = 0
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes().decode()
            if entry.name.isdigit() and folder in command and word in command:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                total += int(fields[11]) + int(fields[12])
        except OSError:
            continue
    return total / _TICK


def measure(gate: Gate, path: str, authorization: str, requests: int) -> tuple[float, float, float]:
    """Microseconds a request: httpd's CPU, the authorizer's CPU, the wall clock."""
    connection = http.client.HTTPSConnection("localhost", gate.port, context=gate.context(client=True))
    fields = {"Authorization": authorization} if authorization else {}

    def ask(count: int) -> None:
        for _ in range(count):
            connection.request("GET", path, headers=fields)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, answer.status

    ask(20)
    places = [
        str(gate.folder),
        *(
            str(p.parent)
            for p in Path("/var/lib/gatewright").glob("*/gateway-folder")
            if p.read_text().strip() == str(gate.folder)
        ),
    ]
    before = cpu(places[0], "httpd.conf"), sum(cpu(p, "authorizer.server") for p in places[-1:]), time.monotonic()
    ask(requests)
    after = cpu(places[0], "httpd.conf"), sum(cpu(p, "authorizer.server") for p in places[-1:]), time.monotonic()
    connection.close()
    first, second, third = ((b - a) / requests * 1e6 for a, b in zip(before, after, strict=True))
    return first, second, third


def main() -> int:
    """Measure, and print a table."""
    keys = {
        "ES256": ECKey.generate_key("P-256", parameters={"kid": "ES256"}),
        "RS256": RSAKey.generate_key(2048, parameters={"kid": "RS256"}),
    }
    with gateway(POLICY) as gate:
        (gate.folder / "keys.json").write_text(json.dumps({"keys": [k.as_dict(private=False) for k in keys.values()]}))
        made = gate.json("user", "add", "users.htpasswd", "made")["password"]
        gate.run("user", "add", "users.htpasswd", "chosen", "--stdin", input="correct horse battery\n")
        up = gate.run("up", "--detach")
        assert up.returncode == 0, up.stderr
        pem = (
            (gate.folder / "clients/demo-client/demo-client.pem")
            .read_text()
            .split("-----END")[0]
            .split("CERTIFICATE-----")[1]
        )
        mark = base64.urlsafe_b64encode(hashlib.sha256(base64.b64decode(pem)).digest()).decode().rstrip("=")
        claims = {
            "iss": "https://login.example",
            "aud": "api",
            "exp": int(time.time()) + 3600,
            "cnf": {"x5t#S256": mark},
        }
        cases = {"certificate alone": ("/plain/x", "", REQUESTS)}
        for name, key in keys.items():
            cases[f"token, {name}"] = (
                "/token/x",
                f"Bearer {jwt.encode({'alg': name, 'kid': name}, claims, key)}",
                REQUESTS,
            )
        for name, word in (("made", made), ("chosen", "correct horse battery")):
            basic = base64.b64encode(f"{name}:{word}".encode()).decode()
            cases[f"password, {name}"] = ("/basic/x", f"Basic {basic}", REQUESTS // 10)
        print(f"{'microseconds a request':<24}{'httpd':>10}{'authorizer':>12}{'wall':>10}")
        for name, case in cases.items():
            mine, its, wall = measure(gate, *case)
            print(f"{name:<24}{mine:>10.0f}{its:>12.0f}{wall:>10.0f}")
        lines = subprocess.run(
            ["ps", "-wweo", "rss,args"], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        ours = [line.split() for line in lines if str(gate.folder) in line and line.rstrip().endswith("up")]
        print(f"resident memory of the supervisor: {int(ours[0][0]) / 1024:.0f} MB (budget 80)")
        return int(int(ours[0][0]) / 1024 > 80)


if __name__ == "__main__":
    sys.exit(main())
