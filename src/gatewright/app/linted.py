"""Which shapes of certificates were found clean, remembered from one process to the next.

Loading the linter takes longer than all else that issuing a certificate does, and every proof issues some.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import PurePath

from gatewright.errors import EnvironmentFault
from gatewright.pki.lint import Shape
from gatewright.ports.files import FileKind, Files


class Linted:
    """Clean shapes as empty files in ``folder``, which only its owner may enter: whoever writes there could sign as well.

    A verdict holds for what it was made of: ``judge`` names the linter and the code that makes certificates, by release or content. Of
    any other nothing is known.
    """

    def __init__(self, files: Files, folder: PurePath, judge: str) -> None:
        self._files, self._folder, self._judge = files, folder, judge
        self._known: set[Shape] = set()

    def __contains__(self, shape: Shape, /) -> bool:
        """Whether it was found clean, in this process or an earlier one."""
        return shape in self._known or self._files.kind(self._path(shape)) is FileKind.FILE

    def add(self, shape: Shape, /) -> None:
        """Remember it. Where that cannot be written, the next process lints it again."""
        self._known.add(shape)
        with suppress(EnvironmentFault):
            self._files.make_folder(self._folder, 0o700)
            self._files.touch(self._path(shape))

    def _path(self, shape: Shape) -> PurePath:
        return self._folder / hashlib.sha256(f"{self._judge}\n{shape}".encode()).hexdigest()
