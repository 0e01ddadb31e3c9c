"""The documents are true: every command they show is typed into a shell, and what they show is what is seen."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.live.gate import until
from tests.live.transcript import PATH, Command, Page, Typist, declared, read, seen_as_shown

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = [read(str(p.relative_to(DOCS)), p.read_text()) for p in sorted(DOCS.rglob("*.md")) if declared(p.read_text())]

pytestmark = [pytest.mark.live]


@pytest.mark.parametrize(
    "page", [pytest.param(p, id=p.name, marks=[pytest.mark.slow] if p.slow else []) for p in PAGES]
)
def test_the_commands_of_a_page_do_what_it_says(page: Page, tmp_path: Path) -> None:
    """Each command, in order, ends as shown and says what is shown."""
    missing = [program for program in page.needs if shutil.which(program, path=PATH) is None]
    if missing:
        pytest.skip(f"not installed: {' '.join(missing)}")
    assert Typist(tmp_path / "here").follow(page) > 0


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("$ echo one\ntwo\n", "the page shows:\ntwo\nbut what is seen is:\none"),
        ("$ printf 'one\\ntwo\\n'\none\n", "but what is seen is"),
        ("$ echo one\none\ntwo\n", "but what is seen is"),
        ("$ echo one 8443\none 8444\n", "but what is seen is"),
        ("$ false\n", "ended with exit code 1, not 0"),
        ("$ true # exit code 1\n", "ended with exit code 0, not 1"),
        ("$ gatewright status\nrunning\n", "ended with exit code"),
        ("$ echo one\none\n$ echo two\nthree\n", r"docs/twin\.md:5"),
        ("$ exit 0\n", "the shell ended"),
    ],
)
def test_what_is_not_true_is_noticed(said: str, told: str, tmp_path: Path) -> None:
    """The twin: a line too many, too few or wrong, another exit code, each with the line of the page."""
    page = read("twin.md", f"<!-- commands: -->\n```console\n{said}```\n")
    with pytest.raises(AssertionError, match=told):
        Typist(tmp_path / "here").follow(page)


def test_what_is_true_passes(tmp_path: Path) -> None:
    """Variables, folders, files, continued lines, background commands and exit codes are those of one shell."""
    text = """\
<!-- commands: ports 9001 -->
```yaml title="deep/file"
listen: 8443
```
```console
$ cd deep; wanted=8443
$ grep -c "listen: $wanted" file
1
$ cat file \\
  file
listen: …
listen: 8443
$ cat <<'END'
> first
> 9001
> END
first
…
$ sleep 60 &
$ false # exit code 1
$ printf 'one\\n\\ntwo\\nthree\\n'
one
…
three
```
<!-- not executed: it would end the shell -->
```console
$ exit 1
```
"""
    assert Typist(tmp_path / "here").follow(read("twin.md", text)) == 7


def test_any_number_of_lines_is_also_none() -> None:
    """A line … stands for no line, too; within a line … stands for no text, too, but for no line's end."""
    assert seen_as_shown(("a", "…", "b"), "a\nb\n")
    assert seen_as_shown(("a…b",), "ab\n")
    assert not seen_as_shown(("a…b",), "a\nb\n")
    assert not seen_as_shown(("a", "…"), "b\na\n")


def test_nothing_runs_afterwards(tmp_path: Path) -> None:
    """What a page leaves in the background ends with it."""
    page = Page("twin.md", (Command(1, "sleep 600 & echo $!", 0, ()),))
    Typist(tmp_path / "here").follow(page)
    (said,) = (tmp_path / "talk").glob("*.said")
    pid = re.search(r"\d+", said.read_text())
    assert pid is not None
    status = Path(f"/proc/{pid[0]}/status")
    until(lambda: not status.exists() or "zombie" in status.read_text())
