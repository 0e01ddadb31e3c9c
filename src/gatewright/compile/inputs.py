"""Everything a compilation depends on, and nothing else: same inputs, same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from types import MappingProxyType

from gatewright.errors import Diagnostic, EnvironmentFault
from gatewright.model.gateway import Backend, BackendCertificate, Gateway
from gatewright.model.machine import Anchor, BackendIdentity, Httpd, Layout, RunAs, ServerIdentity
from gatewright.model.values import Name
from gatewright.model.virtual_hosts import VirtualHost

TABLE_FROM = 512
"""From how many routes on a table is cheaper: about 15 us a request, as 500 locations are (measured on httpd 2.4.71)."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """The declared gateway and the facts it is compiled against.

    ``anchors`` has one entry for each authority of the gateway (more when an authority is between two generations);
    ``run_as`` is set when httpd is started by root; ``system_anchors`` is the machine's own bundle of CA certificates.
    ``table_from`` is how many routes make a table of them.
    ``backend_identities`` has one entry for each client certificate that a backend is shown.
    ``host`` is the virtual host at hand, where the inputs are those of one; see :meth:`of`. ``secrets`` are those that requests to
    backends are signed with, by name, all of which sign.
    """

    gateway: Gateway
    httpd: Httpd
    layout: Layout
    identity: ServerIdentity
    anchors: tuple[Anchor, ...] = ()
    run_as: RunAs | None = None
    system_anchors: PurePosixPath | None = None
    host: VirtualHost | None = None
    table_from: int = TABLE_FROM
    secrets: Mapping[Name, tuple[str, ...]] = field(default_factory=dict)
    backend_identities: Mapping[BackendCertificate, BackendIdentity] = field(
        default_factory=lambda: MappingProxyType({})
    )

    def of(self, host: VirtualHost) -> Inputs:
        """The inputs of one virtual host: only those whom it trusts."""
        anchors = tuple(a for a in self.anchors if a.authority in host.gateway.authorities)
        return replace(self, gateway=host.gateway, anchors=anchors, host=host)

    @property
    def apart(self) -> Name | None:
        """The one authority that the virtual host at hand is for, ``None`` at the shared one."""
        return None if self.host is None else self.host.apart

    def subjects(self, authority: Name) -> tuple[str, ...]:
        """Subjects of the issuing CAs that vouch for ``authority``, as mod_ssl spells ``SSL_CLIENT_I_DN``."""
        return tuple(a.subject for a in self.anchors if a.authority == authority)

    def backend_anchors(self, backend: Backend) -> str:
        """The file of CA certificates that must vouch for an ``https://`` backend.

        Raises :class:`~gatewright.errors.EnvironmentFault` when neither the gateway file nor the machine names one.
        """
        if backend.ca is not None:
            return str(self.layout.folder / backend.ca)
        if self.system_anchors is None:
            raise EnvironmentFault(
                Diagnostic(
                    "no-system-anchors",
                    f"nothing to verify the certificate of {backend.url.origin} with",
                    "the backend names no 'ca' and this machine has no bundle of CA certificates",
                    "add 'ca: FILE' to the backend, or install the package ca-certificates",
                )
            )
        return str(self.system_anchors)
