"""What vouches for users and tokens at a shadow instance: good for nothing else, and wrong in exactly one thing where it is to be."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import bcrypt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from joserfc.jwk import ECKey
from tests.live.pki import make

from gatewright.model.credentials import Bearer, Credentials, HttpsUrl, KeySource, Rule
from gatewright.model.values import RelativePath
from gatewright.pki.keysets import parse
from gatewright.pki.tokens import judge
from gatewright.prove.cases import Voucher
from gatewright.prove.vouching import NAME, Vouching

NOW = datetime(2026, 6, 1, tzinfo=UTC)
WHO = Vouching("a password of nobody's", ECKey.generate_key("P-256"), ECKey.generate_key("P-256"))
BEARER = Bearer(HttpsUrl("https://login.example"), "api", KeySource("keys.json"))
CERTIFICATE = make("canary").certificate
REAL = ECKey.generate_key("P-256", parameters={"kid": "one"}).as_dict(private=False)


@pytest.mark.parametrize(
    ("voucher", "reason", "detail"),
    [
        (Voucher.GOOD, None, ""),
        (Voucher.FORGED, "token_invalid", "signature"),
        (Voucher.EXPIRED, "token_invalid", "expired"),
        (Voucher.AUDIENCE, "token_invalid", "audience"),
        (Voucher.ISSUER, "token_invalid", "issuer"),
        (Voucher.ELSEWHERE, "token_bound_to_another_certificate", "another certificate"),
    ],
)
def test_each_token_is_wrong_in_its_one_thing(voucher: Voucher, reason: str | None, detail: str) -> None:
    """By the authorizer's own judgement, with the key set that has one key more; and by the real one none passes."""
    keys = json.dumps({"keys": [REAL]}).encode()
    field = WHO.field(Credentials(bearer=BEARER), CERTIFICATE, voucher, NOW)
    der = CERTIFICATE.public_bytes(Encoding.DER)
    found = judge(field, der, Rule.of(BEARER), parse(WHO.keys(keys)), NOW.timestamp())
    assert (found.reason.code if found.reason else None, detail in found.detail) == (reason, True)
    assert judge(field, der, Rule.of(BEARER), parse(keys), NOW.timestamp()).reason is not None


def test_one_user_more_and_no_other_changed() -> None:
    """The real users stay as they are; the canary's password is what is sent, and a wrong one is not."""
    salt = bcrypt.gensalt(4)
    real = b"joe:" + bcrypt.hashpw(b"something long", salt).replace(b"$2b$", b"$2y$") + b"\n"
    lines = WHO.users(real, salt).splitlines()
    assert lines[0] + b"\n" == real
    name, _, hashed = lines[1].partition(b":")
    demanded = Credentials(basic=RelativePath("users"))
    sent = {
        v: base64.b64decode(WHO.field(demanded, None, v, NOW).removeprefix("Basic "))
        for v in (Voucher.GOOD, Voucher.FORGED)
    }
    assert name.decode() == NAME
    passes = [bcrypt.checkpw(s.partition(b":")[2], hashed.replace(b"$2y$", b"$2b$")) for s in sent.values()]
    assert passes == [True, False]


def test_what_is_no_key_set_is_refused() -> None:
    """Nothing is made of it."""
    with pytest.raises(ValueError, match="no key set"):
        WHO.keys(b"[]")
