"""Files and folders of the real machine. Writes are whole or absent; what is secret is 0600 from its first byte."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import stat
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath

from gatewright.errors import Diagnostic, EnvironmentFault
from gatewright.ports.files import FileKind

# What the common refusals of a file system mean for the user: (code, what happened, what to do). POSIX errno names.
_REASONS: dict[int, tuple[str, str, str]] = {
    errno.ENOSPC: ("disk-full", "the disk is full", "free space on that disk (`df -h {folder}`), then run it again"),
    errno.EDQUOT: ("disk-full", "the disk quota is used up", "free space, or ask for more quota, then run it again"),
    errno.EACCES: (
        "no-permission",
        "permission denied",
        "run it as the owner of {folder}, or `chown` it to the account that runs Gatewright",
    ),
    errno.EPERM: (
        "no-permission",
        "not permitted",
        "run it as the owner of {folder}, or `chown` it to the account that runs Gatewright",
    ),
    errno.EROFS: ("read-only", "the file system is read-only", "use a folder on a writable disk (`-C DIR`)"),
    errno.ENOTDIR: (
        "not-a-folder",
        "a part of the path is a file, not a folder",
        "move that file away, or choose another folder (`-C DIR`)",
    ),
    errno.EISDIR: ("not-a-file", "a folder stands where a file belongs", "move that folder away"),
    errno.ENOENT: ("file-missing", "it does not exist", "create it, or correct the path"),
    errno.ELOOP: ("link-loop", "its symbolic links go round in a circle", "remove the link and create it again"),
    errno.ENAMETOOLONG: ("path-too-long", "the path is too long for this file system", "use a shorter folder name"),
    errno.EMFILE: ("too-many-files", "this process has too many files open", "raise the limit (`ulimit -n 4096`)"),
    errno.ENFILE: ("too-many-files", "the machine has too many files open", "close programs, or raise fs.file-max"),
    errno.EIO: ("disk-error", "the disk reports an error", "look at the kernel's log (`dmesg`) and replace the disk"),
}


def file_fault(doing: str, path: PurePath, error: OSError) -> EnvironmentFault:
    """The user's view of a failed file operation. ``doing`` is an infinitive such as ``write``."""
    code, what, fix = _REASONS.get(error.errno or 0, ("file-failed", error.strerror or str(error), ""))
    return EnvironmentFault(
        Diagnostic(
            code,
            f"cannot {doing} {path}: {what}",
            "Gatewright keeps its keys, state and generations in files and does not go on without them",
            fix.format(folder=path.parent) or f"see why `ls -ld {path}` and `ls -ld {path.parent}` differ from before",
        )
    )


@contextmanager
def _told(doing: str, path: PurePath) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise file_fault(doing, path, error) from error


