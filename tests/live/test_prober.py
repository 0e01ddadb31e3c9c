"""The prober counts what comes back for one request, and shares connections without mistaking one answer for another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gatewright.edges.probing.prober import LocalProber
from gatewright.ports.prober import Listener
from gatewright.prove.cases import NOBODY, Ask, Case, Expected, Family, Http, Outcome, Protocol, Tls, Transport
from tests.live.conftest import Lab
from tests.live.httpd import Running, running, site

pytestmark = pytest.mark.live

GATEWAY = """
gateway: localhost
listen: 0
authorities:
  home: { managed: true }
routes:
  /health:   { respond: { status: 200 }, access: public }
  /any/:     { files: site/protected, access: any-client }
"""
ONE = "GET /any/ HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n"
PROTOCOLS = [Protocol(tls, http) for tls in (Tls.V12, Tls.V13) for http in Http]


@pytest.fixture(scope="module")
def gate(lab: Lab, open_folder: Path) -> Iterator[Running]:
    site(open_folder)
    with running(GATEWAY, open_folder, {"home": lab.home}) as gate:
        gate.expect("AH01630", "AH01139", "AH10244", "AH00026", "AH02032")
        yield gate


def case(ask: Ask, protocol: Protocol, family: Family = Family.PATH_CONFUSION) -> Case:
    return Case(f"{ask.path} {protocol}", family, ask, NOBODY, protocol, Expected(Outcome.SHUT, (403, 404)), "", "")


@pytest.mark.parametrize("tls", [Tls.V12, Tls.V13])
@pytest.mark.parametrize("wanted", [1, 2, 3])
def test_further_answers_are_counted(gate: Running, tls: Tls, wanted: int) -> None:
    """Of requests sent at once, one has one answer; a second and a third are seen, however late, and nothing is waited for."""
    ask = Ask("/any/", host="localhost:{port}", sni="localhost", raw=ONE * wanted)
    (seen,) = LocalProber().run(
        Listener("127.0.0.1", gate.port, ""), [case(ask, Protocol(tls))], {}, "nonce", lambda _case, _seen: True
    )
    assert (seen.status, seen.answers) == (403, wanted)


def test_without_tls_too(gate: Running) -> None:
    """Plain text to the TLS port has one answer, and its connection is ended."""
    ask = Ask("/any/", raw=ONE, transport=Transport.PLAIN)
    (seen,) = LocalProber().run(
        Listener("127.0.0.1", gate.port, ""), [case(ask, Protocol())], {}, "nonce", lambda _case, _seen: True
    )
    assert (seen.status, seen.answers) == (400, 1)


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=str)
def test_cases_that_share_a_connection_see_their_own_answers(gate: Running, protocol: Protocol) -> None:
    """Refused spellings, one that ends the connection among them, leave what comes after them as it is when asked alone."""
    paths = [
        "/any/",
        "/any/%00",
        "/health",
        "/nothing",
        "/any/..%2f",
        "/health",
        "/any/" + "x" * 9000,
        "/any/",
        "/health",
    ]
    asks = [Ask("/any/", "GET", "localhost", "localhost:{port}", target=path) for path in paths]
    together = _statuses(gate, [case(ask, protocol) for ask in asks])
    alone = [_statuses(gate, [case(ask, protocol)])[0] for ask in asks]
    assert together == alone
    assert [together[n] for n in (0, 2, 5, 7, 8)] == [403, 200, 200, 403, 200]


def _statuses(gate: Running, cases: list[Case]) -> list[int | None]:
    seen = LocalProber().run(Listener("127.0.0.1", gate.port, ""), cases, {}, "nonce", lambda _case, _seen: True)
    return [one.status for one in seen]
