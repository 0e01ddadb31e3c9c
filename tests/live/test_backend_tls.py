"""TLS to backends: they are verified or told apart, and shown our certificate where declared. Real TLS servers in Python and OpenSSL."""

from __future__ import annotations

import contextlib
import json
import ssl
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path, PurePosixPath

import pytest

from gatewright.diagnose.backends import Trouble, backend_trouble
from gatewright.diagnose.loglines import ErrorLine, parse_error_line
from gatewright.diagnose.narrate import Narrator
from gatewright.model.machine import BackendIdentity
from tests.live.backend import backend
from tests.live.gate import until
from tests.live.httpd import Running, curl, running
from tests.live.pki import CLIENT, SERVER, Pair, make

pytestmark = pytest.mark.live

ROUTE = """
gateway: localhost
listen: 0
routes:
  /x/: {{ backend: {{ url: "https://localhost:{port}", ca: ca.pem{more} }}, access: public }}
"""
NOT_VERIFIED = ("AH01084", "AH00898", "AH01097", "AH02411", "AH01114", "AH01095", "AH02270")


@pytest.fixture(scope="module")
def ours() -> tuple[Pair, Pair, Pair]:
    """A CA of backends; a root of ours, and an issuing CA below it."""
    root = make("home root", ca=True)
    return make("backend root", ca=True), root, make("home issuing", root, ca=True, path_length=0)


def answer(gate: Running, *arguments: str, path: str = "/x/y") -> tuple[int, str]:
    """Status, and reason or path told."""
    done = curl(gate, path, *arguments)
    body, _, last = done.stdout.rpartition("\n")
    told = json.loads(body)
    return int(last.split()[0]), str(told.get("error", told.get("path")))


def lines(gate: Running) -> list[ErrorLine]:
    """The error log, parsed."""
    return [line for text in gate.error_log.splitlines() if (line := parse_error_line(text)) is not None]


def certificates(ca: Pair) -> dict[str, Pair]:
    """Right, and wrong in one way each."""
    return {
        "good": make("localhost", ca, usage=[SERVER], sans=["localhost"]),
        "wrong name": make("elsewhere", ca, usage=[SERVER], sans=["elsewhere.example"]),
        "only its address": make("backend", ca, usage=[SERVER], sans=["127.0.0.1"]),
        "expired": make("localhost", ca, usage=[SERVER], sans=["localhost"], not_after=-timedelta(hours=1)),
        "not yet": make("localhost", ca, usage=[SERVER], sans=["localhost"], not_before=timedelta(hours=1)),
        "self-signed": make("localhost", usage=[SERVER], sans=["localhost"]),
        "other CA": make("localhost", make("others", ca=True), usage=[SERVER], sans=["localhost"]),
        "a client's": make("localhost", ca, usage=[CLIENT], sans=["localhost"]),
    }


CASES = {"wrong name": 0, "only its address": 0, "expired": 10, "not yet": 9, "self-signed": 18, "other CA": 20, "a client's": 26}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_backend_that_is_not_verified_has_a_reason_of_its_own(
    tmp_path: Path, ours: tuple[Pair, Pair, Pair], case: str
) -> None:
    """Each wrong certificate gives 502 ``backend_not_verified``, HTTP/1.1 and HTTP/2, with and without body; the log has the cause by number."""
    (tmp_path / "ca.pem").write_bytes(ours[0].pem)
    with (
        backend(certificates(ours[0])[case].write(tmp_path, "backend")) as port,
        running(ROUTE.format(port=port, more=""), tmp_path) as gate,
    ):
        gate.expect(*NOT_VERIFIED)
        for arguments in (["--http1.1"], ["--http2"], ["-d", "hello"], ["--http2", "-d", "hello"]):
            assert answer(gate, *arguments) == (502, "backend_not_verified"), arguments
        assert "could not be verified" in curl(gate, "/x/y", "-H", "Accept: text/html").stdout
        told = list(_troubles(gate))
    assert {t.number for t in told} == {2276 if CASES[case] else 2411}
    assert {t.x509 for t in told} == {CASES[case]}
    assert len(told) == 5


def _troubles(gate: Running) -> Iterator[Trouble]:
    """What the log tells of backends: each line of a refused certificate joined with the one that its thread wrote next."""
    held: dict[int, ErrorLine] = {}
    for line in lines(gate):
        found = backend_trouble(line, held.pop(line.tid, None))
        if found is not None:
            yield found
        if line.number == 2276:
            held[line.tid] = line


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_twin_a_verified_backend_answers(tmp_path: Path, ours: tuple[Pair, Pair, Pair], version: str) -> None:
    """The right certificate is believed, and what goes wrong after the handshake has another reason."""
    (tmp_path / "ca.pem").write_bytes(ours[0].pem)
    with (
        backend(certificates(ours[0])["good"].write(tmp_path, "backend")) as port,
        running(ROUTE.format(port=port, more=""), tmp_path) as gate,
    ):
        gate.expect("AH01102", "AH00898", "AH01097", "AH01114", "AH01095")
        assert answer(gate, version) == (200, "/x/y")
        assert answer(gate, version, path="/x/hangup") == (502, "backend_invalid_response")
        assert not list(_troubles(gate))


