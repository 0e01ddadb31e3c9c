"""Wiring of enrolment: the supervisor's part, and ``client enrol``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gatewright.model.enrolment import clients_by_enrolment

if TYPE_CHECKING:
    from gatewright.app.enrol import EnrolReport
    from gatewright.app.enrolling import Enrolling, Looking
    from gatewright.app.places import Places
    from gatewright.app.reports import Say
    from gatewright.model.gateway import Gateway


class Enrolment:
    """The supervisor's part, made when the gateway first has clients that need it: it brings OpenSSL's bindings along."""

    def __init__(self, places: Places, gateway: Gateway, say: Say) -> None:
        self._places, self._gateway, self._say = places, gateway, say
        self._it: Enrolling | None = None

    def __call__(self) -> None:
        """Do what is due."""
        if self._it is None and clients_by_enrolment(self._gateway):
            from gatewright.app.enrolling import Enrolling
            from gatewright.edges.logs import FileFollower

            self._it = Enrolling(looking(self._places), FileFollower(), self._say)
        if self._it is not None:
            self._it()

    def follow(self, gateway: Gateway) -> None:
        """From now on ``gateway`` is what is in force."""
        self._gateway = gateway


def looking(places: Places) -> Looking:
    """How a certificate is looked at on this machine."""
    from gatewright.app.enrolling import Looking
    from gatewright.edges.clock import SystemClock
    from gatewright.edges.files import LocalFiles
    from gatewright.edges.openssl import OpenSsl

    return Looking(places, LocalFiles(), SystemClock(), OpenSsl().verify)


def enrol(folder: Path, client: str, file: Path) -> EnrolReport:
    """Enrol the certificate in ``file`` as ``client``. Raises :class:`~gatewright.errors.GatewrightError` with the reason."""
    from gatewright.app.enrol import enrol as do
    from gatewright.wiring import places_of, policy_of

    places = places_of(folder)
    return do(looking(places), policy_of(places).gateway, client, file)
