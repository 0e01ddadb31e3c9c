"""Keys in a PKCS #11 token (HSM, smart card, SoftHSM): a thin adapter over python-pkcs11, tested with SoftHSM 2.6.

``cryptography`` has no PKCS #11, but its builders sign with any object that has the private-key interface. So the classes
here are private keys whose ``sign`` asks the token; the key itself never leaves it. Not safe across ``fork``: PKCS #11
sessions belong to the process that opened them (PKCS #11 v2.40 §5.4).
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any, NoReturn, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import NoDigestInfo, Prehashed, encode_dss_signature

from gatewright.errors import Diagnostic, EnvironmentFault, ValueRejected
from gatewright.model.pki import KeyKind, KeyRef
from gatewright.pki.keys import PrivateKey, PublicKey, spki_sha256
from gatewright.ports.tokens import TokenUri

_CURVES = {KeyKind.P256: "1.2.840.10045.3.1.7", KeyKind.P384: "1.3.132.0.34"}  # RFC 5480 §2.1.1.1
_RSA_BITS = {KeyKind.RSA3072: 3072, KeyKind.RSA4096: 4096}
_OURS = re.compile(r"[0-9a-f]{64}\Z")


Buffer = bytes | bytearray | memoryview


class _NeverLeaves:
    """What both kinds of key share: they cannot be read, and copies of the object are the same key."""

    _secret: Any

    def private_numbers(self) -> NoReturn:
        """Always raises ``TypeError``: the key stays in its token."""
        raise TypeError("this key is in a PKCS #11 token and cannot be read")

    def private_bytes(self, *_: object, **__: object) -> NoReturn:
        """Always raises ``TypeError``: the key stays in its token."""
        raise TypeError("this key is in a PKCS #11 token and cannot be written to a file")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self


class TokenEcKey(_NeverLeaves, ec.EllipticCurvePrivateKey):
    """An EC private key in a token."""

    def __init__(self, secret: Any, public: ec.EllipticCurvePublicKey, token: str) -> None:
        self._secret, self._public, self._token = secret, public, token

    @property
    def curve(self) -> ec.EllipticCurve:
        """The curve."""
        return self._public.curve

    @property
    def key_size(self) -> int:
        """The curve's size in bits."""
        return self._public.key_size

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The public key."""
        return self._public

    def exchange(self, *_: object) -> NoReturn:
        """Always raises ``TypeError``: authorities' keys only sign."""
        raise TypeError("this key only signs")

    def sign(self, data: Buffer, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """The DER ECDSA signature. Raises :class:`EnvironmentFault` if the token does not answer."""
        algorithm = signature_algorithm.algorithm
        if isinstance(algorithm, Prehashed):
            digest = bytes(data)
        else:
            hasher = hashes.Hash(algorithm)
            hasher.update(data)
            digest = hasher.finalize()
        with _explained(self._token):
            raw = self._secret.sign(digest, mechanism=_pkcs11().Mechanism.ECDSA)
        half = len(raw) // 2  # PKCS #11 v2.40 §2.3.1: r and s, of equal length
        return encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))


class TokenRsaKey(_NeverLeaves, rsa.RSAPrivateKey):
    """An RSA private key in a token. Signs PKCS #1 v1.5, what certificates and CRLs use."""

    def __init__(self, secret: Any, public: rsa.RSAPublicKey, token: str) -> None:
        self._secret, self._public, self._token = secret, public, token

    @property
    def key_size(self) -> int:
        """The modulus in bits."""
        return self._public.key_size

    def public_key(self) -> rsa.RSAPublicKey:
        """The public key."""
        return self._public

    def decrypt(self, *_: object) -> NoReturn:
        """Always raises ``TypeError``: authorities' keys only sign."""
        raise TypeError("this key only signs")

    def sign(
        self,
        data: Buffer,
        padding: padding.AsymmetricPadding,
        algorithm: Prehashed | hashes.HashAlgorithm | NoDigestInfo,
    ) -> bytes:
        """The signature. Raises :class:`EnvironmentFault` if the token does not answer."""
        mechanisms = {"sha256": "SHA256_RSA_PKCS", "sha384": "SHA384_RSA_PKCS", "sha512": "SHA512_RSA_PKCS"}
        name = getattr(algorithm, "name", "") if isinstance(algorithm, hashes.HashAlgorithm) else ""
        if padding.name != "EMSA-PKCS1-v1_5" or name not in mechanisms:
            msg = "keys in tokens sign PKCS #1 v1.5 with SHA-256, SHA-384 or SHA-512"
            raise UnsupportedAlgorithm(msg)
        with _explained(self._token):
            signature: bytes = self._secret.sign(bytes(data), mechanism=_pkcs11().Mechanism[mechanisms[name]])
        return signature


