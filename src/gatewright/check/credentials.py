"""Rules about what routes demand besides a client certificate."""

from __future__ import annotations

from collections.abc import Iterator

from gatewright.check.files import unusable
from gatewright.check.registry import Finding, View, rule
from gatewright.model.credentials import Credentials
from gatewright.model.gateway import Path
from gatewright.model.values import RoutePath


def _demanding(view: View) -> Iterator[tuple[RoutePath, Path, Credentials]]:
    for path, route in view.gateway.routes.items():
        if route.credentials is not None:
            yield path, ("routes", path, "credentials"), route.credentials


@rule("credentials-without-certificate")
def credentials_without_certificate(view: View) -> Iterator[Finding]:
    """Credentials come on top of a certificate; a password or token alone can be stolen and shown by anybody."""
    for path, place, _ in _demanding(view):
        if view.gateway.routes[path].access.is_public:
            what = f"route {path!r} is public and demands credentials"
            why = "credentials are checked besides a client certificate, never instead of one"
            yield Finding(place, what, why, "write 'access: any-client' or a list of clients, or remove 'credentials'")


@rule("credentials-file-unusable")
def credentials_file_unusable(view: View) -> Iterator[Finding]:
    """Without its file of users or keys a route is closed to everybody."""
    for path, place, credentials in _demanding(view):
        owner, bearer = f"route {path!r}", credentials.bearer
        if credentials.basic is not None:
            make = f"gatewright user add {credentials.basic} USER"
            yield from unusable(view, (*place, "basic"), credentials.basic, owner, make)
        if bearer is not None and not bearer.jwks.is_url:
            yield from unusable(view, (*place, "bearer", "jwks"), bearer.jwks.file, owner)
        if bearer is not None and bearer.ca is not None:
            yield from unusable(view, (*place, "bearer", "ca"), bearer.ca, owner)


@rule("credentials-content")
def credentials_content(view: View) -> Iterator[Finding]:
    """A file of users or keys that cannot be understood would admit nobody, or hold what should not be there."""
    for path, place, credentials in _demanding(view):
        named: list[tuple[Path, str, str]] = []
        if credentials.basic is not None:
            fix = f"write it with: gatewright user add {credentials.basic} NAME"
            named.append(((*place, "basic"), credentials.basic, fix))
        if credentials.bearer is not None and not credentials.bearer.jwks.is_url:
            fix = "fetch the key set from the issuer again (the 'jwks_uri' of its metadata)"
            named.append(((*place, "bearer", "jwks"), credentials.bearer.jwks.file, fix))
        for where, name, fix in named:
            problem = view.facts.credentials.get(name)
            if problem:
                yield Finding(where, f"{name!r} of route {path!r} is not usable: {problem}", "nobody could pass", fix)


@rule("bearer-audience")
def bearer_audience(view: View) -> Iterator[Finding]:
    """Without an audience a token meant for any other service of the same issuer would open this one (RFC 8725 §3.9)."""
    for path, place, credentials in _demanding(view):
        audience = credentials.bearer.audience if credentials.bearer is not None else "any"
        if not audience.strip() or len(audience) > 256 or not audience.isprintable():
            what = f"the audience of route {path!r} is empty, too long or unprintable"
            why = "a token for another service would open this one"
            yield Finding(
                (*place, "bearer", "audience"), what, why, "write the 'aud' that the issuer puts into tokens for it"
            )


@rule("bearer-ca-without-url")
def bearer_ca_without_url(view: View) -> Iterator[Finding]:
    """``ca`` beside a file of keys would look like protection and do nothing."""
    for path, place, credentials in _demanding(view):
        bearer = credentials.bearer
        if bearer is not None and bearer.ca is not None and not bearer.jwks.is_url:
            what = f"route {path!r} gives a 'ca' for a key set that is a file"
            yield Finding(
                (*place, "bearer", "ca"), what, "nothing is fetched", "remove 'ca', or write an https:// URL as 'jwks'"
            )


@rule("bearer-ca-conflict")
def bearer_ca_conflict(view: View) -> Iterator[Finding]:
    """One URL is fetched once, whoever names it; two opinions on whom to believe would make one of them void."""
    first: dict[str, tuple[str, str | None]] = {}
    for path, place, credentials in _demanding(view):
        bearer = credentials.bearer
        if bearer is None or not bearer.jwks.is_url:
            continue
        other, ca = first.setdefault(bearer.jwks, (path, bearer.ca))
        if ca != bearer.ca:
            what = f"routes {other!r} and {path!r} verify {bearer.jwks} with different 'ca' files"
            yield Finding((*place, "bearer"), what, "it is fetched once for both", "write the same 'ca' in both")
