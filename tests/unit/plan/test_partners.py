"""Partners: whose authorities are trusted, what is signed for them, and who loses access when one is disabled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gatewright.errors import ValueRejected
from gatewright.model.gateway import Gateway
from gatewright.model.matchers import EmailAddress, UriName
from gatewright.model.partners import AllowedName, Partner
from gatewright.model.values import HostName, Name
from gatewright.model.virtual_hosts import in_force, virtual_hosts
from gatewright.plan.diff import Kind, Trust, changes
from gatewright.prove.cases import Kind as Certificate
from gatewright.prove.cases import Outcome
from gatewright.prove.derive import derive
from gatewright.source import load

TEXT = """
gateway: api.example.org
listen: 8443
authorities:
  initech: { managed: true }
  home: { managed: true }
  globex: { anchor: [globex-1.pem, globex-2.pem] }
clients:
  bot: { authority: home, san: bot.example.org }
  erp: { authority: globex, san: erp.globex.example }
  robot: { authority: initech, san: robot.initech.example }
groups:
  robots: [robot, bot]
partners:
  globex: { authority: globex, contact: pki@globex.example }
  initech: { authority: initech, names: ["*.initech.example"] }
routes:
  /all/: { respond: { text: x }, access: any-client }
  /globex/: { respond: { text: x }, access: [erp] }
  /robots/: { respond: { text: x }, access: [robots] }
  /whole/: { respond: { text: x }, access: { any-of: [globex] } }
"""


def gateway(text: str = TEXT) -> Gateway:
    return load(text, "gateway.yaml").gateway


def disabled(name: str) -> Gateway:
    return gateway(TEXT.replace(f"  {name}: {{ authority: {name},", f"  {name}: {{ disabled: true, authority: {name},"))


@pytest.mark.parametrize("whole", [lambda g: g, in_force], ids=["file", "in-force"])
def test_a_disabled_partner_is_nowhere(whole) -> None:  # type: ignore[no-untyped-def]  # two ways to come there
    """Neither its authority nor its clients are left, and a route that was only for it admits nobody."""
    (host,) = virtual_hosts(whole(disabled("globex")))
    view = host.gateway
    assert set(view.authorities) == {"initech", "home"}
    assert set(view.clients) == {"bot", "robot"}
    assert view.routes["/globex/"].access.names == ()  # type: ignore[index]  # a path as text
    assert not view.routes["/globex/"].access.is_public  # type: ignore[index]  # a path as text
    assert view.routes["/whole/"].access.any_of == ()  # type: ignore[index]  # a path as text
    assert set(view.shut_out) == {"globex"}


def test_without_disabled_partners_nothing_is_left_out() -> None:
    """The negative twin: partners that are let in change nothing about who is trusted."""
    assert in_force(gateway()).authorities == gateway().authorities
    assert in_force(gateway()).clients == gateway().clients
    assert not in_force(gateway()).shut_out


def test_members_of_a_group_lose_their_partner_only() -> None:
    """A group keeps the clients of others."""
    assert in_force(disabled("initech")).groups["robots"] == ("bot",)  # type: ignore[index]  # a name as text


def test_contact_and_names_are_not_httpds_business() -> None:
    """A changed contact is no changed policy; a disabled partner is."""
    other = gateway(TEXT.replace("pki@globex.example", "noc@globex.example").replace("*.initech", "robot.initech"))
    assert other != gateway()
    assert in_force(other) == in_force(gateway())
    assert in_force(disabled("globex")) != in_force(gateway())


def test_a_partners_authority_never_issues_for_the_gateway() -> None:
    """The first managed authority is a partner's, so the second issues, disabled or not."""
    for declared in (gateway(), disabled("initech"), in_force(disabled("initech"))):
        assert declared.server_authority == "home"


def test_the_plan_tells_who_loses_access() -> None:
    """Disabling names the clients and the authority at every route; enabling gives it back, with a yes."""
    old, new = in_force(gateway()), in_force(disabled("globex"))
    trust = Trust({"globex": (("aa", "CN=Globex 1"), ("bb", "CN=Globex 2"))})
    lost = changes(old, new, trust, Trust({}))
    assert {loser for change in lost for loser in change.loses} == {
        "any client of globex",
        "erp (erp.globex.example, of globex)",
    }
    assert not [change for change in lost if change.gains]
    gained = changes(new, old, Trust({}), trust)
    assert {who for change in gained for who in change.gains} >= {"any client of globex"}
    assert any(change.asks for change in gained)


