"""Cases about a listener as a whole: what the handshake refuses, names, sessions, versions, framing. Tried at one door."""

from __future__ import annotations

from dataclasses import replace

from gatewright.model.values import RoutePath
from gatewright.prove.cases import (
    NOBODY,
    Ask,
    Expected,
    Family,
    Http,
    Identity,
    Kind,
    Outcome,
    Protocol,
    Session,
    Tls,
    Transport,
)
from gatewright.prove.doors import Asks
from gatewright.prove.expecting import NO_HANDSHAKE, expected, welcome
from gatewright.prove.writing import Writer

OWN_PAGES = "/.gatewright/"
"""Said a second time, apart from the compiler."""

UNKNOWN_NAME = "unknown.canary.gatewright.invalid"

SHUT = Expected(Outcome.SHUT, (400, 403, 404, 405, 414, 421, 501))
"""Refused in whatever way: every status of a refusal that is not the backend's or the file's own."""

# OpenSSL's names: without forward secrecy, or with CBC (RFC 9325 §4.2).
_WEAK_SUITES = "AES128-GCM-SHA256:AES128-SHA:ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384"


def listener_cases(writer: Writer, *, thorough: bool) -> None:
    """Every case about the listener."""
    door, insider = _door(writer)
    if door is None:
        return
    if writer.doors.asks is not Asks.NEVER:
        _handshakes(writer, door)
    elif writer.doors.strangers:
        _never_asked(writer)
    if insider is not None:
        _sessions(writer, door, insider)
    _names(writer, door, insider)
    _own_pages(writer, insider)
    _strength(writer, door)
    _plain_text(writer, door)
    _framing(writer, door, insider)
    if thorough:
        silent = writer.ask(writer.doors.inside(door), transport=Transport.SILENT)
        why = "half-open handshakes must not hold workers"
        writer.add(Family.EXHAUSTION, "silence", silent, NOBODY, Protocol(), SHUT, why)


def _door(writer: Writer) -> tuple[RoutePath | None, Identity | None]:
    """A door and somebody it admits: protected where there is one, else any."""
    doors = writer.doors
    routes = doors.gateway.routes
    if doors.asks is not Asks.NEVER:
        managed = set(doors.gateway.managed_authorities)
        for wanted in (managed, set(doors.gateway.authorities)):
            # One that admits by certificate alone, where there is one: behind the others, refusals look alike.
            for path, route in sorted(routes.items(), key=lambda item: item[1].credentials is not None):
                for insider in () if route.access.is_public else doors.insiders(path, 1):
                    if insider.authority in wanted:
                        return path, insider
        return next((path for path, route in routes.items() if not route.access.is_public), None), None
    return next((path for path, route in routes.items() if route.backend is None), None), None


