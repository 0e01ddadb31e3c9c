"""Finding Apache httpd, and asking it what it is."""

from __future__ import annotations

import functools
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from gatewright.diagnose.httpd_version import (
    Build,
    module_folders,
    parse_build,
    parse_static,
    shared_modules,
    too_old,
)
from gatewright.diagnose.packages import httpd_missing, system_of
from gatewright.errors import Diagnostic, EnvironmentFault
from gatewright.model.machine import Httpd

OVERRIDE = "GATEWRIGHT_HTTPD"
"""The environment variable that names the httpd to use, instead of any found."""

_NAMES = ("apache2", "httpd")
_PLACES = (
    "/usr/sbin/apache2",  # Debian, Ubuntu
    "/usr/sbin/httpd",  # RHEL, Fedora, Alpine; macOS's own
    "/opt/homebrew/opt/httpd/bin/httpd",  # Homebrew on Apple silicon
    "/usr/local/opt/httpd/bin/httpd",  # Homebrew on Intel
    "/usr/local/apache2/bin/httpd",  # httpd's own default prefix, and its container image
)


class LocalHttpd:
    """Looks for httpd on this machine; ``environment`` as in ``os.environ``."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def find(self) -> Httpd:
        """The httpd to use: the one named by ``GATEWRIGHT_HTTPD``, or the first found that can speak TLS.

        Raises ``EnvironmentFault``: ``httpd-missing``, ``httpd-too-old``, or ``httpd-unusable`` for a named one.
        """
        named = self._environment.get(OVERRIDE)
        if named:
            return self._accept(self._named(named))
        found = [httpd for path in self._candidates() if (httpd := ask(path)) is not None]
        # macOS brings an httpd of its own, often older than Homebrew's: one with TLS that is new enough wins, then the first found.
        found.sort(key=lambda httpd: (httpd.has("mod_ssl"), too_old(httpd) is None), reverse=True)
        if not found:
            raise EnvironmentFault(httpd_missing(system_of(os_release()), ("apache2 and httpd on PATH", *_PLACES)))
        return self._accept(found[0])

    def _candidates(self) -> Iterator[Path]:
        seen = set()
        on_path = (shutil.which(name, path=self._environment.get("PATH")) for name in _NAMES)
        for text in (*on_path, *_PLACES):
            if text and Path(text).is_file() and (path := Path(text).resolve()) not in seen:
                seen.add(path)
                yield Path(text)

    def _named(self, named: str) -> Httpd:
        httpd = ask(Path(named))
        if httpd is None:
            raise EnvironmentFault(
                Diagnostic(
                    "httpd-unusable",
                    f"{OVERRIDE}={named} is not an Apache httpd that can be run",
                    "it must be a program that answers `-V` as httpd does",
                    f"correct it, or unset {OVERRIDE} to have it looked for",
                )
            )
        return httpd

    def _accept(self, httpd: Httpd) -> Httpd:
        problem = too_old(httpd)
        if problem is not None:
            raise EnvironmentFault(problem)
        return httpd


def ask(binary: Path) -> Httpd | None:
    """What this program says of itself, or ``None`` if it is no httpd."""
    # -V reads the configuration for its MPM line and complains (exit code 1) when there is none; an empty one is given,
    # and the answer counts, not the code.
    about, static = _said(binary, _stamp(binary))
    build = parse_build(about)
    if build is None:
        _said.cache_clear()  # it may only have had no memory to start
        return None
    place = PurePosixPath(binary)
    folder = _folder(place, build) or _folder(PurePosixPath(binary.resolve()), build)
    modules = shared_modules(entry.name for entry in Path(folder).iterdir()) if folder else frozenset[str]()
    return Httpd(
        place,
        build.version,
        folder or module_folders(place, build)[0],
        parse_static(static),
        modules,
    )


@functools.lru_cache(maxsize=8)
def _said(binary: Path, _stamp: tuple[int, int, int]) -> tuple[str, str]:
    """Its build and its static modules, in its own words; asked once a process as long as the file stays the same."""
    return _output(binary, "-f", "/dev/null", "-V"), _output(binary, "-l")


def _stamp(binary: Path) -> tuple[int, int, int]:
    try:
        status = binary.stat()
    except OSError:
        return (0, 0, 0)
    return (status.st_ino, status.st_mtime_ns, status.st_size)


def _folder(binary: PurePosixPath, build: Build) -> PurePosixPath | None:
    """The first module folder with mod_ssl; failing that, the first with any module."""
    places = module_folders(binary, build)
    for wanted in ("mod_ssl.so", "mod_authz_core.so"):
        for place in places:
            if (Path(place) / wanted).is_file():
                return place
    return None


def _output(binary: Path, *options: str) -> str:
    try:
        done = subprocess.run(
            [str(binary), *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace")


def os_release() -> str:
    """The text of os-release(5), or a stand-in on macOS."""
    if platform.system() == "Darwin":
        return "ID=macos\n"
    for place in ("/etc/os-release", "/usr/lib/os-release"):
        try:
            return Path(place).read_text("utf-8", "replace")
        except OSError:
            continue
    return ""


def our_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What httpd gets to see of the environment: a PATH and the locale of C; nothing else can reach a log.

    The time zone is UTC wherever we are: the ``TIME`` variables of httpd's conditions are local time, and ``during`` is not.
    """
    kept = {name: environment[name] for name in ("LD_LIBRARY_PATH",) if name in environment}
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C", "LC_ALL": "C", "TZ": "UTC", **kept}
