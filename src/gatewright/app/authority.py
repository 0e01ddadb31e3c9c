"""Makes a managed authority once, finds it afterwards, and takes its root key offline and back."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePath
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gatewright.errors import Diagnostic, EnvironmentFault, UsageError
from gatewright.model.gateway import Gateway
from gatewright.model.pki import CaGeneration, CaRole, Event, KeyKind, KeyRef, KeyState, ProfileName
from gatewright.model.values import Name
from gatewright.pki import audit, build
from gatewright.pki.build import Issuer, NameConstraints
from gatewright.pki.confinement import confined_to
from gatewright.pki.keys import PrivateKey, PublicKey, encrypted_pem, from_pem, public_key_of, spki_sha256
from gatewright.pki.names import ca_name, rfc2253
from gatewright.pki.profiles import Profile
from gatewright.ports.clock import Clock
from gatewright.ports.files import FileKind, Files
from gatewright.ports.keystore import KeyStore, Randomness
from gatewright.ports.store import SerialTaken, Store, Transaction

DRAWS = 4
"""How often a serial number is drawn before the randomness is called broken: one double of 159 random bits is never seen."""


LEAST_PASSPHRASE = 12
"""Characters; random letters and digits of that length have 71 bits. Whoever finds the file can try without being seen."""


class Builder(Protocol):
    """Signs certificates: :mod:`gatewright.pki.build` itself, or :class:`gatewright.pki.lint.LintGate` in front of it."""

    def root(
        self, key: PrivateKey, name: x509.Name, serial: int, now: datetime, constraints: NameConstraints | None = None
    ) -> x509.Certificate:
        """See :func:`gatewright.pki.build.root`."""
        ...

    def issuing_ca(
        self,
        issuer: Issuer,
        public_key: PublicKey,
        *,
        name: x509.Name,
        serial: int,
        now: datetime,
        constraints: NameConstraints | None = None,
    ) -> x509.Certificate:
        """See :func:`gatewright.pki.build.issuing_ca`."""
        ...

    def leaf(
        self,
        issuer: Issuer,
        profile: Profile,
        public_key: PublicKey,
        *,
        name: x509.Name,
        alternative_names: Sequence[x509.GeneralName],
        serial: int,
        now: datetime,
        lifetime: timedelta | None = None,
    ) -> x509.Certificate:
        """See :func:`gatewright.pki.build.leaf`."""
        ...


@dataclass(frozen=True, slots=True)
class PkiDeps:
    """What the PKI's use cases need of the outside. ``folder`` is the gateway's folder.

    ``builder`` signs; with a lint gate in its place nothing is signed that has not been linted. ``clock_is_right`` accepts, once, a time before the log's last entry (after a clock that was ahead was corrected).
    """

    store: Store
    keystore: KeyStore
    files: Files
    clock: Clock
    randomness: Randomness
    folder: PurePath
    clock_is_right: bool = False
    builder: Builder = build


@dataclass(frozen=True, slots=True)
class AuthorityState:
    """A managed authority as it stands. ``issuing_generations`` holds every one, oldest first; ``issuing`` is the active one.

    ``root_path`` and ``issuing_path`` are PEM files for people and programs; they are made again when missing.
    """

    name: str
    root: CaGeneration
    issuing: CaGeneration
    issuing_generations: tuple[CaGeneration, ...]
    root_certificate: x509.Certificate
    issuing_certificate: x509.Certificate
    root_path: PurePath
    issuing_path: PurePath


def ensure_authority(
    name: str,
    gateway_host: str,
    algorithm: KeyKind | str,
    deps: PkiDeps,
    *,
    constraints: NameConstraints | None = None,
    crl_base: str | None = None,
) -> AuthorityState:
    """The authority ``name``: root and issuing CA are made the first time, found ever after.

    ``constraints`` limit the names that the root and every issuing CA below it may vouch for. ``crl_base`` is the URL under which CRLs are published (``http://gateway/crl``), if they are. Two processes may do this at once: both get the same
    authority. Killed anywhere, it leaves at most a key file that nothing refers to.
    """
    kind = KeyKind(str(algorithm))
    found = _active(deps, name)
    if found is None:
        plan = _Plan(gateway_host, kind, crl_base, constraints)
        with deps.store.writing() as tx:
            root, issuing = _current(tx.generations(name))
            if root is None:
                root = _make_root(tx, name, plan, deps)
            if issuing is None:
                _make_issuing(tx, root, 1, plan, deps)
    state = find_authority(name, deps)
    if constraints is not None:
        _same_constraints(state, constraints)
    return state


def declared_authority(name: Name, gateway: Gateway, deps: PkiDeps) -> AuthorityState:
    """The managed authority ``name`` as the gateway file has it; see :func:`ensure_authority`.

    Raises :class:`UsageError` where it was made for other names than the file says now.
    """
    declared = gateway.authorities[name]
    constraints = confined_to(declared.permitted)
    return ensure_authority(
        name, gateway.hosts[0], declared.key_algorithm, deps, constraints=constraints, crl_base=declared.crl_url
    )


def _same_constraints(state: AuthorityState, constraints: NameConstraints) -> None:
    """Refuse to go on with an authority of which somebody believes that it can vouch for less, or more, than it can."""
    found = build.constraints_of(state.root_certificate) or NameConstraints()
    if _as_sets(found) == _as_sets(constraints):
        return
    said = ", ".join(sorted(str(n.value) for n in found.permitted)) or "every name"
    raise UsageError(
        Diagnostic(
            "authority-has-other-names",
            f"the authority {state.name!r} was made for {said}, and 'names' says something else",
            "what an authority can vouch for stands in its root and is decided when that is made; whoever trusts it relies on it",
            f"write its 'names' as they were, or none; or declare another managed authority with these names beside {state.name!r}",
        )
    )


def _as_sets(constraints: NameConstraints) -> tuple[frozenset[x509.GeneralName], frozenset[x509.GeneralName]]:
    return frozenset(constraints.permitted), frozenset(constraints.excluded)


def find_authority(name: str, deps: PkiDeps) -> AuthorityState:
    """The authority ``name``, which must exist. Its PEM files are written where they are missing or differ."""
    found = _active(deps, name)
    if found is None:
        raise UsageError(
            Diagnostic(
                "unknown-authority",
                f"there is no managed authority {name!r} in this gateway's folder",
                "only an authority made here can issue",
                "declare it in gateway.yaml with 'managed: true' and run: gatewright up",
            )
        )
    root, issuing, everyone = found
    folder = deps.folder / "certs" / "ca"
    state = AuthorityState(
        name,
        root,
        issuing,
        everyone,
        x509.load_der_x509_certificate(root.der),
        x509.load_der_x509_certificate(issuing.der),
        folder / f"{name}-root.pem",
        folder / f"{name}-issuing.pem",
    )
    write_if_different(deps.files, state.root_path, build.pem(state.root_certificate), 0o644)
    write_if_different(deps.files, state.issuing_path, build.pem(state.issuing_certificate), 0o644)
    for generation in everyone:
        # What a retired one issued is good to its end, and whoever judges that needs the retired one's certificate.
        if not generation.active:
            content = build.pem(x509.load_der_x509_certificate(generation.der))
            write_if_different(deps.files, folder / f"{name}-issuing-{generation.number}.pem", content, 0o644)
    return state


def change_crl_base(authority: AuthorityState, crl_base: str | None, deps: PkiDeps) -> AuthorityState:
    """From now on, what the authority issues names ``crl_base`` as the place of its CRLs, or none. Logged.

    What was issued before keeps what it says, the issuing CA's own certificate too: the next issuing CA names the new place.
    """
    changed = [
        (generation, url)
        for generation in (authority.root, *authority.issuing_generations)
        if (url := _crl_url(crl_base, generation.authority, generation.role, generation.number)) != generation.crl_url
    ]
    if not changed:
        return authority
    now = deps.clock.now()
    with deps.store.writing() as tx:
        for generation, url in changed:
            tx.set_crl_url(generation.id, url)
        events = [Event("crl-url", now, {"issuer": sha256_of(g).hex(), "url": url}) for g, url in changed]
        tx.append(events, clock_is_right=deps.clock_is_right)
    return find_authority(authority.name, deps)


def next_issuing_ca(
    name: str, gateway_host: str, algorithm: KeyKind | str, deps: PkiDeps, *, crl_base: str | None = None
) -> AuthorityState:
    """A new generation of the issuing CA, which issues from now on; the older ones keep signing their CRLs.

    Needs the root key: raises :class:`EnvironmentFault` while that is offline.
    """
    with deps.store.writing() as tx:
        root, _ = _current(tx.generations(name))
        if root is None:
            raise UsageError(
                Diagnostic("unknown-authority", f"there is no managed authority {name!r}", "", "gatewright ca list")
            )
        earlier = tx.generations(name, CaRole.ISSUING)
        for generation in earlier:
            tx.change_generation(generation.id, active=False)
        number = max((g.number for g in earlier), default=0) + 1
        _make_issuing(tx, root, number, _Plan(gateway_host, KeyKind(str(algorithm)), crl_base), deps)
    return find_authority(name, deps)


def issuer_of(generation: CaGeneration, deps: PkiDeps) -> Issuer:
    """``generation`` ready to sign. Raises :class:`EnvironmentFault` while its key is offline."""
    if generation.key_state is not KeyState.ONLINE:
        raise EnvironmentFault(
            Diagnostic(
                "key-offline",
                f"the key of {generation.subject} is offline",
                "it is needed to sign this",
                f"bring it back for as long as needed: gatewright ca online {generation.authority} --in FILE --passphrase-file FILE",
            )
        )
    certificate = x509.load_der_x509_certificate(generation.der)
    return Issuer(certificate, deps.keystore.load(generation.key), generation.crl_url)


def refuse_short(passphrase: str) -> None:
    """Raises :class:`UsageError` for a passphrase of less than :data:`LEAST_PASSPHRASE` characters."""
    if len(passphrase) < LEAST_PASSPHRASE:
        raise UsageError(
            Diagnostic(
                "passphrase-too-short",
                f"a passphrase for the root key needs at least {LEAST_PASSPHRASE} characters",
                "the exported file is all that stands between its finder and every certificate of this authority",
                "choose a longer one, for example: openssl rand -base64 24 > passphrase; chmod 600 passphrase",
            )
        )


def take_root_offline(name: str, target: PurePath, passphrase: str, deps: PkiDeps) -> None:
    """Export the root key to ``target`` under ``passphrase``, read it back, and only then remove it here.

    Killed between, the key is in both places, and repeating the command finishes the work.
    """
    refuse_short(passphrase)
    root = find_authority(name, deps).root
    if root.key_state is not KeyState.ONLINE and not deps.keystore.holds(root.key):
        what = f"the root key of {name!r} is offline already"
        raise UsageError(Diagnostic("root-already-offline", what, "", "see where each key is: gatewright ca list"))
    key = deps.keystore.load(root.key)
    exported = encrypted_pem(key, passphrase)
    deps.files.write(target, exported, 0o600)
    _same_key(from_pem(deps.files.read(target), passphrase), root)
    now = deps.clock.now()
    with deps.store.writing() as tx:
        tx.change_generation(root.id, key_state=KeyState.OFFLINE)
        tx.append([_key_event("root-offline", root, now)], clock_is_right=deps.clock_is_right)
    deps.keystore.remove(root.key)


def bring_root_online(name: str, source: PurePath, passphrase: str, deps: PkiDeps) -> None:
    """Take the root key back from ``source``; the file stays as it is."""
    root = find_authority(name, deps).root
    try:
        key = from_pem(deps.files.read(source), passphrase)
    except (ValueError, TypeError) as problem:
        raise UsageError(
            Diagnostic(
                "root-key-unreadable",
                f"{source} is not a private key under this passphrase",
                str(problem),
                "check the passphrase, and that this is the file that 'gatewright ca offline' wrote",
            )
        ) from problem
    _same_key(key, root)
    ref = deps.keystore.keep(key)
    with deps.store.writing() as tx:
        tx.change_generation(root.id, key=ref, key_state=KeyState.ONLINE)
        tx.append([_key_event("root-online", root, deps.clock.now())], clock_is_right=deps.clock_is_right)


def write_if_different(files: Files, path: PurePath, content: bytes, mode: int) -> None:
    """Write ``content`` unless it is there already, so that running twice changes no time stamp."""
    if files.kind(path) is FileKind.FILE and files.read(path) == content:
        return
    files.make_folder(path.parent)
    files.write(path, content, mode)


def _active(deps: PkiDeps, name: str) -> tuple[CaGeneration, CaGeneration, tuple[CaGeneration, ...]] | None:
    with deps.store.reading() as reader:
        generations = reader.generations(name)
    root, issuing = _current(generations)
    if root is None or issuing is None:
        return None
    return root, issuing, tuple(g for g in generations if g.role is CaRole.ISSUING)


def _current(generations: Sequence[CaGeneration]) -> tuple[CaGeneration | None, CaGeneration | None]:
    def active(role: CaRole) -> CaGeneration | None:
        return next((g for g in reversed(generations) if g.role is role and g.active), None)

    return active(CaRole.ROOT), active(CaRole.ISSUING)


@dataclass(frozen=True, slots=True)
class _Plan:
    """How new CA generations are to look."""

    host: str
    kind: KeyKind
    crl_base: str | None = None
    constraints: NameConstraints | None = None


def _make_root(
    tx: Transaction,
    name: str,
    plan: _Plan,
    deps: PkiDeps,
) -> CaGeneration:
    ref, key = deps.keystore.create(plan.kind)
    now = deps.clock.now()
    subject = ca_name(name, "root", 1, spki_sha256(key), host=plan.host)
    certificate = deps.builder.root(key, subject, deps.randomness.serial(), now, plan.constraints)
    stored = tx.add_generation(
        _generation(certificate, ref, name, CaRole.ROOT, number=1, parent=None, crl_base=plan.crl_base)
    )
    _record(tx, certificate, stored, stored, now=now, deps=deps)
    return stored


def _make_issuing(
    tx: Transaction,
    root: CaGeneration,
    number: int,
    plan: _Plan,
    deps: PkiDeps,
) -> CaGeneration:
    issuer = issuer_of(root, deps)
    ref, key = deps.keystore.create(plan.kind)
    now = deps.clock.now()
    subject = ca_name(root.authority, "issuing", number, spki_sha256(key), host=plan.host)
    # The gateway trusts the issuing CA by itself, so the root's name constraints bind there only if they are repeated.
    certificate = deps.builder.issuing_ca(
        issuer,
        key.public_key(),
        name=subject,
        serial=_fresh_serial(tx, root, deps),
        now=now,
        constraints=build.constraints_of(issuer.certificate),
    )
    stored = tx.add_generation(
        _generation(
            certificate, ref, root.authority, CaRole.ISSUING, number=number, parent=root.id, crl_base=plan.crl_base
        )
    )
    _record(tx, certificate, stored, root, now=now, deps=deps)
    return stored


def _fresh_serial(tx: Transaction, issuer: CaGeneration, deps: PkiDeps) -> int:
    for _ in range(DRAWS):
        serial = deps.randomness.serial()
        if not tx.by_serial(serial.to_bytes(20, "big"), issuer.id):
            return serial
    raise broken_randomness()


def broken_randomness() -> EnvironmentFault:
    """Serial numbers repeat, so nothing that rests on randomness can be trusted on this machine."""
    return EnvironmentFault(
        Diagnostic(
            "randomness-repeats",
            f"{DRAWS} random serial numbers in a row were in use already",
            "with broken randomness, keys can be guessed too; nothing was issued",
            "do not issue anything on this machine before its random number source is understood",
        )
    )


def crl_file_name(authority: str, role: CaRole, number: int) -> str:
    """The name under which the CRL of one generation is published: ``home-issuing-1.crl``."""
    return f"{authority}-{role}-{number}.crl"


def _generation(
    certificate: x509.Certificate,
    key: KeyRef,
    name: str,
    role: CaRole,
    *,
    number: int,
    parent: int | None,
    crl_base: str | None,
) -> CaGeneration:
    return CaGeneration(
        id=0,
        authority=name,
        role=role,
        number=number,
        parent=parent,
        key=key,
        key_state=KeyState.ONLINE,
        der=certificate.public_bytes(Encoding.DER),
        subject=rfc2253(certificate.subject),
        spki_sha256=spki_sha256(public_key_of(certificate)),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        crl_url=_crl_url(crl_base, name, role, number),
    )


def _crl_url(base: str | None, name: str, role: CaRole, number: int) -> str | None:
    return None if base is None else f"{base.rstrip('/')}/{crl_file_name(name, role, number)}"


def _record(
    tx: Transaction,
    certificate: x509.Certificate,
    subject: CaGeneration,
    issuer: CaGeneration,
    *,
    now: datetime,
    deps: PkiDeps,
) -> None:
    profile = ProfileName(subject.role.value)
    row = build.record(certificate, issuer.id, profile, subject.authority, key=subject.key, requested_by="gatewright")
    try:
        tx.add_certificates([row])
    except SerialTaken as problem:
        raise broken_randomness() from problem
    tx.append([audit.issued(row, sha256_of(issuer), now)], clock_is_right=deps.clock_is_right)


def sha256_of(generation: CaGeneration) -> bytes:
    """The hash of a CA's certificate, which names it in the log whatever the store's numbering."""
    return hashlib.sha256(generation.der).digest()


def _same_key(key: PrivateKey, root: CaGeneration) -> None:
    if spki_sha256(key) != root.spki_sha256:
        raise UsageError(
            Diagnostic(
                "root-key-of-another",
                f"this key does not belong to {root.subject}",
                "what it signs would not chain to this authority's root",
                "use the file that was exported from this gateway's folder",
            )
        )


def _key_event(kind: str, root: CaGeneration, now: datetime) -> Event:
    return Event(kind, now, {"authority": root.authority, "issuer": sha256_of(root).hex()})
