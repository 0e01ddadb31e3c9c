"""What each kind of certificate contains, as data, with the source of each value beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from types import MappingProxyType

from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from gatewright.model.pki import KeyKind, ProfileName

DOCUMENT_SIGNING = ObjectIdentifier("1.3.6.1.5.5.7.3.36")
"""id-kp-documentSigning (RFC 9336 §3), for which ``cryptography`` has no name."""

BACKDATED = timedelta(minutes=5)
"""How far ``notBefore`` and ``thisUpdate`` lie in the past, so that verifiers whose clocks are a little slow accept
what was just made. Five minutes is the skew that Kerberos tolerates (RFC 4120 §5.2) and that most fleets keep to."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What goes into a certificate of this kind.

    ``usages`` are the KeyUsage bits by ``cryptography``'s names; ``purposes`` the extended key usages, none for CAs;
    ``path_length`` counts CAs below (``None`` for leaves); ``san_kinds`` are the kinds of name a SAN may hold, empty for none;
    ``no_check`` adds id-pkix-ocsp-nocheck; ``keys`` lists the kinds of key allowed.
    """

    name: ProfileName
    validity: timedelta
    usages: frozenset[str]
    purposes: tuple[ObjectIdentifier, ...]
    path_length: int | None
    san_kinds: frozenset[str]
    san_required: bool
    no_check: bool
    keys: frozenset[KeyKind]
    sources: Mapping[str, str]

    @property
    def is_ca(self) -> bool:
        """Whether certificates of this profile may sign others."""
        return self.path_length is not None


# No Ed25519 for CAs: `cryptography`'s path verifier and some TLS stacks refuse it there. RSA below 3072 bits is too weak
# for what is made to last beyond 2030 (NIST SP 800-57 part 1 rev. 5, table 4).
_CA_KEYS = frozenset({KeyKind.P256, KeyKind.P384, KeyKind.RSA3072, KeyKind.RSA4096})
_LEAF_KEYS = _CA_KEYS | {KeyKind.ED25519}
# TLS 1.3 and every (EC)DHE suite of TLS 1.2 only sign with the leaf's key (RFC 8446 §4.4.2.2, RFC 5246 §7.4.2).
_SIGN = frozenset({"digital_signature"})
_SIGN_CERTIFICATES = frozenset({"key_cert_sign", "crl_sign"})  # RFC 5280 §4.2.1.3
_CA_SOURCES = {
    "usages": "RFC 5280 §4.2.1.3: a CA asserts keyCertSign; cRLSign because it signs its own CRLs",
    "purposes": "RFC 5280 §4.2.1.12: in general only in end-entity certificates",
}
_LEAF_SOURCES = {
    "usages": "RFC 8446 §4.4.2.2: the certificate's key must be able to sign; RFC 5246 §7.4.2 for (EC)DHE",
    "path_length": "RFC 5280 §4.2.1.9: no path length where cA is false",
}


def _ca(name: ProfileName, days: int, path_length: int, why_days: str, why_length: str) -> Profile:
    sources = _CA_SOURCES | {"validity": why_days, "path_length": why_length}
    return Profile(
        name,
        timedelta(days=days),
        _SIGN_CERTIFICATES,
        (),
        path_length,
        frozenset(),
        san_required=False,
        no_check=False,
        keys=_CA_KEYS,
        sources=MappingProxyType(sources),
    )


def _leaf(
    name: ProfileName,
    validity: timedelta,
    purpose: ObjectIdentifier,
    san_kinds: frozenset[str],
    why: Mapping[str, str],
    *,
    san_required: bool = True,
    no_check: bool = False,
) -> Profile:
    sources = MappingProxyType(_LEAF_SOURCES | dict(why))
    return Profile(name, validity, _SIGN, (purpose,), None, san_kinds, san_required, no_check, _LEAF_KEYS, sources)


_CLIENT_AUTH = "RFC 5280 §4.2.1.12 id-kp-clientAuth: OpenSSL's -purpose sslclient asks for it"
_QUARTER = "90 days: long enough for a renewal that a human missed once, short enough that a lost key ages out"

PROFILES: Mapping[ProfileName, Profile] = MappingProxyType(
    {
        profile.name: profile
        for profile in (
            _ca(
                ProfileName.ROOT,
                3652,
                1,
                "ten years: outlives three generations of issuing CAs; its key is needed only to make those",
                "RFC 5280 §4.2.1.9: one tier of issuing CAs below, and nothing below those",
            ),
            _ca(
                ProfileName.ISSUING,
                1096,
                0,
                "three years: replaced while the root still has most of its life",
                "RFC 5280 §4.2.1.9: end entities only",
            ),
            _leaf(
                ProfileName.SERVER,
                timedelta(days=90),
                ExtendedKeyUsageOID.SERVER_AUTH,
                frozenset({"dns", "ip"}),
                {"validity": _QUARTER, "purposes": "RFC 5280 §4.2.1.12 id-kp-serverAuth", "san_kinds": "RFC 9525 §3"},
            ),
            _leaf(
                ProfileName.CLIENT,
                timedelta(days=90),
                ExtendedKeyUsageOID.CLIENT_AUTH,
                frozenset({"dns", "ip", "email", "uri"}),
                {
                    "validity": _QUARTER,
                    "purposes": _CLIENT_AUTH,
                    "san_kinds": "RFC 5280 §4.2.1.6",
                    "san_required": "no: a client may be known by its subject instead, which RFC 5280 §4.1.2.6 then requires",
                },
                san_required=False,
            ),
            _leaf(
                ProfileName.ADMIN,
                timedelta(days=7),
                ExtendedKeyUsageOID.CLIENT_AUTH,
                frozenset({"dns", "email"}),
                {"validity": "a week: whoever may change the gateway proves it often", "purposes": _CLIENT_AUTH},
            ),
            _leaf(
                ProfileName.BACKEND_CLIENT,
                timedelta(days=90),
                ExtendedKeyUsageOID.CLIENT_AUTH,
                frozenset({"dns", "uri"}),
                {"validity": _QUARTER, "purposes": _CLIENT_AUTH + "; here the gateway is the client"},
            ),
            _leaf(
                ProfileName.OCSP,
                timedelta(days=30),
                ExtendedKeyUsageOID.OCSP_SIGNING,
                frozenset(),
                {
                    "validity": "RFC 6960 §4.2.2.2.1: with no-check the certificate should be short-lived",
                    "purposes": "RFC 6960 §4.2.2.2: a delegated responder has id-kp-OCSPSigning",
                    "no_check": "RFC 6960 §4.2.2.2.1 id-pkix-ocsp-nocheck",
                },
                san_required=False,
                no_check=True,
            ),
            _leaf(
                ProfileName.CANARY,
                timedelta(hours=1),
                ExtendedKeyUsageOID.CLIENT_AUTH,
                frozenset({"dns", "email", "uri"}),  # as the clients that test identities stand for
                {"validity": "one hour: a test identity must not outlive its test", "purposes": _CLIENT_AUTH},
            ),
            replace(
                _leaf(
                    ProfileName.REPORT,
                    timedelta(days=366),
                    DOCUMENT_SIGNING,
                    frozenset(),
                    {
                        "validity": "a year: in its last third a new one signs, so that for eight months at least any CMS program accepts a report as it stands",
                        "purposes": "RFC 9336 id-kp-documentSigning, no purpose of TLS; RFC 5280 §4.2.1.12 id-kp-emailProtection, because 'openssl cms -verify' asks for it unless it is told to accept any purpose, a client's too",
                    },
                    san_required=False,
                ),
                purposes=(DOCUMENT_SIGNING, ExtendedKeyUsageOID.EMAIL_PROTECTION),
            ),
        )
    }
)
