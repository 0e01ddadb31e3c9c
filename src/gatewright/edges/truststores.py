"""The stores of roots of this machine: files and a bundle made of them, NSS databases by certutil, Java's keystores by keytool.

Programs are given certificates only; the password of Java's store goes by the environment.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from gatewright.errors import Diagnostic, EnvironmentFault
from gatewright.plan.trusting import (
    JAVA_HOOK,
    STORE_PASSWORD,
    Place,
    RemoveFile,
    RunTool,
    Seen,
    Step,
    Store,
    WriteFile,
    system_store,
)

_TIMEOUT_S = 120
"""update-ca-certificates takes about a second, with Java's hook several."""
_WELL_KNOWN = "changeit"
"""The password of every JDK's cacerts (keytool(1)); it is public, and whoever sets another says so by the environment."""

# Where Chromium and Firefox keep their databases below the home folder, as installed from packages, snaps and flatpaks.
_NSS = (
    (".pki/nssdb", "Chromium and Chrome"),
    ("snap/chromium/current/.pki/nssdb", "Chromium (snap)"),
    (".mozilla/firefox/*", "Firefox"),
    ("snap/firefox/common/.mozilla/firefox/*", "Firefox (snap)"),
    (".var/app/org.mozilla.firefox/.mozilla/firefox/*", "Firefox (flatpak)"),
    ("Library/Application Support/Firefox/Profiles/*", "Firefox"),
)
_KEYSTORES = ("lib/security/cacerts", "jre/lib/security/cacerts")
_JVMS = ("/usr/lib/jvm", "/Library/Java/JavaVirtualMachines")
_PACKAGES = {
    "certutil": "apt-get install libnss3-tools (Debian, Ubuntu), dnf install nss-tools (Fedora, RHEL), apk add nss-tools (Alpine)",
    "keytool": "it is part of every JDK and JRE; set JAVA_HOME",
}
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\s*", re.DOTALL)
_FLAGS = re.compile(r"^(?P<name>.*\S)\s+(?P<flags>[a-zA-Z]*,[a-zA-Z]*,[a-zA-Z]*)\s*$")


