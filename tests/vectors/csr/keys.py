"""Keys that are too weak, broken, of the wrong kind, or somebody else's; and signatures that prove nothing."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.vectors.csr.kit import accepted, key_pem, openssl, openssl_request, p256, refused, request

from gatewright.pki.csr import KeyStanding


def _rsa(bits: int, exponent: int = 65537) -> bytes:
    options = ("-pkeyopt", f"rsa_keygen_bits:{bits}", "-pkeyopt", f"rsa_keygen_pubexp:{exponent}")
    return openssl("genpkey", "-algorithm", "RSA", *options)


def _prime(rng: random.Random, candidate: Callable[[random.Random], int], exponent: int = 65537) -> int:
    while True:
        n = candidate(rng)
        if n % 2 and all(pow(a, n - 1, n) == 1 for a in (2, 3, 5, 7, 11, 13)) and math.gcd(n - 1, exponent) == 1:
            return n


def _rsa_of(p: int, q: int) -> rsa.RSAPrivateKey:
    d = pow(65537, -1, (p - 1) * (q - 1))
    numbers = rsa.RSAPrivateNumbers(
        p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), rsa.RSAPublicNumbers(65537, p * q)
    )
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


@accepted()
def p384() -> bytes:
    """P-384 is taken silently."""
    return request(key=ec.generate_private_key(ec.SECP384R1()))


@accepted("csr-key-p521")
def p521() -> bytes:
    """P-521 is taken; its maker hears that some clients cannot use it."""
    return request(key=ec.generate_private_key(ec.SECP521R1()))


@accepted("csr-key-ed25519")
def ed25519_key() -> bytes:
    """Ed25519 is taken; its maker hears that browsers cannot use it."""
    return request(key=ed25519.Ed25519PrivateKey.generate())


@accepted("csr-key-rsa-2048")
def rsa_2048() -> bytes:
    """RSA with 2048 bits, what many tools still make: taken with a note."""
    return openssl_request(key=_rsa(2048))


@accepted()
def compressed_point() -> bytes:
    """An EC key written as a compressed point is the same key; the certificate holds the canonical form."""
    return openssl_request(key=openssl("ec", "-in", "k.pem", "-conv_form", "compressed", files={"k.pem": key_pem()}))


@refused("csr-key-weak")
def rsa_512() -> bytes:
    """512 bits were factored in 1999."""
    return openssl_request(key=_rsa(512))


@refused("csr-key-weak")
def rsa_1024() -> bytes:
    """1024 bits: neither OpenSSL's nor any other path check refuses it in a leaf, so we must."""
    return openssl_request(key=_rsa(1024))


@refused("csr-key-exponent")
def rsa_exponent_3() -> bytes:
    """Exponent 3, of the signature forgeries of 2006 (CVE-2006-4339)."""
    return openssl_request(key=_rsa(2048, 3))


@refused("csr-key-broken")
def rsa_exponent_1() -> bytes:
    """Exponent 1: every signature is its own message, so anybody "holds" the key."""
    return _unsigned_rsa(rsa.generate_private_key(65537, 2048).public_key().public_numbers().n, 1)


@refused("csr-key-broken")
def rsa_exponent_even() -> bytes:
    """An even exponent has no private key at all."""
    return _unsigned_rsa(rsa.generate_private_key(65537, 2048).public_key().public_numbers().n, 65536)


def _unsigned_rsa(modulus: int, exponent: int) -> bytes:
    template = (
        "asn1=SEQUENCE:csr\n[csr]\ncri=SEQUENCE:cri\nalg=SEQUENCE:sha256\nsig=FORMAT:HEX,BITSTRING:" + "01" * 256 + "\n"
        "[cri]\nversion=INTEGER:0\nsubject=SEQUENCE:name\nspki=SEQUENCE:spki\nattributes=IMPLICIT:0,SET:none\n[none]\n"
        "[name]\nrdn=SET:rdn\n[rdn]\nava=SEQUENCE:ava\n[ava]\noid=OID:CN\nvalue=UTF8:billing.example.org\n"
        "[spki]\nalg=SEQUENCE:rsa\nkey=BITWRAP,SEQUENCE:key\n[rsa]\noid=OID:rsaEncryption\nnull=NULL\n"
        f"[key]\nn=INTEGER:0x{modulus:x}\ne=INTEGER:{exponent}\n"
        "[sha256]\noid=OID:sha256WithRSAEncryption\nnull=NULL\n"
    )
    files = {"g.cnf": template.encode()}
    return openssl("asn1parse", "-genconf", "g.cnf", "-noout", "-out", "out.der", files=files, out="out.der")


