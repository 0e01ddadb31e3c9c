"""The gateway file is written by one command at a time, and only where it is still what the command has read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePath, PurePosixPath

import pytest

from gatewright.app.editing import Editing, Wanted, edit_lock
from gatewright.app.places import Places
from gatewright.edges.files import LocalFiles
from gatewright.errors import EnvironmentFault
from gatewright.model.gateway import Gateway
from gatewright.pki.inspect import PemInspector
from gatewright.source.editing import Document
from gatewright.wiring.apply import planning

TEXT = """\
gateway: localhost
listen: 8443
authorities:
  home: { managed: true }
routes:
  /: { respond: { text: ok }, access: any-client }
"""


class Watched(LocalFiles):
    """Tells, while the gateway file is written, whether another command could write it too."""

    def __init__(self, places: Places) -> None:
        self._lock = edit_lock(places)
        self.could: list[bool] = []

    def write(self, path: PurePath, content: bytes, mode: int = 0o640) -> None:
        """As ever."""
        with LocalFiles().lock(self._lock) as free:
            self.could.append(free)
        super().write(path, content, mode)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    (tmp_path / "gateway.yaml").write_text(TEXT)
    return Places(PurePosixPath(tmp_path))


def another_port(document: Document, _gateway: Gateway) -> Wanted:
    return Wanted(document.put(("listen",), value=8444))


def editing(places: Places, files: LocalFiles) -> Editing:
    return Editing(places, files, PemInspector(), planning(places))


def test_nobody_else_writes_between_the_look_and_the_writing(places: Places) -> None:
    """The lock is held while the file is written, and free afterwards."""
    files = Watched(places)
    assert editing(places, files)(another_port).changed
    assert files.could == [False]
    assert "listen: 8444" in Path(places.gateway_file).read_text()
    with LocalFiles().lock(edit_lock(places)) as free:
        assert free


def test_whoever_does_not_get_the_lock_writes_nothing(places: Places) -> None:
    """Another command that writes for too long: told to run it again, and the file is as it was."""
    LocalFiles().make_folder(places.run)
    with LocalFiles().lock(edit_lock(places)), pytest.raises(EnvironmentFault) as caught:
        replace(editing(places, LocalFiles()), patience=0.0)(another_port)
    assert caught.value.diagnostics[0].code == "gateway-file-changed"
    assert Path(places.gateway_file).read_text() == TEXT


def test_a_file_that_was_changed_meanwhile_is_left_alone(places: Places) -> None:
    """What somebody wrote after it was read is not lost."""

    def meanwhile(document: Document, gateway: Gateway) -> Wanted:
        Path(places.gateway_file).write_text(TEXT + "# theirs\n")
        return another_port(document, gateway)

    with pytest.raises(EnvironmentFault) as caught:
        editing(places, LocalFiles())(meanwhile)
    assert caught.value.diagnostics[0].code == "gateway-file-changed"
    assert Path(places.gateway_file).read_text() == TEXT + "# theirs\n"
