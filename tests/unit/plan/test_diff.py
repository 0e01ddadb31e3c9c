"""Who gains and who loses: two gateway files in, consequences out."""

from __future__ import annotations

import pytest

from gatewright.model.gateway import Gateway
from gatewright.plan.diff import Change, Kind, Trust, changes
from gatewright.plan.handshake_plan import ANY_OTHER, browsers_asked, handshake_plan
from gatewright.source import load

BASE = """\
gateway: api.example.org
listen: 8443
authorities:
  home: { managed: true }
  globex: { anchor: globex.pem }
clients:
  bot: { authority: home, san: bot.example.org }
  cat: { authority: home, san: cat.example.org }
  erp: { authority: globex, subject: { organization: Globex, common_name: erp } }
routes:
  /open/: { files: site/open, access: public }
  /any/: { files: site/any, access: any-client }
  /bot/: { backend: "http://127.0.0.1:9001", access: [bot], methods: [GET] }
"""
NOTHING = Trust()


def gateway(text: str = BASE) -> Gateway:
    return load(text, "gateway.yaml").gateway


def difference(*edits: tuple[str, str], old: str = BASE) -> list[Change]:
    """The changes from ``old`` to the same text with ``edits``."""
    text = old
    for before, after in edits:
        assert before in text
        text = text.replace(before, after)
    return list(changes(gateway(old), gateway(text), NOTHING, NOTHING))


def kinds(found: list[Change]) -> set[tuple[Kind, str, bool]]:
    return {(c.kind, c.subject, c.asks) for c in found}


def with_route(line: str) -> tuple[str, str]:
    """An edit that adds a route."""
    return ("routes:\n", f"routes:\n  {line}\n")


def test_the_same_is_no_change() -> None:
    """Not even in another order or with a comment."""
    assert difference() == []
    assert difference(("  cat:", "  # a cat\n  cat:")) == []


def test_a_route_opened_to_everybody_asks() -> None:
    """And says who gains: everybody."""
    (found,) = difference(("access: any-client", "access: public"))
    assert (found.kind, found.asks, found.gains) == (Kind.ROUTE_OPENED, True, ("everybody",))


def test_a_route_shut_is_told_without_asking() -> None:
    """Everybody loses; those named gain nothing that they had not."""
    (found,) = difference(("site/open, access: public", "site/open, access: [bot]"))
    assert (found.kind, found.asks, found.gains, found.loses) == (Kind.ACCESS_NARROWED, False, (), ("everybody",))


def test_one_client_for_another() -> None:
    """By name: one gains, which asks, the other loses."""
    (found,) = difference(("access: [bot]", "access: [cat]"))
    assert (found.kind, found.asks) == (Kind.ACCESS_WIDENED, True)
    assert found.gains == ("cat (cat.example.org, of home)",)
    assert found.loses == ("bot (bot.example.org, of home)",)


def test_a_client_who_is_somebody_else_now() -> None:
    """The name in the route stays, the certificate behind it does not: that is a gain and a loss."""
    (found,) = difference(("san: bot.example.org", "san: mallory.example.org"))
    assert (found.kind, found.asks) == (Kind.ACCESS_WIDENED, True)
    assert "mallory.example.org" in found.gains[0]


def test_a_subject_with_fewer_parts_admits_more() -> None:
    """Less to match is more to admit, and the other way round it is less."""
    old = BASE.replace("[bot]", "[erp]")
    wide = ("subject: { organization: Globex, common_name: erp }", "subject: { organization: Globex }")
    (found,) = difference(wide, old=old)
    assert (found.kind, found.asks) == (Kind.ACCESS_WIDENED, True)
    (found,) = difference((wide[1], wide[0]), old=old.replace(*wide))
    assert (found.kind, found.asks) == (Kind.ACCESS_NARROWED, False)


def test_any_client_covers_the_named_ones() -> None:
    """From any client to one of them nobody gains."""
    (found,) = difference(("access: any-client", "access: [bot]"))
    assert (found.kind, found.gains) == (Kind.ACCESS_NARROWED, ())
    assert found.loses == ("any client of home", "any client of globex")


