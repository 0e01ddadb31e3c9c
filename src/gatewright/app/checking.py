"""Read the gateway file, find out what it points at, and judge both. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import PurePath

from gatewright.app.own_cas import issuing_files
from gatewright.check import AnchorFact, Facts, PairFact, PathFact, PathKind, ServerFact, Unusable, check
from gatewright.errors import Diagnostic, EnvironmentFault, UsageError
from gatewright.model.credentials import Credentials
from gatewright.model.gateway import Declared, Gateway
from gatewright.ports.clock import Clock
from gatewright.ports.files import FileKind, Files
from gatewright.ports.inspect import CertificateInspector
from gatewright.source import Misread, decode_text, load

_MAX_LINKS = 40
"""Symbolic links followed for one path: what Linux does (path_resolution(7), ELOOP)."""


def read_gateway(files: Files, folder: PurePath, file: PurePath, *, shown: str = "") -> Declared:
    """The gateway declared in ``folder / file``. Messages name the file as ``shown`` does, else as ``file``.

    Raises :class:`UsageError` where there is no such file or it is wrong, with all of its problems.
    """
    path, name = folder / file, shown or str(file)
    kind = files.kind(path)
    if kind is FileKind.MISSING:
        raise UsageError(
            Diagnostic(
                "no-gateway-file",
                f"there is no gateway file {str(path)!r}",
                "the gateway file says what is served and to whom",
                f"gatewright init -C {folder}",
            )
        )
    if kind is not FileKind.FILE:
        said = "cannot be read" if kind is FileKind.UNREADABLE else "is not a file"
        fix = f"see its owner and mode: ls -ld {path}"
        raise UsageError(Diagnostic("no-gateway-file", f"the gateway file {str(path)!r} {said}", "", fix))
    return load(decode_text(files.read(path), name), name)


def gather_facts(
    declared: Declared,
    files: Files,
    folder: PurePath,
    clock: Clock,
    inspect: CertificateInspector,
) -> Facts:
    """What stands at every path that the gateway file names, and what the certificates there and those of our own CAs say."""
    gateway = declared.gateway
    finder = _Finder(files, folder)
    paths = {name: finder.find(name) for name in _named_paths(gateway)}

    def content(name: str | None) -> bytes | None:
        if name is None or paths[name].kind is not PathKind.FILE:
            return None
        try:
            return files.read(folder / name)
        except EnvironmentFault:  # gone, or made unreadable, since we looked
            paths[name] = PathFact(PathKind.UNREADABLE)
            return None

    anchors: dict[str, AnchorFact | Unusable] = {}
    for name in dict.fromkeys(path for authority in gateway.authorities.values() for path in authority.anchors):
        pem = content(name)
        if pem is not None:
            anchors[name] = inspect.anchor(pem)
    server: ServerFact | Unusable | None = None
    mode = None
    certificate = gateway.certificate
    if certificate is not None:
        chain, key = content(certificate.chain), content(certificate.key_file)
        if key is not None and certificate.key_file is not None:
            mode = files.mode(folder / certificate.key_file)
        if chain is not None and key is not None:
            server = inspect.server(chain, key)
    pairs: dict[tuple[str, str], PairFact | Unusable] = {}
    for chain_and_key in filter(None, (shown.files for shown in gateway.backend_certificates)):
        chain, key = map(content, chain_and_key)
        if chain is not None and key is not None:
            fact = inspect.server(chain, key)
            pairs[chain_and_key] = (
                fact if isinstance(fact, Unusable) else PairFact(fact, files.mode(folder / chain_and_key[1]))
            )
    judged = _credentials(gateway, content)
    return Facts(clock.now(), paths, anchors, _managed(gateway, files, folder, inspect), server, mode, judged, pairs)


def _credentials(gateway: Gateway, content: Callable[[str | None], bytes | None]) -> Mapping[str, str]:
    """Why files of users and keys are not usable. The libraries are loaded only where there are such files."""
    found: dict[str, str] = {}
    for route in gateway.routes.values():
        demanded = route.credentials
        if demanded is None:
            continue
        if demanded.basic is not None and (users := content(demanded.basic)) is not None:
            from gatewright.pki.users import read  # noqa: PLC0415 - only files with passwords need it

            found[demanded.basic] = _why(read, users)
        bearer = demanded.bearer
        if bearer is not None and not bearer.jwks.is_url and (keys := content(bearer.jwks.file)) is not None:
            from gatewright.pki.keysets import parse  # noqa: PLC0415 - loads joserfc, which few gateways need

            found[bearer.jwks.file] = _why(parse, keys)
    return found


def _why(judge: Callable[[bytes], object], content: bytes) -> str:
    try:
        judge(content)
    except ValueError as problem:
        return str(problem)
    return ""


def check_gateway(
    files: Files, folder: PurePath, file: PurePath, clock: Clock, inspect: CertificateInspector, *, shown: str = ""
) -> tuple[Declared, list[Diagnostic]]:
    """The gateway and everything the rules say about it, errors and warnings.

    Raises :class:`UsageError` where the file has problems of form, with all there are. See :func:`read_gateway` for ``shown``.
    """

    def judged(declared: Declared, left_out: Collection[str] | None = None) -> list[Diagnostic]:
        facts = gather_facts(declared, files, folder, clock, inspect)
        return check(declared, facts, left_out=left_out)

    declared = all_told(lambda: read_gateway(files, folder, file, shown=shown), judged)
    return declared, judged(declared)


def all_told(
    read: Callable[[], Declared], judged: Callable[[Declared, Collection[str]], Sequence[Diagnostic]]
) -> Declared:
    """What ``read`` reads. Where that has problems of form, they are raised with those that the rules find in the rest."""
    try:
        return read()
    except Misread as error:
        if error.rest is None:
            raise
        more = judged(error.rest, error.left_out)
        raise UsageError(*sorted((*error.diagnostics, *more), key=_place)) from None


def _place(problem: Diagnostic) -> tuple[int, int]:
    return (problem.where.line, problem.where.column) if problem.where is not None else (0, 0)


def _managed(
    gateway: Gateway, files: Files, folder: PurePath, inspect: CertificateInspector
) -> Mapping[str, tuple[AnchorFact, ...]]:
    """The issuing CAs of authorities kept here, retired ones too. What is damaged or gone is made anew by the next apply."""
    found = {}
    for name in gateway.managed_authorities:
        readable = (p for p in issuing_files(files, folder, name) if files.kind(p) is FileKind.FILE)
        facts = (inspect.anchor(files.read(path)) for path in readable)
        found[str(name)] = tuple(fact for fact in facts if isinstance(fact, AnchorFact))
    return found


def _named_paths(gateway: Gateway) -> dict[str, None]:
    """Every path that the file names, once, in its order."""
    names: list[str | None] = [path for authority in gateway.authorities.values() for path in authority.anchors]
    for route in gateway.routes.values():
        names.append(route.files)
        if route.backend is not None:
            names.append(route.backend.ca)
        if route.credentials is not None:
            names += _credential_files(route.credentials)
    for shown in gateway.backend_certificates:
        names += [shown.chain, shown.key_file]
    if gateway.certificate is not None:
        names += [gateway.certificate.chain, gateway.certificate.key_file]
    return {str(name): None for name in names if name is not None}


def _credential_files(credentials: Credentials) -> list[str | None]:
    bearer = credentials.bearer
    if bearer is None:
        return [credentials.basic]
    return [None if bearer.jwks.is_url else bearer.jwks.file, bearer.ca]


class _Finder:
    """Follows symbolic links by hand, so that one that leads out of the folder is noticed before anything is read."""

    def __init__(self, files: Files, folder: PurePath) -> None:
        self._files = files
        self._folder = folder
        self._links: dict[str, str | None] = {}

    def find(self, name: str) -> PathFact:
        """What stands at ``name``, relative to the folder."""
        try:
            real = self._real(name)
        except EnvironmentFault:
            return PathFact(PathKind.UNREADABLE)
        if real is None:
            return PathFact(PathKind.OUTSIDE)
        return PathFact(PathKind(self._files.kind(self._folder / real).value), real)

    def _real(self, name: str) -> str | None:
        """``name`` after all links, relative to the folder; ``None`` where it leads outside or in a circle."""
        done: list[str] = []
        left = name.split("/")[::-1]
        links = 0
        while left:
            part = left.pop()
            if part in {"", "."}:
                continue
            if part == "..":
                if not done:
                    return None
                done.pop()
                continue
            target = self._target("/".join([*done, part]))
            if target is None:
                done.append(part)
                continue
            links += 1
            inside = self._inside(target, done)
            if inside is None or links > _MAX_LINKS:
                return None
            done, left = [], [*left, *inside.split("/")[::-1]]
        return "/".join(done) or "."

    def _inside(self, target: str, parents: list[str]) -> str | None:
        """The text of a link found below ``parents``, as a path from the folder; ``None`` for one that is outside."""
        if not target.startswith("/"):
            return "/".join([*parents, target])
        folder = str(self._folder)
        if target != folder and not target.startswith(folder + "/"):
            return None
        return target[len(folder) :]

    def _target(self, name: str) -> str | None:
        if name not in self._links:
            self._links[name] = self._files.target(self._folder / name)
        return self._links[name]
