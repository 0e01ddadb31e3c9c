"""The prover's own reading of a gateway file: which door a path is, who passes, what the handshake asks."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.prove.made import GATEWAY, gateway

from gatewright.model.values import RoutePath
from gatewright.prove.cases import Identity, Kind
from gatewright.prove.doors import Asks, Doors, StandIns, plain
from gatewright.prove.minting import serial_of

CARDS = "  /card/: { respond: { text: card }, access: [card] }\n"
DOORS = Doors(gateway())
SHORT = Doors(gateway(GATEWAY.replace("/any/deep:", "/a:").replace("/alice/:", "/a/b/:").replace("/erp/:", "/ab/:")))


@pytest.mark.parametrize(
    ("path", "door"),
    [
        ("/", "/"), ("/x", "/"), ("/open", "/"), ("/open/", "/open/"), ("/open/a/b", "/open/"), ("/openx/", "/"),
        ("/any/deep", "/any/deep"), ("/any/deeper", "/any/"), ("/any/deep/", None), ("/any/deep/x", None),
        ("/ALICE/", "/"), ("/alice/any/deep", "/alice/"),
    ],
)  # fmt: skip
def test_the_longest_route_covers_a_path(path: str, door: str | None) -> None:
    """The longest match wins, and what lies below an exact path is nobody's."""
    assert DOORS.door(path) == door


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.sampled_from(["a", "ab", "b", "deep"]), min_size=1, max_size=4), st.booleans())
def test_doors_agree_with_the_plain_definition(parts: list[str], tree: bool) -> None:
    """The quick search gives what looking at every route gives."""
    doors = SHORT
    path = "/" + "/".join(parts) + ("/" if tree else "")
    covering = [r for r in doors.gateway.routes if path.startswith(r if r.is_tree else f"{r}/") or path == r]
    longest = max(covering, key=lambda r: (len(r.rstrip("/")), r.is_tree and path != r.rstrip("/")))
    wanted = longest if longest.is_tree or path == longest else None
    assert doors.door(path) == wanted


@pytest.mark.parametrize(
    ("spelled", "meant"),
    [
        ("/a/b", "/a/b"), ("//a///b", "/a/b"), ("/a/./b/", "/a/b/"), ("/a/../b", "/b"), ("/%61/%2e%2e/b", "/b"),
        ("/a/..", "/"), ("/a/b/..", "/a/"), ("/..", None), ("/a/%2e%2e/../b", None), ("/a%2fb", None),
        ("/a%00", None), ("/a/..;/b", None), ("/a%5cb", None), ("/a%zz", None), ("/a%252fb", "/a%2fb"), ("/a;x/b", "/a;x/b"),
    ],
)  # fmt: skip
def test_spellings_are_resolved_or_refused(spelled: str, meant: str | None) -> None:
    """Decoding, merging and dot segments as httpd does them; what it must refuse is no path at all."""
    assert plain(spelled) == meant


def test_what_the_handshake_asks() -> None:
    """Never where all is public, demanded where nothing is, else welcome."""
    assert DOORS.asks is Asks.WELCOMES
    public = "\n".join(line for line in GATEWAY.splitlines() if "/any" not in line and "access: [" not in line)
    assert Doors(gateway(public)).asks is Asks.NEVER
    shut = "\n".join(line for line in GATEWAY.splitlines() if "access: public" not in line)
    assert Doors(gateway(shut)).asks is Asks.DEMANDS


def test_insiders_are_admitted_and_outsiders_are_not() -> None:
    """For every route, by the very names their certificates carry."""
    for path, route in DOORS.gateway.routes.items():
        assert all(DOORS.admits(route, identity) for identity in DOORS.insiders(path, 9)), path
        assert not any(DOORS.admits(route, identity) for identity in DOORS.outsiders(path, 9)), path


def test_outsiders_include_the_tricky_ones() -> None:
    """A right name from the wrong authority, in the wrong place, with one part wrong, or with a second value beside it."""
    kinds = {identity.kind for path in ("/alice/", "/erp/") for identity in DOORS.outsiders(DOORS.door(path), 9)}  # type: ignore[arg-type]
    assert kinds == {
        Kind.UNNAMED,
        Kind.CLIENT,
        Kind.OTHER_AUTHORITY,
        Kind.NAME_IN_CN,
        Kind.SECOND_NAME,
        Kind.WRONG_PART,
    }


def test_nobody_stands_for_a_client_known_by_its_unit() -> None:
    """The mark of test identities is where that client's name would be."""
    assert not DOORS.can_stand_for("unit")
    found = DOORS.insiders(DOORS.door("/erp/x"), 9)  # type: ignore[arg-type]
    assert found == [Identity(Kind.CLIENT, "globex", "erp")]


def test_probe_paths_fall_under_their_own_route() -> None:
    """Even where a longer route has the name that probes use."""
    text = GATEWAY + "  /any/gatewright-probe: { respond: { text: x }, access: public }\n"
    doors = Doors(gateway(text))
    for path in doors.gateway.routes:
        assert doors.door(doors.inside(path)) == path


def test_a_serial_number_is_given_again_by_stand_ins_only() -> None:
    """With one, the client is stood for, by the authority's own and not by another's; revoked, it is not; longer than can be, neither."""
    text = GATEWAY.replace("routes:", '  card: { authority: globex, serial: "0A1B" }\nroutes:') + CARDS
    path = RoutePath("/card/")

    def doors(authorities: frozenset[str] = frozenset(), revoked: frozenset[str] = frozenset()) -> Doors:
        return Doors(gateway(text), stand_ins=StandIns(authorities, revoked))

    assert doors().insiders(path, 9) == []
    here = doors(authorities=frozenset({"globex"}))
    insider = Identity(Kind.CLIENT, "globex", "card")
    assert here.insiders(path, 9) == [insider]
    assert serial_of(here.gateway, insider) == 0x0A1B
    outsiders = here.outsiders(path, 9)
    assert Identity(Kind.OTHER_AUTHORITY, "home", "card") not in outsiders
    assert Identity(Kind.NAME_IN_CN, "globex", "card") in outsiders
    assert not any(here.admits(here.gateway.routes[path], i) for i in outsiders)
    both = doors(authorities=frozenset({"globex", "home"}))
    assert Identity(Kind.OTHER_AUTHORITY, "home", "card") in both.outsiders(path, 9)
    assert "revoked" in doors(authorities=frozenset({"globex"}), revoked=frozenset({"card"})).why_not("card")
    long = Doors(gateway(text.replace("0A1B", "F" * 40)), stand_ins=StandIns(frozenset({"globex"})))
    assert "longer" in long.why_not("card")
