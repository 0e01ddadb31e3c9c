"""Publishing: what httpd's unprivileged children get to see is exactly the files named, and nothing reached through a link."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from gatewright.edges.mirror import LocalMirror

SECRET = b"another file of the machine"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site of one page in a folder of its own."""
    page = tmp_path / "gateway" / "site" / "pages" / "page.html"
    page.parent.mkdir(parents=True)
    page.write_bytes(b"hello")
    return page.parent


def sync(source: Path, target: Path) -> int:
    return LocalMirror().sync(source, target, os.getgid())


def published(target: Path) -> list[bytes]:
    return [path.read_bytes() for path in target.rglob("*") if path.is_file()]


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o000])
def test_the_group_reaches_every_file_whatever_the_umask(site: Path, tmp_path: Path, umask: int) -> None:
    """Every published folder and file is open to the group and closed to others, parents included."""
    target = tmp_path / "published" / "site" / "pages"
    before = os.umask(umask)
    try:
        assert sync(site, target) == 2
    finally:
        os.umask(before)
    folders = [target, target.parent, target.parent.parent]
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o750}
    assert stat.S_IMODE((target / "page.html").stat().st_mode) == 0o640
    assert sync(site, target) == 0


@pytest.mark.parametrize("place", ["page.html", "pages", "site"])
def test_nothing_is_read_through_a_link(site: Path, tmp_path: Path, place: str) -> None:
    """A link where a page or any folder above it stood publishes nothing, and what was published is withdrawn."""
    target = tmp_path / "published"
    sync(site, target)
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "pages").mkdir(parents=True)
    for name in ("page.html", "pages/page.html"):
        (elsewhere / name).write_bytes(SECRET)
    linked = {"page.html": site / "page.html", "pages": site, "site": site.parent}[place]
    linked.rename(tmp_path / "was")
    linked.symlink_to(elsewhere / "page.html" if place == "page.html" else elsewhere)
    sync(site, target)
    assert published(target) == []


def test_a_pipe_is_left_out_without_waiting(site: Path, tmp_path: Path) -> None:
    """A named pipe is no file: it is not opened, and publishing does not hang."""
    os.mkfifo(site / "pipe")
    sync(site, tmp_path / "published")
    assert published(tmp_path / "published") == [b"hello"]


def test_changes_and_removals_arrive(site: Path, tmp_path: Path) -> None:
    """An edited page, a folder that became a file and a removed page are all as in the original after one call."""
    target = tmp_path / "published"
    (site / "folder").mkdir()
    (site / "folder" / "inner").write_bytes(b"inner")
    sync(site, target)
    (site / "page.html").write_bytes(b"hello again")
    (site / "folder" / "inner").unlink()
    (site / "folder").rmdir()
    (site / "folder").write_bytes(b"now a file")
    sync(site, target)
    assert sorted(published(target)) == [b"hello again", b"now a file"]
    sync(site.parent / "gone", target)
    assert not target.exists()