@pytest.mark.parametrize("access", ["any-client", "[bot]"])
def test_a_new_route_where_nothing_was_is_harmless(access: str) -> None:
    """Nobody's door changed."""
    (found,) = difference(with_route(f"/new/: {{ files: site/new, access: {access} }}"))
    assert (found.kind, found.asks) == (Kind.ROUTE_ADDED, False)


def test_a_new_public_route_asks() -> None:
    """It is open to everybody."""
    found = difference(with_route("/new/: { files: site/new, access: public }"))
    assert kinds(found) == {(Kind.ROUTE_OPENED, "/new/", True)}


def test_a_route_inside_another_changes_who_reaches_that_part() -> None:
    """A route for the cat inside the bot's: the cat gains there, the bot loses, and it asks."""
    (found,) = difference(with_route("/bot/x/: { files: site/x, access: [cat] }"))
    assert (found.kind, found.asks) == (Kind.ROUTE_ADDED, True)
    assert found.loses == ("bot (bot.example.org, of home)",)


def test_an_exact_route_shuts_what_lies_below_it() -> None:
    """Adding /any/x takes /any/x/... from any client; removing it gives that back, and asks."""
    old = BASE.replace(*with_route("/any/x: { files: site/x, access: any-client }"))
    found = difference(with_route("/any/x: { files: site/x, access: any-client }"))
    assert (Kind.ACCESS_NARROWED, "/any/x/", False) in kinds(found)
    back = list(changes(gateway(old), gateway(), NOTHING, NOTHING))
    assert (Kind.ACCESS_WIDENED, "/any/x/", True) in kinds(back)


def test_a_removed_route_asks_and_says_what_then_governs() -> None:
    """Refused from now on, or governed by a wider route, which may be an open one."""
    (found,) = difference(('  /bot/: { backend: "http://127.0.0.1:9001", access: [bot], methods: [GET] }\n', ""))
    assert (found.kind, found.asks) == (Kind.ROUTE_REMOVED, True)
    assert "refused" in found.text
    old = BASE.replace(*with_route("/open/inner/: { files: site/in, access: [bot] }"))
    (found,) = changes(gateway(old), gateway(), NOTHING, NOTHING)
    assert found.gains == ("everybody",)
    assert "everybody" in found.text


def test_methods() -> None:
    """One more asks, one less is told."""
    (found,) = difference(("methods: [GET]", "methods: [GET, POST]"))
    assert (found.kind, found.asks) == (Kind.METHODS, True)
    (found,) = difference((", methods: [GET]", ""))
    assert (found.kind, found.asks) == (Kind.METHODS, True)
    old = BASE.replace("[GET]", "[GET, POST]")
    (found,) = difference(("methods: [GET, POST]", "methods: [GET]"), old=old)
    assert (found.kind, found.asks) == (Kind.METHODS, False)


def test_content_behind_an_open_door_asks() -> None:
    """Other files for everybody ask; another backend for the bot, or the same one with more patience, does not."""
    (found,) = difference(("files: site/open", "files: site/secrets"))
    assert (found.kind, found.asks) == (Kind.CONTENT, True)
    (found,) = difference(("http://127.0.0.1:9001", "http://127.0.0.1:9002"))
    assert (found.kind, found.asks) == (Kind.CONTENT, False)
    patient = '{ url: "http://127.0.0.1:9001", timeout: 99s }'
    old = BASE.replace("access: [bot]", "access: public")
    (found,) = difference(('"http://127.0.0.1:9001"', patient), old=old)
    assert (found.kind, found.asks) == (Kind.CONTENT, False)


def test_authorities() -> None:
    """A new one asks and widens every any-client route; one that goes is told, and narrows them."""
    more = ("  globex:", "  initech: { anchor: initech.pem }\n  globex:")
    found = difference(more)
    assert kinds(found) == {(Kind.AUTHORITY_ADDED, "initech", True), (Kind.ACCESS_WIDENED, "/any/", True)}
    less = list(changes(gateway(BASE.replace(*more)), gateway(), NOTHING, NOTHING))
    assert kinds(less) == {(Kind.AUTHORITY_REMOVED, "initech", False), (Kind.ACCESS_NARROWED, "/any/", False)}


