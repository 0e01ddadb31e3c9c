"""``gatewright setup``: httpd from the system's own packages. Hidden, because the wrapper in the source tree calls it."""

from __future__ import annotations

import argparse

from gatewright.cli.console import Console
from gatewright.cli.render import visible
from gatewright.errors import EXIT_OK

DESCRIPTION = """\
Install Apache httpd through the system's packages, if it is not there. Says what it runs before it runs it.
Needs root or sudo, except with Homebrew."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing beyond the global options."""


def run(args: argparse.Namespace, console: Console) -> int:
    """Install httpd unless it is there."""
    from gatewright import wiring

    httpd, installed = wiring.setup(console.say)
    how = "installed" if installed else "httpd is there:"
    data = {"httpd": str(httpd.binary), "version": httpd.version_text, "installed": installed}
    console.result(data, f"{how} {visible(str(httpd.binary))}, version {httpd.version_text}\n")
    return EXIT_OK
