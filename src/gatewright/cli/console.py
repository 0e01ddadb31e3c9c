"""Where a command's output goes: results to standard output, everything else to standard error."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from gatewright.cli.render import as_typed, render_diagnostics, visible
from gatewright.errors import Diagnostic, EnvironmentFault, GatewrightError, UsageError


@dataclass(frozen=True, slots=True)
class Console:
    """How the user wants to be answered, and the folder the command is about.

    ``json``: results and errors as one JSON document on standard output. ``color``: colour on standard error.
    ``program``: how the user starts Gatewright, for lines to be pasted.
    """

    chosen_folder: str
    json: bool = False
    color: bool = False
    program: str = "gatewright"

    @property
    def folder(self) -> Path:
        """The gateway's folder, absolute, which must be there. Raises :class:`UsageError`."""
        path = self.folder_to_be
        if not path.exists():
            what = f"there is no folder {str(path)!r}"
            raise UsageError(
                Diagnostic("no-such-folder", what, "", "check -C, or make it a gateway with 'gatewright -C DIR up'")
            )
        return path

    @property
    def folder_to_be(self) -> Path:
        """The gateway's folder, absolute; it need not be there yet. Raises :class:`UsageError` for what is no folder."""
        if not self.chosen_folder or "\0" in self.chosen_folder:
            what = f"{self.chosen_folder!r} cannot be a folder's name"
            raise UsageError(Diagnostic("no-such-folder", what, "", "give -C the path of a folder"))
        path = Path(self.chosen_folder).absolute()
        try:
            wrong = path.exists() and not path.is_dir()
        except OSError as error:
            what = f"{str(path)!r} cannot be looked at: {error.strerror}"
            raise UsageError(Diagnostic("no-such-folder", what, "", "give -C a folder you may read")) from error
        if wrong:
            what = f"{str(path)!r} is not a folder"
            raise UsageError(Diagnostic("no-such-folder", what, "", "give -C the folder that holds gateway.yaml"))
        return path

    def result(self, data: Mapping[str, object], text: str) -> None:
        """Print the command's result: ``data`` as JSON when asked for, else ``text``, which gets a line end where it has none."""
        shown = json.dumps(data, indent=2, ensure_ascii=False) if self.json else as_typed(text, self.program)
        self.raw(shown + "\n" if shown and not shown.endswith("\n") else shown)

    def raw(self, text: str) -> None:
        """Write ``text`` to standard output exactly as it is, and flush.

        Raises :class:`EnvironmentFault` when it cannot be written, except to a reader that went away.
        """
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            abandon_stdout()
            what = f"the output cannot be written: {error.strerror}"
            fix = "look at where standard output goes: is the disk full?"
            raise EnvironmentFault(Diagnostic("output-not-written", what, "", fix)) from error

    def say(self, text: str, /) -> None:
        """One line for a human, on standard error, with control characters made visible."""
        # A terminal that is gone must not end a gateway that serves.
        with contextlib.suppress(OSError):
            sys.stderr.write(visible(as_typed(text, self.program)) + "\n")
            sys.stderr.flush()

    def complain(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Diagnostics on standard error."""
        typed = (replace(found, fix=as_typed(found.fix, self.program)) for found in diagnostics)
        sys.stderr.write(render_diagnostics(typed, color=self.color))
        sys.stderr.flush()

    def fail(self, error: GatewrightError) -> int:
        """Tell ``error`` the way the user asked for, and give its exit code."""
        if not self.json:
            self.complain(error.diagnostics)
            return error.exit_code
        found = [diagnostic.as_dict() for diagnostic in error.diagnostics]
        try:
            self.result({"exit_code": error.exit_code, "diagnostics": found}, "")
        except BrokenPipeError:
            # Whoever asked has gone: a detached gateway's last words belong into its log.
            abandon_stdout()
            self.complain(error.diagnostics)
        return error.exit_code


def abandon_stdout() -> None:
    """Send what is still buffered for standard output nowhere, so that the interpreter's last flush cannot fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
