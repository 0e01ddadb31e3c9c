"""Distinguished names and subject alternative names, made conservatively and spelled as mod_ssl spells them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from cryptography import x509
from cryptography.x509.oid import NameOID

# RFC 5280 Appendix A.1, ub-common-name and ub-organization-name, in characters.
LONGEST_COMMON_NAME = 64
LONGEST_ORGANIZATION = 64


def distinguished_name(common_name: str, organization: str | None = None) -> x509.Name:
    """``O=…, CN=…`` as UTF8String, least specific first (RFC 5280 §4.1.2.4; X.501 order)."""
    parts = [] if organization is None else [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def ca_name(authority: str, role: str, number: int, key_hash: bytes, *, host: str) -> x509.Name:
    """The name of one generation of a CA: its own for ever, because two trusted CAs of one name cannot be told apart.

    The six hexadecimal digits of the key's hash keep names apart even when a folder is thrown away and made anew.
    """
    tail = f"{role} CA G{number} {key_hash.hex()[:6]}"
    common_name = f"{authority[: LONGEST_COMMON_NAME - len(tail) - 1]} {tail}"
    return distinguished_name(common_name, host[:LONGEST_ORGANIZATION])


def common_name(preferred: str, otherwise: str) -> str:
    """``preferred`` if it fits into a common name, else ``otherwise`` cut to fit. The SAN decides; this is for readers."""
    return preferred if len(preferred) <= LONGEST_COMMON_NAME else otherwise[:LONGEST_COMMON_NAME]


def alternative_names(hosts: Iterable[str]) -> list[x509.GeneralName]:
    """DNS names and IP addresses as the general names of RFC 5280 §4.2.1.6, doubles dropped, order kept."""
    names: list[x509.GeneralName] = []
    for host in dict.fromkeys(hosts):
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            names.append(x509.DNSName(host))
    return names


def spelled(names: Sequence[x509.GeneralName]) -> tuple[tuple[str, str], ...]:
    """(kind, value) of each general name that has a plain spelling: ``dns``, ``ip``, ``email``, ``uri``."""
    kinds: tuple[tuple[type[x509.GeneralName], str], ...] = (
        (x509.DNSName, "dns"),
        (x509.IPAddress, "ip"),
        (x509.RFC822Name, "email"),
        (x509.UniformResourceIdentifier, "uri"),
    )
    found = ((kind, str(name.value)) for name in names for cls, kind in kinds if isinstance(name, cls))
    return tuple(dict.fromkeys(found))


def certificate_names(certificate: x509.Certificate) -> tuple[tuple[str, str], ...]:
    """Every name by which one may look for ``certificate``: its SANs, and its common name where that is not one of them."""
    try:
        listed = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        sans: tuple[tuple[str, str], ...] = ()
    else:
        sans = spelled(list(listed))
    values = {value for _, value in sans}
    common = [str(a.value) for a in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return sans + tuple(("cn", value) for value in common if value not in values)


def rfc2253(name: x509.Name) -> str:
    """``name`` most specific part first, as OpenSSL's ``-nameopt RFC2253,-esc_msb`` and mod_ssl's ``*_DN`` variables write it."""
    return name.rfc4514_string()
