"""How long the program takes to start, and how long `check` takes on large gateway files.

    python bench/startup.py            prints a table; exits 1 when a budget is broken
    python bench/startup.py --quick    without the file of 10,000 routes

Budgets: `gatewright version` at most 120 ms for the whole process; `check` of 1,000 routes at most 1 s, of 10,000 at
most 8 s. Each line is the median of several runs, the fastest in brackets: wall time of the whole process.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

PROGRAM = str(Path(sys.executable).with_name("gatewright"))

HEAD = """\
gateway: localhost
listen: 8443
authorities:
  home: { managed: true }
clients:
"""


def gateway_file(routes: int) -> str:
    """A good gateway file with so many routes of all kinds, and a client for each ten of them."""
    clients = range(max(1, routes // 10))
    lines = [f"  client-{n}: {{ authority: home, san: client-{n}.example.org }}\n" for n in clients]
    lines.append("routes:\n")
    for n in range(routes):
        client = f"[client-{n // 10 % len(clients)}]"
        what = (
            f'{{ backend: "http://127.0.0.1:{20_000 + n % 1_000}", access: {client}, methods: [GET, POST] }}',
            "{ respond: { status: 200, json: { status: ok } }, access: public }",
            "{ files: site, access: any-client }",
        )[n % 3]
        lines.append(f"  /service-{n:05}/: {what}\n")
    return HEAD + "".join(lines)


def seconds(words: Sequence[str], runs: int) -> list[float]:
    """Wall time of each run of the program, which must succeed."""
    taken = []
    for _ in range(runs):
        start = time.perf_counter()
        subprocess.run([PROGRAM, *words], check=True, capture_output=True)
        taken.append(time.perf_counter() - start)
    return taken


def main() -> int:
    cases: list[tuple[str, Sequence[str], int, float]] = [("version", ("version",), 15, 0.120)]
    with tempfile.TemporaryDirectory() as name:
        for routes, budget in ((1_000, 1.0), (10_000, 8.0))[: 1 if "--quick" in sys.argv else 2]:
            folder = Path(name) / str(routes)
            (folder / "site").mkdir(parents=True)
            (folder / "gateway.yaml").write_text(gateway_file(routes))
            cases.append((f"check of {routes:,} routes", ("-C", str(folder), "check"), 3, budget))
        seconds(("version",), 2)  # byte code and file cache
        broken = 0
        for what, words, runs, budget in cases:
            taken = seconds(words, runs)
            median = statistics.median(taken)
            verdict = "ok" if median <= budget else "OVER"
            broken += median > budget
            print(
                f"{what:<24} {median * 1000:8.0f} ms  ({min(taken) * 1000:.0f})   budget {budget * 1000:.0f} ms   {verdict}"
            )
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
