"""Asking this machine whether a TCP port is free, and who has it."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from gatewright.diagnose.startup import port_obstacle, port_taken
from gatewright.errors import Diagnostic

_PROC = Path("/proc")
_LISTEN = "0A"
"""The state TCP_LISTEN in /proc/net/tcp (include/net/tcp_states.h)."""


class LocalNetwork:
    """:class:`gatewright.ports.network.Network` of this machine."""

    def obstacle(self, address: str | None, port: int) -> Diagnostic | None:
        """Why nothing can listen on this address (``None``: all of them) and port now, or ``None`` if it can.

        Tries it the way httpd does: with SO_REUSEADDR; for all addresses, IPv6 (alone) as well as IPv4.
        """
        shown = str(port) if address is None else f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        for family, host in _places(address):
            problem = self._try(family, host, port)
            if problem is None:
                continue
            if problem == errno.EADDRINUSE:
                return port_taken(shown, self.holder(address, port))
            if address is None and problem in {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}:
                continue  # a machine without IPv6, or without IPv4; httpd takes what there is
            return port_obstacle(shown, problem, os.strerror(problem))
        return None

    def _try(self, family: socket.AddressFamily, host: str, port: int) -> int | None:
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind((host, port))
                probe.listen(1)
        except OSError as error:
            return error.errno or errno.EIO
        return None

    def holder(self, address: str | None, port: int) -> str:
        """Who listens there, as ``nginx (pid 123)``, or an empty text where that cannot be found out.

        Reads /proc: without root, only the own processes are seen.
        """
        inodes = set(_listening(address, port))
        if not inodes:
            return ""
        for pid in sorted(int(e.name) for e in _PROC.iterdir() if e.name.isdigit()):
            if inodes & set(_sockets_of(pid)):
                with contextlib.suppress(OSError):
                    return f"{(_PROC / str(pid) / 'comm').read_text().strip()} (pid {pid})"
        return ""


def _places(address: str | None) -> list[tuple[socket.AddressFamily, str]]:
    if address is None:
        return [(socket.AF_INET6, "::"), (socket.AF_INET, "0.0.0.0")]  # noqa: S104 -- as httpd's `Listen PORT` does
    family = socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET
    return [(family, address)]


def _listening(address: str | None, port: int) -> Iterator[str]:
    """Inodes of sockets that listen on the port, on this address or on all."""
    for table in ("tcp", "tcp6"):
        try:
            rows = (_PROC / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            host, _, number = fields[1].partition(":")
            if fields[3] == _LISTEN and int(number, 16) == port:
                listens_on = _address(host)
                if address is None or listens_on.is_unspecified or listens_on == ipaddress.ip_address(address):
                    yield fields[9]


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    # The kernel prints each 32-bit word in the machine's own byte order.
    words = [int(text[i : i + 8], 16) for i in range(0, len(text), 8)]
    return ipaddress.ip_address(struct.pack(f"={len(words)}I", *words))


def _sockets_of(pid: int) -> Iterator[str]:
    try:
        for entry in os.scandir(_PROC / str(pid) / "fd"):
            with contextlib.suppress(OSError):
                link = Path(entry.path).readlink().name
                if link.startswith("socket:["):
                    yield link[8:-1]
    except OSError:
        return
