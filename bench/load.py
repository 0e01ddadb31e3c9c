"""What our configuration costs per request, beside the plainest httpd that asks for a client certificate at all.

    python bench/load.py [REQUESTS]     prints a table; exits 1 when a request failed or a budget is broken

All in one run on one machine: a bare httpd (TLS, `SSLVerifyClient require`, one folder), our gateway with the article's
routes, and our gateway with 1,000 routes. CPU time is that of all httpd processes, from /proc, divided by the requests;
the load comes from `ab` (package apache2-utils) with a client certificate. Afterwards: the supervisor's resident memory.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from up import BUDGET_KB, free_port, gatewright, resident_kb

from gatewright.edges.accounts import LocalAccounts
from gatewright.edges.httpd import LocalHttpd

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = "site/protected/protected.html"


class Target(NamedTuple):
    """A running server: the process whose descendants are httpd, the page, and the client's certificate with its key."""

    name: str
    pid: int
    url: str
    client: Path
    folder: Path


def descendants(pid: int) -> Iterator[Path]:
    """The /proc folders of ``pid`` and all below it that are httpd."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    for one in parents:
        above = one
        while above not in {pid, 0, 1}:
            above = parents.get(above, 0)
        if above == pid:
            yield Path("/proc") / str(one)


def cpu_seconds(pid: int) -> float:
    """CPU time of all httpd processes below ``pid``, those that have ended included."""
    total = 0
    for folder in descendants(pid):
        text = (folder / "stat").read_text()
        if "(apache2)" in text or "(httpd)" in text:
            fields = text.rpartition(")")[2].split()
            total += sum(map(int, fields[11:15]))  # utime stime cutime cstime of proc(5)
    return total / TICKS


def load(target: Target, requests: int, *, kept: bool) -> tuple[float, float, int]:
    """CPU microseconds a request, requests a second, and how many failed."""
    before, start = cpu_seconds(target.pid), time.perf_counter()
    words = [
        "ab",
        "-q",
        "-n",
        str(requests),
        "-c",
        "4",
        *(["-k"] if kept else []),
        "-E",
        str(target.client),
        target.url,
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    wall, used = time.perf_counter() - start, cpu_seconds(target.pid) - before
    complete = int((re.search(r"Complete requests:\s+(\d+)", done.stdout) or [0, 0])[1])
    failed = int((re.search(r"Failed requests:\s+(\d+)", done.stdout) or [0, 0])[1])
    failed += int((re.search(r"Non-2xx responses:\s+(\d+)", done.stdout) or [0, 0])[1]) + requests - complete
    if failed:
        print(done.stdout + done.stderr, file=sys.stderr)
    return used * 1e6 / requests, requests / wall, failed


@contextmanager
def ours(folder: Path, routes: int) -> Iterator[tuple[Target, dict[str, str]]]:
    """Our gateway with the starter's routes and ``routes`` more."""
    gatewright(folder, "init")
    port = free_port()
    file = folder / "gateway.yaml"
    more = "".join(f"  /service-{n:05}/: {{ files: site/unprotected, access: any-client }}\n" for n in range(routes))
    file.write_text(file.read_text().replace("listen: 8443", f"listen: {port}") + more)
    ready = json.loads(gatewright(folder, "--json", "up", "--detach"))
    try:
        pid = json.loads(gatewright(folder, "--json", "status"))["pid"]
        client = folder / "ab.pem"
        client.touch(0o600)
        client.write_text(Path(ready["client_certificate"]).read_text() + Path(ready["client_key"]).read_text())
        name = "the article's routes" if not routes else f"{routes:,} routes more"
        yield Target(name, pid, f"https://localhost:{port}/protected/protected.html", client, folder), ready
    finally:
        gatewright(folder, "down")


