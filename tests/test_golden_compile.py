"""Gateway files and the configuration they become, whole: ``tests/golden/compile-*/{gateway.yaml, httpd.conf | error.txt}``.

``pytest tests/test_golden_compile.py --update-golden`` writes the configurations anew; read the difference before you
commit it. Everything but the gateway file is a fixed value (``tests/unit/compile/made.py``), changed for some cases below.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from gatewright.app.preparing import compiled as with_modules
from gatewright.cli.render import render_diagnostics
from gatewright.compile.gateway import CONFIGURATION, tree
from gatewright.compile.inputs import Inputs
from gatewright.compile.passes.identity import taken
from gatewright.compile.render import render
from gatewright.errors import GatewrightError
from tests.unit.compile.invariants import violations
from tests.unit.compile.made import HTTPD, RUN_AS, anchor, inputs, layout
from tests.unit.compile.reading import meant, read

CASES = sorted((Path(__file__).parent / "golden").glob("compile-*"))
STRIPPED = Path(__file__).parent / "golden" / "stripped.conf"
_NAMED = "# Here stand the lines of ../stripped.conf.\n"
ODD_FOLDER = '/srv/it\'s "$1" \\1 ${HOME} %{HOME} ü'


def _subjects(case: Inputs) -> Inputs:
    names = {
        "quotes": "CN=a'} || true || 'a' in {'b,O=it's \\\"quoted\\\"",
        "comma": "CN=x\\, y \\+ z\\; \\<CA\\>,O=Globex\\, Inc.",
        "unicode": "CN=Größe 日本語,O=Söhne \\\\ €",
        "dollar": "CN=${HOME} $1 %{SSL_CLIENT_S_DN} %% #,O=\\ leading and trailing\\ ",
    }
    return replace(case, anchors=tuple(anchor(a.authority, names.get(a.authority)) for a in case.anchors))


CHANGES: dict[str, Callable[[Inputs], Inputs]] = {
    "run-as-root": lambda case: replace(case, run_as=RUN_AS),
    "odd-subjects": _subjects,
    "odd-folder": lambda case: replace(case, layout=layout(ODD_FOLDER)),
    "authority-between-two-generations": lambda case: replace(
        case, anchors=(anchor("home", "CN=home issuing CA 1"), anchor("home", "CN=home issuing CA 2"))
    ),
    "modules-compiled-in": lambda case: replace(
        case,
        httpd=replace(HTTPD, static_modules=HTTPD.static_modules | HTTPD.shared_modules, shared_modules=frozenset()),
    ),
    "modules-elsewhere": lambda case: replace(
        case,
        httpd=replace(
            HTTPD,
            binary=PurePosixPath("/usr/sbin/httpd"),
            module_folder=PurePosixPath("/usr/lib64/httpd/modules"),
            static_modules=HTTPD.static_modules | {"mod_headers", "mod_mpm_event"},
        ),
    ),
    "modules-missing": lambda case: replace(
        case,
        httpd=replace(
            HTTPD, shared_modules=HTTPD.shared_modules - {"mod_ssl", "mod_http2", "mod_proxy_http", "mod_asis"}
        ),
    ),
    "access": lambda case: replace(
        case,
        anchors=(
            anchor("home"),
            anchor("globex", "CN=globex issuing CA 1"),
            anchor("globex", "CN=globex issuing CA 2"),
        ),
    ),
    "groups": lambda case: replace(
        case, anchors=tuple(replace(a, self_signed=a.authority == "legacy") for a in case.anchors)
    ),
    "own-host": lambda case: replace(
        case, anchors=tuple(replace(a, self_signed=a.authority in {"legacy", "initech"}) for a in case.anchors)
    ),
    "table": lambda case: replace(case, table_from=1),
    "no-system-anchors": lambda case: replace(case, system_anchors=None),
    "unwritable-subject": lambda case: replace(case, anchors=(anchor("globex", "CN=a\nRequire all granted"),)),
}


def inputs_of(case: Path) -> Inputs:
    name = case.name.removeprefix("compile-")
    made = inputs((case / "gateway.yaml").read_text(encoding="utf-8"))
    return CHANGES[name](made) if name in CHANGES else made


def compiled(case: Inputs) -> tuple[str, str]:
    """The name of the golden file and what should be in it."""
    try:
        artifact = with_modules(case)
    except GatewrightError as fault:
        return "error.txt", render_diagnostics(fault.diagnostics)
    files = {str(file.path): file.content for file in artifact.files}
    return CONFIGURATION, folded(files[CONFIGURATION].decode("utf-8"))


def whole(case: Path) -> str:
    """The configuration that the golden file of a case stands for."""
    text = (case / CONFIGURATION).read_text(encoding="utf-8")
    return text.replace(_NAMED, STRIPPED.read_text(encoding="utf-8"))


def folded(text: str) -> str:
    """The configuration with a word in place of the fields that every one takes from requests, which stand once in :data:`STRIPPED`."""
    return text.replace(render(taken()), _NAMED)


def test_what_is_taken_from_every_request_is_this_to_the_letter(update_golden: bool) -> None:
    """The part that all configurations share, which the other golden files only name."""
    text = render(taken())
    if update_golden:
        STRIPPED.write_text(text, encoding="utf-8")
    assert text == STRIPPED.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_configuration_is_this_to_the_letter(case: Path, update_golden: bool) -> None:
    """Each gateway file becomes exactly its httpd.conf, or is refused with exactly its error.txt."""
    name, text = compiled(inputs_of(case))
    if update_golden:
        for old in (CONFIGURATION, "error.txt"):
            (case / old).unlink(missing_ok=True)
        (case / name).write_text(text, encoding="utf-8")
    assert text == (case / name).read_text(encoding="utf-8")
    assert len(list(case.iterdir())) == 2, "a stale golden file"


ACCEPTED = [case for case in CASES if not (case / "error.txt").exists()]


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.name)
def test_what_holds_for_every_configuration_holds(case: Path) -> None:
    """No rule about every compiled tree is broken by any of them."""
    made = inputs_of(case)
    assert not violations(made, tree(made))


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.name)
def test_httpd_reads_what_the_tree_means(case: Path) -> None:
    """Read back as httpd reads it, every line has the name and arguments that the tree gave it: nothing got out of its quotes."""
    made = inputs_of(case)
    text = whole(case)
    settings = {
        "GW_PORT": str(made.gateway.listen.port),
        "GW_LISTEN": str(made.gateway.listen),
        "GW_AUTHORIZER_PORT": "1",
        "GW_RUN": str(made.layout.run),
        "GW_LOGS": str(made.layout.logs),
    }
    lines = [line for line in read(text) if line.name != "LoadModule"]
    assert lines == list(meant(tree(made), settings))


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.name)
def test_modules_are_loaded_before_they_are_used_and_once(case: Path) -> None:
    """LoadModule lines come first, none twice, none of a module that is compiled in."""
    made = inputs_of(case)
    lines = read(whole(case))
    names = [line.name for line in lines]
    loads = [line.args for line in lines if line.name == "LoadModule"]
    assert names[: len(loads)] == ["LoadModule"] * len(loads)
    assert len({args[0] for args in loads}) == len(loads)
    assert not {f"mod_{args[0].removesuffix('_module')}" for args in loads} & made.httpd.static_modules


def test_there_are_enough_cases() -> None:
    """The cases are found at all, and every change below belongs to one."""
    assert len(ACCEPTED) >= 20
    assert {f"compile-{name}" for name in CHANGES} <= {case.name for case in CASES}
