"""What was found clean is not linted again by the next process, as long as nothing that judges or makes it is another."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography import x509
from tests.unit.pki.test_lint import DNS, LINTER, P256, Counting, key_of, leaf_by

from gatewright.app.linted import Linted
from gatewright.edges.files import LocalFiles
from gatewright.edges.linting import PkilintLinter
from gatewright.errors import FindingError
from gatewright.pki.lint import LintGate
from gatewright.pki.names import distinguished_name


def lints(folder: Path, judge: str, name: x509.GeneralName = DNS) -> int:
    """How often a process of its own lints for one certificate."""
    counting = Counting()
    gate = LintGate(counting.lint, key_of, Linted(LocalFiles(), folder, judge))
    leaf_by(gate, P256, subject=distinguished_name("a"), names=[name])
    return counting.calls


def test_the_next_process_need_not_lint_it_again(tmp_path: Path) -> None:
    """A clean shape is linted once in a folder; in another folder, or judged by another linter, again."""
    folder = tmp_path / "linted"
    assert [lints(folder, "linter 1") for _ in range(3)] == [1, 0, 0]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert lints(tmp_path / "other", "linter 1") == 1
    assert lints(folder, "linter 2") == 1


def test_what_has_no_shape_is_linted_by_every_process(tmp_path: Path) -> None:
    """A mail address is out of the ordinary, and nothing is remembered of it."""
    assert [lints(tmp_path, "linter", x509.RFC822Name("a@example.org")) for _ in range(2)] == [1, 1]


def test_what_was_refused_is_refused_by_the_next_process_too(tmp_path: Path) -> None:
    """Only what is clean is remembered."""
    for _ in range(2):
        gate = LintGate(LINTER.lint, key_of, Linted(LocalFiles(), tmp_path, "linter"))
        with pytest.raises(FindingError):
            leaf_by(gate, P256, subject=distinguished_name("a"), names=[x509.DNSName("no name")])


def test_a_folder_that_cannot_be_written_costs_time_only(tmp_path: Path) -> None:
    """Where nothing can be remembered, each process lints; no certificate fails for it."""
    (tmp_path / "linted").write_text("no folder")
    assert [lints(tmp_path / "linted", "linter") for _ in range(2)] == [1, 1]


def test_the_linters_release_names_what_judges() -> None:
    """The linter and the definitions of ASN.1 that it reads with, by version."""
    release = PkilintLinter().release.split()
    assert {"pkilint", "pyasn1", "pyasn1-alt-modules"} <= set(release)
    assert all(version[0].isdigit() for version in release[1::2])
