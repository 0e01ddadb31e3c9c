"""Wiring of the PKI's commands: the store by folder or URL, keys in files and tokens, the account that asks."""

from __future__ import annotations

import functools
import hashlib
import os
import pwd
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gatewright.app.authority import PkiDeps
from gatewright.app.keyrings import KeyRing
from gatewright.app.office import Office
from gatewright.errors import Diagnostic, EnvironmentFault, UsageError, ValueRejected
from gatewright.wiring import places_of

if TYPE_CHECKING:
    from gatewright.model.gateway import Gateway
    from gatewright.pki.lint import LintGate
    from gatewright.ports.keystore import KeyStore

STORE = "GATEWRIGHT_STORE"
"""The environment variable with the store's URL, for every command alike."""

TOKENS = "tokens"
"""In the folder of keys: one PKCS #11 URI a line, of every token that holds a CA's key. No secret stands in it."""


@contextmanager
def opened(
    folder: Path, store: str | None = None, *, clock_is_right: bool = False, make: bool = False
) -> Iterator[Office]:
    """The PKI of ``folder``, closed at the end. ``make``: there may be none yet, if there is a gateway file.

    ``store`` is what stood on the command line. Raises :class:`UsageError` where there is no PKI.
    """
    url = store_url(store, os.environ)
    if url is None and not (folder / "state.db").is_file() and not (make and (folder / "gateway.yaml").is_file()):
        raise UsageError(
            Diagnostic(
                "no-pki-here",
                f"there is no PKI in {folder}",
                "the first start of a gateway makes its authorities",
                f"gatewright -C {folder} up, or give -C the gateway's folder",
            )
        )
    deps = replace(open_pki(folder, url), clock_is_right=clock_is_right)
    try:
        yield Office(deps, places_of(folder), lambda: _declared(folder), _account())
    finally:
        close_pki(deps)


def open_pki(folder: Path, url: str | None = None) -> PkiDeps:
    """The PKI of a gateway's folder, made where there is none. ``url`` is the store's, else the environment's, else a file."""
    from gatewright.edges.clock import SystemClock
    from gatewright.edges.files import LocalFiles
    from gatewright.edges.keyfiles import KeyFiles
    from gatewright.edges.randomness import SystemRandomness
    from gatewright.edges.store.database import open_store

    files = LocalFiles()
    files.make_folder(folder)
    url = url or store_url(None, os.environ)
    keys: KeyStore = KeyFiles(folder / "keys", files)
    tokens = _tokens(folder)
    if tokens:
        keys = KeyRing(keys, tokens)
    store = open_store(url or f"sqlite:///{folder / 'state.db'}")
    return PkiDeps(store, keys, files, SystemClock(), SystemRandomness(), PurePosixPath(folder), builder=_gate(folder))


@functools.cache
def _gate(folder: Path) -> LintGate:
    """The gate of a PKI, one for all that this process does with it."""
    import cryptography

    from gatewright.app.linted import Linted
    from gatewright.edges.files import LocalFiles
    from gatewright.edges.linting import PkilintLinter
    from gatewright.pki import build
    from gatewright.pki.keys import generate
    from gatewright.pki.lint import LintGate

    linter, made_by = PkilintLinter(), hashlib.sha256()
    # By content, because a tree of sources changes without its version.
    for module in sorted(Path(build.__file__).parent.glob("*.py")):
        made_by.update(module.read_bytes())
    judge = f"{linter.release} cryptography {cryptography.__version__} {made_by.hexdigest()}"
    return LintGate(linter.lint, generate, Linted(LocalFiles(), folder / "run" / "linted", judge))


@contextmanager
def pki_there(folder: Path) -> Iterator[PkiDeps]:
    """The PKI of a folder that has one, closed at the end; no new one is made in the place of one that was taken away."""
    if store_url(None, os.environ) is None and not (folder / "state.db").is_file():
        raise gone(folder / "state.db")
    deps = open_pki(folder)
    try:
        yield deps
    finally:
        close_pki(deps)


def gone(store: Path) -> EnvironmentFault:
    """The error for a store that was there when this process began."""
    return EnvironmentFault(
        Diagnostic(
            "store-gone",
            f"the store {store} is gone",
            "nothing can be issued or revoked without it; the running gateway goes on as it is",
            "put it back from the latest backup of the gateway's folder",
        )
    )


