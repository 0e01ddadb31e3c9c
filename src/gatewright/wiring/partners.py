"""Wiring of the partner and client commands: the gateway file is edited, and whom it names is told."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from gatewright.wiring import places_of

if TYPE_CHECKING:
    from cryptography import x509

    from gatewright.app.clienting import Issuers
    from gatewright.app.editing import EditReport, Wanted
    from gatewright.app.parties import Parties
    from gatewright.app.partnering import Needing
    from gatewright.model.gateway import Gateway
    from gatewright.source.editing import Document


def edit(folder: Path, change: Callable[[Document, Gateway], Wanted]) -> EditReport:
    """Make ``change`` in the gateway file of ``folder``. Raises :class:`~gatewright.errors.UsageError`, and changes nothing then."""
    from gatewright.app.editing import Editing
    from gatewright.edges.files import LocalFiles
    from gatewright.pki.inspect import PemInspector
    from gatewright.wiring.apply import planning

    places = places_of(folder)
    return Editing(places, LocalFiles(), PemInspector(), planning(places))(change)


def declared(folder: Path) -> Gateway:
    """What the gateway file says, as it stands. Raises :class:`~gatewright.errors.UsageError` where it is wrong."""
    from gatewright.app.checking import read_gateway
    from gatewright.edges.files import LocalFiles

    return read_gateway(LocalFiles(), folder, PurePath("gateway.yaml")).gateway


@contextmanager
def parties(folder: Path, store: str | None = None) -> Iterator[Parties]:
    """Who is there, for as long as the block lasts: with certificates where any were issued."""
    from gatewright.app.parties import Parties
    from gatewright.edges.clock import SystemClock
    from gatewright.edges.files import LocalFiles
    from gatewright.wiring.pki import close_pki, open_pki, store_url

    files, places, now = LocalFiles(), places_of(folder), SystemClock().now()
    url = store_url(store, os.environ)
    if url is None and not (folder / "state.db").is_file():
        yield Parties(places, files, now, lambda: None)
        return
    pki = open_pki(folder, url)
    try:
        with pki.store.reading() as reader:
            yield Parties(places, files, now, lambda: reader)
    finally:
        close_pki(pki)


def needing(folder: Path) -> Needing:
    """How it is found out which clients need a CA certificate still; the store is not asked, for it holds none of theirs."""
    from gatewright.app.parties import Parties
    from gatewright.edges.clock import SystemClock
    from gatewright.edges.files import LocalFiles

    return Parties(places_of(folder), LocalFiles(), SystemClock().now(), lambda: None).needing


def given(path: Path) -> bytes:
    """The content of a file named on the command line. Raises :class:`~gatewright.errors.UsageError`."""
    from gatewright.app.showing import read_given
    from gatewright.edges.files import LocalFiles

    return read_given(LocalFiles(), path)


def certificates(path: Path) -> tuple[x509.Certificate, ...]:
    """Every certificate in a file, one or more. Raises :class:`~gatewright.errors.UsageError` where one cannot be read."""
    from gatewright.errors import Diagnostic, UsageError
    from gatewright.pki import formats
    from gatewright.pki.verify import parsed

    found = [parsed(one) for one in formats.certificates(given(path), str(path))]
    read = tuple(one for one in found if one is not None)
    if len(read) < len(found):
        what = f"{str(path)!r} holds no certificate that can be read"
        raise UsageError(Diagnostic("not-a-certificate", what, "", "give a client's certificate, PEM or DER"))
    return read


def issuers(folder: Path) -> Issuers:
    """How the issuing CAs of each authority are found."""
    from gatewright.app.clienting import issuers_in
    from gatewright.edges.files import LocalFiles

    return issuers_in(LocalFiles(), folder)
