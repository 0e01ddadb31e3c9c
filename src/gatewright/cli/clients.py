"""How clients are told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from gatewright.cli.render import render_days, render_table

if TYPE_CHECKING:
    from gatewright.app.parties import ClientTold


def client_table(clients: Iterable[ClientTold]) -> str:
    """One line for each: who, where, and until when."""
    header = ("CLIENT", "AUTHORITY", "KNOWN AS", "ROUTES", "CERTIFICATE", "LAST ISSUED", "REVOKED")
    return render_table(header, map(_row, clients))


def _row(told: ClientTold) -> tuple[str, ...]:
    routes = "disabled" if told.disabled else ", ".join(told.routes[:3]) or "none"
    if len(told.routes) > 3:
        routes += f" and {len(told.routes) - 3} more"
    return (
        told.name,
        told.authority,
        told.known_as,
        routes,
        standing(told),
        f"{told.certificates[0].certificate.not_before:%Y-%m-%d}" if told.certificates else "",
        str(told.revoked) if told.revoked else "",
    )


def standing(told: ClientTold) -> str:
    """Until when it can come: the last end of its valid certificates, as far as they are known here."""
    if told.valid:
        return render_days(max(c.days_left for c in told.valid))
    if told.enrolled:
        return f"enrolled until {max(told.enrolled):%Y-%m-%d}"
    return "none valid" if told.certificates else ""
