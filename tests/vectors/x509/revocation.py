"""Chains whose certificates are to be checked against CRLs."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from tests.vectors.x509.kit import DAY, NOW, ask, crl, issuing, leaf, root, vector

from gatewright.pki.verify import Question, Revocation

UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5.6"), b"\x05\x00")


@vector(0)
def covered_and_not_revoked() -> Question:
    """A current CRL of the issuer that does not list the leaf."""
    top = root()
    return ask(leaf(top), [], [top], crls=(crl(top),), revocation=Revocation.LEAF)


@vector(3, 0, ["leaf.pem", "CN=root"])
def no_crl() -> Question:
    """Revocation is to be checked, and there is no CRL."""
    top = root()
    return ask(leaf(top), [], [top], revocation=Revocation.LEAF)


@vector(3, 1, ["issuing.pem", "CN=root"])
def no_crl_of_the_root() -> Question:
    """The leaf is covered, the CA above it is not, and the whole chain is to be checked."""
    top = root()
    mid = issuing(top)
    return ask(leaf(mid), [mid], [top], crls=(crl(mid),), revocation=Revocation.CHAIN)


@vector(8, 0, ["CN=root"])
def forged_crl() -> Question:
    """A CRL in the CA's name, signed by another key."""
    top = root()
    forged = crl(top, key=ec.generate_private_key(ec.SECP256R1()))
    return ask(leaf(top), [], [top], crls=(forged,), revocation=Revocation.LEAF)


@vector(11, 0, ["CN=root", "2026-11-24"])
def crl_of_tomorrow() -> Question:
    """The CRL begins tomorrow."""
    top = root()
    early = crl(top, this=NOW + DAY, following=NOW + 2 * DAY)
    return ask(leaf(top), [], [top], crls=(early,), revocation=Revocation.LEAF)


@vector(12, 0, ["CN=root", "2026-11-22"])
def expired_crl() -> Question:
    """The CRL ended yesterday: everybody is refused."""
    top = root()
    late = crl(top, this=NOW - 5 * DAY, following=NOW - DAY)
    return ask(leaf(top), [], [top], crls=(late,), revocation=Revocation.LEAF)


@vector(23, 0, ["leaf.pem", "CN=root", "keyCompromise", "2026-11-22"])
def revoked() -> Question:
    """The leaf stands on the CRL."""
    top = root()
    bad = leaf(top)
    return ask(bad, [], [top], crls=(crl(top, [bad]),), revocation=Revocation.LEAF)


@vector(23, 1, ["issuing.pem", "CN=root"])
def revoked_ca() -> Question:
    """The CA above the leaf stands on the root's CRL."""
    top = root()
    mid = issuing(top)
    lists = (crl(top, [mid]), crl(mid))
    return ask(leaf(mid), [mid], [top], crls=lists, revocation=Revocation.CHAIN)


@vector(35, 0, ["leaf.pem", "CN=root"])
def ca_that_may_not_sign_crls() -> Question:
    """The CA's key usage lacks cRLSign."""
    top = root(key_usage=["key_cert_sign"])
    return ask(leaf(top), [], [top], crls=(crl(top),), revocation=Revocation.LEAF)


@vector(36, 0, ["CN=root", "leaf.pem"])
def critical_crl_extension() -> Question:
    """The CRL has a critical extension that nobody knows."""
    top = root()
    odd = crl(top, extra=[(UNKNOWN, True)])
    return ask(leaf(top), [], [top], crls=(odd,), revocation=Revocation.LEAF)


@vector(44, 0, ["leaf.pem", "CN=root"])
def crl_of_another_scope() -> Question:
    """The CRL covers the certificates of one distribution point; the leaf names none."""
    top = root()
    point = x509.IssuingDistributionPoint(
        full_name=[x509.UniformResourceIdentifier("http://crl.example.org/7.crl")],
        relative_name=None,
        only_contains_user_certs=False,
        only_contains_ca_certs=False,
        only_some_reasons=None,
        indirect_crl=False,
        only_contains_attribute_certs=False,
    )
    shard = crl(top, extra=[(point, True)])
    return ask(leaf(top), [], [top], crls=(shard,), revocation=Revocation.LEAF)
