"""What people get wrong, and what Gatewright answers: exit code, nothing on standard output, no traceback, and the
message in tests/golden/mistakes, word for word.

A new mistake is one line of the table; ``--update-golden`` writes its message, to be reviewed like code.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden" / "mistakes"

GOOD = """\
gateway: localhost
listen: 8443
authorities:
  home: { managed: true }
clients:
  bot: { authority: home, san: bot.example.org }
routes:
  /: { respond: { status: 200, text: hello }, access: public }
"""
ROUTES = GOOD[: GOOD.index("  /:")]


@dataclass(frozen=True)
class Mistake:
    """One mistake: the words typed, in a folder with these files, and the exit code that is due."""

    name: str
    words: tuple[str, ...]
    code: int = 2
    files: Mapping[str, str | bytes] = field(default_factory=dict)


def typed(name: str, *words: str, code: int = 2, files: Mapping[str, str | bytes] | None = None) -> Mistake:
    return Mistake(name, words, code, files or {})


def written(name: str, text: str | bytes, **files: str | bytes) -> Mistake:
    """A gateway file that ``check`` refuses; ``files`` stand beside it (``__`` for ``/``, ``_pem`` for ``.pem``)."""
    beside = {k.replace("__", "/").replace("_pem", ".pem"): v for k, v in files.items()}
    return Mistake(name, ("check",), 2, {"gateway.yaml": text, **beside})


def route(name: str, text: str, **files: str | bytes) -> Mistake:
    """One wrong route in an otherwise good file."""
    return written(name, f"{ROUTES}  {text}\n", **files)


def replaced(name: str, old: str, new: str, **files: str | bytes) -> Mistake:
    """The good file with one text replaced."""
    assert old in GOOD
    return written(name, GOOD.replace(old, new), **files)


COMMAND_LINE = [
    typed("command-misspelt", "chekc"),
    typed("command-unknown", "xyzzy"),
    typed("command-with-escape-sequence", "\x1b]0;owned\x07"),
    typed("option-misspelt", "up", "--detatch"),
    typed("option-abbreviated", "up", "--det"),
    typed("option-of-another-command", "down", "--detach"),
    typed("option-before-command", "--detach", "up"),
    typed("argument-too-many", "check", "one.yaml", "two.yaml"),
    typed("folder-without-value", "status", "-C"),
    typed("folder-empty", "-C", "", "status"),
    typed("folder-absent", "-C", "nowhere", "check"),
    typed("folder-absent-status", "-C", "nowhere", "status"),
    typed("folder-absent-down", "-C", "nowhere", "down"),
    typed("folder-is-a-file", "-C", "notes.txt", "up", files={"notes.txt": "x"}),
    typed("folder-cannot-be-made", "-C", "/dev/null/gateway", "init", code=3),
    typed("folder-of-something-else", "up", files={"notes.txt": "x", "src/main.py": "x"}),
    typed("folder-of-something-else-init", "init", files={"notes.txt": "x"}),
    typed("emit-unknown", "compile", "--emit", "https"),
    typed("emit-without-value", "compile", "--emit"),
    typed("no-gateway-file-check", "check"),
    typed("no-gateway-file-compile", "compile"),
    typed("file-absent", "check", "gatway.yaml", files={"gateway.yaml": GOOD}),
    typed(
        "file-in-a-folder-below",
        "check",
        "below/gateway.yaml",
        files={"below/gateway.yaml": GOOD.replace("bot", "b t")},
    ),
    typed("file-absent-in-a-folder-below", "check", "below/gateway.yaml", files={"below/a": ""}),
    typed("file-is-a-folder", "check", "site", files={"site/a": ""}),
    typed("file-name-with-line-end", "check", "a\nb.yaml"),
]

YAML = [
    written("yaml-empty", ""),
    written("yaml-only-comments", "# nothing yet\n"),
    written("yaml-not-a-mapping", "- gateway: localhost\n"),
    written("yaml-unclosed", "gateway: localhost\nroutes: {\n"),
    written("yaml-tab", "gateway: localhost\nroutes:\n\t/: {}\n"),
    written("yaml-wrong-indent", "gateway: localhost\n listen: 8443\n"),
    written("yaml-two-documents", GOOD + "---\n" + GOOD),
    written("yaml-alias", GOOD.replace("{ managed: true }", "&a { managed: true }\n  other: *a")),
    written("yaml-tag", GOOD.replace("localhost", "!!python/name:os.system localhost")),
    written("yaml-duplicate-key", GOOD + "listen: 9443\n"),
    written("yaml-not-utf-8", b"gateway: caf\xe9\n"),
    written("yaml-nul", "gateway: local\0host\n"),
    written("yaml-byte-order-mark", "\ufeff" + GOOD),
    written("yaml-template-not-filled-in", GOOD.replace("localhost", "{{ host }}")),
]

GATEWAY_FILE = [
    replaced("key-misspelt", "listen:", "lisen:"),
    replaced("key-of-another-tool", "listen:", "server_name: x\nlisten:"),
    written("keys-missing", "gateway: localhost\n"),
    replaced("host-with-scheme", "localhost", "https://localhost"),
    replaced("host-with-port", "localhost", "localhost:8443"),
    replaced("host-wildcard", "localhost", "'*.example.org'"),
    replaced("port-too-high", "8443", "84430"),
    replaced("port-is-text", "8443", "https"),
    replaced("port-name-in-address", "8443", "localhost:8443"),
    replaced("authority-neither", "{ managed: true }", "{}"),
    replaced("authority-both", "{ managed: true }", "{ managed: true, anchor: a.pem }", a_pem="x"),
    replaced("authority-managed-is-text", "managed: true", "managed: 'yes'"),
    replaced("anchor-absent", "{ managed: true }", "{ anchor: partners/globex.pem }"),
    replaced("client-is-text", "routes:", "  x: y\nroutes:"),
    replaced("anchor-not-a-certificate", "{ managed: true }", "{ anchor: a.pem }", a_pem="not a certificate\n"),
    replaced("anchor-outside", "{ managed: true }", "{ anchor: ../a.pem }"),
    replaced("client-of-unknown-authority", "authority: home", "authority: hom"),
    replaced("client-without-match", ", san: bot.example.org", ""),
    replaced("client-name-bad", "  bot:", "  bot/1:"),
    replaced("client-san-wildcard", "bot.example.org", "'*.example.org'"),
    route("access-missing", "/: { respond: { status: 200 } }"),
    route("access-misspelt", "/: { respond: { status: 200 }, acces: public }"),
    route("access-unknown-word", "/: { respond: { status: 200 }, access: everyone }"),
    route("access-empty-list", "/: { respond: { status: 200 }, access: [] }"),
    route("access-unknown-client", "/: { respond: { status: 200 }, access: [bott] }"),
    route("access-client-as-text", "/: { respond: { status: 200 }, access: bot }"),
    route("access-client-twice", "/: { respond: { status: 200 }, access: [bot, bot] }"),
    route("access-null", "/: { respond: { status: 200 }, access: }"),
    route("route-without-target", "/: { access: public }"),
    route("route-with-two-targets", "/: { files: site, respond: { status: 200 }, access: public }", site__a="x"),
    route("route-is-text", "/: public"),
    route("path-relative", "orders/: { respond: { status: 200 }, access: public }"),
    route("path-double-slash", "/a//b/: { respond: { status: 200 }, access: public }"),
    route("path-dots", "/a/../b/: { respond: { status: 200 }, access: public }"),
    route("path-encoded", "/a%2eb/: { respond: { status: 200 }, access: public }"),
    route("path-wildcard", "/a/*: { respond: { status: 200 }, access: public }"),
    route("path-regular-expression", '"/a/.*[0-9]": { respond: { status: 200 }, access: public }'),
    route(
        "path-twice",
        "/a/: { respond: { status: 200 }, access: public }\n  /a/: { respond: { status: 200 }, access: any-client }",
    ),
    route("files-absent", "/: { files: site, access: public }"),
    route("files-outside", "/: { files: ../secret, access: public }"),
    route("files-absolute", "/: { files: /etc, access: public }"),
    route("files-a-folder-for-one-path", "/a: { files: site, access: public }", site__a="x"),
    route("files-a-file-for-a-tree", "/a/: { files: site/a, access: public }", site__a="x"),
    route("files-are-the-keys", "/: { files: ., access: public }"),
    route("backend-without-scheme", "/: { backend: '127.0.0.1:9001', access: public }"),
    route("backend-with-password", "/: { backend: 'http://u:secret@127.0.0.1:9001', access: public }"),
    route("backend-other-scheme", "/: { backend: 'ftp://127.0.0.1', access: public }"),
    route("backend-timeout-without-unit", "/: { backend: { url: 'http://127.0.0.1:1', timeout: 30 }, access: public }"),
    route("method-lower-case", "/: { respond: { status: 200 }, access: public, methods: [get] }"),
    route("method-trace", "/: { respond: { status: 200 }, access: public, methods: [TRACE] }"),
    route("respond-status-unknown", "/: { respond: { status: 999 }, access: public }"),
    route("respond-two-bodies", "/: { respond: { text: a, html: b }, access: public }"),
    replaced("certificate-without-key", "routes:", "certificate: { chain: c.pem }\nroutes:", c_pem="x"),
    written(
        "no-authority-at-all",
        "gateway: localhost\nlisten: 8443\nroutes:\n  /: { files: s, access: any-client }\n",
        s__a="x",
    ),
    written("many-mistakes-at-once", "gateway: a b\nlisten: 0\nroutes:\n  /: {}\n  x: { acces: public }\nextra: 1\n"),
]

MISTAKES = [*COMMAND_LINE, *YAML, *GATEWAY_FILE]


def gatewright(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The installed program, started as a user starts it, without anything from our environment."""
    program = Path(sys.executable).with_name("gatewright")
    return subprocess.run(
        [str(program), *words],
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="surrogateescape",
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )


