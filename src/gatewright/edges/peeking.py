"""Looking at the certificate that a listener shows to anybody."""

from __future__ import annotations

import hashlib
import socket
import ssl

_TIMEOUT_S = 5.0


class LocalPeek:
    """:class:`gatewright.ports.proof.Peek` over sockets of this machine."""

    def served(self, address: str, port: int, name: str | None) -> str | None:
        """SHA-256 (hex) of the DER of the certificate shown for ``name``; ``None`` where nobody answers with TLS.

        TLS 1.3 only: there a server that demands a client certificate shows its own first (RFC 8446 §2).
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        # Whoever asks compares the certificate with the one that must be shown, octet by octet.
        context.verify_mode = ssl.CERT_NONE
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        try:
            with (
                socket.create_connection((address, port), timeout=_TIMEOUT_S) as plain,
                context.wrap_socket(plain, server_hostname=name) as tls,
            ):
                der = tls.getpeercert(binary_form=True)
        except OSError:
            return None
        return hashlib.sha256(der).hexdigest() if der else None
