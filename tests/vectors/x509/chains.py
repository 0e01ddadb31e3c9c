"""Chains without CRLs: each wrong in one way."""

from __future__ import annotations

import datetime as dt
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID as Eku
from tests.vectors.x509.kit import (
    DAY,
    NOW,
    Holder,
    ask,
    dns,
    ip,
    issuing,
    leaf,
    root,
    rsa_1024,
    signed_with_sha1,
    vector,
)

from gatewright.model.values import HostName
from gatewright.pki.verify import Certificate, Purpose, Question

UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5.6"), b"\x05\x00")


@vector(0)
def a_good_chain() -> Question:
    """Leaf, issuing CA and root, all in order: accepted."""
    top = root()
    mid = issuing(top)
    return ask(leaf(mid), [mid], [top])


@vector(0)
def as_gateway_a_good_chain() -> Question:
    """The gateway trusts the issuing CA by itself; its root need not be there."""
    mid = issuing(root())
    return ask(leaf(mid), [], [mid], as_gateway=True)


@vector(0)
def a_good_server() -> Question:
    """A server certificate for the name that was asked for."""
    top = root()
    server = leaf(top, eku=[Eku.SERVER_AUTH], sans=[dns("api.example.org"), ip("192.0.2.1")])
    return ask(server, [], [top], purpose=Purpose.SERVER, host=HostName.parse("api.example.org"))


@vector(2, 1, ["issuing.pem", "CN=root"])
def trusted_intermediate_without_its_root() -> Question:
    """The only anchor is an intermediate; OpenSSL's default rule wants a chain to end at a root."""
    mid = issuing(root())
    return ask(leaf(mid), [], [mid])


@vector(7, 0, ["leaf.pem", "issuing.pem"])
def signature_of_another_key() -> Question:
    """Two CAs of one name: the one that is trusted is not the one that signed, and nothing but the signature tells."""
    top = root(key_ids=False)
    real, other = issuing(top, key_ids=False), issuing(top, key_ids=False)
    return ask(leaf(real, key_ids=False), [other], [top])


@vector(7, 0, ["leaf.pem"])
def changed_after_signing() -> Question:
    """One bit of the serial number was changed after the certificate was signed."""
    top = root()
    good = leaf(top)
    serial = good.certificate.serial_number.to_bytes(20, "big").lstrip(b"\0")
    der = good.der.replace(serial, serial[:-1] + bytes([serial[-1] ^ 1]), 1)
    return ask_bytes(der, top)


def ask_bytes(der: bytes, *anchors: Holder) -> Question:
    """The question about raw bytes as ``leaf.pem``."""
    return Question(Certificate(der, "leaf.pem"), NOW, anchors=tuple(a.found for a in anchors))


@vector(9, 0, ["leaf.pem", "2026-11-24"])
def not_yet_valid() -> Question:
    """The leaf begins tomorrow."""
    top = root()
    return ask(leaf(top, not_before=NOW + DAY), [], [top])


@vector(10, 0, ["leaf.pem", "2026-11-22", "CN=root"])
def expired() -> Question:
    """The leaf ended yesterday."""
    top = root()
    return ask(leaf(top, not_after=NOW - DAY), [], [top])


@vector(10, 1, ["issuing.pem", "CN=root"])
def expired_intermediate() -> Question:
    """The leaf is fine; the CA above it has expired, and that one must be named."""
    top = root()
    mid = issuing(top, not_after=NOW - DAY)
    return ask(leaf(mid), [mid], [top])


@vector(18, 0, ["root.pem"])
def self_signed_leaf() -> Question:
    """A certificate that signed itself, with an unrelated anchor."""
    own = root()
    return ask(own, [], [issuing(root(), common_name="unrelated")])


@vector(19, 2, ["root.pem", "leaf.pem"])
def root_not_trusted() -> Question:
    """The chain is complete and its root was supplied, but nobody said that it is trusted."""
    top = root()
    mid = issuing(top)
    return ask(leaf(mid), [mid, top], [])


@vector(20, 0, ["leaf.pem", "CN=issuing"])
def missing_intermediate() -> Question:
    """The article's error: the leaf alone and the root trusted, the intermediate missing."""
    top = root()
    return ask(leaf(issuing(top)), [], [top])


