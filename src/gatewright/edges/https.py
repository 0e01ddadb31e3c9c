"""Fetching one document over HTTPS."""

from __future__ import annotations

import http.client
import ssl
import time
from urllib.parse import urlsplit

from gatewright.errors import Diagnostic, EnvironmentFault

TIMEOUT_S = 10.0
"""Seconds for each step, and twice that for all of it."""


class HttpsFetcher:
    """:class:`gatewright.ports.fetch.Fetcher` by the standard library: no redirects, no proxies, no cookies, no compression."""

    def fetch(self, url: str, ca: str | None, most: int) -> bytes:
        """See the port."""
        try:
            return _fetch(url, ca, most)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise EnvironmentFault(
                Diagnostic(
                    "fetch-failed",
                    f"{url} cannot be fetched: {_said(error)}",
                    "redirects are not followed, and the server's certificate must be good for that name",
                    f"try it by hand: curl -v {url}",
                )
            ) from error


def _fetch(url: str, ca: str | None, most: int) -> bytes:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        msg = "it is not an https:// URL"
        raise ValueError(msg)
    context = ssl.create_default_context(cadata=ca)
    # Whoever names an issuing CA means it, without the root above it.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    deadline = time.monotonic() + 2 * TIMEOUT_S
    connection = http.client.HTTPSConnection(parts.hostname, parts.port or 443, timeout=TIMEOUT_S, context=context)
    try:
        connection.request("GET", parts.path or "/", headers={"Accept": "application/jwk-set+json, application/json"})
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            msg = f"it answered {answer.status}"
            raise ValueError(msg)
        content = b""
        while chunk := answer.read1(65_536):
            content += chunk
            if len(content) > most:
                msg = f"it has more than {most} bytes"
                raise ValueError(msg)
            if time.monotonic() > deadline:
                raise TimeoutError("it takes too long")
        return content
    finally:
        connection.close()


def _said(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not good: {error.verify_message}"
    return str(error) or type(error).__name__
