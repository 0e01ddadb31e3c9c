"""Names that the client's entry does not allow, and names that readers would read differently."""

from __future__ import annotations

import ipaddress
import warnings

from cryptography import x509
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID
from tests.vectors.csr.kit import SUBJECT, accepted, openssl_request, refused, request


def _san(*names: x509.GeneralName) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName(names)


def _name(*parts: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])


_CN, _O, _OU = NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME


@accepted()
def the_allowed_san() -> bytes:
    """The one name of the entry, in any case."""
    return request(_san(x509.DNSName("Billing.Example.ORG")))


@accepted("csr-names-supplied")
def no_name_at_all() -> bytes:
    """An empty request proves possession; the names come from the entry."""
    return request(subject=x509.Name([]))


@accepted()
def the_clients_own_name() -> bytes:
    """The client's name in the gateway file as common name."""
    return request(subject=_name((_CN, "billing-bot")))


@accepted("csr-subject-parts")
def extra_subject_parts() -> bytes:
    """Organization, unit and mail address are wishes: dropped and said."""
    return request(
        subject=_name((_O, "Globex"), (_OU, "IT"), (_CN, "billing.example.org"), (NameOID.EMAIL_ADDRESS, "a@b.c"))
    )


@accepted(allowed=SUBJECT)
def the_allowed_subject() -> bytes:
    """A client known by its subject."""
    return request(subject=_name((_O, "Globex"), (_CN, "erp")))


@accepted("csr-san-of-subject-client", allowed=SUBJECT)
def common_name_repeated_as_san() -> bytes:
    """Tools repeat the common name as SAN; a client known by its subject gets none, for it could be another's."""
    return request(_san(x509.DNSName("erp")), subject=_name((_O, "Globex"), (_CN, "erp")))


@refused("csr-other-name")
def another_common_name() -> bytes:
    """Another client's name."""
    return request(subject=_name((_CN, "orders.example.org")))


@refused("csr-other-name", allowed=SUBJECT)
def another_organization() -> bytes:
    """The right common name under the wrong organization."""
    return request(subject=_name((_O, "Initech"), (_CN, "erp")))


@refused("csr-other-name", allowed=SUBJECT)
def organization_twice() -> bytes:
    """Two organizations, one of them right: readers disagree which counts."""
    return request(subject=_name((_O, "Globex"), (_O, "Initech"), (_CN, "erp")))


@refused("csr-other-name", allowed=SUBJECT)
def subject_differs_in_case() -> bytes:
    """Subjects are compared exactly, as httpd does."""
    return request(subject=_name((_O, "globex"), (_CN, "erp")))


@refused("csr-other-name")
def another_san() -> bytes:
    """The right name, and another client's beside it."""
    return request(_san(x509.DNSName("billing.example.org"), x509.DNSName("orders.example.org")))


@refused("csr-wildcard")
def wildcard() -> bytes:
    """A client certificate for everybody below a domain."""
    return request(_san(x509.DNSName("*.example.org")))


@refused("csr-other-name")
def trailing_dot() -> bytes:
    """A trailing dot makes another string of the same host."""
    return request(_san(x509.DNSName("billing.example.org.")))


@refused("csr-other-name")
def nul_in_san() -> bytes:
    """A NUL after the allowed name: readers in C stop there (CVE-2009-2408)."""
    return request(_san(x509.DNSName("billing.example.org\0.evil.test")))


@refused("csr-other-name")
def address_as_dns_name() -> bytes:
    """An IP address as dNSName."""
    return request(_san(x509.DNSName("192.0.2.1")))


@refused("csr-other-name")
def ip_address() -> bytes:
    """An IP address that the entry does not have."""
    return request(_san(x509.IPAddress(ipaddress.ip_address("192.0.2.1"))))


@refused("csr-other-name")
def mail_address() -> bytes:
    """A mail address would make an S/MIME identity of it."""
    return request(_san(x509.RFC822Name("ceo@example.org")))


