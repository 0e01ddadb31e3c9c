"""Text to :class:`Declared`: the tree, then the values; all problems of both, in the order of the file."""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType

from gatewright.errors import Diagnostic, Span, UsageError
from gatewright.model.garbage import kept
from gatewright.model.gateway import Declared, Gateway
from gatewright.source.decoder import Decoder, describe
from gatewright.source.shapes import root
from gatewright.source.tree import Node, Scalar, Table, parse


class Misread(UsageError):
    """A gateway file with problems of form.

    ``rest`` is what was understood, good for nothing but finding more problems, and ``left_out`` the names of the entries that are
    not in it; ``None`` where too little was understood.
    """

    def __init__(self, problems: Iterable[Diagnostic], rest: Declared | None, left_out: Iterable[str]) -> None:
        super().__init__(*problems)
        self.rest = rest
        self.left_out = frozenset(left_out)


def decode_text(content: bytes, file: str) -> str:
    """The text of a gateway file's bytes. Raises :class:`UsageError` where they are not UTF-8 (RFC 3629)."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8", "replace")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise UsageError(
            Diagnostic(
                "not-utf-8",
                f"the gateway file is not UTF-8: byte 0x{content[error.start]:02x}",
                "in any other encoding a name could be read as another one",
                "save the file as UTF-8",
                Span(file, line, column),
            )
        ) from error


def load(text: str, file: str) -> Declared:
    """The gateway that ``text`` declares; ``file`` is the name for messages.

    Raises :class:`Misread` with every problem found, in the order of the file. What a later rule needs to know about
    files, certificates and other keys is not judged here (see :mod:`gatewright.check`).
    """
    decoder = Decoder(file)
    gateway: object = None
    with kept():
        tree, problems = parse(text, file)
        if tree is not None:
            gateway = _gateway(tree, decoder)
            problems = [*problems, *decoder.problems]
    declared = Declared(gateway, file, MappingProxyType(decoder.places)) if isinstance(gateway, Gateway) else None
    if problems:
        raise Misread(sorted(problems, key=lambda p: p.where or Span(file)), declared, decoder.left_out)
    assert declared is not None
    return declared


def _gateway(tree: Node, decoder: Decoder) -> object:
    if isinstance(tree, Table):
        return decoder.decode(root(), tree, ())
    found = "text" if isinstance(tree, Scalar) else "a list"
    what = f"{describe(())} is {found}; expected: keys such as 'gateway:', 'listen:' and 'routes:'"
    return decoder.refuse("wrong-type", what, "run 'gatewright init' in an empty folder for a starter file", tree.place)
