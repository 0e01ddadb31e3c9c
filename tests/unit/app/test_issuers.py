"""Where the CAs of a gateway's authorities are read from, and what is said of a file that holds none."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import pytest
from tests.live.pki import authority

from gatewright.app.clienting import issuers_in
from gatewright.app.parties import Parties
from gatewright.app.places import Places
from gatewright.edges.files import LocalFiles
from gatewright.errors import UsageError
from gatewright.model.gateway import Gateway
from gatewright.model.values import Name
from gatewright.source import load

GATEWAY: Gateway = load(
    """
gateway: localhost
listen: 8443
authorities:
  home:   { managed: true }
  globex: { anchor: globex.pem }
clients: { erp: { authority: globex, uri: "spiffe://globex/erp" } }
partners: { globex: { authority: globex } }
routes: { /a: { respond: { text: a }, access: [erp] } }
""",
    "gateway.yaml",
).gateway
FILES = LocalFiles()


@pytest.mark.parametrize("content", [None, b"hello\n"])
def test_an_anchor_that_is_none_is_named(tmp_path: Path, content: bytes | None) -> None:
    """Who issued a certificate cannot be told without it, so the file is named. The twin: with the CA there it is found."""
    path = tmp_path / "globex.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        issuers_in(FILES, tmp_path)(GATEWAY)
    assert str(path) in caught.value.diagnostics[0].what
    pair = authority("globex")
    path.write_bytes(pair.pem)
    assert issuers_in(FILES, tmp_path)(GATEWAY) == {"home": (), "globex": (pair.certificate,)}


def test_a_partner_is_listed_without_a_ca_that_cannot_be_read(tmp_path: Path) -> None:
    """Listing tells what there is; that the file is unusable is for ``check`` to say. The twin: one that can be read is told."""
    parties = Parties(Places(PurePosixPath(tmp_path)), FILES, datetime.now(UTC), lambda: None)
    (tmp_path / "globex.pem").write_bytes(b"hello\n")
    (told,) = parties.partners(GATEWAY)
    assert told.anchors == ()
    assert parties.needing(GATEWAY, Name("globex"), "globex.pem") == ()
    (tmp_path / "globex.pem").write_bytes(authority("globex").pem)
    (told,) = parties.partners(GATEWAY)
    assert [file for file, _ in told.anchors] == ["globex.pem"]
