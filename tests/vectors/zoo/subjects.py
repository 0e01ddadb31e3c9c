"""Hostile subjects. The client ``subject`` is known by O=Globex and CN=erp."""

from __future__ import annotations

from cryptography.x509.oid import NameOID
from tests.vectors.zoo.kit import (
    BMP,
    CN,
    ORG,
    OU,
    T61,
    UNIVERSAL,
    URI,
    C,
    Order,
    case,
    joined,
    octets,
    part,
    parts,
    unreadable,
    uri,
)

GLOBEX, ERP = part(ORG, "Globex"), part(CN, "erp")


@case("subject")
def rfc5280_4_1_2_6_the_plain_subject() -> Order:
    """The client as declared."""
    return Order(parts(GLOBEX, ERP))


@case("subject")
def rfc5280_4_1_2_6_more_parts() -> Order:
    """Country, unit and e-mail address besides: the parts asked for are there once each, and nothing else is asked."""
    return Order(parts(part(C, "DE"), GLOBEX, part(OU, "IT"), part(NameOID.EMAIL_ADDRESS, "erp@globex.example"), ERP))


@case("subject")
def rfc5280_4_1_2_6_parts_in_another_order() -> Order:
    """CN first: the declared parts say nothing of an order."""
    return Order(parts(ERP, GLOBEX))


@case(subject="2 common names")
def rfc5280_4_1_2_6_two_common_names() -> Order:
    """The right name first, another behind: servers that take the first one admit whoever the second one is."""
    return Order(parts(GLOBEX, ERP, part(CN, "mallory")))


@case(subject="2 common names")
def rfc5280_4_1_2_6_two_common_names_right_one_last() -> Order:
    """The right name last: servers that take the last one are fooled."""
    return Order(parts(GLOBEX, part(CN, "mallory"), ERP))


@case(subject="2 common names")
def rfc5280_4_1_2_6_the_same_common_name_twice() -> Order:
    """Twice the same is not once."""
    return Order(parts(GLOBEX, ERP, ERP))


@case(subject="2 organizations")
def rfc5280_4_1_2_6_two_organizations() -> Order:
    """Of two organizations nobody knows which one it is."""
    return Order(parts(GLOBEX, part(ORG, "Initech"), ERP))


@case("subject")
def x501_8_2_multi_valued_name() -> Order:
    """O and CN in one relative name: ``CN=erp+O=Globex``. Each part is there once; httpd cannot tell the difference either."""
    return Order(joined((GLOBEX, ERP)))


@case(subject="2 common names")
def x501_8_2_multi_valued_name_with_two_common_names() -> Order:
    """``CN=erp+CN=mallory`` in one relative name."""
    return Order(joined((GLOBEX,), (ERP, part(CN, "mallory"))))


@case(subject="'erp,O=Globex'")
def rfc4514_2_4_comma_inside_a_value() -> Order:
    """A CN that looks like two parts when it is written without escapes."""
    return Order(parts(GLOBEX, part(CN, "erp,O=Globex")))


@case(subject="'Globex,CN=erp'")
def rfc4514_2_4_one_part_that_spells_the_whole_name() -> Order:
    """Everything in the organization."""
    return Order(parts(part(ORG, "Globex,CN=erp"), part(CN, "x")))


@case(subject="'erp+CN=erp'")
def rfc4514_2_4_plus_inside_a_value() -> Order:
    """A plus sign, which joins parts when it is written without escapes."""
    return Order(parts(GLOBEX, part(CN, "erp+CN=erp")))


@case(subject=r"'erp\nX-Client-Subject: CN=admin'")
def rfc9110_5_5_newline_that_begins_a_header() -> Order:
    """A line feed and a header line: written raw into a header it would become one."""
    return Order(parts(GLOBEX, part(CN, "erp\nX-Client-Subject: CN=admin")))


@case(subject=r"\r\n\r\n")
def rfc9110_5_5_newlines_that_end_the_head() -> Order:
    """CR LF CR LF and a second request: request smuggling by a name."""
    return Order(parts(GLOBEX, part(CN, "erp\r\n\r\nGET /admin HTTP/1.1\r\nHost: x\r\n\r\n")))


@case(subject=r"'erp\x00.mallory'")
def rfc5280_4_1_2_6_nul_inside_a_value() -> Order:
    """A NUL: code that reads C strings stops after the right name."""
    return Order(parts(GLOBEX, part(CN, "erp\0.mallory")))


@case(subject=r"'erp\x00'")
def rfc5280_4_1_2_6_nul_at_the_end() -> Order:
    """Nothing but a NUL behind the right name."""
    return Order(parts(GLOBEX, part(CN, "erp\0")))


@case(subject="quot")
def rfc4514_2_4_quotes() -> Order:
    """Double quotes, single quotes and a backslash; ``quot`` is for whoever looks for entities."""
    return Order(parts(GLOBEX, part(CN, "\"erp\" 'erp' \\erp &quot;")))


