"""Enrolled certificates on disk, and the entries by which httpd admits them.

``enrolled/AUTHORITY/SHA1.pem`` in the gateway's own folder is what is remembered; the entries that httpd looks for are made
from it, whenever a generation is written, the policy changes, or a certificate expires. Nothing is admitted for being on
disk: each is matched again with the policy at hand, exactly.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath

from cryptography import x509

from gatewright.app.places import Places
from gatewright.model.enrolment import CANARY, ENTRY, KNOWN, QUIET, clients_by_enrolment, enrolling_authorities
from gatewright.model.gateway import Client, Gateway
from gatewright.model.machine import Layout
from gatewright.model.values import Name
from gatewright.pki.matching import match
from gatewright.pki.reading import pem_certificate
from gatewright.ports.files import FileKind, Files


@dataclass(frozen=True, slots=True)
class Enrolled:
    """One enrolled certificate: SHA-1 of its PEM text (hex), and the certificate."""

    digest: str
    certificate: x509.Certificate


def enrolled_folder(places: Places, authority: str) -> PurePosixPath:
    """Where the enrolled certificates of ``authority`` stand."""
    return places.folder / "enrolled" / authority


def digest_of(pem: bytes) -> str:
    """The name that httpd computes: SHA-1 of the PEM text as mod_ssl writes it (64 columns, a line end at the end)."""
    return hashlib.sha1(pem, usedforsecurity=False).hexdigest()


def keep(files: Files, places: Places, authority: str, pem: bytes) -> str:
    """Remember the certificate; durable when this returns. Its digest."""
    folder = enrolled_folder(places, authority)
    files.make_folder(folder.parent, 0o700)
    files.make_folder(folder, 0o700)
    digest = digest_of(pem)
    files.write(folder / f"{digest}.pem", pem, 0o600)
    return digest


def enrolled(files: Files, places: Places, authority: str, now: datetime) -> tuple[Enrolled, ...]:
    """The enrolled certificates of ``authority`` that have not expired. What is not what its name says is left out."""
    return tuple(
        e for e, _ in _kept(files, places, authority) if e is not None and e.certificate.not_valid_after_utc >= now
    )


def clean_up(files: Files, places: Places, authority: str, now: datetime) -> int:
    """Remove the files of expired certificates, and what is no certificate; how many."""
    gone = [
        path
        for found, path in _kept(files, places, authority)
        if found is None or found.certificate.not_valid_after_utc < now
    ]
    for path in gone:
        files.remove(path)
    return len(gone)


def _kept(files: Files, places: Places, authority: str) -> Iterator[tuple[Enrolled | None, PurePosixPath]]:
    folder = enrolled_folder(places, authority)
    if files.kind(folder) is not FileKind.FOLDER:
        return
    for name in files.list(folder):
        path = folder / name
        if name.endswith(".pem"):
            pem, digest = files.read(path), name.removesuffix(".pem")
            try:
                certificate = pem_certificate(pem)
            except ValueError:
                yield None, path
            else:
                yield (Enrolled(digest, certificate) if digest_of(pem) == digest else None), path


def whose(clients: Mapping[Name, Client], certificate: x509.Certificate) -> tuple[Name, ...]:
    """Which of these clients the certificate is. It may be several: one by its URI, one by its key."""
    return tuple(name for name, client in clients.items() if match(client, certificate).matches)


def write_entries(
    files: Files, places: Places, layout: Layout, gateway: Gateway, now: datetime
) -> dict[str, frozenset[str]]:
    """Make the entries of a generation say what ``gateway`` and the enrolled certificates say: removals first.

    Returns the digests enrolled by authority. Entries of other kinds, and folders of other clients, are left alone.
    """
    wanted: dict[tuple[Name, Name], set[str]] = {}
    found: dict[str, frozenset[str]] = {}
    for authority in enrolling_authorities(gateway):
        clients = clients_by_enrolment(gateway, authority)
        wanted |= {(name, authority): set() for name in clients}
        matched = [(e.digest, whose(clients, e.certificate)) for e in enrolled(files, places, authority, now)]
        for digest, names in matched:
            for name in names:
                wanted[name, authority].add(f"{ENTRY}{digest}")
        found[authority] = frozenset(digest for digest, names in matched if names)
    present = {key: _entries(files, layout.members / key[0] / key[1], now) for key in wanted}
    for (name, authority), entries in wanted.items():
        for entry in sorted(present[name, authority] - entries):
            files.remove(layout.members / name / authority / entry)
    for (name, authority), entries in wanted.items():
        folder = layout.members / name / authority
        if entries - present[name, authority]:
            visible_folder(files, places, folder)
        for entry in sorted(entries - present[name, authority]):
            files.touch(folder / entry)
    return found


def admit(
    files: Files, places: Places, layout: Layout, *, clients: Sequence[Name], authority: str, digest: str
) -> None:
    """Make the entries of one certificate, effective with the next request."""
    for name in clients:
        folder = layout.members / name / authority
        visible_folder(files, places, folder)
        files.touch(folder / f"{ENTRY}{digest}")


def known_folder(places: Places, authority: str) -> PurePosixPath:
    """The folder of what was looked at already."""
    return places.contacts / KNOWN / authority


def quiet_folder(places: Places) -> PurePosixPath:
    """The folder of authorities whose contacts are not reported for now."""
    return places.contacts / QUIET


def visible_folder(files: Files, places: Places, folder: PurePosixPath) -> None:
    """A folder that httpd's children may look into, with every one above it up to what they see anyway."""
    parents = [
        p for p in (*reversed(folder.parents), folder) if p.is_relative_to(places.visible) and p != places.visible
    ]
    for path in parents:
        if files.kind(path) is not FileKind.FOLDER:
            files.make_folder(path)
            if places.run_as is not None:
                files.own(path, places.run_as.gid)


def _is_provers(entry: str, now: datetime) -> bool:
    """Whether this file says that an entry is the prover's, and has not ended."""
    end, _, digest = entry.removeprefix(CANARY).partition("-")
    return entry.startswith(CANARY) and bool(digest) and end.isdecimal() and int(end) >= now.timestamp()


def _entries(files: Files, folder: PurePosixPath, now: datetime) -> set[str]:
    """The entries of a folder but for the prover's, with the prover's old notes."""
    if files.kind(folder) is not FileKind.FOLDER:
        return set()
    names = set(files.list(folder))
    provers = {f"{ENTRY}{name.rpartition('-')[2]}" for name in names if _is_provers(name, now)}
    old = {name for name in names if name.startswith(CANARY) and not _is_provers(name, now)}
    return {name for name in names if name.startswith(ENTRY)} - provers | old
