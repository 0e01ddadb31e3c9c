"""Value types that are parsed once and cannot be wrong afterwards. ``parse`` raises :class:`ValueRejected`."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import ClassVar, Self
from urllib.parse import urlsplit

from gatewright.errors import ValueRejected

# RFC 1123 §2.1 and RFC 1035 §2.3.4: labels of letters, digits and inner hyphens, 63 octets each, 253 in all.
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)\Z")
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?\Z")
# RFC 9110 §5.6.2 token, upper case as every registered method is.
_METHOD = re.compile(r"[A-Z][A-Z0-9-]{0,31}\Z")
_DURATION = re.compile(r"([0-9]{1,9})(ms|s|m|h|d)\Z")
_DURATION_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
# RFC 3986 §3.3 pchar without percent-encoding, without ";", which backends read as path parameters, and without "*", which
# httpd reads as a pattern.
_SEGMENT = re.compile(r"[A-Za-z0-9._~!$&'()+,=:@-]+\Z")


class Name(str):
    """The name of an authority, client or group: letters, digits, dot, hyphen, underscore; at most 64 characters."""

    __slots__ = ()
    schema: ClassVar[dict[str, object]] = {"type": "string", "pattern": "^" + _NAME.pattern.replace(r"\Z", "$")}

    @classmethod
    def parse(cls, text: str) -> Self:
        """The name, as written."""
        if not _NAME.match(text):
            raise ValueRejected(
                "bad-name",
                f"{text!r} is not a usable name",
                "names become file names and certificate subjects",
                "use letters, digits, '.', '-' and '_', starting and ending with a letter or digit, at most 64",
            )
        return cls(text)


def _address(text: str) -> str | None:
    """``text`` as an IP address in its canonical form, or ``None``. Most names are ruled out by their last character."""
    if ":" not in text and not text[-1:].isdigit():
        return None
    try:
        return ipaddress.ip_address(text).compressed
    except ValueError:
        return None


class HostName(str):
    """A DNS name (lower case, no trailing dot) or an IP address in its canonical form."""

    __slots__ = ()
    schema: ClassVar[dict[str, object]] = {"type": "string", "minLength": 1, "maxLength": 253}

    @classmethod
    def parse(cls, text: str) -> Self:
        """Lower-cased DNS name or canonical IP address. Wildcards and ports are refused."""
        address = _address(text.strip("[]"))
        if address is not None:
            return cls(address)
        lower = text.lower()
        labels = lower.split(".")
        if len(lower) > 253 or not all(_LABEL.match(label) for label in labels) or labels[-1].isdigit():
            raise ValueRejected(
                "bad-host",
                f"{text!r} is not a host name or IP address",
                "it goes into the server certificate and decides which requests are answered at all",
                "write a DNS name such as api.example.org (A-label form for international names), without port or wildcard",
            )
        return cls(lower)

    @property
    def is_address(self) -> bool:
        """Whether this is an IP address rather than a DNS name."""
        return _address(self) is not None

    @property
    def in_url(self) -> str:
        """As it stands in a URL or a ``Host`` header: IPv6 addresses in brackets (RFC 3986 §3.2.2)."""
        return f"[{self}]" if ":" in self else str(self)


class RoutePath(str):
    """The URL path of a route in canonical form. Ending in ``/``: that subtree. Otherwise: exactly that path."""

    __slots__ = ()
    schema: ClassVar[dict[str, object]] = {"type": "string", "pattern": "^/"}

    @classmethod
    def parse(cls, text: str) -> Self:
        """The path, which must already be canonical: httpd compares it after its own decoding and merging."""
        why = "httpd compares the decoded, merged path, so a path in any other spelling would never match or match too much"
        if not text.startswith("/"):
            raise ValueRejected(
                "bad-route-path", f"route path {text!r} does not start with '/'", why, f"write '/{text}'"
            )
        if "%" in text:
            raise ValueRejected(
                "bad-route-path", f"route path {text!r} is percent-encoded", why, "write the decoded characters"
            )
        segments = text[1:].split("/")
        if "" in segments[:-1]:
            fixed = re.sub("/+", "/", text)
            raise ValueRejected("bad-route-path", f"route path {text!r} contains '//'", why, f"write '{fixed}'")
        if "." in segments or ".." in segments:
            raise ValueRejected(
                "bad-route-path",
                f"route path {text!r} contains a '.' or '..' segment",
                why,
                "write the path it stands for",
            )
        if "*" in text:
            tree = text[: text.index("*")].rpartition("/")[0] + "/"
            fix = f"a path ending in '/' covers everything below it: write '{tree}'"
            raise ValueRejected("bad-route-path", f"route path {text!r} contains '*'", "routes are not patterns", fix)
        for segment in segments:
            if segment and not _SEGMENT.match(segment):
                bad = next(c for c in segment if not _SEGMENT.match(c))
                raise ValueRejected(
                    "bad-route-path",
                    f"route path {text!r} contains {bad!r}",
                    why,
                    "use letters, digits and . _ ~ ! $ & ' ( ) + , = : @ -",
                )
        if len(text) > 1024:
            raise ValueRejected("bad-route-path", f"route path of {len(text)} characters", why, "use at most 1024")
        return cls(text)

    @property
    def is_tree(self) -> bool:
        """Whether the route covers a subtree (ends in ``/``) rather than one exact path."""
        return self.endswith("/")

    def covers(self, other: RoutePath) -> bool:
        """Whether a request for ``other`` would fall under this route if no longer route existed."""
        return other.startswith(self) if self.is_tree else other == self


class Method(str):
    """An HTTP method in upper case (RFC 9110 §9)."""

    __slots__ = ()
    schema: ClassVar[dict[str, object]] = {"type": "string", "pattern": "^[A-Z][A-Z0-9-]{0,31}$"}

    @classmethod
    def parse(cls, text: str) -> Self:
        """The method. TRACE and CONNECT are refused: a gateway never forwards them."""
        if text in {"TRACE", "CONNECT"}:
            raise ValueRejected(
                "bad-method",
                f"method {text} is never served",
                "TRACE reflects headers and CONNECT opens tunnels",
                "remove it",
            )
        if not _METHOD.match(text):
            raise ValueRejected(
                "bad-method", f"{text!r} is not an HTTP method", "methods are case-sensitive", f"write {text.upper()!r}"
            )
        return cls(text)


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A length of time, kept in milliseconds."""

    milliseconds: int
    schema: ClassVar[dict[str, object]] = {"type": "string", "pattern": "^[0-9]{1,9}(ms|s|m|h|d)$"}

    @classmethod
    def parse(cls, text: str) -> Self:
        """From ``500ms``, ``30s``, ``5m``, ``12h`` or ``30d``."""
        match = _DURATION.match(text)
        if not match:
            raise ValueRejected(
                "bad-duration",
                f"{text!r} is not a length of time",
                "",
                "write a number and ms, s, m, h or d: 500ms, 30s, 5m",
            )
        return cls(int(match[1]) * _DURATION_UNIT_MS[match[2]])

    @property
    def seconds(self) -> float:
        """The length in seconds."""
        return self.milliseconds / 1000

    def __str__(self) -> str:
        """The shortest exact spelling, which :meth:`parse` reads back."""
        for unit in ("d", "h", "m", "s"):
            if self.milliseconds and self.milliseconds % _DURATION_UNIT_MS[unit] == 0:
                return f"{self.milliseconds // _DURATION_UNIT_MS[unit]}{unit}"
        return f"{self.milliseconds}ms"