@vector(20, 1, ["issuing.pem", "CN=root"])
def missing_root() -> Question:
    """The intermediate was supplied, its root is not among the anchors: the CA must be named, not the leaf."""
    mid = issuing(root())
    return ask(leaf(mid), [mid], [issuing(root(), common_name="unrelated")])


@vector(20, 0, ["another generation", "issuing.pem"])
def another_generation_of_the_ca() -> Question:
    """The supplied CA has the right name and another key; the explanation says so."""
    top = root()
    return ask(leaf(issuing(top)), [issuing(top)], [top])


@vector(79, 1, ["issuing.pem", "key usage without keyCertSign"])
def ca_without_cert_sign() -> Question:
    """The CA's key usage lacks keyCertSign."""
    top = root()
    mid = issuing(top, key_usage=["crl_sign"])
    return ask(leaf(mid), [mid], [top])


@vector(20, 0, ["leaf.pem", "CN=issuing"])
def nothing_trusted() -> Question:
    """Neither chain nor anchor: the issuer is missing, and nothing is trusted silently."""
    return ask(leaf(issuing(root())))


@vector(20, 0, ["leaf.pem", "CN=issuing"])
def trusted_leaf_without_partial_chain() -> Question:
    """A leaf that is itself an anchor, under OpenSSL's default rule: nothing to check its signature with."""
    own = leaf(issuing(root()))
    return ask(own, [], [own])


@vector(22, 1, ["leaf.pem", "CN=sub"], ours=0)
def as_gateway_too_deep() -> Question:
    """A sub-CA below a declared issuing CA: refused by the gateway, whoever the sub-CA claims to be."""
    mid = issuing(root())
    sub = issuing(mid, common_name="sub")
    return ask(leaf(sub), [sub], [mid], as_gateway=True)


@vector(22, 1, ["leaf.pem", "CN=root"], ours=0)
def as_gateway_self_signed_anchor() -> Question:
    """A self-signed anchor counts as one too many under SSLVerifyDepth 0."""
    top = root()
    return ask(leaf(top), [], [top], as_gateway=True)


@vector(25, 2, ["root.pem", "allows 0", "leaf.pem"])
def path_length() -> Question:
    """The root allows no CA below itself, and there is one."""
    top = root(path_length=0)
    mid = issuing(top)
    return ask(leaf(mid), [mid], [top])


@vector(26, 0, ["leaf.pem", "serverAuth", "clientAuth"])
def server_certificate_as_client() -> Question:
    """A certificate for servers only, shown by a client."""
    top = root()
    return ask(leaf(top, eku=[Eku.SERVER_AUTH]), [], [top])


@vector(26, 0, ["leaf.pem", "clientAuth", "serverAuth"])
def client_certificate_as_server() -> Question:
    """The other way round."""
    top = root()
    return ask(leaf(top), [], [top], purpose=Purpose.SERVER)


@vector(34, 0, ["leaf.pem", "1.2.3.4.5.6"])
def unknown_critical_extension() -> Question:
    """A critical extension that nobody knows."""
    top = root()
    return ask(leaf(top, extra=[(UNKNOWN, True)]), [], [top])


@vector(0)
def unknown_extension_not_critical() -> Question:
    """The same extension, not critical: accepted."""
    top = root()
    return ask(leaf(top, extra=[(UNKNOWN, False)]), [], [top])


@vector(40, 0, ["leaf.pem", "proxy"])
def proxy_certificate() -> Question:
    """A proxy certificate (RFC 3820), which nothing here accepts."""
    top = root()
    info = bytes.fromhex("300c300a06082b06010505071501")  # proxyCertInfo: id-ppl-inheritAll
    proxy = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.5.5.7.1.14"), info)
    return ask(leaf(top, extra=[(proxy, True)], basic=False), [], [top])


@vector(20, 0, ["leaf.pem", "field that cannot be read"])
def damaged_extension() -> Question:
    """Basic constraints that cannot be read: OpenSSL says that the issuer is missing, which misleads."""
    top = root()
    broken = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.19"), b"\x30\x03\x01\x01")
    return ask(leaf(top, extra=[(broken, True)], basic=False), [], [top])


