"""Detached signatures over documents (CMS SignedData, RFC 5652), made and checked by bytes.

A signature file is DER with the signer's certificate and its issuing CA inside, and no signed attributes: the signature is
over the document's bytes alone (RFC 5652 §5.4), and the document says itself when it was made. So the file follows from
document, certificates and signature value to the last byte. The check makes it once more from what it holds and wants the very
same bytes, so that not even a byte that no signature covers (a version, an order, a length) can be changed unseen.

Any other program can check such a file too: ``openssl cms -verify -binary -inform DER -in FILE.p7s -content FILE -CAfile ROOT``.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn, Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from OpenSSL import crypto

from gatewright.errors import ValueRejected
from gatewright.pki import openssl_errors
from gatewright.pki.profiles import DOCUMENT_SIGNING

_OPTIONS = (
    pkcs7.PKCS7Options.DetachedSignature,
    pkcs7.PKCS7Options.Binary,
    pkcs7.PKCS7Options.NoAttributes,
)
_LONGEST = 139
"""Bytes of the longest ECDSA signature of the curves in use: P-521's two numbers of 66 bytes, with their headers."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What a signature file holds: the signer's certificate, the CAs above it, and the signature value."""

    signer: x509.Certificate
    above: tuple[x509.Certificate, ...]
    value: bytes


def sign(
    content: bytes, key: ec.EllipticCurvePrivateKey, signer: x509.Certificate, above: Sequence[x509.Certificate]
) -> bytes:
    """The detached signature over ``content``: DER, with ``signer`` and ``above`` inside."""
    builder = pkcs7.PKCS7SignatureBuilder().set_data(content).add_signer(signer, key, hashes.SHA256())
    for certificate in above:
        builder = builder.add_certificate(certificate)
    return builder.sign(Encoding.DER, list(_OPTIONS))


def opened(signature: bytes) -> Signed:
    """What ``signature`` holds, provided that it is to the last byte what :func:`sign` makes of it.

    Says nothing of whom it is from. Raises :class:`ValueRejected`.
    """
    certificates = _certificates(signature)
    signers = [c for c in certificates if not _is_ca(c)]
    if len(signers) != 1 or not isinstance(signers[0].public_key(), ec.EllipticCurvePublicKey):
        raise _damaged("it does not hold the certificate of one signer")
    signer, above = signers[0], tuple(c for c in certificates if c is not signers[0])
    # The value is what the file ends with; only with its true length is the rest made as it is there.
    for length in range(8, min(_LONGEST, len(signature))):
        value = signature[-length:]
        if sign(b"", _Recorded(signer, value), signer, above) == signature:
            return Signed(signer, above, value)
    raise _damaged("its bytes are not those that signing writes")


def check(content: bytes, signed: Signed) -> None:
    """Whether ``signed`` is over exactly ``content``. Raises :class:`ValueRejected`."""
    public = signed.signer.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)  # opened() takes no other
    try:
        public.verify(signed.value, content, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as problem:
        raise ValueRejected(
            "report-altered",
            "the report is not what was signed: it, or its signature, was changed afterwards",
            "nothing that stands in it can be relied on",
            "get both files from where they were written, the gateway's folder 'reports', or prove again: gatewright prove",
        ) from problem


def trust(signed: Signed, anchors: Sequence[x509.Certificate], at: datetime) -> x509.Certificate:
    """The anchor that vouches for the signer at the time ``at``, by OpenSSL's verdict on the chain.

    The signer must be a certificate for signing documents: whoever holds a client's key signs no reports.
    Raises :class:`ValueRejected`.
    """
    if not _signs_documents(signed.signer):
        raise ValueRejected(
            "report-signer-unfit",
            f"the report is signed with a certificate that is not for that: {signed.signer.subject.rfc4514_string()}",
            "anybody with a certificate of this authority could have signed it so",
            "do not rely on it; prove again: gatewright prove",
        )
    store = crypto.X509Store()
    store.set_time(at)  # first: it replaces the store's other parameters
    store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN | crypto.X509StoreFlags.X509_STRICT)
    for anchor in anchors:
        store.add_cert(crypto.X509.from_cryptography(anchor))
    chain = [crypto.X509.from_cryptography(c) for c in signed.above]
    context = crypto.X509StoreContext(store, crypto.X509.from_cryptography(signed.signer), chain)
    try:
        built = context.get_verified_chain()
    except crypto.X509StoreContextError as problem:
        raise _untrusted(signed, int(problem.errors[0])) from problem
    return built[-1].to_cryptography()


def _untrusted(signed: Signed, number: int) -> ValueRejected:
    issuer = signed.signer.issuer.rfc4514_string()
    return ValueRejected(
        "report-signer-untrusted",
        f"the report is not signed by this gateway: its signer was issued by {issuer}, and OpenSSL refuses the chain "
        f"with error {number} ({openssl_errors.explain(number).text})",
        "somebody else's signature proves nothing about this gateway",
        "if it is another gateway's report, give that gateway's root: gatewright prove --verify FILE --anchor ROOT.pem",
    )


def _damaged(why: str) -> ValueRejected:
    return ValueRejected(
        "report-signature-damaged",
        f"the signature file is not one that Gatewright wrote: {why}",
        "it was changed, cut off, or made by another program",
        "get it from where it was written, the gateway's folder 'reports'",
    )


def _certificates(signature: bytes) -> list[x509.Certificate]:
    # Hostile bytes may make any of these complain, by warnings too.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            found = pkcs7.load_der_pkcs7_certificates(signature)
            for certificate in found:
                _ = (certificate.public_key(), certificate.extensions, certificate.subject.rfc4514_string())
                _ = (certificate.issuer.rfc4514_string(), certificate.not_valid_before_utc)
        except (
            ValueError,
            TypeError,
            UnsupportedAlgorithm,
            x509.InvalidVersion,
            x509.DuplicateExtension,
            Warning,
        ) as p:
            raise _damaged("it cannot be read") from p
    return found


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _signs_documents(certificate: x509.Certificate) -> bool:
    try:
        purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return DOCUMENT_SIGNING in purposes and usage.digital_signature


class _Recorded(ec.EllipticCurvePrivateKey):
    """A key that gives the one signature it was given: to make a file again without the key that signed it."""

    def __init__(self, signer: x509.Certificate, value: bytes) -> None:
        public = signer.public_key()
        assert isinstance(public, ec.EllipticCurvePublicKey)
        self._public, self._value = public, value

    @property
    def curve(self) -> ec.EllipticCurve:
        return self._public.curve

    @property
    def key_size(self) -> int:
        return self._public.key_size

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._public

    def sign(
        self, data: bytes | bytearray | memoryview, signature_algorithm: ec.EllipticCurveSignatureAlgorithm
    ) -> bytes:
        del data
        assert not isinstance(signature_algorithm.algorithm, Prehashed)
        return self._value

    def exchange(self, *_: object) -> NoReturn:
        raise TypeError("this key only repeats a signature")

    def private_numbers(self) -> NoReturn:
        raise TypeError("this key only repeats a signature")

    def private_bytes(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("this key only repeats a signature")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self
