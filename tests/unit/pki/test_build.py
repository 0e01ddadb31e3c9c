"""What each profile puts into a certificate, and the limits that hold whatever is asked for."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from time import process_time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from gatewright.model.pki import CaRole, KeyKind, ProfileName, Reason, RevokedSerial
from gatewright.pki import build, crl
from gatewright.pki.build import Issuer, NameConstraints, ProfileViolation
from gatewright.pki.keys import generate, spki_sha256
from gatewright.pki.names import alternative_names, ca_name, common_name, distinguished_name, rfc2253
from gatewright.pki.profiles import BACKDATED, PROFILES, Profile

NOW = datetime(2030, 1, 1, 12, 0, 0, 654321, tzinfo=UTC)
ROOT_KEY, CA_KEY, LEAF_KEY = (generate(KeyKind.P256) for _ in range(3))
ROOT = build.root(ROOT_KEY, ca_name("home", "root", 1, spki_sha256(ROOT_KEY), host="gw.example"), 1, NOW)
CA = build.issuing_ca(
    Issuer(ROOT, ROOT_KEY, "http://gw.example/root.crl"),
    CA_KEY.public_key(),
    name=ca_name("home", "issuing", 1, spki_sha256(CA_KEY), host="gw.example"),
    serial=2,
    now=NOW,
)
ISSUER = Issuer(CA, CA_KEY, "http://gw.example/ca.crl", "http://gw.example/ocsp")
LEAVES = [profile for profile in PROFILES.values() if not profile.is_ca]


def leaf(profile: ProfileName, names: list[str], now: datetime = NOW) -> x509.Certificate:
    return build.leaf(
        ISSUER,
        PROFILES[profile],
        LEAF_KEY.public_key(),
        name=distinguished_name("x"),
        alternative_names=alternative_names(names),
        serial=3,
        now=now,
    )


def test_the_hierarchy_is_two_tiers_and_no_more() -> None:
    """Root with path length 1, issuing CA with 0; both may sign certificates and CRLs and nothing else."""
    for certificate, length in ((ROOT, 1), (CA, 0)):
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        assert (constraints.critical, constraints.value.ca, constraints.value.path_length) == (True, True, length)
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
        assert usage.critical
        assert usage.value.key_cert_sign
        assert usage.value.crl_sign
        assert not usage.value.digital_signature
    CA.verify_directly_issued_by(ROOT)


@pytest.mark.parametrize("profile", LEAVES, ids=lambda p: str(p.name))
def test_a_leaf_has_its_profile_and_points_to_its_issuer(profile: Profile) -> None:
    """Purposes, usages, end, backdated start, AKI, CRL and OCSP addresses."""
    expected = PROFILES[profile.name]
    certificate = leaf(expected.name, ["a.example"] if "dns" in expected.san_kinds else [])
    found = certificate.extensions
    assert list(found.get_extension_for_class(x509.ExtendedKeyUsage).value) == list(expected.purposes)
    assert found.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert certificate.not_valid_before_utc == NOW.replace(microsecond=0) - BACKDATED
    assert certificate.not_valid_after_utc == NOW.replace(microsecond=0) + expected.validity
    above = CA.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert found.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier == above
    assert "http://gw.example/ca.crl" in str(found.get_extension_for_class(x509.CRLDistributionPoints).value)
    assert "http://gw.example/ocsp" in str(found.get_extension_for_class(x509.AuthorityInformationAccess).value)


@pytest.mark.parametrize("profile", list(PROFILES.values()), ids=lambda p: str(p.name))
def test_every_profile_says_where_its_values_come_from(profile: Profile) -> None:
    """Validity, purposes, usages and path length each have a source."""
    sources = profile.sources
    assert {"validity", "purposes", "usages", "path_length"} <= set(sources)
    assert all(sources.values())


@given(days=st.integers(0, 1095), lifetime=st.integers(1, 4000))
def test_no_leaf_is_valid_outside_its_issuers_life(days: int, lifetime: int) -> None:
    """Whatever lifetime is asked for at whatever time, the result lies inside the issuer's."""
    start, end = build.validity(PROFILES[ProfileName.CLIENT], CA, NOW + timedelta(days=days), timedelta(days=lifetime))
    assert CA.not_valid_before_utc <= start < end <= CA.not_valid_after_utc


def test_after_the_issuers_end_nothing_is_signed() -> None:
    """An expired CA is refused rather than used."""
    with pytest.raises(ProfileViolation, match="expires at 2033"):
        leaf(ProfileName.CLIENT, ["a.example"], NOW + timedelta(days=1096))


