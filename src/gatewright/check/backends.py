"""Rules about what backends are told and how it is vouched for."""

from __future__ import annotations

from collections.abc import Iterator

from gatewright.check.registry import Finding, View, rule
from gatewright.errors import Severity
from gatewright.model.gateway import Announced
from gatewright.model.values import HostName

_LOOPBACK = {HostName("localhost"), HostName("127.0.0.1"), HostName("::1")}


@rule("identity-nothing-and-more")
def identity_nothing_and_more(view: View) -> Iterator[Finding]:
    """A list that says both can only be a mistake, and guessing which half would tell too much or too little."""
    for path, route in view.gateway.routes.items():
        told = () if route.backend is None else route.backend.identity
        if Announced.NOTHING in told and len(told) > 1:
            what = f"the backend of route {path!r} is told 'nothing', and {len(told) - 1} more"
            why = "it is told either nothing of the client, or what the list names"
            place = ("routes", path, "backend", "identity", told.index(Announced.NOTHING))
            yield Finding(place, what, why, "remove 'nothing', or everything else")


@rule("signed-in-the-clear")
def signed_in_the_clear(view: View) -> Iterator[Finding]:
    """A signature does not hide itself: whoever reads it on its way can send it once more within the verifier's window."""
    for path, route in view.gateway.routes.items():
        backend = route.backend
        if backend is None or backend.signed is None or backend.url.scheme == "https" or backend.url.host in _LOOPBACK:
            continue
        what = f"signed requests of route {path!r} go to {backend.url.host} over plain http"
        why = "whoever can read them there can send one again, with another body, before it is too old"
        fix = "use https://, or a backend on this machine; see 'What a signature does not do' in docs/backends.md"
        yield Finding(("routes", path, "backend"), what, why, fix, Severity.WARNING)
