"""Test certificates are wrong in the one way they are meant to be, and all of them are marked."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from tests.live.pki import make
from tests.unit.prove.made import NOW, gateway, supplies

from gatewright.edges.openssl import OpenSsl
from gatewright.model.canary import MARK
from gatewright.pki import build
from gatewright.pki.confinement import confined_to
from gatewright.pki.verify import Certificate, Question
from gatewright.prove.cases import Identity, Kind
from gatewright.prove.minting import Supplies, mint, twin_of

GATEWAY = gateway()
ERP = {Kind.SECOND_NAME, Kind.WRONG_PART, Kind.SUB_CA_OTHER, Kind.SUB_CA_COPY}
# OpenSSL's numbers (x509_vfy.h) for what an anchor's holder sees of each kind; 0 is good.
ERRORS: dict[Kind, set[int]] = {
    Kind.FOREIGN: {19, 20},
    Kind.LOOK_ALIKE: {7, 18, 19, 20, 30},
    Kind.SELF_SIGNED: {18, 20},
    Kind.LEAF_AS_CA: {24, 79},
    Kind.STUFFED: {19, 20},
    Kind.EXPIRED: {10},
    Kind.NOT_YET_VALID: {9},
    Kind.SERVER_ONLY: {26},
    Kind.WEAK_KEY: {66},
    Kind.WEAK_HASH: {68},
    Kind.CRITICAL: {34},
}


def made(kind: Kind, given: Supplies | None = None) -> x509.Certificate:
    """One certificate of this kind."""
    return mint(GATEWAY, _identity(kind), given or supplies()).certificate


def _identity(kind: Kind) -> Identity:
    if kind in ERP:
        return Identity(kind, "globex", "erp", "home")
    return Identity(kind, "home", "alice", None)


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.NONE])
def test_every_test_certificate_is_marked(kind: Kind) -> None:
    """Once, as the first organizational unit, so that even a gateway that wrongly admits it shows it nothing real."""
    units = made(kind).subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    assert [unit.value for unit in units] == [MARK]


@pytest.mark.parametrize("kind", ERRORS)
def test_each_is_wrong_in_its_own_way(kind: Kind) -> None:
    """OpenSSL refuses it for the reason it was made for."""
    given = supplies("home")
    credential = mint(GATEWAY, _identity(kind), given)

    def held(certificate: x509.Certificate) -> Certificate:
        return Certificate(certificate.public_bytes(Encoding.DER), "probe")

    question = Question(
        held(credential.certificate),
        NOW,
        chain=tuple(map(held, credential.chain)),
        anchors=(held(given.anchors["home"]),),
        as_gateway=True,
    )
    found = {finding.number for finding in OpenSsl().verify(question).findings}
    assert found & ERRORS[kind], found


def test_only_what_an_authority_signed_is_said_to_be_issued() -> None:
    """What has to be recorded: certificates under the authority's own key, also where they are only part of a chain."""
    given = supplies()
    for kind in Kind:
        if kind is Kind.NONE:
            continue
        identity = _identity(kind)
        credential = mint(GATEWAY, identity, given)
        signer = given.signers[identity.authority or ""].certificate
        sent = {credential.certificate, *credential.chain}
        ours = {c for c in sent if c not in given.anchors.values() and _signed(c, signer)}
        assert set(credential.issued) == {c for c in ours if not _is_ca(c)}, kind
        assert bool(ours) == identity.needs_key, kind
        assert any(map(_is_ca, ours)) == identity.needs_sub_ca, kind


def _signed(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    if "sha1" in (certificate.signature_algorithm_oid._name or "").lower():
        return certificate.issuer == issuer.subject
    try:
        certificate.verify_directly_issued_by(issuer)
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it was not issued by that
        return False
    return True


def _is_ca(certificate: x509.Certificate) -> bool:
    return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_a_twin_has_the_name_and_shape_but_its_own_key() -> None:
    """So that a partner's routes can be tried as they are, with certificates that only we can make."""
    given = supplies()
    root = make("partner root", ca=True)
    anchor = make("partner issuing", root, ca=True, path_length=0).certificate
    twin = twin_of(anchor, given.new_key(), 7, NOW)
    assert twin.twin
    assert twin.certificate.subject == anchor.subject
    assert twin.certificate.public_key() != anchor.public_key()
    limits = [c.extensions.get_extension_for_class(x509.BasicConstraints).value for c in (twin.certificate, anchor)]
    assert limits[0] == limits[1]


def test_a_twin_is_not_confined_as_its_partner_is() -> None:
    """A partner's name constraints would end in the handshake what is to be tried at the routes; everything else is copied."""
    given = supplies()
    key = given.new_key()
    confined = build.root(
        key, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "partner")]), 1 << 64, NOW, confined_to(["partner.example"])
    )  # fmt: skip
    twin = twin_of(confined, given.new_key(), 7, NOW).certificate
    kinds = [{type(e.value) for e in c.extensions} for c in (confined, twin)]
    assert kinds[0] - kinds[1] == {x509.NameConstraints}
