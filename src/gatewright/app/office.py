"""What every PKI command starts from: the store, the gateway file if there is one, who asks; and finding what is meant."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from pathlib import PurePath

from gatewright.app.authority import AuthorityState, PkiDeps, declared_authority, find_authority
from gatewright.app.places import Places
from gatewright.app.showing import read_given
from gatewright.errors import Diagnostic, UsageError
from gatewright.model.gateway import Gateway
from gatewright.model.pki import CaRole, Certificate, Filter, ProfileName, Status
from gatewright.model.values import Name
from gatewright.pki import formats
from gatewright.ports.files import FileKind
from gatewright.ports.store import Reader

_SERIAL = re.compile(r"[0-9A-Fa-f]{16,40}\Z")  # ours have up to 40 digits; nothing shorter than 16 is drawn in practice
_PIECE = 200
_SHOWN = 5

CA_PROFILES = frozenset({ProfileName.ROOT, ProfileName.ISSUING})
"""Profiles of certificates that sign others; ``ca`` commands deal with them."""

Fits = Callable[[Certificate], bool]
"""Whether a certificate is one that the command could mean."""


@dataclass(frozen=True, slots=True)
class Office:
    """The outside of the PKI commands of one gateway.

    ``declared`` reads the gateway file when it is needed: ``None`` where there is none; it raises what is wrong with it.
    ``by`` is the account that asks, for the log.
    """

    deps: PkiDeps
    places: Places
    declared: Callable[[], Gateway | None]
    by: str

    def authority(self, name: str) -> AuthorityState:
        """The managed authority ``name``; made now if the gateway file declares it and it was never used."""
        gateway = self.declared()
        declared = gateway.authorities.get(Name(name)) if gateway is not None else None
        if gateway is not None and declared is not None:
            if not declared.managed:
                raise UsageError(
                    Diagnostic(
                        "authority-not-ours",
                        f"the authority {name!r} is a partner's: its key is not here",
                        "only its owner can issue and revoke its certificates",
                        f"ask the owner of {declared.anchors[0]}, or give the client an authority with 'managed: true'",
                    )
                )
            return declared_authority(Name(name), gateway, self.deps)
        known = self.authority_names()
        if name not in known:
            raise unknown_authority(name, known)
        return find_authority(name, self.deps)

    def current(self, certificate: Certificate) -> Certificate:
        """The same certificate as the store has it now."""
        with self.deps.store.reading() as reader:
            return reader.certificate(certificate.sha256) or certificate

    def authority_names(self) -> tuple[str, ...]:
        """Every managed authority in the store."""
        with self.deps.store.reading() as reader:
            return tuple(dict.fromkeys(g.authority for g in reader.generations(role=CaRole.ROOT)))


def unknown_authority(name: str, known: Iterable[str]) -> UsageError:
    """The error for an authority that is not there, with the nearest that is."""
    names = tuple(known)
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    fix = f"write {near[0]!r}" if near else f"one of: {', '.join(names)}" if names else "gatewright up makes the first"
    return UsageError(
        Diagnostic(
            "unknown-authority", f"there is no managed authority {name!r} here", "only those made here issue", fix
        )
    )


def find(office: Office, reference: str, fits: Fits, *, authority: str | None = None) -> tuple[Certificate, ...]:
    """Every issued certificate that ``reference`` can mean, newest last: a client's name, another name in it, its serial number, or its file.

    Of a name's certificates, only those that ``fits``; if none does, all of them, so that the caller can say why not. Raises :class:`UsageError` where there is none at all.
    """
    if "/" not in reference:
        with office.deps.store.reading() as reader:
            named = [c for c in _by_name(reader, reference) if authority in {None, c.authority}]
            if named:
                fitting = [c for c in named if fits(c)]
                return tuple(sorted(fitting or named, key=lambda c: c.id))
            serial = reference.replace(":", "")
            if _SERIAL.match(serial):
                return _by_serial(reader, serial, reference, authority)
    from_file = _by_file(office, reference)
    if from_file is not None:
        return (from_file,)
    raise _unknown(office, reference)


def the_one(found: tuple[Certificate, ...], reference: str, doing: str, *, otherwise: str = "") -> Certificate:
    """The only one there is. Raises :class:`UsageError` that lists them if there are several."""
    if len(found) == 1:
        return found[0]
    lines = [f"  {c.serial_hex}  {c.authority}, {c.profile}, ends {c.not_after:%Y-%m-%d}" for c in found[-_SHOWN:]]
    more = f"  and {len(found) - _SHOWN} older\n" if len(found) > _SHOWN else ""
    raise UsageError(
        Diagnostic(
            "ambiguous-name",
            f"{reference!r} stands for {len(found)} certificates, and it is not said which to {doing}",
            "\n".join(["they are", *lines]) + ("\n" + more.rstrip("\n") if more else ""),
            f"give the serial number instead of the name{otherwise}",
        )
    )


def is_current(now: datetime) -> Fits:
    """Leaf certificates that are neither revoked nor held nor past their end."""
    return lambda c: c.status is Status.VALID and c.not_after > now and c.profile not in CA_PROFILES


def _by_name(reader: Reader, name: str) -> Iterator[Certificate]:
    """Certificates of which one name is ``name`` exactly. They come first among those that begin so."""
    wanted, after = Filter(name=name), None
    while True:
        page = reader.page(wanted, _PIECE, after)
        exact = [c for c in page.certificates if name == c.client or any(value == name for _, value in c.names)]
        yield from exact
        after = page.following
        if after is None or len(exact) < len(page.certificates):
            return


def _by_serial(reader: Reader, serial: str, reference: str, authority: str | None) -> tuple[Certificate, ...]:
    found = reader.by_serial(int(serial, 16).to_bytes(20, "big"))
    kept = tuple(c for c in found if authority in {None, c.authority})
    if not kept:
        raise UsageError(
            Diagnostic(
                "unknown-serial",
                f"no certificate with the serial number {reference} was issued here",
                "a partner's own authority keeps its own list",
                "see which there are: gatewright cert list",
            )
        )
    return kept


def _by_file(office: Office, reference: str) -> Certificate | None:
    path = PurePath(reference)
    if "/" not in reference and office.deps.files.kind(path) is FileKind.MISSING:
        return None
    leaf = formats.certificates(read_given(office.deps.files, path), reference)[0]
    with office.deps.store.reading() as reader:
        found = reader.certificate(_sha256(leaf.der))
    if found is None:
        raise UsageError(
            Diagnostic(
                "not-issued-here",
                f"the certificate in {reference} was not issued here",
                "only certificates that this gateway's authorities issued are kept, renewed and revoked here",
                f"see who issued it: gatewright cert show {reference}; a partner's client is shut out by its name: "
                "gatewright client remove NAME --apply, or the whole partner: gatewright partner disable NAME --apply",
            )
        )
    return found


def _unknown(office: Office, reference: str) -> UsageError:
    known: dict[str, None] = {}
    gateway = office.declared()
    if gateway is not None:
        known = dict.fromkeys(gateway.clients)
    with office.deps.store.reading() as reader:
        page = reader.page(Filter(name=reference[:2]), _PIECE, None)
    for certificate in page.certificates:
        known |= dict.fromkeys([certificate.client or "", *(value for _, value in certificate.names)])
    known.pop("", None)
    if reference in known:
        what, fix = f"no certificate was issued for {reference!r} yet", f"gatewright cert issue {reference}"
    else:
        near = get_close_matches(reference, known, n=1, cutoff=0.6)
        what = f"{reference!r} is no name, serial number or file of a certificate issued here"
        fix = f"write {near[0]!r}" if near else "see which there are: gatewright cert list"
    return UsageError(Diagnostic("unknown-certificate", what, "", fix))


def _sha256(der: bytes) -> bytes:
    return hashlib.sha256(der).digest()
