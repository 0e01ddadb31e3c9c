"""What is looked after while httpd serves: the published copy of files, the store, and the gateway's own certificate.

Nothing that goes wrong here ends the gateway: it is said, and tried again.
"""

from __future__ import annotations

from collections.abc import Callable

from gatewright.app.places import Places, publish
from gatewright.errors import Diagnostic, GatewrightError
from gatewright.model.gateway import Gateway
from gatewright.ports.clock import Clock
from gatewright.ports.mirror import Mirror

PUBLISH_S = 1.0
"""Seconds between looks at the files that root publishes to httpd's children."""

STORE_S = 5.0
"""Seconds between looks into the store, of about 3 ms each: CRLs that are due, what others changed."""

CERTIFICATE_S = 3600.0
"""Seconds between looks at the gateway's own certificate, which is renewed in the last third of its life."""

# A site so large that looking at it takes long is looked at less often: at most 5 % of one core.
_REST = 20


class Upkeep:
    """Called several times a second; does something only when it is due.

    ``renew`` begins to apply what is in force once more, which renews the gateway's certificate when that is due; it
    returns at once.
    """

    def __init__(
        self,
        places: Places,
        gateway: Gateway,
        *,
        mirror: Mirror,
        clock: Clock,
        say: Callable[[str], None],
        watch_store: Callable[[], None],
        renew: Callable[[], None],
    ) -> None:
        self._places, self._gateway, self._mirror, self._clock = places, gateway, mirror, clock
        self._renew = renew
        self._say, self._watch_store = say, watch_store
        self._told: tuple[Diagnostic, ...] = ()
        self._publish_at = clock.monotonic() + PUBLISH_S
        self._store_at = clock.monotonic() + STORE_S
        self._certificate_at = clock.monotonic() + CERTIFICATE_S

    def __call__(self) -> None:
        """Do what is due."""
        now = self._clock.monotonic()
        if now >= self._store_at:
            self._watch_store()
            took = self._clock.monotonic() - now
            self._store_at = now + max(STORE_S, _REST * took)
        if now >= self._publish_at:
            self._publish()
            took = self._clock.monotonic() - now
            self._publish_at = now + max(PUBLISH_S, _REST * took)
        if now >= self._certificate_at:
            self._certificate_at = now + CERTIFICATE_S
            self._renew()

    def _publish(self) -> None:
        told: tuple[Diagnostic, ...] = ()
        try:
            publish(self._mirror, self._places, self._gateway)
        except GatewrightError as problem:
            told = problem.diagnostics
        if told and told != self._told:
            self._say("\n".join(f"Warning: {d.what} ({d.fix})" for d in told))
        self._told = told

    def follow(self, gateway: Gateway) -> None:
        """From now on ``gateway`` is what is in force."""
        self._gateway = gateway
