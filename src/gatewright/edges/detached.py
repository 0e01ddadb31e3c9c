"""A program that goes on without us once it has said its first words."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from gatewright.errors import Diagnostic, EnvironmentFault


def first_words(command: Sequence[str], log: Path, environment: Mapping[str, str]) -> tuple[bytes, int | None]:
    """Start ``command`` in a session of its own; wait until it has written one whole JSON document, or ended.

    Returns what it wrote to standard output, and its exit code if it has ended. Standard error goes to ``log``. Interrupted
    while waiting, it is told to end with all that it started: it would be what somebody just gave up. Raises
    :class:`EnvironmentFault` where it cannot be started, or ``log`` cannot be written.
    """
    with _put_off_interrupts() as interrupted:
        child = _started(command, log, environment)
    assert child.stdout is not None
    said = b""
    try:
        if interrupted:
            raise KeyboardInterrupt
        while chunk := os.read(child.stdout.fileno(), 65536):
            said += chunk
            if _is_whole(said):
                break
    except KeyboardInterrupt:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
        child.wait()
        raise
    child.stdout.close()
    if _is_whole(said) and b'"diagnostics"' not in said:
        # It goes on; without this, Popen would complain at our end that nobody waits for it.
        child.returncode = 0
        return said, None
    return said, child.wait()


def _started(command: Sequence[str], log: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    try:
        appended = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        with os.fdopen(appended, "ab") as errors:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=dict(environment),
                start_new_session=True,
            )
    except OSError as error:
        raise EnvironmentFault(
            Diagnostic(
                "cannot-start-process",
                f"cannot start {command[0]} in the background: {error.strerror or error}",
                f"its messages go to {log}",
                f"see that {log} can be written, and that the machine is not out of memory or processes",
            )
        ) from error


@contextmanager
def _put_off_interrupts() -> Iterator[list[int]]:
    """While inside, Ctrl-C is only noted: it would lose a process that is just being started."""
    noted: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: noted.append(number))
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, before)


def _is_whole(said: bytes) -> bool:
    try:
        json.loads(said)
    except ValueError:
        return False
    return True
