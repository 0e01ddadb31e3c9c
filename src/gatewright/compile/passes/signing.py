"""Signs what goes to a backend, so that it can refuse what did not come through the gateway.

The lines that hold secrets stand in files of their own, 0600, which httpd reads once, as whoever starts it, and its unprivileged
children never can. ``Include`` and not ``Define``: settings are shown by ``httpd -t -D DUMP_RUN_CFG``, included lines by nothing.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from gatewright.compile.expr import Call, Expr, Joined, Lit, Var
from gatewright.compile.inputs import Inputs
from gatewright.compile.ir import Comment, Node, directive
from gatewright.compile.render import render
from gatewright.model.gateway import Backend
from gatewright.model.machine import OutputFile
from gatewright.model.signature import COVERED, KEY_DIGITS, LABEL, REQUEST, SIGNATURE, TARGET, TIME, signing_file

# What mod_proxy has made of the URL when headers are set (in fixups, it first and mod_headers last); the canary's is a socket.
_ORIGIN = "^proxy:(unix:[^|]*[|])?https?://[^/]*"


def sign(backend: Backend) -> tuple[Node, ...]:
    """Signs the requests of one route; comes after the last line that sets one of the covered fields."""
    return () if backend.signed is None else (directive("Include", signing_file(backend.signed)),)


def signing_files(inputs: Inputs) -> tuple[OutputFile, ...]:
    """The file of each name that a route signs with."""
    return tuple(
        OutputFile(PurePosixPath(signing_file(name)), render(_lines(inputs.secrets[name])).encode(), mode=0o600)
        for name in inputs.gateway.signing_names
    )


def _lines(secrets: tuple[str, ...]) -> tuple[Node, ...]:
    signatures: list[Lit | Call] = []
    for secret in secrets:
        signatures += [Lit(",v1=" if signatures else "v1="), _signature(secret)]
    return (
        Comment("Holds secrets. Made by Gatewright: change the file in 'keys' instead."),
        directive("RequestHeader", "set", TIME, "%t"),
        directive("RequestHeader", "edit", TIME, "^t=", ""),
        directive("RequestHeader", "set", REQUEST, Expr(Call("reqenv", Lit("UNIQUE_ID")), "expr=")),
        directive("RequestHeader", "set", TARGET, Expr(Var("REQUEST_FILENAME"), "expr=")),
        directive("RequestHeader", "edit", TARGET, _ORIGIN, ""),
        directive("RequestHeader", "set", SIGNATURE, Expr(Joined(tuple(signatures)), "expr=")),
    )


def _signature(secret: str) -> Call:
    inner, outer = secret[:KEY_DIGITS], secret[KEY_DIGITS:]
    return Call("sha1", Joined((Lit(outer), Call("sha1", Joined((Lit(f"{inner}{LABEL}"), *_message()))))))


def _message() -> tuple[Lit | Var | Call, ...]:
    """Each part after a blank, which none of them can hold: what is signed can be read in one way only."""
    parts: tuple[Var | Call, ...] = (
        Call("req_novary", Lit(TIME)),
        Call("req_novary", Lit(REQUEST)),
        Var("REQUEST_METHOD"),
        Var("HTTP_HOST"),
        Var("REMOTE_ADDR"),
        Call("req_novary", Lit(TARGET)),
        *(Call("req_novary", Lit(name)) for name in COVERED),
    )
    return tuple(piece for part in parts for piece in (Lit(" "), part))
