"""Hostile subjectAltNames. One client is known by a DNS name, one by an e-mail address, one by a URI."""

from __future__ import annotations

import ipaddress

from cryptography import x509
from tests.vectors.zoo.kit import (
    CN,
    EMAIL,
    ORG,
    SAN,
    URI,
    Order,
    case,
    dns,
    edi_party_name,
    email,
    name,
    octets,
    part,
    parts,
    raw_san,
    uri,
    uri_name,
)

_UPN = "1.3.6.1.4.1.311.20.2.3"


@case("san")
def rfc5280_4_2_1_6_the_dns_name() -> Order:
    """The DNS name as declared."""
    return Order(sans=dns(SAN))


@case("email")
def rfc5280_4_2_1_6_the_email_address() -> Order:
    """The e-mail address as declared."""
    return Order(sans=email(EMAIL))


@case("uri")
def spiffe_svid_2_the_uri() -> Order:
    """The URI as declared."""
    return Order(sans=uri(URI))


@case("san", "email", "uri")
def rfc5280_4_2_1_6_all_three() -> Order:
    """One certificate of three names is three clients, each by its own type."""
    return Order(sans=(*dns(SAN), *email(EMAIL), *uri(URI)))


@case(san="it has no DNS name")
def rfc6125_6_4_4_common_name_instead_of_a_dns_name() -> Order:
    """A DNS name in the common name is a common name."""
    return Order(name(SAN))


@case(email="it has no e-mail address")
def rfc5280_4_1_2_6_email_address_in_the_subject() -> Order:
    """An emailAddress in the subject is not a name of the certificate's holder any more (RFC 5280 §4.1.2.6: deprecated)."""
    return Order(parts(part(ORG, "Zoo"), part(x509.NameOID.EMAIL_ADDRESS, EMAIL), part(CN, "x")))


@case(uri="it has no URI", san="it has " + repr(URI))
def rfc5280_4_2_1_6_uri_inside_a_dns_name() -> Order:
    """The URI as a dNSName: a look-alike for whoever compares text."""
    return Order(sans=dns(URI))


@case(uri="it has no URI")
def openssl_x509v3_uri_by_the_text_of_another_name() -> Order:
    """``x, URI:spiffe://…`` as a dNSName: OpenSSL's text of the extension reads like two names."""
    return Order(sans=dns(f"x, URI:{URI}"))


@case(uri="it has no URI", san="it has no DNS name")
def openssl_x509v3_dns_by_the_text_of_an_email_address() -> Order:
    """The same inside an rfc822Name, for both."""
    return Order(sans=email(f"x, DNS:{SAN}, URI:{URI}"))


@case(uri="it does not have the URI")
def openssl_x509v3_uri_with_the_text_of_another() -> Order:
    """``y, URI:spiffe://…`` inside a URI."""
    return Order(sans=uri(f"y, URI:{URI}"))


@case(uri="2 URIs")
def spiffe_svid_2_two_uris() -> Order:
    """The right URI and another: SPIFFE refuses both."""
    return Order(sans=uri(URI, "spiffe://globex.example/ns/prod/sa/admin"))


@case(uri="2 URIs")
def spiffe_svid_2_the_same_uri_twice() -> Order:
    """The right URI twice."""
    return Order(sans=uri(URI, URI))


@case(uri="/job/admin'")
def spiffe_id_2_uri_with_a_suffix() -> Order:
    """The right URI with one more segment."""
    return Order(sans=uri(f"{URI}/admin"))


@case(uri="/job/'")
def spiffe_id_2_uri_with_a_slash_at_the_end() -> Order:
    """The right URI with a slash at its end."""
    return Order(sans=uri(f"{URI}/"))


@case(uri="it does not have the URI")
def rfc3986_6_2_2_uri_of_another_spelling() -> Order:
    """Equal after normalization of case and escapes, different octets."""
    return Order(sans=uri("SPIFFE://Globex.example/ns/%70rod/sa/job"))


