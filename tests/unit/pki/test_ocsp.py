"""The OCSP responder's answers: what they say, how long they hold, who signs them, and when there is none."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.pki_world import World, make_world

from gatewright.app import revoking
from gatewright.app.authority import PkiDeps, ensure_authority, find_authority, next_issuing_ca
from gatewright.app.ocsp_answers import Answers
from gatewright.edges.clock import SystemClock
from gatewright.edges.store.database import open_store
from gatewright.errors import Diagnostic, EnvironmentFault
from gatewright.model.pki import Certificate, Filter, KeyKind, KeyRef, ProfileName, Reason
from gatewright.pki.keys import PrivateKey, public_key_of
from gatewright.ports.ocsp import OcspReply
from gatewright.wiring.ocsp import KeptOpen

GOOD, REVOKED, UNKNOWN = ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED, ocsp.OCSPCertStatus.UNKNOWN
Status = ocsp.OCSPResponseStatus


@dataclass
class Desk:
    """A world, and its responder's answers."""

    world: World
    said: list[str] = field(default_factory=list)
    answers: Answers = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """A responder that remembers nothing."""

        def opened() -> AbstractContextManager[PkiDeps]:
            return nullcontext(self.world.deps)

        self.answers = Answers(opened, self.said.append)

    def reply(
        self, certificate: Certificate, algorithm: hashes.HashAlgorithm | None = None, issuer: bytes | None = None
    ) -> OcspReply:
        """The answer about one certificate, whose issuer is the active CA unless said otherwise."""
        above = x509.load_der_x509_certificate(issuer or self.world.home.issuing.der)
        leaf = x509.load_der_x509_certificate(certificate.der)
        request = ocsp.OCSPRequestBuilder().add_certificate(leaf, above, algorithm or hashes.SHA1()).build()
        return self.answers.answer(request.public_bytes(Encoding.DER))

    def says(self, certificate: Certificate) -> ocsp.OCSPResponse:
        """The same, parsed."""
        return parsed(self.reply(certificate))

    def about(self, serial: int) -> ocsp.OCSPResponse:
        """The answer about a serial number of the active CA."""
        (known,) = self.world.clients()
        leaf, above = (x509.load_der_x509_certificate(d) for d in (known.der, self.world.home.issuing.der))
        asked = ocsp.OCSPRequestBuilder().add_certificate(leaf, above, hashes.SHA256()).build()
        builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
            asked.issuer_name_hash, asked.issuer_key_hash, serial, hashes.SHA256()
        )
        return parsed(self.answers.answer(builder.build().public_bytes(Encoding.DER)))

    def revoke(self, certificate: Certificate, reason: Reason, undo_within: timedelta | None = None) -> None:
        """As the command does."""
        chosen = revoking.one(certificate)
        revoking.revoke(chosen, reason, self.world.deps, self.world.markers, by="test", undo_within=undo_within)

    def responders(self) -> list[Certificate]:
        """Every responder's certificate issued so far."""
        with self.world.store.reading() as reader:
            return list(reader.certificates(Filter(profile=ProfileName.OCSP)))


def parsed(reply: OcspReply) -> ocsp.OCSPResponse:
    return ocsp.load_der_ocsp_response(reply.der)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    world = make_world(tmp_path)
    yield Desk(world)
    world.close()


@pytest.mark.parametrize("algorithm", [hashes.SHA1(), hashes.SHA256(), hashes.SHA384(), hashes.SHA512()], ids=str)
def test_good_and_signed_by_a_delegate_of_the_issuer(desk: Desk, algorithm: hashes.HashAlgorithm) -> None:
    """Whatever hash names the issuer, a responder signs whose certificate that very issuer made, for OCSP and without a check of its own."""
    (one,) = desk.world.clients()
    found = parsed(desk.reply(one, algorithm))
    assert (found.certificate_status, found.serial_number) == (GOOD, int.from_bytes(one.serial, "big"))
    (signer,) = found.certificates
    signer.verify_directly_issued_by(desk.world.home.issuing_certificate)
    assert list(signer.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.OCSP_SIGNING
    ]
    signer.extensions.get_extension_for_class(x509.OCSPNoCheck)  # raises where there is none
    assert signer.not_valid_after_utc - signer.not_valid_before_utc <= timedelta(days=31)
    key = public_key_of(signer)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert found.signature_hash_algorithm is not None
    key.verify(found.signature, found.tbs_response_bytes, ec.ECDSA(found.signature_hash_algorithm))


