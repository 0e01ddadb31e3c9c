"""Which package brings what, on each system: commands that a user can paste."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gatewright.errors import Diagnostic
from gatewright.model.machine import Httpd
from gatewright.model.os_release import system_ids


@dataclass(frozen=True, slots=True)
class PackageSystem:
    """A family of systems: its package manager, how it installs, and what httpd's parts are called there.

    ``ids`` are ``ID`` and ``ID_LIKE`` words of os-release(5). ``modules`` names the packages of modules that are not in
    the first of ``packages``. ``refresh`` is what brings the package lists, where that is a command of its own.
    """

    name: str
    manager: str
    ids: frozenset[str]
    install: tuple[str, ...]
    packages: tuple[str, ...]
    modules: Mapping[str, str]
    refresh: tuple[str, ...] = ()
    needs_root: bool = True

    def command(self, packages: Iterable[str] = ()) -> str:
        """The install command as text, for all that a gateway needs or just for ``packages``."""
        return shlex.join((*self.install, *(packages or self.packages)))


SYSTEMS = (
    PackageSystem(
        "Debian/Ubuntu",
        "apt-get",
        frozenset({"debian", "ubuntu"}),
        # What is there already stays as it is: upgrading OpenSSL under other programs is not ours to decide.
        ("apt-get", "install", "--yes", "--no-install-recommends", "--no-upgrade"),
        # apache2-bin, not apache2: the program and its modules without a system service that would start by itself.
        ("apache2-bin", "openssl"),
        {},
        ("apt-get", "update"),
    ),
    PackageSystem(
        "RHEL/Fedora",
        "dnf",
        frozenset({"rhel", "fedora", "centos"}),
        ("dnf", "install", "--assumeyes"),
        ("httpd", "mod_ssl", "mod_http2", "openssl"),
        {"mod_ssl": "mod_ssl", "mod_http2": "mod_http2"},
    ),
    PackageSystem(
        "Alpine",
        "apk",
        frozenset({"alpine"}),
        ("apk", "add"),
        ("apache2", "apache2-ssl", "apache2-http2", "apache2-proxy", "openssl"),
        {
            "mod_ssl": "apache2-ssl",
            "mod_http2": "apache2-http2",
            "mod_proxy": "apache2-proxy",
            "mod_proxy_http": "apache2-proxy",
        },
    ),
    PackageSystem("macOS", "brew", frozenset({"macos"}), ("brew", "install"), ("httpd",), {}, needs_root=False),
)

_SHORT = {
    "Debian/Ubuntu": "apt-get install apache2-bin openssl",
    "RHEL/Fedora": "dnf install httpd mod_ssl mod_http2 openssl",
    "Alpine": "apk add apache2 apache2-ssl apache2-http2 apache2-proxy openssl",
    "macOS": "brew install httpd",
}


def system_of(os_release: str) -> PackageSystem | None:
    """From the text of /etc/os-release; ``ID=macos`` stands for macOS, which has no such file."""
    return next((system for word in system_ids(os_release) for system in SYSTEMS if word in system.ids), None)


def httpd_missing(system: PackageSystem | None, looked: Iterable[str]) -> Diagnostic:
    """No httpd: the command for this system first, then those of the others."""
    own = [f"on this system ({system.name}): {_sudo(system)}{_SHORT[system.name]}"] if system else []
    others = [f"{s.name}: {_sudo(s)}{_SHORT[s.name]}" for s in SYSTEMS if s is not system]
    return Diagnostic(
        "httpd-missing",
        "Apache httpd is not installed",
        "Gatewright runs Apache httpd as the gateway; looked for " + ", ".join(looked),
        "\n".join([*own, *others, "or name the program: GATEWRIGHT_HTTPD=/path/to/httpd"]),
    )


def missing_modules(httpd: Httpd, needed: Iterable[str], system: PackageSystem | None) -> tuple[Diagnostic, ...]:
    """One diagnostic for each needed module that this httpd neither holds nor can load, with the package that has it."""
    return tuple(_module_missing(httpd, module, system) for module in needed if not httpd.has(module))


def _module_missing(httpd: Httpd, module: str, system: PackageSystem | None) -> Diagnostic:
    lines = []
    for one in (system,) if system else SYSTEMS:
        package = one.modules.get(module, one.packages[0])
        lines.append(f"{one.name}: {_sudo(one)}{one.manager} {one.install[1]} {package}")
    return Diagnostic(
        "httpd-module-missing",
        f"httpd {httpd.version_text} at {httpd.binary} has no {module}",
        f"it is neither compiled in nor there as {httpd.module_folder}/{module}.so",
        "\n".join(lines),
    )


def _sudo(system: PackageSystem) -> str:
    return "sudo " if system.needs_root and system.name != "Alpine" else ""