class TokenKeys:
    """Implements :class:`gatewright.ports.keystore.KeyStore` in one token; references are PKCS #11 URIs.

    ``uri`` names token, module and PIN source. The session is opened at the first use and kept.
    """

    def __init__(self, uri: TokenUri) -> None:
        self._uri = uri
        self._open: Any = None

    def create(self, kind: KeyKind) -> tuple[KeyRef, PrivateKey]:
        """A new key, made in the token, labelled with the hash of its public key; it cannot be extracted."""
        key = self.generate(kind, f"new-{secrets.token_hex(8)}")
        label = spki_sha256(key.public_key()).hex()
        with _explained(self._uri.token):
            for item in self._objects(label=None, token_id=self._id_of(key)):
                item[_pkcs11().Attribute.LABEL] = label
        return self._ref(label), key

    def create_many(self, kind: KeyKind, count: int) -> Sequence[tuple[KeyRef, PrivateKey]]:
        """``count`` new keys, one after the other."""
        return [self.create(kind) for _ in range(count)]

    def generate(self, kind: KeyKind, label: str) -> PrivateKey:
        """A new key under a label of one's own. Refused if the token has a key of that label already."""
        p11 = _pkcs11()
        if self._find(label):
            raise _fault(
                "token-label-taken",
                f"token {self._uri.token!r} already has a key labelled {label!r}",
                "two keys of one label could not be told apart",
                "choose another label",
            )
        options = {
            "store": True,
            "label": label,
            "id": secrets.token_bytes(16),
            "capabilities": p11.MechanismFlag.SIGN | p11.MechanismFlag.VERIFY,
        }
        with _explained(self._uri.token):
            session = self._session()
            if kind in _CURVES:
                from pkcs11.util.ec import encode_named_curve_parameters  # noqa: PLC0415 - optional package

                parameters = {p11.Attribute.EC_PARAMS: encode_named_curve_parameters(_CURVES[kind])}
                domain = session.create_domain_parameters(p11.KeyType.EC, parameters, local=True)
                public, secret = domain.generate_keypair(mechanism=p11.Mechanism.EC_KEY_PAIR_GEN, **options)
            elif kind in _RSA_BITS:
                public, secret = session.generate_keypair(p11.KeyType.RSA, _RSA_BITS[kind], **options)
            else:
                raise _fault(
                    "token-key-kind",
                    f"keys of kind {kind} are not made in tokens",
                    "PKCS #11 v2.40 has no mechanism for them",
                    "use p256, p384, rsa3072 or rsa4096",
                )
            return _adapt(public, secret, self._uri.token)

    def key(self, label: str) -> PrivateKey:
        """The key labelled ``label``."""
        pairs = self._find(label)
        if len(pairs) != 1:
            raise _fault(
                "token-key-missing" if not pairs else "token-key-ambiguous",
                f"token {self._uri.token!r} has {len(pairs) or 'no'} keys labelled {label!r}",
                "nothing can be signed with it",
                f"list its keys: pkcs11-tool --module {self._uri.module} --token-label {self._uri.token} --login -O",
            )
        return pairs[0]

    def keep(self, key: PrivateKey) -> KeyRef:
        """The reference of a key of this very token; any other key is refused, for it would have been outside."""
        label = spki_sha256(key.public_key()).hex()
        if isinstance(key, TokenEcKey | TokenRsaKey) and self._find(label):
            return self._ref(label)
        raise _fault(
            "token-takes-no-keys",
            "a key from outside is not put into a token",
            "a key that was ever in a file has no place where keys cannot be read",
            "make a new key in the token",
        )

    def load(self, ref: KeyRef) -> PrivateKey:
        """The key behind ``ref``; its label must be the hash of its public key if it was made by :meth:`create`."""
        label = self._label(ref)
        key = self.key(label)
        if _OURS.match(label) and spki_sha256(key.public_key()).hex() != label:
            raise _fault(
                "token-key-changed",
                f"the key {ref} is another one than its label says",
                "somebody replaced it in the token",
                "restore the token from its backup",
            )
        return key

    def path(self, ref: KeyRef) -> PurePath | None:
        """Always ``None``: there is no file."""
        del ref
        return None

    def holds(self, ref: KeyRef) -> bool:
        """Whether the token has the key."""
        return (
            ref.startswith("pkcs11:")
            and TokenUri.parse(ref).token == self._uri.token
            and bool(self._find(self._label(ref)))
        )

    def remove(self, ref: KeyRef) -> None:
        """Destroy both halves of the key in the token."""
        label = self._label(ref)
        with _explained(self._uri.token):
            for item in self._objects(label=label):
                item.destroy()

    def references(self) -> Sequence[KeyRef]:
        """Every private key in the token that was made by :meth:`create`."""
        p11 = _pkcs11()
        with _explained(self._uri.token):
            found = self._session().get_objects({p11.Attribute.CLASS: p11.ObjectClass.PRIVATE_KEY})
            labels = sorted({str(item.label) for item in found})
        return [self._ref(label) for label in labels if _OURS.match(label)]

    def close(self) -> None:
        """End the session; a later call opens a new one."""
        if self._open is not None:
            with _explained(self._uri.token):
                self._open.close()
        self._open = None

    def _ref(self, label: str) -> KeyRef:
        return KeyRef(str(TokenUri(self._uri.token, label)))

    def _label(self, ref: KeyRef) -> str:
        try:
            uri = TokenUri.parse(ref)
        except ValueRejected as error:
            raise EnvironmentFault(error.at(None)) from error
        if uri.token != self._uri.token or uri.label is None:
            raise _fault(
                "key-elsewhere",
                f"the key {ref} is not in token {self._uri.token!r}",
                "only the key store that made it can use it",
                "configure that token, or the folder of keys, again",
            )
        return uri.label

    def _find(self, label: str) -> list[PrivateKey]:
        p11 = _pkcs11()
        with _explained(self._uri.token):
            items = self._objects(label=label)
            public = {bytes(i[p11.Attribute.ID]): i for i in items if i.object_class is p11.ObjectClass.PUBLIC_KEY}
            secret = {bytes(i[p11.Attribute.ID]): i for i in items if i.object_class is p11.ObjectClass.PRIVATE_KEY}
            return [_adapt(public[i], secret[i], self._uri.token) for i in secret if i in public]

    def _objects(self, *, label: str | None, token_id: bytes | None = None) -> list[Any]:
        attribute = _pkcs11().Attribute
        wanted = {attribute.LABEL: label} if label is not None else {attribute.ID: token_id}
        return list(self._session().get_objects(wanted))

    def _id_of(self, key: PrivateKey) -> bytes:
        assert isinstance(key, TokenEcKey | TokenRsaKey)
        return bytes(key._secret[_pkcs11().Attribute.ID])

    def _session(self) -> Any:
        if self._open is None:
            p11 = _pkcs11()
            pin = _pin(self._uri)
            token = _module(self._uri).get_token(token_label=self._uri.token)
            try:
                self._open = token.open(rw=True, user_pin=pin)
            except p11.UserAlreadyLoggedIn:  # one login serves the whole process (PKCS #11 v2.40 §5.6)
                self._open = token.open(rw=True)
        return self._open


