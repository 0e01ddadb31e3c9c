"""Rules about the client certificates that the gateway shows to backends."""

from __future__ import annotations

from collections.abc import Iterator

from gatewright.check.anchors import SOON, day
from gatewright.check.facts import PairFact, Unusable
from gatewright.check.files import unusable
from gatewright.check.registry import Finding, View, rule
from gatewright.errors import Severity
from gatewright.model.gateway import Backend, BackendCertificate, Path
from gatewright.model.values import RoutePath


def _shown(view: View) -> Iterator[tuple[RoutePath, Path, Backend, BackendCertificate]]:
    """Every route whose backend is shown a certificate, and the place where the file says so."""
    for path, route in view.gateway.routes.items():
        backend = route.backend
        if backend is not None and backend.client_certificate is not None:
            yield path, ("routes", path, "backend", "client_certificate"), backend, backend.client_certificate


@rule("backend-certificate-without-https")
def backend_certificate_without_https(view: View) -> Iterator[Finding]:
    """An ``http://`` backend is shown nothing, however much the file looks like it."""
    for path, place, backend, _ in _shown(view):
        if backend.url.scheme != "https":
            what = f"route {path!r} gives a 'client_certificate' for an http:// backend"
            why = "without TLS the backend is shown no certificate and cannot know the gateway by it"
            yield Finding(place, what, why, "write https://, or remove 'client_certificate'")


@rule("backend-certificate-not-managed")
def backend_certificate_not_managed(view: View) -> Iterator[Finding]:
    """A partner's authority cannot issue a certificate for us: its key is not here."""
    for path, place, _, shown in _shown(view):
        authority = view.gateway.authorities.get(shown.authority) if shown.authority is not None else None
        if authority is not None and not authority.managed:
            what = f"the certificate for the backend of route {path!r} is to come from {shown.authority!r}, which is not managed here"
            fix = "name a managed authority, or give 'chain' and 'key'"
            yield Finding((*place, "authority"), what, "its key is not here", fix)


@rule("backend-certificate-nameless")
def backend_certificate_nameless(view: View) -> Iterator[Finding]:
    """What is issued for backends names the gateway, by DNS name; an address is no identity that a backend could hold on to."""
    for path, place, _, shown in _shown(view):
        if shown.authority is not None and not view.gateway.names:
            what = f"nothing can be issued for the backend of route {path!r}: the gateway has no DNS name"
            why = "the certificate names the gateway by the first DNS name under 'gateway'"
            yield Finding((*place, "authority"), what, why, "add a DNS name to 'gateway', or give 'chain' and 'key'")


@rule("backend-certificate-conflict")
def backend_certificate_conflict(view: View) -> Iterator[Finding]:
    """Apache httpd keeps one client certificate for each backend origin, so two routes to it must agree."""
    first: dict[str, tuple[str, BackendCertificate | None]] = {}
    for path, route in view.gateway.routes.items():
        backend = route.backend
        if backend is None or backend.url.scheme != "https":
            continue
        other, shown = first.setdefault(backend.url.origin, (path, backend.client_certificate))
        if shown != backend.client_certificate:
            what = f"routes {other!r} and {path!r} show {backend.url.origin} different client certificates"
            why = "httpd keeps one for each backend; one of the two would silently win"
            yield Finding(("routes", path, "backend"), what, why, "write the same 'client_certificate' in both")


@rule("backend-certificate-unusable")
def backend_certificate_unusable(view: View) -> Iterator[Finding]:
    """Apache httpd does not start with a client certificate or key that it cannot read."""
    for path, place, _, shown in _shown(view):
        if shown.files is None:
            continue
        owner = f"the backend of route {path!r}"
        missing = [
            *unusable(view, (*place, "chain"), shown.files[0], owner),
            *unusable(view, (*place, "key"), shown.files[1], owner),
        ]
        yield from missing
        fact = view.facts.pairs.get(shown.files)
        if isinstance(fact, Unusable):
            what = f"{shown.chain!r} of {owner} is not usable: {fact.reason}"
            fix = "give the certificate itself first, then its intermediates, as PEM"
            yield Finding((*place, "chain"), what, "httpd would not start with it", fix)
        elif fact is not None and fact.certificate.key_problem:
            what = f"the private key {shown.key_file!r} of {owner} is not usable: {fact.certificate.key_problem}"
            fix = "give the unencrypted PEM key that belongs to the first certificate of 'chain'"
            yield Finding((*place, "key"), what, "httpd would not start with it", fix)


@rule("backend-key-open")
def backend_key_open(view: View) -> Iterator[Finding]:
    """A private key that other accounts can read is not private."""
    for _, place, _, shown in _shown(view):
        fact = view.facts.pairs.get(shown.files) if shown.files is not None else None
        if isinstance(fact, PairFact) and fact.key_mode & 0o077:
            what = f"the private key {shown.key_file!r} has mode {fact.key_mode:04o}"
            why = "other accounts of this machine can read or change it"
            yield Finding((*place, "key"), what, why, f"chmod 600 {shown.key_file}")


@rule("backend-certificate-dates")
def backend_certificate_dates(view: View) -> Iterator[Finding]:
    """A backend refuses a client certificate that has ended or not begun, and every request with it."""
    now = view.facts.now
    for path, place, _, shown in _shown(view):
        fact = view.facts.pairs.get(shown.files) if shown.files is not None else None
        if not isinstance(fact, PairFact):
            continue
        begins, ends = fact.certificate.not_before, fact.certificate.not_after
        whose = f"the certificate for the backend of route {path!r}"
        where = (*place, "chain")
        if ends <= now:
            fix = "put the renewed certificate into 'chain'"
            yield Finding(where, f"{whose} ended on {day(ends)}", "the backend would refuse the gateway", fix)
        elif begins > now:
            why = f"the backend would refuse the gateway; this machine's date is {day(now)}"
            fix = "set the clock if it is wrong, or wait until then"
            yield Finding(where, f"{whose} is valid only from {day(begins)}", why, fix)
        elif ends <= now + SOON:
            what = f"{whose} ends on {day(ends)}, in {(ends - now).days} days"
            yield Finding(where, what, "from then on the backend refuses the gateway", "renew it", Severity.WARNING)
