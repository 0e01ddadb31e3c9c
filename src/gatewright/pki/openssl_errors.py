"""Every X.509 verification error number of OpenSSL, explained in terms of the certificates at hand.

The number is the key; OpenSSL's own wording differs between releases and is only shown, never read. Numbers and symbols
are those of ``<openssl/x509_vfy.h>`` from release 3.0 to 4.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType

from gatewright.pki import openssl_errors_high, openssl_errors_low

OK = 0
CERT_CHAIN_TOO_LONG = 22
CERT_REVOKED = 23
NAME_CONSTRAINTS = frozenset({47, 48, 49, 51, 52, 53})
"""Every way in which name constraints refuse a chain (<openssl/x509_vfy.h>: 47 PERMITTED_VIOLATION to 53 UNSUPPORTED_NAME_SYNTAX)."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What an explanation may name. Every field is text for a human; the defaults fit where nothing is known.

    ``who`` is the certificate at fault with its file, ``file`` that file alone; ``above`` is its issuer's certificate in
    the chain and ``below`` the one it issued; ``leaf`` is the certificate that was to be verified.
    """

    who: str = "the certificate"
    file: str = "FILE"
    issuer: str = "its issuer"
    above: str = "its issuer"
    below: str = "the certificate below it"
    leaf: str = "the certificate at the bottom"
    leaf_issuer: str = "its issuer"
    serial: str = "unknown"
    not_before: str = "its beginning"
    not_after: str = "its end"
    at: str = "now"
    purpose: str = "client or server"
    eku: str = "not stated"
    eku_wanted: str = "clientAuth or serverAuth"
    key: str = "of unknown kind"
    hash: str = "an unknown algorithm"
    ca: str = "not stated"
    path_len: str = "a limited number of"
    depth_limit: str = "the verifier"
    host: str = "another name"
    names: str = "none"
    constraints: str = "certain names"
    critical: str = "unknown ones"
    crl_this: str = "its thisUpdate"
    crl_next: str = "its nextUpdate"
    revoked: str = "stands on the CRL of its issuer"
    near_miss: str = ""


@dataclass(frozen=True, slots=True)
class VerifyError:
    """One number: OpenSSL's symbol and wording, what it means, and templates of cause and fix over :class:`Facts`."""

    number: int
    symbol: str
    text: str
    meaning: str
    cause_template: str
    fix_template: str

    def cause(self, facts: Facts) -> str:
        """Why it happened, naming the certificates of ``facts``."""
        return self.cause_template.format_map(asdict(facts))

    def fix(self, facts: Facts) -> str:
        """What to do about it, naming the certificates of ``facts``."""
        return self.fix_template.format_map(asdict(facts))


def _table() -> Mapping[int, VerifyError]:
    rows = (*openssl_errors_low.ROWS, *openssl_errors_high.ROWS)
    entries = (VerifyError(n, f"X509_V_{'' if n == OK else 'ERR_'}{symbol}", *rest) for n, symbol, *rest in rows)
    return MappingProxyType({entry.number: entry for entry in entries})


ERRORS: Mapping[int, VerifyError] = _table()


def explain(number: int) -> VerifyError:
    """The entry for ``number``; one that says as much for a number that no release up to 4.0 knows."""
    return ERRORS.get(number) or VerifyError(
        number,
        f"X509_V_ERR_{number}",
        "unknown certificate verification error",
        "A newer OpenSSL refused the chain for a reason that this version of Gatewright does not know.",
        "OpenSSL refused {who} with error " + str(number) + ".",
        f"look it up in the manual of the OpenSSL installed: man X509_STORE_CTX_get_error (number {number}); then update Gatewright",
    )


def markdown() -> str:
    """The reference page of all numbers, as Markdown."""
    example = Facts(
        who="`leaf`", file="leaf.pem", issuer="`issuer`", above="`issuer`", below="`leaf`", leaf="`leaf`",
        leaf_issuer="`issuer`", near_miss="", depth_limit="0",
        revoked="stands on the CRL of `issuer`, or was revoked at this gateway",
    )  # fmt: skip
    head = (
        "# Verification errors\n\n"
        "Generated from the table in `gatewright.pki.openssl_errors` by `python -m tests.tools.docs`; do not edit.\n\n"
        "`gatewright verify` names OpenSSL's error number, the certificate at fault, the cause and the fix. httpd's error log\n"
        "shows the same numbers (`AH02276: Certificate Verification: Error (20): …`), and so does `openssl verify`\n"
        "(`error 20 at 0 depth lookup`). Below, `leaf` stands for the certificate at fault and `issuer` for who issued it.\n"
    )
    body = "".join(
        f"\n## {e.number}: {e.text}\n\n`{e.symbol}`\n\n{e.meaning}\n\n"
        f"- Cause: {e.cause(example)}\n- Fix: {e.fix(example)}\n"
        for e in ERRORS.values()
    )
    return head + body
