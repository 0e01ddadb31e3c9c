"""The client certificates that backends are shown, as files that httpd reads when it starts.

Named after their content: a generation stays what it was, and a renewed certificate makes a new one, which is applied as any
other change is. They stand below ``keys`` because they hold private keys, and nothing there is ever served.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from cryptography import x509

from gatewright.app.authority import AuthorityState, PkiDeps, write_if_different
from gatewright.app.issuing import ensure_backend_certificate
from gatewright.app.places import Places
from gatewright.app.reports import CertificateState
from gatewright.model.gateway import BackendCertificate, Gateway
from gatewright.model.machine import BackendIdentity
from gatewright.model.values import Name
from gatewright.pki import build, bundle
from gatewright.pki.names import rfc2253

FOLDER = PurePosixPath("keys/backends")
"""Below the gateway's folder."""


def show_backends(
    places: Places, gateway: Gateway, authorities: Mapping[Name, AuthorityState], pki: PkiDeps
) -> tuple[dict[BackendCertificate, BackendIdentity], list[CertificateState]]:
    """Issue, renew or copy what the gateway file declares; the files, and what to tell of each certificate."""
    found, told = {}, []
    for declared in gateway.backend_certificates:
        leaf, key, above = _material(places, gateway, declared, authorities, pki)
        found[declared] = _written(places, pki, leaf, key, above)
        certificate = x509.load_pem_x509_certificate(leaf)
        ends = certificate.not_valid_after_utc
        name = str(declared.authority or declared.chain)
        told.append(
            CertificateState("backend-client", name, rfc2253(certificate.subject), ends, (ends - pki.clock.now()).days)
        )
    return found, told


def _material(
    places: Places,
    gateway: Gateway,
    declared: BackendCertificate,
    authorities: Mapping[Name, AuthorityState],
    pki: PkiDeps,
) -> tuple[bytes, bytes, Sequence[x509.Certificate]]:
    if declared.files is not None:
        chain, key = (pki.files.read(places.folder / name) for name in declared.files)
        leaf, *above = x509.load_pem_x509_certificates(chain)
        return build.pem(leaf), key, above
    assert declared.authority is not None  # one of the two, by the model
    kind = gateway.authorities[declared.authority].key_algorithm
    return ensure_backend_certificate(authorities[declared.authority], gateway.names[0], pki, algorithm=kind)


def _written(
    places: Places, pki: PkiDeps, leaf: bytes, key: bytes, above: Sequence[x509.Certificate]
) -> BackendIdentity:
    folder = places.folder / FOLDER
    pki.files.make_folder(folder, 0o700)
    identity = leaf + key
    chain = bundle.chain(above)
    name = hashlib.sha256(hashlib.sha256(identity).digest() + hashlib.sha256(chain).digest()).hexdigest()[:16]
    path = folder / f"{name}.pem"
    write_if_different(pki.files, path, identity, 0o600)
    if not above:
        return BackendIdentity(path)
    chain_path = folder / f"{name}-chain.pem"
    write_if_different(pki.files, chain_path, chain, 0o640)
    return BackendIdentity(path, chain_path)
