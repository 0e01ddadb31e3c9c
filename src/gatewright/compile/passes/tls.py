"""TLS of one virtual host: protocols, suites, the server's certificate, what is asked of clients, no resumption."""

from __future__ import annotations

from gatewright.compile.handshake import Handshake, handshake
from gatewright.compile.inputs import Inputs
from gatewright.compile.ir import Comment, Node, directive
from gatewright.model.values import Name

ANCHORS_TRUSTED = "anchors.trusted.pem"
ANCHORS_PLAIN = "anchors.pem"

# AEAD with ephemeral ECDH only: the TLS 1.2 part of Mozilla's "intermediate" list (server-side TLS 5.7) without DHE.
_SUITES_12 = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)
# RFC 8446 §B.4.
_SUITES_13 = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"


def tls_server() -> tuple[Node, ...]:
    """What holds for all virtual hosts together (mod_ssl allows these only outside them)."""
    return (
        Comment("A resumed session skips the checks that expiry and revocation rest on, so there are none."),
        directive("SSLSessionCache", "none"),
        Comment("A name in the handshake is good for requests to that very name only."),
        directive("SSLVHostSNIPolicy", "strict"),
    )


def tls_host(inputs: Inputs) -> tuple[Node, ...]:
    """What each virtual host says for itself."""
    return (
        directive("SSLEngine", "on"),
        directive("SSLProtocol", "-all", "+TLSv1.2", "+TLSv1.3"),
        directive("SSLCipherSuite", _SUITES_12),
        directive("SSLCipherSuite", "TLSv1.3", _SUITES_13),
        directive("SSLSessionTickets", "off"),
        directive("SSLCompression", "off"),
        directive("SSLCertificateFile", str(inputs.identity.chain)),
        directive("SSLCertificateKeyFile", str(inputs.identity.key)),
        *_client_certificates(inputs),
    )


def _client_certificates(inputs: Inputs) -> tuple[Node, ...]:
    mode = handshake(inputs.gateway)
    if mode is Handshake.NONE:
        return (directive("SSLVerifyClient", "none"),)
    if inputs.apart is None:
        said = "Issuing CAs are the anchors: explicitly trusted, their direct children only."
    else:
        said = f"Only authority {inputs.apart} is trusted under this name."
    trusted, plain = anchor_files(inputs.apart)
    return (
        Comment(said),
        directive("SSLVerifyClient", mode.value),
        directive("SSLVerifyDepth", str(_depth(inputs))),
        directive("SSLCACertificateFile", trusted),
        directive("SSLCADNRequestFile", plain),
    )


def anchor_files(apart: Name | None) -> tuple[str, str]:
    """The two files of anchors of a virtual host: with explicit trust, and plain for the names that clients are sent."""
    return (
        (ANCHORS_TRUSTED, ANCHORS_PLAIN) if apart is None else (f"anchors-{apart}.trusted.pem", f"anchors-{apart}.pem")
    )


def _depth(inputs: Inputs) -> int:
    """``SSLVerifyDepth``: an anchor that ends the chain because it is self-signed counts, one trusted in its middle does not.

    Measured on httpd 2.4.71: below a root, 1 admits its direct children only; below an explicitly trusted issuing CA 0 does.
    """
    if inputs.host is None or inputs.apart is None:
        return 0
    return inputs.host.depth + max((a.self_signed for a in inputs.anchors), default=False)
