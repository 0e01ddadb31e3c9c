"""Programs beside the supervisor: where they cannot be started, that is an answer and not a crash."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gatewright.edges.background import begin
from gatewright.errors import EnvironmentFault
from gatewright.wiring.ourselves import ourselves


def test_what_it_says_stands_in_its_log(tmp_path: Path) -> None:
    """Both streams go to the log, which begins anew."""
    log = tmp_path / "log"
    log.write_text("older\n")
    program = "import sys; print('out', flush=True); print('err', file=sys.stderr)"
    assert begin([sys.executable, "-c", program], log).wait() == 0
    assert log.read_text() == "out\nerr\n"


@pytest.mark.parametrize(("program", "log"), [("/nonexistent", "log"), (sys.executable, "no/such/folder/log")])
def test_what_cannot_be_started_is_told(tmp_path: Path, program: str, log: str) -> None:
    """A program or a log that is not to be had is a fault of the machine, with the way out."""
    with pytest.raises(EnvironmentFault) as caught:
        begin([program, "--version"], tmp_path / log)
    assert caught.value.diagnostics[0].code == "cannot-start-process"
    assert program in caught.value.diagnostics[0].what


def test_it_takes_no_module_from_the_folder_it_stands_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ``json.py`` that somebody left where the supervisor was started is not run by what it starts."""
    (tmp_path / "json.py").write_text("open('was-run', 'w').close()\n")
    monkeypatch.chdir(tmp_path)
    assert begin(ourselves("schema")).wait() == 0
    assert not (tmp_path / "was-run").exists()
    # The twin: without the switch it is.
    begin([word for word in ourselves("schema") if word != "-P"]).wait()
    assert (tmp_path / "was-run").exists()
