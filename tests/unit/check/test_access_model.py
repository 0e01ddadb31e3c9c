"""The access model: who stands behind names, and when a window is open."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from gatewright.errors import ValueRejected
from gatewright.model.gateway import Access, Client, During, Gateway
from gatewright.model.matchers import KeyPin, SerialNumber, TimeOfDay, Weekday
from gatewright.model.values import Name, RoutePath
from gatewright.prove.doors import _within
from gatewright.source import load

FILE = """
gateway: localhost
listen: 8443
authorities: { home: { managed: true }, globex: { anchor: [p/1.pem, p/2.pem] } }
clients:
  a: { authority: home, san: a.example.org }
  b: { authority: home, san: b.example.org }
  c: { authority: globex, email: c@example.org }
groups: { both: [b, a], some: [b] }
routes:
  /list: { respond: { text: x }, access: [both, a] }
  /mapping: { respond: { text: x }, access: { clients: [some], any-of: [globex], during: { days: [mon], from: "22:00", to: "06:00" } } }
"""


def gateway() -> Gateway:
    return load(FILE, "gateway.yaml").gateway


def access(path: str) -> Access:
    return gateway().routes[RoutePath(path)].access


def test_groups_stand_for_their_members() -> None:
    """Each client once, in the order of the names and of the groups' members."""
    declared = gateway()
    assert declared.admitted(access("/list")) == ("b", "a")
    assert declared.admitted(access("/mapping")) == ("b",)
    assert [name for name in declared.clients if declared.admits(access("/mapping"), name)] == ["b", "c"]
    assert [name for name in declared.clients if declared.admits(access("/list"), name)] == ["a", "b"]
    assert declared.authorities[Name("globex")].anchors == ("p/1.pem", "p/2.pem")


def test_a_mapping_says_the_same_as_a_list() -> None:
    """The short form is the long one with nothing but clients."""
    long = FILE.replace("access: [both, a]", "access: { clients: [both, a] }")
    assert load(long, "gateway.yaml").gateway == gateway()


def test_a_client_is_known_by_what_its_file_says() -> None:
    """Serial numbers are spelled as mod_ssl spells them; two spellings of one number are one."""
    assert SerialNumber.parse("0a:1b") == SerialNumber.parse("A1B") == "0A1B"
    client = Client(Name("home"), serial=SerialNumber.parse("a1b"))
    assert (client.matcher, client.known_as) == ("0A1B", "serial 0A1B")
    assert len(KeyPin.parse("sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=").digest) == 32
    with pytest.raises(ValueRejected):
        KeyPin.parse("sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuF==")
    with pytest.raises(ValueError, match="Client"):
        assert Client(Name("home")).matcher


def window(begin: str, end: str, *days: Weekday) -> During:
    return During(days, TimeOfDay.parse(begin), TimeOfDay.parse(end))


MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("during", "open_at", "shut_at"),
    [
        (window("08:00", "18:00"), ["0 08:00", "6 17:59"], ["0 07:59", "0 18:00"]),
        (window("08:00", "18:00", Weekday.MON), ["0 08:00"], ["1 08:00", "6 08:00"]),
        (
            window("22:00", "06:00", Weekday.SUN),
            ["6 22:00", "6 23:59", "0 00:00", "0 05:59"],
            ["6 21:59", "0 06:00", "6 05:59", "0 22:00"],
        ),
        (window("00:00", "24:00", Weekday.SAT), ["5 00:00", "5 23:59"], ["4 23:59", "6 00:00"]),
        (window("23:00", "24:00"), ["2 23:59"], ["2 00:00"]),
        (window("23:00", "00:00"), ["2 23:59"], ["2 00:00", "2 22:59"]),
    ],
    ids=str,
)
def test_windows_open_and_close_on_the_minute(during: During, open_at: list[str], shut_at: list[str]) -> None:
    """The first minute is inside, the last is not; after midnight it is still the window of the day before."""
    for told, wanted in [*((t, True) for t in open_at), *((t, False) for t in shut_at)]:
        day, time = told.split()
        when = MONDAY + timedelta(days=int(day), minutes=TimeOfDay.parse(time).minutes)
        assert during.covers(when) is wanted, told
        assert during.covers(when.astimezone(timezone(timedelta(hours=9)))) is wanted, told


def test_the_prover_reads_windows_as_the_model_does() -> None:
    """Two readings, made independently, agree at every quarter of an hour of a week."""
    windows = [
        window("08:00", "18:00", Weekday.MON, Weekday.FRI),
        window("22:00", "06:15", Weekday.SUN),
        window("00:00", "24:00"),
        window("22:00", "00:00"),
    ]
    for during in windows:
        states = set()
        for quarter in range(7 * 24 * 4):
            when = MONDAY + timedelta(minutes=15 * quarter)
            assert during.covers(when) is _within(during, when)
            states.add(during.covers(when))
        assert states == ({True} if during == windows[2] else {True, False})
