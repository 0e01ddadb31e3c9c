"""Wiring of ``prove``, and of the proof that ``apply`` asks for."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from gatewright.errors import Diagnostic, EnvironmentFault
from gatewright.wiring import places_of, policy_of

if TYPE_CHECKING:
    from gatewright.app.authority import PkiDeps
    from gatewright.app.places import Places
    from gatewright.app.proving import Attack, Proving, Target
    from gatewright.app.reporting import Saved
    from gatewright.model.gateway import Gateway
    from gatewright.ports.proof import Where
    from gatewright.prove.derive import Depth
    from gatewright.prove.report import Report

LOOPBACK = "127.0.0.1"


def prove(
    folder: Path, *, thorough: bool, at: tuple[str, int] | None = None, kept: Callable[[Saved], None] = lambda _: None
) -> Report:
    """Attack the gateway that runs in ``folder`` along the policy it was last given.

    ``at`` is where to reach it, instead of the port it listens on here; ``kept`` is told where the report was written.
    Raises :class:`EnvironmentFault` where none runs.
    """
    from gatewright.app.generations import current_number, stored_policy
    from gatewright.app.policy import applied_gateway
    from gatewright.app.proving import policy_hash
    from gatewright.app.running import is_held
    from gatewright.edges.files import LocalFiles
    from gatewright.prove.derive import Depth
    from gatewright.wiring.reports import keep

    files, places = LocalFiles(), places_of(folder)
    if at is None and not is_held(files, places):
        raise EnvironmentFault(
            Diagnostic(
                "gateway-not-running",
                f"no gateway runs in {places.folder}",
                "a proof tries the doors of a running gateway",
                f"gatewright -C {places.folder} up --detach",
            )
        )
    number = current_number(files, places)
    gateway = applied_gateway(files, places)
    text = stored_policy(files, places.layout(number)) if number else None
    if gateway is None or text is None:
        policy = policy_of(places)
        gateway, text = policy.gateway, policy.text
    address, port = at or (str(gateway.listen.address or LOOPBACK), gateway.listen.port)
    with _pki(folder) as pki:
        target = _target(places, gateway, pki, number, policy_hash(text), address, port)
        depth = Depth.THOROUGH if thorough else Depth.SAMPLED
        report = _with_twins(places, pki, target, _proving(places, pki)(target, depth=depth), depth)
        kept(keep(places.folder, gateway, pki, report))
    if at is None:
        _act_on(places, gateway, report)
    return report


def _act_on(places: Places, gateway: Gateway, report: Report) -> None:
    """Shut what has to be shut, and keep what this proof came to."""
    from gatewright.app.metrics import note
    from gatewright.app.shutting import are_shut, shut, to_shut
    from gatewright.edges.clock import SystemClock
    from gatewright.edges.files import LocalFiles

    files, routes = LocalFiles(), to_shut(gateway, report)
    if routes:
        shut(files, places, report.generation, routes)
    note(files, places, report, SystemClock().now(), are_shut(files, places, report.generation, gateway))


@contextmanager
def attacking(folder: Path) -> Iterator[Attack]:
    """What ``apply`` proves with, for as long as the block lasts. Its reports are kept like those of ``prove``."""
    from gatewright.app.generations import stored_policy
    from gatewright.app.metrics import note
    from gatewright.app.proving import Attack, policy_hash
    from gatewright.edges.files import LocalFiles
    from gatewright.prove.derive import Depth
    from gatewright.wiring.reports import keep

    places = places_of(folder)
    with _pki(folder) as pki:

        def target(where: Where) -> Target:
            text = stored_policy(LocalFiles(), places.layout(where.generation)) or b""
            hashed = policy_hash(text)
            found = _target(places, where.gateway, pki, where.generation, hashed, where.address, where.port)
            canary = _canary(places, shadow=where.shadow)
            return replace(found, shadow=where.shadow, certificate=where.certificate, canary=canary)

        def kept(where: Where, report: Report) -> None:
            keep(places.folder, where.gateway, pki, report)
            # What tries only the doors of touched clients must not stand for a proof of the whole gateway, or hide what that found.
            if not where.shadow and where.touched is None:
                note(LocalFiles(), places, report, pki.clock.now())

        def twins(where: Where, report: Report) -> Report:
            return _with_twins(places, pki, target(where), report, Depth.SAMPLED)

        yield Attack(_proving(places, pki), target, kept, twins)


def _with_twins(places: Places, pki: PkiDeps, target: Target, report: Report, depth: Depth) -> Report:
    """``report``, and what a twin of the generation shows of partners' routes; where it does not start, that is said."""
    import os

    from gatewright.app.twins import Twins, stood_in_for
    from gatewright.app.vouched import demands_credentials
    from gatewright.edges.files import LocalFiles
    from gatewright.edges.httpd import LocalHttpd
    from gatewright.edges.openssl import OpenSsl
    from gatewright.model.canary import SOCKET
    from gatewright.prove.report import together
    from gatewright.wiring.credentials import shadows

    partners = stood_in_for(target.gateway)
    if not (partners or demands_credentials(target.gateway)) or not target.generation:
        return report
    binary = LocalHttpd(os.environ).find().binary
    twins = Twins(LocalFiles(), OpenSsl(), shadows(places), pki.clock, pki.randomness, binary, target.gid)
    layout = places.layout(target.generation)
    try:
        with twins.instance(target.gateway, layout, target.anchors) as twin:
            canary = (places.published or PurePosixPath(twin.run)) / SOCKET
            at = replace(target, address=LOOPBACK, port=twin.port, canary=canary, shadow=True, certificate="")
            at = replace(at, twins=twin.signers, only=partners, vouching=twin.vouching)
            return together(report, _proving(places, pki)(at, depth=depth))
    except EnvironmentFault as fault:
        return together(report, None, fault.diagnostics[0].what)


