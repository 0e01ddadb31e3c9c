"""Wiring of the commands that look at certificates and need no gateway: ``verify`` and ``cert show``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePath

from gatewright.app.checking import read_gateway
from gatewright.app.explaining import Asked, Explaining
from gatewright.app.showing import Showing
from gatewright.app.verifying import GATEWAY_FILE, Verifying
from gatewright.edges.clock import SystemClock
from gatewright.edges.files import LocalFiles
from gatewright.edges.openssl import OpenSsl
from gatewright.model.virtual_hosts import in_force
from gatewright.plan.admission import Admission
from gatewright.wiring import places_of


def verifying() -> Verifying:
    """The use case on this machine. The host's OpenSSL is looked for when it is first needed."""
    return Verifying(LocalFiles(), SystemClock(), OpenSsl, lambda folder: places_of(Path(folder)))


def explained(folder: Path, asked: Asked) -> Admission:
    """The decision of the gateway file in ``folder``. Raises :class:`~gatewright.errors.GatewrightError`."""
    use = verifying()
    declared = read_gateway(use.files, folder, PurePath(GATEWAY_FILE))
    declared = replace(declared, gateway=in_force(declared.gateway))
    return Explaining(use)(declared, folder, asked)


def showing() -> Showing:
    """The use case on this machine."""
    return Showing(LocalFiles(), SystemClock())
