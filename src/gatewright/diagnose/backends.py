"""Why TLS with a backend did not come about, from AH numbers, X.509 error numbers and OpenSSL's packed codes (httpd 2.4.71).

mod_ssl logs a backend's connection as it logs a client's, with the backend's address in place of the client's; only what
follows tells which it was: AH02003 where httpd is the client, AH02008 where it is the server.
"""

from __future__ import annotations

from dataclasses import dataclass

from gatewright.diagnose.loglines import ErrorLine
from gatewright.diagnose.refusals import parse_refusal, visible

CONNECT_FAILED = 2003
"""AH02003, "SSL Proxy connect failed": after AH02276 where the certificate was refused, alone where TLS itself failed."""

# Told by one line alone: (what is wrong, what to do).
_ALONE = {
    2004: ("its certificate has expired", "renew the backend's certificate"),
    2005: ("its certificate is for another name", "write the name in its certificate, or give it one for this name"),
    2411: (
        "its certificate is not for the name in the backend's URL (IP addresses in it do not count)",
        "write the DNS name that its certificate has, or give it a certificate with this name as DNS subjectAltName",
    ),
    2268: ("it wants a client certificate, and none is declared for it", "add 'client_certificate' to the backend"),
    2269: (
        "it wants a client certificate of other CAs than the declared one's",
        "declare the 'client_certificate' that one of its CAs issued, with its intermediates",
    ),
}

# X.509 error numbers (X509_V_ERR_*, x509_vfy.h) as they read for a server.
_BY_NUMBER = {
    2: ("was issued by {issuer}, whose own issuer is not in 'ca'", "put the root of the backend's CA into 'ca'"),
    7: ("bears a signature that {issuer} did not make", "find out who answers at the backend's address"),
    9: ("is not valid before {before}", "set the clock that is wrong, here or where it was issued"),
    10: ("expired on {after}", "renew the backend's certificate"),
    18: ("is self-signed", "put this very certificate into 'ca' if it is the right one, or have a CA issue one"),
    19: ("comes with a root that is not in 'ca'", "put the root of the backend's CA into 'ca'"),
    20: ("was issued by {issuer}, which is not in 'ca'", "put the backend's CA into 'ca', or have the backend send its intermediates"),
    21: ("was issued by {issuer}, which is neither sent along nor in 'ca'", "have the backend send its intermediates"),
    22: ("comes with too long a chain", "have it issued by a CA at most three steps below the root"),
    26: ("is not meant for servers (its extended key usage lacks serverAuth)", "issue one for serverAuth"),
    66: ("has too weak a key", "issue one with at least RSA 2048 or P-256"),
    68: ("was signed with too weak a digest (SHA-1 or MD5)", "issue one that is signed with SHA-256"),
}  # fmt: skip

# OpenSSL's packed codes: SSL_R_* (sslerr.h), 1000 + the alert that the backend sent (RFC 8446 §6).
_BY_REASON = {
    267: ("it does not speak TLS", "write http://, or switch TLS on at the backend"),
    1040: ("it ended the handshake, perhaps for want of a client certificate", "add 'client_certificate' to the backend"),
    1116: ("it demands a client certificate", "add 'client_certificate' to the backend"),
    1070: ("it speaks neither TLS 1.2 nor 1.3", "switch one of them on at the backend"),
}  # fmt: skip
_REFUSES_US = {1042, 1043, 1044, 1045, 1046, 1048, 1049, 1051}
"""Alerts about a certificate: bad, unsupported, revoked, expired, unknown, unknown CA, access denied, decrypt error."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """``number`` is the AH number, ``x509`` OpenSSL's verification error or 0, ``backend`` its address as httpd logs it."""

    number: int
    x509: int
    backend: str
    what: str
    fix: str

    def words(self) -> str:
        """One line for the operator."""
        numbers = f"AH{self.number:05d}" + (f", X.509 error {self.x509}" if self.x509 else "")
        return f"backend {visible(self.backend) or 'without address'} not verified: {self.what} ({numbers}); {self.fix}"


def backend_trouble(line: ErrorLine, refused: ErrorLine | None = None) -> Trouble | None:
    """What ``line`` says of a backend, ``None`` if nothing.

    ``refused`` is the line of AH02276 that its thread wrote just before, which belongs to AH02003 and says nothing alone.
    """
    if line.number in _ALONE:
        return Trouble(line.number, 0, line.client, *_ALONE[line.number])
    if line.number != CONNECT_FAILED or refused is None:
        return None
    found = parse_refusal(refused.message)
    if found is None:
        return None
    unknown = ("did not pass OpenSSL's verification", f"see {found.number} in openssl-verification(7), 'x509_vfy.h'")
    what, fix = _BY_NUMBER.get(found.number, unknown)
    said = what.format(issuer=found.issuer or "an authority without a name", before=found.before, after=found.after)
    who = found.subject or "with an empty subject"
    return Trouble(refused.number, found.number, line.client, f"certificate {who} {said}", fix)


def refuses_us(packed: int) -> bool:
    """Whether OpenSSL's code is an alert of the backend's about the gateway's certificate, or for want of one."""
    return packed & 0x7FFFFF in {*_REFUSES_US, 1116}


def failed_without_certificate(line: ErrorLine, packed: int) -> Trouble:
    """AH02003 without a refused certificate, or AH01992 before any answer came (TLS 1.3), by the code of the ``SSL Library Error`` line that follows."""
    reason = packed & 0x7FFFFF
    if reason in _REFUSES_US:
        what = f"it refused the gateway's client certificate (TLS alert {reason - 1000})"
        return Trouble(line.number, 0, line.client, what, "have the backend trust the CA that issued it")
    what, fix = _BY_REASON.get(reason, (f"the handshake failed (OpenSSL error {packed:08X})", "see the backend's log"))
    return Trouble(line.number, 0, line.client, what, fix)
