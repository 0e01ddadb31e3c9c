"""The argument parser of every command: the same global options on each, and errors that are diagnostics."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from gatewright.errors import Diagnostic, UsageError

_OPTION = re.compile(r"(?<![\w-])--?[A-Za-z][a-z0-9-]*")
_INVALID_CHOICE = re.compile(
    r"argument (?P<option>[^:]+): invalid choice: (?P<bad>'.*'|\".*\") \(choose from (?P<choices>.*)\)\Z", re.DOTALL
)


class Parser(argparse.ArgumentParser):
    """An argument parser that knows the global options, takes no abbreviations and raises instead of exiting.

    Sub-parsers made through ``add_subparsers`` are of this class too, so ``-C``, ``--json`` and ``--no-color`` may
    stand anywhere after the program's name. Absent options leave no trace in the namespace; defaults are applied once,
    by the caller.
    """

    def __init__(self, **options: Any) -> None:
        options.setdefault("allow_abbrev", False)
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(**options)
        group = self.add_argument_group("options of every command")
        group.add_argument(
            "-C",
            dest="folder",
            metavar="DIR",
            default=argparse.SUPPRESS,
            help="the gateway's folder (default: $GATEWRIGHT_FOLDER, else the current folder)",
        )
        group.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="print the result as JSON on standard output"
        )
        group.add_argument(
            "--no-color",
            action="store_true",
            default=argparse.SUPPRESS,
            help="no colours, as when NO_COLOR is set or standard error is no terminal",
        )

    def parse_known_args(  # type: ignore[override]  # narrower than argparse's overloads, and only argparse calls it
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """As argparse's, but what a parser does not know is its own error, so that it can name the nearest option."""
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self._refuse_unknown(unknown)
        return known, []

    def _refuse_unknown(self, unknown: Sequence[str]) -> NoReturn:
        first = unknown[0].partition("=")[0]
        if first.startswith("-"):
            what = f"{self.prog} has no option {first!r}"
            near = nearest(first, _OPTION.findall(self.format_help()))
        else:
            what, near = f"{self.prog} takes no argument {first!r} here", None
        raise usage(what, f"write '{near}'" if near else f"see '{self.prog} --help'")

    def error(self, message: str) -> NoReturn:
        """Raise what argparse found as a :class:`UsageError`, with the nearest choice where a choice was wrong."""
        choice = _INVALID_CHOICE.search(message)
        if choice:
            choices = [c.strip("'\"") for c in choice["choices"].split(", ")]
            bad = choice["bad"][1:-1]
            near = nearest(bad, choices)
            raise usage(
                f"{self.prog}: {choice['option']} cannot be {bad!r}",
                f"write '{near}'" if near else f"choose from {', '.join(choices)}",
            )
        message = message.removeprefix("argument ")
        raise usage(f"{self.prog}: {message}", f"see '{self.prog} --help'")


def usage(what: str, fix: str) -> UsageError:
    """The error for a command line that cannot be understood."""
    return UsageError(Diagnostic("usage", what, "", fix))


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word most like ``word``, if any is near enough to be what was meant."""
    matches = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None
