"""The exact matcher against the zoo: each hostile certificate is the clients its page says, and nobody else."""

from __future__ import annotations

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st
from tests.live.pki import authority
from tests.vectors.zoo import CASES, CLIENTS, Case
from tests.vectors.zoo.kit import PIN, Order, build, dns, loaded, uri

from gatewright.pki.matching import by_key, by_san, by_serial, by_subject, by_uri

ISSUER = authority("zoo")


# What the library says of serial numbers that are not positive: it is right, and it is not the matcher's to say.
pytestmark = pytest.mark.filterwarnings("ignore:Parsed a serial number which wasn't positive")


def made(case: Case) -> x509.Certificate:
    return loaded(case.build(ISSUER.certificate, ISSUER.key)[0])


@pytest.mark.parametrize("case", [c for c in CASES if c.loads], ids=lambda c: c.name)
def test_a_certificate_is_who_its_page_says_and_nobody_else(case: Case) -> None:
    """Every client that the case names matches, every other does not, and the reason says what it must."""
    certificate = made(case)
    found = {client: match(certificate) for client, match in CLIENTS.items()}
    assert {client for client, match in found.items() if match.matches} == case.matches
    for client, words in case.because.items():
        assert words in found[client].reason


@pytest.mark.parametrize("case", [c for c in CASES if c.loads], ids=lambda c: c.name)
def test_reasons_are_safe_to_show(case: Case) -> None:
    """A reason is one short line of printable ASCII, whatever the certificate holds."""
    for match in CLIENTS.values():
        reason = match(made(case)).reason
        assert reason.isascii()
        assert reason.isprintable()
        assert len(reason) < 600


@pytest.mark.parametrize("case", [c for c in CASES if not c.loads], ids=lambda c: c.name)
def test_what_cannot_be_loaded_is_refused_by_the_library(case: Case) -> None:
    """The library says so with the one error that callers expect."""
    with pytest.raises(ValueError, match="parsing"):
        made(case)


def test_the_zoo_is_as_large_as_promised() -> None:
    """At least forty cases, each with a page, each kind of client both matched and not."""
    assert len(CASES) >= 40
    assert all(case.page.strip() for case in CASES)
    for client in CLIENTS:
        assert any(client in case.matches for case in CASES)
        assert any(client not in case.matches for case in CASES)


TEXT = st.text(st.characters(max_codepoint=127), max_size=40)


@given(TEXT, TEXT)
def test_only_the_same_octets_match(wanted: str, found: str) -> None:
    """For any two texts, a DNS name or URI matches exactly when they are equal."""
    as_dns = loaded(build(Order(sans=dns(found)), ISSUER.certificate, ISSUER.key)[0])
    as_uri = loaded(build(Order(sans=uri(found)), ISSUER.certificate, ISSUER.key)[0])
    assert by_san(wanted, as_dns).matches == (wanted == found)
    assert by_uri(wanted, as_uri).matches == (wanted == found)
    assert not by_uri(wanted, as_dns).matches
    assert not by_san(wanted, as_uri).matches


def test_serial_numbers_are_numbers() -> None:
    """Leading zeros and the case of digits do not count; the value does."""
    certificate = loaded(build(Order(serial=0xAB), ISSUER.certificate, ISSUER.key)[0])
    assert by_serial("ab", certificate).matches
    assert by_serial("00AB", certificate).matches
    assert not by_serial("AB00", certificate).matches


def test_nothing_asked_matches_nobody() -> None:
    """No parts, or a pin that is none, never match."""
    certificate = loaded(build(Order(), ISSUER.certificate, ISSUER.key)[0])
    assert not by_subject((), certificate).matches
    assert not by_key("sha256:?", certificate).matches
    assert not by_key(PIN, certificate).matches
