"""Hostile serial numbers, keys, and whole certificates."""

from __future__ import annotations

from asn1crypto import x509 as asn1
from tests.vectors.zoo.kit import CN, PIN, URI, Order, Tamper, case, changed, name, part, parts, pinned_key, uri

_SERIAL = 0x0A1B2C


def _serial(number: int) -> Tamper:
    def change(tbs: asn1.TbsCertificate) -> None:
        tbs["serial_number"] = number

    return changed(change)


@case("serial")
def rfc5280_4_1_2_2_the_serial_number() -> Order:
    """The serial number as declared; in DER it is three octets, written with its leading zero digit."""
    return Order(serial=_SERIAL)


@case(serial="A1B2C00")
def rfc5280_4_1_2_2_longer_serial_number() -> Order:
    """The declared digits are the beginning of this one's."""
    return Order(serial=_SERIAL << 8)


@case(serial="10A1B2C")
def rfc5280_4_1_2_2_serial_number_that_ends_so() -> Order:
    """The declared digits are the end of this one's."""
    return Order(serial=0x10A1B2C)


@case(serial="negative")
def rfc5280_4_1_2_2_negative_serial_number() -> Order:
    """The declared number with a minus sign."""
    return Order(tamper=_serial(-_SERIAL))


@case(serial="negative")
def rfc5280_4_1_2_2_serial_number_in_twos_complement() -> Order:
    """A negative number whose octets read unsigned are another's."""
    return Order(tamper=_serial(_SERIAL - (1 << 24)))


@case(serial="zero")
def rfc5280_4_1_2_2_serial_number_zero() -> Order:
    """Zero names nothing."""
    return Order(tamper=_serial(0))


@case(serial="not A1B2C")
def rfc5280_4_1_2_2_serial_number_of_64_octets() -> Order:
    """Far beyond the twenty octets allowed, ending in the declared digits."""
    return Order(tamper=_serial((1 << 510) + _SERIAL))


@case("key")
def rfc7469_2_4_the_key() -> Order:
    """The pinned key, under some name."""
    return Order(key=pinned_key())


@case("key", "uri")
def rfc7469_2_4_the_key_under_another_clients_name() -> Order:
    """The pinned key with another client's name: it is both, for both are what they are known by."""
    return Order(name("mallory"), uri(URI), key=pinned_key())


@case(key="not the one pinned")
def rfc7469_2_4_the_pin_as_a_name() -> Order:
    """The pin written into the subject."""
    return Order(parts(part(CN, PIN)))