@dataclass(frozen=True, slots=True)
class BackendUrl:
    """Where a route's requests go: scheme, host, port and the path that replaces the route's own, if any.

    ``path`` is empty when the URL has none: then the request's path is kept. Otherwise the route's path is replaced by it.
    """

    scheme: str
    host: HostName
    port: int
    path: str
    schema: ClassVar[dict[str, object]] = {"type": "string", "pattern": "^https?://"}

    @classmethod
    def parse(cls, text: str) -> Self:
        """From ``http://host[:port][/path]`` or ``https://…``; query, fragment and user info are refused."""
        fix = "write http://host:port or https://host:port, with a path to replace the route's path"
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as error:
            raise ValueRejected("bad-backend-url", f"backend {text!r}: {error}", "", fix) from error
        if parts.scheme not in {"http", "https"}:
            raise ValueRejected("bad-backend-url", f"backend {text!r} is not an http:// or https:// URL", "", fix)
        if parts.username is not None or parts.password is not None:
            raise ValueRejected(
                "bad-backend-url",
                "the backend URL holds user name or password",
                "the gateway file is no place for secrets",
                fix,
            )
        if parts.query or parts.fragment or "?" in text or "#" in text:
            raise ValueRejected("bad-backend-url", f"backend {text!r} has a query or fragment", "", fix)
        if not parts.hostname:
            raise ValueRejected("bad-backend-url", f"backend {text!r} names no host", "", fix)
        if port == 0:
            raise ValueRejected("bad-backend-url", f"backend {text!r} has port 0", "", fix)
        if parts.path:
            RoutePath.parse(parts.path)
        return cls(
            parts.scheme, HostName.parse(parts.hostname), port or (443 if parts.scheme == "https" else 80), parts.path
        )

    @property
    def origin(self) -> str:
        """``scheme://host:port`` with the port always written."""
        return f"{self.scheme}://{self.host.in_url}:{self.port}"

    def __str__(self) -> str:
        """The URL in full."""
        return self.origin + self.path


