"""docs/library.md: its examples are one program that runs, and the names in its table exist."""

from __future__ import annotations

import contextlib
import importlib
import io
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PAGE = (Path(__file__).parents[3] / "docs" / "library.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\| `(gatewright\.pki\.[a-z]+)` \| (.*) \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def program() -> tuple[dict[str, Any], str]:
    """The page's program after it ran: its names, and what it printed."""
    names: dict[str, Any] = {"__name__": "library"}
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        for number, block in enumerate(_BLOCK.findall(PAGE), 1):
            exec(compile(block, f"docs/library.md, example {number}", "exec"), names)
    return names, said.getvalue()


def test_the_examples_do_what_they_say(program: tuple[dict[str, Any], str]) -> None:
    """The good client is accepted, the revoked one is not, and each refusal is told in words."""
    names, said = program
    assert names["good"].accepted
    assert not names["bad"].accepted
    assert [finding.number for finding in names["bad"].findings] == [23]
    assert names["judged"].accepted
    assert not names["other"].accepted
    assert "revoked" in said
    assert "90 " in said
    assert said.count("True") >= 2


def test_openssl_accepts_what_the_examples_made(program: tuple[dict[str, Any], str], tmp_path: Path) -> None:
    """The host's openssl, strict and with every CRL, agrees with the page."""
    names = program[0]
    build, crl = names["build"], names["crl"]
    (tmp_path / "root.pem").write_bytes(build.pem(names["root"]))
    (tmp_path / "issuing.pem").write_bytes(build.pem(names["issuing"]))
    (tmp_path / "crls.pem").write_bytes(crl.pem(names["issuing_crl"]) + crl.pem(names["root_crl"]))
    codes = {}
    for who in ("client", "partner", "linted"):
        (tmp_path / f"{who}.pem").write_bytes(build.pem(names[who]))
        command = [
            "openssl",
            "verify",
            "-x509_strict",
            "-crl_check_all",
            "-CAfile",
            "root.pem",
            "-untrusted",
            "issuing.pem",
        ]
        done = subprocess.run(
            [*command, "-CRLfile", "crls.pem", f"{who}.pem"], cwd=tmp_path, capture_output=True, check=False
        )
        codes[who] = done.returncode
    assert codes == {"client": 0, "partner": 2, "linted": 0}


def test_every_name_in_the_table_is_there_and_described() -> None:
    """Each function and class that the page lists exists in its module and has a docstring."""
    rows = _ROW.findall(PAGE)
    assert len(rows) >= 10
    for module_name, text in rows:
        module = importlib.import_module(module_name)
        listed = re.findall(r"`([A-Za-z_0-9]+)`", text)
        assert listed, module_name
        for name in listed:
            found = getattr(module, name)
            assert name.isupper() or found.__doc__, f"{module_name}.{name}"


def test_the_library_touches_neither_database_nor_httpd() -> None:
    """Importing every module of the page loads no database, no gateway edge and no use case."""
    modules = ", ".join(name for name, _ in _ROW.findall(PAGE))
    code = f"import sys, {modules}; print([m for m in sys.modules if m.startswith(('sqlalchemy', 'gatewright.edges', 'gatewright.app'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
