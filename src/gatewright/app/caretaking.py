"""The ``ca`` commands: what authorities there are, their keys offline and back, the next generation, their CRLs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import PurePath

from cryptography import x509

from gatewright.app.authority import (
    AuthorityState,
    bring_root_online,
    crl_file_name,
    find_authority,
    next_issuing_ca,
    refuse_short,
    take_root_offline,
)
from gatewright.app.office import Office, unknown_authority
from gatewright.app.ordering import secret_line, write_new
from gatewright.app.publishing import Published, publish, sign_ahead
from gatewright.errors import Diagnostic, UsageError
from gatewright.model.pki import CaGeneration, CaRole, CrlState, KeyKind, KeyState
from gatewright.pki.keys import from_pem, kind_of, public_key_of, spki_sha256
from gatewright.ports.files import FileKind
from gatewright.ports.keystore import KeyStore


@dataclass(frozen=True, slots=True)
class CrlTold:
    """The published CRL of one generation."""

    number: int
    this_update: datetime
    next_update: datetime
    ahead: int


@dataclass(frozen=True, slots=True)
class GenerationTold:
    """One generation of a CA as it is told. ``crl`` is ``None`` before the first is published."""

    generation: CaGeneration
    sha256: str
    key: str
    days_left: int
    crl: CrlTold | None

    @property
    def in_token(self) -> bool:
        """Whether the key stays in a PKCS #11 token."""
        return self.generation.key.startswith("pkcs11:")

    def as_dict(self) -> dict[str, object]:
        """The JSON form; times in ISO 8601, UTC."""
        g, crl = self.generation, self.crl
        return {
            "authority": g.authority,
            "role": g.role.value,
            "number": g.number,
            "active": g.active,
            "subject": g.subject,
            "key": self.key,
            "key_state": g.key_state.value,
            "key_in_token": self.in_token,
            "not_before": g.not_before.isoformat(),
            "not_after": g.not_after.isoformat(),
            "days_left": self.days_left,
            "sha256": self.sha256,
            "spki_sha256": g.spki_sha256.hex(),
            "crl_url": g.crl_url,
            "crl": None
            if crl is None
            else {
                "number": crl.number,
                "this_update": crl.this_update.isoformat(),
                "next_update": crl.next_update.isoformat(),
                "signed_ahead": crl.ahead,
            },
        }


def generations(office: Office, authority: str | None = None) -> tuple[GenerationTold, ...]:
    """Every generation of every authority, or of one. Reads only. Raises :class:`UsageError` for one that is not there."""
    now = office.deps.clock.now()
    with office.deps.store.reading() as reader:
        found = reader.generations(authority)
        told = []
        for g in sorted(found, key=lambda g: (g.authority, g.role is CaRole.ISSUING, g.number)):
            published = reader.crls(g.id, CrlState.PUBLISHED)
            ahead = len(reader.crls(g.id, CrlState.SHELF))
            crl = None
            if published:
                last = published[-1]
                crl = CrlTold(last.number, last.this_update, last.next_update, ahead)
            kind = kind_of(public_key_of(x509.load_der_x509_certificate(g.der)))
            told.append(
                GenerationTold(
                    g, hashlib.sha256(g.der).hexdigest(), str(kind or "other"), (g.not_after - now).days, crl
                )
            )
    if authority is not None and not told:
        raise unknown_authority(authority, office.authority_names())
    return tuple(told)