class CrlUrl(str):
    """The address of a folder of CRLs, ending in ``/``."""

    __slots__ = ()
    schema: ClassVar[dict[str, object]] = {"type": "string", "pattern": "^http://"}

    @classmethod
    def parse(cls, text: str) -> Self:
        """From ``http://host[:port][/path]``. Any other scheme, user name, query and fragment are refused."""
        if text.startswith("https:"):
            raise ValueRejected(
                "bad-crl-url",
                f"CRL address {text!r} is https://",
                "whoever fetches it must verify a certificate first, and needs the CRL for that (RFC 5280 §8); a CRL is signed and needs no TLS",
                "write the http:// address of a web server that copies the CRLs, or leave it out",
            )
        try:
            url = BackendUrl.parse(text)
        except ValueRejected as problem:
            raise ValueRejected(
                "bad-crl-url",
                f"{text!r} is not an address of CRLs",
                problem.what.replace("backend", "address"),
                "write http://host/path/",
            ) from problem
        port = "" if url.port == 80 else f":{url.port}"
        return cls(f"{url.scheme}://{url.host.in_url}{port}{url.path.rstrip('/')}/")


@dataclass(frozen=True, slots=True)
class Listen:
    """A TCP port, and the one address to listen on if not all of them."""

    port: int
    address: HostName | None = None
    schema: ClassVar[dict[str, object]] = {
        "oneOf": [{"type": "integer", "minimum": 1, "maximum": 65535}, {"type": "string", "pattern": ":[0-9]{1,5}$"}]
    }

    @classmethod
    def parse(cls, text: str) -> Self:
        """From ``8443``, ``127.0.0.1:8443`` or ``[::1]:8443``."""
        address, _, port = text.rpartition(":")
        if len(port) > 5 or not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535:
            raise ValueRejected(
                "bad-listen",
                f"{text!r} is not a port or address:port",
                "",
                "write a port from 1 to 65535: 8443, or 127.0.0.1:8443",
            )
        if not address:
            return cls(int(port))
        host = HostName.parse(address)
        if not host.is_address:
            raise ValueRejected(
                "bad-listen",
                f"{address!r} is not an IP address",
                "a name could resolve to an address you did not mean",
                "write the IP address to listen on",
            )
        return cls(int(port), host)

    def __str__(self) -> str:
        """As it stands in the gateway file."""
        return f"{self.address.in_url}:{self.port}" if self.address else str(self.port)


class RelativePath(str):
    """A path to a file or folder inside the gateway's folder, with ``/`` between its parts."""

    __slots__ = ()
    schema: ClassVar[dict[str, object]] = {"type": "string", "minLength": 1}

    @classmethod
    def parse(cls, text: str) -> Self:
        """A relative path that stays inside: no leading ``/``, no ``..``, no control characters."""
        why = "a gateway's folder is complete in itself, and nothing outside it can be served by accident"
        fix = "copy or move it into the gateway's folder and write the path from there"
        if any(ord(c) < 0x20 or ord(c) == 0x7F for c in text) or not text.strip():
            raise ValueRejected("bad-path", f"path {text!r} is empty or holds control characters", why, fix)
        if text.startswith(("/", "~")):
            raise ValueRejected("path-outside", f"path {text!r} is not inside the gateway's folder", why, fix)
        parts = [p for p in text.split("/") if p not in {"", "."}]
        if ".." in parts:
            raise ValueRejected("path-outside", f"path {text!r} leads out of the gateway's folder", why, fix)
        return cls("/".join(parts) or ".")
