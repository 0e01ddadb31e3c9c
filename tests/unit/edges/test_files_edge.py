"""The file edge on a real file system."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import BinaryIO

import pytest

from gatewright.edges.files import LocalFiles, file_fault
from gatewright.errors import EnvironmentFault
from gatewright.ports.files import FileKind, Files

FILES: Files = LocalFiles()


def mode_of(path: Path) -> int:
    """The permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_write_gives_the_exact_mode(tmp_path: Path, umask: int, mode: int) -> None:
    """The mode of a written file is the one asked for, whatever the umask."""
    before = os.umask(umask)
    try:
        FILES.write(tmp_path / "f", b"x", mode)
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "f") == mode


def test_write_replaces_whole_and_leaves_nothing_beside(tmp_path: Path) -> None:
    """A second write replaces the content and the mode, and no temporary file stays."""
    FILES.write(tmp_path / "f", b"old" * 100, 0o644)
    FILES.write(tmp_path / "f", b"new", 0o600)
    assert (FILES.read(tmp_path / "f"), mode_of(tmp_path / "f")) == (b"new", 0o600)
    assert FILES.list(tmp_path) == ["f"]


def test_failed_write_keeps_the_old_content(tmp_path: Path) -> None:
    """A write that cannot be finished leaves the old file and no temporary file."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inner").write_text("kept")
    with pytest.raises(EnvironmentFault) as caught:
        FILES.write(tmp_path / "folder", b"x")
    assert caught.value.diagnostics[0].code == "not-a-file"
    assert FILES.list(tmp_path) == ["folder"]


def test_full_disk_is_told_with_a_way_out() -> None:
    """ENOSPC, as a real full device gives it, becomes a diagnostic that names the path and the remedy."""
    try:
        with Path("/dev/full").open("wb", buffering=0) as full:
            full.write(b"x")
    except FileNotFoundError:
        pytest.skip("this system has no /dev/full")
    except OSError as error:
        diagnostic = file_fault("write", Path("/gw/state.db"), error).diagnostics[0]
        assert (diagnostic.code, "df -h /gw" in diagnostic.fix) == ("disk-full", True)
        assert "/gw/state.db" in diagnostic.what


def test_a_file_in_the_middle_of_a_path_is_told(tmp_path: Path) -> None:
    """ENOTDIR names the trouble instead of showing an exception."""
    (tmp_path / "file").write_text("")
    for act in (
        lambda: FILES.write(tmp_path / "file" / "x", b""),
        lambda: FILES.make_folder(tmp_path / "file" / "x"),
        lambda: FILES.read(tmp_path / "file" / "x"),
    ):
        with pytest.raises(EnvironmentFault) as caught:
            act()
        assert caught.value.diagnostics[0].code == "not-a-folder"


def test_permission_is_told(tmp_path: Path) -> None:
    """A read-only folder is refused with the owner's remedy, as an account that is not root meets it."""
    (tmp_path / "ro").mkdir(mode=0o555)
    code = (
        "import os;from pathlib import Path;from gatewright.edges.files import LocalFiles\n"
        "from gatewright.errors import EnvironmentFault\n"
        "if os.geteuid()==0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try: LocalFiles().write(Path('f'), b'x')\n"
        "except EnvironmentFault as e: print(e.diagnostics[0].code)\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path / "ro", capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "no-permission", done.stderr


def test_folders_get_their_mode_and_keep_it(tmp_path: Path) -> None:
    """Missing parents are made with the mode; a folder that is there keeps its own."""
    FILES.make_folder(tmp_path / "a" / "b", 0o750)
    assert {mode_of(tmp_path / "a"), mode_of(tmp_path / "a" / "b")} == {0o750}
    FILES.make_folder(tmp_path / "a", 0o700)
    assert mode_of(tmp_path / "a") == 0o750


def test_point_switches_a_link(tmp_path: Path) -> None:
    """A link is switched in place, and a folder at its place is never replaced."""
    FILES.point(tmp_path / "current", "0001")
    FILES.point(tmp_path / "current", "0002")
    assert FILES.target(tmp_path / "current") == "0002"
    assert FILES.target(tmp_path / "nothing") is None
    (tmp_path / "real").mkdir()
    with pytest.raises(EnvironmentFault):
        FILES.point(tmp_path / "real", "0001")


def test_kinds(tmp_path: Path) -> None:
    """Files, folders, nothing and other things are told apart."""
    (tmp_path / "f").write_text("")
    os.mkfifo(tmp_path / "p")
    kinds = [FILES.kind(tmp_path / name) for name in ("f", ".", "nothing", "f/x", "p")]
    assert kinds == [FileKind.FILE, FileKind.FOLDER, FileKind.MISSING, FileKind.MISSING, FileKind.OTHER]


def test_remove_takes_files_trees_and_nothing(tmp_path: Path) -> None:
    """A file, a tree, a link (not what it points at) and nothing at all can be removed."""
    FILES.make_folder(tmp_path / "t" / "u")
    FILES.write(tmp_path / "t" / "f", b"")
    FILES.point(tmp_path / "l", "t")
    FILES.remove(tmp_path / "l")
    assert FILES.list(tmp_path) == ["t"]
    FILES.remove(tmp_path / "t")
    FILES.remove(tmp_path / "t")
    assert FILES.list(tmp_path) == []


def test_lock_excludes_another_process_and_ends_with_it(tmp_path: Path) -> None:
    """Another process does not get the lock while we hold it, and does afterwards."""
    code = (
        "import sys;from pathlib import Path;from gatewright.edges.files import LocalFiles\n"
        "with LocalFiles().lock(Path(sys.argv[1])) as held: print(held)\n"
    )

    def other() -> str:
        command = [sys.executable, "-c", code, str(tmp_path / "lock")]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    with FILES.lock(tmp_path / "lock") as held:
        assert held
        assert other() == "False"
    assert other() == "True"
    assert mode_of(tmp_path / "lock") == 0o600


def copies(log: Path) -> dict[str, bytes]:
    """What stands beside a log, by name."""
    return {path.name: path.read_bytes() for path in log.parent.iterdir() if path != log}


def test_a_log_is_rotated_under_its_writer(tmp_path: Path) -> None:
    """Below the limit it stays; above, it is copied with its mode and goes on from nothing, and the oldest copy falls away."""
    log = tmp_path / "log"
    with log.open("ab", buffering=0) as writer:
        log.chmod(0o640)
        writer.write(b"x" * 10)
        assert not FILES.rotate(log, 10, 2)
        assert copies(log) == {}
        for number in (1, 2, 3):
            writer.write(b"%d\n" % number)
            assert FILES.rotate(log, 1, 2)
            assert log.read_bytes() == b""
        writer.write(b"4\n")
    assert log.read_bytes() == b"4\n"
    assert copies(log) == {"log.1": b"3\n", "log.2": b"2\n"}
    assert mode_of(tmp_path / "log.1") == 0o640
    assert not FILES.rotate(tmp_path / "none", 1, 2)


def test_a_copy_that_fails_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the copy cannot be written the log stays whole, and so do the copies there are."""
    log = tmp_path / "log"
    log.write_bytes(b"new\n")
    (tmp_path / "log.1").write_bytes(b"old\n")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gatewright.edges.files.shutil.copyfileobj", full)
    with pytest.raises(EnvironmentFault) as fault:
        FILES.rotate(log, 1, 2)
    assert fault.value.diagnostics[0].code == "disk-full"
    assert log.read_bytes() == b"new\n"
    assert copies(log) == {"log.1": b"old\n"}


def test_what_is_written_while_a_log_is_copied_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that come during the copying are copied too, however often some come."""
    log, copying = tmp_path / "log", shutil.copyfileobj
    log.write_bytes(b"0\n")
    more = iter([b"1\n", b"2\n", b"3\n"])

    def slowly(source: BinaryIO, target: BinaryIO, piece: int) -> None:
        copying(source, target, piece)
        with log.open("ab") as writer:
            writer.write(next(more, b""))

    monkeypatch.setattr("gatewright.edges.files.shutil.copyfileobj", slowly)
    assert FILES.rotate(log, 1, 2)
    assert (tmp_path / "log.1").read_bytes() == b"0\n1\n2\n3\n"
    assert log.read_bytes() == b""


def test_whoever_only_looks_is_waited_out(tmp_path: Path) -> None:
    """A lock that is let go within the patience is taken; one that is held for longer is not, and without patience none is waited for."""
    path = tmp_path / "lock"
    looked, let_go = threading.Event(), threading.Event()

    def look() -> None:
        with FILES.lock(path):
            looked.set()
            let_go.wait(10)

    looking = threading.Thread(target=look)
    looking.start()
    assert looked.wait(10)
    for patience in (0.0, 0.02):
        with FILES.lock(path, patience=patience) as ours:
            assert not ours
    threading.Timer(0.05, let_go.set).start()
    with FILES.lock(path, patience=10) as ours:
        assert ours
    looking.join()
