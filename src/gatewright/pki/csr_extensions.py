"""The extensions and attributes that a certificate request wishes for (RFC 2986 §4.1, RFC 2985 §5.4): which are refused,
which are dropped and said. None is copied; what the certificate holds comes from its profile.
"""

from __future__ import annotations

from collections.abc import Iterator

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, ObjectIdentifier

from gatewright.errors import Diagnostic, Severity

_EXTENSION_REQUESTS = {"1.2.840.113549.1.9.14", "1.3.6.1.4.1.311.2.1.14"}
_ATTRIBUTES = {
    "1.2.840.113549.1.9.7": "challenge password",
    "1.2.840.113549.1.9.2": "unstructured name",
    "1.2.840.113549.1.9.8": "unstructured address",
    "1.3.6.1.4.1.311.13.2.2": "Microsoft enrolment provider",
    "1.3.6.1.4.1.311.13.2.3": "Windows version",
    "1.3.6.1.4.1.311.21.20": "Windows client information",
}
_MAX_SAID = 10  # unknown extensions or attributes named one by one, before the rest is only counted

# Only a CA certificate may hold these (RFC 5280 §4.2.1.10, §4.2.1.11, §4.2.1.5, §4.2.1.14).
_CA_ONLY = {
    ExtensionOID.NAME_CONSTRAINTS: "name constraints",
    ExtensionOID.POLICY_CONSTRAINTS: "policy constraints",
    ExtensionOID.POLICY_MAPPINGS: "policy mappings",
    ExtensionOID.INHIBIT_ANY_POLICY: "inhibit anyPolicy",
}
_HARMLESS = {
    ExtensionOID.SUBJECT_KEY_IDENTIFIER.dotted_string: "subject key identifier (it is computed here)",
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER.dotted_string: "authority key identifier (it is computed here)",
    ExtensionOID.CRL_DISTRIBUTION_POINTS.dotted_string: "CRL distribution points (the authority says where its lists are)",
    ExtensionOID.AUTHORITY_INFORMATION_ACCESS.dotted_string: "authority information access",
    ExtensionOID.CERTIFICATE_POLICIES.dotted_string: "certificate policies",
    ExtensionOID.ISSUER_ALTERNATIVE_NAME.dotted_string: "issuer alternative name",
    ExtensionOID.TLS_FEATURE.dotted_string: "OCSP must-staple (it concerns servers)",
    ExtensionOID.OCSP_NO_CHECK.dotted_string: "OCSP no-check (it concerns OCSP responders)",
    ExtensionOID.MS_CERTIFICATE_TEMPLATE.dotted_string: "Microsoft certificate template",
    "1.3.6.1.4.1.311.20.2": "Microsoft certificate template name",
    "1.3.6.1.4.1.311.21.10": "Microsoft application policies",
    "2.16.840.1.113730.1.1": "Netscape certificate type",
    "2.16.840.1.113730.1.13": "Netscape comment",
    "1.2.840.113549.1.9.15": "S/MIME capabilities",
}
_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
)


def judge_attributes(csr: x509.CertificateSigningRequest) -> Iterator[Diagnostic]:
    """What is said of the request's attributes. Values are never repeated: a challenge password is one of them."""
    try:
        oids = [attribute.oid.dotted_string for attribute in csr.attributes]
    except ValueError:
        yield _unreadable("attributes")
        return
    if sum(oid in _EXTENSION_REQUESTS for oid in oids) > 1:
        yield Diagnostic(
            "csr-extensions-twice",
            "the request holds more than one list of extensions",
            "readers disagree which of them counts",
            "make the request with one list (openssl req does)",
        )
    others = [_ATTRIBUTES.get(oid, f"attribute {oid}") for oid in dict.fromkeys(oids) if oid not in _EXTENSION_REQUESTS]
    if others:
        yield _dropped("csr-attribute", _counted(others), "certificates have no such attributes")


