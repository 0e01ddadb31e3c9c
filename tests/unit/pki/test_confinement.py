"""Name constraints made from names, and the names that are left to a CA."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime

import pytest
from cryptography import x509

from gatewright.model.gateway import Authority
from gatewright.model.pki import KeyKind
from gatewright.model.values import HostName
from gatewright.pki import build
from gatewright.pki.build import NameConstraints
from gatewright.pki.confinement import confined_to, names_left
from gatewright.pki.keys import generate
from gatewright.pki.names import distinguished_name

_ALL_4, _ALL_6 = (x509.IPAddress(ipaddress.ip_network(n)) for n in ("0.0.0.0/0", "::/0"))


def root(constraints: NameConstraints | None) -> x509.Certificate:
    """A root with these constraints."""
    return build.root(generate(KeyKind.P256), distinguished_name("r"), 1 << 64, datetime.now(UTC), constraints)


@pytest.mark.parametrize(
    ("names", "left"),
    [
        (("localhost", "127.0.0.1", "::1"), ("localhost", "127.0.0.1", "::1")),
        (("example.org",), ("example.org",)),
        (("example.org", "192.0.2.7"), ("example.org", "192.0.2.7")),
    ],
)
def test_a_ca_is_left_with_what_it_was_made_for(names: tuple[str, ...], left: tuple[str, ...]) -> None:
    """Read back from the certificate, the names are those that went in; versions of IP not named are shut altogether."""
    made = confined_to(names)
    assert made is not None
    assert names_left(root(made)) == left
    versions = {ipaddress.ip_address(n).version for n in names if n[0] in "1:"}
    assert {n.value.version for n in made.excluded if isinstance(n, x509.IPAddress)} == {4, 6} - versions


def test_no_names_are_no_constraints() -> None:
    """Without names there is nothing to write into a certificate."""
    assert confined_to(()) is None


@pytest.mark.parametrize(
    "constraints",
    [
        None,
        NameConstraints(excluded=(x509.DNSName("bank.example"),)),
        NameConstraints(permitted=(x509.DNSName("example.org"),)),
        NameConstraints(permitted=(x509.DNSName("example.org"),), excluded=(_ALL_4,)),
        NameConstraints(permitted=(x509.DNSName("example.org"), _ALL_4), excluded=(_ALL_6,)),
        NameConstraints(permitted=(x509.DNSName(""),), excluded=(_ALL_4, _ALL_6)),
        NameConstraints(excluded=(_ALL_4, _ALL_6)),
    ],
)
def test_a_ca_with_a_kind_of_name_left_free_is_not_confined(constraints: NameConstraints | None) -> None:
    """No constraints, a list of exceptions, addresses of one version or both left out, or everything permitted."""
    assert names_left(root(constraints)) is None


@pytest.mark.parametrize(
    ("name", "permitted"),
    [
        ("example.org", True), ("a.b.example.org", True), ("notexample.org", False), ("org", False), ("localhost", True),
        ("demo.localhost", True), ("127.0.0.1", True), ("::1", True), ("127.0.0.2", False), ("example.org.bank.example", False),
    ],
)  # fmt: skip
def test_the_gateway_file_says_the_same(name: str, permitted: bool) -> None:
    """A name is permitted if it is in the list or below one of it; addresses are themselves only."""
    authority = Authority(managed=True, names=(HostName("example.org"), HostName("localhost")))
    assert authority.permits(HostName(name)) is permitted
    assert Authority(managed=True).permits(HostName(name))
