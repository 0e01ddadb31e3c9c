"""Client certificates for backends, on a real folder: what httpd or the backend would refuse is refused before."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path, PurePath

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.unit.check.certificates import NOW, SIGNER, certificate, key_pem, name
from tests.unit.check.test_checking import StoppedClock

from gatewright.app.checking import check_gateway
from gatewright.edges.files import LocalFiles
from gatewright.pki.inspect import PemInspector

GATEWAY = """\
gateway: api.example.org
listen: 8443
authorities: {{ home: {{ managed: true }}, globex: {{ anchor: globex.pem }} }}
clients: {{ erp: {{ authority: globex, san: erp.globex.example }} }}
routes:
  /x/: {{ backend: {{ url: "https://b.example.org", ca: globex.pem, client_certificate: {shown} }}, access: [erp] }}
{more}
"""
OURS = "{ chain: us.pem, key: us.key }"


def judge(folder: Path, shown: str = OURS, more: str = "") -> list[str]:
    """The codes of what is found."""
    (folder / "globex.pem").write_bytes(certificate(name("Issuing")))
    (folder / "gateway.yaml").write_text(GATEWAY.format(shown=shown, more=more))
    found = check_gateway(LocalFiles(), folder, PurePath("gateway.yaml"), StoppedClock(), PemInspector())[1]
    assert all(d.fix and d.where is not None and d.where.line == 6 for d in found if "backend-" in d.code)
    return [d.code for d in found]


def own(
    folder: Path, *, mode: int = 0o600, since: datetime = NOW, until: datetime = datetime(2035, 1, 1, tzinfo=UTC)
) -> None:
    (folder / "us.pem").write_bytes(certificate(name("gateway"), ca=False, since=since, until=until))
    (folder / "us.key").write_bytes(key_pem(SIGNER))
    (folder / "us.key").chmod(mode)


def test_twin_what_is_right_passes(tmp_path: Path) -> None:
    """An authority of ours, and a certificate with its key."""
    own(tmp_path)
    assert judge(tmp_path) == []
    assert judge(tmp_path, "{ authority: home }") == []


def test_a_partner_issues_nothing_for_us(tmp_path: Path) -> None:
    """Its key is not here."""
    assert judge(tmp_path, "{ authority: globex }") == ["backend-certificate-not-managed"]


@pytest.mark.parametrize(
    ("since", "until", "code"),
    [
        (datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC), "backend-certificate-dates"),
        (datetime(2026, 7, 1, tzinfo=UTC), datetime(2035, 1, 1, tzinfo=UTC), "backend-certificate-dates"),
        (NOW, datetime(2026, 6, 20, tzinfo=UTC), "backend-certificate-dates"),
    ],
)
def test_dates_are_looked_at(tmp_path: Path, since: datetime, until: datetime, code: str) -> None:
    """Ended and not begun are refused, ending soon is warned of."""
    own(tmp_path, since=since, until=until)
    assert judge(tmp_path) == [code]


def test_keys_and_files_are_looked_at(tmp_path: Path) -> None:
    """Missing, junk, another's key, and a key that others can read."""
    assert judge(tmp_path) == ["backend-certificate-unusable"] * 2
    own(tmp_path, mode=0o644)
    assert judge(tmp_path) == ["backend-key-open"]
    own(tmp_path)
    (tmp_path / "us.key").write_bytes(key_pem(ec.generate_private_key(ec.SECP256R1())))
    assert judge(tmp_path) == ["backend-certificate-unusable"]
    own(tmp_path)
    (tmp_path / "us.pem").write_text("no PEM")
    assert judge(tmp_path) == ["backend-certificate-unusable"]


def test_the_key_is_never_served(tmp_path: Path) -> None:
    """A route to the key's file is refused."""
    own(tmp_path)
    more = "  /k: { files: us.key, access: public }"
    assert judge(tmp_path, more=more) == ["files-private"]
