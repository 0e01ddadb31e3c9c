"""Wiring of reports: kept below the gateway's folder, signed by its own PKI, checked anywhere."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from gatewright.app.reporting import Reporting
from gatewright.edges.clock import SystemClock
from gatewright.edges.files import LocalFiles
from gatewright.errors import GatewrightError

if TYPE_CHECKING:
    from gatewright.app.authority import AuthorityState, PkiDeps
    from gatewright.app.reporting import Saved
    from gatewright.model.gateway import Gateway
    from gatewright.prove.report import Report


def reporting(folder: PurePath) -> Reporting:
    """The reports of the gateway in ``folder``, on this machine."""
    return Reporting(LocalFiles(), SystemClock(), folder)


def keep(folder: PurePath, gateway: Gateway, pki: PkiDeps, report: Report) -> Saved:
    """Write ``report`` below ``folder``, signed by the gateway's first managed authority that there is, if it can be written."""
    return reporting(folder).save_if_possible(report, _authority(gateway, pki), pki)


def _authority(gateway: Gateway, pki: PkiDeps) -> AuthorityState | None:
    from gatewright.app.authority import find_authority

    for name in gateway.managed_authorities:
        try:
            return find_authority(name, pki)
        except GatewrightError:  # declared, and not made yet
            continue
    return None


def absolute(paths: list[str]) -> list[PurePath]:
    """Files named on the command line."""
    return [Path(path).absolute() for path in paths]