def test_the_prover_tries_every_ca_of_a_disabled_partner() -> None:
    """Each must be refused in the handshake; a partner that is let in is tried as a stranger nowhere."""

    def strangers(declared: Gateway) -> set[tuple[str | None, int]]:
        return {
            (c.identity.authority, c.identity.generation)
            for c in derive(declared).cases
            if c.identity.kind is Certificate.UNNAMED and c.expected.outcome is Outcome.NO_HANDSHAKE
        }

    assert strangers(in_force(disabled("globex"))) == {("globex", 0), ("globex", 1)}
    assert strangers(in_force(disabled("initech"))) == {("initech", 0)}
    assert strangers(in_force(gateway())) == set()


def test_the_prover_tries_clients_of_every_ca_of_a_partner() -> None:
    """While a partner moves from one CA to the next, its clients by either are tried wherever they are admitted."""
    admitted = [c.identity for c in derive(in_force(gateway())).cases if c.expected.outcome is Outcome.ADMITTED]
    assert {i.generation for i in admitted if i.authority == "globex"} == {0, 1}
    assert {i.generation for i in admitted if i.authority == "home"} == {0}
    assert {str(i) for i in admitted if i.generation} == {
        "unnamed of globex by its CA 2",
        "client of globex as erp by its CA 2",
    }


CASES = sorted((Path(__file__).parents[2] / "golden").glob("compile-*/gateway.yaml"))


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.parent.name)
def test_disabling_opens_nothing(case: Path) -> None:
    """Of every gateway that is compiled in a test, any one of its authorities may be a disabled partner's: nobody gains by it."""
    declared = gateway(case.read_text())
    for name in declared.authorities:
        whole = replace(declared, partners={**declared.partners, Name("them"): Partner((name,), disabled=True)})
        found = changes(in_force(declared), in_force(whole), Trust(), Trust())
        assert [change for change in found if change.gains or change.kind in {Kind.ROUTE_OPENED, Kind.METHODS}] == []
        for host in virtual_hosts(whole):
            assert name not in host.gateway.authorities
            assert not [c for c, client in host.gateway.clients.items() if client.authority == name]
            for path, route in host.gateway.routes.items():
                assert route.access.openness == declared.routes[path].access.openness


def allows(names: str, name: HostName | EmailAddress | UriName) -> bool:
    return Partner((Name("x"),), names=tuple(map(AllowedName.parse, names.split()))).allows(name)


@pytest.mark.parametrize(
    ("names", "name", "wanted"),
    [
        ("erp.globex.example", HostName("erp.globex.example"), True),
        ("erp.globex.example", HostName("a.erp.globex.example"), False),
        ("ERP.globex.example", HostName("erp.globex.example"), True),
        ("*.globex.example", HostName("erp.globex.example"), True),
        ("*.globex.example", HostName("a.b.globex.example"), True),
        ("*.globex.example", HostName("globex.example"), False),
        ("*.globex.example", HostName("evilglobex.example"), False),
        ("*.globex.example", HostName("10.0.0.1"), False),
        ("*.globex.example", EmailAddress("a@x.globex.example"), False),
        ("a@globex.example", EmailAddress("a@globex.example"), True),
        ("a@globex.example", EmailAddress("b@globex.example"), False),
        ("a@globex.example", UriName("mailto:a@globex.example"), False),
        ("spiffe://globex.example/a", UriName("spiffe://globex.example/a"), True),
        ("spiffe://globex.example/a", UriName("spiffe://globex.example/a/b"), False),
        ("a.example *.b.example", HostName("c.b.example"), True),
        ("", HostName("anything.example"), True),
    ],
)
def test_allowed_names(names: str, name: HostName | EmailAddress | UriName, wanted: bool) -> None:
    """A name is allowed as itself, or below a ``*.``; never as a name of another kind."""
    assert allows(names, name) is wanted


@pytest.mark.parametrize(
    "text", ["", "*", "*.", "*.*.example", "a.*.example", "10.0.0.1", "::1", "*.10.0.0.1", "a b", "@x.example"]
)
def test_what_is_no_allowed_name(text: str) -> None:
    """Nothing that no certificate can carry, and no pattern that could be read in two ways."""
    with pytest.raises(ValueRejected):
        AllowedName.parse(text)