def _handshakes(writer: Writer, door: RoutePath) -> None:
    doors = writer.doors
    wrong: list[tuple[Family, Identity, str]] = [
        (Family.WRONG_CERTIFICATE, Identity(Kind.FOREIGN), "issued by a CA that nobody declared")
    ]
    authorities = list(doors.gateway.authorities)
    for name in authorities:
        generations = range(len(doors.gateway.authorities[name].anchors) or 1)
        client = next(
            (c for c, v in doors.gateway.clients.items() if v.authority == name and doors.can_stand_for(c)), None
        )
        kinds = {
            Kind.LOOK_ALIKE: (Family.WRONG_CERTIFICATE, "a CA of the same name and key identifier, but another key"),
            Kind.SELF_SIGNED: (Family.WRONG_CERTIFICATE, "names anybody can write"),
            Kind.LEAF_AS_CA: (Family.WRONG_CERTIFICATE, "issued by a client as if it were a CA"),
            Kind.STUFFED: (Family.WRONG_CERTIFICATE, "real certificates sent along prove nothing"),
            Kind.SUB_CA: (Family.WRONG_CERTIFICATE, "no more CAs than declared stand between anchor and client"),
            Kind.EXPIRED: (Family.WRONG_MOMENT, "its time is over"),
            Kind.NOT_YET_VALID: (Family.WRONG_MOMENT, "its time has not come"),
            Kind.SERVER_ONLY: (Family.WRONG_PURPOSE, "issued for servers"),
            Kind.WEAK_KEY: (Family.WRONG_PURPOSE, "RSA of 1024 bits can be factored"),
            Kind.WEAK_HASH: (Family.WRONG_PURPOSE, "SHA-1 signatures can be forged"),
            Kind.CRITICAL: (Family.WRONG_PURPOSE, "a critical extension that is not understood (RFC 5280 §4.2)"),
        }
        if doors.gateway.authorities[name].names:
            why = "a name that this authority cannot vouch for (RFC 5280 §4.2.1.10)"
            wrong.append((Family.WRONG_CERTIFICATE, Identity(Kind.OUTSIDE_NAMES, name), why))
        wrong += [
            (family, Identity(kind, name, client, generation=generation), why)
            for generation in generations
            for kind, (family, why) in kinds.items()
        ]
        wrong += [
            (
                Family.WRONG_CERTIFICATE,
                Identity(kind, name, other=other, generation=generation),
                "one authority speaking for another",
            )
            for generation in generations
            for other in authorities
            if other != name
            for kind in (Kind.SUB_CA_OTHER, Kind.SUB_CA_COPY)
        ]
        if not doors.gateway.authorities[name].managed:
            why = "no spelling of another authority's name opens its doors"
            wrong += [
                (
                    Family.WRONG_CERTIFICATE,
                    Identity(Kind.SPELLED_AS_OTHER, name, other=other, generation=generation),
                    why,
                )
                for generation in generations
                for other in authorities
                if other != name
            ]
    wrong += [
        (Family.WRONG_CERTIFICATE, Identity(Kind.UNNAMED, name), "trusted under another name of the gateway only")
        for name in doors.strangers
    ]
    wrong += [
        (Family.WRONG_CERTIFICATE, Identity(Kind.UNNAMED, name, generation=generation), "its partner is disabled")
        for partner in doors.gateway.partners.values()
        if partner.disabled
        for name in partner.authorities
        for generation in range(len(doors.gateway.every_authority[name].anchors) or 1)
    ]
    ask = writer.ask(doors.inside(door), method=doors.method(doors.gateway.routes[door]))
    for family, identity, why in wrong:
        for protocol in writer.protocols:
            writer.add(family, "at the handshake", ask, identity, protocol, NO_HANDSHAKE, why)


def _never_asked(writer: Writer) -> None:
    """Under a name that asks nobody, a certificate is not even seen: the wrong one passes, and the right one opens nothing."""
    doors = writer.doors
    presented = (Identity(Kind.FOREIGN), *(Identity(Kind.UNNAMED, name) for name in doors.strangers))
    for path, route in doors.gateway.routes.items():
        ask = writer.ask(doors.inside(path), method=doors.method(route))
        for identity in presented:
            for protocol in writer.protocols:
                wanted = expected(doors, doors.inside(path), NOBODY, doors.method(route), protocol.tls)
                if wanted is not None:
                    why = "nobody is asked for a certificate under this name"
                    writer.add(Family.WRONG_CERTIFICATE, f"{path} unasked", ask, identity, protocol, wanted, why, path)


def _sessions(writer: Writer, door: RoutePath, insider: Identity) -> None:
    doors = writer.doors
    why = "a resumed session skips what expiry and revocation rest on (CVE-2025-23048, CVE-2025-23419)"
    wanted = replace(welcome(doors.gateway.routes[door]), outcome=Outcome.NOT_RESUMED)
    for tls in (Tls.V12, Tls.V13):
        for session in (Session.SAME_NAME, Session.OTHER_NAME):
            ask = writer.ask(doors.inside(door), method=doors.method(doors.gateway.routes[door]), session=session)
            writer.add(Family.RESUMPTION, str(session), ask, insider, Protocol(tls), wanted, why)