def _adapt(public: Any, secret: Any, token: str) -> PrivateKey:
    p11 = _pkcs11()
    if public.key_type is p11.KeyType.EC:
        from pkcs11.util.ec import encode_ec_public_key  # noqa: PLC0415 - optional package

        loaded: PublicKey = serialization.load_der_public_key(encode_ec_public_key(public))  # type: ignore[assignment]  # its type lists kinds that no token holds
        if isinstance(loaded, ec.EllipticCurvePublicKey):
            return TokenEcKey(secret, loaded, token)
    if public.key_type is p11.KeyType.RSA:
        exponent, modulus = (
            int.from_bytes(public[a], "big") for a in (p11.Attribute.PUBLIC_EXPONENT, p11.Attribute.MODULUS)
        )
        return TokenRsaKey(secret, rsa.RSAPublicNumbers(exponent, modulus).public_key(), token)
    raise _fault(
        "token-key-kind",
        f"token {token!r} holds a key of kind {public.key_type.name}",
        "only EC and RSA keys sign here",
        "use p256, p384, rsa3072 or rsa4096",
    )


def _pkcs11() -> Any:
    try:
        import pkcs11  # noqa: PLC0415 - optional package
    except ImportError as error:
        raise _fault(
            "pkcs11-extra-missing",
            "keys in tokens need the package python-pkcs11",
            "it is not installed by default",
            "pip install 'gatewright[pkcs11]'",
        ) from error
    return pkcs11


