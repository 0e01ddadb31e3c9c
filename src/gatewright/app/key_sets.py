"""Key sets of token issuers that are fetched: brought up to date beside the gateway, kept through outages, told in ``status``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import PurePosixPath

from gatewright.app.places import Places
from gatewright.errors import Diagnostic, EnvironmentFault, Severity
from gatewright.model.credentials import KEY_SETS, Bearer
from gatewright.model.gateway import Gateway
from gatewright.ports.clock import Clock
from gatewright.ports.fetch import Fetcher
from gatewright.ports.files import FileKind, Files

EVERY_S = 300.0
"""Seconds between fetches: a key that its issuer withdraws is believed no longer than that, and publishers allow more."""
FRESH = timedelta(seconds=60)
"""So young a key set is not fetched again by whoever only needs one to be there."""
STALE = timedelta(hours=1)
"""From this age on ``status`` tells it even where no attempt failed, for instance because no supervisor runs."""


def fetched(gateway: Gateway) -> Iterator[Bearer]:
    """One declaration for each key set that has to be fetched."""
    seen: set[str] = set()
    for route in gateway.routes.values():
        bearer = route.credentials.bearer if route.credentials is not None else None
        if bearer is not None and bearer.jwks.is_url and bearer.jwks not in seen:
            seen.add(bearer.jwks)
            yield bearer


def refresh(
    files: Files,
    places: Places,
    gateway: Gateway,
    fetcher: Fetcher,
    clock: Clock,
    *,
    if_older: timedelta = timedelta(0),
) -> tuple[Diagnostic, ...]:
    """Fetch every key set that was not fetched within ``if_older``; what could not be fetched, or is no key set.

    What was there stays in that case. Severity is an error for one that was never fetched: its routes are shut.
    """
    problems = []
    for bearer in fetched(gateway):
        got, _ = _state(files, places, bearer)
        if got is not None and if_older and clock.now() - got < if_older:
            continue
        try:
            _fetch(files, places, bearer, fetcher, clock)
        except EnvironmentFault as fault:
            why = fault.diagnostics[0].what
            _note(files, places, bearer, got, why)
            problems.append(_problem(bearer, got, why))
    return tuple(problems)


def told(files: Files, places: Places, gateway: Gateway | None, now: datetime) -> tuple[Diagnostic, ...]:
    """What ``status`` has to say about them. Writes nothing."""
    problems = []
    for bearer in fetched(gateway) if gateway is not None else ():
        got, why = _state(files, places, bearer)
        if why or got is None or now - got > STALE:
            problems.append(_problem(bearer, got, why or "it was not fetched lately"))
    return tuple(problems)


def _fetch(files: Files, places: Places, bearer: Bearer, fetcher: Fetcher, clock: Clock) -> None:
    # Loaded here: a supervisor that only looks whether all is there never needs it.
    from gatewright.pki.keysets import MAX_BYTES, KeySetProblem, parse  # noqa: PLC0415 - loads joserfc, which few gateways need

    ca = files.read(places.folder / bearer.ca).decode("ascii", "replace") if bearer.ca is not None else None
    content = fetcher.fetch(bearer.jwks, ca, MAX_BYTES)
    try:
        parse(content)
    except KeySetProblem as problem:
        what = f"what {bearer.jwks} gave is not usable as a key set: {problem}"
        raise EnvironmentFault(
            Diagnostic("fetch-failed", what, "", "see what it gives: curl " + bearer.jwks)
        ) from problem
    path = places.folder / bearer.jwks.file
    files.make_folder(path.parent, 0o700)
    if files.kind(path) is not FileKind.FILE or files.read(path) != content:
        files.write(path, content, 0o640)
    _note(files, places, bearer, clock.now(), "")


def _note(files: Files, places: Places, bearer: Bearer, got: datetime | None, why: str) -> None:
    files.make_folder(places.folder / KEY_SETS, 0o700)
    data = {"url": str(bearer.jwks), "got": got.isoformat() if got is not None else None, "problem": why}
    files.write(_state_path(places, bearer), (json.dumps(data, indent=1) + "\n").encode(), 0o640)


def _state(files: Files, places: Places, bearer: Bearer) -> tuple[datetime | None, str]:
    """When it was fetched last, as far as it is still there, and what the last attempt came to."""
    path = _state_path(places, bearer)
    if files.kind(path) is not FileKind.FILE:
        return None, ""
    try:
        data = json.loads(files.read(path))
        got = datetime.fromisoformat(data["got"]) if data["got"] else None
        why = str(data["problem"])
    except (ValueError, KeyError, TypeError):
        return None, ""
    there = files.kind(places.folder / bearer.jwks.file) is FileKind.FILE
    return (got if there else None), why


def _state_path(places: Places, bearer: Bearer) -> PurePosixPath:
    return places.folder / f"{bearer.jwks.file}.state"


def _problem(bearer: Bearer, got: datetime | None, why: str) -> Diagnostic:
    kept = (
        "nobody passes the routes that need it"
        if got is None
        else f"the keys of {got:%Y-%m-%d %H:%M:%S} UTC are used on"
    )
    return Diagnostic(
        "key-set-not-fetched",
        f"the key set of {bearer.issuer} is not up to date: {why}",
        kept,
        "when the issuer can be reached again: gatewright jwks",
        severity=Severity.ERROR if got is None else Severity.WARNING,
    )
