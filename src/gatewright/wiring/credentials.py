"""Wiring of what routes demand besides certificates: users, key sets, the authorizer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from gatewright.errors import Diagnostic, EnvironmentFault, FindingError, Severity
from gatewright.wiring.ourselves import ourselves

if TYPE_CHECKING:
    import subprocess

    from gatewright.app.places import Places
    from gatewright.app.reports import Say
    from gatewright.app.users import Users
    from gatewright.edges.authorizer.process import LocalAuthorizer
    from gatewright.edges.shadow import LocalShadows
    from gatewright.model.gateway import Gateway


def fetch_key_sets(places: Places, gateway: Gateway, say: Say) -> None:
    """Before ``gateway`` is brought into force its key sets are there. Raises :class:`EnvironmentFault` for one that is not."""
    from gatewright.app.key_sets import FRESH

    problems = _refresh(places, gateway, FRESH)
    missing = [p for p in problems if p.severity is Severity.ERROR]
    if missing:
        raise EnvironmentFault(*missing)
    for problem in problems:
        say(f"Warning: {problem.what} ({problem.why})")


def jwks(folder: Path) -> tuple[str, ...]:
    """Fetch the key sets of the gateway in force (else of the gateway file) now; their URLs.

    Raises :class:`FindingError` with what could not be fetched.
    """
    from gatewright.app.key_sets import fetched
    from gatewright.wiring import places_of, policy_of

    places = places_of(folder)
    gateway = gateway_in_force(places) or policy_of(places).gateway
    problems = _refresh(places, gateway, timedelta(0))
    if problems:
        raise FindingError(*problems)
    return tuple(str(bearer.jwks) for bearer in fetched(gateway))


def gateway_in_force(places: Places) -> Gateway | None:
    """What was applied last, if anything was."""
    from gatewright.app.generations import current_number
    from gatewright.app.policy import applied_gateway
    from gatewright.edges.files import LocalFiles

    files = LocalFiles()
    number = current_number(files, places)
    return applied_gateway(files, places, number) if number else None


def _refresh(places: Places, gateway: Gateway, if_older: timedelta) -> tuple[Diagnostic, ...]:
    from gatewright.app.key_sets import fetched, refresh
    from gatewright.edges.clock import SystemClock
    from gatewright.edges.files import LocalFiles
    from gatewright.edges.https import HttpsFetcher

    if not any(fetched(gateway)):
        return ()
    return refresh(LocalFiles(), places, gateway, HttpsFetcher(), SystemClock(), if_older=if_older)


def authorizer(places: Places, log: Path, keys: PurePath | None = None) -> LocalAuthorizer:
    """An authorizer for the gateway in ``places``, not started; its port is taken from now on. ``keys``: where other key sets stand."""
    from gatewright.edges.authorizer.process import LocalAuthorizer
    from gatewright.edges.httpd import our_environment

    account = (places.run_as.uid, places.run_as.gid) if places.run_as is not None else None
    return LocalAuthorizer(Path(keys or places.layout(1).credentials), log, our_environment(), account)


def shadows(places: Places) -> LocalShadows:
    """Shadow instances, each with an authorizer of its own where its routes take tokens."""
    from gatewright.edges.httpd import our_environment
    from gatewright.edges.shadow import LocalShadows

    def helper(logs: PurePath, keys: PurePath | None) -> LocalAuthorizer:
        return authorizer(places, Path(logs) / "authorizer.log", keys)

    return LocalShadows(our_environment(), helper=helper)


class CredentialKeeper:
    """While the gateway serves: the authorizer is kept running where it is needed, and key sets are fetched when they are due."""

    def __init__(
        self, places: Places, gateway: Gateway, keeper: LocalAuthorizer, say: Say, now: Callable[[], float]
    ) -> None:
        from gatewright.app.key_sets import EVERY_S

        self._places, self._keeper, self._say, self._now = places, keeper, say, now
        self._fetching: subprocess.Popen[bytes] | None = None
        self._every = EVERY_S
        self._due = now() + EVERY_S
        self.follow(gateway)

    def follow(self, gateway: Gateway) -> None:
        """From now on ``gateway`` is what is in force."""
        from gatewright.app.key_sets import fetched
        from gatewright.compile.passes.credentials import needs_authorizer

        self._wanted, self._fetches = needs_authorizer(gateway), any(fetched(gateway))

    def __call__(self) -> None:
        """Do what is due; quick. Raises :class:`EnvironmentFault` where a fetch cannot be started now."""
        from gatewright.edges.background import begin

        if self._keeper.keep(wanted=self._wanted):
            what = "gave no sign of life and was ended" if self._keeper.hung else "ended"
            self._say(f"The authorizer {what}; it is started again. Until then nobody passes with a bearer token.")
        if self._fetching is not None and (code := self._fetching.poll()) is not None:
            self._fetching = None
            if code:
                self._say("Warning: a key set of a token issuer could not be fetched; see gatewright status")
        if self._fetches and self._fetching is None and self._now() >= self._due:
            self._due = self._now() + self._every
            # In a process of its own: a slow issuer must not keep the supervisor, nor its memory grow.
            self._fetching = begin(ourselves("-C", str(self._places.folder), "jwks"))


def users(folder: Path) -> Users:
    """The files of users in a gateway's folder."""
    from gatewright.app.users import Users
    from gatewright.edges.files import LocalFiles
    from gatewright.edges.randomness import SystemRandomness

    return Users(LocalFiles(), SystemRandomness(), folder)