@refused("csr-other-name")
def uri() -> bytes:
    """A URI could be a SPIFFE identity."""
    return request(_san(x509.UniformResourceIdentifier("spiffe://example.org/admin")))


@refused("csr-other-name")
def windows_principal() -> bytes:
    """A user principal name, by which Windows would log its holder on."""
    return openssl_request("subjectAltName=otherName:msUPN;UTF8:administrator@example.org")


@refused("csr-other-name")
def directory_name() -> bytes:
    """A directory name as SAN."""
    return request(_san(x509.DirectoryName(_name((_CN, "root")))))


@refused("csr-several-common-names")
def two_common_names() -> bytes:
    """The allowed name and another: some readers take the first, some the last."""
    return request(subject=_name((_CN, "billing.example.org"), (_CN, "admin")))


@refused("csr-subject-control", "csr-other-name")
def nul_in_common_name() -> bytes:
    """A NUL in the common name."""
    return request(subject=_name((_CN, "billing.example.org\0.evil.test")))


@refused("csr-subject-control", "csr-other-name")
def newline_in_common_name() -> bytes:
    """A line break would forge a second line in logs and backend headers."""
    return request(subject=_name((_CN, "erp\r\nX-Admin: 1")))


@refused("csr-subject-control", "csr-other-name")
def terminal_escape() -> bytes:
    """An escape sequence would act on the terminal of whoever lists certificates."""
    return request(subject=_name((_CN, "\x1b]0;owned\x07erp")))


@refused("csr-subject-control", "csr-other-name")
def right_to_left_override() -> bytes:
    """U+202E makes ``gpj.erp`` look like ``erp.jpg``."""
    return request(subject=_name((_CN, "\u202egpj.pre")))


@refused("csr-other-name")
def lookalike() -> bytes:
    """A Cyrillic letter that looks like a Latin one."""
    return request(subject=_name((_CN, "billing.ex\u0430mple.org")))


@refused("csr-other-name")
def path_traversal() -> bytes:
    """A common name that would leave the folder if somebody made a file name of it."""
    return request(subject=_name((_CN, "../../../etc/cron.d/x")))


@refused("csr-other-name")
def shell_and_template() -> bytes:
    """Shell and template characters."""
    return request(subject=_name((_CN, "$(reboot);{{7*7}}%{HTTP_HOST}")))


@refused("csr-subject-string-type")
def bmp_string() -> bytes:
    """The right name as BMPString (two bytes a character)."""
    return request(subject=x509.Name([x509.NameAttribute(_CN, "billing.example.org", _ASN1Type.BMPString)]))


@refused("csr-subject-string-type")
def t61_string() -> bytes:
    """The right name as T61String, whose character set readers guess."""
    return request(subject=x509.Name([x509.NameAttribute(_CN, "billing.example.org", _ASN1Type.T61String)]))


@refused("csr-subject-string-type")
def universal_string() -> bytes:
    """The right name as UniversalString (four bytes a character)."""
    return request(subject=x509.Name([x509.NameAttribute(_CN, "billing.example.org", _ASN1Type.UniversalString)]))


@refused("csr-too-large")
def ten_thousand_sans() -> bytes:
    """10,000 names: refused by size, before any parsing."""
    return request(_san(*(x509.DNSName(f"host-{n}.example.org") for n in range(10_000))))


@refused("csr-too-many-names")
def thousand_sans() -> bytes:
    """1,000 names fit under the size limit; they are counted, not listed."""
    return request(_san(*(x509.DNSName(f"h{n}.example.org") for n in range(1_000))))


@refused("csr-too-many-names")
def thousand_subject_parts() -> bytes:
    """A subject of 1,000 units."""
    return request(subject=_name(*((_OU, f"u{n}") for n in range(1_000))))


@refused("csr-other-name")
def huge_field() -> bytes:
    """A common name of 40,000 characters: the message shows 80 of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library only warns of what X.509 forbids
        attribute = x509.NameAttribute(_CN, "x" * 40_000, _validate=False)
        return request(subject=x509.Name([attribute]))
