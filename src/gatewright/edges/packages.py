"""Installing httpd with the system's own package manager, and saying so first."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from gatewright.diagnose.packages import SYSTEMS, PackageSystem, httpd_missing, system_of
from gatewright.errors import Diagnostic, EnvironmentFault


class LocalPackages:
    """The package manager of this machine. ``release`` is the text of os-release(5); read from the system without."""

    def __init__(self, release: str | None = None) -> None:
        self._release = _os_release() if release is None else release

    def system(self) -> PackageSystem | None:
        """The family this machine belongs to, or ``None`` for one that is not known."""
        by_name = system_of(self._release)
        if by_name is not None:
            return by_name
        # An unknown name with a known package manager is a derivative.
        return next((s for s in SYSTEMS if s.manager != "brew" and shutil.which(s.manager)), None)

    def install(self, say: Callable[[str], None], packages: Sequence[str] = ()) -> None:
        """Install them, saying each command first. Raises ``EnvironmentFault`` where it may not or does not work."""
        system = self.system()
        if system is None or shutil.which(system.manager) is None:
            raise EnvironmentFault(httpd_missing(system, ("a package manager known here",)))
        prefix = self._prefix(system, packages)
        wanted = tuple(packages) or system.packages
        if system.refresh and not _has_apt_lists():
            self._run(say, (*prefix, *system.refresh))
        say(f"Installing with {system.manager}: {', '.join(wanted)}")
        self._run(say, (*prefix, *system.install, *wanted))

    def _prefix(self, system: PackageSystem, packages: Sequence[str]) -> tuple[str, ...]:
        if not system.needs_root or os.geteuid() == 0:
            return ()
        if shutil.which("sudo"):
            return ("sudo",)
        raise EnvironmentFault(
            Diagnostic(
                "cannot-install",
                f"installing with {system.manager} needs root, and there is no sudo",
                "Gatewright needs Apache httpd and openssl",
                f"run as root: {system.command(packages)}",
            )
        )

    def _run(self, say: Callable[[str], None], command: tuple[str, ...]) -> None:
        say(f"+ {shlex.join(command)}")
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run(command, env=environment, stdout=2, check=False)
        if done.returncode != 0:
            raise EnvironmentFault(
                Diagnostic(
                    "install-failed",
                    f"`{shlex.join(command)}` ended with exit code {done.returncode}",
                    "its own messages are above",
                    "settle what it complains about and run it by hand, then start again",
                )
            )


def _has_apt_lists() -> bool:
    return any(Path("/var/lib/apt/lists").glob("*_Packages*"))


def _os_release() -> str:
    if platform.system() == "Darwin":
        return "ID=macos\n"
    try:
        return Path("/etc/os-release").read_text("utf-8", "replace")
    except OSError:
        return ""
