"""Shuts the routes that a proof found wanting, where the gateway file says so."""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.app.generations import LOOK_S, apply_lock, current_number
from gatewright.app.places import Places
from gatewright.model.gateway import Gateway
from gatewright.model.shut import shut_name
from gatewright.ports.files import FileKind, Files
from gatewright.prove.report import Report


def to_shut(gateway: Gateway, report: Report) -> tuple[str, ...]:
    """Which routes ``report`` shuts, in the file's order: those with a finding.

    What belongs to no route (handshakes, host names) concerns every protected one. A probe that came to nothing shuts
    nothing: a busy machine must not end up without a gateway.
    """
    if gateway.proof is None or not gateway.proof.shuts:
        return ()
    found = {verdict.case.route for verdict in report.findings if not verdict.inconclusive}
    general = bool(found - set(gateway.routes))
    return tuple(
        path for path, route in gateway.routes.items() if path in found or (general and not route.access.is_public)
    )


def shut(files: Files, places: Places, number: int, routes: Iterable[str]) -> bool:
    """Shut ``routes`` of generation ``number`` from the next request on; whether that was done.

    Not while another process applies, or after it did: then it was no finished gateway that was proved.
    """
    with files.lock(apply_lock(places), patience=LOOK_S) as ours:
        if not ours or current_number(files, places) != number:
            return False
        folder = places.layout(number).shut
        for path in (folder.parent, folder):
            files.make_folder(path)
            if places.run_as is not None:
                files.own(path, places.run_as.gid)
        for route in routes:
            files.write(folder / shut_name(route), f"{route}\n".encode(), 0o640)
    return True


def are_shut(files: Files, places: Places, number: int, gateway: Gateway) -> tuple[str, ...]:
    """The routes of generation ``number`` that are shut now."""
    folder = places.layout(number).shut
    if files.kind(folder) is not FileKind.FOLDER:
        return ()
    names = set(files.list(folder))
    return tuple(path for path in gateway.routes if shut_name(path) in names)