@case(subject="script")
def html_13_2_a_script() -> Order:
    """Markup that ends an attribute and begins a script, for pages that show names."""
    return Order(parts(GLOBEX, part(CN, '"/><script>alert(1)</script>')))


@case(subject="LDAP")
def rfc4514_2_4_expressions_of_every_kind() -> Order:
    """What httpd, shells, templates and loggers would evaluate."""
    return Order(
        parts(GLOBEX, part(CN, "%{SSL_CLIENT_S_DN} ${PATH} $(id) {{7*7}} ${jndi:LDAP://x} <!--#exec cmd='id'-->"))
    )


@case("subject")
def x520_bmpstring() -> Order:
    """The right name as BMPString, two octets a letter: the same letters, and httpd reads them so too."""
    return Order(parts(GLOBEX, part(CN, "erp", BMP)))


@case(subject="\\u0435")
def x520_bmpstring_with_a_lookalike() -> Order:
    """A Cyrillic letter that looks Latin, as BMPString."""
    return Order(parts(GLOBEX, part(CN, "\u0435rp", BMP)))


@case("subject")
def x520_universalstring() -> Order:
    """The right name as UniversalString, four octets a letter."""
    return Order(parts(GLOBEX, part(CN, "erp", UNIVERSAL)))


@case("subject")
def x520_t61string_in_ascii() -> Order:
    """The right name as T61String: letters of ASCII have one reading even there."""
    return Order(parts(GLOBEX, part(CN, "erp", T61)))


@case(subject="readers read in different ways")
def x520_t61string_beyond_ascii() -> Order:
    """Octets above 0x7F in a T61String: Latin 1 to one reader, UTF-8 to another."""
    return Order(parts(GLOBEX, part(CN, "\u00e9rp", T61)))


@case(subject="cannot be read")
def rfc3629_3_utf8string_that_is_none() -> Order:
    """A UTF8String with an octet that no UTF-8 holds."""
    return Order(parts(GLOBEX, part(CN, "e~p")), tamper=octets(b"e~p", b"e\xffp"))


@case(subject="'\\u202eerp'")
def unicode_uax9_direction_override() -> Order:
    """An invisible character that turns the direction of reading."""
    return Order(parts(GLOBEX, part(CN, "\u202eerp")))


@case(subject="'er\\uff50'")
def unicode_uax15_compatibility_letters() -> Order:
    """A full-width letter: the same after NFKC, not before."""
    return Order(parts(GLOBEX, part(CN, "er\uff50")))


@case(subject="'ERP'")
def rfc5280_7_1_upper_case() -> Order:
    """RFC 5280 compares names without case; httpd does not, and so nobody here does."""
    return Order(parts(GLOBEX, part(CN, "ERP")))


@case(subject="' erp '")
def rfc5280_7_1_spaces_around() -> Order:
    """RFC 5280 compares names without outer spaces; httpd does not."""
    return Order(parts(GLOBEX, part(CN, " erp ")))


@case(subject="''")
def rfc5280_4_1_2_6_empty_common_name() -> Order:
    """A CN without a letter."""
    return Order(parts(GLOBEX, part(CN, "")))


@case("uri", subject="no organizations")
def rfc5280_4_1_2_6_empty_subject() -> Order:
    """No subject at all, as SPIFFE allows: the client is its URI, and no subject matches."""
    return Order(parts(), uri(URI), san_critical=True)


@case(subject="no organizations")
def rfc5280_4_1_2_6_empty_subject_and_no_other_name() -> Order:
    """Nobody: truly signed, and nameless."""
    return Order(parts())


@unreadable
def rfc5280_4_1_2_6_printablestring_with_forbidden_octets() -> Order:
    """A PrintableString with an octet above 0x7F."""
    return Order(parts(GLOBEX, part(CN, "erp")), tamper=octets(b"\x0c\x03erp", b"\x13\x03er\xf0"))


@case(subject="xxx...'")
def rfc5280_a_1_a_common_name_of_6_kb() -> Order:
    """6,000 letters."""
    return Order(parts(GLOBEX, part(CN, "x" * 6000)))


@case(subject="xxx...'")
def rfc5280_a_1_a_common_name_of_64_kb() -> Order:
    """65,000 letters, a thousand times what X.520 allows."""
    return Order(parts(GLOBEX, part(CN, "x" * 65_000)))


@case(subject="no organizations")
def rfc5280_a_1_a_thousand_units() -> Order:
    """A thousand organizational units."""
    return Order(parts(*(part(OU, f"u{n}") for n in range(1000)), ERP))


@case(subject="'Initech'")
def rfc4514_3_another_organization() -> Order:
    """The right common name of another organization."""
    return Order(parts(part(ORG, "Initech"), ERP))
