"""Trusting a gateway's root on this machine: what a store is, what a change of it does, and how it is undone. Values only.

A root is known by its SHA-256; what is put into a store carries a name made from that, so that nothing of anybody else's can be
meant. What cannot be run from here (macOS) is told as commands.
"""

from __future__ import annotations

import enum
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gatewright.model.os_release import system_ids


class Store(enum.StrEnum):
    """Kinds of stores, as they are named on the command line."""

    SYSTEM = "system"
    NSS = "nss"
    JAVA = "java"


@dataclass(frozen=True, slots=True)
class SystemStore:
    """How one family of systems keeps additional roots.

    ``ids`` are ``ID`` and ``ID_LIKE`` words of os-release(5); ``folder`` takes PEM files; ``refresh`` makes ``bundle`` of them, which
    programs read.
    """

    ids: frozenset[str]
    folder: str
    refresh: tuple[str, ...]
    bundle: str


SYSTEMS = (
    # update-ca-certificates(8): only files named *.crt count.
    SystemStore(
        frozenset({"debian", "ubuntu", "alpine"}),
        "/usr/local/share/ca-certificates",
        ("update-ca-certificates",),
        "/etc/ssl/certs/ca-certificates.crt",
    ),
    # update-ca-trust(8).
    SystemStore(
        frozenset({"rhel", "fedora", "centos"}),
        "/etc/pki/ca-trust/source/anchors",
        ("update-ca-trust", "extract"),
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    ),
)

JAVA_HOOK = "/etc/ca-certificates/update.d/jks-keystore"
"""Where Debian's ca-certificates-java carries every root of the system's store into Java's."""

STORE_PASSWORD = "GATEWRIGHT_JAVA_STOREPASS"  # noqa: S105 - the name of an environment variable
"""The environment variable with the password of Java's store; without it the JDK's well-known one, which guards nothing."""


@dataclass(frozen=True, slots=True)
class Root:
    """The root to trust: its certificate's SHA-256 (hex), its file, its subject, and the names it is confined to, if it is."""

    sha256: str
    path: str
    pem: bytes
    subject: str
    names: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """One store. ``path`` is the folder of files, the folder of the NSS database, or the keystore; ``label`` is for readers.

    ``bundle`` and ``refresh`` are those of :class:`SystemStore`. Where ``manual``, only its owner can look and change.
    """

    store: Store
    path: str
    label: str
    bundle: str = ""
    refresh: tuple[str, ...] = ()
    manual: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """A certificate found in a store, by the store's own name for it, and whether it is trusted there for servers."""

    name: str
    sha256: str
    trusted: bool


class Standing(enum.StrEnum):
    """How a root stands in a store. The values are part of the JSON output."""

    TRUSTED = "trusted"
    PRESENT = "present, but not trusted"
    ABSENT = "not trusted"
    UNKNOWN = "cannot be looked at from here"


@dataclass(frozen=True, slots=True)
class WriteFile:
    """A new file, readable by everybody."""

    path: str
    content: bytes

    def __str__(self) -> str:
        """As a reader is told."""
        return f"write {self.path}"


@dataclass(frozen=True, slots=True)
class RemoveFile:
    """A file of ours, gone."""

    path: str

    def __str__(self) -> str:
        """As a reader is told."""
        return f"remove {self.path}"


@dataclass(frozen=True, slots=True)
class RunTool:
    """A program with its arguments. No secret stands in them."""

    command: tuple[str, ...]

    def __str__(self) -> str:
        """As it could be typed."""
        return f"run {shlex.join(self.command)}"


Step = WriteFile | RemoveFile | RunTool


def entry_name(sha256: str) -> str:
    """The name of a root in whichever store: 80 bits of its hash, so that two roots never share one."""
    return f"gatewright-{sha256[:20]}"


def standing(place: Place, seen: Iterable[Seen], sha256: str) -> Standing:
    """How the root stands, by what was seen."""
    if place.manual:
        return Standing.UNKNOWN
    found = [entry for entry in seen if entry.sha256 == sha256]
    if any(entry.trusted for entry in found):
        return Standing.TRUSTED
    return Standing.PRESENT if found else Standing.ABSENT


def install(place: Place, root: Root) -> tuple[Step, ...]:
    """What puts ``root`` into ``place``, in order."""
    name = entry_name(root.sha256)
    if place.store is Store.NSS:
        # "C": trusted to issue certificates of servers, for nothing else (certutil(1), -t).
        return (RunTool(("certutil", "-A", "-d", f"sql:{place.path}", "-n", name, "-t", "C,,", "-i", root.path)),)
    if place.store is Store.JAVA:
        words = ("-importcert", "-noprompt", "-trustcacerts", "-alias", name, "-file", root.path)
        return (RunTool(("keytool", *words, *_keystore(place))),)
    if place.manual:
        keychain = "/Library/Keychains/System.keychain"
        return (RunTool(("sudo", "security", "add-trusted-cert", "-d", "-r", "trustRoot", "-k", keychain, root.path)),)
    return (WriteFile(f"{place.path}/{name}.crt", root.pem), RunTool(place.refresh))


def undo(place: Place, sha256: str) -> tuple[Step, ...]:
    """What takes out again that :func:`install` put in, and nothing else."""
    name = entry_name(sha256)
    if place.store is Store.NSS:
        return (RunTool(("certutil", "-D", "-d", f"sql:{place.path}", "-n", name)),)
    if place.store is Store.JAVA:
        return (RunTool(("keytool", "-delete", "-alias", name, *_keystore(place))),)
    if place.manual:
        return (RunTool(("sudo", "security", "delete-certificate", "-Z", sha256.upper(), "-t")),)
    return (RemoveFile(f"{place.path}/{name}.crt"), RunTool(place.refresh))


def holds_ours(seen: Iterable[Seen], sha256: str) -> bool:
    """Whether what was seen in a store is the very entry that :func:`install` made: the root under our name for it.

    In the system's store the name that is seen is the file's.
    """
    return any(entry.sha256 == sha256 and entry.name == entry_name(sha256) for entry in seen)


def system_store(os_release: str) -> SystemStore | None:
    """From the text of /etc/os-release: how this system keeps roots, or ``None`` where that is not known."""
    return next((system for word in system_ids(os_release) for system in SYSTEMS if word in system.ids), None)


def dangers(root: Root, places: Sequence[Place], *, java_hook: bool) -> tuple[str, ...]:
    """What whoever says yes should know first. ``java_hook``: the system's store is carried into Java's."""
    found = []
    if root.names is None:
        found.append(
            "This root may vouch for EVERY name: whoever gets its key, or an issuing CA's, can pose as any website to this "
            "machine. 'names' of a managed authority confines it from the start."
        )
    in_java = any(place.store is Store.JAVA for place in places)
    if java_hook and any(place.store is Store.SYSTEM for place in places):
        found.append("This system carries the roots of its store into Java's.")
        in_java = True
    if in_java and root.names is not None:
        found.append(
            "Java holds issuing CAs to their names, but not the root itself (measured on 17): keep the root's key offline "
            "('gatewright ca offline')."
        )
    return tuple(found)


def _keystore(place: Place) -> tuple[str, ...]:
    return ("-keystore", place.path, "-storepass:env", STORE_PASSWORD)
