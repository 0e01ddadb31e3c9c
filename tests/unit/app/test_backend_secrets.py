"""Secrets for backends: made once, kept private, and refused where somebody else may have read or changed them."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from gatewright.app.backend_secrets import ensure_secrets, read_secrets
from gatewright.app.places import Places
from gatewright.edges.files import LocalFiles
from gatewright.edges.randomness import SystemRandomness
from gatewright.errors import EnvironmentFault
from gatewright.model.values import Name
from gatewright.source import load

GATEWAY = load(
    "gateway: localhost\nlisten: 8443\nauthorities: { home: { managed: true } }\nroutes:\n"
    '  /a/: { access: any-client, backend: { url: "http://127.0.0.1:9", signed: orders } }\n'
    '  /b/: { access: public, backend: { url: "http://127.0.0.1:9", signed: orders } }\n',
    "gateway.yaml",
).gateway
ORDERS = Name("orders")


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(PurePosixPath(tmp_path))


def read(places: Places) -> tuple[str, ...]:
    return read_secrets(places, [ORDERS], LocalFiles())[ORDERS]


def test_a_missing_secret_is_made_and_told(places: Places) -> None:
    """The first time a file of mode 0600 with one secret appears and is told of; the second time nothing happens."""
    told = ensure_secrets(places, GATEWAY, LocalFiles(), SystemRandomness())
    path = Path(places.folder / "keys" / "backend-orders.key")
    assert [d.code for d in told] == ["signing-secret-made"]
    assert path.stat().st_mode & 0o777 == 0o600
    first = read(places)
    assert len(first) == 1
    assert len(first[0]) == 128
    assert first[0] not in told[0].what + told[0].fix
    assert ensure_secrets(places, GATEWAY, LocalFiles(), SystemRandomness()) == ()
    assert read(places) == first


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("", "bad-signing-secret"),
        ("# nothing\n", "bad-signing-secret"),
        ("abc\n", "bad-signing-secret"),
        (f"{'A' * 128}\n", "bad-signing-secret"),
        (f"{'a' * 128}\n{'a' * 128}\n", "bad-signing-secret"),
        ("\n".join(c * 128 for c in "abcd"), "bad-signing-secret"),
        (None, "signing-secret-missing"),
    ],
)
def test_what_is_no_secret_is_refused(places: Places, content: str | None, code: str) -> None:
    """A damaged file stops the change; it is never taken for a weaker secret, and never shown."""
    path = Path(places.folder / "keys" / "backend-orders.key")
    path.parent.mkdir()
    if content is not None:
        path.write_text(content)
        path.chmod(0o600)
    with pytest.raises(EnvironmentFault) as refused:
        read(places)
    told = refused.value.diagnostics[0]
    assert told.code == code
    assert "aaaa" not in told.what + told.fix


def test_a_secret_that_others_can_read_is_refused(places: Places) -> None:
    """Any bit for group or others stops the change; without it the same file is good, comments and several lines included."""
    path = Path(places.folder / "keys" / "backend-orders.key")
    path.parent.mkdir()
    path.write_text(f"# two\n{'a' * 128}\n\n{'b' * 128}\n")
    for mode in (0o640, 0o604, 0o620):
        path.chmod(mode)
        with pytest.raises(EnvironmentFault) as refused:
            read(places)
        assert refused.value.diagnostics[0].code == "signing-secret-readable"
    path.chmod(0o600)
    assert read(places) == ("a" * 128, "b" * 128)