def test_the_broken_variant_does_believe_them(tmp_path: Path, ours: tuple[Pair, Pair, Pair]) -> None:
    """Without our lines httpd passes requests to a self-signed stranger: the tests above can fail."""
    (tmp_path / "ca.pem").write_bytes(ours[0].pem)

    def weaken(text: str) -> str:
        return text.replace("SSLProxyVerify require", "SSLProxyVerify none")

    with (
        backend(certificates(ours[0])["self-signed"].write(tmp_path, "backend")) as port,
        running(ROUTE.format(port=port, more=""), tmp_path, change=weaken) as gate,
    ):
        assert answer(gate) == (200, "/x/y")


def test_a_backend_without_tls_is_not_verified_either(tmp_path: Path, ours: tuple[Pair, Pair, Pair]) -> None:
    """``https://`` to a port that speaks plain HTTP passes nothing on."""
    (tmp_path / "ca.pem").write_bytes(ours[0].pem)
    with backend() as port, running(ROUTE.format(port=port, more=""), tmp_path) as gate:
        gate.expect(*NOT_VERIFIED, "AH01102")
        assert answer(gate) == (502, "backend_not_verified")


@contextlib.contextmanager
def demanding(pair: Pair, folder: Path, trusted: Pair, newest: ssl.TLSVersion) -> Iterator[int]:
    """A backend that demands a client certificate below ``trusted``, and tells whose it saw."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair.write(folder, "backend"))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=trusted.pem.decode())
    context.maximum_version = newest
    with backend(context=context) as port:
        yield port


SHOW = ", client_certificate: { chain: us.pem, key: us.key }"


def _shown(folder: Path, leaf: Pair, above: bytes) -> dict[tuple[str, str], BackendIdentity]:
    certificate, key = leaf.write(folder, "us")
    (folder / "identity.pem").write_bytes(leaf.pem + key.read_bytes())
    (folder / "identity.pem").chmod(0o600)
    (folder / "above.pem").write_bytes(above)
    return {
        (certificate.name, key.name): BackendIdentity(
            PurePosixPath(folder / "identity.pem"), PurePosixPath(folder / "above.pem") if above else None
        )
    }


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("root_too", [True, False])
def test_a_backend_is_shown_our_certificate_with_its_intermediates(
    tmp_path: Path, ours: tuple[Pair, Pair, Pair], newest: ssl.TLSVersion, root_too: bool
) -> None:
    """The backend knows our root only; certificate and issuing CA arrive, over TLS 1.2 and 1.3."""
    ca, root, issuing = ours
    (tmp_path / "ca.pem").write_bytes(ca.pem)
    leaf = make("gateway", issuing, usage=[CLIENT], sans=["gateway.example.org"])
    shown = _shown(tmp_path, leaf, issuing.pem + (root.pem if root_too else b""))
    with (
        demanding(certificates(ca)["good"], tmp_path, root, newest) as port,
        running(ROUTE.format(port=port, more=SHOW), tmp_path, shown=shown) as gate,
    ):
        assert json.loads(curl(gate, "/x/y").stdout.rpartition("\n")[0])["peer"] == "gateway"


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_twin_a_backend_refuses_no_certificate_and_anothers(
    tmp_path: Path, ours: tuple[Pair, Pair, Pair], newest: ssl.TLSVersion
) -> None:
    """Without the declaration, and with a certificate of others, the same backend refuses: 502, and nothing was passed on."""
    ca, root, _ = ours
    (tmp_path / "ca.pem").write_bytes(ca.pem)
    shown = _shown(tmp_path, make("gateway", make("others", ca=True), usage=[CLIENT], sans=["g.example"]), b"")
    for number, (more, what) in enumerate((("", {}), (SHOW, shown))):
        folder = tmp_path / str(number)
        folder.mkdir(mode=0o755)
        (folder / "ca.pem").write_bytes(ca.pem)
        with (
            demanding(certificates(ca)["good"], folder, root, newest) as port,
            running(ROUTE.format(port=port, more=more), folder, shown=what) as gate,
        ):
            gate.expect(*NOT_VERIFIED, "AH01102", "AH02268", "AH02263")
            status, reason = answer(gate)
            assert status == 502
            assert reason in {"backend_not_verified", "backend_invalid_response"}
            if not more:
                assert 2268 in {t.number for t in _troubles(gate)}


def test_twin_without_its_chain_a_backend_is_shown_too_little(tmp_path: Path, ours: tuple[Pair, Pair, Pair]) -> None:
    """Without the file of issuers httpd sends the certificate alone, which the same backend refuses."""
    ca, root, issuing = ours
    (tmp_path / "ca.pem").write_bytes(ca.pem)
    shown = _shown(tmp_path, make("gateway", issuing, usage=[CLIENT], sans=["g.example"]), b"")
    with (
        demanding(certificates(ca)["good"], tmp_path, root, ssl.TLSVersion.TLSv1_3) as port,
        running(ROUTE.format(port=port, more=SHOW), tmp_path, shown=shown) as gate,
    ):
        gate.expect(*NOT_VERIFIED, "AH01102")

        def told() -> set[str]:
            narrator = Narrator()
            texts = [text for line in gate.error_log.splitlines() for text in narrator.error(line)]
            return {text for text in texts if "not verified" in text}

        def refused() -> bool:
            assert answer(gate)[0] == 502
            return bool(told())

        # Over TLS 1.3 the refusal comes when the answer is read, and the operator is told it all the same. Asked again where the
        # backend had closed before httpd had sent its request: then the refusal is not even read.
        until(refused)
        (refusal,) = told()
    assert f"backend 127.0.0.1:{port} not verified: it refused the gateway's client certificate" in refusal
