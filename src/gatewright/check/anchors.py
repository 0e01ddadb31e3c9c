"""Rules about partners' issuing CAs: trusted exactly, or not at all.

httpd tells partners apart by the issuer's name of the client's certificate, below trust anchors that are issuing CAs
themselves (``SSLVerifyDepth 0``). The rules keep to what makes that exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from gatewright.check.facts import AnchorFact, Unusable
from gatewright.check.files import unusable
from gatewright.check.registry import Finding, View, rule
from gatewright.errors import Severity
from gatewright.model.values import Name

SOON = timedelta(days=30)
"""Getting a new CA certificate from a partner takes weeks."""


def day(when: datetime) -> str:
    """A date as messages show it: ISO 8601, UTC."""
    return f"{when:%Y-%m-%d}"


@rule("anchor-unusable")
def anchor_unusable(view: View) -> Iterator[Finding]:
    """Without its anchor a partner cannot be verified; httpd itself would not even start."""
    for name, place, anchor in view.anchor_files():
        yield from unusable(view, place, anchor, f"authority {name!r}")


@rule("anchor-not-a-certificate")
def anchor_not_a_certificate(view: View) -> Iterator[Finding]:
    """A file that is not one PEM certificate cannot be trusted for anything."""
    for name, place, anchor in view.anchor_files():
        fact = view.facts.anchors.get(anchor)
        if isinstance(fact, Unusable):
            what = f"the anchor of authority {name!r} is not usable: {fact.reason}"
            fix = "ask the partner for its issuing CA certificate as PEM (BEGIN CERTIFICATE); DER becomes PEM with: openssl x509 -inform der -in FILE -out FILE.pem"
            yield Finding(place, what, "httpd would not start with it", fix)


@rule("anchor-private-key")
def anchor_private_key(view: View) -> Iterator[Finding]:
    """A private key in an anchor file means that a CA's key has travelled: whoever has it can make any client."""
    for name, path, fact in view.anchors():
        if fact.holds_private_key:
            what = f"the anchor file of authority {name!r} holds a private key"
            why = "whoever has seen it can issue certificates for every client of this authority"
            yield Finding(path, what, why, "delete the key from the file and tell the partner that it has leaked")


@rule("anchor-bundle")
def anchor_bundle(view: View) -> Iterator[Finding]:
    """One authority is one issuing CA; a bundle would trust every CA in it without anybody having said so."""
    for name, path, fact in view.anchors():
        if fact.certificates > 1:
            what = f"the anchor file of authority {name!r} holds {fact.certificates} certificates"
            why = "each of them would be trusted"
            fix = "keep only the issuing CA's certificate; write further ones of the same partner as a list: anchor: [FILE, FILE]"
            yield Finding(path, what, why, fix)


@rule("anchor-not-a-ca")
def anchor_not_a_ca(view: View) -> Iterator[Finding]:
    """Only a CA certificate can vouch for others (RFC 5280 §4.2.1.3 and §4.2.1.9)."""
    for name, path, fact in view.anchors():
        if not fact.is_ca or not fact.may_sign:
            lacks = "its key usage has no keyCertSign" if fact.is_ca else "its basicConstraints do not say CA:TRUE"
            what = f"the anchor of authority {name!r} ({fact.subject}) is not a CA certificate: {lacks}"
            yield Finding(
                path,
                what,
                "it cannot vouch for any client",
                "ask the partner for the CA certificate that issues its clients",
            )