def _target(  # noqa: PLR0917 - a target's fields, in their order
    places: Places, gateway: Gateway, pki: PkiDeps, generation: int, policy_sha256: str, address: str, port: int
) -> Target:
    from gatewright.app.anchors import anchors_of
    from gatewright.app.generations import read_manifest
    from gatewright.app.proving import Target
    from gatewright.app.proving_enrolment import Enrolment

    manifest = read_manifest(pki.files, places.layout(generation)) if generation else None
    return Target(
        gateway,
        policy_sha256,
        generation,
        address,
        port,
        _canary(places, shadow=False),
        anchors_of(places, gateway, generation, pki),
        gid=places.run_as.gid if places.run_as else None,
        certificate=manifest.certificate if manifest is not None else "",
        httpd_version=_httpd_version(),
        openssl_version=_openssl_version(),
        enrolment=Enrolment(places.layout(generation).members, places.contacts),
        secrets=_secrets(places, gateway),
    )


def _secrets(places: Places, gateway: Gateway) -> dict[str, tuple[str, ...]]:
    """From the operator's files, not from the generation that is judged."""
    from gatewright.app.backend_secrets import read_secrets
    from gatewright.edges.files import LocalFiles

    return {str(name): found for name, found in read_secrets(places, gateway.signing_names, LocalFiles()).items()}


def _canary(places: Places, *, shadow: bool) -> PurePosixPath:
    """Where httpd looks for the canary: beside its pid file, or for root's gateways where its children can reach it."""
    from gatewright.app.applying import SHADOW
    from gatewright.model.canary import SOCKET

    run = places.run / SHADOW if shadow else places.run
    return (places.published or run) / SOCKET


def _proving(places: Places, pki: PkiDeps) -> Proving:
    from gatewright.app.proving import Proving
    from gatewright.edges.probing.prober import LocalProber

    return Proving(
        pki, LocalProber(), places.revoked, PurePosixPath(places.run) / "prove.lock", lambda: time.sleep(0.1)
    )


@contextmanager
def _pki(folder: Path) -> Iterator[PkiDeps]:
    from gatewright.wiring.pki import close_pki, open_pki

    pki = open_pki(folder)
    try:
        yield pki
    finally:
        close_pki(pki)


@functools.cache
def _httpd_version() -> str:
    """Found once a process: a proof is over in seconds."""
    import os

    from gatewright.edges.httpd import LocalHttpd

    return LocalHttpd(os.environ).find().version_text


@functools.cache
def _openssl_version() -> str:
    from gatewright.edges.openssl import OpenSsl

    return OpenSsl().version()
