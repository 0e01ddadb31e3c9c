"""Groups as folders: a member is an empty file, looked up once per request, so that cost does not grow with the members.

A declared group is such a folder, and so is a list of more than :data:`MOST_LISTED` clients. What httpd can hash is looked up
there: DNS names, e-mail addresses, serial numbers. Clients known by anything else are compared one by one, whether they stand in
a group or not. Below a group's folder stands one for each issuing CA, named by its DN, because a name is only as good as who
vouches for it; where one authority alone is trusted, the handshake has said that, and the folder has the authority's name.

The files are named by SHA-1, the only usable hash that httpd has. To pass for a member, a certificate must hold a name with the
same hash as a name that *we* wrote down (a second preimage), and come from the CA that vouches for that name.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from gatewright.compile.traits import Same
from gatewright.model.gateway import Access, Client, Gateway
from gatewright.model.values import Name
from gatewright.model.virtual_hosts import virtual_hosts

MOST_LISTED = 32
"""Clients that a list compares one by one; of more, one look at a file costs less than all the comparisons."""

READY = ".ready"
"""The file without which the members of a generation count as lost, and nobody as a member."""

KINDS: Mapping[str, Callable[[Client], str | None]] = {
    "dns": lambda client: client.san,
    "email": lambda client: client.email,
    "serial": lambda client: client.serial,
}
"""What httpd can look up, by the beginning of the file's name."""


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder: its name, its members, and the kinds of file in it. DNS names always, so that one more changes no condition."""

    name: str
    members: tuple[Name, ...]
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """How it is decided whom the names of an access stand for: ``folders`` that are looked into, ``clients`` that are compared."""

    folders: tuple[Folder, ...]
    clients: tuple[Name, ...]


class Decisions:
    """The decisions of one virtual host's view of a gateway. Each list of names is looked at once, however many routes have it."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._groups: dict[str, tuple[Folder, tuple[Name, ...]]] = {}
        self._known: dict[tuple[Name, ...], Decision] = {}

    def __call__(self, access: Access) -> Decision:
        """The folders and the clients compared one by one."""
        if access.names not in self._known:
            self._known[access.names] = self._decided(access.names)
        return self._known[access.names]

    def all_folders(self) -> tuple[Folder, ...]:
        """Every folder that some route looks into, each once."""
        found = {f.name: f for route in self._gateway.routes.values() for f in self(route.access).folders}
        return tuple(found.values())

    def _decided(self, names: tuple[Name, ...]) -> Decision:
        gateway = self._gateway
        groups = [self._group(str(n), gateway.groups[n]) for n in names if n in gateway.groups]
        listed = gateway.members(n for n in names if n not in gateway.groups)
        if len(listed) > MOST_LISTED:
            # "~" stands in no name of the user's. Routes with the same list share the folder.
            groups.append(self._group(f"~{_sha1(' '.join(names))}", listed))
            listed = ()
        compared = (*listed, *(name for _, others in groups for name in others))
        return Decision(tuple(folder for folder, _ in groups), tuple(dict.fromkeys(compared)))

    def _group(self, name: str, members: tuple[Name, ...]) -> tuple[Folder, tuple[Name, ...]]:
        """A folder, and those of its members that httpd cannot look up."""
        if name not in self._groups:
            clients = {n: self._gateway.clients[n] for n in members if n in self._gateway.clients}
            kinds = tuple(
                k for k, of in KINDS.items() if k == "dns" or any(of(c) is not None for c in clients.values())
            )
            others = tuple(n for n, c in clients.items() if all(of(c) is None for of in KINDS.values()))
            self._groups[name] = Folder(name, tuple(clients), kinds), others
        return self._groups[name]


@functools.lru_cache(maxsize=16)
def _decisions(same: Same) -> Decisions:
    return Decisions(same.gateway)


def decisions(gateway: Gateway) -> Decisions:
    """The decisions of this very gateway."""
    return _decisions(Same(gateway))


def entries(gateway: Gateway, subjects: Mapping[str, tuple[str, ...]]) -> frozenset[PurePosixPath]:
    """Every member file of a generation, relative to ``Layout.members``.

    ``subjects``: the issuing CAs' DNs by authority, as mod_ssl spells them. A pure function of the policy and those.
    """
    found: set[PurePosixPath] = set()
    for host in virtual_hosts(gateway):
        issuers = {
            name: (own_folder(name),) if host.apart else tuple(map(issuer_folder, subjects.get(name, ())))
            for name in host.gateway.authorities
        }
        for folder in decisions(host.gateway).all_folders():
            found.update(_files(host.gateway, folder, issuers))
    return frozenset(found)


def issuer_folder(subject: str) -> str:
    """The folder, inside a group's, of those for whom the CA with this DN vouches."""
    return f"by-{_sha1(subject)}"


def own_folder(authority: Name) -> str:
    """The folder, inside a group's, of the clients of an authority that is alone under a name of its own."""
    return f"of-{authority}"


def group_folders(gateway: Gateway) -> frozenset[str]:
    """The names of all folders of groups."""
    return frozenset(f.name for host in virtual_hosts(gateway) for f in decisions(host.gateway).all_folders())


def _files(gateway: Gateway, folder: Folder, issuers: Mapping[Name, tuple[str, ...]]) -> Iterator[PurePosixPath]:
    for name in folder.members:
        client = gateway.clients[name]
        for kind, of in KINDS.items():
            value = of(client)
            if value is not None:
                for issuer in issuers[client.authority]:
                    yield PurePosixPath(folder.name, issuer, f"{kind}-{_sha1(value)}")


def _sha1(text: str) -> str:
    return hashlib.sha1(text.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()