@rule("anchor-self-signed")
def anchor_self_signed(view: View) -> Iterator[Finding]:
    """A self-signed root cannot be anchored at depth 0, and anchoring it deeper would admit every CA below it."""
    for name, path, fact in view.anchors():
        if fact.self_issued and view.gateway.authorities[name].host is None:
            what = f"the anchor of authority {name!r} ({fact.subject}) is a self-signed root, not an issuing CA"
            why = (
                "httpd can bind a partner exactly only to the CA that signs its clients' certificates directly; "
                "below a trusted root, any CA could take another partner's name"
            )
            fix = (
                "one of three:\n"
                "1. put the partner's issuing CA certificate, the one that signed its clients' certificates, into this file\n"
                "2. where the root signs clients itself: ask the partner to issue them from an issuing CA below it\n"
                "3. give this partner a host name of its own, where nobody else is trusted: add 'host: NAME' to the authority, "
                "with 'depth: 1' where an issuing CA stands between root and clients"
            )
            yield Finding(path, what, why, fix)


@rule("anchor-expired")
def anchor_expired(view: View) -> Iterator[Finding]:
    """An expired CA vouches for nobody: every one of its clients is refused. Beside a newer one it is only in the way."""
    for name, path, fact in view.anchors():
        if fact.not_after <= view.facts.now:
            others = len(view.gateway.authorities[name].anchors) > 1 or name in view.disabled
            what = f"the anchor of authority {name!r} ({fact.subject}) ended on {day(fact.not_after)}"
            fix = "remove it from the list" if others else "ask the partner for its new issuing CA certificate"
            severity = Severity.WARNING if others else Severity.ERROR
            yield Finding(path, what, "all of its clients would be refused", fix, severity)


@rule("anchor-not-yet-valid")
def anchor_not_yet_valid(view: View) -> Iterator[Finding]:
    """A CA that is not valid yet vouches for nobody; often it is this machine's clock that is wrong."""
    for name, path, fact in view.anchors():
        if fact.not_before > view.facts.now:
            what = f"the anchor of authority {name!r} ({fact.subject}) is valid only from {day(fact.not_before)}"
            why = f"all of its clients would be refused; this machine's date is {day(view.facts.now)}"
            yield Finding(path, what, why, "set the clock if it is wrong, or wait until then")


@rule("anchor-expires-soon")
def anchor_expires_soon(view: View) -> Iterator[Finding]:
    """A partner's new CA takes weeks to arrive, so the last month is announced."""
    for name, path, fact in view.anchors():
        if view.facts.now < fact.not_after <= view.facts.now + SOON:
            days = (fact.not_after - view.facts.now).days
            what = f"the anchor of authority {name!r} ({fact.subject}) ends on {day(fact.not_after)}, in {days} days"
            why = "from then on all of its clients are refused"
            yield Finding(path, what, why, "ask the partner for its new issuing CA certificate", Severity.WARNING)


@rule("same-anchor-name")
def same_anchor_name(view: View) -> Iterator[Finding]:
    """Authorities are told apart by the issuer's name, so two with one name could not be told apart at all.

    Compared as OpenSSL compares names: a CA called ``CN=a`` may issue certificates whose issuer reads ``CN=A``.
    """
    first: dict[str, tuple[Name, AnchorFact]] = {}
    for name, facts in view.facts.managed.items():
        for fact in facts:
            first.setdefault(f" {fact.canonical_subject}", (Name(name), fact))
    for name, path, fact in view.anchors():
        apart = view.gateway.authorities[name].host is not None
        other, found = first.setdefault(f"{name if apart else ''} {fact.canonical_subject}", (name, fact))
        if other != name:
            what = f"the anchors of authorities {other!r} and {name!r} have one name: {fact.subject}"
            why = "clients of the one could be taken for clients of the other"
            fix = (
                "if it is the same CA, declare it once; if not, ask one of the partners for an issuing CA with a name of its own, "
                "or give one of the authorities a 'host' of its own"
            )
            yield Finding(path, what, why, fix)
        elif found.sha256 != fact.sha256:
            what = f"two anchors of authority {name!r} have one name: {fact.subject}"
            why = "a client's certificate does not say which of them issued it, and the wrong one would refuse it"
            fix = "keep the newer one where both have the same key; otherwise ask the partner for a name of its own for each"
            yield Finding(path, what, why, fix)