@contextmanager
def bare(folder: Path, gateway: Path, ready: dict[str, str], client: Path) -> Iterator[Target]:
    """A bare httpd with the same certificates and page, started by us."""
    httpd = LocalHttpd(os.environ).find()
    account = LocalAccounts().unprivileged()
    port = free_port()
    (folder / "www").mkdir()
    shutil.copyfile(gateway / PAGE, folder / "www" / "protected.html")
    for path in (folder / "www", folder / "www" / "protected.html"):
        path.chmod(0o755)
    issuing = next((gateway / "certs" / "ca").glob("*issuing*.pem"))
    (folder / "ca.pem").write_text(Path(ready["ca_file"]).read_text() + issuing.read_text())
    modules = ("mpm_event", "authz_core", "authn_core", "ssl", "log_config", "unixd", "mime")
    lines = [
        f"LoadModule {m}_module {httpd.module_folder}/mod_{m}.so"
        for m in modules
        if f"mod_{m}" not in httpd.static_modules
    ]
    lines += [f"User {account.user}", f"Group {account.group}"] if account else []
    lines += [f"ServerRoot {folder}", f"Listen {port}", f"ServerName localhost:{port}", f"PidFile {folder}/pid",
              f"DefaultRuntimeDir {folder}", f"Mutex default:{folder}", f"ErrorLog {folder}/error.log", "TypesConfig /dev/null",
              'LogFormat "%h %l %u %t \\"%r\\" %>s %b" common', f"CustomLog {folder}/access.log common",
              f"DocumentRoot {folder}/www", "MaxKeepAliveRequests 1000", "SSLEngine on", "SSLVerifyClient require",
              "SSLVerifyDepth 3", f"SSLCACertificateFile {folder}/ca.pem", "SSLSessionCache none", "SSLSessionTickets off",
              f"SSLCertificateFile {gateway}/certs/server/chain.pem", f"SSLCertificateKeyFile {server_key(gateway)}"]  # fmt: skip
    (folder / "httpd.conf").write_text("\n".join(lines) + "\n")
    with subprocess.Popen([str(httpd.binary), "-f", str(folder / "httpd.conf"), "-D", "FOREGROUND"]) as process:
        try:
            while not (folder / "error.log").exists() or "AH00489" not in (folder / "error.log").read_text():
                if process.poll() is not None:
                    raise SystemExit("the bare httpd did not start")
                time.sleep(0.02)
            yield Target("bare httpd", process.pid, f"https://localhost:{port}/protected.html", client, folder)
        finally:
            process.terminate()


def server_key(gateway: Path) -> Path:
    """Where the gateway's configuration finds the server's key."""
    conf = next((gateway / "generations").glob("*/httpd.conf")).read_text()
    found = re.search(r'SSLCertificateKeyFile "?([^"\n]+)', conf)
    assert found
    return Path(found[1])


def memory_line(name: str, when: str, pid: int) -> bool:
    """Prints the resident memory of a supervisor after load; whether it is over its budget."""
    memory = resident_kb(pid)
    fat = memory > BUDGET_KB
    print(f"supervisor {when:<12}{name:<22} {memory / 1000:6.1f} MB resident after load   budget 80 MB   "
          f"{'OVER' if fat else 'ok'}", flush=True)  # fmt: skip
    return fat


def main() -> int:
    if shutil.which("ab") is None:
        raise SystemExit("ab is missing: apt-get install apache2-utils")
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    broken = 0
    with tempfile.TemporaryDirectory(prefix="gatewright-bench-") as name:
        top = Path(name)
        top.chmod(0o755)
        for part in ("bare",):
            (top / part).mkdir(mode=0o755)
        with (
            ours(top / "small", 0) as (small, ready),
            ours(top / "large", 1_000) as (large, _),
            bare(top / "bare", top / "small", ready, small.client) as plain,
        ):
            for kept, count, what in ((True, requests, "kept connections"), (False, requests // 10, "new connections")):
                load(plain, 200, kept=kept)
                baseline = 0.0
                for target in (plain, small, large):
                    load(target, 200, kept=kept)
                    micros, rate, failed = load(target, count, kept=kept)
                    baseline = baseline or micros
                    broken += failed
                    print(f"{what:<17} {target.name:<22} {micros:8.0f} us CPU/request {rate:8.0f}/s wall   "
                          f"{micros / baseline:5.2f} x bare   {failed} failed", flush=True)  # fmt: skip
            for target in (small, large):
                broken += memory_line(target.name, "first start", target.pid)
                gatewright(target.folder, "down")
                gatewright(target.folder, "up", "--detach")
                pid = json.loads(gatewright(target.folder, "--json", "status"))["pid"]
                load(target._replace(pid=pid), 200, kept=False)
                broken += memory_line(target.name, "later start", pid)
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