@case(uri="it does not have the URI")
def rfc3986_5_2_4_uri_with_dot_segments() -> Order:
    """Equal after the dots are resolved."""
    return Order(sans=uri("spiffe://globex.example/ns/prod/sa/x/../job"))


@case(uri="it does not have the URI")
def rfc3986_3_2_uri_with_user_and_port() -> Order:
    """The right trust domain as user name of another host."""
    return Order(sans=uri("spiffe://globex.example@mallory.example:1/ns/prod/sa/job"))


@case(uri="it does not have the URI")
def rfc3986_3_5_uri_with_query_and_fragment() -> Order:
    """A query and a fragment behind the right URI."""
    return Order(sans=uri(f"{URI}?x#y"))


@case(uri=r"job\x00")
def rfc5280_4_2_1_6_uri_with_nul() -> Order:
    """A NUL behind the right URI."""
    return Order(sans=uri(f"{URI}\0/admin"))


@case(uri="extensions cannot be read")
def rfc5280_4_2_1_6_uri_beyond_ascii() -> Order:
    """An octet that no IA5String holds, in a URI."""
    return Order(more=(raw_san(uri_name(URI.encode() + b"\xff")),))


@case(san=r"'billing.example.org\x00.mallory.example'")
def rfc5280_4_2_1_6_dns_name_with_nul() -> Order:
    """A NUL behind the right name: the trick of 2009 (CVE-2009-2408)."""
    return Order(sans=dns(f"{SAN}\0.mallory.example"))


@case(san=r"\n")
def rfc9110_5_5_dns_name_with_newline() -> Order:
    """A header line in a DNS name."""
    return Order(sans=dns(f"{SAN}\r\nX-Client-Subject: CN=admin"))


@case(san="'billing.example.org.'")
def rfc1034_3_1_trailing_dot() -> Order:
    """The absolute spelling of the right name."""
    return Order(sans=dns(f"{SAN}."))


@case(san="'Billing.Example.ORG'")
def rfc4343_2_upper_case_letters() -> Order:
    """DNS compares without case; httpd compares octets, so this one is not admitted anywhere."""
    return Order(sans=dns("Billing.Example.ORG"))


@case(san="'*.example.org'")
def rfc6125_6_4_3_wildcard() -> Order:
    """A wildcard that covers the right name: nobody is a pattern."""
    return Order(sans=dns("*.example.org"))


@case(san="'*'")
def rfc6125_6_4_3_nothing_but_a_wildcard() -> Order:
    """Everybody."""
    return Order(sans=dns("*"))


@case(san="'.example.org'")
def rfc5280_4_2_1_10_a_whole_subtree() -> Order:
    """A name constraint's spelling of a subtree."""
    return Order(sans=dns(".example.org"))


@case(san="'xn--billing-9bg.example.org'")
def rfc5890_2_3_2_1_a_label() -> Order:
    """An A-label that a browser might show like the right name."""
    return Order(sans=dns("xn--billing-9bg.example.org"))


@case(san="'b\\xefll")
def rfc5890_2_3_2_1_u_label() -> Order:
    """An international name as UTF-8 in an IA5String."""
    return Order(sans=dns("b~~lling.example.org"), tamper=octets(b"b~~lling", b"b\xc3\xaflling"))


@case("san")
def rfc5280_4_2_1_6_the_same_dns_name_twice() -> Order:
    """The right name twice: it is there, and no other is."""
    return Order(sans=dns(SAN, SAN))


@case("san")
def rfc5280_4_2_1_6_the_dns_name_among_others() -> Order:
    """The right name fourth of four: a partner's certificate may have several."""
    return Order(sans=dns("a.example", "b.example", "c.example", SAN))


@case(san="only the first 4")
def rfc5280_4_2_1_6_the_dns_name_fifth_of_five() -> Order:
    """The right name where httpd does not look."""
    return Order(sans=dns("a.example", "b.example", "c.example", "d.example", SAN))


