"""Whether a request costs the same under a large policy as under a small one.

    python bench/scale.py [--routes N] [--clients N] [--requests N]     exits 1 when a request failed or a budget is broken

Two of our gateways in one run on one machine: 10 routes and 10 clients, and 10,000 routes and 100,000 clients. Every route
has a list of clients of its own, so that no two share their rules. One client asks for one page, over kept and over new
connections, of both in turn, several rounds. CPU time is that of all httpd processes, from /proc, divided by the requests;
the least of the rounds counts, because whatever else the machine does only adds to it. Before that: what `check` and
`compile` of the large policy take as whole processes.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from compile import line, run
from load import Target, load
from startup import PROGRAM
from up import free_port, gatewright

RATIO = 1.15
SECONDS, MEGABYTES = 15.0, 1_000.0
ROUNDS = 7
ONE = "demo-client"


def policy(port: int, routes: int, clients: int) -> str:
    """``routes`` routes in a hundred areas, each for its share of ``clients`` and for the one client that is measured.

    Every other route names a group of its own, which is a folder of member files; the others list their clients.
    """
    share = max(1, clients // routes)
    names = [f"client-{n:06}" for n in range(clients - 1)]
    lines = [f"gateway: localhost\nlisten: {port}\nauthorities:\n  home: {{ managed: true }}\nclients:"]
    lines += [f"  {name}: {{ authority: home, san: {name}.example.org }}" for name in (ONE, *names)]
    own = [", ".join([ONE, *names[number * share : (number + 1) * share]]) for number in range(routes)]
    lines.append("groups:")
    lines += [f"  group-{number:05}: [{members}]" for number, members in enumerate(own) if number % 2]
    lines.append("routes:")
    for number, members in enumerate(own):
        access = f"group-{number:05}" if number % 2 else members
        lines.append(f"  {path(number)}: {{ files: site/page, access: [{access}] }}")
    return "\n".join(lines) + "\n"


def path(number: int) -> str:
    """A route's path."""
    return f"/area-{number % 100:02}/service-{number:05}/"


@contextmanager
def serving(folder: Path, routes: int, clients: int) -> Iterator[Target]:
    """The gateway, up."""
    port = free_port()
    (folder / "site" / "page").mkdir(parents=True)
    (folder / "site" / "page" / "page.html").write_text("<!doctype html><title>page</title>\n" + "x" * 1000)
    (folder / "gateway.yaml").write_text(policy(port, routes, clients))
    ready = json.loads(gatewright(folder, "--json", "up", "--detach"))
    try:
        pid = json.loads(gatewright(folder, "--json", "status"))["pid"]
        client = folder / "ab.pem"
        client.touch(0o600)
        client.write_text(Path(ready["client_certificate"]).read_text() + Path(ready["client_key"]).read_text())
        # The last of the routes, and the last in what is sorted by length and name.
        url = f"https://localhost:{port}{path(routes - 1)}page.html"
        yield Target(f"{routes:,} routes, {clients:,} clients", pid, url, client, folder)
    finally:
        gatewright(folder, "down")


def control_plane(folder: Path) -> int:
    """What the large policy costs before anything runs; how many budgets are broken."""
    costs = {what: run(PROGRAM, "-C", str(folder), what) for what in ("check", "compile")}
    for what, cost in costs.items():
        line(f"{what} of the large policy", cost, f"{len(cost.output) / 1e6:.1f} MB said")
    seconds, memory = sum(c.cpu for c in costs.values()), max(c.memory for c in costs.values())
    broken = (seconds > SECONDS) + (memory > MEGABYTES) + sum(c.code != 0 for c in costs.values())
    print(f"check and compile {seconds:.1f} s of CPU, {memory:.0f} MB   budget {SECONDS:.0f} s, {MEGABYTES:.0f} MB   "
          f"{'BROKEN' if broken else 'ok'}", flush=True)  # fmt: skip
    return broken


def requests(targets: tuple[Target, Target], count: int) -> int:
    """Both kinds of connection; how many budgets are broken and requests failed."""
    broken = 0
    for kept, number, what in ((True, count, "kept connections"), (False, count // 10, "new connections")):
        least = [float("inf")] * len(targets)
        for turn in range(ROUNDS + 1):
            for place, target in enumerate(targets):
                micros, _, failed = load(target, number, kept=kept)
                broken += failed
                least[place] = min(least[place], micros) if turn else least[place]
        ratio = least[1] / least[0]
        broken += ratio > RATIO
        for target, micros in zip(targets, least, strict=True):
            print(f"{what:<17} {target.name:<32} {micros:7.0f} us CPU/request", flush=True)
        print(f"{what:<17} {ratio:.2f} times the small policy   budget {RATIO}   "
              f"{'ok' if ratio <= RATIO else 'BROKEN'}", flush=True)  # fmt: skip
    return broken


def main() -> int:
    if shutil.which("ab") is None:
        raise SystemExit("ab is missing: apt-get install apache2-utils")
    parser = argparse.ArgumentParser()
    parser.add_argument("--routes", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=100_000)
    parser.add_argument("--requests", type=int, default=10_000)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gatewright-bench-") as name:
        top = Path(name)
        top.chmod(0o755)
        for part in ("small", "large"):
            (top / part).mkdir(mode=0o755)
        with serving(top / "small", 10, 10) as small, serving(top / "large", wanted.routes, wanted.clients) as large:
            broken = control_plane(top / "large")
            broken += requests((small, large), wanted.requests)
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