def test_a_revocation_shows_in_the_next_answer(desk: Desk) -> None:
    """Although an answer was signed and kept a moment ago; the reason and the time are the store's."""
    (one,) = desk.world.clients()
    assert desk.answers.prepare() >= 1
    assert desk.says(one).certificate_status is GOOD
    desk.revoke(one, Reason.KEY_COMPROMISE)
    found = desk.says(one)
    assert found.certificate_status is REVOKED
    assert found.revocation_reason is x509.ReasonFlags.key_compromise
    assert found.revocation_time_utc == desk.world.clock.now()


def test_a_hold_ends_and_what_may_be_undone_is_called_a_hold(desk: Desk) -> None:
    """As on CRLs: only a hold may be taken back, so a revocation that still may be undone is called one, and no longer."""
    held, undoable = desk.world.clients(2)
    desk.revoke(held, Reason.CERTIFICATE_HOLD)
    desk.revoke(undoable, Reason.SUPERSEDED, timedelta(minutes=10))
    assert desk.says(held).revocation_reason is x509.ReasonFlags.certificate_hold
    assert desk.says(undoable).revocation_reason is x509.ReasonFlags.certificate_hold
    revoking.release(revoking.one(held), desk.world.deps, desk.world.markers, by="test")
    assert desk.says(held).certificate_status is GOOD
    desk.world.clock.turn(minutes=11)
    assert desk.says(undoable).revocation_reason is x509.ReasonFlags.superseded


def test_a_revocation_without_a_reason_has_none_in_the_answer(desk: Desk) -> None:
    """RFC 5280 §5.3.1 asks to leave "unspecified" out."""
    (one,) = desk.world.clients()
    desk.revoke(one, Reason.UNSPECIFIED)
    assert desk.says(one).certificate_status is REVOKED
    assert desk.says(one).revocation_reason is None


@pytest.mark.parametrize("serial", [1, 2**159 + 1, 2**160 - 1, 2**161, 2**1000])
def test_a_serial_number_never_issued_is_unknown(desk: Desk, serial: int) -> None:
    """Never good (RFC 6960 §2.2 allows that; it would vouch for forgeries), and only for five minutes."""
    found = desk.about(serial)
    assert (found.certificate_status, found.serial_number) == (UNKNOWN, serial)
    assert found.next_update_utc == desk.world.clock.now() + timedelta(minutes=5)


def test_what_was_unknown_is_good_once_it_is_issued(desk: Desk) -> None:
    """An "unknown" that is kept does not outlive the certificate's issuance."""
    fake = desk.world.clients()[0]
    with desk.world.store.writing() as tx:
        generation = tx.generations("home")[-1]
        assert tx.by_serial((77).to_bytes(20, "big"), generation.id) == []
    assert desk.about(77).certificate_status is UNKNOWN
    with desk.world.store.writing() as tx:
        other = replace(fake, serial=(77).to_bytes(20, "big"), sha256=bytes(32), pem_sha1=bytes(20), names=())
        tx.add_certificates([other])
    assert desk.about(77).certificate_status is GOOD


def test_an_answer_is_kept_and_signed_anew_well_before_its_end(desk: Desk) -> None:
    """Nobody gets an answer with less than half an hour to go; before that, everybody gets the same bytes."""
    (one,) = desk.world.clients()
    first = desk.reply(one)
    assert first.next_update == desk.world.clock.now() + timedelta(hours=1)
    desk.world.clock.turn(minutes=29)
    assert desk.reply(one).der == first.der
    desk.world.clock.turn(minutes=2)
    second = desk.reply(one)
    assert second.der != first.der
    assert second.next_update == desk.world.clock.now() + timedelta(hours=1)
    desk.world.clock.turn(minutes=-20)
    assert desk.reply(one).der != second.der, "an answer from the future is not given out after the clock was set back"


