"""Test identities of clients that are known by URI or key: they are enrolled for as long as a proof takes, then no more.

Every other test identity of such an authority is noted as looked at, so that each is told what it would be told in the end;
those that stand for certificates nobody has looked at yet are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath

from cryptography.hazmat.primitives.serialization import Encoding

from gatewright.app.enrolled import digest_of
from gatewright.model.enrolment import CANARY, ENTRY, KNOWN, enrolling_authorities
from gatewright.model.gateway import Gateway
from gatewright.model.values import Name
from gatewright.ports.files import FileKind, Files
from gatewright.prove.cases import Identity, Kind
from gatewright.prove.doors import ENROLLED
from gatewright.prove.minting import Credential


@dataclass(frozen=True, slots=True)
class Enrolment:
    """Where the instance under test looks: ``members`` of its generation, and ``contacts``."""

    members: PurePath
    contacts: PurePath


def enrol(
    files: Files, where: Enrolment, gateway: Gateway, credentials: Mapping[Identity, Credential], gid: int | None
) -> list[PurePath]:
    """Write what the identities need; every file that is to be taken back."""
    enrolling = set(enrolling_authorities(gateway))
    made: list[PurePath] = []
    for identity, credential in credentials.items():
        if identity.authority not in enrolling or identity.kind is Kind.NOT_ENROLLED:
            continue
        digest = digest_of(credential.certificate.public_bytes(Encoding.PEM))
        client = gateway.clients.get(Name(identity.client or ""))
        if client is not None and client.by_enrolment and identity.kind in ENROLLED:
            folder = where.members / (identity.client or "") / client.authority
            end = int(credential.certificate.not_valid_after_utc.timestamp())
            # The note first: with it, nobody takes the entry away meanwhile.
            made += [folder / f"{CANARY}{end}-{digest}", folder / f"{ENTRY}{digest}"]
        made.append(where.contacts / KNOWN / identity.authority / digest)
    for path in made:
        _folder(files, path.parent, where, gid)
        files.touch(path)
    return made


def _folder(files: Files, folder: PurePath, where: Enrolment, gid: int | None) -> None:
    top = where.contacts.parent
    for path in (*reversed(folder.parents), folder):
        if path.is_relative_to(top) and path != top and files.kind(path) is not FileKind.FOLDER:
            files.make_folder(path)
            if gid is not None:
                files.own(path, gid)
