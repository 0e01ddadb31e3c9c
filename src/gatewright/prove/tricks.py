"""Cases about one route: methods, spellings of its path, identity headers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from gatewright.model import reasons
from gatewright.model.values import RoutePath
from gatewright.prove.cases import NOBODY, Expected, Family, Http, Identity, Kind, Outcome, Protocol, Tls
from gatewright.prove.doors import Asks, Doors, plain
from gatewright.prove.expecting import CANARY, allows, expected, refused, welcome
from gatewright.prove.listener import SHUT
from gatewright.prove.told import ALL, SIGNED, told
from gatewright.prove.writing import Writer

_BOTH = (Protocol(Tls.V12, Http.H1), Protocol(Tls.V13, Http.H2))
_HARMLESS = ("HEAD", "OPTIONS", "TRACE", "BREW", "PROPFIND")
_CHANGING = ("POST", "PUT", "DELETE", "PATCH")
_OVERRIDES = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")

LIE = "gatewright-spoofed"
"""What a client writes into every identity header; it must reach nobody."""

# Said a second time and apart from the compiler, which must strip them all.
_IDENTITY = """
Client-Cert Client-Cert-Chain X-Client-Subject X-Client-Issuer X-Client-Serial X-Client-DNS X-Client-Email X-Gateway-Time
X-Gateway-Request X-Gateway-Target X-Gateway-Signature X-Basic-User X-Token-Subject X-Client-Not-After X-Forwarded-Client-Cert X-Client-Cert
X-Client-Cert-Chain X-Client-DN X-Client-S-DN X-Client-I-DN X-Client-CN X-Client-Verify X-Client-Name X-Client-Fingerprint
X-SSL-Cert X-SSL-Client-Cert X-SSL-Client-Verify X-SSL-Client-S-DN X-SSL-Client-I-DN X-SSL-Client-DN X-SSL-Client-CN
X-SSL-Client-Serial X-SSL-Client-M-Serial X-SSL-Client-SHA1 X-SSL-Client-Fingerprint X-SSL-Client-Not-After X-SSL-Issuer
X-SSL-Subject SSL-Client-Cert SSL-Client-Verify SSL-Client-S-DN SSL-Client-I-DN SSL-Client-M-Serial SSL-Cipher
SSL-Session-Id SSL-Cipher-Usekeysize X-ARR-ClientCert X-Amzn-Mtls-Clientcert X-Amzn-Mtls-Clientcert-Leaf
X-Amzn-Mtls-Clientcert-Subject X-Amzn-Mtls-Clientcert-Serial-Number X-WS-Client-Cert X-Remote-User Remote-User
X-Authenticated-User X-Forwarded-User X-Forwarded-Tls-Client-Cert X-Forwarded-Tls-Client-Cert-Info SSL-Client-Subject-DN
SSL-Client-Issuer-DN X-SSL-Client X-Client-Cert-Present X-Client-Cert-Chain-Verified X-Client-Cert-Subject-DN
X-Auth-Request-User X-Auth-Request-Email X-Auth-Request-Groups X-Auth-Request-Preferred-Username X-Forwarded-Email
X-Forwarded-Groups X-Forwarded-Preferred-Username X-Webauth-User
""".split()
_OURS = 13  # the first so many are the gateway's own, of three words at most
_ORIGIN = ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Server", "X-Forwarded-Proto", "X-Forwarded-Port", "Forwarded",
           "X-Real-IP", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP", "X-Original-Forwarded-For", "Proxy")  # fmt: skip
_HEADERS_AT_ONCE = 60  # httpd takes 100 fields in all


def shut_out(doors: Doors, path: RoutePath) -> Identity | None:
    """Somebody this route refuses by HTTP: nobody in particular, or where a certificate is demanded a revoked client."""
    if doors.gateway.routes[path].access.is_public or doors.asks is Asks.NEVER:
        return None
    if doors.asks is Asks.WELCOMES:
        return NOBODY
    insiders = doors.insiders(path, 1)
    return Identity(Kind.REVOKED, insiders[0].authority, insiders[0].client) if insiders else None


def method_cases(writer: Writer, path: RoutePath) -> None:
    """No method opens the route to those it refuses; those it admits have exactly the methods declared."""
    doors = writer.doors
    route, inside = doors.gateway.routes[path], doors.inside(path)
    outsider = shut_out(doors, path)
    if outsider is not None:
        # An exact path is a real resource: should the gateway be broken, nothing there may be changed by trying.
        methods = _HARMLESS + (_CHANGING if path.is_tree else ())
        for protocol in _BOTH:
            for method in methods:
                ask = writer.ask(inside, method=method)
                writer.add(
                    Family.METHODS, f"{path} {method}", ask, outsider, protocol, SHUT, "shut for every method", path
                )
            for header in _OVERRIDES:
                ask = writer.ask(inside, headers=((header, "GET"),))
                writer.add(Family.METHODS, f"{path} {header}", ask, outsider, protocol, SHUT, "the line counts", path)
    for insider in [] if doors.asks is Asks.NEVER else doors.insiders(path, 1):
        for protocol in _BOTH:
            for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
                wanted = expected(doors, inside, insider, method, protocol.tls)
                if wanted is not None and (route.methods or not allows(route, method)):
                    ask = writer.ask(inside, method=method)
                    writer.add(Family.METHODS, f"{path} {method}", ask, insider, protocol, wanted, "as declared", path)


def path_cases(writer: Writer, path: RoutePath) -> None:
    """No spelling of the path opens the route to those it refuses."""
    doors = writer.doors
    _unsafe(writer, path)
    outsider = shut_out(doors, path)
    if outsider is None:
        return
    for label, spelled in _spellings(doors, path):
        falls = plain(spelled)
        door = None if falls is None else doors.door(falls)
        if door is not None and doors.gateway.routes[door].access.is_public:
            continue  # that path is another, open route's
        for http in Http:
            ask = writer.ask(doors.inside(path), target=spelled)
            why = "however it is spelled, it is this route or none"
            protocol = Protocol(Tls.V13, http)
            writer.add(Family.PATH_CONFUSION, f"{path} {label}", ask, outsider, protocol, SHUT, why, path)


def _unsafe(writer: Writer, path: RoutePath) -> None:
    """Not even those whom a route admits send paths through it that a backend could read as leading elsewhere."""
    doors = writer.doors
    insiders = [] if doors.asks is Asks.NEVER or not path.is_tree else doors.insiders(path, 1)
    method = doors.method(doors.gateway.routes[path])
    why = "backends drop parameters and turn backslashes before they resolve dots"
    for insider in insiders:
        for label, tail in (("dots with parameters", "..;/x"), ("backslash", "..%5cx"), ("control character", "%0dx")):
            for protocol in _BOTH:
                ask = writer.ask(doors.inside(path), method=method, target=f"{path}{tail}")
                wanted = refused(reasons.UNSAFE_PATH)
                writer.add(Family.PATH_CONFUSION, f"{path} {label}", ask, insider, protocol, wanted, why, path)
        _same_or_none(writer, path, insider)


def _same_or_none(writer: Writer, path: RoutePath, insider: Identity) -> None:
    """Doubled slashes and dot segments are the route itself to those it admits; an encoded slash is nothing to anybody."""
    doors = writer.doors
    inside, method = doors.inside(path), doors.method(doors.gateway.routes[path])
    not_there = Expected(Outcome.REFUSED, (404,))
    itself = welcome(doors.gateway.routes[path])
    cases = (
        ("doubled slash", f"/{inside}", itself),
        ("dot segment", f"/.{inside}", itself),
        ("encoded slash", f"{path}a%2fb", not_there),
    )
    for label, spelled, wanted in cases:
        for protocol in _BOTH:
            ask = writer.ask(inside, method=method, target=spelled)
            why = "one path has one meaning"
            writer.add(Family.PATH_CONFUSION, f"{path} {label}", ask, insider, protocol, wanted, why, path)


def _spellings(doors: Doors, path: RoutePath) -> Iterator[tuple[str, str]]:
    inside = doors.inside(path)
    first, rest = inside[1:2], inside[2:]
    yield "doubled slash", f"/{inside}"
    yield "doubled slashes all along", inside.replace("/", "//")
    yield "dot segment", f"/.{inside}"
    yield "encoded dot segment", f"/%2e{inside}"
    yield "there and back", f"/{LIE}/..{inside}"
    yield "there and back, encoded", f"/{LIE}/%2e%2e{inside}"
    yield "there and back, half encoded", f"/{LIE}/.%2E{inside}"
    yield "beyond the root", f"/../..{inside}"
    yield "upper case", inside.upper()
    yield "parameters", f"{inside};x=y"
    yield "parameters on a dot segment", f"/{LIE}/..;{inside}"
    yield "encoded parameters on a dot segment", f"/{LIE}/..%3b{inside}"
    yield "backslash", f"/\\..{inside}".replace("/", "\\", 1)
    yield "encoded backslash", f"/{LIE}%5c..{inside}"
    yield "encoded NUL", f"{inside}%00"
    yield "encoded slash", "/" + inside[1:].replace("/", "%2f")
    yield "doubly encoded slash", "/" + inside[1:].replace("/", "%252f")
    yield "overlong UTF-8", f"/{LIE}/..%c0%af{inside[1:]}"
    yield "very long", f"{inside}?{'x' * 9000}"
    if first:
        yield "encoded letter", f"/%{ord(first):02x}{rest}"
        yield "doubly encoded letter", f"/%25{ord(first):02x}{rest}"
    public = next((p for p, r in doors.gateway.routes.items() if r.access.is_public and p.is_tree and p != "/"), None)
    if public is not None:
        up = "../" * (public.count("/") - 1)
        yield "up from the public", f"{public}{up}{inside[1:]}"
        yield "up from the public, encoded", f"{public}{up.replace('..', '%2e%2e')}{inside[1:]}"
        yield "up from the public, with parameters", f"{public}{up.replace('..', '..;')}{inside[1:]}"
        yield "up from the public, encoded slash", f"{public}{up.replace('/', '%2f')}{inside[1:]}"
        yield "up from the public, backslash", f"{public}{up.replace('/', '%5c')}{inside[1:]}"


def header_cases(writer: Writer, path: RoutePath) -> None:
    """What reaches a backend about a client's identity is the gateway's word, whatever the client wrote."""
    doors = writer.doors
    route = doors.gateway.routes[path]
    insiders = [] if doors.asks is Asks.NEVER else doors.insiders(path, 1)
    if not insiders or route.credentials is not None:
        return  # where credentials are demanded, nothing of a proof comes as far as the canary
    announced, signed = told(route), "" if route.backend is None else str(route.backend.signed or "")
    others = () if route.backend is None else tuple(name for name in ALL if name not in announced)
    wanted = replace(
        CANARY,
        present=(*announced, *(SIGNED if signed else ())),
        missing=(*others, *(() if signed or route.backend is None else SIGNED)),
        absent=LIE,
        shaped=(("X-Forwarded-Proto", "https"), *announced.items()),
        signed=signed,
    )
    method, inside = doors.method(route), doors.inside(path)
    names = list(dict.fromkeys(_spelled()))
    if any(case.family is Family.HEADER_SPOOFING for case in writer.cases) or not writer.first:
        names = names[:_HEADERS_AT_ONCE]  # what is taken from requests is the same everywhere: all of it is tried once
    for start in range(0, len(names), _HEADERS_AT_ONCE):
        lies = tuple((name, LIE) for name in names[start : start + _HEADERS_AT_ONCE])
        for http in Http:
            ask = writer.ask(inside, method=method, headers=lies)
            label = f"{path} lies from {lies[0][0]} on"
            protocol = Protocol(Tls.V13, http)
            writer.add(
                Family.HEADER_SPOOFING,
                label,
                ask,
                insiders[0],
                protocol,
                wanted,
                "only the gateway says who it is",
                path,
            )
    said = wanted.present
    if said:
        for named in (
            ", ".join(said),
            f"keep-alive, {said[0]}",
            f"{said[-1].lower()} ,{said[0].lower()}",
        ):
            ask = writer.ask(inside, method=method, headers=(("Connection", named),))
            why = "a client must not have our headers removed (RFC 9110 §7.6.1)"
            writer.add(
                Family.HEADER_SPOOFING,
                f"{path} Connection: {named}",
                ask,
                insiders[0],
                Protocol(Tls.V13),
                wanted,
                why,
                path,
            )


def _spelled() -> Iterator[str]:
    ours = {*_IDENTITY[:_OURS], *ALL}
    for name in _IDENTITY:
        yield from _joined(name, "-_." if name in ours else "-_")
    for name in _ORIGIN:
        yield from _joined(name, "-_")
    for name in (*_IDENTITY, *_ORIGIN):
        yield name.replace("-", ".")
    for name in _IDENTITY[:_OURS]:
        yield name.upper()
    for name in ("Content-Length", "Transfer-Encoding"):
        yield from (name.replace("-", separator) for separator in "_.")


def _joined(name: str, separators: str) -> Iterator[str]:
    words = name.split("-")
    for choice in product(separators, repeat=len(words) - 1):
        yield "".join(w + s for w, s in zip(words, (*choice, ""), strict=True))
