"""Which public keys are taken into a certificate, whoever made them.

Path checks refuse neither an RSA-1024 leaf nor a key with a known weakness (measured with OpenSSL 3.0.19 and
cryptography 50), so strength is decided here. Sources: NIST SP 800-57 part 1 (sizes), FIPS 186-5 §A.1.1 (RSA exponent),
CA/Browser Forum Baseline Requirements §6.1.1.3 (ROCA and close primes).
"""

from __future__ import annotations

from math import isqrt

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes, PublicKeyTypes

from gatewright.errors import Diagnostic, Severity

_NEW_EC = "make a P-256 key: openssl ecparam -name prime256v1 -genkey -noout -out erp.key"
_NEW_RSA = "make a new key: openssl genrsa -out erp.key 3072, or better a P-256 key: openssl ecparam -name prime256v1 -genkey -noout -out erp.key"
_SMALL_PRIMES = (
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103,
    107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
)  # fmt: skip
# The subgroup that 65537 generates modulo each prime. A key of CVE-2017-15361 lies in all of them; a random one with
# probability below 2**-30 (the measure of the published detector).
_ROCA_GROUPS = tuple((p, frozenset(pow(65537, i, p) for i in range(p - 1))) for p in _SMALL_PRIMES)
_FERMAT_ROUNDS = 100  # as many as the Baseline Requirements ask for

PublicKey = PublicKeyTypes | CertificateIssuerPublicKeyTypes


def judge_key(key: PublicKey) -> tuple[Diagnostic, ...]:
    """What is to be said about ``key``: errors refuse it, notes accompany it, nothing means it is as we like it.

    P-256, P-384 and RSA from 3072 bits are taken silently; RSA from 2048, P-521 and Ed25519 with a note.
    """
    if isinstance(key, rsa.RSAPublicKey):
        return _judge_rsa(key)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _judge_ec(key)
    if isinstance(key, ed25519.Ed25519PublicKey):
        return (
            _note(
                "csr-key-ed25519",
                "the key is Ed25519",
                "OpenSSL and curl take it; browsers, NSS and Windows do not offer it as a client certificate",
            ),
        )
    if isinstance(key, dsa.DSAPublicKey):
        return (_refusal("csr-key-dsa", "the key is DSA", "TLS 1.3 has no DSA signatures (RFC 8446 §4.2.3)", _NEW_EC),)
    kind = "Ed448" if isinstance(key, ed448.Ed448PublicKey) else "of a kind that no TLS client here can sign with"
    return (_refusal("csr-key-kind", f"the key is {kind}", "the certificate could not be used", _NEW_EC),)


def refusals(key: PublicKey) -> tuple[Diagnostic, ...]:
    """Why ``key`` is not taken; empty if it is."""
    return tuple(said for said in judge_key(key) if said.severity is Severity.ERROR)


def load_key_refusal(error: Exception) -> Diagnostic:
    """The diagnostic for a request whose public key cannot even be loaded: unknown or explicit curve, point off the curve."""
    if isinstance(error, UnsupportedAlgorithm):
        return _refusal(
            "csr-key-kind",
            "the key is of a kind or on a curve that is not taken",
            "TLS clients and httpd agree on P-256, P-384, RSA and, partly, Ed25519",
            _NEW_EC,
        )
    return _refusal(
        "csr-key-broken",
        "the public key in the request cannot be used",
        "its parameters are malformed, its point is not on its curve, or it is far too small",
        _NEW_EC,
    )


def _judge_ec(key: ec.EllipticCurvePublicKey) -> tuple[Diagnostic, ...]:
    if isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1):
        return ()
    if isinstance(key.curve, ec.SECP521R1):
        return (
            _note("csr-key-p521", "the key is on P-521", "clients built on BoringSSL, such as Chrome, cannot use it"),
        )
    return (
        _refusal(
            "csr-key-curve",
            f"the key is on the curve {key.curve.name}",
            "TLS clients and httpd agree on P-256 and P-384",
            _NEW_EC,
        ),
    )


def _judge_rsa(key: rsa.RSAPublicKey) -> tuple[Diagnostic, ...]:
    bits, numbers = key.key_size, key.public_numbers()
    if bits < 2048:
        return (
            _refusal(
                "csr-key-weak", f"the RSA key has {bits} bits", "less than 2048 is within reach of attackers", _NEW_RSA
            ),
        )
    if bits > 8192:
        return (
            _refusal(
                "csr-key-huge",
                f"the RSA key has {bits} bits",
                "every handshake would cost the gateway time that an attacker can spend for it",
                _NEW_RSA,
            ),
        )
    exponent = numbers.e
    if exponent < 65537 or exponent % 2 == 0 or exponent.bit_length() > 256:
        return (
            _refusal(
                "csr-key-exponent",
                f"the RSA key's public exponent is {exponent if exponent < 2**32 else 'larger than 32 bits'}",
                "FIPS 186-5 asks for an odd number from 65537 to 2^256; small ones have a history of forged signatures",
                _NEW_RSA,
            ),
        )
    if _has_known_weakness(numbers.n):
        return (
            _refusal(
                "csr-key-factorable",
                "the RSA key's modulus can be factored",
                "it has a small factor, two primes close together, or the fingerprint of CVE-2017-15361 (ROCA)",
                "make a new key with current software: openssl genrsa -out erp.key 3072",
            ),
        )
    if bits < 3072:
        why = "it is taken, but 3072 bits are asked for beyond 2030 (NIST SP 800-57)"
        return (_note("csr-key-rsa-2048", f"the RSA key has {bits} bits", why),)
    return ()


def _has_known_weakness(modulus: int) -> bool:
    if modulus % 2 == 0 or any(modulus % p == 0 for p in _SMALL_PRIMES):
        return True
    if all(modulus % p in group for p, group in _ROCA_GROUPS):
        return True
    a = isqrt(modulus)
    if a * a == modulus:
        return True
    for _ in range(_FERMAT_ROUNDS):
        a += 1
        rest = a * a - modulus
        if isqrt(rest) ** 2 == rest:
            return True
    return False


def _note(code: str, what: str, why: str) -> Diagnostic:
    return Diagnostic(code, what, why, "", severity=Severity.NOTE)


def _refusal(code: str, what: str, why: str, fix: str) -> Diagnostic:
    return Diagnostic(code, what, why, fix)
