"""Copies for httpd's unprivileged children: what a root-owned folder keeps from them is published to their group."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from pathlib import Path, PurePath

from gatewright.errors import Diagnostic, EnvironmentFault

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Not waiting for the writer of a pipe that took a file's place."""

_FILE_MODE = 0o640
_FOLDER_MODE = 0o750


class LocalMirror:
    """:class:`gatewright.ports.mirror.Mirror` on the local file system."""

    def sync(self, source: PurePath, target: PurePath, group: int) -> int:
        """Make ``target`` equal to ``source``; equal means same kind, size and modification time."""
        try:
            return _sync(Path(source), Path(target), group)
        except OSError as error:
            raise EnvironmentFault(
                Diagnostic(
                    "not-published",
                    f"cannot publish {source} to {target}: {error.strerror}",
                    "httpd's unprivileged children serve files from that copy",
                    f"look at both with 'ls -ld {source} {target.parent}'",
                )
            ) from error


def _parent(path: Path) -> int:
    """The folder above ``path``, opened without following a link anywhere.

    What is published is read with root's rights, and may stand where others write: a link put in between a look and the
    reading would publish any file of the machine. So every step is taken from an open folder, and never through a link.
    """
    handle = os.open("/", _FOLDER)
    for part in path.parts[1:-1]:
        try:
            below = os.open(part, _FOLDER, dir_fd=handle)
        finally:
            os.close(handle)
        handle = below
    return handle


def _sync(source: Path, target: Path, group: int) -> int:
    try:
        parent = _parent(source)
    except (FileNotFoundError, NotADirectoryError):
        return _drop(target)
    try:
        return _entry(parent, source.name, target, group)
    finally:
        os.close(parent)


def _entry(parent: int, name: str, target: Path, group: int) -> int:
    """One entry of an open folder. What is gone or a link by the time it is opened counts as not there."""
    try:
        mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            return _drop(target)
        handle = os.open(name, _FILE if stat.S_ISREG(mode) else _FOLDER, dir_fd=parent)
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}:
            return _drop(target)
        raise
    try:
        return (_copy if stat.S_ISREG(mode) else _folder)(handle, target, group)
    finally:
        os.close(handle)


def _folder(source: int, target: Path, group: int) -> int:
    changed = 0
    if not target.is_dir() or target.is_symlink():
        _drop(target)
        _make_folder(target, group)
        changed = 1
    wanted = {entry.name for entry in os.scandir(source)}
    changed += sum(_drop(target / entry.name) for entry in list(os.scandir(target)) if entry.name not in wanted)
    return changed + sum(_entry(source, name, target / name, group) for name in sorted(wanted))


def _make_folder(target: Path, group: int) -> None:
    """With its missing parents, each open to the group, whatever the umask."""
    if not target.parent.is_dir():
        _make_folder(target.parent, group)
    target.mkdir(mode=0o700)
    os.chown(target, -1, group)
    target.chmod(_FOLDER_MODE)


def _copy(original: int, target: Path, group: int) -> int:
    seen = os.fstat(original)
    if not stat.S_ISREG(seen.st_mode):
        return _drop(target)
    try:
        had = target.lstat()
        if stat.S_ISREG(had.st_mode) and (had.st_size, had.st_mtime_ns) == (seen.st_size, seen.st_mtime_ns):
            return 0
        if stat.S_ISDIR(had.st_mode):
            _drop(target)
    except FileNotFoundError:
        if not target.parent.is_dir():
            _make_folder(target.parent, group)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.new")
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(original, "rb", closefd=False) as source, os.fdopen(handle, "wb") as copy:
            shutil.copyfileobj(source, copy)
            os.fchown(copy.fileno(), -1, group)
            os.fchmod(copy.fileno(), _FILE_MODE)
        os.utime(temporary, ns=(seen.st_atime_ns, seen.st_mtime_ns))
        os.replace(temporary, target)  # noqa: PTH105 - the atomic call, by its POSIX name
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return 1


def _drop(target: Path) -> int:
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
        return 1
    try:
        target.unlink()
    except FileNotFoundError:
        return 0
    return 1