def test_another_anchor_under_the_same_name_asks() -> None:
    """The file says the same, the partner's CA is another one."""
    was, now = Trust({"globex": (("aa", "CN=one"),)}), Trust({"globex": (("bb", "CN=one"),)})
    (found,) = changes(gateway(), gateway(), was, now)
    assert (found.kind, found.subject, found.asks) == (Kind.AUTHORITY_CHANGED, "globex", True)


def test_one_more_issuing_ca_of_our_own_is_told() -> None:
    """A rotation of our own CA needs no yes."""
    was, now = Trust({"home": (("aa", "CN=G1"),)}), Trust({"home": (("aa", "CN=G1"), ("bb", "CN=G2"))})
    (found,) = changes(gateway(), gateway(), was, now)
    assert (found.kind, found.asks) == (Kind.AUTHORITY_CHANGED, False)


def test_names_and_ports() -> None:
    """A name that goes asks, one that comes does not; another port asks."""
    two = ("gateway: api.example.org", "gateway: [api.example.org, www.example.org]")
    (found,) = difference(two)
    assert (found.kind, found.asks) == (Kind.HOSTS, False)
    (found,) = changes(gateway(BASE.replace(*two)), gateway(), NOTHING, NOTHING)
    assert (found.kind, found.asks) == (Kind.HOSTS, True)
    (found,) = difference(("listen: 8443", "listen: 9443"))
    assert (found.kind, found.asks) == (Kind.LISTEN, True)


def test_the_first_of_all() -> None:
    """Nothing was applied before: open doors and authorities ask, those who come first."""
    found = list(changes(None, gateway(), NOTHING, NOTHING))
    assert kinds(found) == {
        (Kind.AUTHORITY_ADDED, "home", True),
        (Kind.AUTHORITY_ADDED, "globex", True),
        (Kind.ROUTE_OPENED, "/open/", True),
        (Kind.ROUTE_ADDED, "/any/", False),
        (Kind.ROUTE_ADDED, "/bot/", False),
    }
    assert [c.asks for c in found] == sorted((c.asks for c in found), reverse=True)


def test_handshakes() -> None:
    """Every name asks the same; browsers prompt where CA names are sent; without client certificates none are."""
    subjects = {"home": ("CN=home",), "globex": ("CN=globex",)}
    plans = handshake_plan(gateway(), "optional", subjects)
    assert [p.host for p in plans] == ["api.example.org", ANY_OTHER]
    assert {(p.certificate, p.authorities, p.prompts, p.port) for p in plans} == {
        ("optional", ("CN=home", "CN=globex"), True, 8443)
    }
    assert not any(p.prompts or p.authorities for p in handshake_plan(gateway(), "none", subjects))


def test_ten_thousand_routes_are_compared_in_a_moment() -> None:
    """The longest covering route is found by its prefixes, not by looking at every route."""
    many = "".join(f"  /r{n}/a/b/: {{ files: site/r, access: [bot] }}\n" for n in range(3000))
    old, new = (
        gateway(BASE + many),
        gateway(
            BASE + many.replace("/r7/a/b/: { files: site/r, access: [bot]", "/r7/a/b/: { files: site/r, access: [cat]")
        ),
    )
    (found,) = changes(old, new, NOTHING, NOTHING)
    assert found.subject == "/r7/a/b/"


BASIC = ("methods: [GET] }", "methods: [GET], credentials: { basic: users } }")
BEARER = 'credentials: { bearer: { issuer: "https://a.example", audience: api, jwks: keys.json } } }'


