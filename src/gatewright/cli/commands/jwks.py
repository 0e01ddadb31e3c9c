"""``gatewright jwks``: the public keys of token issuers, fetched now."""

from __future__ import annotations

import argparse

from gatewright.cli.console import Console
from gatewright.errors import EXIT_OK

DESCRIPTION = """\
Fetch the key set of every token issuer that the gateway in force (before the first, gateway.yaml) names by an https:// URL,
now. A running gateway does that by itself every five minutes. What cannot be fetched, or is no key set, changes nothing: the keys that are there are used on."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing beyond the global options."""


def run(args: argparse.Namespace, console: Console) -> int:
    """Fetch, and say what."""
    from gatewright.wiring.credentials import jwks

    urls = jwks(console.folder)
    text = "".join(f"Fetched {url}\n" for url in urls) or "No route takes tokens whose keys have to be fetched.\n"
    console.result({"fetched": list(urls)}, text)
    return EXIT_OK
