"""Reports for tests: one that is proven, and one full of what hostile servers and certificates may say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from gatewright.prove.cases import NOBODY, Ask, Case, Expected, Family, Http, Identity, Kind, Outcome, Protocol, Tls
from gatewright.prove.report import NotCovered, Report, UsedIdentity
from gatewright.prove.verdict import Seen, Verdict, judge

BEGAN = datetime(2030, 1, 1, 11, 59, 50, tzinfo=UTC)

HOSTILE = "<script>alert(1)</script>\" onload='x' & \x1b[2J\x1b]0;owned\x07 \u202egnp.exe \x00 \ud800 ]]> {{7*7}} \r\n\u2028FAKE: passed"
"""Markup, quotes, terminal commands, a bidirectional override, NUL, half a surrogate, line ends."""


def verdicts() -> list[Verdict]:
    """Four that pass, of three families."""
    shut = Expected(Outcome.REFUSED, (403,), ("client_certificate_required",))
    closed = Expected(Outcome.NO_HANDSHAKE, alerts=(48,))
    told = Seen(handshake=True, status=403, code="client_certificate_required", answers=1, milliseconds=1.23456)
    found = [
        judge(
            Case(
                f"no-certificate {path} {protocol}",
                Family.NO_CERTIFICATE,
                Ask(path, sni="localhost", host="localhost"),
                NOBODY,
                protocol,
                shut,
                "nobody gets in without a certificate",
                path,
            ),
            told,
        )
        for path in ("/orders/", "/billing/")
        for protocol in [Protocol(Tls.V13, Http.H2)]
    ]
    look_alike = Case(
        "look-alike-ca of home tls1.2 h1",
        Family.WRONG_CERTIFICATE,
        Ask("/orders/"),
        Identity(Kind.LOOK_ALIKE, "home", "billing-bot"),
        Protocol(Tls.V12),
        closed,
        "a name is not a key",
    )
    found.append(judge(look_alike, Seen(alert=48)))
    admitted = Case(
        "billing-bot /billing/ tls1.3 h1",
        Family.ADMITTED,
        Ask("/billing/"),
        Identity(Kind.CLIENT, "home", "billing-bot"),
        Protocol(),
        Expected(Outcome.ADMITTED, (200,), canary=True, present=("X-Client",)),
        "who is named gets in",
        "/billing/",
    )
    sent = (("X-Client", "billing-bot"), ("X-Api-Key", "hunter2"))
    found.append(judge(admitted, Seen(handshake=True, status=200, headers=sent, answers=1)))
    return found


def proven(began: datetime = BEGAN) -> Report:
    """A small proof in which everything passed."""
    return Report(
        target="127.0.0.1:8443",
        shadow=False,
        policy_sha256="ab" * 32,
        generation=7,
        gatewright_version="0.1.0",
        httpd_version="2.4.71",
        openssl_version="OpenSSL 3.0.22 25 Aug 2026",
        began=began,
        seconds=1.25,
        sampled=True,
        routes=2,
        identities=(
            UsedIdentity("client of home as billing-bot", "home", "0A1B", "cd" * 32, began, twin=False, gone=True),
        ),
        verdicts=tuple(verdicts()),
        not_covered=(
            NotCovered("clients of partner", "its key is the partner's; proved from the refusing side only", 12),
        ),
    )


def unproven() -> Report:
    """The same with a door that stood open, and a probe that came to nothing."""
    good = proven()
    case = replace(good.verdicts[0].case, id="no-certificate /orders/%2e tls1.3 h2", family=Family.PATH_CONFUSION)
    dead = replace(case, id="no-certificate /orders/;x tls1.3 h2")
    more = (judge(case, Seen(handshake=True, status=200, answers=1)), judge(dead, Seen(errno=110)))
    return replace(good, verdicts=(*good.verdicts, *more))


def hostile() -> Report:
    """A report in which every text that comes from outside is :data:`HOSTILE`."""
    good = proven()
    case = replace(
        good.verdicts[0].case,
        id=HOSTILE,
        why=HOSTILE,
        route=HOSTILE,
        identity=Identity(Kind.CLIENT, HOSTILE, HOSTILE),
        ask=Ask(HOSTILE, HOSTILE, HOSTILE, HOSTILE, ((HOSTILE, HOSTILE),), target=HOSTILE, raw=HOSTILE),
    )
    seen = Seen(handshake=True, status=200, code=HOSTILE, headers=((HOSTILE, HOSTILE),), note=HOSTILE, answers=1)
    identity = replace(good.identities[0], description=HOSTILE, authority=HOSTILE, serial=HOSTILE, gone=False)
    return replace(
        good,
        target=HOSTILE,
        httpd_version=HOSTILE,
        openssl_version=HOSTILE,
        policy_sha256=HOSTILE,
        identities=(identity,),
        verdicts=(*good.verdicts, Verdict(case, seen, passed=False, inconclusive=False, evidence=HOSTILE)),
        not_covered=(NotCovered(HOSTILE, HOSTILE),),
    )