def close_pki(pki: PkiDeps) -> None:
    """Give back the store's connections."""
    from gatewright.edges.store.database import Database

    if isinstance(pki.store, Database):
        pki.store.close()


def store_url(given: str | None, environment: Mapping[str, str]) -> str | None:
    """The store's URL from the command line, else from the environment; ``None`` for the file in the folder.

    Raises :class:`UsageError` for a URL of another kind, and for a password on the command line.
    """
    url = given or environment.get(STORE)
    if not url:
        return None
    try:
        parts = urlsplit(url)
        password, _ = parts.password, parts.port
    except ValueError as problem:
        raise _bad_url(str(problem)) from problem
    if given and (password is not None or "password=" in parts.query):
        raise UsageError(
            Diagnostic(
                "password-in-argument",
                "the store's URL on the command line holds a password",
                "other accounts of this machine see command lines, and shells keep them; take it as known and change it",
                f"leave it out and use ~/.pgpass or PGPASSFILE (mode 0600), or put the URL into {STORE}",
            )
        )
    if parts.scheme not in {"postgresql", "postgres", "sqlite"}:
        raise _bad_url("it begins with neither postgresql:// nor sqlite:////")
    if parts.scheme == "sqlite" and not url.startswith("sqlite:////"):
        raise _bad_url("an SQLite file is named by its absolute path: sqlite:////path/state.db")
    if parts.scheme != "sqlite":
        _need_psycopg()
    return url.replace("postgres://", "postgresql://", 1)


def token_keys(folder: Path, deps_keys: KeyStore, uri: str) -> KeyStore:
    """Keys that are made in the token ``uri`` from now on; the token is remembered in the folder.

    Raises :class:`UsageError` for a URI that is not one, or holds a PIN.
    """
    from gatewright.edges.files import LocalFiles
    from gatewright.edges.pkcs11 import TokenKeys
    from gatewright.ports.tokens import TokenUri

    try:
        parsed = TokenUri.parse(uri)
    except ValueRejected as problem:
        raise UsageError(problem.at(None)) from problem
    tokens = _tokens(folder)
    tokens[parsed.token] = TokenKeys(parsed)
    lines = [line for line in _token_lines(folder) if TokenUri.parse(line).token != parsed.token]
    files = LocalFiles()
    files.make_folder(folder / "keys", 0o700)
    files.write(folder / "keys" / TOKENS, "".join(f"{line}\n" for line in [*lines, uri]).encode(), 0o600)
    base = deps_keys.files if isinstance(deps_keys, KeyRing) else deps_keys
    return KeyRing(base, tokens, parsed.token)


def _tokens(folder: Path) -> dict[str, KeyStore]:
    lines = _token_lines(folder)
    if not lines:
        return {}
    from gatewright.edges.pkcs11 import TokenKeys
    from gatewright.ports.tokens import TokenUri

    try:
        found = [TokenUri.parse(line) for line in lines]
    except ValueRejected as problem:
        raise EnvironmentFault(problem.at(None)) from problem
    return {uri.token: TokenKeys(uri) for uri in found}


def _token_lines(folder: Path) -> list[str]:
    try:
        text = (folder / "keys" / TOKENS).read_text("utf-8")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()]


def _declared(folder: Path) -> Gateway | None:
    from gatewright.app.checking import read_gateway
    from gatewright.edges.files import LocalFiles

    if not (folder / "gateway.yaml").exists():
        return None
    return read_gateway(LocalFiles(), folder, PurePath("gateway.yaml")).gateway


def _account() -> str:
    """Who asks: the account of this process, and whose ``sudo`` it is."""
    try:
        name = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        name = str(os.geteuid())
    behind = os.environ.get("SUDO_USER")
    return f"{behind} (as {name})" if behind and behind != name else name


def _need_psycopg() -> None:
    try:
        import psycopg  # noqa: F401 - whether it can be loaded, its C library included, is all that is asked
    except ImportError as problem:
        raise EnvironmentFault(
            Diagnostic(
                "psycopg-missing",
                "the Python package psycopg, which speaks to PostgreSQL, is not installed",
                "",
                f"{sys.executable} -m pip install 'gatewright[postgresql]'",
            )
        ) from problem


def _bad_url(why: str) -> UsageError:
    fix = "write postgresql://user@host/database, or leave it out for the file in the gateway's folder"
    return UsageError(Diagnostic("bad-store-url", f"the store's URL cannot be used: {why}", "", fix))