def lay_out(folder: Path, files: Mapping[str, str | bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_answered(mistake: Mistake, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Exit code and message are as recorded, nothing is on standard output, and nothing was changed in the folder."""
    folder = tmp_path / "gateway"
    folder.mkdir()
    lay_out(folder, mistake.files)
    before = sorted(folder.rglob("*"))
    done = gatewright(folder, *mistake.words)
    assert "Traceback" not in done.stderr
    assert (done.returncode, done.stdout) == (mistake.code, ""), done.stderr
    assert sorted(folder.rglob("*")) == before
    golden = GOLDEN / f"{mistake.name}.txt"
    said = done.stderr.replace(str(folder), "DIR")
    assert ": " in said
    assert "\x1b" not in said
    if request.config.getoption("--update-golden", default=False):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(said)
    assert said == golden.read_text()


def test_the_table_is_long_and_has_no_name_twice() -> None:
    """At least forty mistakes, each with a message of its own, and no message without its mistake."""
    names = [mistake.name for mistake in MISTAKES]
    assert len(names) == len(set(names)) >= 40
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(names)


def test_every_error_says_what_to_do() -> None:
    """No message of the table is without a fix."""
    for path in GOLDEN.glob("*.txt"):
        text = path.read_text()
        assert text.count("    fix: ") >= text.count("error: "), path.name


@pytest.mark.live
def test_a_port_in_use_is_said(tmp_path: Path) -> None:
    """A port that another program holds is an environment fault that names the port, and no gateway is left behind."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        lay_out(tmp_path, {"gateway.yaml": GOOD.replace("8443", f"127.0.0.1:{port}")})
        done = gatewright(tmp_path, "up", "--detach")
    assert (done.returncode, done.stdout) == (3, ""), done.stderr
    assert str(port) in done.stderr
    assert "    fix: " in done.stderr
    assert gatewright(tmp_path, "status").returncode == 1
