"""The steps of a decision, and their places in the file, without any gateway. That they are httpd's, ``tests/live/test_explain.py`` shows."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography import x509
from tests.unit.check.certificates import certificate, name

from gatewright.model.values import Name, RoutePath
from gatewright.plan.admission import Admission, Asking, Presented, decide, door
from gatewright.source import load

TEXT = """\
gateway: api.example.org
listen: 8443
authorities: { home: { managed: true }, globex: { anchor: globex.pem, host: own.example.org } }
clients:
  bot: { authority: home, san: bot.example.org }
  erp: { authority: globex, subject: { common_name: erp } }
groups: { staff: [bot] }
routes:
  /a/: { respond: { text: a }, access: [staff] }
  /b: { respond: { text: b }, access: { clients: [erp], during: { days: [mon], from: "08:00", to: "09:00" } } }
  /c/: { respond: { text: c }, access: any-client, methods: [GET] }
"""
MONDAY = datetime(2026, 6, 1, 8, 30, tzinfo=UTC)


def presented(common_name: str, authority: str = "home", san: str = "", **more: object) -> Presented:
    """A certificate with a name or two."""
    sans = [x509.DNSName(san)] if san else []
    leaf = x509.load_pem_x509_certificate(certificate(name(common_name), ca=False, sans=sans))
    return Presented(leaf, Name(authority), **more)  # type: ignore[arg-type]


def asked(who: Presented | None, path: str, method: str = "get", at: datetime = MONDAY, **more: object) -> Admission:
    return decide(load(TEXT, "gateway.yaml"), who, Asking(path, method, at, **more))  # type: ignore[arg-type]


def test_a_member_of_a_group_is_admitted_by_the_line_that_names_the_group() -> None:
    """The place is that of the group's name in the route's list; who it is stands in words."""
    found = asked(presented("bot", san="bot.example.org"), "/a/x")
    assert (found.admitted, found.clients, found.route) == (True, ("bot",), "/a/")
    last = found.steps[-1]
    assert (str(last.where), "as bot of the group staff" in last.text) == ("gateway.yaml:9:41", True)


def test_a_near_miss_says_what_is_not_the_same() -> None:
    """The certificate's own name stands beside the one asked for, and the way out names the list."""
    found = asked(presented("bot", san="bot2.example.org"), "/a/x")
    assert (found.admitted, found.code) == (False, "certificate_not_authorised")
    assert any("bot2.example.org" in step.text and str(step.where) == "gateway.yaml:5:3" for step in found.steps)
    assert "gateway.yaml:9:" in found.changes[0]


@pytest.mark.parametrize(
    ("who", "path", "method", "code"),
    [
        (None, "/a/x", "GET", "handshake_refused"),
        (presented("erp", "globex"), "/b", "GET", ""),
        (presented("erp", "home"), "/b", "GET", "certificate_not_authorised"),
        (presented("erp", "globex"), "/b/below", "GET", "no_such_route"),
        (presented("erp", "globex"), "/a/..;/b", "GET", "unsafe_path"),
        (presented("erp", "globex", revoked=True), "/b", "GET", "certificate_revoked"),
        (presented("erp", "globex", problem="it expired", fix="renew"), "/b", "GET", "handshake_refused"),
        (presented("x"), "/c/", "HEAD", ""),
        (presented("x"), "/c/", "POST", "method_not_allowed"),
    ],
)
def test_each_refusal_has_its_code_and_a_way_out(who: Presented | None, path: str, method: str, code: str) -> None:
    """The codes are those of the gateway's own pages; whoever is admitted needs no way out."""
    found = asked(who, path, method)
    assert (found.code, found.admitted) == (code, not code)
    assert bool(found.changes) == bool(code)


def test_time_is_part_of_the_decision() -> None:
    """The same certificate an hour later is refused by the line of the window."""
    found = asked(presented("erp", "globex"), "/b", at=MONDAY.replace(hour=9))
    assert found.code == "outside_hours"
    assert found.steps[-1].what == "during"
    assert str(found.steps[-1].where).startswith("gateway.yaml:10:")


def test_an_authority_with_a_host_of_its_own_is_asked_under_that_name() -> None:
    """Its clients are known nowhere else."""
    assert asked(presented("erp", "globex"), "/b").host == "own.example.org"
    assert asked(presented("x"), "/c/").host == "api.example.org"


def test_the_longest_route_decides() -> None:
    """An exact route shuts what lies below it, even inside a tree."""
    routes = {RoutePath(p) for p in ("/", "/a/", "/a/b")}
    assert [door(routes, p) for p in ("/x", "/a/x", "/a/b", "/a/b/c", "/a")] == ["/", "/a/", "/a/b", None, "/"]


@pytest.mark.parametrize(
    ("path", "shut", "code"),
    [("/a/x", "/a/", "route_shut"), ("/b", "/b", "route_shut"), ("/a/x", "/b", ""), ("/a", "/a/", "no_such_route")],
)
def test_what_a_proof_has_shut_is_refused_to_everybody(path: str, shut: str, code: str) -> None:
    """A route and what lies below it, and nothing else."""
    who = presented("bot", san="bot.example.org") if path != "/b" else presented("erp", "globex")
    assert asked(who, path, shut=frozenset({RoutePath(shut)})).code == code


def test_a_certificate_is_known_under_the_name_of_its_authority_only() -> None:
    """Under another name its CA is not trusted; the way out is the right name."""
    wrong = asked(presented("erp", "globex"), "/b", host="api.example.org")
    assert (wrong.code, wrong.changes) == ("handshake_refused", ("ask under the name own.example.org",))
    assert asked(presented("x"), "/c/", host="own.example.org").code == "handshake_refused"


def test_who_is_enrolled_is_what_the_gateway_wrote_down() -> None:
    """Not enrolled and not looked at: come again. Looked at without having been this client: refused. Enrolled: admitted."""
    text = TEXT.replace("groups:", '  job: { authority: home, uri: "spiffe://a.example/job" }\ngroups:')
    text += "  /job: { respond: { text: x }, access: [job] }\n"
    sans = [x509.UniformResourceIdentifier("spiffe://a.example/job")]
    leaf = x509.load_pem_x509_certificate(certificate(name("job"), ca=False, sans=sans))

    def code(path: str, **more: object) -> str:
        who = Presented(leaf, Name("home"), **more)  # type: ignore[arg-type]
        return decide(load(text, "gateway.yaml"), who, Asking(path, "GET", MONDAY)).code

    assert code("/job") == code("/a/") == "certificate_not_enrolled_yet"
    assert code("/job", looked_at=True) == code("/a/", looked_at=True) == "certificate_not_authorised"
    assert code("/job", looked_at=True, enrolled=frozenset({Name("job")})) == ""


def test_credentials_are_needed_besides_and_asked_for_last() -> None:
    """Whoever the certificate refuses is not asked for them."""
    text = TEXT + "  /d: { respond: { text: d }, access: [bot], credentials: { basic: users } }\n"
    found = [
        decide(load(text, "gateway.yaml"), who, Asking("/d", "GET", MONDAY))
        for who in (presented("bot", san="bot.example.org"), presented("x"))
    ]
    assert [(f.admitted, f.needs) for f in found] == [(True, "password"), (False, "")]
