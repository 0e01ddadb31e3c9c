"""What a listener asks of every client in the handshake, derived from its routes."""

from __future__ import annotations

import enum

from gatewright.model.gateway import Gateway


class Handshake(enum.StrEnum):
    """Values of ``SSLVerifyClient`` that are sound (``optional_no_ca`` is not: an untrusted certificate turns valid
    on a resumed TLS 1.2 session, measured on httpd 2.4.71).
    """

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRE = "require"


def handshake(gateway: Gateway) -> Handshake:
    """No certificate is asked for when every route is public, one is demanded when none is, else one is requested.

    Nor where nobody is trusted: httpd would not start without anchors, and a certificate could say nothing.
    """
    public = sum(route.access.is_public for route in gateway.routes.values())
    if public == len(gateway.routes) or not gateway.authorities:
        return Handshake.NONE
    return Handshake.OPTIONAL if public else Handshake.REQUIRE
