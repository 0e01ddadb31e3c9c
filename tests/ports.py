"""Ports for servers that tests start."""

from __future__ import annotations

import random
import socket
from pathlib import Path

_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_GIVEN: set[int] = set()


def free_port() -> int:
    """A TCP port nobody listens on, for a server that will start later or never; each is given once.

    Not one of those from which the system takes the ports of connections: there, one of the many that tests make could come first.
    """
    lowest = int(_EPHEMERAL.read_text().split()[0]) if _EPHEMERAL.exists() else 32768
    for port in random.SystemRandom().sample(range(10_000, max(lowest, 20_000)), 200):
        if port not in _GIVEN and _can_be_had(port):
            _GIVEN.add(port)
            return port
    raise AssertionError("no port is free")


def _can_be_had(port: int) -> bool:
    """Whether a server may listen on ``port`` of every address."""
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    try:
        socket.create_server(("", port), family=family, dualstack_ipv6=both).close()
    except OSError:
        return False
    return True
