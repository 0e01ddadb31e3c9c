"""Partners' routes proved in full: a shadow instance of the same tree that trusts stand-ins of the partners' CAs.

A partner's key is the partner's, so on the real port its clients can be proved from the refusing side only. Here every file
of the generation is as it is, but for the two files of anchors, in which each partner's issuing CA is replaced by one of the
same name and shape whose key we hold for the length of the proof.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePath, PurePosixPath

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gatewright.app.vouched import demands_credentials, vouching, write_vouched
from gatewright.compile.gateway import CONFIGURATION
from gatewright.compile.ir import directive
from gatewright.compile.passes.credentials import needs_authorizer
from gatewright.compile.passes.tls import anchor_files
from gatewright.compile.render import render
from gatewright.errors import Diagnostic, EnvironmentFault
from gatewright.model.gateway import Gateway
from gatewright.model.machine import Layout
from gatewright.model.pki import KeyKind
from gatewright.model.values import Name
from gatewright.model.virtual_hosts import virtual_hosts
from gatewright.pki.keys import generate
from gatewright.ports.clock import Clock
from gatewright.ports.files import FileKind, Files
from gatewright.ports.keystore import Randomness
from gatewright.ports.openssl import OpenSsl
from gatewright.ports.shadow import ShadowPlan, Shadows
from gatewright.prove.cases import issuer_key
from gatewright.prove.minting import Key, Signer, descend, twin_of
from gatewright.prove.vouching import Vouching

VOUCHED = "credentials-twin"
"""Name of the folder of its files of users and keys."""

NAME = "twin"
"""Name of its folders below ``run`` and ``logs``."""


def stood_in_for(gateway: Gateway) -> frozenset[Name]:
    """Whom stand-ins are needed for: partners, whose keys are theirs, and who has a client known by a serial number, given only once."""
    partners = {name for name, authority in gateway.every_authority.items() if not authority.managed}
    return frozenset(partners | {c.authority for c in gateway.clients.values() if c.serial is not None})


@dataclass(frozen=True, slots=True)
class Twin:
    """A shadow instance that trusts stand-ins: its port on the loopback address, who stands in, its ``run`` folder, who vouches for credentials."""

    port: int
    signers: Mapping[str, Signer]
    run: PurePath
    vouching: Vouching | None = None


@dataclass(frozen=True, slots=True)
class Twins:
    """Starts such instances. ``binary`` is httpd's, ``gid`` the group of its children where they run under another account."""

    files: Files
    openssl: OpenSsl
    shadows: Shadows
    clock: Clock
    randomness: Randomness
    binary: PurePath
    gid: int | None = None

    @contextmanager
    def instance(self, gateway: Gateway, layout: Layout, anchors: Mapping[str, x509.Certificate]) -> Iterator[Twin]:
        """One for the length of the block. Raises :class:`EnvironmentFault` when it does not come to serve."""
        partners, signers = dict[str, x509.Certificate](), dict[str, Signer]()
        for name in stood_in_for(gateway):
            authority = gateway.every_authority[name]
            for key in (issuer_key(name, generation) for generation in range(len(authority.anchors) or 1)):
                if key in anchors:
                    partners[key], signers[key] = anchors[key], self._stand_in(anchors[key], authority.depth)
        run, logs, tree = layout.run / NAME, layout.logs / NAME, layout.run / NAME / "tree"
        # Where httpd's children may read; in a gateway that is run by an ordinary user that is everywhere.
        vouched = run / VOUCHED if layout.credentials == layout.folder else layout.credentials.parent / VOUCHED
        self.files.remove(run)
        self.files.remove(vouched)
        for folder in (run, logs, tree):
            self.files.make_folder(folder)
        try:
            replaced = {partners[name]: signers[name].top for name in partners}
            apart = list(dict.fromkeys(host.apart for host in virtual_hosts(gateway)))
            who = vouching(self.randomness) if demands_credentials(gateway) else None
            lines = {} if who is None else write_vouched(self.files, gateway, layout, vouched, who, self.gid)
            self._write_tree(layout, tree, replaced, apart, lines)
            tokens = needs_authorizer(gateway)
            plan = ShadowPlan(self.binary, tree / CONFIGURATION, layout.folder, run, logs, tokens, vouched)
            shadow = self.shadows.start(plan)
            try:
                yield Twin(shadow.port, signers, run, who)
            finally:
                shadow.stop()
        finally:
            self.files.remove(run)
            self.files.remove(vouched)

    def _stand_in(self, anchor: x509.Certificate, depth: int) -> Signer:
        def new_key() -> Key:
            return generate(KeyKind.P256)

        now, serial = self.clock.now(), self.randomness.serial
        return descend(twin_of(anchor, new_key(), serial(), now), depth, new_key, serial, now)

    def _write_tree(
        self,
        layout: Layout,
        tree: PurePosixPath,
        replaced: Mapping[x509.Certificate, x509.Certificate],
        apart: Iterable[Name | None],
        lines: Mapping[bytes, bytes],
    ) -> None:
        """The generation's configuration with another root folder and other ``lines``, and the anchors in it."""
        text = self.files.read(layout.generation / CONFIGURATION)
        ours, other = (
            render((directive("ServerRoot", str(folder)),)).encode("utf-8", "surrogateescape")
            for folder in (layout.generation, tree)
        )
        if text.count(ours) != 1 or any(line not in text for line in lines):
            raise _not_ours(layout.generation / CONFIGURATION)
        for line, instead in {ours: other, **lines}.items():
            text = text.replace(line, instead)
        self.files.write(tree / CONFIGURATION, text)
        for name in self.files.list(layout.generation):
            # What it includes: the lines that sign for backends.
            if name.endswith(".conf") and name != CONFIGURATION:
                self.files.write(tree / name, self.files.read(layout.generation / name), 0o600)
        for trusted, plain in map(anchor_files, apart):
            if self.files.kind(layout.generation / plain) is not FileKind.FILE:
                continue  # a virtual host where nobody is asked
            try:
                present = x509.load_pem_x509_certificates(self.files.read(layout.generation / plain))
            except ValueError as problem:
                raise _not_ours(layout.generation / plain) from problem
            anchors = [replaced.get(c, c).public_bytes(Encoding.PEM) for c in present]
            self.files.write(tree / plain, b"".join(anchors))
            self.files.write(tree / trusted, "".join(map(self.openssl.trusted, anchors)).encode())


def _not_ours(path: PurePath) -> EnvironmentFault:
    return EnvironmentFault(
        Diagnostic(
            "generation-not-ours",
            f"{path} is not as Gatewright wrote it",
            "its routes for partners cannot be tried with stand-ins",
            "gatewright status says what changed; gatewright apply writes it anew",
        )
    )