@vector(0)
def damaged_policy() -> Question:
    """Certificate policies that cannot be read: neither httpd nor the default rule processes policies."""
    top = root()
    broken = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.32"), b"\x30\x02\x30\x01")
    return ask(leaf(top, extra=[(broken, True)]), [], [top])


@vector(47, 0, ["leaf.pem", "evil.example.net", "partner.example.org"])
def name_not_permitted() -> Question:
    """The CA may issue below partner.example.org only."""
    allowed = x509.NameConstraints([dns("partner.example.org")], None)
    top = root()
    mid = issuing(top, constraints=allowed)
    return ask(leaf(mid, sans=[dns("evil.example.net")]), [mid], [top])


@vector(48, 0, ["leaf.pem", "admin.example.org"])
def name_excluded() -> Question:
    """The CA must not issue below admin.example.org."""
    excluded = x509.NameConstraints(None, [dns("admin.example.org")])
    top = root()
    mid = issuing(top, constraints=excluded)
    return ask(leaf(mid, sans=[dns("root.admin.example.org")]), [mid], [top])


@vector(47, 0, ["192.0.2.1", "10.0.0.0/8"])
def address_not_permitted() -> Question:
    """The CA may issue for 10.0.0.0/8 only."""
    allowed = x509.NameConstraints([x509.IPAddress(ipaddress.ip_network("10.0.0.0/8"))], None)
    top = root()
    mid = issuing(top, constraints=allowed)
    return ask(leaf(mid, sans=[ip("192.0.2.1")]), [mid], [top])


@vector(51, 0, ["leaf.pem"])
def constraint_of_unknown_type() -> Question:
    """A name constraint on registered IDs, which OpenSSL cannot compare, and a certificate that has one."""
    oid = x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))
    top = root()
    mid = issuing(top, constraints=x509.NameConstraints([oid], None))
    return ask(leaf(mid, sans=[oid]), [mid], [top])


@vector(53, 0, ["leaf.pem"])
def malformed_address_under_a_constraint() -> Question:
    """An e-mail name without '@', to be compared with a constraint on e-mail."""
    top = root()
    mid = issuing(top, constraints=x509.NameConstraints([x509.RFC822Name("example.org")], None))
    return ask(leaf(mid, sans=[x509.RFC822Name._init_without_validation("nobody")]), [mid], [top])


@vector(62, 0, ["api.example.org", "other.example.org"])
def other_host_name() -> Question:
    """A server certificate for another name than the one asked for."""
    top = root()
    server = leaf(top, eku=[Eku.SERVER_AUTH], sans=[dns("api.example.org")])
    return ask(server, [], [top], purpose=Purpose.SERVER, host=HostName.parse("other.example.org"))


@vector(64, 0, ["192.0.2.1", "192.0.2.2"])
def other_address() -> Question:
    """A server certificate for another IP address than the one asked for."""
    top = root()
    server = leaf(top, eku=[Eku.SERVER_AUTH], sans=[ip("192.0.2.1")])
    return ask(server, [], [top], purpose=Purpose.SERVER, host=HostName.parse("192.0.2.2"))


@vector(66, 0, ["leaf.pem", "RSA 1024"], ours=0)
def weak_leaf_key() -> Question:
    """An RSA key of 1024 bits, at the gateway's security level."""
    mid = issuing(root())
    return ask(leaf(mid, key=rsa_1024()), [], [mid], as_gateway=True)


@vector(67, 1, ["issuing.pem", "RSA 1024"], ours=0)
def weak_ca_key() -> Question:
    """The same in the issuing CA."""
    mid = issuing(root(), key=rsa_1024())
    return ask(leaf(mid), [], [mid], as_gateway=True)


@vector(68, 0, ["leaf.pem", "sha1"], ours=0)
def weak_hash() -> Question:
    """A leaf signed with SHA-1, at the gateway's security level."""
    # openssl dates the leaf from the present day, so this one vector is judged as of then.
    today = dt.datetime.now(dt.UTC)
    mid = issuing(root(), not_before=today - DAY, not_after=today + DAY)
    late = today + dt.timedelta(minutes=1)
    return Question(Certificate(signed_with_sha1(mid), "leaf.pem"), late, anchors=(mid.found,), as_gateway=True)