@pytest.mark.parametrize(
    ("profile", "bits", "accepted"),
    [
        (ProfileName.CLIENT, 1024, False),
        (ProfileName.CLIENT, 2048, True),  # partners bring such keys; we make none
        (ProfileName.SERVER, 2048, False),
        (ProfileName.ADMIN, 2048, False),
    ],
)
def test_weak_keys_are_refused(profile: ProfileName, bits: int, accepted: bool) -> None:
    """RSA below 3072 bits only as a partner's own client key, and below 2048 never."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)

    def sign() -> x509.Certificate:
        return build.leaf(
            ISSUER,
            PROFILES[profile],
            key.public_key(),
            name=distinguished_name("x"),
            alternative_names=alternative_names(["a.example"]),
            serial=9,
            now=NOW,
        )

    if accepted:
        sign()
    else:
        with pytest.raises(ProfileViolation, match="kinds only"):
            sign()


def test_name_constraints_are_critical() -> None:
    """A verifier that does not understand them must refuse, not ignore them (RFC 5280 §4.2.1.10)."""
    limits = NameConstraints(permitted=(x509.DNSName("example"),))
    extension = build.root(ROOT_KEY, ROOT.subject, 1, NOW, limits).extensions.get_extension_for_class(
        x509.NameConstraints
    )
    assert extension.critical
    assert extension.value.permitted_subtrees == [x509.DNSName("example")]


def test_two_generations_never_share_a_name() -> None:
    """Same authority, role and number, another key: another name. Long names are cut to the limit of 64 characters."""
    one, two = (ca_name("a" * 64, "issuing", 1, bytes([n] * 32), host="gw.example") for n in (1, 2))
    assert one != two
    assert all(len(a.value) <= 64 for name in (one, two) for a in name)


def test_a_name_is_spelled_as_mod_ssl_spells_it() -> None:
    """Most specific part first, commas escaped."""
    assert rfc2253(distinguished_name("erp, main", "Globex")) == "CN=erp\\, main,O=Globex"


def test_a_long_host_name_stays_out_of_the_common_name() -> None:
    """Beyond 64 characters, the shorter name is used; the SAN decides anyway."""
    assert common_name("a" * 60 + ".example", "erp") == "erp"


def entries(count: int) -> list[RevokedSerial]:
    return [RevokedSerial(x509.random_serial_number(), NOW, Reason.SUPERSEDED) for _ in range(count)]


def test_building_a_crl_is_linear() -> None:
    """Ten times the entries take about ten times as long; the builder's add method would take a hundred times."""
    window = crl.window(crl.CALENDARS[CaRole.ISSUING], NOW, 0, None)

    def cost(count: int) -> float:
        lines = entries(count)
        best = []
        for _ in range(3):
            start = process_time()
            crl.build(ISSUER, lines, window)
            best.append(process_time() - start)
        return min(best)

    assert cost(20_000) < 30 * cost(2_000)


def test_a_crl_says_what_it_was_told() -> None:
    """Serial numbers and reasons come back; an unspecified reason is left out of the entry."""
    lines = [RevokedSerial(number, NOW, reason) for number, reason in enumerate(Reason, 1)]
    der = crl.build(ISSUER, lines, crl.window(crl.CALENDARS[CaRole.ISSUING], NOW, 41, None))
    assert crl.content(der) == {(line.serial, line.reason) for line in lines}
    listed = x509.load_der_x509_crl(der)
    assert listed.is_signature_valid(CA_KEY.public_key())
    first = listed.get_revoked_certificate_by_serial_number(1)
    assert first is not None
    assert len(first.extensions) == 0


@given(st.lists(st.integers(-240, 10_000_000), min_size=2, max_size=30))
def test_windows_only_go_forward(steps: list[int]) -> None:
    """Whatever the clock does within its tolerance, numbers and thisUpdate rise strictly, and the list is current at once."""
    calendar = crl.CALENDARS[CaRole.ISSUING]
    at, highest = NOW, 0
    last: datetime | None = None
    for step in steps:
        at = max(at + timedelta(seconds=step), NOW)
        made = crl.window(calendar, at, highest, last)
        assert made.number > highest
        assert last is None or made.this_update > last
        assert made.next_update > made.this_update
        highest, last = made.number, made.this_update


def test_lists_signed_ahead_leave_no_gap() -> None:
    """Each begins while the one before still holds, and they reach to the end."""
    calendar = crl.CALENDARS[CaRole.ROOT]
    first = crl.window(calendar, NOW, 0, None)
    windows = [first, *crl.windows_ahead(calendar, first, NOW + timedelta(days=365))]
    for before, after in itertools.pairwise(windows):
        assert before.this_update < after.this_update < before.next_update < after.next_update
    assert windows[-1].next_update >= NOW + timedelta(days=365)
