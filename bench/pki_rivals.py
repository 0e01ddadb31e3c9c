"""Other ways to turn a request into a certificate, timed beside ours: a process of OpenSSL each, and ``cfssl serve``.

openssl records nothing; cfssl is timed without and with its own database (SQLite, durable by default). Ours has checked
the request against the client's entry, linted the certificate and made it durable with its log entry.
"""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

_PROFILE = {"usages": ["digital signature", "client auth"], "expiry": "2160h"}


def openssl_each(folder: Path, ca: Path, key: Path, requests: Sequence[bytes]) -> float:
    """Seconds for one certificate with one ``openssl x509 -req`` process each."""
    extensions = folder / "extensions"
    extensions.write_text("keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n")
    (folder / "request.der").write_bytes(requests[0])
    command = ["openssl", "x509", "-req", "-inform", "DER", "-in", str(folder / "request.der"), "-CA", str(ca)]
    command += ["-CAkey", str(key), "-extfile", str(extensions), "-copy_extensions", "copy", "-days", "90"]
    command += ["-out", str(folder / "openssl.pem")]
    start = time.perf_counter()
    for number, der in enumerate(requests, 1):
        (folder / "request.der").write_bytes(der)
        subprocess.run([*command, "-set_serial", str(number)], check=True, capture_output=True)
    return (time.perf_counter() - start) / len(requests)


def cfssl_each(
    folder: Path, ca: Path, key: Path, requests: Sequence[bytes], *, database: bool
) -> tuple[float, float] | None:
    """Seconds for one certificate from ``cfssl serve`` over one kept connection: elapsed, and of the server's CPU.

    ``None`` where cfssl is not installed.
    """
    if shutil.which("cfssl") is None:
        return None
    with _cfssl(folder, ca, key, _database(folder) if database else ()) as (connection, server):
        bodies = [json.dumps({"certificate_request": _pem(der)}) for der in requests]
        _sign(connection, bodies[0])
        used, start = _cpu(server), time.perf_counter()
        for body in bodies:
            _sign(connection, body)
        elapsed = time.perf_counter() - start
        return elapsed / len(bodies), (_cpu(server) - used) / len(bodies)


_TABLE = (  # cfssl's certdb/sqlite/migrations/001_CreateCertificates.sql
    "CREATE TABLE certificates (serial_number blob NOT NULL, authority_key_identifier blob NOT NULL, ca_label blob, "
    "status blob NOT NULL, reason int, expiry timestamp, revoked_at timestamp, pem blob NOT NULL, "
    "PRIMARY KEY(serial_number, authority_key_identifier))"
)


def _database(folder: Path) -> tuple[str, ...]:
    with closing(sqlite3.connect(folder / "cfssl.db")) as made:
        made.execute(_TABLE)
        made.commit()
    configuration = folder / "cfssl-db.json"
    configuration.write_text(json.dumps({"driver": "sqlite3", "data_source": str(folder / "cfssl.db")}))
    return "-db-config", str(configuration)


def _pem(der: bytes) -> str:
    return x509.load_der_x509_csr(der).public_bytes(Encoding.PEM).decode()


def _sign(connection: http.client.HTTPConnection, body: str) -> None:
    connection.request("POST", "/api/v1/cfssl/sign", body, {"Content-Type": "application/json"})
    answer = json.loads(connection.getresponse().read())
    if not answer["success"]:
        raise SystemExit(f"cfssl: {answer['errors']}")


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100  # utime and stime, in hundredths of a second on Linux


@contextmanager
def _cfssl(
    folder: Path, ca: Path, key: Path, more: tuple[str, ...]
) -> Iterator[tuple[http.client.HTTPConnection, int]]:
    configuration = folder / "cfssl.json"
    configuration.write_text(json.dumps({"signing": {"default": _PROFILE}}))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = ["cfssl", "serve", "-address", "127.0.0.1", "-port", str(port), "-ca", str(ca), "-ca-key", str(key)]
    command += ["-config", str(configuration), "-loglevel", "5", *more]
    with (folder / "cfssl.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            for _ in range(200):
                try:
                    connection.connect()
                    break
                except ConnectionRefusedError:
                    if process.poll() is not None:
                        raise SystemExit((folder / "cfssl.log").read_text()) from None
                    time.sleep(0.05)
            yield connection, process.pid
        finally:
            connection.close()
            process.terminate()
