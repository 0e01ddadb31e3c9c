"""A program that runs beside this one, which looks at it now and then and never waits for it."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from gatewright.errors import Diagnostic, EnvironmentFault


def begin(command: Sequence[str], log: Path | None = None) -> subprocess.Popen[bytes]:
    """Start ``command`` in a session of its own; what it says goes to ``log``, which begins anew, or nowhere.

    Raises :class:`EnvironmentFault` where it cannot be started or the log cannot be written: no memory, a full disk.
    """
    try:
        if log is None:
            return _started(command, subprocess.DEVNULL)
        with log.open("wb") as file:
            return _started(command, file.fileno())
    except OSError as error:
        raise EnvironmentFault(
            Diagnostic(
                "cannot-start-process",
                f"cannot start {' '.join(command)}: {error.strerror or error}",
                "what it is for is tried again later",
                "see whether the machine is out of memory, processes or disk space: free -m; ulimit -u; df -h",
            )
        ) from error


def _started(command: Sequence[str], output: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
