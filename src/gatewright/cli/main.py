"""The command line's edge: what was typed becomes one command's run, and whatever happens becomes an exit code."""

from __future__ import annotations

import argparse
import atexit
import gc
import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Protocol, cast

from gatewright import __version__
from gatewright.cli.console import Console, abandon_stdout
from gatewright.cli.options import Parser, nearest, usage
from gatewright.cli.registry import BY_NAME, COMMANDS, Command
from gatewright.cli.render import render_diagnostics
from gatewright.errors import EXIT_BUG, EXIT_OK, Diagnostic, GatewrightError

EXIT_INTERRUPTED = 128 + 2
"""What shells report for a process that SIGINT ended."""

EXIT_BROKEN_PIPE = 128 + 13
"""What shells report for a process that SIGPIPE ended: whoever read our output went away."""

_EXIT_CODES = """\
exit codes:
  0  as declared        1  a finding (refused, unproven, invalid)
  2  command line or gateway file is wrong
  3  the machine is not ready (httpd missing, port taken, permission)
  70 a bug in Gatewright"""


class CommandModule(Protocol):
    """What every module of :mod:`gatewright.cli.commands` offers."""

    DESCRIPTION: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the command's own arguments."""
        ...

    def run(self, args: argparse.Namespace, console: Console) -> int:
        """Do the command's work; the exit code. Raises :class:`~gatewright.errors.GatewrightError`."""
        ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (``sys.argv`` by default) and give the process's exit code. Raises nothing, except a bug's
    own exception with ``GATEWRIGHT_DEBUG=1``.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    # The system takes a process's memory back at once. To search it for garbage first, as Python does at the end, costs a command
    # that proves a quarter of its CPU time (0.3 of 1.2 s).
    atexit.register(gc.freeze)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A file name need not be valid in the terminal's encoding; an escape is better than no output at all.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        try:
            return _run(words)
        except GatewrightError as error:
            return _fail(words, error)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        abandon_stdout()
        return EXIT_BROKEN_PIPE
    except Exception as error:  # the process's edge: a user never sees a traceback
        if os.environ.get("GATEWRIGHT_DEBUG") == "1":
            raise
        return _bug(error, words)


def _fail(words: Sequence[str], error: GatewrightError) -> int:
    how = _before_parsing(words)
    try:
        return _console(how).fail(error)
    except GatewrightError as unwritten:  # the JSON could not be written; that is said where people read
        how.json = False
        return _console(how).fail(unwritten)


def top_parser() -> Parser:
    """The parser of what stands before and after the command's name."""
    listed = [command for command in COMMANDS if not command.hidden]
    width = max(len(command.name) for command in listed)
    table = "\n".join(f"  {command.name:<{width}}  {command.help}" for command in listed)
    parser = Parser(
        prog="gatewright",
        usage="gatewright [-C DIR] [--json] [--no-color] COMMAND ...",
        description="One declarative file becomes a running, proven mutual-TLS gateway on Apache httpd.",
        epilog=f"commands:\n{table}\n\n{_EXIT_CODES}\n\n'gatewright COMMAND --help' explains one command.",
    )
    parser.add_argument("--version", action="store_true", help="the same as the command 'version'")
    parser.add_argument("command", nargs="?", metavar="COMMAND", help="what to do; see below")
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def command_parser(command: Command) -> Parser:
    """The full parser of one command. Imports that command's module."""
    module = _module(command)
    parser = Parser(prog=f"gatewright {command.name}", description=module.DESCRIPTION)
    module.add_arguments(parser)
    return parser


def _run(words: Sequence[str]) -> int:
    top = top_parser()
    try:
        args = top.parse_args(words)
        command = _chosen(args)
        if command is None:
            sys.stdout.write(top.format_help())
            sys.stdout.flush()
            return EXIT_OK
        args = command_parser(command).parse_args(args.rest, _globals(args))
    except SystemExit as done:  # --help has printed itself
        sys.stdout.flush()
        return int(done.code or 0)
    return _module(command).run(args, _console(args))


def _chosen(args: argparse.Namespace) -> Command | None:
    if args.version and args.command is None:
        return BY_NAME["version"]
    name: str | None = args.command
    if name is None:
        return None
    if name not in BY_NAME:
        near = nearest(name, BY_NAME)
        fix = f"write 'gatewright {near}'" if near else "see 'gatewright --help' for the list"
        raise usage(f"there is no command {name!r}", fix)
    return BY_NAME[name]


def _module(command: Command) -> CommandModule:
    return cast("CommandModule", importlib.import_module(f"gatewright.cli.commands.{command.module}"))


def _globals(args: argparse.Namespace) -> argparse.Namespace:
    """Only what a command shares with every other, so that its own arguments may have any name."""
    return argparse.Namespace(**{k: v for k, v in vars(args).items() if k in {"folder", "json", "no_color"}})


def _before_parsing(words: Sequence[str]) -> argparse.Namespace:
    """How an error is to be told, known even where the command line cannot be understood."""
    options = words[: words.index("--")] if "--" in words else words
    return argparse.Namespace(json="--json" in options, no_color="--no-color" in options)


def _console(args: argparse.Namespace) -> Console:
    """The console for what was asked. An option that was not given is not in ``args``."""
    no_color = getattr(args, "no_color", False) or bool(os.environ.get("NO_COLOR"))
    folder = getattr(args, "folder", None)
    return Console(
        chosen_folder=folder if folder is not None else os.environ.get("GATEWRIGHT_FOLDER") or ".",
        json=getattr(args, "json", False),
        program=os.environ.get("GATEWRIGHT_PROGRAM") or "gatewright",
        color=not no_color and sys.stderr.isatty() and os.environ.get("TERM") != "dumb",
    )


def _bug(error: Exception, words: Sequence[str]) -> int:
    """Say in one line that this is our fault, and keep the traceback where only this user can read it."""
    import tempfile  # costs a fifth of the start-up time and is needed only here
    import traceback

    report = f"gatewright {__version__}, Python {sys.version}\n{words!r}\n\n" + "".join(
        traceback.format_exception(error)
    )
    try:
        # mkstemp creates the file with mode 0600.
        handle, name = tempfile.mkstemp(prefix="gatewright-bug-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(report)
        kept = f"the details are in {name}; please send that file with your report"
    except OSError:
        kept = "set GATEWRIGHT_DEBUG=1 to see the details"
    what = f"this is a bug in Gatewright: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    sys.stderr.write(render_diagnostics([Diagnostic("bug", what.rstrip(": "), "", kept)]))
    return EXIT_BUG
