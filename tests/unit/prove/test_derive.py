"""What is tried follows from the gateway file: completely, repeatably, and never at a real backend's expense."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from tests.unit.prove.made import GATEWAY, NOW, gateway

from gatewright.model.values import Name, RoutePath
from gatewright.prove.cases import NOBODY, PROTOCOLS, Case, Family, Kind, Outcome, Voucher
from gatewright.prove.derive import Depth, derive, meanwhile
from gatewright.prove.doors import Doors, StandIns
from gatewright.prove.members import MOST_DOORS, derive_members
from gatewright.prove.minting import subject_of
from gatewright.prove.report import GOOD_CREDENTIALS, OPEN_CONNECTIONS


def many(count: int) -> str:
    """A gateway of ``count`` routes of a few kinds."""
    lines = []
    for number in range(count):
        access = ("public", "any-client", "[alice]", "[erp]")[number % 4]
        content = 'backend: "http://127.0.0.1:9001"' if number % 3 else "respond: { text: x }"
        lines.append(f"  /area/route{number}{'/' if number % 5 else ''}: {{ {content}, access: {access} }}")
    return GATEWAY.split("routes:")[0] + "routes:\n" + "\n".join(lines) + "\n"


@pytest.mark.parametrize("depth", Depth)
@pytest.mark.parametrize("text", [GATEWAY, many(60)])
def test_ids_are_unique_and_the_same_every_time(depth: Depth, text: str) -> None:
    """Two derivations of one file are equal, and no two cases share an id."""
    first, second = derive(gateway(text), depth=depth), derive(gateway(text), depth=depth)
    assert first == second
    assert max(Counter(case.id for case in first.cases).values()) == 1


@pytest.mark.parametrize("depth", Depth)
def test_every_protected_route_is_tried_without_a_certificate(depth: Depth) -> None:
    """However much is sampled, no protected route is left out."""
    declared = gateway(many(200))
    tried = {case.route for case in derive(declared, depth=depth).cases if case.family is Family.NO_CERTIFICATE}
    assert {path for path, route in declared.routes.items() if not route.access.is_public} <= tried


def test_every_kind_of_caller_is_tried_in_every_protocol() -> None:
    """A small gateway is tried with everything, over all four protocols."""
    cases = derive(gateway()).cases
    for family in (
        Family.NO_CERTIFICATE,
        Family.ADMITTED,
        Family.WRONG_CLIENT,
        Family.WRONG_CERTIFICATE,
        Family.WRONG_MOMENT,
    ):
        assert set(PROTOCOLS) <= {case.protocol for case in cases if case.family is family}, family
    kinds = {case.identity.kind for case in cases} | {case.identity.kind for case in meanwhile(gateway())}
    assert kinds == set(Kind) - {Kind.NOT_ENROLLED, Kind.OUTSIDE_NAMES}


def test_an_authority_for_certain_names_is_tried_with_others() -> None:
    """It is refused in the handshake with a name outside of them, also where that is another authority's client; not within them."""
    text = GATEWAY.replace("home: { managed: true }", "home: { managed: true, names: [example.org] }")
    text = text.replace("  unit:", "  shop: { authority: globex, san: shop.example.com }\n  unit:")
    text += "  /shop/: { respond: {}, access: [shop] }\n"
    cases = derive(gateway(text)).cases
    outside = [c for c in cases if c.identity.kind is Kind.OUTSIDE_NAMES]
    assert {(c.identity.authority, c.expected.outcome) for c in outside} == {("home", Outcome.NO_HANDSHAKE)}
    assert set(PROTOCOLS) <= {c.protocol for c in outside}
    other = [c for c in cases if c.identity.kind is Kind.OTHER_AUTHORITY]
    ended = {(c.identity.authority, c.identity.client, c.expected.outcome is Outcome.NO_HANDSHAKE) for c in other}
    assert {("home", "shop", True), ("globex", "alice", False)} <= ended
    nobody = next(c.identity for c in cases if c.identity.kind is Kind.UNNAMED and c.identity.authority == "home")
    assert Doors(gateway(text)).vouches(nobody)
    assert [str(n.value) for n in subject_of(gateway(text), nobody)[1]] == ["nobody-canary-gatewright.example.org"]


def test_clients_that_are_enrolled_are_tried_without_it_too() -> None:
    """Where a route names a client known by URI or key, its certificate is refused before anybody has looked at it."""
    text = GATEWAY.replace(
        "routes:",
        '  job: { authority: globex, uri: "spiffe://globex.example/job" }\nroutes:\n  /job/: { respond: {}, access: [job] }',
    )
    cases = [c for c in derive(gateway(text)).cases if c.identity.kind is Kind.NOT_ENROLLED]
    assert {c.route for c in cases} == {"/job/"}
    assert set(PROTOCOLS) <= {c.protocol for c in cases}
    assert {c.expected.codes for c in cases} == {("certificate_not_enrolled_yet",)}
    admitted = [c for c in derive(gateway(text)).cases if c.identity.client == "job" and c.expected.canary]
    assert {c.identity.kind for c in admitted} == {Kind.CLIENT}


