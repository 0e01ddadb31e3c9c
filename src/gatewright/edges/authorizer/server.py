"""The authorizer's own process: ``python -m gatewright.edges.authorizer.server SOCKET FOLDER UID GID BEATS``.

``SOCKET`` is the number of a listening socket that it inherits, ``FOLDER`` where key sets stand. The key that it shares with httpd
comes on standard input, in one line; it ends when that closes, so it never outlives its supervisor unnoticed. ``UID`` and ``GID`` are
the unprivileged account to become, -1 to stay who it is: what strangers sent is read without root's rights. ``BEATS`` is the number of a
pipe, into which a byte is written regularly for as long as requests are answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import ssl
import sys
import time
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from joserfc import jwt
from joserfc.jwk import ECKey

from gatewright.edges.authorizer.framing import FramingError, answer, read_parameters
from gatewright.model.credentials import AUTHORIZATION, CHECKED, PEM, PROOF, RULE, SUBJECT, Rule, proof
from gatewright.pki.keysets import MAX_BYTES, KeySet, KeySetProblem, parse
from gatewright.pki.tokens import judge

PATIENCE_S = 5.0
"""Seconds for one request, of which httpd needs less than one thousandth: local programs must not hold places."""
BEAT_S = 0.5
"""Seconds between two signs of life."""
AT_ONCE = 600
"""Connections at once: more than httpd has workers (512)."""

_ID = re.compile(r"[A-Za-z0-9@_-]{1,64}\Z")  # mod_unique_id's alphabet


class Keys:
    """Key sets by file, read again when a file has changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, tuple[tuple[int, int, int], KeySet]] = {}

    def of(self, name: str) -> KeySet:
        """The key set in the file ``name``. Raises ``OSError`` or :class:`KeySetProblem`: without keys nobody passes."""
        relative = PurePosixPath(name)
        if relative.is_absolute() or ".." in relative.parts:
            raise KeySetProblem("it is outside the folder of key sets")
        path = self._folder / relative
        seen = path.stat()
        mark = (seen.st_mtime_ns, seen.st_size, seen.st_ino)
        known = self._known.get(name)
        if known is None or known[0] != mark:
            if seen.st_size > MAX_BYTES:
                raise KeySetProblem(f"it has more than {MAX_BYTES} bytes")
            known = (mark, parse(path.read_bytes()))
            self._known[name] = known
        return known[1]


class Authorizer:
    """Answers httpd's questions."""

    def __init__(self, key: str, keys: Keys) -> None:
        self._key, self._keys = key, keys
        self._open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one question, one answer; a connection that is not understood is closed without one."""
        self._open += 1
        try:
            if self._open <= AT_ONCE:
                async with asyncio.timeout(PATIENCE_S):
                    writer.write(answer(self._answer(await read_parameters(reader))))
                    await writer.drain()
        except (FramingError, EOFError, OSError, TimeoutError, KeySetProblem) as problem:
            _log(f"no answer: {type(problem).__name__}: {problem}")
        finally:
            self._open -= 1
            writer.close()

    def _answer(self, given: dict[str, bytes]) -> dict[str, str]:
        """What is known of the request's credentials. Raises where nothing can be known, which httpd takes for a no."""
        request = given.get("UNIQUE_ID", b"").decode("latin-1")
        encoded = given.get(RULE, b"").decode("latin-1")
        if not _ID.match(request):
            raise FramingError("a request without an id")
        try:
            rule = Rule.decoded(encoded)
        except ValueError as error:
            raise FramingError("a request without a rule") from error
        authorization, pem = given.get(AUTHORIZATION, b""), given.get(PEM, b"")
        verdict = judge(authorization.decode("latin-1"), _der(pem), rule, self._keys.of(rule.keys), time.time())
        if verdict.reason is not None:
            _log(f"{request} {verdict.reason.code}: {verdict.detail}")
            return {CHECKED: "1", PROOF: verdict.reason.code}
        subject = quote(verdict.subject, safe="")
        return {CHECKED: "1", PROOF: proof(self._key, encoded, request, authorization, pem), SUBJECT: subject}


def _der(pem: bytes) -> bytes | None:
    try:
        return ssl.PEM_cert_to_DER_cert(pem.decode("ascii")) if pem else None
    except ValueError:
        return None


def _log(text: str) -> None:
    print(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}", flush=True)  # noqa: T201 - its log


async def _beat(pipe: int) -> None:
    """From the loop that answers requests: whatever holds that up holds this up."""
    os.set_blocking(pipe, False)
    while True:
        with contextlib.suppress(OSError):  # full: nobody has looked for long
            os.write(pipe, b".")
        await asyncio.sleep(BEAT_S)


async def _until_told(listener: socket.socket, authorizer: Authorizer, pipe: int) -> None:
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, done.set)
    loop.add_reader(0, lambda: None if os.read(0, 64) else done.set())
    server = await asyncio.start_server(authorizer.serve, sock=listener, backlog=AT_ONCE)
    beating = asyncio.create_task(_beat(pipe))
    async with server:
        await done.wait()
    beating.cancel()


def _warm_up() -> None:
    """Load what the libraries load at first use, while their files can still be read: they may stand in root's own folder."""
    key = ECKey.generate_key("P-256")
    jwt.decode(jwt.encode({"alg": "ES256"}, {}, key), key, algorithms=["ES256"])
    quote("")


def _become(uid: int, gid: int) -> None:
    if uid >= 0:
        os.setgroups([gid])
        os.setgid(gid)
        os.setuid(uid)


def main(words: list[str]) -> int:
    """Serve until standard input closes."""
    number, folder, uid, gid, beats = words
    # Unbuffered, so that nothing but the key is taken from what is watched for its end later.
    key = b""
    while not key.endswith(b"\n") and (more := os.read(0, 1)):
        key += more
    listener = socket.socket(fileno=int(number))
    listener.settimeout(0)
    _warm_up()
    _become(int(uid), int(gid))
    _log("ready")
    asyncio.run(_until_told(listener, Authorizer(key.decode("ascii").strip(), Keys(Path(folder))), int(beats)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
