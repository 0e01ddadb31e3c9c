"""The whole compilation: a gateway and the facts about the machine become every file of a generation."""

from __future__ import annotations

from pathlib import PurePosixPath

from gatewright.compile import pages
from gatewright.compile.handshake import Handshake, handshake
from gatewright.compile.inputs import Inputs
from gatewright.compile.ir import Comment, Node, directive
from gatewright.compile.modules import modules_for
from gatewright.compile.passes.hosts import hosts
from gatewright.compile.passes.server import server
from gatewright.compile.passes.signing import signing_files
from gatewright.compile.passes.tls import anchor_files, tls_server
from gatewright.compile.quote import Unwritable
from gatewright.compile.render import render
from gatewright.compile.table import Table, table
from gatewright.errors import UsageError
from gatewright.model.garbage import kept
from gatewright.model.machine import Artifact, OutputFile
from gatewright.model.virtual_hosts import virtual_hosts

CONFIGURATION = "httpd.conf"


def tree(inputs: Inputs) -> tuple[Node, ...]:
    """The configuration as a tree, complete but for the modules it loads."""
    return _tree(inputs, table_of(inputs))


def table_of(inputs: Inputs) -> Table | None:
    """The table of the gateway's routes, ``None`` where each has a section of its own."""
    return table(inputs, tuple(inputs.of(host) for host in virtual_hosts(inputs.gateway)))


def _tree(inputs: Inputs, many: Table | None) -> tuple[Node, ...]:
    return (*server(inputs), *tls_server(), *hosts(inputs, many))


def compile_gateway(inputs: Inputs) -> Artifact:
    """Every file of the generation.

    Whether httpd has the modules is for the caller to see to. Raises
    :class:`~gatewright.errors.UsageError` when a name or path cannot be written in httpd's configuration.
    """
    try:
        with kept():
            return _compiled(inputs)
    except Unwritable as problem:
        raise UsageError(problem.at(None)) from problem


def _compiled(inputs: Inputs) -> Artifact:
    many = table_of(inputs)
    nodes = _tree(inputs, many)
    modules = modules_for(nodes)
    shared = [m for m in modules if m not in inputs.httpd.static_modules]
    loads = tuple(
        directive("LoadModule", f"{m.removeprefix('mod_')}_module", f"{inputs.httpd.module_folder}/{m}.so")
        for m in shared
    )
    head = (
        Comment(
            "Made by Gatewright from gateway.yaml. Changes here are lost and reported: change gateway.yaml instead."
        ),
    )
    configuration = OutputFile(PurePosixPath(CONFIGURATION), _bytes(render((*head, *loads, *nodes))))
    records = () if many is None else tuple(record.file() for record in many.records)
    files = (
        configuration,
        *_anchors(inputs),
        *signing_files(inputs),
        *pages.error_pages(),
        *pages.responses(inputs),
        *records,
    )
    return Artifact(files, modules)


def _bytes(text: str) -> bytes:
    """UTF-8; bytes of folders and certificate names that are none come out as they came in (PEP 383)."""
    return text.encode("utf-8", "surrogateescape")


def _anchors(inputs: Inputs) -> tuple[OutputFile, ...]:
    found: list[OutputFile] = []
    for here in map(inputs.of, virtual_hosts(inputs.gateway)):
        if handshake(here.gateway) is not Handshake.NONE:
            trusted, plain = anchor_files(here.apart)
            found.append(OutputFile(PurePosixPath(trusted), "".join(a.trusted_pem for a in here.anchors).encode()))
            found.append(OutputFile(PurePosixPath(plain), "".join(a.pem for a in here.anchors).encode()))
    return tuple(found)
