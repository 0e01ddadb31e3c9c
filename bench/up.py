"""How long a warm `up` takes until the first 200, and how much memory the supervisor holds.

    python bench/up.py [RUNS]     prints a table; exits 1 when a budget is broken

Warm: the certificates are there and httpd has been started once. The clock runs from starting the process to the first
answer 200 over TLS with a verified certificate. Budgets: 3 s, and 80 MB resident memory of the supervising process.
"""

from __future__ import annotations

import json
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAM = str(Path(sys.executable).with_name("gatewright"))
BUDGET_SECONDS = 3.0
BUDGET_KB = 80_000


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def gatewright(folder: Path, *words: str) -> str:
    return subprocess.run([PROGRAM, "-C", str(folder), *words], check=True, capture_output=True, text=True).stdout


def answers(port: int, context: ssl.SSLContext) -> bool:
    """Whether /health answers 200 on a new verified connection."""
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=2) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as tls,
        ):
            tls.sendall(b"GET /health HTTP/1.1\r\nHost: localhost:%d\r\nConnection: close\r\n\r\n" % port)
            return tls.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def warm_start(folder: Path, port: int, context: ssl.SSLContext) -> float:
    """Seconds from starting the process to the first 200."""
    start = time.perf_counter()
    with subprocess.Popen([PROGRAM, "-C", str(folder), "up", "--detach"], stdout=subprocess.DEVNULL) as process:
        while not answers(port, context):
            if process.poll() not in {None, 0} or time.perf_counter() - start > 30:
                raise SystemExit("the gateway did not come up")
            time.sleep(0.005)
        return time.perf_counter() - start


def resident_kb(pid: int) -> int:
    """Resident memory of a process (VmRSS of proc(5)), in KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")))


def main() -> int:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="gatewright-bench-") as name:
        folder = Path(name) / "gateway"
        gatewright(folder, "init")
        file = folder / "gateway.yaml"
        file.write_text(file.read_text().replace("listen: 8443", f"listen: {port}"))
        ready = json.loads(gatewright(folder, "--json", "up", "--detach"))
        context = ssl.create_default_context(cafile=ready["ca_file"])
        taken = []
        try:
            for _ in range(runs):
                gatewright(folder, "down")
                taken.append(warm_start(folder, port, context))
                gatewright(folder, "up", "--detach")
            memory = resident_kb(json.loads(gatewright(folder, "--json", "status"))["pid"])
        finally:
            gatewright(folder, "down")
    median = statistics.median(taken)
    slow, fat = median > BUDGET_SECONDS, memory > BUDGET_KB
    print(
        f"warm up to first 200     {median * 1000:8.0f} ms  ({min(taken) * 1000:.0f})   budget 3000 ms   {'OVER' if slow else 'ok'}"
    )
    print(f"memory of the supervisor {memory / 1000:8.1f} MB            budget 80 MB     {'OVER' if fat else 'ok'}")
    return 1 if slow or fat else 0


if __name__ == "__main__":
    raise SystemExit(main())
