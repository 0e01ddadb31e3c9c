"""What large gateway files cost: `compile` as a whole process, the size of its result, and httpd's own reading of it.

    python bench/compile.py [--quick]     prints a table; exits 1 when httpd does not take the result

There is no budget for these: they are figures to compare by. Wall and CPU time of the whole process, its largest resident
memory, and for httpd the time of `-t` and the memory of one child that has the configuration loaded.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from startup import PROGRAM, gateway_file

from gatewright.edges.httpd import LocalHttpd


@dataclass
class Cost:
    """What one process took: seconds of wall and CPU time, the largest resident memory in MB, its output."""

    wall: float
    cpu: float
    memory: float
    output: bytes
    code: int


def run(*words: str) -> Cost:
    """Runs a program to its end, standard error into its output."""
    start = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(words, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        cpu = usage.ru_utime + usage.ru_stime
        return Cost(wall, cpu, usage.ru_maxrss / 1000, output.read(), process.returncode)


def line(what: str, cost: Cost, note: str = "") -> None:
    print(f"{what:<34} {cost.cpu:7.2f} s CPU {cost.wall:7.2f} s wall {cost.memory:7.1f} MB   {note}", flush=True)


def main() -> int:
    httpd = LocalHttpd(os.environ).find()
    broken = 0
    for routes in (100, 1_000) if "--quick" in sys.argv else (100, 1_000, 10_000):
        with tempfile.TemporaryDirectory(prefix="gatewright-bench-") as name:
            folder = Path(name)
            (folder / "site").mkdir()
            # An address instead of a name that brings addresses along, so that each route is compiled once.
            text = gateway_file(routes).replace("gateway: localhost", "gateway: api.example.org")
            (folder / "gateway.yaml").write_text(text)
            cost = run(PROGRAM, "-C", name, "compile")
            line(f"compile {routes:,} routes", cost, f"{len(cost.output) / 1e6:.1f} MB of httpd.conf")
            broken += cost.code != 0
            # -t looks for what the first 'up' makes, which is not run here: certificates and a folder.
            kept = [x for x in cost.output.splitlines() if not x.split()[:1] or x.split()[0] not in _FILES]
            (folder / "httpd.conf").write_bytes(b"\n".join(kept) + b"\n")
            settings = []
            for setting, sub in (("GW_RUN", "run"), ("GW_LOGS", "logs"), ("", "generations/0001")):
                (folder / sub).mkdir(parents=True, exist_ok=True)
                settings += ["-C", f"Define {setting} {folder / sub}"] if setting else []
            cost = run(str(httpd.binary), "-t", *settings, "-f", str(folder / "httpd.conf"))
            said = cost.output.decode(errors="replace").strip().splitlines()
            line(f"  httpd -t of {routes:,} routes", cost, said[-1] if said else "")
            broken += cost.code != 0
    return 1 if broken else 0


_FILES = {
    b"DefaultRuntimeDir",
    b"SSLCertificateFile",
    b"SSLCertificateKeyFile",
    b"SSLCACertificateFile",
    b"SSLCADNRequestFile",
}


if __name__ == "__main__":
    raise SystemExit(main())