@vector(20, 0, ["leaf.pem", "issuing.pem", "was not accepted as its issuer"])
def signature_of_another_kind() -> Question:
    """Two CAs of one name, one with an RSA key: the signature cannot be of the one supplied."""
    top = root(key_ids=False)
    real = issuing(top, key_ids=False, key=rsa_1024())
    other = issuing(top, key_ids=False, key=ec.generate_private_key(ec.SECP256R1()))
    return ask(leaf(real, key_ids=False), [other], [top])


@vector(79, 1, ["middle.pem", "basicConstraints", "leaf.pem"])
def leaf_that_signs() -> Question:
    """A client certificate used as a CA."""
    top = root()
    middle = leaf(top, common_name="middle", key_usage=["digital_signature", "key_cert_sign"])
    return ask(leaf(middle), [middle], [top])


@vector(80, 0, ["leaf.pem", "path length"])
def strict_path_length_on_a_leaf() -> Question:
    """A path length without CA:TRUE; only the strict check minds."""
    top = root()
    basic = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.19"), b"\x30\x03\x02\x01\x00")
    return ask(leaf(top, basic=False, extra=[(basic, True)]), [], [top], strict=True)


@vector(82, 0, ["leaf.pem", "key usage"])
def strict_cert_sign_on_a_leaf() -> Question:
    """A leaf whose key usage says it may sign certificates."""
    top = root()
    return ask(leaf(top, key_usage=["digital_signature", "key_cert_sign"]), [], [top], strict=True)


@vector(84, 0, ["leaf.pem", "empty subject"])
def strict_empty_subject() -> Question:
    """Neither a subject nor a subjectAltName."""
    top = root()
    odd = leaf(top, subject=x509.Name([]))
    return Question(Certificate(odd.der, "leaf.pem"), NOW, anchors=(top.found,), strict=True)


@vector(85, 0, ["leaf.pem", "authority key identifier"])
def strict_no_authority_key_identifier() -> Question:
    """Key identifiers are missing; only the strict check minds."""
    top = root()
    return ask(leaf(top, key_ids=False), [], [top], strict=True)


@vector(86, 1, ["issuing.pem", "subject key identifier"])
def strict_ca_without_subject_key_identifier() -> Question:
    """A CA without a subject key identifier."""
    top = root()
    aki = x509.AuthorityKeyIdentifier.from_issuer_public_key(top.key.public_key())
    mid = issuing(top, key_ids=False, extra=[(aki, False)])
    return ask(leaf(mid), [mid], [top], strict=True)


@vector(88, 0, ["leaf.pem", "empty subject"], ours=0)
def strict_empty_subject_and_san_not_critical() -> Question:
    """An empty subject with a subjectAltName that is not critical."""
    top = root()
    odd = leaf(top, subject=x509.Name([]), sans=[dns("x.example.org")])
    return Question(Certificate(odd.der, "leaf.pem"), NOW, anchors=(top.found,), strict=True)


@vector(89, 1, ["issuing.pem", "not critical"], ours=0)
def strict_basic_constraints_not_critical() -> Question:
    """A CA whose basicConstraints are not critical."""
    top = root()
    mid = issuing(top, basic_critical=False)
    return ask(leaf(mid), [mid], [top], strict=True)


@vector(34, 0, ["leaf.pem", "authorityKeyIdentifier"])
def critical_authority_key_identifier() -> Question:
    """An authority key identifier that is critical: OpenSSL refuses it as unhandled before the strict check sees it."""
    top = root()
    aki = x509.AuthorityKeyIdentifier.from_issuer_public_key(top.key.public_key())
    return ask(leaf(top, key_ids=False, extra=[(aki, True)]), [], [top], strict=True)


@vector(92, 1, ["issuing.pem", "no key usage"])
def strict_ca_without_key_usage() -> Question:
    """A CA without key usage."""
    top = root()
    mid = issuing(top, key_usage=[])
    return ask(leaf(mid), [mid], [top], strict=True)
