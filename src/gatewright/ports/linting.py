"""A second opinion on certificates before they are signed."""

from __future__ import annotations

from typing import Protocol

from gatewright.pki.lint import Finding


class Linter(Protocol):
    """Says what is wrong with a certificate's encoding and extensions."""

    def lint(self, certificate: bytes) -> tuple[Finding, ...]:
        """Everything found in the DER ``certificate``, worst first; its signature is not looked at.

        Bytes that are no certificate are a FATAL finding. Raises :class:`~gatewright.errors.EnvironmentFault` if the
        linter is not installed.
        """
        ...
