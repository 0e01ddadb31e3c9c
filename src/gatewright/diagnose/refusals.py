"""Why a handshake failed, in plain words: from AH numbers, X.509 error numbers and OpenSSL's packed error codes.

X.509 error numbers are those of ``X509_V_ERR_*`` (OpenSSL, x509_vfy.h), packed codes those of ``SSL_R_*`` (sslerr.h).
OpenSSL's prose changes between versions and is never looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

_VERIFICATION = re.compile(r"Certificate Verification: Error \((\d+)\)")
_CERTIFICATE = re.compile(
    r"\[subject: (?P<subject>.*) / issuer: (?P<issuer>.*?) / serial: (?P<serial>[0-9A-F]*)"
    r"(?: / notbefore: (?P<before>.*?) / notafter: (?P<after>.*?))?\]\Z",
    re.DOTALL,
)

# What follows "certificate CN=… ". {issuer}, {before} and {after} are filled in.
_BY_NUMBER = {
    2: "was issued by {issuer}, an intermediate whose own issuer is not among this gateway's authorities",
    3: "cannot be checked for revocation: there is no revocation list of {issuer}",
    4: "bears a signature that cannot be decrypted",
    7: "bears a signature that {issuer} did not make: it is forged, or another authority uses the same name",
    9: "is not valid before {before}: is the client's or this machine's clock wrong?",
    10: "expired on {after}",
    11: "cannot be checked: the revocation list of {issuer} lies in the future; is this machine's clock wrong?",
    12: "cannot be checked: the revocation list of {issuer} is too old, which refuses all its clients",
    18: "is self-signed, and no authority of this gateway trusts it",
    19: "comes with a self-signed root that no authority of this gateway trusts",
    20: "was issued by {issuer}, which no authority of this gateway trusts",
    21: "was issued by {issuer}, which is neither sent along nor an authority of this gateway",
    22: "was not issued by an authority of this gateway itself, but by a CA further below it than this host allows",
    23: "has been revoked by {issuer}",
    24: "was issued by {issuer}, which may not issue certificates (not a CA)",
    25: "hangs below more intermediates than {issuer} may have (path length)",
    26: "is not meant for clients (its extended key usage lacks clientAuth)",
    27: "was issued by {issuer}, which is not trusted for clients",
    28: "was issued by {issuer}, which is marked as refused for clients",
    47: "bears a name that {issuer} may not issue for (name constraints)",
    66: "has too weak a key",
    67: "was issued by {issuer}, whose key is too weak",
    68: "was signed with too weak a digest (SHA-1 or MD5)",
}

_UNTRUSTED = frozenset({2, 18, 19, 20, 21})
"""Those that say that nothing leads to a trusted CA."""

# OpenSSL's SSL reasons: what the client did.
_BY_REASON = {
    118: "offered no signature algorithm that this gateway uses (an outdated client)",
    123: "could not prove that it holds the private key of its certificate",
    134: "presented a certificate that did not pass",
    155: "sent a proxy request instead of TLS",
    156: "spoke plain HTTP on the TLS port; the address begins with https://",
    193: "offered no cipher suite that this gateway uses (an outdated client)",
    199: "presented no certificate, and one is required here",
    258: "offered only TLS versions that this gateway does not speak (it speaks 1.2 and 1.3)",
    267: "did not speak TLS",
    294: "closed the connection in the middle of the handshake",
    396: "offered only TLS versions that this gateway does not speak (it speaks 1.2 and 1.3)",
}
# Alerts that the client sent to us (RFC 8446 section 6): reason 1000 + alert number.
_BY_ALERT = {
    0: "closed the connection",
    40: "could not agree on a handshake",
    42: "rejected the gateway's certificate as malformed",
    43: "does not support the kind of the gateway's certificate",
    44: "says that the gateway's certificate is revoked",
    45: "says that the gateway's certificate has expired; is the client's clock right?",
    46: "did not accept the gateway's certificate",
    48: "does not trust the authority that issued the gateway's certificate; give it the root (`curl --cacert …`)",
    49: "denied access",
    51: "says that a signature of the handshake is wrong",
    70: "does not speak the TLS version of this gateway",
    80: "had an internal error",
    112: "does not know the name in the gateway's certificate",
}
_SSL_LIBRARY = 20
"""``ERR_LIB_SSL`` (OpenSSL, err.h); a packed code is library << 23 | reason since OpenSSL 3.0."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A certificate that did not pass: OpenSSL's ``number`` for why, and whose it is, with visible text only.

    ``subject`` is ``None`` where the log does not say whose.
    """

    number: int
    subject: str | None
    issuer: str
    serial: str
    before: str
    after: str

    @property
    def untrusted(self) -> bool:
        """Whether it is its issuer that was not trusted."""
        return self.number in _UNTRUSTED

    def words(self, instead: str = "") -> str:
        """``certificate CN=erp was issued by …``; an unknown number is named as such.

        ``instead`` of the general words about an issuer that was not trusted: what is known of it besides.
        """
        known = _BY_NUMBER.get(self.number, f"did not pass OpenSSL's verification (X.509 error {self.number})")
        if instead:
            known = "was issued by {issuer}" + instead.replace("{", "{{").replace("}", "}}")
        who = "a certificate" if self.subject is None else f"certificate {self.subject or 'with an empty subject'}"
        return f"{who} " + known.format(
            issuer=self.issuer or "an authority without a name", before=self.before or "?", after=self.after or "?"
        )


def parse_refusal(message: str, number: int = 0) -> Refusal | None:
    """From the message of AH02276 (or of AH02040, "chain too long", as ``number=22``); ``None`` if it is neither."""
    verification = _VERIFICATION.search(message)
    if verification is None and not number:
        return None
    found = _CERTIFICATE.search(message)
    parts = found.groupdict() if found else {}
    return Refusal(
        number or int(verification[1] if verification else 0),
        readable_dn(parts["subject"]) if found else None,
        readable_dn(parts.get("issuer") or ""),
        parts.get("serial") or "",
        visible(parts.get("before") or ""),
        visible(parts.get("after") or ""),
    )


def openssl_words(packed: int) -> str:
    """What the client did, from the code of an ``SSL Library Error`` line; unknown codes are named as such."""
    library, reason = packed >> 23, packed & 0x7FFFFF
    if library == _SSL_LIBRARY and reason in _BY_REASON:
        return _BY_REASON[reason]
    if library == _SSL_LIBRARY and 1000 <= reason < 1256:
        return _BY_ALERT.get(reason - 1000, f"ended the handshake with TLS alert {reason - 1000}")
    return f"failed the handshake (OpenSSL error {packed:08X})"


def visible(text: str) -> str:
    r"""The text with everything that is not printable, such as terminal controls and bidirectional marks, as ``\xNN``."""
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def unescape(text: str) -> str:
    r"""Undo httpd's log escapes: ``\\``, ``\"``, ``\n`` and ``\xHH`` (UTF-8); the result may hold controls."""
    simple = {"n": b"\n", "r": b"\r", "t": b"\t", "v": b"\v", "b": b"\b"}

    def one(match: re.Match[str]) -> bytes:
        mark = match[1]
        return bytes([int(mark[1:], 16)]) if len(mark) == 3 else simple.get(mark, mark.encode())

    return _replace_bytes(r"\\(x[0-9a-fA-F]{2}|.)", one, text)


def readable_dn(logged: str) -> str:
    """A distinguished name as httpd logs it, with its UTF-8 shown as letters and its controls visible."""
    return spelled_dn(unescape(logged))


def spelled_dn(name: str) -> str:
    r"""A distinguished name as OpenSSL spells it (RFC 2253 text, ``\C3\AB`` for bytes that are not ASCII), to be read."""

    def one(match: re.Match[str]) -> bytes:
        return bytes.fromhex(match[1])

    return visible(_replace_bytes(r"\\([0-9A-F]{2})", one, name))


def _replace_bytes(pattern: str, one: Callable[[re.Match[str]], bytes], text: str) -> str:
    out, position = bytearray(), 0
    for match in re.finditer(pattern, text, re.DOTALL):
        out += text[position : match.start()].encode() + one(match)
        position = match.end()
    out += text[position:].encode()
    return out.decode("utf-8", "replace")
