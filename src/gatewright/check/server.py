"""Rules about the gateway's own certificate."""

from __future__ import annotations

from collections.abc import Iterator

from gatewright.check.anchors import SOON, day
from gatewright.check.facts import ServerFact, Unusable
from gatewright.check.files import unusable
from gatewright.check.registry import Finding, View, rule
from gatewright.errors import Severity
from gatewright.model.gateway import Path
from gatewright.model.values import HostName

_CHAIN = ("certificate", "chain")
_KEY = ("certificate", "key")


@rule("no-server-certificate", of_the_whole=True)
def no_server_certificate(view: View) -> Iterator[Finding]:
    """TLS needs a certificate for the gateway itself, from a managed authority or from the user."""
    if view.gateway.certificate is None and view.gateway.server_authority is None:
        yield Finding(
            (),
            "nothing provides the gateway's own certificate",
            "there is no managed authority of the gateway's own to issue one, and no 'certificate'",
            "add 'authorities: { home: { managed: true } }', or 'certificate: { chain: FILE, key: FILE }'",
        )


@rule("certificate-not-managed")
def certificate_not_managed(view: View) -> Iterator[Finding]:
    """A partner's authority cannot issue our certificate: its key is not here."""
    certificate = view.gateway.certificate
    authority = view.gateway.authorities.get(certificate.authority) if certificate and certificate.authority else None
    if certificate is not None and authority is not None and not authority.managed:
        what = f"the gateway's certificate is to come from the authority {certificate.authority!r}, which is not managed here"
        yield Finding(
            ("certificate", "authority"),
            what,
            "its key is not here",
            "name a managed authority, or give 'chain' and 'key'",
        )


@rule("certificate-unusable")
def certificate_unusable(view: View) -> Iterator[Finding]:
    """Apache httpd does not start without its certificate and key."""
    certificate = view.gateway.certificate
    if certificate is None or certificate.chain is None or certificate.key_file is None:
        return
    yield from unusable(view, _CHAIN, certificate.chain, "'certificate'")
    yield from unusable(view, _KEY, certificate.key_file, "'certificate'")
    if isinstance(view.facts.server, Unusable):
        what = f"the gateway's certificate chain is not usable: {view.facts.server.reason}"
        yield Finding(
            _CHAIN,
            what,
            "httpd would not start with it",
            "write your certificate first, then its intermediates, all PEM",
        )


@rule("key-unusable")
def key_unusable(view: View) -> Iterator[Finding]:
    """A key that is encrypted, broken or of another certificate stops httpd at the start, or at the next restart."""
    fact = view.facts.server
    if isinstance(fact, ServerFact) and fact.key_problem:
        what = f"the gateway's private key is not usable: {fact.key_problem}"
        yield Finding(
            _KEY,
            what,
            "httpd would not start with it",
            "give the unencrypted PEM key that belongs to the first certificate of 'chain'",
        )


@rule("key-file-open")
def key_file_open(view: View) -> Iterator[Finding]:
    """A private key that other accounts can read is not private."""
    certificate, mode = view.gateway.certificate, view.facts.key_mode
    if certificate is not None and certificate.key_file is not None and mode is not None and mode & 0o077:
        what = f"the private key {certificate.key_file!r} has mode {mode:04o}"
        yield Finding(
            _KEY, what, "other accounts of this machine can read or change it", f"chmod 600 {certificate.key_file}"
        )


@rule("certificate-dates")
def certificate_dates(view: View) -> Iterator[Finding]:
    """Every client refuses a server whose certificate has ended or not begun."""
    fact, now = view.facts.server, view.facts.now
    if not isinstance(fact, ServerFact):
        return
    if fact.not_after <= now:
        what = f"the gateway's certificate ended on {day(fact.not_after)}"
        yield Finding(_CHAIN, what, "every client would refuse the gateway", "put the renewed certificate into 'chain'")
    elif fact.not_before > now:
        what = f"the gateway's certificate is valid only from {day(fact.not_before)}"
        why = f"every client would refuse the gateway; this machine's date is {day(now)}"
        yield Finding(_CHAIN, what, why, "set the clock if it is wrong, or wait until then")
    elif fact.not_after <= now + SOON:
        what = f"the gateway's certificate ends on {day(fact.not_after)}, in {(fact.not_after - now).days} days"
        yield Finding(_CHAIN, what, "from then on every client refuses the gateway", "renew it", Severity.WARNING)


@rule("certificate-names")
def certificate_names(view: View) -> Iterator[Finding]:
    """Clients compare the name they call with the certificate (RFC 9525 §6); a missing name is a dead address."""
    fact = view.facts.server
    if not isinstance(fact, ServerFact):
        return
    names = {name.lower() for name in fact.names}
    places: list[tuple[Path, HostName]] = [(("gateway", index), host) for index, host in enumerate(view.gateway.hosts)]
    places += [(("authorities", n, "host"), a.host) for n, a in view.gateway.authorities.items() if a.host is not None]
    for path, host in places:
        wildcard = "*." + host.partition(".")[2]
        if host not in names and (host.is_address or wildcard not in names):
            what = f"the gateway's certificate does not name {str(host)!r}"
            fix = f"get a certificate for {host} too, or remove the name here"
            yield Finding(path, what, "clients that call this name would refuse the gateway", fix)