class LocalTrustStores:
    """:class:`gatewright.ports.trust.TrustStores` of this machine. ``environment`` is where HOME, PATH and JAVA_HOME are taken from.

    ``release`` is the text of os-release(5), read from the system without.
    """

    def __init__(self, environment: Mapping[str, str] | None = None, release: str | None = None) -> None:
        self._environment = dict(os.environ if environment is None else environment)
        self._release = release

    def places(self, stores: Sequence[Store]) -> tuple[Place, ...]:
        """The system's first, because on some systems Java's follows from it."""
        found = {Store.SYSTEM: self._system, Store.NSS: self._nss, Store.JAVA: self._java}
        return tuple(place for store, find in found.items() if store in stores for place in find())

    def look(self, place: Place, wanted: str) -> tuple[Seen, ...]:
        """See :class:`gatewright.ports.trust.TrustStores`."""
        looks = {Store.SYSTEM: self._in_system, Store.NSS: self._in_nss, Store.JAVA: self._in_java}
        return tuple(seen for seen in looks[place.store](place) if seen.sha256 == wanted)

    def perform(self, step: Step) -> None:
        """See :class:`gatewright.ports.trust.TrustStores`."""
        match step:
            case WriteFile(path, content):
                with _told(path):
                    Path(path).parent.mkdir(parents=True, exist_ok=True)
                    Path(path).write_bytes(content)
                    Path(path).chmod(0o644)
            case RemoveFile(path):
                with _told(path):
                    Path(path).unlink(missing_ok=True)
            case RunTool(command):
                self._run(*command)

    def carries_into_java(self) -> bool:
        """Whether Debian's hook is there."""
        return os.access(JAVA_HOOK, os.X_OK)

    # --- the system's -------------------------------------------------------------------------------------------------

    def _system(self) -> Iterator[Place]:
        if platform.system() == "Darwin" and self._release is None:
            yield Place(Store.SYSTEM, "/Library/Keychains/System.keychain", "the system's keychain", manual=True)
            return
        known = system_store(_os_release() if self._release is None else self._release)
        if known is not None:
            yield Place(Store.SYSTEM, known.folder, "the system's store", known.bundle, known.refresh)

    def _in_system(self, place: Place) -> Iterator[Seen]:
        for file in sorted(Path(place.path).glob("*.crt")):
            with _told(str(file)):
                content = file.read_bytes()
            for sha256 in _hashes(content):
                yield Seen(file.stem, sha256, trusted=False)
        bundle = Path(place.bundle)
        with _told(place.bundle):
            content = bundle.read_bytes() if bundle.exists() else b""
        for sha256 in _hashes(content):
            yield Seen(place.bundle, sha256, trusted=True)

    # --- NSS ----------------------------------------------------------------------------------------------------------

    def _nss(self) -> Iterator[Place]:
        home = Path(self._environment.get("HOME", "/nonexistent"))
        for pattern, label in _NSS:
            for folder in sorted(home.glob(pattern)):
                if (folder / "cert9.db").is_file():
                    yield Place(Store.NSS, str(folder), f"{label}: {folder}")

    def _in_nss(self, place: Place) -> Iterator[Seen]:
        listed = self._run("certutil", "-L", "-d", f"sql:{place.path}").decode("utf-8", "replace")
        for line in listed.splitlines():
            entry = _FLAGS.match(line)
            if entry is None:
                continue
            found = self._run("certutil", "-L", "-d", f"sql:{place.path}", "-n", entry["name"], "-a")
            trusted = "C" in entry["flags"].split(",")[0]
            for sha256 in _hashes(found):
                yield Seen(entry["name"], sha256, trusted)

    # --- Java ---------------------------------------------------------------------------------------------------------

    def _java(self) -> Iterator[Place]:
        seen: set[Path] = set()
        for home in self._java_homes():
            for name in _KEYSTORES:
                store = home / name
                if store.is_file() and store.resolve() not in seen:
                    seen.add(store.resolve())
                    yield Place(Store.JAVA, str(store.resolve()), f"Java: {store}")

    def _java_homes(self) -> Iterator[Path]:
        if self._environment.get("JAVA_HOME"):
            yield Path(self._environment["JAVA_HOME"])
        program = shutil.which("java", path=self._environment.get("PATH"))
        if program is not None:
            yield Path(program).resolve().parent.parent
        for folder in map(Path, _JVMS):
            for home in sorted(folder.glob("*")):
                yield home
                yield home / "Contents" / "Home"

    def _in_java(self, place: Place) -> Iterator[Seen]:
        words = ("-J-Duser.language=en", "-list", "-rfc", "-keystore", place.path, "-storepass:env", STORE_PASSWORD)
        listed = self._run("keytool", *words)
        for part in re.split(rb"(?m)^(?=Alias name: )", listed):
            first, _, rest = part.partition(b"\n")
            alias = first.removeprefix(b"Alias name: ").decode("utf-8", "replace").strip()
            for sha256 in _hashes(rest):
                yield Seen(alias, sha256, trusted=True)

    # --- programs -----------------------------------------------------------------------------------------------------

    def _run(self, program: str, *words: str) -> bytes:
        """The output of a program. Raises :class:`EnvironmentFault` where it is missing or does not succeed."""
        path = self._program(program)
        environment = {STORE_PASSWORD: _WELL_KNOWN, **self._environment, "LC_ALL": "C.UTF-8"}
        try:
            done = subprocess.run(
                (path, *words), env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT_S, check=False
            )  # fmt: skip
        except subprocess.TimeoutExpired as late:
            raise _failed(program, words, f"did not end within {_TIMEOUT_S} s") from late
        except OSError as error:  # such as a program for another kind of machine
            raise _failed(program, words, f"{path} cannot be run: {error.strerror or error}") from error
        if done.returncode != 0:
            said = (done.stderr + done.stdout).decode("utf-8", "replace")
            lines = [line.strip() for line in said.splitlines() if line.strip()]
            raise _failed(program, words, lines[0] if lines else f"exit code {done.returncode}")
        return done.stdout

    def _program(self, program: str) -> str:
        path = self._environment.get("PATH", os.defpath)
        home = self._environment.get("JAVA_HOME")
        if program == "keytool" and home:
            path = f"{home}/bin{os.pathsep}{path}"
        # Programs that only root runs stand where ordinary users' PATH does not lead.
        found = shutil.which(program, path=f"{path}{os.pathsep}/usr/sbin{os.pathsep}/sbin")
        if found is None:
            raise EnvironmentFault(
                Diagnostic(
                    "trust-tool-missing",
                    f"{program} was not found",
                    "a store is looked at and changed by its own program only",
                    _PACKAGES.get(program, f"install what brings {program}"),
                )
            )
        return found


class _told:  # noqa: N801 - used as a statement
    """Turns what the operating system says about a path into a diagnostic."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Raise :class:`EnvironmentFault` for an ``OSError``."""
        if isinstance(error, OSError):
            fix = "run it as root" if isinstance(error, PermissionError) else f"look at it: ls -ld {self._path}"
            what = f"{self._path} cannot be used: {error.strerror}"
            raise EnvironmentFault(Diagnostic("trust-store-closed", what, "", fix)) from error


def _failed(program: str, words: Sequence[str], said: str) -> EnvironmentFault:
    return EnvironmentFault(
        Diagnostic(
            "trust-tool-failed",
            f"{program} {words[0] if words else ''} did not succeed: {said}".replace("  ", " "),
            "the store is as its program left it",
            "settle what it complains about (a database with a password is opened by its owner only), then run this again",
        )
    )


def _hashes(content: bytes) -> Iterator[str]:
    """SHA-256 of every certificate of a PEM text. They are not parsed: systems hold odd ones, and the hash is all that counts."""
    for pem in _PEM.findall(content):
        try:
            yield hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem.decode("ascii").strip())).hexdigest()
        except ValueError:
            continue


def _os_release() -> str:
    try:
        return Path("/etc/os-release").read_text("utf-8", "replace")
    except OSError:
        return ""
