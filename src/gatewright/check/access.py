"""Rules about groups, and about what an ``access`` says."""

from __future__ import annotations

from collections.abc import Iterator

from gatewright.check.registry import Finding, View, rule
from gatewright.errors import Severity


@rule("group-is-client")
def group_is_client(view: View) -> Iterator[Finding]:
    """Routes name clients and groups in one breath, so no name may be both: who is meant would be a matter of luck."""
    clients = {name.casefold(): name for name in view.gateway.clients}
    for name in view.gateway.groups:
        other = clients.get(name.casefold())
        if other is not None:
            what = f"the group {name!r} has the name of the client {other!r}"
            yield Finding(("groups", name), what, "a route that names it could mean either", "rename the group")


@rule("unknown-member")
def unknown_member(view: View) -> Iterator[Finding]:
    """A group holds clients that are declared. Groups in groups would hide who is admitted."""
    for group, members in view.gateway.groups.items():
        for index, name in enumerate(members):
            if name in view.gateway.clients:
                continue
            path = ("groups", group, index)
            if name in view.gateway.groups:
                what = f"group {group!r} names the group {name!r}"
                yield Finding(
                    path, what, "a group holds clients, so that its list says who is admitted", "name its clients"
                )
                continue
            meant = view.nearest(name, view.gateway.clients)
            fix = f"did you mean '{meant}'?" if meant else f"declare '{name}' under 'clients', or remove it here"
            what = f"group {group!r} names the client {name!r}, which is not declared"
            yield Finding(path, what, "a name that nobody has admits nobody", fix)


@rule("unused-group")
def unused_group(view: View) -> Iterator[Finding]:
    """A group that no route names admits nobody anywhere."""
    for name in view.gateway.groups:
        if name not in view.named:
            what = f"no route names the group {name!r}"
            fix = f"add '{name}' to a route's access, or remove it"
            yield Finding(("groups", name), what, "its members gain nothing by it", fix, Severity.WARNING)


@rule("empty-window")
def empty_window(view: View) -> Iterator[Finding]:
    """A window that ends when it begins is open never or always, and nobody can tell which was meant."""
    for path, route in view.gateway.routes.items():
        during = route.access.during
        if during is not None and during.begin == during.end:
            what = f"'during' of route {path!r} opens and closes at {during.begin}"
            fix = "write another 'to'; for whole days leave out 'from' and 'to'"
            yield Finding(("routes", path, "access", "during"), what, "it could mean never or always", fix)


@rule("window-begins-at-end-of-day")
def window_begins_at_end_of_day(view: View) -> Iterator[Finding]:
    """The end of one day is the begin of the next, and which day's window it would be is not clear."""
    for path, route in view.gateway.routes.items():
        during = route.access.during
        if during is not None and during.begin.minutes == 24 * 60:
            what = f"'during' of route {path!r} opens at 24:00"
            place = ("routes", path, "access", "during", "from")
            yield Finding(place, what, "'days' are those on which it opens", 'write from: "00:00" and the day after')
