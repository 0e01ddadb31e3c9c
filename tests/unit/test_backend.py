"""The verifier that backends use, apart from any server: secrets, time, memory, and what it imports."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from gatewright.backend import Refused, Verifier, read_secrets

SECRET, OTHER = "0123456789abcdef" * 8, "f" * 128
NOW = 1_800_000_000.0


def request(secret: str = SECRET, at: float = NOW, identifier: str = "one", **fields: str) -> list[tuple[str, str]]:
    """A signed GET of /x with these fields."""
    names = ("Client-Cert", "X-Client-Subject", "X-Client-Issuer", "X-Client-Serial", "X-Client-Not-After", "X-Client-DNS",
             "X-Client-Email", *[""] * 8)  # fmt: skip
    sent = {name.replace("_", "-"): value for name, value in fields.items()}
    parts = [
        "gatewright-1",
        str(int(at * 1e6)),
        identifier,
        "GET",
        "a",
        "192.0.2.1",
        "/x",
        *(sent.get(n, "") for n in names),
    ]
    inner = hashlib.sha1((secret[:64] + " ".join(parts)).encode()).hexdigest()
    outer = hashlib.sha1((secret[64:] + inner).encode()).hexdigest()
    mine = {"X-Gateway-Time": parts[1], "X-Gateway-Request": identifier, "X-Gateway-Signature": f"v1={outer}"}
    return [*mine.items(), ("X-Forwarded-Host", "a"), ("X-Forwarded-For", "192.0.2.1"), *sent.items()]


def test_the_documented_example_is_right() -> None:
    """docs/backends.md shows a whole signed request; this is it."""
    page = (Path(__file__).parents[2] / "docs" / "backends.md").read_text(encoding="utf-8")
    signature = dict(request(X_Client_Subject="CN=erp"))["X-Gateway-Signature"]
    assert signature in page
    assert SECRET[:64] in page


def test_identity_is_decoded() -> None:
    """Names are decoded, lists split at commas that are no part of a name, the certificate given as DER."""
    headers = request(
        Client_Cert=":MAA=:", X_Client_Subject="CN=a%2C%20b", X_Client_DNS="a%2Cb,c", X_Client_Serial="0A"
    )
    found = Verifier([SECRET], clock=lambda: NOW).verify("GET", "/x", headers)
    assert (found.der, found.subject, found.dns, found.serial) == (b"0\0", "CN=a, b", ("a,b", "c"), "0A")
    assert (found.host, found.address, found.request) == ("a", "192.0.2.1", "one")
    assert found.is_verified
    assert not Verifier([SECRET], clock=lambda: NOW).verify("GET", "/x", request()).is_verified


@pytest.mark.parametrize("age", [-61, 61, 3600])
def test_too_old_and_too_early(age: int) -> None:
    """Outside the window nothing is believed, inside everything."""
    with pytest.raises(Refused, match="signed"):
        Verifier([SECRET], clock=lambda: NOW + age).verify("GET", "/x", request())
    Verifier([SECRET], clock=lambda: NOW + age / abs(age) * 59).verify("GET", "/x", request())


def test_once_only_unless_told_otherwise() -> None:
    """The same request twice is refused; another is not; where once is off, the same is not either."""
    once = Verifier([SECRET], clock=lambda: NOW)
    once.verify("GET", "/x", request())
    with pytest.raises(Refused, match="seen before"):
        once.verify("GET", "/x", request())
    once.verify("GET", "/x", request(identifier="two"))
    often = Verifier([SECRET], once=False, clock=lambda: NOW)
    assert often.verify("GET", "/x", request()) == often.verify("GET", "/x", request())


def test_any_of_several_secrets_and_signatures() -> None:
    """Both sides may have two secrets; one in common is enough, none is not."""
    both = dict(request(OTHER))["X-Gateway-Signature"] + "," + dict(request())["X-Gateway-Signature"]
    headers = [(n, both if n == "X-Gateway-Signature" else v) for n, v in request()]
    for secrets in ([SECRET], [OTHER], [SECRET, OTHER]):
        Verifier(secrets, clock=lambda: NOW).verify("GET", "/x", headers)
    with pytest.raises(Refused, match="not the gateway's"):
        Verifier(["a" * 128], clock=lambda: NOW).verify("GET", "/x", headers)


def test_a_file_is_read_again_and_fails_closed(tmp_path: Path) -> None:
    """A replaced secret counts at once; a file that is gone, damaged or readable for everybody refuses everything."""
    path = tmp_path / "backend-orders.key"

    def put(text: str, mode: int = 0o600) -> None:
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(mode)

    put(f"{SECRET}\n")
    verifier = Verifier.from_file(path, window_s=1e12, once=False)
    verifier.verify("GET", "/x", request())
    put(f"{OTHER}\n")
    with pytest.raises(Refused, match="not the gateway's"):
        verifier.verify("GET", "/x", request())
    verifier.verify("GET", "/x", request(OTHER))
    for text, mode in (("", 0o600), ("no secret\n", 0o600), (f"{OTHER}\n", 0o604)):
        put(text, mode)
        with pytest.raises(Refused, match="cannot be read"):
            verifier.verify("GET", "/x", request(OTHER))
        with pytest.raises(ValueError, match=r"secret|everybody"):
            read_secrets(path)
    path.unlink()
    with pytest.raises(Refused, match="cannot be read"):
        verifier.verify("GET", "/x", request(OTHER))


@pytest.mark.parametrize("secrets", [[], [""], ["a" * 127], ["A" * 128], [SECRET, "x"]])
def test_a_verifier_without_a_secret_is_not_made(secrets: list[str]) -> None:
    """No secret, or something that is none, is an error at the start and never a verifier that believes anybody."""
    with pytest.raises(ValueError, match="secret"):
        Verifier(secrets)


def test_the_file_needs_nothing_else(tmp_path: Path) -> None:
    """Copied away from Gatewright, it loads with the standard library alone."""
    copy = tmp_path / "gateway_requests.py"
    copy.write_bytes(Path(sys.modules["gatewright.backend"].__file__ or "").read_bytes())
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import gateway_requests; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-S", "-I", "-c", program], capture_output=True, text=True, check=True)
    assert not {"cryptography", "gatewright"} & set(done.stdout.split())
