"""What was found on the machine and what is decided about folders: facts, as values, for the pure layers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True, slots=True)
class Httpd:
    """An installed Apache httpd, as its own ``-V`` and ``-l`` describe it.

    ``version`` is e.g. ``(2, 4, 71)``; ``static_modules`` are source names without suffix (``mod_so``, ``core``);
    ``module_folder`` holds the ``mod_*.so`` files named in ``shared_modules`` (``mod_ssl`` …).
    """

    binary: PurePosixPath
    version: tuple[int, int, int]
    module_folder: PurePosixPath
    static_modules: frozenset[str]
    shared_modules: frozenset[str]

    def has(self, module: str) -> bool:
        """Whether ``module`` (``mod_ssl``) is compiled in or can be loaded."""
        return module in self.static_modules or module in self.shared_modules

    @property
    def version_text(self) -> str:
        """``2.4.71``."""
        return ".".join(map(str, self.version))


@dataclass(frozen=True, slots=True)
class RunAs:
    """The unprivileged account that httpd's children take when it is started by root."""

    user: str
    group: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Absolute paths of one gateway. ``files_root`` is where httpd's children find what ``files`` routes serve:

    the gateway's folder itself, or a published copy of it where the unprivileged account cannot reach that folder.
    ``pages`` holds the generation's own answers (error pages, fixed responses); ``revoked`` is the folder whose entries
    revoke certificates: a file there refuses its certificate from the next request on.
    """

    folder: PurePosixPath
    generation: PurePosixPath
    run: PurePosixPath
    logs: PurePosixPath
    pages: PurePosixPath
    revoked: PurePosixPath
    files_root: PurePosixPath

    @property
    def shut(self) -> PurePosixPath:
        """The folder whose entries shut routes of this generation: the next one begins with every route open."""
        return self.revoked.parent / "shut" / self.generation.name

    @property
    def members(self) -> PurePosixPath:
        """The folder whose entries say who belongs to which group of this generation, and which certificates are which client."""
        return self.revoked.parent / "members" / self.generation.name

    @property
    def contacts(self) -> PurePosixPath:
        """The folder whose entries say which certificates were looked at already, and whose contacts are not logged for now."""
        return self.revoked.parent / "contacts"

    @property
    def credentials(self) -> PurePosixPath:
        """Where files of users and keys stand below their own paths: where httpd's children and the authorizer may read them."""
        return self.folder if self.files_root == self.folder else self.revoked.parent / "credentials"


@dataclass(frozen=True, slots=True)
class Anchor:
    """A trusted issuing CA of one authority, as httpd needs it.

    ``pem`` is the plain certificate; ``trusted_pem`` the same with explicit clientAuth trust (``BEGIN TRUSTED
    CERTIFICATE``, openssl-x509(1) ``-addtrust``); ``subject`` its DN exactly as mod_ssl spells ``SSL_CLIENT_I_DN`` (OpenSSL's
    ``-nameopt RFC2253,-esc_msb``). ``self_signed``: it is a root, with which a chain ends.
    """

    authority: str
    pem: str
    trusted_pem: str
    subject: str
    self_signed: bool = False


@dataclass(frozen=True, slots=True)
class ServerIdentity:
    """The gateway's own certificate: PEM files whose content is already known to be good."""

    chain: PurePosixPath
    key: PurePosixPath


@dataclass(frozen=True, slots=True)
class BackendIdentity:
    """What the gateway shows to a backend: ``identity`` holds certificate and key in one PEM file, as mod_ssl wants it.

    ``chain`` holds every CA above it that is known, ``None`` where there is none: without that file mod_ssl sends no
    intermediates, and nothing at all to a backend that names the root in its request (measured on httpd 2.4.71).
    """

    identity: PurePosixPath
    chain: PurePosixPath | None = None


@dataclass(frozen=True, slots=True)
class OutputFile:
    """One file of a compiled generation. ``path`` is relative to the generation; ``mode`` is the permission bits.

    ``public`` files are read by httpd's unprivileged children and live under ``Layout.pages``.
    """

    path: PurePosixPath
    content: bytes
    mode: int = 0o640
    public: bool = False


@dataclass(frozen=True, slots=True)
class Artifact:
    """A complete compiled configuration: every file, and the modules it loads."""

    files: tuple[OutputFile, ...]
    modules: tuple[str, ...]