def _names(writer: Writer, door: RoutePath, insider: Identity | None) -> None:
    """Somebody who would be admitted under the right name is not under a wrong one."""
    doors, gateway = writer.doors, writer.doors.gateway
    method, path = doors.method(gateway.routes[door]), doors.inside(door)
    identity = insider or NOBODY
    plain_host, unknown = writer.authority, f"{UNKNOWN_NAME}:{{port}}"
    wrong: dict[str, tuple[str | None, str | None]] = {
        "unknown name in handshake and Host": (UNKNOWN_NAME, unknown),
        "unknown name in the handshake": (UNKNOWN_NAME, plain_host),
        "unknown name in Host": (writer.sni, unknown),
        "no name in the handshake, unknown in Host": (None, unknown),
    }
    if writer.sni is None:
        wrong = {"unknown name in Host": (None, unknown), "name in the handshake": (UNKNOWN_NAME, plain_host)}
    else:
        wrong["no name in the handshake"] = (None, plain_host)
        wrong |= {f"Host {a.in_url} under a name": (writer.sni, f"{a.in_url}:{{port}}") for a in gateway.addresses}
        wrong["no name at all"] = (None, None)
        wrong |= {f"Host {h} in a handshake with {writer.sni}": (writer.sni, f"{h}:{{port}}") for h in doors.others}
        wrong |= {f"Host {writer.sni} in a handshake with {h}": (str(h), plain_host) for h in doors.others}
    for label, (sni, host) in wrong.items():
        for protocol in writer.protocols:
            ask = Ask(path, method, sni, host)
            writer.add(Family.NAME_CONFUSION, label, ask, identity, protocol, SHUT, "not one of the gateway's names")
    _odd_hosts(writer, door)
    for name in (*gateway.names, *gateway.addresses) if writer.sni is not None or not gateway.names else ():
        ask = Ask(path, method, None if name.is_address else str(name), f"{name.in_url}:{{port}}")
        for who in dict.fromkeys((NOBODY, identity)):
            for http in Http:
                protocol = Protocol(Tls.V13, http)
                wanted = expected(doors, path, who, method, protocol.tls)
                if wanted is not None:
                    family = Family.ADMITTED if wanted.outcome is Outcome.ADMITTED else Family.NO_CERTIFICATE
                    writer.add(
                        family,
                        f"{door} under {name}",
                        ask,
                        who,
                        protocol,
                        wanted,
                        "every name has the same policy",
                        door,
                    )


def _own_pages(writer: Writer, insider: Identity | None) -> None:
    """The pages that explain refusals are shown from inside only; to be asked for they are as shut as what no route covers."""
    for identity in dict.fromkeys((insider or NOBODY, NOBODY)):
        # One that would answer 500 if it were shown; where everything else is public, what is not shown is not found.
        ask = writer.ask(f"{OWN_PAGES}internal_error.asis")
        wanted = Expected(Outcome.SHUT, (403, 404))
        why = "nobody asks for the gateway's own pages"
        writer.add(Family.PATH_CONFUSION, "the gateway's own pages", ask, identity, Protocol(), wanted, why)


def _odd_hosts(writer: Writer, door: RoutePath) -> None:
    """Requests that name two hosts, or none, from a caller who must not pass whichever counts."""
    doors = writer.doors
    if doors.asks is not Asks.WELCOMES:
        return
    path, host, other = doors.inside(door), writer.authority, f"{UNKNOWN_NAME}:{{port}}"
    raw = {
        "two Hosts": f"GET {path} HTTP/1.1\r\nHost: {host}\r\nHost: {other}\r\n\r\n",
        "two Hosts, reversed": f"GET {path} HTTP/1.1\r\nHost: {other}\r\nHost: {host}\r\n\r\n",
        "absolute URI and another Host": f"GET https://{host}{path} HTTP/1.1\r\nHost: {other}\r\n\r\n",
        "absolute URI of another": f"GET https://{other}{path} HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "no Host": f"GET {path} HTTP/1.1\r\n\r\n",
        "HTTP/1.0 without Host": f"GET {path} HTTP/1.0\r\n\r\n",
        "HTTP/0.9": f"GET {path}\r\n\r\n",
        "trailing dot": f"GET {path} HTTP/1.1\r\nHost: {writer.host}.\r\n\r\n",
        "upper case": f"GET {path} HTTP/1.1\r\nHost: {str(writer.host).upper()}\r\n\r\n",
    }
    for label, text in raw.items():
        ask = writer.ask(path, raw=text)
        writer.add(Family.NAME_CONFUSION, label, ask, NOBODY, Protocol(), SHUT, "whichever name counts, it is shut")
    second = replace(writer.ask(path), headers=(("host", UNKNOWN_NAME),))
    writer.add(Family.NAME_CONFUSION, "authority and another host", second, NOBODY, Protocol(Tls.V13, Http.H2), SHUT,
               "whichever name counts, it is shut")  # fmt: skip