def judge_extensions(csr: x509.CertificateSigningRequest) -> tuple[list[Diagnostic], tuple[x509.GeneralName, ...]]:
    """What is said of the wished-for extensions, and the subject alternative names among them for the caller to judge."""
    try:
        extensions = csr.extensions
    except x509.DuplicateExtension as twice:
        what = f"the request asks for extension {twice.oid.dotted_string} twice"
        return [Diagnostic("csr-extensions-twice", what, "readers disagree which counts", "ask for it once")], ()
    except (ValueError, x509.UnsupportedGeneralNameType, UnsupportedAlgorithm):
        return [_unreadable("extensions")], ()
    said: list[Diagnostic] = []
    names: tuple[x509.GeneralName, ...] = ()
    other: list[str] = []
    for extension in extensions:
        value = extension.value
        if isinstance(value, x509.SubjectAlternativeName):
            names = tuple(value)
        elif isinstance(value, x509.BasicConstraints):
            if value.ca:
                said.append(_ca("CA:TRUE in basic constraints"))
        elif isinstance(value, x509.KeyUsage):
            said += _judge_key_usage(value)
        elif isinstance(value, x509.ExtendedKeyUsage):
            said += _judge_extended_usage(value)
        elif extension.oid in _CA_ONLY:
            said.append(_ca(_CA_ONLY[extension.oid]))
        elif extension.critical and extension.oid.dotted_string not in _HARMLESS:
            said.append(_critical(extension.oid))
        else:
            oid = extension.oid.dotted_string
            other.append(_HARMLESS.get(oid, f"extension {oid}"))
    if other:
        said.append(_dropped("csr-extension", _counted(other), "extensions come from the certificate's profile"))
    return said, names


def _judge_key_usage(usage: x509.KeyUsage) -> Iterator[Diagnostic]:
    asked = [name for name in _USAGES if getattr(usage, name)]
    if usage.key_cert_sign or usage.crl_sign:
        yield _ca("key usage keyCertSign or cRLSign")
    elif asked != ["digital_signature"]:
        what = "key usage " + (", ".join(asked) or "without any bit")
        yield _dropped("csr-key-usage", what, "a TLS client signs, and needs digitalSignature only (RFC 8446 §4.4.2.2)")


def _judge_extended_usage(usage: x509.ExtendedKeyUsage) -> Iterator[Diagnostic]:
    if ExtendedKeyUsageOID.OCSP_SIGNING in usage:
        yield Diagnostic(
            "csr-ocsp-signing",
            "the request asks for OCSPSigning",
            "its holder could answer for the authority that a revoked certificate is good (RFC 6960 §4.2.2.2)",
            "leave extendedKeyUsage out of the request, or ask for clientAuth",
        )
        return
    others = [_USAGE_NAMES.get(o, o.dotted_string) for o in usage if o != ExtendedKeyUsageOID.CLIENT_AUTH]
    if others:
        yield _dropped(
            "csr-extended-key-usage", "extended key usage " + _counted(others), "this is a client certificate"
        )


_USAGE_NAMES = {
    ExtendedKeyUsageOID.SERVER_AUTH: "serverAuth",
    ExtendedKeyUsageOID.CODE_SIGNING: "codeSigning",
    ExtendedKeyUsageOID.EMAIL_PROTECTION: "emailProtection",
    ExtendedKeyUsageOID.TIME_STAMPING: "timeStamping",
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE: "anyExtendedKeyUsage",
}


def _ca(what: str) -> Diagnostic:
    return Diagnostic(
        "csr-asks-for-ca",
        f"the request asks to become a certificate authority: {what}",
        "its holder could then issue certificates in anybody's name",
        "make the request for an end entity: openssl req -new -key erp.key -out erp.csr, without -x509 and without a CA section",
    )


def _critical(oid: ObjectIdentifier) -> Diagnostic:
    return Diagnostic(
        "csr-critical-extension",
        f"the request asks for the unknown critical extension {oid.dotted_string}",
        "critical says that it must not be ignored, and nothing is known of it here",
        "leave it out of the request",
    )


def _unreadable(what: str) -> Diagnostic:
    return Diagnostic(
        f"csr-{what}-unreadable",
        f"the request's {what} cannot be read",
        "their encoding is damaged",
        "make the request again; check it with: openssl req -in FILE -noout -text",
    )


def _dropped(code: str, what: str, why: str) -> Diagnostic:
    return Diagnostic(code, f"will not be in the certificate: {what}", why, severity=Severity.WARNING)


def _counted(names: list[str]) -> str:
    rest = len(names) - _MAX_SAID
    return ", ".join(names[:_MAX_SAID]) + (f" and {rest} more" if rest > 0 else "")
