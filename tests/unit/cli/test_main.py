"""The command line's edge: where options may stand, what goes where, and which exit code comes out."""

from __future__ import annotations

import argparse
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gatewright import __version__
from gatewright.cli.main import EXIT_BROKEN_PIPE, EXIT_INTERRUPTED, main
from gatewright.cli.options import Parser, nearest
from gatewright.errors import UsageError

CLEAN = {k: v for k, v in os.environ.items() if not k.startswith("GATEWRIGHT_") and k != "NO_COLOR"}


def gatewright(*words: str, before: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """The whole program in its own process; ``before`` is Python run first, to plant what cannot be typed."""
    program = f"import sys\n{before}\nfrom gatewright.cli.main import main\nsys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True,
        text=True,
        env={**CLEAN, **environment},
        check=False,
    )


PLANT = "import gatewright.cli.commands.version as v\ndef run(args, console): raise {error}\nv.run = run"


@pytest.mark.parametrize("words", [["--json", "version"], ["version", "--json"], ["-C", ".", "version", "--json"]])
def test_global_options_stand_anywhere(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Before and after the command's name means the same."""
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["version"] == __version__


def test_the_folder_given_last_wins() -> None:
    """-C after the command replaces -C before it, and neither leaves a trace when not given."""
    parser = Parser(prog="p")
    assert parser.parse_args(["-C", "b"], argparse.Namespace(folder="a")).folder == "b"
    assert parser.parse_args([], argparse.Namespace(folder="a")).folder == "a"
    assert vars(parser.parse_args([])) == {}


def test_nested_commands_take_global_options_too() -> None:
    """A command of a command (cert issue) has them without a line of its own, and refuses what it does not know."""
    parser = Parser(prog="gatewright cert")
    issue = parser.add_subparsers(dest="action").add_parser("issue")
    issue.add_argument("--name")
    assert parser.parse_args(["issue", "--json", "-C", "x", "--name", "n"]).folder == "x"
    with pytest.raises(UsageError) as caught:
        parser.parse_args(["issue", "--nmae", "x"])
    assert caught.value.diagnostics[0].fix == "write '--name'"
    with pytest.raises(UsageError) as caught:
        parser.parse_args(["isue"])
    assert caught.value.diagnostics[0].fix == "write 'issue'"


def test_options_are_never_abbreviated() -> None:
    """An abbreviation would change its meaning with the next option that starts alike."""
    with pytest.raises(UsageError):
        Parser(prog="p").parse_args(["--js"])


def test_nearest() -> None:
    """A near miss is named, a wild guess is not."""
    assert nearest("chekc", ["check", "up"]) == "check"
    assert nearest("xyzzy", ["check", "up"]) is None


@pytest.mark.parametrize("words", [[], ["--help"], ["up", "--help"]])
def test_help_is_a_result(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Help goes to standard output and is no error."""
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert out.startswith("usage: gatewright")
    assert err == ""


def test_errors_are_json_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json even a command line that cannot be understood is answered by one JSON document."""
    assert main(["no-such-command", "--json"]) == 2
    out, err = capsys.readouterr()
    answer = json.loads(out)
    assert answer["exit_code"] == 2
    assert answer["diagnostics"][0]["code"] == "usage"
    assert err == ""


def test_a_bug_is_one_line_and_a_private_file(tmp_path: Path) -> None:
    """What nobody foresaw ends with 70, without a traceback, and the details are kept where only the user can read."""
    done = gatewright("version", before=PLANT.format(error="ZeroDivisionError('secret\\nplan')"), TMPDIR=str(tmp_path))
    assert done.returncode == 70
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("error: this is a bug in Gatewright: ZeroDivisionError: secret [bug]\n")
    (report,) = tmp_path.glob("gatewright-bug-*.txt")
    assert str(report) in done.stderr
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    assert "Traceback" in report.read_text()


def test_a_bug_is_shown_to_whoever_asks() -> None:
    """GATEWRIGHT_DEBUG=1 lets the traceback through."""
    done = gatewright("version", before=PLANT.format(error="ZeroDivisionError"), GATEWRIGHT_DEBUG="1")
    assert "Traceback" in done.stderr


def test_ctrl_c_is_not_an_error_message() -> None:
    """An interrupt ends with 130 and says nothing."""
    done = gatewright("version", before=PLANT.format(error="KeyboardInterrupt"))
    assert (done.returncode, done.stdout, done.stderr) == (EXIT_INTERRUPTED, "", "")


def test_a_reader_that_goes_away() -> None:
    """Output into a closed pipe ends quietly."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as gone:
        done = subprocess.run(
            [sys.executable, "-m", "gatewright", "schema"], stdout=gone, stderr=subprocess.PIPE, env=CLEAN, check=False
        )
    assert (done.returncode, done.stderr) == (EXIT_BROKEN_PIPE, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_full_disk_is_said() -> None:
    """Output that cannot be written is an environment fault, not a bug and not silence."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "gatewright", "version"], stdout=full, stderr=subprocess.PIPE, env=CLEAN, check=False
        )
    assert done.returncode == 3
    assert done.stderr.startswith(b"error: the output cannot be written: No space left on device [output-not-written]")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_full_disk_is_said_of_errors_too() -> None:
    """An error that was to be told as JSON and cannot be written is said on standard error, and is no bug."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "gatewright", "--json", "nonsense"],
            stdout=full,
            stderr=subprocess.PIPE,
            env=CLEAN,
            check=False,
        )
    assert done.returncode == 3
    assert done.stderr.startswith(b"error: the output cannot be written: No space left on device [output-not-written]")


def test_a_folder_from_the_environment(tmp_path: Path) -> None:
    """GATEWRIGHT_FOLDER is the default of -C, and -C wins over it."""
    absent = str(tmp_path / "absent")
    assert repr(absent) in gatewright("check", GATEWRIGHT_FOLDER=absent).stderr
    other = str(tmp_path / "other")
    assert repr(other) in gatewright("check", "-C", other, GATEWRIGHT_FOLDER=absent).stderr


def test_a_file_in_another_folder_is_judged_with_what_stands_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``check below/gateway.yaml`` looks for the site beside that file; the twin: without the site it is refused."""
    below = tmp_path / "below"
    (below / "site").mkdir(parents=True)
    (below / "gateway.yaml").write_text(
        "gateway: localhost\nlisten: 8443\nauthorities: { home: { managed: true } }\n"
        "routes: { /: { files: site, access: public } }\n"
    )
    monkeypatch.chdir(tmp_path)
    done = gatewright("check", "below/gateway.yaml")
    assert (done.returncode, done.stdout) == (0, "below/gateway.yaml: good; 1 route: 1 public\n"), done.stderr
    (below / "site").rmdir()
    assert gatewright("check", "below/gateway.yaml").returncode == 2


def test_every_result_ends_with_a_line_end(tmp_path: Path) -> None:
    """One that is told in lines joined by line ends, too: the prompt of a shell does not stand behind it."""
    assert gatewright("init", "-C", str(tmp_path)).returncode == 0
    told = gatewright("explain", "-C", str(tmp_path), "--route", "/protected/").stdout
    assert told.endswith("\n")
    assert not told.endswith("\n\n")


def test_a_password_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """Octets that are not UTF-8 are a wrong input, and nothing is written. The twin: as text they are taken."""
    words = [sys.executable, "-m", "gatewright", "-C", str(tmp_path), "user", "add", "users", "joe", "--stdin"]
    done = subprocess.run(words, input=b"\xff\xfelong enough a password\n", capture_output=True, env=CLEAN, check=False)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"is not UTF-8" in done.stderr
    assert not (tmp_path / "users").exists()
    done = subprocess.run(words, input="länger als zwölf\n".encode(), capture_output=True, env=CLEAN, check=False)
    assert done.returncode == 0


def test_schema_is_json() -> None:
    """The schema printed is one JSON document."""
    assert json.loads(gatewright("schema").stdout)["$schema"].startswith("https://json-schema.org/")


def test_messages_name_the_program_and_files_do_not(tmp_path: Path) -> None:
    """Run from the source folder, what to type begins with that path; what is printed for httpd to read stays as it is."""
    there = {"GATEWRIGHT_PROGRAM": "/src/gatewright"}
    assert "fix: /src/gatewright init -C" in gatewright("-C", str(tmp_path), "compile", **there).stderr
    (tmp_path / "gateway.yaml").write_text(
        "gateway: localhost\nlisten: 8443\nauthorities:\n  home: { managed: true }\n"
        "routes:\n  /: { respond: { text: hello }, access: any-client }\n"
    )
    plain = gatewright("-C", str(tmp_path), "compile")
    assert "'gatewright prove'" in plain.stdout
    assert gatewright("-C", str(tmp_path), "compile", **there).stdout == plain.stdout


def test_what_nobody_reads_any_more_is_told_on_standard_error(tmp_path: Path) -> None:
    """A detached gateway's reader goes once it is ready; why it gives up later must reach its log all the same."""
    read, write = os.pipe()
    os.close(read)
    program = "import sys; from gatewright.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "--json", "-C", str(tmp_path), "plan"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, env=CLEAN, check=False)
    os.close(write)
    assert done.returncode == 2
    assert "[no-gateway-file]" in done.stderr
    assert "[no-gateway-file]" not in gatewright("--json", "-C", str(tmp_path), "plan").stderr
