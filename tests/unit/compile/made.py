"""Fixed facts for compilations in tests: a machine, folders and CAs that exist nowhere."""

from __future__ import annotations

from pathlib import PurePosixPath

from gatewright.compile.inputs import Inputs
from gatewright.model.gateway import BackendCertificate, Gateway
from gatewright.model.machine import Anchor, BackendIdentity, Httpd, Layout, RunAs, ServerIdentity
from gatewright.source import load

_SHARED = (
    "alias allowmethods asis auth_basic authn_core authn_file authnz_fcgi authz_core authz_user setenvif dir env headers http2 include mime mpm_event mpm_prefork proxy "
    "proxy_http reqtimeout rewrite ssl unique_id"
)
HTTPD = Httpd(
    binary=PurePosixPath("/usr/sbin/apache2"),
    version=(2, 4, 71),
    module_folder=PurePosixPath("/usr/lib/apache2/modules"),
    static_modules=frozenset("core http_core mod_so mod_watchdog mod_log_config mod_logio mod_unixd".split()),
    shared_modules=frozenset(f"mod_{name}" for name in _SHARED.split()),
)
RUN_AS = RunAs("www-data", "www-data", 33, 33)
SECRET = "0123456789abcdef" * 8
"""Signs requests to backends in every golden configuration."""
SYSTEM_ANCHORS = PurePosixPath("/etc/ssl/certs/ca-certificates.crt")


def layout(folder: str = "/srv/gateway") -> Layout:
    """The folders of a gateway in ``folder``."""
    top = PurePosixPath(folder)
    return Layout(
        folder=top,
        generation=top / "generations" / "0001",
        run=top / "run",
        logs=top / "logs",
        pages=top / "run" / "pages" / "0001",
        revoked=top / "rev",
        files_root=top,
    )


def anchor(authority: str, subject: str | None = None) -> Anchor:
    """An issuing CA by name; its certificate is a placeholder, because compiling only copies it."""
    return Anchor(
        authority,
        f"-----BEGIN CERTIFICATE-----\n{authority}\n-----END CERTIFICATE-----\n",
        f"-----BEGIN TRUSTED CERTIFICATE-----\n{authority}\n-----END TRUSTED CERTIFICATE-----\n",
        subject or f"CN={authority} issuing CA 1,O={authority}",
    )


def gateway(text: str) -> Gateway:
    """The gateway that ``text`` declares."""
    return load(text, "gateway.yaml").gateway


def inputs(text: str, folder: str = "/srv/gateway") -> Inputs:
    """What the gateway file ``text`` is compiled against: Debian's httpd, not root, one issuing CA for each authority."""
    declared, places = gateway(text), layout(folder)
    own = declared.certificate
    chain, key = places.folder / "certs/server/chain.pem", places.folder / "certs/server/key.pem"
    if own is not None and own.chain is not None and own.key_file is not None:
        chain, key = places.folder / own.chain, places.folder / own.key_file
    return Inputs(
        gateway=declared,
        httpd=HTTPD,
        layout=places,
        identity=ServerIdentity(chain, key),
        anchors=tuple(anchor(name) for name in declared.authorities),
        system_anchors=SYSTEM_ANCHORS,
        secrets=dict.fromkeys(declared.signing_names, (SECRET,)),
        backend_identities={c: _shown(places, c) for c in declared.backend_certificates},
    )


def _shown(places: Layout, declared: BackendCertificate) -> BackendIdentity:
    """Files named after what is declared; the user's own comes without intermediates."""
    folder = places.folder / "keys" / "backends"
    if declared.authority is None:
        return BackendIdentity(folder / "own.pem")
    return BackendIdentity(folder / f"{declared.authority}.pem", folder / f"{declared.authority}-chain.pem")
