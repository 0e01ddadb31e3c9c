"""The CA certificates that authorities kept here publish in the gateway's folder, for people, programs and our own checks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath

from gatewright.ports.files import FileKind, Files

FOLDER = PurePath("certs/ca")


def issuing_files(files: Files, folder: PurePath, authority: str) -> Iterator[PurePath]:
    """The files of all issuing CAs that ``authority`` has or had; none before its first start. ``folder`` is the gateway's."""
    own = folder / FOLDER
    if files.kind(own) is not FileKind.FOLDER:
        return
    for name in files.list(own):
        stem = name.removesuffix(".pem")
        number = stem.removeprefix(f"{authority}-issuing-")
        if stem != name and (stem == f"{authority}-issuing" or (number != stem and number.isdecimal())):
            yield own / name