def _module(uri: TokenUri) -> Any:
    if uri.module is None:
        raise _fault(
            "token-module-unnamed",
            f"the URI of token {uri.token!r} names no module",
            "a PKCS #11 token is reached through its maker's library",
            "add ?module-path=/usr/lib/softhsm/libsofthsm2.so, or the path of your token's library",
        )
    p11 = _pkcs11()
    try:
        return p11.lib(str(uri.module))
    except p11.PKCS11Error as error:
        raise _fault(
            "token-module-unusable",
            f"the PKCS #11 module {uri.module} cannot be loaded: {error}",
            "without it the token cannot be reached",
            "check module-path; SoftHSM's is installed by: apt-get install softhsm2",
        ) from error


def _pin(uri: TokenUri) -> str:
    if uri.pin_source is None:
        raise _fault(
            "token-pin-unnamed",
            f"the URI of token {uri.token!r} does not say where its PIN is",
            "",
            "add &pin-source=file:PATH",
        )
    scheme, _, rest = uri.pin_source.partition(":")
    if scheme == "env":
        value = os.environ.get(rest)
        if not value:
            raise _fault(
                "token-pin-missing",
                f"the environment variable {rest} is not set",
                "it names the file that holds the PIN",
                f"export {rest}=PATH",
            )
        rest = value
    path = Path(rest)
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        pin = path.read_text("ascii").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise _fault(
            "token-pin-missing",
            f"the PIN file {path} cannot be read: {getattr(error, 'strerror', None) or 'it is not ASCII'}",
            "",
            f"write the PIN into {path}, mode 0600",
        ) from error
    if mode & 0o077:
        raise _fault(
            "token-pin-readable-by-others",
            f"the PIN file {path} has mode {mode:04o}",
            "whoever reads it can sign with the authority's key",
            f"chmod 600 {path}; if others use this machine, change the PIN",
        )
    return pin


@contextmanager
def _explained(token: str) -> Iterator[None]:
    """Turn what PKCS #11 says into a diagnostic. The PIN is in none of its messages."""
    p11 = _pkcs11()
    try:
        yield
    except p11.PKCS11Error as error:
        name = type(error).__name__
        raise _fault(*_CAUSES.get(name, _OTHER), token=token, name=name) from error


_OTHER = (
    "token-failed",
    "token {token!r} failed: {name}",
    "nothing can be signed with its keys",
    "see the log of the token's library",
)
_LOST = (
    "token-session-lost",
    "the session with token {token!r} is lost ({name})",
    "it was removed, restarted, or logged out by another program",
    "check that the token is there, then run the command again",
)
_CAUSES = {
    "NoSuchToken": (
        "token-missing",
        "there is no token labelled {token!r}",
        "the module sees other tokens or none",
        "list them: softhsm2-util --show-slots, or pkcs11-tool -L; for SoftHSM check SOFTHSM2_CONF",
    ),
    "PinIncorrect": (
        "token-pin-wrong",
        "token {token!r} refuses the PIN",
        "after a few wrong PINs many tokens lock themselves",
        "correct the PIN in its file before trying again",
    ),
    "PinLocked": (
        "token-pin-locked",
        "token {token!r} is locked after too many wrong PINs",
        "",
        "unlock it with the security officer's PIN",
    ),
    **dict.fromkeys(
        (
            "SessionHandleInvalid",
            "SessionClosed",
            "DeviceRemoved",
            "TokenNotPresent",
            "UserNotLoggedIn",
            "ObjectHandleInvalid",
            "KeyHandleInvalid",
        ),
        _LOST,
    ),
}


def _fault(code: str, what: str, why: str, fix: str, **values: str) -> EnvironmentFault:
    return EnvironmentFault(Diagnostic(code, what.format(**values) if values else what, why, fix))
