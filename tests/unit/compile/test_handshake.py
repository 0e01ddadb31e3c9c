"""What is asked of clients in the handshake follows from the routes."""

from __future__ import annotations

import pytest
from tests.unit.compile.made import gateway

from gatewright.compile.handshake import Handshake, handshake

HEAD = "gateway: api.example.org\nlisten: 8443\nauthorities:\n  home: { managed: true }\nroutes:"


@pytest.mark.parametrize(
    ("routes", "mode"),
    [
        ("\n  /: { respond: {}, access: public }\n", Handshake.NONE),
        ("\n  /: { respond: {}, access: any-client }\n", Handshake.REQUIRE),
        ("\n  /: { respond: {}, access: any-client }\n  /a: { respond: {}, access: public }\n", Handshake.OPTIONAL),
        (" {}\n", Handshake.NONE),
    ],
)
def test_the_mode_follows_from_the_routes(routes: str, mode: Handshake) -> None:
    """None public: demanded. All public: not asked for. Both: requested. No route at all: not asked for."""
    assert handshake(gateway(HEAD + routes)) is mode


def test_the_unsound_mode_does_not_exist() -> None:
    """``optional_no_ca`` cannot be chosen."""
    assert {mode.value for mode in Handshake} == {"none", "optional", "require"}