@case(san="and 296 more")
def rfc5280_4_2_1_6_three_hundred_dns_names() -> Order:
    """Three hundred others: the reason shows four."""
    return Order(sans=dns(*(f"h{n}.example.org" for n in range(300))))


@case(email="'ERP@globex.example'")
def rfc5321_2_4_local_part_in_upper_case() -> Order:
    """The local part of an address has case."""
    return Order(sans=email("ERP@globex.example"))


@case(email="'erp+x@globex.example'")
def rfc5233_3_subaddress() -> Order:
    """A subaddress of the right address is another."""
    return Order(sans=email("erp+x@globex.example"))


@case(email="@globex.example'")
def rfc5321_4_1_2_quoted_local_part() -> Order:
    """``"erp"@…``: equal to a mail server."""
    return Order(sans=email('"erp"@globex.example'))


@case(email="'globex.example'", san="it has no DNS name")
def rfc5280_4_2_1_10_a_whole_domain_as_email() -> Order:
    """A domain where an address belongs."""
    return Order(sans=email("globex.example"))


@case(email="'erp@globex.example,admin@globex.example'")
def rfc5322_3_4_list_of_addresses() -> Order:
    """Two addresses in one name."""
    return Order(sans=email(f"{EMAIL},admin@globex.example"))


@case(email=r"'erp@globex.example\x00'")
def rfc5280_4_2_1_6_email_with_nul() -> Order:
    """A NUL behind the right address."""
    return Order(sans=email(f"{EMAIL}\0"))


@case(san="it has no DNS name", email="it has no e-mail address", uri="it has no URI")
def rfc5280_4_2_1_6_other_name() -> Order:
    """All three texts as otherNames (Microsoft's UPN among them), which are of a type of their own."""
    texts = [(_UPN, EMAIL), ("1.3.6.1.5.5.7.8.7", SAN), ("1.2.3.4", URI)]
    return Order(
        sans=tuple(x509.OtherName(x509.ObjectIdentifier(o), b"\x0c" + bytes([len(t)]) + t.encode()) for o, t in texts)
    )


@case(san="it has no DNS name", subject="exactly one")
def rfc5280_4_2_1_6_directory_name() -> Order:
    """The declared subject as a directoryName among the alternative names: not the certificate's subject."""
    return Order(parts(), (x509.DirectoryName(parts(part(ORG, "Globex"), part(CN, "erp"))),), san_critical=True)


@case(uri="it has no URI")
def rfc5280_4_2_1_6_registered_id_and_address() -> Order:
    """A registered ID and an IP address: kinds that nobody is known by."""
    return Order(sans=(x509.RegisteredID(x509.ObjectIdentifier("1.2.3")), x509.IPAddress(ipaddress.ip_address("::1"))))


@case(uri="extensions cannot be read")
def rfc5280_4_2_1_6_edi_party_name() -> Order:
    """An ediPartyName beside the right URI: a kind the library refuses, so nothing is read from the rest."""
    return Order(more=(raw_san(edi_party_name("x"), uri_name(URI.encode())),))


@case(san="extensions cannot be read", uri="extensions cannot be read")
def rfc5280_4_2_the_extension_twice() -> Order:
    """Two subjectAltName extensions, of which readers take the first or the last: at most one is allowed."""
    return Order(
        sans=uri(URI), more=(x509.IssuerAlternativeName(dns(SAN)),), tamper=octets(b"\x55\x1d\x12", b"\x55\x1d\x11")
    )


@case(san="it has no DNS name")
def rfc5280_4_2_1_7_issuer_alternative_name() -> Order:
    """The right name as a name of the issuer."""
    return Order(more=(x509.IssuerAlternativeName(dns(SAN)),))


@case("uri", san="it does not have")
def rfc5280_4_2_1_6_empty_dns_name() -> Order:
    """An empty dNSName beside the right URI."""
    return Order(sans=(*dns(""), *uri(URI)))