def test_the_responder_is_renewed_in_its_last_third(desk: Desk) -> None:
    """One certificate for twenty days, across restarts; then the next, under a key of its own."""
    (one,) = desk.world.clients()
    for _ in range(3):
        desk.says(one)
        desk.restart()
    assert len(desk.responders()) == 1
    desk.world.clock.turn(days=19)
    desk.says(one)
    assert len(desk.responders()) == 1
    desk.world.clock.turn(days=2)
    signer = desk.says(one).certificates[0]
    first, second = desk.responders()
    assert signer.serial_number == int.from_bytes(second.serial, "big")
    assert first.spki_sha256 != second.spki_sha256


def test_a_revoked_responder_signs_no_more(desk: Desk) -> None:
    """Revoking everything that a CA issued since some time takes its responder along; within a minute there is another."""
    (one,) = desk.world.clients()
    desk.says(one)
    (first,) = desk.responders()
    desk.revoke(first, Reason.KEY_COMPROMISE)
    desk.world.clock.turn(hours=1)
    assert desk.says(one).certificates[0].serial_number != int.from_bytes(first.serial, "big")


def test_no_answer_outlives_its_ca_and_no_responder_is_made_for_each(desk: Desk) -> None:
    """In the CA's last days the responder ends with it; a second look makes no second one; afterwards nobody is answered."""
    (one,) = desk.world.clients()
    end = desk.world.home.issuing.not_after
    desk.world.clock.at = end - timedelta(minutes=40)
    for _ in range(2):
        found = desk.says(one)
        assert found.next_update_utc == end
        assert found.certificates[0].not_valid_after_utc == end
        desk.restart()
    assert len(desk.responders()) == 1
    desk.world.clock.at = end
    assert desk.says(one).response_status is Status.UNAUTHORIZED


def test_a_retired_ca_answers_for_what_it_issued(desk: Desk) -> None:
    """Through a responder that it certified itself, as RFC 6960 §4.2.2.2 requires."""
    (old,) = desk.world.clients()
    before = desk.world.home.issuing
    desk.world.home = next_issuing_ca("home", "localhost", KeyKind.P256, desk.world.deps)
    (new,) = desk.world.clients()
    assert desk.answers.prepare() >= 2
    found = parsed(desk.reply(old, issuer=before.der))
    assert found.certificate_status is GOOD
    found.certificates[0].verify_directly_issued_by(x509.load_der_x509_certificate(before.der))
    assert desk.says(new).certificate_status is GOOD
    of_old = desk.about(int.from_bytes(old.serial, "big"))
    assert of_old.certificate_status is UNKNOWN, "the new CA knows nothing of the old one's"


def test_other_issuers_are_not_answered_for(desk: Desk) -> None:
    """Neither strangers nor our own root, whose key is not here to certify a responder (RFC 5019 §2.2.3)."""
    (one,) = desk.world.clients()
    (desk.world.folder / "stranger").mkdir()
    stranger = make_world(desk.world.folder / "stranger")
    for issuer in (stranger.home.issuing.der, desk.world.home.root.der):
        found = desk.reply(one, issuer=issuer)  # our CA's name hash with another's key hash: both must fit
        assert parsed(found).response_status is Status.UNAUTHORIZED
        assert found.next_update is None
    (foreign,) = stranger.clients()
    for issuer in (stranger.home.issuing.der, desk.world.home.issuing.der):
        assert parsed(desk.reply(foreign, issuer=issuer)).response_status is Status.UNAUTHORIZED
    with desk.world.store.reading() as reader:
        (issuing,) = reader.certificates(Filter(profile=ProfileName.ISSUING))
    assert parsed(desk.reply(issuing, issuer=desk.world.home.root.der)).response_status is Status.UNAUTHORIZED
    stranger.close()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_garbage_is_malformed(desk: Desk, octets: bytes) -> None:
    """Whatever comes, there is an answer, and none of the bytes reach the store."""
    assert parsed(desk.answers.answer(octets)).response_status is Status.MALFORMED_REQUEST


