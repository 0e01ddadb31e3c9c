"""Cases about what a route demands besides a certificate: neither a certificate nor anything made up opens it.

Said apart from the compiler. Nothing here can be a real credential: the passwords are nobody's, the tokens are signed by nobody. Good ones
are shown at a shadow instance only, which knows one user and one key more than the real gateway (:mod:`gatewright.prove.vouching`).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace

from gatewright.model import reasons
from gatewright.model.credentials import Bearer
from gatewright.model.values import RoutePath
from gatewright.prove.cases import NOBODY, Expected, Family, Identity, Kind, Voucher
from gatewright.prove.doors import Asks
from gatewright.prove.expecting import CANARY, expected, refused, welcome
from gatewright.prove.writing import Writer

_2100 = 4_102_444_800
"""The first second of the year 2100: late enough that nothing is refused for its age alone."""

_MADE_UP = "Basic " + base64.b64encode(b"gatewright-probe:gatewright-probe").decode()


def credential_cases(writer: Writer, path: RoutePath, _most: int) -> None:
    """Whoever the certificate admits is still refused with every credential that is none; and nobody gets in without certificate."""
    doors = writer.doors
    route = doors.gateway.routes[path]
    if route.credentials is None or doors.asks is Asks.NEVER:
        return
    bearer = route.credentials.bearer
    if doors.stand_ins.credentials:
        _vouched(writer, path)
    inside, method = doors.inside(path), doors.method(route)
    wrong = reasons.CREDENTIALS_INVALID if bearer is None else reasons.TOKEN_INVALID
    why = "a certificate and something made up are not enough"
    for label, headers in _attempts(bearer):
        for protocol in writer.protocols:
            ask = writer.ask(inside, method=method, headers=headers)
            for insider in doors.insiders(path, 1)[:1]:
                if expected(doors, inside, insider, method, protocol.tls) != welcome(route):
                    continue  # outside its hours
                writer.add(Family.CREDENTIALS, f"{path} {label}", ask, insider, protocol, refused(wrong), why, path)
            if doors.asks is Asks.WELCOMES:
                wanted, alone = (
                    refused(reasons.CERTIFICATE_REQUIRED),
                    "credentials without a certificate are not even looked at",
                )
                writer.add(Family.CREDENTIALS, f"{path} {label}", ask, NOBODY, protocol, wanted, alone, path)


_WRONG = {
    Voucher.FORGED: reasons.TOKEN_INVALID,
    Voucher.EXPIRED: reasons.TOKEN_INVALID,
    Voucher.AUDIENCE: reasons.TOKEN_INVALID,
    Voucher.ISSUER: reasons.TOKEN_INVALID,
    Voucher.ELSEWHERE: reasons.TOKEN_BOUND_ELSEWHERE,
}


def _vouched(writer: Writer, path: RoutePath) -> None:
    """A good credential opens the door to those whom the certificate admits, and to nobody else; a wrong one opens it to nobody."""
    doors = writer.doors
    route = doors.gateway.routes[path]
    assert route.credentials is not None
    bearer = route.credentials.bearer
    inside, method = doors.inside(path), doors.method(route)

    def add(identity: Identity, voucher: Voucher, wanted: Expected, why: str) -> None:
        label = "password" if bearer is None else "token"
        for protocol in writer.protocols:
            ask = replace(writer.ask(inside, method=method), voucher=voucher)
            name = f"{path} a {label} that is {voucher}"
            writer.add(Family.CREDENTIALS, name, ask, identity, protocol, wanted, why, path)

    told = "X-Basic-User" if bearer is None else "X-Token-Subject"
    good = replace(CANARY, present=(told,), missing=("Authorization",) if bearer is None else ())
    for insider in doors.insiders(path, 1)[:1]:
        add(insider, Voucher.GOOD, good, "both halves are right")
        wrong = _WRONG if bearer is not None else {Voucher.FORGED: reasons.CREDENTIALS_INVALID}
        for voucher, reason in wrong.items():
            add(insider, voucher, refused(reason), "wrong in one thing")
        revoked = Identity(Kind.REVOKED, insider.authority, insider.client)
        add(revoked, Voucher.GOOD, refused(reasons.CERTIFICATE_REVOKED), "a credential makes up for no revocation")
    for outsider in doors.outsiders(path, 1)[:2]:
        wanted = refused(reasons.CERTIFICATE_NOT_AUTHORISED)
        add(outsider, Voucher.GOOD, wanted, "a credential makes up for no certificate that is not named here")
    if doors.asks is Asks.WELCOMES:
        add(NOBODY, Voucher.GOOD, refused(reasons.CERTIFICATE_REQUIRED), "a credential makes up for no certificate")


def _attempts(bearer: Bearer | None) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
    def field(value: str) -> tuple[tuple[str, str], ...]:
        return (("Authorization", value),)

    yield "somebody's password", field(_MADE_UP)
    yield "no scheme", field("gatewright-probe")
    if bearer is None:
        yield "a token instead", field("Bearer gatewright-probe")
        return
    claims = {"iss": bearer.issuer, "aud": bearer.audience, "sub": "gatewright-probe", "exp": _2100}
    for algorithm in ("none", "HS256", "RS256", "ES256"):
        head = {"alg": algorithm, "typ": "JWT", "jku": "https://canary.gatewright.invalid/"}
        token = ".".join((_part(head), _part(claims), "AAAA"))
        yield f"a token signed by nobody ({algorithm})", field(f"Bearer {token}")
    yield "no token at all", field("Bearer gatewright-probe")
    yield "an overlong token", field(f"Bearer {'A' * 9_000}.A.A")


def _part(data: Mapping[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(dict(data)).encode()).decode().rstrip("=")
