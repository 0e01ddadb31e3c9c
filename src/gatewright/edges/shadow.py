"""A shadow instance: httpd on the loopback address for as long as somebody holds the other end of a pipe."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from typing import Protocol

from gatewright.compile.passes.credentials import AUTHORIZER_PORT
from gatewright.compile.passes.server import LISTEN, LOGS, PORT, RUN
from gatewright.compile.quote import DOLLAR, setting_value, words
from gatewright.diagnose.loglines import READY, parse_error_line
from gatewright.diagnose.startup import Attempt, explain_start
from gatewright.errors import Diagnostic, EnvironmentFault
from gatewright.model.credentials import KEY
from gatewright.ports.process import OURS_ALONE
from gatewright.ports.shadow import ShadowPlan

_PATIENCE_S = 20.0
"""Longer than the supervisor gives a start: nobody waits for a shadow, and the machine may be busy serving."""
_STOP_S = 5.0
_ATTEMPTS = 5

# The shell outlives nobody: when the pipe's other end closes, because it is told to or because we were killed, it ends
# httpd in an orderly way, so that no child of it stays behind with the port.
# POSIX gives background commands an empty standard input, hence the pipe on descriptor 3.
_KEEPER = (
    'exec 3<&0; "$@" </dev/null 3<&- & child=$!; (cat <&3 >/dev/null; kill -TERM $child 2>/dev/null) & wait $child'
)


class Helper(Protocol):
    """A process that httpd asks about tokens: a port on 127.0.0.1, and the key that it shares with httpd."""

    key: str

    @property
    def port(self) -> int:
        """Its port."""
        ...

    def keep(self, *, wanted: bool) -> bool:
        """Start it."""
        ...

    def close(self) -> None:
        """End it."""
        ...


class LocalShadow:
    """:class:`gatewright.ports.shadow.Shadow` on this machine."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, helper: Helper | None = None) -> None:
        self._process = process
        self._port = port
        self._helper = helper

    @property
    def port(self) -> int:
        """Its port on 127.0.0.1."""
        return self._port

    def stop(self) -> None:
        """End it and every process of it; nothing happens if it has ended."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_S)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._helper is not None:
            self._helper.close()


class LocalShadows:
    """:class:`gatewright.ports.shadow.Shadows` on this machine; ``environment`` is all that httpd sees of ours."""

    def __init__(
        self,
        environment: Mapping[str, str],
        choose: Callable[[], int] | None = None,
        helper: Callable[[PurePath, PurePath | None], Helper] | None = None,
    ) -> None:
        self._environment = dict(environment)
        self._helper = helper
        self._choose = choose or free_port

    def start(self, plan: ShadowPlan) -> LocalShadow:
        """One that serves already. Raises :class:`~gatewright.errors.EnvironmentFault` with the reasons.

        Between choosing a port and taking it another program may come first; then another port is tried.
        """
        for left in reversed(range(_ATTEMPTS)):
            helper = self._helper(plan.logs, plan.keys) if plan.tokens and self._helper is not None else None
            if helper is not None:
                helper.keep(wanted=True)
            shadow = _spawn(plan, self._choose(), self._environment, helper)
            problems = _await(shadow, plan)
            if not problems:
                return shadow
            shadow.stop()
            if not left or {p.code for p in problems} != {"port-taken"}:
                raise EnvironmentFault(*problems)
        raise AssertionError  # the loop returns or raises


def free_port() -> int:
    """A TCP port of the loopback address that nobody listens on at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _spawn(plan: ShadowPlan, port: int, environment: Mapping[str, str], helper: Helper | None) -> LocalShadow:
    settings = {
        DOLLAR: "$",
        PORT.name: str(port),
        LISTEN.name: f"127.0.0.1:{port}",
        RUN.name: setting_value(str(plan.run)),
        LOGS.name: setting_value(str(plan.logs)),
    }
    if helper is not None:
        settings[AUTHORIZER_PORT.name] = str(helper.port)
        environment = {**environment, KEY: helper.key}
    defines = [word for setting in settings.items() for word in ("-C", words("Define", setting))]
    root = str(Path(plan.configuration).parent)
    command = [str(plan.binary), *defines, "-d", root, "-f", str(plan.configuration), "-D", "FOREGROUND"]
    try:
        for name in ("error.log", "shadow.out"):
            Path(plan.logs / name).unlink(missing_ok=True)
        handle = os.open(plan.logs / "shadow.out", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        with os.fdopen(handle, "wb") as output:
            process = subprocess.Popen(
                ["/bin/sh", "-c", _KEEPER, "sh", *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                cwd=plan.folder,
                env=dict(environment),
                start_new_session=True,
                umask=OURS_ALONE,
            )
    except OSError as error:
        if helper is not None:
            helper.close()
        raise EnvironmentFault(
            Diagnostic(
                "cannot-start-process",
                f"cannot start {command[0]}: {error.strerror or error}",
                f"a shadow instance is tried in {plan.folder} before anything is switched",
                f"see that {command[0]} can be run and that {plan.logs} is writable",
            )
        ) from error
    return LocalShadow(process, port, helper)


def _await(shadow: LocalShadow, plan: ShadowPlan) -> tuple[Diagnostic, ...]:
    """Wait until it serves; else why it does not."""
    process = shadow._process
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        ended = process.poll()
        lines = [*_lines(Path(plan.logs / "shadow.out")), *_lines(Path(plan.logs / "error.log"))]
        if any((line := parse_error_line(text)) is not None and line.number in READY for text in lines):
            return ()
        if ended is not None:
            code, killer = (ended, None) if 0 <= ended < 128 else (None, ended - 128 if ended > 0 else -ended)
            return explain_start(Attempt(lines, code, killer))
        time.sleep(0.01)
    return explain_start(Attempt(lines, None, None, timed_out=_PATIENCE_S))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8", "replace").splitlines()[-60:]
    except OSError:
        return []