def _copy_and_empty(path: Path, keep: int) -> None:
    temporary = path.with_name(f".{path.name}.1.new")
    temporary.unlink(missing_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as source:
        target = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(target, "wb") as file:
                os.fchmod(target, stat.S_IMODE(os.fstat(handle).st_mode))
                for _ in range(_LOOKS):
                    shutil.copyfileobj(source, file, _PIECE)
                    file.flush()
                    if os.fstat(handle).st_size == source.tell():
                        break
                os.ftruncate(handle, 0)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    for number in range(keep, 1, -1):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(f"{path.name}.{number - 1}").replace(path.with_name(f"{path.name}.{number}"))
    temporary.replace(path.with_name(f"{path.name}.1"))


def _take(handle: int, path: PurePath) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise file_fault("lock", path, error) from error
    return True


def _sync_file(path: PurePath) -> None:
    with _told("write", path):
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _sync_folder(folder: Path) -> None:
    # A rename is durable only when its folder is: fsync(2), "does not necessarily ensure that the entry in the
    # directory containing the file has also reached disk".
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


_PIECE = 1 << 20
"""Octets of a log that are copied at once."""
_LOOKS = 100
"""How often what was appended while a log was copied is copied too, before the log is emptied all the same."""
_RETRY_S = 0.005
"""Seconds between two tries at a lock: an apply or a start may have to wait so long for somebody who only looked."""
_WAITS = 16
"""Files whose way to the disk is waited for at once."""


class LocalFiles:
    """:class:`gatewright.ports.files.Files` on the local file system."""

    def kind(self, path: PurePath) -> FileKind:
        """What stands at ``path`` (symbolic links followed), as this process may see it."""
        try:
            mode = Path(path).stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return FileKind.MISSING
        except OSError:
            return FileKind.UNREADABLE
        if not os.access(path, os.R_OK):
            return FileKind.UNREADABLE
        if stat.S_ISREG(mode):
            return FileKind.FILE
        return FileKind.FOLDER if stat.S_ISDIR(mode) else FileKind.OTHER

    def mode(self, path: PurePath) -> int:
        """The permission bits of what stands at ``path`` (symbolic links followed), e.g. ``0o600``."""
        with _told("look at", path):
            return stat.S_IMODE(Path(path).stat().st_mode)

    def read(self, path: PurePath) -> bytes:
        """The whole content."""
        with _told("read", path):
            return Path(path).read_bytes()

    def write(self, path: PurePath, content: bytes, mode: int = 0o640) -> None:
        """Whole or not at all: temporary file with ``mode`` from birth, fsync, rename, fsync of the folder.

        The mode is exact, whatever the umask. A reader sees the old content or the new, also after a power cut.
        """
        target = Path(path)
        with _told("write", path):
            temporary = target.with_name(f".{target.name}.{os.getpid()}.{threading.get_native_id()}.new")
            try:
                self._fill(temporary, content, mode)
                os.replace(temporary, target)  # noqa: PTH105 -- the atomic call, by its POSIX name
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            _sync_folder(target.parent)

    def _fill(self, temporary: Path, content: bytes, mode: int, *, sync: bool = True) -> None:
        # Its name holds our pid and thread id, so it can only be left from a crash of an earlier process with the same ids.
        temporary.unlink(missing_ok=True)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode & 0o600)
        with os.fdopen(handle, "wb") as file:
            # Born with no more than the owner's bits, then widened: never wider than asked, not even for an instant.
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            if sync:
                os.fsync(file.fileno())

    def write_new(self, files: Sequence[tuple[PurePath, bytes, int]]) -> None:
        """Many files (path, content, mode) that nobody reads yet, each with its exact mode; durable when this returns.

        Not one is waited for before all are written, and then many at once: the journal takes them together. 1,000 small files take
        0.2 s so, and 3 s with one wait after the other (ext4 on the disk of a busy machine).
        """
        for path, content, mode in files:
            with _told("write", path):
                Path(path).unlink(missing_ok=True)
                self._fill(Path(path), content, mode, sync=False)
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - 25 ms that reading commands need not pay

        with ThreadPoolExecutor(_WAITS) as pool:
            for _ in pool.map(_sync_file, [path for path, _, _ in files]):
                pass
        for folder in {Path(path).parent for path, _, _ in files}:
            with _told("write", folder):
                _sync_folder(folder)

    def touch(self, path: PurePath) -> None:
        """An empty file, there at once for every process, but not waited for to reach the disk."""
        with _told("create", path):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640))

    def stamp(self, path: PurePath) -> tuple[int, int, int]:
        """Inode, time of the last change in nanoseconds, and size of what stands at ``path``; zeros where there is nothing."""
        try:
            status = Path(path).stat()
        except OSError:
            return (0, 0, 0)
        return (status.st_ino, status.st_mtime_ns, status.st_size)

    def rotate(self, path: PurePath, most: int, keep: int) -> bool:
        """Where the file holds more than ``most`` octets, copy it to ``path.1`` and empty it in place; whether that was done.

        What was ``path.1`` becomes ``path.2`` and so on; ``keep`` copies stay. Whoever has the file open for appending goes on at
        its new end and has nothing to reopen. What is appended meanwhile is copied too, until nothing was. A line can be lost only if it
        is written in the microseconds between the last look and the emptying.
        """
        with _told("rotate", path), contextlib.suppress(FileNotFoundError):
            if Path(path).stat().st_size <= most:
                return False
            _copy_and_empty(Path(path), keep)
            return True
        return False

    def make_folder(self, path: PurePath, mode: int = 0o750) -> None:
        """The folder, and missing parents, with ``mode``; nothing happens to one that is there."""
        target = Path(path)
        with _told("create the folder", path):
            missing = []
            while not target.is_dir():
                missing.append(target)
                if target.parent == target:
                    break
                target = target.parent
            for folder in reversed(missing):
                with contextlib.suppress(FileExistsError):  # another process made it first
                    folder.mkdir(mode & 0o700)
                    folder.chmod(mode)
                if not folder.is_dir():
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))

    def remove(self, path: PurePath) -> None:
        """The file, link or whole tree at ``path``; nothing happens if there is none."""
        target = Path(path)
        with _told("remove", path):
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(target)
            else:
                target.unlink(missing_ok=True)

    def list(self, path: PurePath) -> Sequence[str]:
        """Names in a folder, sorted."""
        with _told("list", path):
            return sorted(entry.name for entry in Path(path).iterdir())

    def point(self, link: PurePath, target: str) -> None:
        """Make ``link`` a symbolic link to ``target``, replacing an older link atomically."""
        place = Path(link)
        with _told("switch the link", link):
            if place.is_dir() and not place.is_symlink():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(place))
            temporary = place.with_name(f".{place.name}.{os.getpid()}.{threading.get_native_id()}.new")
            temporary.unlink(missing_ok=True)
            try:
                temporary.symlink_to(target)
                os.replace(temporary, place)  # noqa: PTH105 -- the atomic call, by its POSIX name
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            _sync_folder(place.parent)

    def target(self, link: PurePath) -> str | None:
        """Where the symbolic link points, or ``None`` if it is none."""
        try:
            return str(Path(link).readlink())
        except OSError as error:
            if error.errno in {errno.EINVAL, errno.ENOENT, errno.ENOTDIR}:
                return None
            raise file_fault("read the link", link, error) from error

    def own(self, path: PurePath, group: int) -> None:
        """Give the file or folder to the group with this id. A link itself, never what it points at."""
        with _told("change the group of", path):
            os.chown(path, -1, group, follow_symlinks=False)

    @contextmanager
    def lock(self, path: PurePath, *, patience: float = 0.0) -> Iterator[bool]:
        """Hold an exclusive lock while inside; yields ``False`` when another process holds it for longer than ``patience`` seconds.

        The lock is the kernel's (flock(2)): it ends with its process, so nothing stale is ever left behind.
        """
        with _told("lock", path):
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            deadline = time.monotonic() + patience
            while not (held := _take(handle, path)) and time.monotonic() < deadline:
                time.sleep(_RETRY_S)  # flock(2) waits for ever or not at all
            yield held
        finally:
            os.close(handle)
