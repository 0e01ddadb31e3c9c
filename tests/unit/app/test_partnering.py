"""Where the CAs of a partner are put: each in a file of its own, however many there are."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from gatewright.app.partnering import NewPartner, add_partner, renew_partner
from gatewright.source import load
from gatewright.source.editing import Document

TEXT = """\
gateway: localhost
listen: 8443
authorities:
  home:   { managed: true }
  globex: { anchor: partners/globex-1500.pem }
  other:  { anchor: elsewhere/initech-7.pem }
partners:
  globex: { authority: globex }
routes:
  /a: { respond: { text: a }, access: public }
"""
GATEWAY = load(TEXT, "gateway.yaml").gateway
DOCUMENT = Document(TEXT, "gateway.yaml")


@pytest.mark.parametrize("number", [1, 2, 20])
def test_every_ca_that_is_given_is_kept(number: int) -> None:
    """Not one is left out, and each stands in the authority's list."""
    anchors = tuple(f"CA {n}".encode() for n in range(number))
    wanted = add_partner(DOCUMENT, GATEWAY, NewPartner("initech", anchors))
    assert list(wanted.files) == [PurePosixPath(f"partners/initech-{n}.pem") for n in range(1, number + 1)]
    assert tuple(wanted.files.values()) == anchors
    again = load(wanted.document.text, "gateway.yaml").gateway
    assert len(again.authorities[next(a for a in again.authorities if a == "initech")].anchors) == number


def test_a_further_ca_takes_no_other_ones_place() -> None:
    """Its number is above every one that is in use, however high."""
    wanted = renew_partner(DOCUMENT, GATEWAY, "globex", anchors=[b"next"])
    assert list(wanted.files) == [PurePosixPath("partners/globex-1501.pem")]