def test_sampling_grows_with_the_kinds_not_with_the_routes() -> None:
    """Five times the routes cost little more than one probe without certificate and one boundary each."""
    small, large = (len(derive(gateway(many(count))).cases) for count in (60, 300))
    assert large - small <= 3 * 240
    assert derive(gateway(many(60))).sampled
    assert not derive(gateway(many(60)), depth=Depth.THOROUGH).sampled


def test_routes_in_focus_are_tried_with_everything() -> None:
    """A changed route is never sampled away, unless so many changed that nothing is special about them."""
    declared = gateway(many(60))
    path = list(declared.routes)[42]

    def families(cases: tuple[Case, ...]) -> set[Family]:
        return {case.family for case in cases if case.route == path}

    assert families(derive(declared).cases) < families(derive(declared, focus=[path]).cases)
    assert derive(declared, focus=list(declared.routes)) == derive(declared)


def test_nothing_that_is_expected_to_pass_reaches_a_backend() -> None:
    """Whoever is expected to be admitted is a test identity, or the door holds no backend."""
    declared = gateway()
    doors = Doors(declared)
    for case in derive(declared, depth=Depth.THOROUGH).cases:
        if case.expected.outcome is Outcome.ADMITTED and not case.expected.canary:
            door = doors.door(case.ask.path)
            assert case.identity == NOBODY
            assert door is not None
            assert declared.routes[door].backend is None


def test_exact_paths_are_not_tried_with_methods_that_change() -> None:
    """Should the gateway be broken, trying must not delete what stands there."""
    for case in derive(gateway(), depth=Depth.THOROUGH).cases:
        if case.route and not case.route.endswith("/") and case.expected.outcome is not Outcome.ADMITTED:
            assert case.ask.method not in {"POST", "PUT", "DELETE", "PATCH"} or case.expected.statuses == (405,), (
                case.id
            )


def test_what_cannot_be_tried_is_said() -> None:
    """A client known by its organizational unit is left out, with the reason."""
    assert [what for what, _ in derive(gateway()).left_out] == ["client unit"]


def test_a_gateway_with_public_routes_only_is_still_tried() -> None:
    """Names, versions and plain text are tried; certificates, which it never asks for, are not."""
    text = "gateway: localhost\nlisten: 8443\nroutes:\n  /a/: { respond: { text: a }, access: public }\n"
    cases = derive(gateway(text)).cases
    assert {case.identity for case in cases} == {NOBODY}
    assert {Family.ADMITTED, Family.NAME_CONFUSION, Family.PLAIN_TEXT, Family.TLS_STRENGTH} <= {c.family for c in cases}


def test_a_gateway_without_public_routes_demands_a_certificate() -> None:
    """Nobody gets through the handshake then, and spellings are tried by a revoked client."""
    text = "\n".join(line for line in GATEWAY.splitlines() if "access: public" not in line)
    cases = derive(gateway(text)).cases
    nobody = [c for c in cases if c.family is Family.NO_CERTIFICATE]
    assert nobody
    assert {c.expected.outcome for c in nobody} == {Outcome.NO_HANDSHAKE}
    assert {c.identity.kind for c in cases if c.family is Family.METHODS} >= {Kind.REVOKED}


@pytest.mark.parametrize("depth", Depth)
def test_where_credentials_are_demanded_no_certificate_alone_is_expected_to_pass(depth: Depth) -> None:
    """Every case of such a route ends in a refusal, and each kind of route is tried with credentials that are none."""
    besides = 'bearer: { issuer: "https://a.example", audience: api, jwks: keys.json }'
    text = GATEWAY + f"  /token/: {{ respond: {{ text: x }}, access: any-client, credentials: {{ {besides} }} }}\n"
    text += "  /word/: { respond: { text: x }, access: any-client, credentials: { basic: users } }\n"
    cases = derive(gateway(text), depth=depth).cases
    for path, code in (("/token/", "token_invalid"), ("/word/", "credentials_invalid")):
        about = [case for case in cases if case.route == path and case.ask.path.startswith(path)]
        # What is just beside it is somebody else's.
        inside = [case for case in about if case.family not in {Family.PATH_CONFUSION}]
        assert inside
        assert not any(case.expected.outcome is Outcome.ADMITTED for case in inside)
        codes = {c for case in about if case.family is Family.CREDENTIALS for c in case.expected.codes}
        assert code in codes


def test_behind_a_closed_window_everybody_has_a_reason_of_their_own() -> None:
    """Whoever is declared is told of the hour, whoever is not, is not; revoked certificates are told that first."""
    window = "access: { clients: [alice], during: { days: [mon] } }"
    text = GATEWAY + f"  /mondays/: {{ respond: {{ text: x }}, {window} }}\n"
    monday = datetime(2026, 6, 1, 12, tzinfo=UTC)

    def codes(now: datetime) -> dict[tuple[Kind, str | None], tuple[str, ...]]:
        cases = derive(gateway(text), now=now).cases
        families = {Family.WRONG_MOMENT, Family.WRONG_CLIENT, Family.ADMITTED}
        return {
            (c.identity.kind, c.identity.client): c.expected.codes
            for c in cases
            if c.route == "/mondays/" and c.family in families
        }

    shut, open_ = codes(monday + timedelta(days=1)), codes(monday)
    assert shut[Kind.CLIENT, "alice"] == ("outside_hours",)
    assert open_[Kind.CLIENT, "alice"] == ()
    for found in (shut, open_):
        assert found[Kind.CLIENT, "bob"] == ("certificate_not_authorised",)
        assert found[Kind.REVOKED, "alice"] == ("certificate_revoked",)


