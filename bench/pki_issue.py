"""How fast the PKI issues, signs, lists and revokes, beside OpenSSL and cfssl in the same run.

    python bench/pki_issue.py [--rows 1000000] [--bulk 100000]     prints a table; exits 1 when a budget is broken

SQLite with synchronous=FULL: what counts is durable when it counts. Every certificate goes through the lint gate and into
the log, every request through the judge, as in the product. Rates are
of elapsed time; those of the process's CPU time, beside them, are what a budget of one core means.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pki_rivals import cfssl_each, openssl_each

from gatewright.app import revoking
from gatewright.app.authority import AuthorityState, PkiDeps, ensure_authority, find_authority
from gatewright.app.issuing import issue_clients
from gatewright.app.signing import sign_request, sign_requests
from gatewright.edges.clock import SystemClock
from gatewright.edges.files import LocalFiles
from gatewright.edges.keyfiles import KeyFiles
from gatewright.edges.linting import PkilintLinter
from gatewright.edges.randomness import SystemRandomness
from gatewright.edges.store.database import open_store
from gatewright.model.pki import Certificate, Filter, KeyKind, Reason, RevokedSerial, Status
from gatewright.model.values import HostName
from gatewright.pki import crl
from gatewright.pki.build import Issuer
from gatewright.pki.csr import Allowed
from gatewright.pki.keys import generate, signature_hash
from gatewright.pki.lint import LintGate
from gatewright.pki.names import distinguished_name

BATCH = 1000


broken: int = 0


def open_deps(folder: Path) -> PkiDeps:
    files = LocalFiles()
    store = open_store(f"sqlite:///{folder}/state.db")
    gate = LintGate(PkilintLinter().lint, generate)
    keys = KeyFiles(folder / "keys", files)
    return PkiDeps(store, keys, files, SystemClock(), SystemRandomness(), folder, builder=gate)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def verdict(kept: bool) -> str:
    global broken  # noqa: PLW0603 - the exit code of a script
    broken += int(not kept)
    return "ok" if kept else "BROKEN"


def rate(what: str, count: int, times: tuple[float, float], budget: int = 0) -> None:
    """A line of certificates a second."""
    wall, cpu = times
    told = f"budget {budget:,}/s of CPU   {verdict(count / cpu >= budget)}" if budget else ""
    print(f"{what:<52}{count / wall:>8,.0f}/s  ({count / cpu:,.0f}/s of CPU)   {told}", flush=True)


def span(what: str, seconds: float, budget: float, unit: str = "s") -> None:
    """A line of elapsed time."""
    shown = seconds * (1000 if unit == "ms" else 1)
    limit = budget * (1000 if unit == "ms" else 1)
    print(f"{what:<52}{shown:>8.1f} {unit}   budget {limit:g} {unit}   {verdict(seconds <= budget)}", flush=True)


def requests(count: int) -> list[bytes]:
    found = []
    for number in range(count):
        key = generate(KeyKind.P256)
        builder = x509.CertificateSigningRequestBuilder().subject_name(distinguished_name(f"p{number}.example"))
        san = x509.SubjectAlternativeName([x509.DNSName(f"p{number}.example")])
        found.append(
            builder.add_extension(san, critical=False).sign(key, signature_hash(key)).public_bytes(Encoding.DER)
        )
    return found


def allowed(number: int) -> Allowed:
    return Allowed(f"partner{number}", HostName(f"p{number}.example"))


def sign_batch(home: AuthorityState, ders: Sequence[bytes], first: int, deps: PkiDeps) -> list[Certificate]:
    """Requests in, durable certificates out: read, judged with what the store knows of each key, linted, signed, recorded."""
    wanted = [(der, allowed(number)) for number, der in enumerate(ders, first)]
    return sign_requests(home, wanted, deps, requested_by="bench")


def in_batches(home: AuthorityState, count: int, deps: PkiDeps, tag: str) -> None:
    for start in range(0, count, BATCH):
        size = min(BATCH, count - start)
        issue_clients(home, [(f"{tag}{start + i}", f"{tag}{start + i}.example") for i in range(size)], deps)


def bulk_worker(folder: str, count: int, tag: str) -> None:
    deps = open_deps(Path(folder))
    in_batches(find_authority("home", deps), count, deps, tag)
    deps.store.close()  # type: ignore[attr-defined]  # the real store; the port has no end


def bulk(folder: Path, count: int) -> None:
    """Everything issued anew: two processes share one store."""
    context = multiprocessing.get_context("spawn")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        for future in [pool.submit(bulk_worker, str(folder), count // 2, tag) for tag in "xy"]:
            future.result()
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    span(f"{count:,} certificates with keys, two processes", seconds, 60 * count / 100_000)
    print(f"  {cpu:.1f} s of CPU in both together")


def lists(deps: PkiDeps, home: AuthorityState, rows: int) -> None:
    """First pages over many rows. The rows are copies of one certificate under other serial numbers."""
    (pattern,) = issue_clients(home, [("pattern", "pattern.example")], deps)
    start, now = time.perf_counter(), deps.clock.now()
    for first in range(0, rows, 20_000):
        made = []
        for number in range(first, min(first + 20_000, rows)):
            unique = number.to_bytes(20, "big")
            names = (("dns", f"host{number:07d}.example"),)
            end = now + timedelta(minutes=number % (60 * 24 * 365))
            made.append(
                dataclasses.replace(
                    pattern,
                    serial=unique,
                    sha256=unique + bytes(12),
                    spki_sha256=os.urandom(32),
                    names=names,
                    subject=f"CN=host{number:07d}.example",
                    not_after=end,
                    client=f"client{number:07d}",
                )
            )
        with deps.store.writing() as tx:
            tx.add_certificates(made)
    print(f"({rows:,} rows made in {time.perf_counter() - start:.0f} s)", flush=True)
    soon = Filter(expires_after=now, expires_before=now + timedelta(days=30))
    for what, wanted in (
        ("everything", Filter()),
        ("expiring within 30 days", soon),
        ("expiring and valid", dataclasses.replace(soon, status=Status.VALID)),
        ("on hold (there are none)", Filter(status=Status.HELD)),
        ("name beginning with host07", Filter(name="host07")),
        ("one name", Filter(name="host0123456.example")),
        ("one client", Filter(client="client0123456")),
    ):
        cold, *again = (_first_page(deps, wanted) for _ in range(5))
        span(f"list of {rows:,}, {what}, cold", cold, 0.05, "ms")
        span(f"list of {rows:,}, {what}", min(again), 0.05, "ms")


def _first_page(deps: PkiDeps, wanted: Filter) -> float:
    with deps.store.reading() as reader:
        return timed(lambda: reader.page(wanted, 50))[0]


def issuing(home: AuthorityState, deps: PkiDeps) -> None:
    """Our own keys, then partners' requests."""
    issue_clients(home, [("warm", "warm.example")], deps)  # the first certificate loads the linter
    singly = timed(lambda: [issue_clients(home, [(f"s{i}", f"s{i}.example")], deps) for i in range(300)])
    rate("issue with key, one transaction each", 300, singly)
    rate(f"issue with key, {BATCH} a transaction", 6000, timed(lambda: in_batches(home, 6000, deps, "b")), 2000)


