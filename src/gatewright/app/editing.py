"""A change of the gateway file by command: judged as a whole before anything is written, told line by line, and what it would do."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from types import MappingProxyType

from gatewright.app.checking import gather_facts, read_gateway
from gatewright.app.places import Places
from gatewright.app.planning import Planning, PlanReport
from gatewright.app.policy import Policy, applied_gateway
from gatewright.check import check
from gatewright.errors import Diagnostic, EnvironmentFault, Severity, UsageError
from gatewright.model.gateway import Gateway
from gatewright.model.virtual_hosts import in_force
from gatewright.ports.files import FileKind, Files
from gatewright.ports.inspect import CertificateInspector
from gatewright.source import decode_text, load
from gatewright.source.editing import Document


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a change comes to: the new text, files that it names and that are not there yet, and what its author should know."""

    document: Document
    files: Mapping[PurePosixPath, bytes] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True)
class EditReport:
    """What was changed. ``pending``: the file held changes before that are not in force, and the plan has those too."""

    file: str
    difference: str
    plan: PlanReport
    written: tuple[str, ...] = ()
    notes: tuple[Diagnostic, ...] = ()
    pending: bool = False

    @property
    def changed(self) -> bool:
        """Whether there was anything to change."""
        return bool(self.difference)

    def as_dict(self) -> dict[str, object]:
        """The JSON form."""
        return {
            "file": self.file,
            "changed": self.changed,
            "difference": self.difference,
            "written": list(self.written),
            "notes": [note.as_dict() for note in self.notes],
            "pending": self.pending,
            "plan": self.plan.as_dict(),
        }


def edit_lock(places: Places) -> PurePosixPath:
    """The file whose lock is held by whoever writes the gateway file."""
    return places.run / "edit.lock"


@dataclass(frozen=True, slots=True)
class Editing:
    """The use case over its ports. ``patience``: seconds for which another command's writing is waited for, which takes milliseconds."""

    places: Places
    files: Files
    inspect: CertificateInspector
    planning: Planning
    name: str = field(default="gateway.yaml")
    patience: float = 5.0

    def __call__(self, change: Callable[[Document, Gateway], Wanted]) -> EditReport:
        """Make ``change``, or nothing at all.

        Raises :class:`UsageError` where the file has errors, or would have; what stands in the folder is as before then.
        """
        path = self.places.gateway_file
        if self.files.kind(path) is not FileKind.FILE:
            read_gateway(self.files, self.places.folder, path)  # says what stands there instead
        before = self.files.read(path)
        old = load(decode_text(before, self.name), self.name).gateway
        wanted = change(Document(decode_text(before, self.name), self.name), old)
        after = wanted.document.text.encode()
        made = self._put(wanted.files)
        try:
            policy = self._policy(after)
            plan = self.planning(policy)
            if after != before:
                self._write(before, after)
        except BaseException:
            for file in made:
                self.files.remove(file)
            raise
        applied = applied_gateway(self.files, self.places)
        return EditReport(
            str(path),
            _difference(before.decode(), after.decode(), self.name),
            plan,
            tuple(str(file.relative_to(self.places.folder)) for file in made),
            (*wanted.notes, *policy.warnings),
            pending=applied is not None and applied != in_force(old),
        )

    def _put(self, files: Mapping[PurePosixPath, bytes]) -> list[PurePosixPath]:
        """Write files that nothing names yet; certificates are no secrets."""
        made: list[PurePosixPath] = []
        wanted = {self.places.folder / relative: content for relative, content in files.items()}
        there = {file for file in wanted if self.files.kind(file) is not FileKind.MISSING}
        for file in sorted(there):
            if self.files.kind(file) is not FileKind.FILE or self.files.read(file) != wanted[file]:
                raise UsageError(
                    Diagnostic(
                        "output-exists",
                        f"{file} is there already, and holds something else",
                        "it may be the only copy of something",
                        f"move it away: mv {file} {file}.old",
                    )
                )
        for file, content in wanted.items():
            if file in there:
                continue
            self.files.make_folder(file.parent)
            self.files.write(file, content, 0o644)
            made.append(file)
        return made

    def _policy(self, text: bytes) -> Policy:
        """What the text declares. Raises :class:`UsageError`: with no places, because that text stands nowhere yet."""
        try:
            declared = load(decode_text(text, self.name), self.name)
        except UsageError as error:
            raise UsageError(*(replace(d, where=None) for d in error.diagnostics)) from None
        facts = gather_facts(declared, self.files, self.places.folder, self.planning.clock, self.inspect)
        found = [replace(d, where=None) for d in check(declared, facts)]
        if any(d.severity is Severity.ERROR for d in found):
            raise UsageError(*(d for d in found if d.severity is Severity.ERROR))
        return Policy(text, declared, tuple(found))

    def _write(self, before: bytes, after: bytes) -> None:
        """Under a lock: two commands that both saw the old file would both write, and tell that all went well, and one be lost."""
        path = self.places.gateway_file
        self.files.make_folder(self.places.run)
        with self.files.lock(edit_lock(self.places), patience=self.patience) as ours:
            if not ours or self.files.read(path) != before:
                raise EnvironmentFault(
                    Diagnostic(
                        "gateway-file-changed",
                        f"{path} was changed by somebody else at this moment",
                        "one of the two changes would be lost",
                        "run it again",
                    )
                )
            self.files.write(path, after, self.files.mode(path))


def _difference(before: str, after: str, name: str) -> str:
    """A unified diff, empty where nothing differs."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), name, name, n=1, lineterm="")
    return "".join(f"{line}\n" for line in lines)
