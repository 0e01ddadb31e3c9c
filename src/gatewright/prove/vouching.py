"""Credentials of nobody's, for a shadow instance alone that knows one user and one token issuer's key more than the real one."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from joserfc import jwt
from joserfc.jwk import ECKey

from gatewright.model.credentials import Bearer, Credentials
from gatewright.pki import users
from gatewright.prove.cases import Voucher

NAME = "gatewright-canary"
"""The user, the key's name, and the tokens' subject."""

_LIFETIME_S = 3600


@dataclass(frozen=True, slots=True)
class Vouching:
    """A user's ``password``, and the ``key`` (P-256) that signs tokens; ``stranger`` is a key that no instance knows."""

    password: str
    key: ECKey
    stranger: ECKey

    def users(self, content: bytes, salt: bytes) -> bytes:
        """A file of users with one more. Raises ``ValueError`` for what is none."""
        return users.text({**users.read(content), NAME: users.hashed(self.password, salt)})

    def keys(self, content: bytes) -> bytes:
        """A key set with one more key. Raises ``ValueError`` for what is none."""
        known = json.loads(content)
        if not isinstance(known, dict) or not isinstance(known.get("keys"), list):
            raise ValueError("it is no key set")
        ours = {**self.key.as_dict(private=False), "kid": NAME, "alg": "ES256", "use": "sig"}
        return json.dumps({**known, "keys": [*known["keys"], ours]}).encode()

    def field(
        self, demanded: Credentials, certificate: x509.Certificate | None, voucher: Voucher, now: datetime
    ) -> str:
        """The value of ``Authorization``."""
        if demanded.bearer is not None:
            return f"Bearer {self._token(demanded.bearer, certificate, voucher, now)}"
        word = self.password if voucher is Voucher.GOOD else self.password[::-1]
        return f"Basic {base64.b64encode(f'{NAME}:{word}'.encode()).decode()}"

    def _token(self, bearer: Bearer, certificate: x509.Certificate | None, voucher: Voucher, now: datetime) -> str:
        bound = certificate.public_bytes(Encoding.DER) if certificate is not None else b""
        own = hashlib.sha256(b"another" if voucher is Voucher.ELSEWHERE else bound).digest()
        claims = {
            "iss": f"{bearer.issuer}.invalid" if voucher is Voucher.ISSUER else str(bearer.issuer),
            "aud": f"{bearer.audience}.invalid" if voucher is Voucher.AUDIENCE else bearer.audience,
            "exp": int(now.timestamp()) + (-_LIFETIME_S if voucher is Voucher.EXPIRED else _LIFETIME_S),
            "sub": NAME,
            "cnf": {"x5t#S256": base64.urlsafe_b64encode(own).decode().rstrip("=")},
        }
        signing = self.stranger if voucher is Voucher.FORGED else self.key
        return jwt.encode({"alg": "ES256", "kid": NAME}, claims, signing)
