"""Commands shown in the documents: read from a page, typed into a shell in their order, compared with what the page shows.

A page that is executed says so in one comment, with what it needs::

    <!-- commands: needs haproxy; ports 9001 8444; slow -->

Its steps are its fenced blocks, from top to bottom, in one shell that begins in an empty folder:

* ``console``: a line ``$ command`` is typed; lines ``> ...`` after it continue it, and so does what follows a backslash. The lines
  below are what must be seen, standard error included; ``…`` stands for anything within a line, and alone for any number of lines. Where
  nothing is shown, anything may be seen. The exit code must be 0, or N where the command ends in ``# exit code N``.
* any other block with ``title="NAME"``: the file NAME, written as shown.

A comment that begins with a line ``<!-- also typed:`` holds commands that a reader has no use for, one a line: those that make what
the page takes for granted. A comment ``<!-- not executed: why -->`` right before a block leaves it out. The port 8443, and those named in ``ports``, are replaced
by free ones, in commands and in what must be seen. ``$SOURCES`` is the project's folder.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from gatewright.app.places import OWNER_NOTE, PUBLISHED
from tests.ports import free_port

FENCE = re.compile(
    r"(?:^<!-- not executed: (?P<why>[^\n]+) -->\n)?"
    r"^(?:(?P<fence>`{3,})(?P<kind>[^\n`]*)\n(?P<text>.*?)^(?P=fence)$|<!-- also typed:\n(?P<also>.*?)^-->$)",
    re.MULTILINE | re.DOTALL,
)
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
"""Where commands are found: our own first."""

ROOT = Path(__file__).resolve().parents[2]
_ALSO = "also typed"
_DECLARED = re.compile(r"^<!-- commands:(?P<what>[^\n]*) -->$", re.MULTILINE)
_TITLE = re.compile(r'title="([^"]+)"')
_EXIT_CODE = re.compile(r"\s*# exit code (\d+)\Z")
_SECONDS = 300.0
"""How long one command may take on a busy machine."""


@dataclass(frozen=True)
class Block:
    """One fenced block: where its first line stands, what it is, and why it is not executed, if it is not."""

    line: int
    kind: str
    text: str
    why_not: str


def blocks(text: str) -> list[Block]:
    """Every fenced block of a page, in order."""
    return [
        Block(text.count("\n", 0, m.start("text")) + 1, m["kind"].strip(), m["text"], m["why"] or "")
        if m["also"] is None
        else Block(text.count("\n", 0, m.start("also")) + 1, _ALSO, m["also"], "")
        for m in FENCE.finditer(text)
    ]


@dataclass(frozen=True)
class Command:
    """What is typed, the exit code it must have, and what must be seen: nothing to compare with where it is empty."""

    line: int
    text: str
    code: int = 0
    shown: tuple[str, ...] = ()


@dataclass(frozen=True)
class Written:
    """A file that the page shows."""

    line: int
    name: str
    text: str


@dataclass(frozen=True)
class Page:
    """A page as a list of steps, with the programs it needs and the ports it names."""

    name: str
    steps: tuple[Command | Written, ...]
    needs: tuple[str, ...] = ()
    ports: tuple[str, ...] = ("8443",)
    slow: bool = False


def declared(text: str) -> bool:
    """Whether the page says that its commands are executed."""
    return _DECLARED.search(text) is not None


def read(name: str, text: str) -> Page:
    """The page ``name``; ``AssertionError`` says what in it cannot be executed."""
    found = _DECLARED.findall(text)
    assert len(found) == 1, f"{name}: one comment 'commands:' is expected, not {len(found)}"
    wants: dict[str, tuple[str, ...]] = {}
    for part in filter(None, (p.strip() for p in found[0].split(";"))):
        word, *values = part.split()
        assert word in {"needs", "ports", "slow"}, f"{name}: '{word}' is not known in the comment 'commands:'"
        wants[word] = tuple(values)
    steps: list[Command | Written] = []
    for block in blocks(text):
        title = _TITLE.search(block.kind)
        if block.why_not:
            continue
        if block.kind.split(" ")[0] == "console":
            steps += _commands(name, block)
        elif block.kind == _ALSO:
            steps += [Command(block.line + n, line) for n, line in enumerate(block.text.splitlines())]
        elif title is not None:
            steps.append(Written(block.line, title[1], block.text))
    return Page(name, tuple(steps), wants.get("needs", ()), ("8443", *wants.get("ports", ())), "slow" in wants)


def _commands(name: str, block: Block) -> Iterator[Command]:
    at, typed, shown = 0, "", list[str]()
    continued = False
    for number, line in enumerate(block.text.splitlines(), block.line):
        if line.startswith("$ "):
            if typed:
                yield _command(at, typed, shown)
            at, typed, shown = number, line[2:], []
        else:
            assert typed, f"{name}:{number}: a line to be seen before any command"
            if continued or (line.startswith("> ") and not shown):
                typed += "\n" + line.removeprefix("> ")
            else:
                shown.append(line)
                continue
        continued = typed.endswith("\\")
    if typed:
        yield _command(at, typed, shown)


def _command(line: int, typed: str, shown: list[str]) -> Command:
    code = _EXIT_CODE.search(typed)
    return Command(line, typed[: code.start()] if code else typed, int(code[1]) if code else 0, tuple(shown))


def seen_as_shown(shown: tuple[str, ...], seen: str) -> bool:
    """Whether ``seen`` is what the page shows; ``…`` stands for anything."""
    parts = [".*?" if line.strip() == "…" else _line(line) for line in shown]
    pattern = "".join(rf"(?:{part}\n)?" if part == ".*?" else rf"{part}[ \t]*\n" for part in parts)
    return re.fullmatch(pattern, seen if seen.endswith("\n") or not seen else f"{seen}\n", re.DOTALL) is not None


def _line(shown: str) -> str:
    return "[^\n]*?".join(re.escape(part) for part in shown.rstrip().split("…"))


@dataclass
class Typist:
    """A shell in an empty folder, with ``gatewright`` on its path, and the ports that stand for those of the page."""

    folder: Path
    ports: dict[str, str] = field(default_factory=dict)

    def follow(self, page: Page) -> int:
        """Do what the page says, and say how many commands that were; ``AssertionError`` tells where it is not true."""
        self.ports = {port: str(free_port()) for port in page.ports}
        self.folder.mkdir()
        talk = self.folder.parent / "talk"
        talk.mkdir()
        with (talk / "shell").open("w") as noise, self._shell(noise) as shell:
            try:
                for number, step in enumerate(page.steps):
                    if isinstance(step, Written):
                        self._write(shell, talk, step)
                    else:
                        self._type(shell, talk / str(number), page.name, step)
            finally:
                self._leave(shell)
        return sum(isinstance(step, Command) for step in page.steps)

    def _shell(self, noise: IO[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            cwd=self.folder,
            env={
                "PATH": PATH,
                "HOME": str(self.folder.parent),
                "LANG": "C.UTF-8",
                "NO_COLOR": "1",
                "SOURCES": str(ROOT),
            },
            stdin=subprocess.PIPE,
            stdout=noise,
            stderr=noise,
            text=True,
            start_new_session=True,
        )

    def _translated(self, text: str) -> str:
        for port, free in self.ports.items():
            text = re.sub(rf"(?<!\d){port}(?!\d)", free, text)
        return text

    def _write(self, shell: subprocess.Popen[str], talk: Path, step: Written) -> None:
        """Where the shell stands now, not where it began."""
        (talk / "file").write_text(self._translated(step.text))
        self._say(shell, talk / "written", f"mkdir -p \"$(dirname '{step.name}')\" && cp '{talk}/file' '{step.name}'")

    def _type(self, shell: subprocess.Popen[str], talk: Path, page: str, step: Command) -> None:
        typed = self._translated(step.text)
        code, seen = self._say(shell, talk, typed)
        where = f"docs/{page}:{step.line}: $ {typed}"
        assert code == step.code, f"{where}\nended with exit code {code}, not {step.code}, and said:\n{seen}"
        shown = tuple(self._translated(line) for line in step.shown)
        assert not shown or seen_as_shown(shown, seen), (
            f"{where}\nthe page shows:\n" + "\n".join(shown) + f"\nbut what is seen is:\n{seen}"
        )

    @staticmethod
    def _say(shell: subprocess.Popen[str], talk: Path, typed: str) -> tuple[int, str]:
        """Exit code and what was said; a command left in the background may go on writing."""
        script, said, ended = (talk.with_suffix(s) for s in (".sh", ".said", ".code"))
        script.write_text(typed + "\n")
        ended.unlink(missing_ok=True)
        assert shell.stdin is not None
        shell.stdin.write(
            f". '{script}' </dev/null >'{said}' 2>&1; echo $? >'{ended}.new'; mv '{ended}.new' '{ended}'\n"
        )
        shell.stdin.flush()
        deadline = time.monotonic() + _SECONDS
        while not ended.exists():
            assert shell.poll() is None, f"the shell ended at: {typed}"
            assert time.monotonic() < deadline, f"no end within {_SECONDS:.0f} s: {typed}\n{said.read_text()}"
            time.sleep(0.01)
        return int(ended.read_text()), said.read_text(errors="replace").replace("\r\n", "\n")

    def _leave(self, shell: subprocess.Popen[str]) -> None:
        """Whatever was left running ends: gateways with what root's publish, and what was put into the background."""
        for file in self.folder.rglob("gateway.yaml"):
            if (file.parent / "run").is_dir():
                subprocess.run(
                    [sys.executable, "-m", "gatewright", "-C", str(file.parent), "down"],
                    check=False,
                    capture_output=True,
                )
        with contextlib.suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)
        for note in Path(PUBLISHED).glob(f"*/{OWNER_NOTE}"):
            with contextlib.suppress(FileNotFoundError):  # other tests come and go there
                if Path(note.read_text().strip()).is_relative_to(self.folder):
                    shutil.rmtree(note.parent)
