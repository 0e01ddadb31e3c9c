"""What a certificate file says, asked as questions that the rules have."""

from __future__ import annotations

from typing import Protocol

from gatewright.check.facts import AnchorFact, ServerFact, Unusable


class CertificateInspector(Protocol):
    """Reads PEM; never raises for bad content, because bad content is an answer."""

    def anchor(self, pem: bytes) -> AnchorFact | Unusable:
        """What the first certificate of ``pem`` is as a trust anchor, and how many certificates there are."""
        ...

    def server(self, chain: bytes, key: bytes) -> ServerFact | Unusable:
        """What the first certificate of ``chain`` names, and whether ``key`` (PEM) is its private key."""
        ...
