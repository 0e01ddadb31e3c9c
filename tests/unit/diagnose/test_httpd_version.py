"""Four layouts of httpd, from what each says about itself."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from gatewright.diagnose.httpd_version import OLDEST, module_folders, parse_build, parse_static, shared_modules, too_old
from gatewright.diagnose.packages import SYSTEMS, httpd_missing, missing_modules, system_of
from gatewright.model.machine import Httpd

COMMON = """Server built:   2025-07-23T20:21:41
Server's Module Magic Number: 20120211:141
Server loaded:  APR 1.7.2, APR-UTIL 1.6.3, PCRE 10.42 2022-12-11
Compiled using: APR 1.7.2, APR-UTIL 1.6.3, PCRE 10.42 2022-12-11
Architecture:   64-bit
Server MPM:     event
  threaded:     yes (fixed thread count)
    forked:     yes (variable process count)
Server compiled with....
 -D APR_HAS_SENDFILE
 -D APR_HAVE_IPV6 (IPv4-mapped addresses enabled)
 -D DYNAMIC_MODULE_LIMIT=256
"""

LAYOUTS = {
    "Debian": (
        "/usr/sbin/apache2",
        'Server version: Apache/2.4.71 (Debian)\n{common} -D HTTPD_ROOT="/etc/apache2"\n -D SERVER_CONFIG_FILE="apache2.conf"\n',
        "/etc/apache2",
        "/usr/lib/apache2/modules",
    ),
    "Fedora": (
        "/usr/sbin/httpd",
        'Server version: Apache/2.4.65 (Fedora Linux)\n{common} -D HTTPD_ROOT="/etc/httpd"\n -D SERVER_CONFIG_FILE="conf/httpd.conf"\n',
        "/etc/httpd",
        "/usr/lib64/httpd/modules",
    ),
    "Alpine": (
        "/usr/sbin/httpd",
        'Server version: Apache/2.4.66 (Unix)\n{common} -D HTTPD_ROOT="/var/www"\n -D SERVER_CONFIG_FILE="/etc/apache2/httpd.conf"\n',
        "/var/www",
        "/usr/lib/apache2",
    ),
    "Homebrew": (
        "/opt/homebrew/opt/httpd/bin/httpd",
        'Server version: Apache/2.4.66 (Unix)\n{common} -D HTTPD_ROOT="/opt/homebrew/Cellar/httpd/2.4.66"\n',
        "/opt/homebrew/Cellar/httpd/2.4.66",
        "/opt/homebrew/opt/httpd/lib/httpd/modules",
    ),
    "Homebrew on Intel": (
        "/usr/local/opt/httpd/bin/httpd",
        'Server version: Apache/2.4.66 (Unix)\n{common} -D HTTPD_ROOT="/usr/local/Cellar/httpd/2.4.66"\n',
        "/usr/local/Cellar/httpd/2.4.66",
        "/usr/local/opt/httpd/lib/httpd/modules",
    ),
    "own build": (
        "/usr/local/apache2/bin/httpd",
        'Server version: Apache/2.4.66 (Unix)\n{common} -D HTTPD_ROOT="/usr/local/apache2"\n',
        "/usr/local/apache2",
        "/usr/local/apache2/modules",
    ),
}

STATIC = """Compiled in modules:
  core.c
  mod_so.c
  http_core.c
  mod_unixd.c
"""


def httpd(version: tuple[int, int, int] = (2, 4, 71), *shared: str) -> Httpd:
    """An httpd of this version with these modules."""
    place = PurePosixPath("/usr/sbin/httpd")
    return Httpd(place, version, PurePosixPath("/usr/lib64/httpd/modules"), frozenset({"mod_so"}), frozenset(shared))


@pytest.mark.parametrize("name", LAYOUTS)
def test_each_layout_is_understood(name: str) -> None:
    """Version and root come from -V, and the folder of its modules is among the places looked at."""
    binary, output, root, folder = LAYOUTS[name]
    build = parse_build(output.format(common=COMMON))
    assert build is not None
    assert build.version[:2] == (2, 4)
    assert (str(build.root), build.bits) == (root, 64)
    assert PurePosixPath(folder) in module_folders(PurePosixPath(binary), build)


def test_modules_beside_the_binary_come_before_the_systems() -> None:
    """Two httpds on one machine do not load each other's modules."""
    binary, output, _, folder = LAYOUTS["Homebrew on Intel"]
    build = parse_build(output.format(common=COMMON))
    assert build is not None
    places = module_folders(PurePosixPath(binary), build)
    assert places.index(PurePosixPath(folder)) < places.index(PurePosixPath("/usr/lib/apache2/modules"))


def test_32_bit_looks_into_lib() -> None:
    """lib64 belongs to 64-bit builds only."""
    build = parse_build(LAYOUTS["Fedora"][1].format(common=COMMON.replace("64-bit", "32-bit")))
    assert build is not None
    assert not [p for p in module_folders(PurePosixPath("/usr/sbin/httpd"), build) if "lib64" in p.parts]


@pytest.mark.parametrize(
    "text", ["", "nginx version: nginx/1.22.1", "Server version: Lighttpd/1.4", "x Server version: Apache/2.4.1"]
)
def test_another_program_is_no_httpd(text: str) -> None:
    """What does not say that it is Apache httpd is not taken for it."""
    assert parse_build(text) is None


def test_modules_are_read() -> None:
    """Static ones from -l, shared ones from file names."""
    assert parse_static(STATIC) == {"core", "mod_so", "http_core", "mod_unixd"}
    assert shared_modules(["mod_ssl.so", "httpd.exp", "mod_x.txt", "libphp.so"]) == {"mod_ssl"}


def test_old_versions_are_refused_and_newer_ones_are_not() -> None:
    """2.4.65 with the reason; 2.4.66 and 2.5 pass."""
    problem = too_old(httpd((2, 4, 65)))
    assert problem is not None
    assert "2.4.65" in problem.what
    assert "2.4.66" in problem.what
    assert too_old(httpd((2, 4, 66))) is None
    assert too_old(httpd((2, 5, 0))) is None


def test_missing_modules_name_their_package() -> None:
    """Each missing module once, with the package of this system, or of every one where it is not known."""
    fedora = system_of("ID=fedora")
    (problem,) = missing_modules(httpd((2, 4, 71), "mod_ssl"), ("mod_ssl", "mod_so", "mod_http2"), fedora)
    assert "mod_http2" in problem.what
    assert problem.fix == "RHEL/Fedora: sudo dnf install mod_http2"
    (problem,) = missing_modules(httpd(), ("mod_ssl",), None)
    assert len(problem.fix.splitlines()) == len(SYSTEMS)


def test_no_httpd_names_this_systems_command_first() -> None:
    """The own system leads; the others follow."""
    problem = httpd_missing(system_of("ID=alpine"), ["PATH"])
    assert problem.code == "httpd-missing"
    assert problem.fix.splitlines()[0] == (
        "on this system (Alpine): apk add apache2 apache2-ssl apache2-http2 apache2-proxy openssl"
    )
    assert "Debian/Ubuntu: sudo apt-get install apache2-bin openssl" in problem.fix
    assert len(problem.fix.splitlines()) == 5


def test_the_oldest_knows_every_word_that_is_generated() -> None:
    """SSLVHostSNIPolicy came to httpd last of all that every configuration has, with 2.4.66 (httpd's CHANGES)."""
    generated = list((Path(__file__).parents[2] / "golden").glob("*/httpd.conf"))
    assert generated
    assert all("\nSSLVHostSNIPolicy strict\n" in file.read_text() for file in generated)
    assert OLDEST >= (2, 4, 66)