def take_offline(office: Office, name: str, out: PurePath, passphrase_file: PurePath) -> int:
    """Sign the root's CRLs ahead to the end of the issuing CA, export its key, remove it here. Returns how many CRLs were signed ahead."""
    deps = office.deps
    state = office.authority(name)
    passphrase = secret_line(deps.files, passphrase_file)
    if state.root.key.startswith("pkcs11:"):
        raise UsageError(
            Diagnostic(
                "root-key-in-token",
                f"the root key of {name!r} is in a token and cannot be exported",
                "a token that is put away is offline already",
                "take the token out, and put it back for the next issuing CA",
            )
        )
    if deps.files.kind(out) is not FileKind.MISSING and not _holds(office, out, passphrase, state):
        write_new(deps.files, out, b"", 0o600)  # says that it is there already
    if deps.files.kind(out.parent) is not FileKind.FOLDER:
        what = f"there is no folder {str(out.parent)!r}"
        raise UsageError(Diagnostic("no-such-folder", what, "", f"mkdir -p {out.parent}"))
    refuse_short(passphrase)  # before anything is signed
    ahead = 0
    if state.root.key_state is KeyState.ONLINE:
        ahead = sign_ahead(state, max(g.not_after for g in state.issuing_generations), deps)
    take_root_offline(name, out, passphrase, deps)
    return ahead


def bring_online(office: Office, name: str, source: PurePath, passphrase_file: PurePath) -> None:
    """Take the root key back from its exported file, which stays as it is."""
    state = office.authority(name)
    if state.root.key_state is KeyState.ONLINE:
        what = f"the root key of {name!r} is online already"
        raise UsageError(Diagnostic("root-already-online", what, "", "nothing is to be done"))
    passphrase = secret_line(office.deps.files, passphrase_file)
    if office.deps.files.kind(source) is not FileKind.FILE:
        what = f"there is no file {str(source)!r} to read"
        raise UsageError(Diagnostic("no-such-file", what, "", "give the file that 'gatewright ca offline' wrote"))
    bring_root_online(name, source, passphrase, office.deps)


def next_generation(
    office: Office, name: str, kind: KeyKind | None, keys: KeyStore | None = None
) -> tuple[AuthorityState, Published]:
    """A new issuing CA, with its key in ``keys`` if given; the CRLs of all of them are brought up to date."""
    state = office.authority(name)
    gateway = office.declared()
    host = gateway.hosts[0] if gateway is not None else _organization(state)
    algorithm = kind or kind_of(public_key_of(state.issuing_certificate)) or KeyKind.P256
    deps = office.deps if keys is None else replace(office.deps, keystore=keys)
    state = next_issuing_ca(name, host, algorithm, deps, crl_base=_crl_base(state))
    return state, publish(state, deps)


def publish_all(office: Office, out: PurePath | None) -> tuple[tuple[str, Published], ...]:
    """Bring every authority's CRLs up to date, and copy them into ``out`` for another web server to serve."""
    found = tuple((name, publish(find_authority(name, office.deps), office.deps)) for name in office.authority_names())
    if not found:
        raise unknown_authority("home", ())
    if out is not None:
        office.deps.files.make_folder(out, 0o755)
        for name, published in found:
            _copy(office, name, published, out)
    return found


def _copy(office: Office, name: str, published: Published, out: PurePath) -> None:
    with office.deps.store.reading() as reader:
        known = {g.id: g for g in reader.generations(name)}
    for crl in published.crls:
        g = known[crl.issuer]
        office.deps.files.write(out / crl_file_name(name, g.role, g.number), crl.der, 0o644)
    office.deps.files.write(out / published.bundle.name, office.deps.files.read(published.bundle), 0o644)


def _holds(office: Office, path: PurePath, passphrase: str, state: AuthorityState) -> bool:
    """Whether an interrupted export already wrote this very key."""
    try:
        return spki_sha256(from_pem(office.deps.files.read(path), passphrase)) == state.root.spki_sha256
    except (ValueError, TypeError):
        return False


def _crl_base(state: AuthorityState) -> str | None:
    url = state.issuing.crl_url
    return None if url is None else url.rpartition("/")[0]


def _organization(state: AuthorityState) -> str:
    values: Sequence[x509.NameAttribute[str | bytes]] = state.root_certificate.subject.get_attributes_for_oid(
        x509.NameOID.ORGANIZATION_NAME
    )
    return str(values[0].value) if values else state.name