def test_every_cut_and_every_changed_octet_of_a_request_is_answered(desk: Desk) -> None:
    """Cut, it is malformed; with one octet changed, nothing is said that is not true, and nothing fails."""
    (one,) = desk.world.clients()
    leaf = x509.load_der_x509_certificate(one.der)
    request = ocsp.OCSPRequestBuilder().add_certificate(leaf, desk.world.home.issuing_certificate, hashes.SHA1())
    octets = request.build().public_bytes(Encoding.DER)
    for end in range(len(octets)):
        assert parsed(desk.answers.answer(octets[:end])).response_status is Status.MALFORMED_REQUEST
    for place in range(len(octets)):
        for flip in (0x01, 0x80, 0xFF):
            changed = octets[:place] + bytes([octets[place] ^ flip]) + octets[place + 1 :]
            found = parsed(desk.answers.answer(changed))
            if found.response_status is Status.SUCCESSFUL and found.serial_number != leaf.serial_number:
                assert found.certificate_status is UNKNOWN
    assert desk.said == []


def test_a_nonce_changes_nothing(desk: Desk) -> None:
    """It is neither echoed nor a reason to sign (RFC 5019 §4 allows both responder and client to do without)."""
    (one,) = desk.world.clients()
    leaf = x509.load_der_x509_certificate(one.der)
    builder = ocsp.OCSPRequestBuilder().add_certificate(leaf, desk.world.home.issuing_certificate, hashes.SHA1())
    with_nonce = builder.add_extension(x509.OCSPNonce(b"0123456789abcdef"), critical=False).build()
    plain = desk.reply(one)
    assert desk.answers.answer(with_nonce.public_bytes(Encoding.DER)) == plain
    assert len(list(parsed(plain).extensions)) == 0


class Locked:
    """A key store whose keys of CAs cannot be used for the time being, as when a token is out."""

    def __init__(self, inner: object, away: KeyRef) -> None:
        self._inner, self._away = inner, away

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def load(self, ref: KeyRef) -> PrivateKey:
        """Not that one."""
        if ref == self._away:
            raise EnvironmentFault(Diagnostic("token-away", "the token is not here", "", "put it back"))
        return self._inner.load(ref)  # type: ignore[attr-defined, no-any-return]


def test_without_the_ca_key_the_old_responder_goes_on_to_its_end(desk: Desk) -> None:
    """Its renewal is ten days early for that: until the end there are answers and one warning, then "tryLater", never a guess."""
    (one,) = desk.world.clients()
    desk.says(one)
    home = find_authority("home", desk.world.deps)
    keys = Locked(desk.world.deps.keystore, home.issuing.key)
    desk.world.deps = replace(desk.world.deps, keystore=keys)  # type: ignore[arg-type]
    for day in (21, 25, 29):
        desk.world.clock.at = home.issuing.not_before + timedelta(days=day)
        assert desk.says(one).certificate_status is GOOD
    assert desk.said == ["Warning: the token is not here (put it back)"]
    desk.world.clock.turn(days=2)
    assert desk.says(one).response_status is Status.TRY_LATER


def test_a_store_that_is_gone_means_try_later_and_a_restored_one_is_read(tmp_path: Path) -> None:
    """The responder holds on to no file that was moved away: what it says is what the store in place says."""
    world = make_world(tmp_path)
    world.deps = replace(world.deps, clock=SystemClock(), clock_is_right=True)  # KeptOpen goes by the machine's
    world.home = ensure_authority("live", "localhost", KeyKind.P256, world.deps)
    desk = Desk(world)
    kept = KeptOpen(tmp_path, None, clock_is_right=True)
    said: list[str] = []
    desk.answers = Answers(kept, said.append)
    (one,) = world.clients()
    assert desk.says(one).certificate_status is GOOD
    world.close()
    kept.close()
    shutil.copy(tmp_path / "state.db", tmp_path / "away.db")
    assert desk.says(one).certificate_status is GOOD
    (tmp_path / "state.db").unlink()
    for _ in range(2):
        assert desk.says(one).response_status is Status.TRY_LATER
    assert len(said) == 1
    assert "is gone" in said[0]
    shutil.move(tmp_path / "away.db", tmp_path / "state.db")
    world.store = open_store(f"sqlite:///{tmp_path}/state.db")
    world.deps = replace(world.deps, store=world.store)
    assert desk.says(one).certificate_status is GOOD
    desk.revoke(one, Reason.KEY_COMPROMISE)
    assert desk.says(one).certificate_status is REVOKED
    desk.answers.close(kept.close)
    world.close()
