"""Reading what an httpd says about itself: ``-V``, ``-l``, and where its modules would be."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from gatewright.errors import Diagnostic
from gatewright.model.machine import Httpd

OLDEST = (2, 4, 66)
"""Every generated configuration has ``SSLVHostSNIPolicy``, which came with 2.4.66 (httpd's CHANGES): an older httpd does not know that
word, and has nothing else by which a name in the handshake is good for requests to that very name only."""

_VERSION = re.compile(r"^Server version: Apache/(\d+)\.(\d+)\.(\d+)", re.MULTILINE)
_ROOT = re.compile(r'^ -D HTTPD_ROOT="([^"]+)"', re.MULTILINE)
_ARCHITECTURE = re.compile(r"^Architecture:\s+(\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Build:
    """What ``-V`` says. ``root`` is the compiled-in ServerRoot; ``bits`` 64 or 32."""

    version: tuple[int, int, int]
    root: PurePosixPath
    bits: int


def parse_build(text: str) -> Build | None:
    """From the output of ``httpd -V``; ``None`` if this is no Apache httpd."""
    found = _VERSION.search(text)
    if found is None:
        return None
    root = _ROOT.search(text)
    architecture = _ARCHITECTURE.search(text)
    bits = 32 if architecture and architecture[1].startswith("32") else 64
    return Build((int(found[1]), int(found[2]), int(found[3])), PurePosixPath(root[1] if root else "/"), bits)


def parse_static(text: str) -> frozenset[str]:
    """Module source names without suffix from the output of ``httpd -l``: ``mod_so``, ``core``."""
    return frozenset(line.strip().removesuffix(".c") for line in text.splitlines() if line.strip().endswith(".c"))


def module_folders(binary: PurePosixPath, build: Build) -> tuple[PurePosixPath, ...]:
    """Where this httpd's ``mod_*.so`` may be, the likeliest first.

    Beside the binary first (``<prefix>/lib…``), because two httpds can be installed; then the compiled-in root, whose
    ``modules`` is a link on RHEL; then the distributions' own places.
    """
    prefix = binary.parent.parent
    wide = "lib64" if build.bits == 64 else "lib"
    names = ("httpd/modules", "apache2/modules", "apache2")
    places = [prefix / lib / name for lib in (wide, "lib") for name in names]
    places += [prefix / "modules", prefix / "libexec/apache2", build.root / "modules"]
    places += [PurePosixPath("/usr") / lib / name for lib in (wide, "lib") for name in names]
    return tuple(dict.fromkeys(places))


def shared_modules(names: Iterable[str]) -> frozenset[str]:
    """``mod_ssl`` from ``mod_ssl.so``; other files of the folder are no modules."""
    return frozenset(n.removesuffix(".so") for n in names if n.startswith("mod_") and n.endswith(".so"))


def too_old(httpd: Httpd) -> Diagnostic | None:
    """Why an httpd below :data:`OLDEST` is refused; ``None`` for one that is not."""
    if httpd.version >= OLDEST:
        return None
    oldest = ".".join(map(str, OLDEST))
    return Diagnostic(
        "httpd-too-old",
        f"httpd at {httpd.binary} is {httpd.version_text}; at least {oldest} is needed",
        "older ones do not know SSLVHostSNIPolicy, which keeps a certificate shown under one name from opening what another name guards",
        "update httpd from your system's packages, or name a newer one: GATEWRIGHT_HTTPD=/path/to/httpd",
    )
