"""What is true of a gateway as a whole and asked for each of its routes: looked at once, or ten thousand routes cost their square."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from gatewright.model.gateway import Gateway


class Same:
    """A gateway as a key: equal to itself only. Gateways are frozen, and comparing two costs more than what is looked up."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    def __hash__(self) -> int:
        return id(self.gateway)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.gateway is self.gateway


@dataclass(frozen=True, slots=True)
class Traits:
    """Whether any route demands more than a certificate, takes bearer tokens, or is not always open."""

    credentials: bool
    tokens: bool
    hours: bool


def traits(gateway: Gateway) -> Traits:
    """The traits of this very gateway."""
    return _traits(Same(gateway))


@functools.lru_cache(maxsize=16)
def _traits(same: Same) -> Traits:
    routes = same.gateway.routes.values()
    demanded = [route.credentials for route in routes if route.credentials is not None]
    return Traits(
        bool(demanded),
        any(credentials.bearer is not None for credentials in demanded),
        any(route.access.during is not None for route in routes),
    )
