"""The real httpd as judge of our quoting: what was quoted comes back unchanged, compared or as the name of a file.

Hundreds of texts go into one configuration, so that one start of httpd judges them all.
"""

from __future__ import annotations

import base64
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote as percent

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gatewright.compile.expr import Call, Condition, Eq, Exists, Expr, Joined, Lit, OneOf, Var
from gatewright.compile.ir import Node, Setting, directive, section
from gatewright.compile.quote import DOLLAR, setting_value, substitution
from gatewright.compile.render import render
from gatewright.edges.accounts import LocalAccounts
from gatewright.edges.httpd import LocalHttpd
from tests.live.httpd import select_nothing
from tests.ports import free_port
from tests.property.texts import LONG, PIECES, texts

pytestmark = pytest.mark.live

SENT = Call("unbase64", Var("HTTP:X-T"))
"""The text that a request carries, base64 so that any bytes arrive."""

MODULES = ("mpm_event", "authz_core", "authn_core", "headers", "env", "alias", "unixd")
BATCH = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


@contextmanager
def httpd(configuration: bytes, folder: Path) -> Iterator[int]:
    """A private httpd with ``configuration``; yields its port. Fails with its complaint when it does not start."""
    found = LocalHttpd(os.environ).find()
    account = LocalAccounts().unprivileged()
    port = free_port()
    loads = [name for name in MODULES if f"mod_{name}" not in found.static_modules]
    head = [f"LoadModule {name}_module {found.module_folder}/mod_{name}.so" for name in loads]
    head += [f"User {account.user}", f"Group {account.group}"] if account else []
    head += [f"ServerRoot {folder}", f"Listen 127.0.0.1:{port}", f"ServerName oracle:{port}", f"PidFile {folder}/pid",
             f"DefaultRuntimeDir {folder}", f"Mutex default:{folder}", f"ErrorLog {folder}/log", "StartServers 1",
             "LimitRequestFieldSize 65536", "KeepAlive On", "MaxKeepAliveRequests 0", f"Define {DOLLAR} $"]  # fmt: skip
    (folder / "conf").write_bytes("\n".join(head).encode() + b"\n" + configuration)
    process = subprocess.Popen(
        [str(found.binary), "-f", str(folder / "conf"), "-D", "FOREGROUND"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        _wait(process, port)
        yield port
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process.poll() is not None:
                raise AssertionError(process.communicate()[0].decode(errors="replace")) from None
            select_nothing()
        else:
            return
    raise AssertionError("httpd does not answer")


class Asking:
    """One kept connection, so that thousands of questions are cheap."""

    def __init__(self, port: int) -> None:
        self._connection = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._answers = self._connection.makefile("rb")

    def close(self) -> None:
        """Ends the connection."""
        self._answers.close()
        self._connection.close()

    def get(self, path: str, sent: str = "") -> tuple[int, dict[str, str], bytes]:
        """Status, headers in lower case and body of ``path``, the request carrying ``sent``."""
        token = base64.b64encode(raw(sent)).decode()
        self._connection.sendall(f"GET {path} HTTP/1.1\r\nHost: oracle\r\nX-T: {token}\r\n\r\n".encode())
        status = int(self._answers.readline().split()[1])
        headers = {}
        while (line := self._answers.readline().decode("latin-1").strip()) != "":
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return status, headers, self._answers.read(int(headers.get("content-length", 0)))


@contextmanager
def asking(nodes: Sequence[Node], folder: Path | None = None) -> Iterator[Asking]:
    """A running httpd with the configuration that ``nodes`` render to."""
    with tempfile.TemporaryDirectory(prefix="gatewright-oracle-") as name:
        Path(name).chmod(0o755)
        with httpd(raw(render(tuple(nodes))), folder or Path(name)) as port:
            client = Asking(port)
            try:
                yield client
            finally:
                client.close()


def changed(text: str) -> list[str]:
    """Other texts that a wrong reading could take for this one."""
    others = [text + "x", "x" + text, text[:-1], text + "\\", text.replace("\\", ""), text.replace("\\", "\\\\"),
              text.strip(), text.replace("$", ""), text.replace("%", "%%"), text.replace('"', '\\"'), text.swapcase(), ""]  # fmt: skip
    return [other for other in dict.fromkeys(others) if other != text]


def echo(number: int, text: str) -> Node:
    """A location that answers with ``text`` as an argument, as a joined argument, and as a setting's value."""
    back = {"V": "GW_V", "J": "GW_J", "S": "GW_S"}
    return section(
        "Location",
        f"/echo/{number}",
        children=(
            directive("Define", f"S{number}", setting_value(f"={text}")),  # an empty one counts as undefined
            directive("SetEnv", "GW_V", text),
            directive("SetEnv", "GW_J", ("<", text, "|", text, ">")),
            directive("SetEnv", "GW_S", Setting(f"S{number}")),
            *(
                directive("Header", "always", "set", k, Expr(Call("base64", Call("reqenv", Lit(v))), "expr="))
                for k, v in back.items()
            ),
        ),
    )


def compared(number: int, text: str) -> list[Node]:
    """Locations that are open, and headers that are set, only for a request that carries exactly ``text``."""
    conditions: dict[str, Condition] = {
        "eq": Eq(SENT, Lit(text)),
        "in": OneOf(SENT, ("no", text, "nor this")),
        "joined": Eq(Joined((Lit("<"), SENT, Lit(">"))), Joined((Lit("<"), Lit(text[:1]), Lit(text[1:] + ">")))),
    }
    nodes: list[Node] = []
    for name, condition in conditions.items():
        said = directive("Header", "always", "set", "If", "yes")
        inside = (
            directive("Require", "expr", Expr(condition)),
            section("If", Expr(condition), children=(said,)),
            directive("Header", "always", "set", "Late", "yes", Expr(condition, "expr=")),
        )
        nodes.append(section("Location", f"/{name}/{number}", children=inside))
    return nodes


def check_arguments(batch: list[str]) -> None:
    with asking([echo(number, text) for number, text in enumerate(batch)]) as client:
        for number, text in enumerate(batch):
            _, headers, _ = client.get(f"/echo/{number}")
            back = {name: base64.b64decode(headers.get(name, "")) for name in ("v", "j", "s")}
            assert back == {"v": raw(text), "j": b"<%b|%b>" % (raw(text), raw(text)), "s": b"=" + raw(text)}, repr(text)


def check_expressions(batch: list[str]) -> None:
    nodes = [node for number, text in enumerate(batch) for node in compared(number, text)]
    with asking(nodes) as client:
        for number, text in enumerate(batch):
            for sent in (text, *changed(text)):
                for name in ("eq", "in", "joined"):
                    if name == "in" and sent == "no":
                        continue
                    status, headers, _ = client.get(f"/{name}/{number}", sent)
                    seen = (status != 403, "if" in headers, "late" in headers)
                    assert seen == ((sent == text),) * 3, (name, text, sent, status, headers)


def check_both(batch: list[str]) -> None:
    check_arguments(batch)
    check_expressions(batch)


@BATCH
@given(st.lists(texts(), min_size=100, max_size=250))
@example(list(PIECES))
@example(["x" * 10_000, "\\" * 10_000, '"' * 10_000, "${HOME}" * 3_000, "é" * 10_000])
def test_arguments_come_back_unchanged(batch: list[str]) -> None:
    """Any text that we do not refuse reaches the directive byte for byte, alone, joined to others, and through a setting."""
    check_arguments(batch)


@BATCH
@given(st.lists(texts(), min_size=30, max_size=80, unique=True))
@example(list(PIECES))
@example([text[:8_189] for text in LONG[:3]] + ["x" * 8_189])
def test_texts_in_expressions_match_themselves_only(batch: list[str]) -> None:
    """In ``Require``, ``<If>`` and ``expr=``, by ``==`` and ``in``: a request carrying the text is let in, any other is not."""
    check_expressions(batch)


@pytest.mark.parametrize("code", [c for c in range(1, 256) if c not in {10, 13}])
def test_every_byte_is_a_text(code: int, bytes_seen: dict[int, tuple[bytes, bytes]]) -> None:
    """Each byte but NUL and the line ends passes at both ends and in the middle of a text, as UTF-8 or not."""
    assert bytes_seen[code] == (_around(code), b"yes")


def _around(code: int) -> bytes:
    return bytes([code]) + b"a" + bytes([code]) + b"b" + bytes([code])


@pytest.fixture(scope="module")
def bytes_seen() -> dict[int, tuple[bytes, bytes]]:
    """What httpd makes of each byte: the argument given back, and whether an expression recognised it."""
    codes = [c for c in range(1, 256) if c not in {10, 13}]
    both = {c: _around(c).decode("utf-8", "surrogateescape") for c in codes}
    nodes = [n for c in codes for n in (echo(c, both[c]), *compared(c, both[c]))]
    seen = {}
    with asking(nodes) as client:
        for c in codes:
            _, told, _ = client.get(f"/echo/{c}")
            status, headers, _ = client.get(f"/eq/{c}", both[c])
            known = b"yes" if status != 403 and "if" in headers else b"no"
            seen[c] = (base64.b64decode(told["v"]), known)
    return seen


# What a path of a request can hold without meaning something else there, "/" for folders aside.
_NAMES = texts(4).map(lambda t: re.sub(r"[/*?\[\]\\]|[\x00-\x1f\x7f]", "", t)).filter(
    lambda t: t.strip(". ") and len(raw(t)) < 200
)  # fmt: skip


@BATCH
@given(st.lists(_NAMES, min_size=20, max_size=60, unique=True))
@example(["it's", 'say "x"', "${HOME}", "$1&$0", "%{X}s", "<x>", "#", " a ", "ü", "a+b", "(x)", "^$", "x{2}", "a|b"])
def test_paths_and_files_of_any_name(batch: list[str]) -> None:
    """Locations, aliases by path and by pattern, and ``-e`` find exactly the path and the file of that name."""
    with tempfile.TemporaryDirectory(prefix="gatewright-oracle-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        nodes: list[Node] = []
        for number, text in enumerate(batch):
            file = folder / "files" / str(number) / os.fsdecode(raw(text))
            file.parent.mkdir(parents=True)
            file.write_text(str(number))
            there = Exists(Joined((Lit(f"{file.parent}/"), SENT)))
            exactly = Exists(Joined((Lit(f"{file}"), SENT)))
            nodes += [
                directive("Alias", f"/alias/{number}/{text}", str(file)),
                directive("AliasMatch", f"^/match/{number}/{re.escape(text)}$", substitution(str(file))),
                section(
                    "Location", f"/alias/{number}/{text}", children=(directive("Header", "set", "Here", str(number)),)
                ),
                section("Location", f"/there/{number}", children=(directive("Require", "expr", Expr(there)),)),
                section("Location", f"/exactly/{number}", children=(directive("Require", "expr", Expr(exactly)),)),
            ]
        with asking(nodes) as client:
            for number, text in enumerate(batch):
                path = f"{number}/{percent(raw(text))}"
                status, headers, body = client.get(f"/alias/{path}")
                assert (status, headers.get("here"), body) == (200, str(number), str(number).encode()), text
                assert client.get(f"/match/{path}")[0::2] == (200, str(number).encode()), text
                assert client.get(f"/match/{path}x")[0] == 404, text
                assert "here" not in client.get(f"/alias/{number}/x{percent(raw(text))}")[1], text
                assert client.get(f"/there/{number}", text)[0] == 404, text
                assert client.get(f"/there/{number}", text + "x")[0] == 403, text
                assert client.get(f"/exactly/{number}", "")[0] == 404, text
                assert client.get(f"/exactly/{number}", "x")[0] == 403, text


@pytest.mark.parametrize("text", ['a" b', "${HOME}", "a\\\\b", "end\\", "a'b", "%{HTTP_HOST}", "$1", "\\'"])
def test_twin_the_oracle_notices_what_is_not_quoted(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same questions fail when texts are written as they are: httpd stops, or gives back something else."""
    monkeypatch.setattr("gatewright.compile.quote._escaped", lambda same: same)
    monkeypatch.setattr("gatewright.compile.quote._line", lambda same: same)
    monkeypatch.setattr("gatewright.compile.quote._text", lambda same: same)
    with pytest.raises(AssertionError):
        check_both([text])


def test_twin_an_expression_of_require_is_not_an_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    """Escaped like any other argument, a comma in a name, which RFC 2253 escapes, would shut out its holder."""
    monkeypatch.setattr("gatewright.compile.quote._RAW_EXPRESSION", frozenset())
    with pytest.raises(AssertionError):
        check_expressions(["O=Globex\\, Inc."])