def signing(folder: Path, home: AuthorityState, deps: PkiDeps) -> None:
    """Requests, ours and the rivals'."""
    ders = requests(3300)
    whole = timed(lambda: [sign_batch(home, ders[i : i + BATCH], i, deps) for i in range(0, 3000, BATCH)])
    rate(f"request to certificate, {BATCH} a transaction", 3000, whole, 1500)
    alone = timed(lambda: [sign_batch(home, [ders[i]], i, deps) for i in range(3000, 3300)])
    rate("request to certificate, one transaction each", 300, alone)
    files = timed(
        lambda: [sign_request(home, ders[i], allowed(i), deps, requested_by="bench") for i in range(3000, 3100)]
    )
    rate("the same with the client's files (cert sign)", 100, files)
    key = deps.keystore.path(home.issuing.key)
    assert key is not None
    issuing_ca = Path(home.issuing_path)
    process = openssl_each(folder, issuing_ca, Path(key), ders[:50])
    rate("openssl x509 -req, a process each", 50, (process * 50, process * 50))
    ours, one = whole[0] / 3000, alone[0] / 300
    print(f"  ours is {process / ours:.0f} times that in batches, {process / one:.1f} times singly")
    for what, database in (("without a database", False), ("with its database", True)):
        cfssl = cfssl_each(folder, issuing_ca, Path(key), ders[:1000], database=database)
        if cfssl is not None:
            rate(f"cfssl serve, one connection, {what}", 1000, (cfssl[0] * 1000, cfssl[1] * 1000))
            print(f"  ours is {cfssl[0] / ours:.2f} times that in batches, {cfssl[0] / one:.2f} times singly")


def revocation(folder: Path, home: AuthorityState, deps: PkiDeps) -> None:
    """A long CRL, and a whole CA's certificates at once."""
    now = deps.clock.now()
    lines = [RevokedSerial(x509.random_serial_number(), now, Reason.SUPERSEDED) for _ in range(100_000)]
    issuer = Issuer(home.issuing_certificate, deps.keystore.load(home.issuing.key))
    window = crl.window(crl.CALENDARS[home.issuing.role], now, 0, None)
    span("CRL of 100,000, built and signed", timed(lambda: crl.build(issuer, lines, window))[0], 1.5)
    everything = revoking.issued_since(home.issuing.id, now - timedelta(hours=1))
    (folder / "rev").mkdir()
    done: list[revoking.Revoked] = []
    times = timed(
        lambda: done.append(revoking.revoke(everything, Reason.CA_COMPROMISE, deps, folder / "rev", by="bench"))
    )
    rate("revoke everything since, marker files included", len(done[0].certificates), times)


def main() -> int:
    options = argparse.ArgumentParser()
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--bulk", type=int, default=100_000)
    chosen = options.parse_args()
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, SQLite WAL, synchronous=FULL")
    folder = Path(tempfile.mkdtemp(prefix="gatewright-bench-", dir=os.environ.get("TMPDIR")))
    try:
        deps = open_deps(folder)
        home = ensure_authority("home", "localhost", "p256", deps)
        issuing(home, deps)
        signing(folder, home, deps)
        revocation(folder, home, deps)
        if chosen.bulk:
            bulk(folder, chosen.bulk)
        if chosen.rows:
            lists(deps, home, chosen.rows)
    finally:
        shutil.rmtree(folder)
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
