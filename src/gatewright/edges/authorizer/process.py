"""The supervisor's side: the port that nobody else can take, the key nobody else has, and a process that is kept running."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

_LEAST_PAUSE_S, _MOST_PAUSE_S = 0.2, 5.0
"""Seconds between starts of one that keeps ending."""
_SOUND_S = 10.0
"""Seconds after which a start counts as a success."""
_STOP_S = 5.0
HUNG_S = 5.0
"""Seconds without a sign of life (one comes every :data:`~gatewright.edges.authorizer.server.BEAT_S`) after which it counts as hung. Requests
that wait for it are then judged by the next one, or refused at once where it had begun with them, instead of after the 30 s of
mod_authnz_fcgi, which nothing can change (measured on httpd 2.4.71)."""
_FIRST_S = 60.0
"""The same for the first sign: a slow machine takes a while to load what it needs."""
_LOOKS = 5
"""So many looks in vain, besides: where the supervisor itself was held up, silence says nothing."""


class LocalAuthorizer:
    """Holds the listening socket for as long as the supervisor lives, whether or not the authorizer runs.

    While that is down, nobody else can listen on its port: requests wait for the next one, at most the 30 s of mod_authnz_fcgi, and
    end in a refusal. One that hangs is killed and started again. ``account`` is the (uid, gid) to run as, ``None`` to run as we do.
    """

    def __init__(
        self, folder: Path, log: Path, environment: Mapping[str, str], account: tuple[int, int] | None
    ) -> None:
        self._folder, self._log, self._account = folder, log, account
        self._environment = {**environment, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        self.key = secrets.token_hex(32)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=600)
        self._process: subprocess.Popen[bytes] | None = None
        self._started = self._pause = 0.0
        self._life = _Life()
        self.hung = False
        """Whether the last one that ended did so because it gave no sign of life."""

    @property
    def port(self) -> int:
        """Its port on 127.0.0.1."""
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def pid(self) -> int | None:
        """The process, if it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def keep(self, *, wanted: bool) -> bool:
        """Start it, or start it again, or end it; whether it had ended by itself. To be called often; returns at once."""
        ended = self._process is not None and self._process.poll() is not None
        now = time.monotonic()
        if ended:
            assert self._process is not None
            _close(self._process)
            self._process = None
            self.hung = self._life.was_killed
            sound = now - self._started >= _SOUND_S
            self._pause = _LEAST_PAUSE_S if sound else min(_MOST_PAUSE_S, max(_LEAST_PAUSE_S, 2 * self._pause))
        if wanted and self._process is None and now >= self._started + self._pause:
            self._started = now
            with contextlib.suppress(OSError):  # such as no memory: tried again after the pause
                self._process = self._spawn()
        elif not wanted:
            self._end()
        elif self._process is not None and self._life.is_over(now):
            self._process.kill()  # at the next look it has ended
        return ended

    def _spawn(self) -> subprocess.Popen[bytes]:
        number = self._listener.fileno()
        uid, gid = self._account or (-1, -1)
        beats = self._life.begin(time.monotonic())
        words = [str(number), str(self._folder), str(uid), str(gid), str(beats)]
        # A log readable for us only: it says why tokens were refused, by request id.
        log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        try:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "gatewright.edges.authorizer.server", *words],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd="/",
                env=self._environment,
                pass_fds=(number, beats),
                start_new_session=True,
            )
        finally:
            os.close(log)
            os.close(beats)
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.write(f"{self.key}\n".encode())
            process.stdin.flush()
        return process

    def _end(self) -> None:
        if self._process is None:
            return
        _close(self._process)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_S)
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
        self._process = None

    def close(self) -> None:
        """End it and give the port up."""
        self._end()
        self._life.close()
        self._listener.close()


class _Life:
    """The signs of life of one process: a byte each, through a pipe."""

    def __init__(self) -> None:
        self._pipe: int | None = None
        self._since, self._patience, self._looks = 0.0, _FIRST_S, 0
        self.was_killed = False

    def begin(self, now: float) -> int:
        """For a process that is about to start: the end of the pipe that it writes to. To be closed here once it has started."""
        self.close()
        self._pipe, theirs = os.pipe()
        os.set_blocking(self._pipe, False)
        self._since, self._patience, self._looks, self.was_killed = now, _FIRST_S, 0, False
        return theirs

    def is_over(self, now: float) -> bool:
        """Whether there was none for too long."""
        assert self._pipe is not None
        with contextlib.suppress(BlockingIOError):
            if os.read(self._pipe, 65_536):
                self._since, self._patience, self._looks = now, HUNG_S, 0
        self._looks += 1
        self.was_killed = self._looks > _LOOKS and now - self._since > self._patience
        return self.was_killed

    def close(self) -> None:
        """Give the pipe up."""
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None


def _close(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