def _strength(writer: Writer, door: RoutePath) -> None:
    ask = writer.ask(writer.doors.inside(door))
    # RFC 8996 §4 and §5: never TLS 1.0 or 1.1. Alerts by RFC 5246 §7.2.2: protocol_version 70, handshake_failure 40.
    for tls in (Tls.V10, Tls.V11):
        wanted = Expected(Outcome.NO_HANDSHAKE, alerts=(70,))
        writer.add(Family.TLS_STRENGTH, "old version", ask, NOBODY, Protocol(tls), wanted, "RFC 8996")
    weak = Protocol(Tls.V12, suites=_WEAK_SUITES)
    wanted = Expected(Outcome.NO_HANDSHAKE, alerts=(40,))
    writer.add(Family.TLS_STRENGTH, "weak suites", ask, NOBODY, weak, wanted, "RFC 9325 §4.2")


def _plain_text(writer: Writer, door: RoutePath) -> None:
    path, host = writer.doors.inside(door), writer.authority
    h2c = "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
    texts = {
        "HTTP/1.1": f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "HTTP/2 with prior knowledge": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "upgrade to h2c": f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{h2c}\r\n",
        "upgrade to TLS": f"OPTIONS * HTTP/1.1\r\nHost: {host}\r\nUpgrade: TLS/1.2\r\nConnection: Upgrade\r\n\r\n",
    }
    for label, raw in texts.items():
        ask = writer.ask(path, raw=raw, transport=Transport.PLAIN)
        wanted = Expected(Outcome.SHUT, (400,))
        writer.add(Family.PLAIN_TEXT, label, ask, NOBODY, Protocol(), wanted, "nothing is served without TLS")
    if writer.doors.asks is Asks.WELCOMES:
        ask = writer.ask(path, raw=texts["upgrade to h2c"])
        why = "an upgrade must not lead round the rules"
        writer.add(Family.PLAIN_TEXT, "h2c inside TLS", ask, NOBODY, Protocol(), SHUT, why)


def _framing(writer: Writer, door: RoutePath, insider: Identity | None) -> None:
    """Requests that two servers would read differently; from an insider, so that only the framing can be the reason."""
    if insider is None:
        return
    path, host = writer.doors.inside(door), writer.authority
    post = f"POST {path} HTTP/1.1\r\nHost: {host}\r\n"
    get = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n"
    texts = {
        "bare line feeds": f"GET {path} HTTP/1.1\nHost: {host}\n\n",
        "space before the colon": f"{get}X-Spaced : a\r\n\r\n",
        "header without a colon": f"{get}X-Lonely\r\n\r\n",
        "two lengths": f"{post}Content-Length: 0\r\nContent-Length: 5\r\n\r\n",
        "negative length": f"{post}Content-Length: -1\r\n\r\n",
        "length with a sign": f"{post}Content-Length: +0\r\n\r\n",
        "unknown transfer coding": f"{post}Transfer-Encoding: xchunked\r\n\r\n",
        "chunk size that is none": f"{post}Transfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n",
        "control character in a header": f"{get}X-Control: a\x01b\r\n\r\n",
        "control character in the path": f"GET {path}\x01 HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "space in the path": f"GET {path} x HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "tunnel": "CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n",
        "another server's address": f"GET http://127.0.0.1:{{port}}/ HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "lower-case method": f"get {path} HTTP/1.1\r\nHost: {host}\r\n\r\n",
    }
    if writer.doors.door("/") is not None:
        # A route there answers it as its own, under whichever name; where none is, only a forward proxy would.
        del texts["another server's address"]
    for label, raw in texts.items():
        why = "servers disagree on it, so nothing may be made of it"
        # A body that is never read is never found to be broken.
        unread = (401,) if writer.doors.gateway.routes[door].credentials is not None else ()
        wanted = Expected(Outcome.SHUT, (400, 403, 405, 413, 421, 501, 505, *unread))
        writer.add(Family.FRAMING, label, writer.ask(path, raw=raw), insider, Protocol(), wanted, why)
