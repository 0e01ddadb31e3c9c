"""Files of users and of keys: what is taken, and what is refused before it can do harm."""

from __future__ import annotations

import json
from typing import Any

import bcrypt
import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey

from gatewright.errors import ValueRejected
from gatewright.pki import users
from gatewright.pki.keysets import MAX_KEYS, KeySetProblem, parse

EC = ECKey.generate_key("P-256").as_dict(private=False)
ED = OKPKey.generate_key("Ed25519").as_dict(private=False)
RSA = RSAKey.generate_key(2048).as_dict(private=False)


def keys(*entries: Any) -> bytes:
    return json.dumps({"keys": entries}).encode()


def test_each_key_is_for_the_algorithms_of_its_own_kind() -> None:
    """An RSA key never verifies ECDSA, nothing verifies HMAC, and a key that says its algorithm has no other."""
    (ec, ed, rsa, said) = parse(keys(EC, ED, RSA, {**RSA, "alg": "PS256"})).keys
    assert ec.algorithms == {"ES256"}
    assert ed.algorithms == {"EdDSA", "Ed25519"}
    assert rsa.algorithms == {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
    assert said.algorithms == {"PS256"}


def test_a_key_is_found_by_its_name_or_where_there_is_only_one() -> None:
    """A token that names no key could be tried with all of them; it is not."""
    one, two = {**EC, "kid": "one"}, {**RSA, "kid": "two"}
    both = parse(keys(one, two))
    assert [k.kid for k in (both.find("one"), both.find("two")) if k is not None] == ["one", "two"]
    assert both.find(None) is None
    assert both.find("three") is None
    assert both.find(["one"]) is None
    assert parse(keys(one)).find(None) is not None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"[" * 100_000,
        b"{}",
        b'{"keys": {}}',
        keys("text"),
        keys(),
        keys({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}),
        keys(EC, {**EC, "d": "AA"}),
        keys(EC, {"kty": "oct", "k": "AA"}),
        keys({**EC, "kid": "a"}, {**RSA, "kid": "a"}),
        keys(*[EC] * (MAX_KEYS + 1)),
        keys({**EC, "use": "enc"}),
        keys({**EC, "alg": "HS256"}),
        keys({**EC, "alg": "none"}),
        keys({**EC, "key_ops": ["sign"]}),
        keys({**EC, "kid": 7}),
        keys({"kty": ["EC"]}),
        keys({"kty": "RSA", "e": "AQAB", "n": "u" * 171}),
    ],
    ids=lambda content: content[:40].decode(),
)
def test_what_cannot_be_used_is_refused(content: bytes) -> None:
    """Nothing in it at all, nothing usable, or something that must not be in a public key set."""
    with pytest.raises(KeySetProblem):
        parse(content)


def test_keys_of_unknown_kinds_are_left_out() -> None:
    """RFC 7517 §5: a set may hold more than its reader understands."""
    assert len(parse(keys({"kty": "AKP", "alg": "ML-DSA-44"}, {**EC, "crv": "secp256k1"}, EC)).keys) == 1


def test_users_are_read_back_and_their_passwords_verified() -> None:
    """What is written is read back, and httpd's spelling of the hash is bcrypt's."""
    made = users.hashed("correct horse battery", bcrypt.gensalt(4))
    assert made.startswith("$2y$04$")
    assert bcrypt.checkpw(b"correct horse battery", made.encode())
    assert users.read(users.text({"joe": made, "ann": made})) == {"joe": made, "ann": made}
    assert users.read(b"# a comment\n\n") == {}


@pytest.mark.parametrize(
    "line", ["joe", "joe:", "joe:secret", "joe:{SHA}AAAA", "joe:$apr1$a$b", "joe:$2y$03$" + "a" * 53, "j\xf6:x"]
)
def test_users_with_other_hashes_are_refused(line: str) -> None:
    """Plain text, SHA-1, MD5, or a bcrypt that costs nothing."""
    with pytest.raises(ValueError, match=r"it is not plain text|line 1 is not NAME:HASH"):
        users.read(line.encode("latin-1"))
    good = "joe:$2y$05$" + "a" * 53
    assert set(users.read(good.encode())) == {"joe"}
    with pytest.raises(ValueError, match="a second time"):
        users.read(f"{good}\n{good}".encode())


@pytest.mark.parametrize("password", ["short", "x" * 73, "with\0nothing after", "with a\nline end", ""])
def test_passwords_that_would_not_protect_are_refused(password: str) -> None:
    """Too short, or so that bcrypt would ignore a part of it."""
    with pytest.raises(ValueRejected):
        users.hashed(password, bcrypt.gensalt(4))
    for name in ("", "a:b", "a b", "x" * 65, "ö"):
        with pytest.raises(ValueRejected):
            users.name_of(name)
    assert users.name_of("joe@example.org") == "joe@example.org"
