"""Publishes CRLs and OCSP answers. The store decides first; files are made from it and can be made again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import PurePath

from cryptography import x509

from gatewright.app.authority import (
    AuthorityState,
    PkiDeps,
    crl_file_name,
    issuer_of,
    sha256_of,
    write_if_different,
)
from gatewright.app.issuing import Order, issue
from gatewright.errors import Diagnostic, EnvironmentFault, Severity
from gatewright.model.gateway import Publication
from gatewright.model.pki import (
    CaGeneration,
    Crl,
    CrlState,
    Event,
    Filter,
    KeyKind,
    KeyState,
    ProfileName,
    RevokedSerial,
    Status,
)
from gatewright.pki import crl, ocsp
from gatewright.pki.keys import kind_of, public_key_of
from gatewright.pki.names import distinguished_name
from gatewright.ports.files import FileKind
from gatewright.ports.store import Transaction


@dataclass(frozen=True, slots=True)
class Published:
    """What is published now. ``bundle`` holds every CRL of the authority in PEM, the root's and older generations' included,

    because OpenSSL refuses a whole chain when one CRL of it is missing (error 3). ``warnings`` say what could not be renewed.
    """

    crls: tuple[Crl, ...]
    bundle: PurePath
    renewed: int
    warnings: tuple[Diagnostic, ...]


def publish(authority: AuthorityState, deps: PkiDeps, *, force: bool = False) -> Published:
    """Bring the published CRLs up to date: a new one where the list changed, or where the calendar wants it.

    Safe to run at any time and by several processes; killed anywhere, the next run finishes. A CA whose key is offline is served
    from its shelf of lists signed ahead. A key that cannot be used keeps nobody else's CRL from being renewed.
    """
    warnings: list[Diagnostic] = []
    renewed = 0
    generations = [g for g in (authority.root, *authority.issuing_generations) if g.not_after > deps.clock.now()]
    for generation in generations:
        before = _on_disk(_crl_path(generation, deps), deps)
        try:
            with deps.store.writing() as tx:
                renewed += _bring_up_to_date(tx, generation, deps.clock.now(), before, force=force, deps=deps)
        except EnvironmentFault as fault:
            warnings += (replace(d, severity=Severity.WARNING) for d in fault.diagnostics)
    bundle = deps.folder / Publication.CRL.folder / f"{authority.name}.pem"
    now = deps.clock.now()
    # In a transaction, so that of two processes the one with the older list cannot write its files last.
    with deps.store.writing() as tx:
        current = {g: listed[-1] for g in generations if (listed := tx.crls(g.id, CrlState.PUBLISHED))}
        for generation, published in current.items():
            write_if_different(deps.files, _crl_path(generation, deps), published.der, 0o644)
        write_if_different(deps.files, bundle, b"".join(crl.pem(c.der) for c in current.values()), 0o644)
    for generation in (authority.root, *authority.issuing_generations):
        if generation not in generations:
            deps.files.remove(_crl_path(generation, deps))  # nothing it signed is believed any more
    ended = [g for g in generations if g not in current or current[g].next_update <= now]
    warnings += (_overdue(g, current.get(g)) for g in ended)
    return Published(tuple(current.values()), bundle, renewed, tuple(warnings))


def sign_ahead(authority: AuthorityState, until: datetime, deps: PkiDeps) -> int:
    """Sign the root's CRLs up to ``until`` onto the shelf, before its key goes offline. Returns how many.

    Whatever was on the shelf is withdrawn first. Revoking an issuing CA later needs the key back, and withdraws these.
    """
    now, root = deps.clock.now(), authority.root
    issuer = issuer_of(root, deps)
    publish(authority, deps, force=True)
    with deps.store.writing() as tx:
        _withdraw_shelf(tx, root)
        published = tx.crls(root.id, CrlState.PUBLISHED)[-1]
        first = crl.Window(tx.highest_crl(root.id)[0], published.this_update, published.next_update)
        windows = crl.windows_ahead(crl.CALENDARS[root.role], first, until)
        lines = tx.revoked_serials(root.id, published.this_update, now)
        for window in windows:
            signed = Crl(
                root.id,
                window.number,
                window.this_update,
                window.next_update,
                crl.build(issuer, lines, window),
                CrlState.SHELF,
            )
            tx.add_crl(signed)
            tx.append([_event(root, signed, len(lines), now)], clock_is_right=deps.clock_is_right)
    return len(windows)


def _bring_up_to_date(
    tx: Transaction,
    generation: CaGeneration,
    now: datetime,
    before: tuple[int, datetime] | None,
    *,
    force: bool,
    deps: PkiDeps,
) -> int:
    """Make the CRL to publish now the published one; how many were newly signed or taken from the shelf."""
    listed = tx.crls(generation.id, CrlState.PUBLISHED)
    published = listed[-1] if listed else None
    since = now if published is None else published.this_update
    # RFC 5280 §3.3: an expired certificate stays listed until it was on one CRL issued after its end.
    lines = tx.revoked_serials(generation.id, since, now)
    if published is not None and not force and not _stale(published, generation, lines, before, now):
        return 0
    if generation.key_state is not KeyState.ONLINE:
        return _from_shelf(tx, generation, published, now)
    highest, last = tx.highest_crl(generation.id)
    if before is not None:
        # Restored from a backup, the store may not know what is published already.
        highest, last = max(highest, before[0]), max(before[1], last or before[1])
    window = crl.window(crl.CALENDARS[generation.role], now, highest, last)
    der = crl.build(issuer_of(generation, deps), lines, window)
    fresh = Crl(generation.id, window.number, window.this_update, window.next_update, der, CrlState.PUBLISHED)
    _withdraw_shelf(tx, generation)
    tx.set_crl_state(generation.id, [c.number for c in listed], CrlState.SUPERSEDED)
    tx.add_crl(fresh)
    tx.append([_event(generation, fresh, len(lines), now)], clock_is_right=deps.clock_is_right)
    return 1


def _stale(
    published: Crl,
    generation: CaGeneration,
    lines: Sequence[RevokedSerial],
    before: tuple[int, datetime] | None,
    now: datetime,
) -> bool:
    refresh = crl.CALENDARS[generation.role].refresh
    restored = before is not None and before[0] > published.number
    late = now >= published.this_update + refresh
    return restored or late or crl.content(published.der) != frozenset((line.serial, line.reason) for line in lines)


def _from_shelf(tx: Transaction, generation: CaGeneration, published: Crl | None, now: datetime) -> int:
    due = [c for c in tx.crls(generation.id, CrlState.SHELF) if c.this_update <= now]
    if not due:
        return 0
    if published is not None:
        tx.set_crl_state(generation.id, [published.number], CrlState.SUPERSEDED)
    tx.set_crl_state(generation.id, [c.number for c in due[:-1]], CrlState.WITHDRAWN)
    tx.set_crl_state(generation.id, [due[-1].number], CrlState.PUBLISHED)
    return 1


def _withdraw_shelf(tx: Transaction, generation: CaGeneration) -> None:
    shelf = [c.number for c in tx.crls(generation.id, CrlState.SHELF)]
    tx.set_crl_state(generation.id, shelf, CrlState.WITHDRAWN)


def _crl_path(generation: CaGeneration, deps: PkiDeps) -> PurePath:
    return (
        deps.folder / Publication.CRL.folder / crl_file_name(generation.authority, generation.role, generation.number)
    )


def _on_disk(path: PurePath, deps: PkiDeps) -> tuple[int, datetime] | None:
    if deps.files.kind(path) is not FileKind.FILE:
        return None
    try:
        return crl.number_and_time(deps.files.read(path))
    except ValueError:
        return None  # not one of ours; it is replaced


def _overdue(generation: CaGeneration, found: Crl | None) -> Diagnostic:
    state = "there is none" if found is None else f"the last one ended at {found.next_update:%Y-%m-%d %H:%M:%S} UTC"
    return Diagnostic(
        "crl-overdue",
        f"no current CRL of {generation.subject}: {state}",
        "whoever checks CRLs refuses every certificate below this CA (OpenSSL error 12)",
        f"bring its key back and publish: gatewright ca online {generation.authority} --in FILE --passphrase-file FILE",
        severity=Severity.WARNING,
    )


def _event(generation: CaGeneration, signed: Crl, lines: int, now: datetime) -> Event:
    body = {
        "issuer": sha256_of(generation).hex(),
        "number": signed.number,
        "this_update": signed.this_update.isoformat(),
        "next_update": signed.next_update.isoformat(),
        "entries": lines,
        "state": signed.state.value,
    }
    return Event("crl", now, body)


def delegated_responder(authority: AuthorityState, deps: PkiDeps) -> ocsp.Responder:
    """The responder of ``authority.issuing`` (RFC 6960 §4.2.2.2), with a certificate of its own that is renewed in its last third.

    Raises :class:`EnvironmentFault` where a new one is due and the CA's key is not there to sign it.
    """
    now = deps.clock.now()
    with deps.store.reading() as reader:
        found = reader.newest(Filter(authority=authority.name, profile=ProfileName.OCSP, issuer=authority.issuing.id))
    # A third of the profile's thirty days; beyond the CA's own end there is nothing to renew it to.
    slack = min(timedelta(days=10), authority.issuing.not_after - now - timedelta(seconds=1))
    good = found is not None and found.status is Status.VALID and found.not_after > now + slack
    if found is None or not good or found.key is None or not deps.keystore.holds(found.key):
        ca_kind = kind_of_ca(authority)
        ref, key = deps.keystore.create(ca_kind)
        name = distinguished_name(f"{authority.name[:48]} OCSP responder")
        order = Order(ProfileName.OCSP, name, (), key.public_key(), ref, requested_by="gatewright", why="OCSP")
        found = issue(authority, [order], deps)[0]
        return ocsp.Responder(x509.load_der_x509_certificate(found.der), key)
    return ocsp.Responder(x509.load_der_x509_certificate(found.der), deps.keystore.load(found.key))


def kind_of_ca(authority: AuthorityState) -> KeyKind:
    """The kind of key that the authority's issuing CA has."""
    return kind_of(public_key_of(authority.issuing_certificate)) or KeyKind.P256
