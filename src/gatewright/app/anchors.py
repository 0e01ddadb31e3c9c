"""The issuing CAs that a generation was made to trust, as certificates. The gateway's folder may hold others of the same names by now."""

from __future__ import annotations

from pathlib import PurePath

from cryptography import x509

from gatewright.app.authority import PkiDeps, find_authority
from gatewright.app.generations import read_manifest
from gatewright.app.places import Places
from gatewright.app.preparing import fingerprint, trusted_certificates
from gatewright.model.gateway import Gateway
from gatewright.pki.reading import pem_certificate
from gatewright.ports.files import FileKind, Files
from gatewright.prove.cases import issuer_key


def anchors_of(places: Places, gateway: Gateway, number: int, pki: PkiDeps) -> dict[str, x509.Certificate]:
    """By :func:`~gatewright.prove.cases.issuer_key`, what generation ``number`` trusts, and what disabled partners have in the folder.

    A partner's CA is known by the hash that the manifest has of it, and comes from the folder; where that holds another one that is
    not applied yet, or none any more, it comes from the generation itself. In this order, because the generation is what is judged:
    one that lost a CA must not hide that. What neither has is left out. Raises :class:`~gatewright.errors.UsageError` for an
    authority of ours that was never made.
    """
    layout = places.layout(number)
    manifest = read_manifest(pki.files, layout) if number else None
    stored = trusted_certificates(pki.files, layout, gateway) if manifest is not None else {}
    found: dict[str, x509.Certificate] = {}
    for name, authority in gateway.every_authority.items():
        if authority.managed:
            if name in gateway.authorities:  # of one that is shut out, perhaps nothing was ever made
                found[str(name)] = find_authority(name, pki).issuing_certificate
            continue
        known = manifest.anchors.get(name, ()) if manifest is not None else ()
        for generation, path in enumerate(authority.anchors):
            wanted = known[generation][0] if generation < len(known) else None
            there = first_certificate(pki.files, places.folder / path)
            if there is not None and wanted in {None, fingerprint(there)}:
                found[issuer_key(name, generation)] = there
            elif wanted in stored:
                found[issuer_key(name, generation)] = stored[wanted]
    return found


def first_certificate(files: Files, path: PurePath) -> x509.Certificate | None:
    """The first certificate in a file, ``None`` where there is none that can be read."""
    if files.kind(path) is not FileKind.FILE:
        return None
    try:
        return pem_certificate(files.read(path))
    except ValueError:
        return None
