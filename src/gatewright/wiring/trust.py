"""Wiring of ``trust``: the gateway's folder and this machine's stores."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from gatewright.errors import Diagnostic, UsageError

if TYPE_CHECKING:
    from gatewright.app.trusting import Trusting
    from gatewright.plan.trusting import Root


def trusting(folder: Path) -> Trusting:
    """The use case for the gateway in ``folder``."""
    from gatewright.app.trusting import Trusting
    from gatewright.edges.files import LocalFiles
    from gatewright.edges.truststores import LocalTrustStores

    return Trusting(LocalFiles(), LocalTrustStores(), PurePosixPath(folder))


def chosen_root(folder: Path, authority: str | None) -> Root:
    """The root of ``authority``, else of the one that issues the gateway's own certificate.

    Raises :class:`UsageError` where there is none of ours.
    """
    if authority is None:
        from gatewright.app.checking import read_gateway
        from gatewright.edges.files import LocalFiles

        authority = read_gateway(
            LocalFiles(), PurePosixPath(folder), PurePosixPath("gateway.yaml")
        ).gateway.server_authority
    if authority is None:
        raise UsageError(
            Diagnostic(
                "no-root-here",
                "the gateway's own certificate was not issued here",
                "so there is no root of ours that its clients would have to trust",
                "name a managed authority with --authority",
            )
        )
    return trusting(folder).root(authority)
