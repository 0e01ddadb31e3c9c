"""The host's own OpenSSL: the library httpd links to spells names and judges chains in the same way."""

from __future__ import annotations

from typing import Protocol

from gatewright.model.machine import Anchor
from gatewright.pki.verify import Question, Verdict


class OpenSsl(Protocol):
    """The ``openssl`` command. Methods raise :class:`~gatewright.errors.EnvironmentFault` when it cannot be run."""

    def version(self) -> str:
        """What ``openssl version`` prints, e.g. ``OpenSSL 3.0.19 27 Jan 2026 (Library: …)``."""
        ...

    def trusted(self, pem: bytes) -> str:
        """The certificate with explicit trust for clientAuth (``BEGIN TRUSTED CERTIFICATE``).

        Raises :class:`~gatewright.errors.UsageError` when ``pem`` is not a certificate.
        """
        ...

    def subject(self, pem: bytes) -> str:
        """The subject exactly as mod_ssl spells ``SSL_CLIENT_S_DN``, and ``SSL_CLIENT_I_DN`` of what it issued.

        Raises :class:`~gatewright.errors.UsageError` when ``pem`` is not a certificate.
        """
        ...

    def anchor(self, authority: str, pem: bytes) -> Anchor:
        """A partner's or our own issuing CA, as httpd needs it. Raises what :meth:`trusted` raises."""
        ...

    def verify(self, question: Question) -> Verdict:
        """The verdict of ``openssl verify`` on the same question that pyOpenSSL was asked."""
        ...

    def system_anchors(self) -> tuple[str, bytes]:
        """The file that holds the certificates this host trusts, and its content.

        Raises :class:`~gatewright.errors.EnvironmentFault` when there is none.
        """
        ...
