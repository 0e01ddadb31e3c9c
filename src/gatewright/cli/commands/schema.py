"""``gatewright schema``: the JSON Schema of the gateway file."""

from __future__ import annotations

import argparse

from gatewright.cli.console import Console
from gatewright.errors import EXIT_OK

DESCRIPTION = """\
Print the JSON Schema of the gateway file. An editor with a YAML language server completes and checks the file
when its first line is '# yaml-language-server: $schema=gateway.schema.json'."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing beyond the global options."""


def run(args: argparse.Namespace, console: Console) -> int:
    """Print it; it is JSON with and without ``--json``."""
    from gatewright.app.starter import schema_text

    console.raw(schema_text())
    return EXIT_OK
