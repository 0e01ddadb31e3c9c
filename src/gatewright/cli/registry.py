"""Every command by name. A new command is one line here and one module in `commands`.

The module, in :mod:`gatewright.cli.commands`, has ``DESCRIPTION`` (a paragraph for ``--help``), ``add_arguments(parser)`` and
``run(args, console) -> int`` (the exit code). It is imported only when its command is used.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its name, the module in ``commands``, and one line of help. ``hidden`` ones are not listed."""

    name: str
    module: str
    help: str
    hidden: bool = False


COMMANDS: tuple[Command, ...] = (
    Command("init", "init", "write a commented gateway.yaml and a small site"),
    Command("up", "up", "run the gateway; in an empty folder, make everything first"),
    Command("down", "down", "stop the gateway"),
    Command("status", "status", "say what runs, since when, and which certificates end when"),
    Command("check", "check", "read the gateway file and report every problem; changes nothing"),
    Command("plan", "plan", "say what applying the gateway file would do; changes nothing"),
    Command("apply", "apply", "bring the gateway file into force, proved, or leave everything as it was"),
    Command("prove", "prove", "attack the running gateway from outside, along its own policy"),
    Command("compile", "compile", "print the httpd configuration that the gateway file stands for"),
    Command("schema", "schema", "print the JSON Schema of the gateway file, for editors"),
    Command(
        "explain", "explain", "say whether a certificate is admitted at a path, by which line, and what would change it"
    ),
    Command("verify", "verify", "say whether a certificate is good, why not, and what to do"),
    Command("cert", "cert", "issue, sign, renew, revoke, list, export and explain certificates"),
    Command("client", "client", "look after the clients that routes name"),
    Command("partner", "partner", "look after the partners: their CAs, their names, whether they are let in"),
    Command("ca", "ca", "look after the authorities: keys, generations, CRLs, audit"),
    Command("trust", "trust", "make this machine trust the gateway's root, say whether it does, undo it"),
    Command("user", "user", "look after the users of routes that demand a password"),
    Command("jwks", "jwks", "fetch the keys of token issuers now"),
    Command("version", "version", "print Gatewright's version"),
    Command("setup", "setup", "install httpd through the system's packages", hidden=True),
)

BY_NAME = {command.name: command for command in COMMANDS}