def test_demanding_more_than_a_certificate_does_not_ask_and_demanding_less_does() -> None:
    """A password on top only narrows; without it, or with something else instead, others may come in."""
    (found,) = difference(BASIC)
    assert (found.kind, found.asks, found.loses) == (Kind.CREDENTIALS, False, ("whoever has none",))
    demanding = BASE.replace(*BASIC)
    (found,) = difference(("credentials: { basic: users } ", ""), (", }", " }"), old=demanding)
    assert (found.kind, found.asks) == (Kind.CREDENTIALS, True)
    for other in (BEARER, "credentials: { basic: others } }"):
        (found,) = difference(("credentials: { basic: users } }", other), old=demanding)
        assert (found.kind, found.asks) == (Kind.CREDENTIALS, True)
    bearer = BASE.replace(BASIC[0], f"methods: [GET], {BEARER}")
    (found,) = difference(("jwks: keys.json", "jwks: keys.json, bound: optional"), old=bearer)
    assert found.asks
    assert "bound to it or to none" in found.text


def test_a_route_without_credentials_cut_out_of_one_that_demands_them_asks() -> None:
    """The same client, by certificate alone where it needed a password before."""
    cut = with_route('/bot/open/: { backend: "http://127.0.0.1:9001", access: [bot] }')
    (found,) = difference(cut, old=BASE.replace(*BASIC))
    assert (found.kind, found.asks) == (Kind.ROUTE_ADDED, True)
    (found,) = difference(cut)
    assert not found.asks


SHOWN = BASE.replace(
    'backend: "http://127.0.0.1:9001", access: [bot]', 'backend: { url: "https://b.example.org" }, access: public'
)


def test_another_certificate_for_a_backend_behind_an_open_door_asks() -> None:
    """What the backend gives to the gateway alone, an open door gives to everybody; behind a closed one nobody gains."""
    edit = ('url: "https://b.example.org"', 'url: "https://b.example.org", client_certificate: { authority: home }')
    (found,) = difference(edit, old=SHOWN)
    assert (found.kind, found.asks) == (Kind.CONTENT, True)
    assert found.text.endswith("a client certificate of home instead of no client certificate")
    (closed,) = difference(edit, old=SHOWN.replace("}, access: public", "}, access: any-client"))
    assert not closed.asks


def test_other_names_of_an_authority_ask() -> None:
    """What an authority can vouch for is what others rely on, so it never changes in silence."""
    was, now = ("home: { managed: true }", "home: { managed: true, names: [example.org] }")
    (found,) = difference((was, now))
    assert (found.kind, found.subject, found.asks) == (Kind.AUTHORITY_CHANGED, "home", True)
    assert "example.org instead of every name" in found.text


def test_a_public_host_asks_when_it_comes_goes_or_changes_its_kind() -> None:
    """A new name is told; a name that turns public, or is public no more, says what that means for whoever asks there."""
    both = BASE.replace("gateway: api.example.org", "gateway: [api.example.org, www.example.org]")
    split = BASE.replace("gateway: api.example.org", "gateway: api.example.org\npublic_hosts: www.example.org")

    def told(old: str, new: str) -> list[tuple[Kind, str, bool]]:
        found = changes(gateway(old), gateway(new), NOTHING, NOTHING)
        assert all("www.example.org" in change.text for change in found)
        return [(change.kind, change.subject, change.asks) for change in found]

    assert told(BASE, split) == [(Kind.HOSTS, "www.example.org", False)]
    assert told(split, BASE) == [(Kind.HOSTS, "www.example.org", True)]
    assert told(both, split) == told(split, both) == [(Kind.HOSTS, "www.example.org", True)]


def test_browsers_that_ask_on_public_pages_are_noted() -> None:
    """Where the handshake asks and some route is public; neither where it demands or asks nothing, nor where public hosts exist."""
    subjects = {"home": ("CN=home",), "globex": ("CN=globex",)}
    (note,) = browsers_asked(handshake_plan(gateway(), "optional", subjects), gateway())
    assert note.code == "browsers-asked"
    assert "api.example.org" in note.what
    for mode in ("none", "require"):
        assert browsers_asked(handshake_plan(gateway(), mode, subjects), gateway()) == ()
    split = gateway(BASE.replace("gateway: api.example.org", "gateway: api.example.org\npublic_hosts: www.example.org"))
    assert browsers_asked(handshake_plan(split, "optional", subjects), split) == ()
