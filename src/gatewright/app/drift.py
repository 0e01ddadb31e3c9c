"""What is no longer as it was applied: the gateway file, a generation's files, the certificate, what httpd runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gatewright.app.anchors import first_certificate
from gatewright.app.generations import (
    POLICY,
    Manifest,
    apply_lock,
    changed_by_hand,
    current_number,
    differences,
    pending_number,
    read_manifest,
    stored_policy,
)
from gatewright.app.in_place import before_change
from gatewright.app.members import Members, stored_members
from gatewright.app.places import Places
from gatewright.app.policy import applied_gateway
from gatewright.app.preparing import fingerprint
from gatewright.app.running import is_held, read_record
from gatewright.errors import Diagnostic, EnvironmentFault, Severity, UsageError
from gatewright.model.gateway import Gateway
from gatewright.model.virtual_hosts import in_force
from gatewright.ports.files import FileKind, Files
from gatewright.ports.proof import Peek
from gatewright.source import decode_text, load

_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Drift:
    """The use case over its ports. Writes nothing."""

    places: Places
    files: Files
    peek: Peek

    def __call__(self) -> tuple[Diagnostic, ...]:
        """Every difference found, the gravest first. Nothing where nothing was applied yet."""
        if self._under_way():
            return ()
        return tuple(sorted(self._found(), key=lambda problem: problem.severity is not Severity.ERROR))

    def not_applied(self) -> Diagnostic | None:
        """That the gateway file says something else than what is in force."""
        number = current_number(self.files, self.places)
        stored = stored_policy(self.files, self.places.layout(number)) if number else None
        path = self.places.gateway_file
        if stored is None or self.files.kind(path) is not FileKind.FILE:
            return None
        text = self.files.read(path)
        if text == stored:
            return None
        what = f"gateway.yaml was changed since generation {number} was made from it: not applied yet"
        try:
            declared = load(decode_text(text, str(path)), str(path)).gateway
            if in_force(declared) == applied_gateway(self.files, self.places):
                return None  # a comment, or another way to write the same
        except UsageError as error:
            first = error.diagnostics[0]
            return Diagnostic(
                "not-applied",
                f"{what}, and it cannot be: {first.what}",
                "the gateway goes on with what was applied last",
                "gatewright check says what to correct",
                first.where,
                severity=Severity.WARNING,
            )
        return Diagnostic(
            "not-applied",
            what,
            "the gateway goes on with what was applied last",
            "gatewright plan shows what would change; gatewright apply does it",
            severity=Severity.WARNING,
        )

    def _under_way(self) -> bool:
        """Whether somebody applies at this moment: then nothing is settled, and nothing is wrong."""
        if self.files.kind(apply_lock(self.places)) is FileKind.MISSING:
            return False
        with self.files.lock(apply_lock(self.places)) as free:
            return not free

    def _found(self) -> Iterator[Diagnostic]:
        number = current_number(self.files, self.places)
        if not number:
            return
        manifest = read_manifest(self.files, self.places.layout(number))
        gateway = applied_gateway(self.files, self.places)
        pending = pending_number(self.files, self.places)
        if pending:
            yield _interrupted(pending)
        torn = before_change(self.files, self.places.layout(number)) is not None
        if torn:
            yield _unproved(number)
        if manifest is None:
            yield _no_manifest(number)
        else:
            changed = changed_by_hand(self.files, self.places.layout(number), manifest)
            if changed and not (torn and changed == (POLICY,)):
                yield _changed(number, changed)
            yield from self._certificate(manifest, gateway)
        members = stored_members(self.files, self.places, number)
        if members:
            yield _members(number, members)
        waiting = self.not_applied()
        if waiting is not None:
            yield waiting
        if is_held(self.files, self.places):
            yield from self._running(number, manifest, gateway)

    def _certificate(self, manifest: Manifest, gateway: Gateway | None) -> Iterator[Diagnostic]:
        if _lost_certificate(self.files, manifest):
            yield _certificate_file(manifest)
        own = gateway.certificate if gateway is not None else None
        if own is not None and own.chain is not None:
            offered = _leaf(self.files, self.places.folder / own.chain)
            if offered is not None and offered != manifest.certificate:
                yield _renewed_by_hand(str(own.chain))

    def _running(self, number: int, manifest: Manifest | None, gateway: Gateway | None) -> Iterator[Diagnostic]:
        record = read_record(self.files, self.places)
        if record is None:
            return
        if record.info.generation != number:
            yield _other_generation(record.info.generation, number)
        if manifest is None or gateway is None:
            return
        address, port = str(gateway.listen.address or _LOOPBACK), gateway.listen.port
        served = self.peek.served(address, port, next(iter(gateway.names), None))
        if served is None:
            yield _silent(f"{address}:{port}")
        elif served != manifest.certificate:
            yield _other_certificate(f"{address}:{port}", served, manifest)


def damaged(files: Files, places: Places, number: int) -> tuple[str, ...]:
    """What httpd reads when it starts on generation ``number`` and is not as it was written.

    The gateway file that it was made from is not read by httpd, and not looked at.
    """
    layout = places.layout(number)
    changed = tuple(name for name in differences(files, layout) if name != POLICY)
    manifest = read_manifest(files, layout)
    return changed if manifest is None else (*changed, *_lost_certificate(files, manifest))


def _lost_certificate(files: Files, manifest: Manifest) -> tuple[str, ...]:
    """The files of the server's certificate and key that are not what they were."""
    leaf = first_certificate(files, PurePath(manifest.chain))
    if leaf is None or fingerprint(leaf) != manifest.certificate:
        return (manifest.chain,)
    return () if _belongs(files, PurePath(manifest.key), leaf) else (manifest.key,)