@refused("csr-key-factorable")
def rsa_close_primes() -> bytes:
    """The two primes are neighbours: Fermat's method finds them at once (CVE-2022-26320)."""
    rng = random.Random(1)
    p = _prime(rng, lambda r: r.getrandbits(1024) | 3 << 1022 | 1)
    q = p
    while q == p:
        start = q + 2
        q = next(n for n in range(start, start + 100_000, 2) if pow(2, n - 1, n) == 1 and pow(3, n - 1, n) == 1)
    return request(key=_rsa_of(p, q))


@refused("csr-key-factorable")
def rsa_roca() -> bytes:
    """A key as the smart-card library of CVE-2017-15361 (ROCA) made it: primes of the form k*M + 65537^a mod M."""
    rng, product = random.Random(2), 1
    for n in range(2, 702):
        product *= n if all(n % d for d in range(2, math.isqrt(n) + 1)) else 1
    bits = 1024 - product.bit_length()

    def candidate(r: random.Random) -> int:
        return (r.getrandbits(bits) | 1 << (bits - 1) | 1 << (bits - 2)) * product + pow(
            65537, r.getrandbits(64), product
        )

    return request(key=_rsa_of(_prime(rng, candidate), _prime(rng, candidate)))


@refused("csr-key-huge", "csr-signature-invalid")
def rsa_9216() -> bytes:
    """A modulus so large that each handshake would burn the gateway's time."""
    return _unsigned_rsa(random.Random(3).getrandbits(9216) | 1 << 9215 | 1, 65537)


@refused("csr-key-dsa")
def dsa_2048() -> bytes:
    """DSA has no place in TLS 1.3."""
    return request(key=dsa.generate_private_key(2048))


@refused("csr-key-kind")
def ed448_key() -> bytes:
    """Ed448: hardly any client signs with it."""
    return request(key=ed448.Ed448PrivateKey.generate())


@refused("csr-key-curve")
def secp256k1() -> bytes:
    """Bitcoin's curve is not one of TLS."""
    return request(key=ec.generate_private_key(ec.SECP256K1()))


@refused("csr-key-kind")
def secp112r1() -> bytes:
    """A curve of 112 bits, within reach of one computer."""
    return openssl_request(key=openssl("ecparam", "-name", "secp112r1", "-genkey", "-noout"))


@accepted()
def explicit_curve() -> bytes:
    """P-256's parameters spelled out instead of named: they are compared, and the certificate holds the name (RFC 5480 §2.1.1)."""
    options = ("-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:explicit")
    return openssl_request(key=openssl("genpkey", "-algorithm", "EC", *options))


@refused("csr-key-kind")
def explicit_curve_of_another_generator() -> bytes:
    """The same with one digit of the generator changed: the way in of CVE-2020-0601."""
    generator = bytes.fromhex("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296")
    der = openssl("req", "-in", "r.pem", "-outform", "DER", files={"r.pem": explicit_curve()})
    assert generator in der
    return der.replace(generator, generator[:-1] + b"\x97")


@refused("csr-key-broken")
def point_off_the_curve() -> bytes:
    """The public point is not on its curve."""
    good = request(encoding=Encoding.DER)
    point = p256().public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return good.replace(point, point[:-1] + bytes([point[-1] ^ 1]))


@refused("csr-signature-invalid")
def bad_signature() -> bytes:
    """One bit of the signature is wrong: possession of the key is not proved."""
    der = request(encoding=Encoding.DER)
    return der[:-1] + bytes([der[-1] ^ 1])


@refused("csr-signature-invalid")
def changed_after_signing() -> bytes:
    """Somebody changed the name in a signed request."""
    der = request(
        encoding=Encoding.DER, subject=x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "billing.example.orh")])
    )
    return der.replace(b"billing.example.orh", b"billing.example.org")


@refused("csr-signature-invalid")
def signed_by_another_key() -> bytes:
    """The key in the request is a stranger's public key, the signature the sender's own."""
    other = ec.generate_private_key(ec.SECP256R1())
    mine, theirs = (k.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint) for k in (p256(), other))
    return request(encoding=Encoding.DER).replace(mine, theirs)


@refused("csr-signature-hash")
def signed_with_sha1() -> bytes:
    """SHA-1 signatures can be forged in part since 2017."""
    return openssl_request(arguments=["-sha1"])


@refused("csr-signature-hash")
def signed_with_md5() -> bytes:
    """MD5, by RSA."""
    return openssl_request(arguments=["-md5"], key=_rsa(3072))


@refused("csr-key-blocked", standing=KeyStanding.BLOCKED)
def blocked_key() -> bytes:
    """A key that was once reported as compromised stays blocked."""
    return request()


@refused("csr-key-of-authority", standing=KeyStanding.AUTHORITY)
def key_of_the_authority() -> bytes:
    """Our own CA's key in a client's request."""
    return request()


@refused("csr-key-of-other-client", standing=KeyStanding.OTHER_CLIENT)
def key_of_another_client() -> bytes:
    """Another client's certificate already holds this key."""
    return request()