def test_after_a_change_of_members_their_doors_are_tried_and_no_other() -> None:
    """Who joined is tried as admitted, who left as refused, each at every such door; the listener and other doors are not."""
    text = GATEWAY.replace("routes:\n", "groups: { staff: [alice] }\nroutes:\n").replace(
        "/any/deep: { respond: { text: exact }, access: [alice] }",
        "/any/deep: { respond: { text: exact }, access: [staff] }",
    )
    declared = gateway(text)
    cases = derive_members(declared, (RoutePath("/any/deep"),), (Name("alice"), Name("bob"), Name("gone")), NOW).cases
    assert {case.route for case in cases} == {"/any/deep"}
    tried = {(str(c.identity.client), c.family) for c in cases if c.identity.kind is Kind.CLIENT}
    assert {("alice", Family.ADMITTED), ("bob", Family.WRONG_CLIENT)} <= tried
    assert ("alice", Family.WRONG_CLIENT) not in tried
    assert Family.NO_CERTIFICATE in {case.family for case in cases}
    assert len(cases) < len(derive(declared).cases) / 5
    assert {case.id for case in cases} - {case.id for case in derive(declared).cases} == set()


def test_of_many_doors_one_of_each_kind_comes_first() -> None:
    """More doors than are tried: each kind is among them, and it is said how many were left out."""
    declared = gateway(many(200))
    routes = [path for path, route in declared.routes.items() if not route.access.is_public]
    derived = derive_members(declared, routes, (), NOW)
    tried = {case.route for case in derived.cases}
    assert len(tried) == MOST_DOORS
    doors = Doors(declared)
    assert {doors.alike(path) for path in routes} == {doors.alike(RoutePath(path)) for path in tried}
    assert f"{len(routes) - MOST_DOORS} routes" in dict(derived.left_out)


def test_good_credentials_are_shown_only_where_somebody_vouches() -> None:
    """Elsewhere the report says that none are; where they are, each caller and each fault has its own outcome, and no case holds one."""
    demanded = "credentials: { bearer: { issuer: 'https://login.example', audience: api, jwks: keys.json } }"
    text = GATEWAY + f"  /token/: {{ backend: 'http://127.0.0.1:9001', access: [alice], {demanded} }}\n"
    plain = derive(gateway(text))
    assert not [c for c in plain.cases if c.ask.voucher]
    assert GOOD_CREDENTIALS in {what for what, _ in plain.left_out}
    vouched = derive(gateway(text), stand_ins=StandIns(credentials=True))
    assert GOOD_CREDENTIALS not in {what for what, _ in vouched.left_out}
    cases = [c for c in vouched.cases if c.ask.voucher]
    assert not [c for c in cases if c.ask.headers]
    outcomes = {(c.identity.kind, c.identity.client, c.ask.voucher): c.expected.codes for c in cases}
    assert outcomes[Kind.CLIENT, "alice", Voucher.GOOD] == ()
    assert outcomes[Kind.CLIENT, "alice", Voucher.ELSEWHERE] == ("token_bound_to_another_certificate",)
    wrong = (Voucher.FORGED, Voucher.EXPIRED, Voucher.AUDIENCE, Voucher.ISSUER)
    assert {outcomes[Kind.CLIENT, "alice", voucher] for voucher in wrong} == {("token_invalid",)}
    assert outcomes[Kind.REVOKED, "alice", Voucher.GOOD] == ("certificate_revoked",)
    assert outcomes[Kind.UNNAMED, None, Voucher.GOOD] == ("certificate_not_authorised",)
    assert outcomes[Kind.NONE, None, Voucher.GOOD] == ("client_certificate_required",)


def test_what_nobody_can_see_is_said_to_be_untried() -> None:
    """Where no route admits an authority's clients by certificate alone, the report says what that leaves out; else it does not."""
    assert not [what for what, _ in derive(gateway()).left_out if what.startswith(OPEN_CONNECTIONS)]
    head = GATEWAY.split("routes:")[0] + "routes:\n"
    demanding = "  /a/: { respond: { text: a }, access: [alice], credentials: { basic: users } }\n"
    said = dict(derive(gateway(head + demanding)).left_out)
    assert {f"{OPEN_CONNECTIONS}home", f"{OPEN_CONNECTIONS}globex"} <= set(said)
    assert "resumed sessions, and requests with two meanings" not in said
    nobody = "  /a/: { respond: { text: a }, access: [unit] }\n"
    assert "resumed sessions, and requests with two meanings" in dict(derive(gateway(head + nobody)).left_out)