def _leaf(files: Files, path: PurePath) -> str | None:
    """SHA-256 of the first certificate in a file, or ``None`` where there is none that can be read."""
    found = first_certificate(files, path)
    return fingerprint(found) if found is not None else None


def _belongs(files: Files, path: PurePath, leaf: x509.Certificate) -> bool:
    """Whether the file holds the certificate's private key."""
    try:
        return load_pem_private_key(files.read(path), None).public_key() == leaf.public_key()
    except (EnvironmentFault, ValueError, TypeError, UnsupportedAlgorithm):
        return False


def _interrupted(good: int) -> Diagnostic:
    return Diagnostic(
        "apply-interrupted",
        f"an apply was killed before its change was proved; generation {good} is the last good one",
        "what is not proved does not stay",
        "gatewright apply takes it back and begins anew; a running gateway does so by itself",
    )


def _unproved(number: int) -> Diagnostic:
    return Diagnostic(
        "apply-interrupted",
        f"an apply was killed before its change of the members of generation {number}'s groups was proved",
        "who was shut out stays so; whoever was let in is not proved to be all who were",
        "gatewright apply proves it, or takes it back; a running gateway does so by itself",
    )


def _no_manifest(number: int) -> Diagnostic:
    return Diagnostic(
        "manifest-missing",
        f"generation {number} has no manifest that can be read",
        "whether its files are as they were written cannot be told",
        "gatewright apply",
    )


def _changed(number: int, files: tuple[str, ...]) -> Diagnostic:
    return Diagnostic(
        "generation-changed-by-hand",
        f"files of generation {number} are not as they were written: {', '.join(files)}",
        "the next start or reload would take what nobody has proved",
        "change gateway.yaml instead; gatewright apply writes these files anew",
    )


def _members(number: int, members: Members) -> Diagnostic:
    told = [
        f"{len(paths)} {what}" for what, paths in (("missing", members.missing), ("too many", members.surplus)) if paths
    ]
    return Diagnostic(
        "members-changed",
        f"the members of generation {number}'s groups are not as its policy says: {', '.join(told) or 'the folder was lost'}",
        "somebody is refused or admitted against the policy; a change may have been interrupted, or files changed by hand",
        "gatewright apply makes them right",
    )


def _certificate_file(manifest: Manifest) -> Diagnostic:
    return Diagnostic(
        "certificate-file-changed",
        f"the server certificate or its key is not the one that was applied: {manifest.chain}",
        "the running gateway has the old one in memory; the next start or reload would not",
        "gatewright apply",
    )


def _renewed_by_hand(chain: str) -> Diagnostic:
    return Diagnostic(
        "certificate-not-applied",
        f"{chain} holds another certificate than the one that is served",
        "the gateway goes on with the one that was applied last",
        "gatewright apply",
        severity=Severity.WARNING,
    )


def _other_generation(running: int, current: int) -> Diagnostic:
    return Diagnostic(
        "other-generation-runs",
        f"httpd runs generation {running}, and the current one is {current}",
        "the link generations/current was changed by hand, or a change was never taken",
        "gatewright apply",
    )


def _silent(address: str) -> Diagnostic:
    return Diagnostic(
        "no-answer",
        f"nobody answers with TLS 1.3 at {address}",
        "the supervisor runs, but clients are not served",
        "look at logs/error.log",
    )


def _other_certificate(address: str, served: str, manifest: Manifest) -> Diagnostic:
    return Diagnostic(
        "certificate-not-served",
        f"{address} shows another certificate (SHA-256 {served[:16]}…) than the one on disk ({manifest.certificate[:16]}…)",
        "httpd was started or reloaded with other files, or another program holds the port",
        "gatewright apply",
    )
