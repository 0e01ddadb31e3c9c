"""What the partner commands make of a gateway file. Each function is one change: text and values in, text out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import PurePosixPath

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gatewright.app.editing import Wanted
from gatewright.errors import Diagnostic, Severity, UsageError, ValueRejected
from gatewright.model.gateway import Gateway, Path
from gatewright.model.values import Name
from gatewright.pki.reading import der_certificate, pem_certificates
from gatewright.source.decoder import nearest
from gatewright.source.editing import Document

FOLDER = PurePosixPath("partners")
"""Where partners' CA certificates are put, in the gateway's folder."""

_BEHIND_AUTHORITIES = ("authorities", "clients", "groups")


@dataclass(frozen=True, slots=True)
class NewPartner:
    """What ``partner add`` was asked. Either ``anchors`` (the partner's CA certificates), or an authority here, new or ``existing``."""

    name: str
    anchors: tuple[bytes, ...] = ()
    existing: tuple[str, ...] = ()
    contact: str = ""
    names: tuple[str, ...] = ()
    host: str = ""
    depth: int = 0


def add_partner(document: Document, gateway: Gateway, wish: NewPartner) -> Wanted:
    """A new partner, and an authority of the same name where none is given. Raises :class:`UsageError` for a name that is taken."""
    name = parsed_name(wish.name)
    _refuse_taken("partner", name, gateway.partners)
    files: dict[PurePosixPath, bytes] = {}
    if not wish.existing:
        _refuse_taken("authority", name, gateway.authorities)
        files = dict(zip(_free(gateway, name), wish.anchors, strict=False))  # of paths there is no end
        document = document.add(("authorities",), name, _authority(wish, files), after=("gateway", "listen"))
    entry: dict[str, object] = {"authority": _one_or_list(wish.existing or (str(name),))}
    if wish.contact:
        entry["contact"] = wish.contact
    if wish.names:
        entry["names"] = list(wish.names)
    return Wanted(document.add(("partners",), name, entry, after=_BEHIND_AUTHORITIES), files)


def disable_partner(document: Document, gateway: Gateway, name: str) -> Wanted:
    """Shut the partner out; its entry, its clients and their places in lists stay."""
    known = known_partner(gateway, name)
    path: Path = ("partners", known, "disabled")
    if gateway.partners[known].disabled:
        return Wanted(document)
    if document.data["partners"][known].get("disabled") is False:
        return Wanted(document.put(path, value=True))
    return Wanted(document.add(path[:-1], "disabled", value=True))


def enable_partner(document: Document, gateway: Gateway, name: str) -> Wanted:
    """Let the partner in again, to what routes say of it by now."""
    known = known_partner(gateway, name)
    return Wanted(document.remove(("partners", known, "disabled")) if gateway.partners[known].disabled else document)


Needing = Callable[[Gateway, Name, str], Sequence[Name]]
"""Who is known to need a CA certificate still, by its authority and file."""


def renew_partner(
    document: Document,
    gateway: Gateway,
    name: str,
    *,
    anchors: Sequence[bytes] = (),
    retire: str = "",
    authority: str = "",
    needing: Needing = lambda _gateway, _authority, _file: (),
) -> Wanted:
    """Further CAs beside those of the partner, and without the one that ``retire`` names, by its file."""
    known = known_partner(gateway, name)
    which = _anchored(gateway, known, authority)
    files: dict[PurePosixPath, bytes] = {}
    notes: tuple[Diagnostic, ...] = ()
    for path, anchor in zip(_free(gateway, known), anchors, strict=False):
        files[path] = anchor
        document = document.append(("authorities", which, "anchor"), str(path))
    if retire:
        old = list(gateway.authorities[which].anchors)
        index = next((i for i, path in enumerate(old) if retire in {path, PurePosixPath(path).name}), None)
        if index is None:
            raise UsageError(
                Diagnostic(
                    "no-such-anchor",
                    f"{retire!r} is no CA certificate of partner {str(known)!r}",
                    "",
                    f"name one of: {', '.join(old)}",
                )
            )
        if len(old) + len(files) == 1:
            raise UsageError(
                Diagnostic(
                    "last-anchor",
                    f"{old[0]} is the only CA certificate of partner {str(known)!r}",
                    "without it none of its clients is admitted",
                    f"add the next one first: gatewright partner renew {known} --ca NEXT.pem; "
                    f"or shut the partner out: gatewright partner disable {known}",
                )
            )
        document = document.remove(("authorities", which, "anchor", index))
        notes = tuple(_still_needed(old[index], needing(gateway, which, old[index])))
    return Wanted(document, files, notes)


def _still_needed(file: str, clients: Sequence[Name]) -> Iterator[Diagnostic]:
    if clients:
        yield Diagnostic(
            "anchor-in-use",
            f"{file} issued certificates that are enrolled here, of {', '.join(clients)}",
            "they are refused once it is trusted no more",
            "have the partner issue them anew by its next CA before this is applied",
            severity=Severity.WARNING,
        )


def known_partner(gateway: Gateway, name: str) -> Name:
    """The partner of this name, or whose authority has it. Raises :class:`UsageError` with the nearest where there is none."""
    if name in gateway.partners:
        return Name(name)
    if name in gateway.authorities:
        owner = gateway.partner_of(Name(name))
        if owner is not None:
            return owner
        raise UsageError(
            Diagnostic(
                "unknown-partner",
                f"the authority {name!r} of gateway.yaml belongs to no partner",
                "",
                f"say whose it is: gatewright partner add {name} --authority {name}",
            )
        )
    near = nearest(name, gateway.partners)
    names = ", ".join(gateway.partners)
    raise UsageError(
        Diagnostic(
            "unknown-partner",
            f"gateway.yaml has no partner {name!r}",
            "",
            f"write {near!r}" if near else f"one of: {names}" if names else f"gatewright partner add {name} --help",
        )
    )


def parsed_name(text: str) -> Name:
    """A name for the gateway file. Raises :class:`UsageError` for what cannot be one."""
    try:
        return Name.parse(text)
    except ValueRejected as problem:
        raise UsageError(problem.at(None)) from problem


def issuing_certificates(data: Sequence[bytes]) -> tuple[bytes, ...]:
    """The files' certificates as PEM, one each, without whatever else stands in them. Raises :class:`UsageError`."""
    found = []
    for content in data:
        try:
            certificates = pem_certificates(content)
        except ValueError:
            try:
                certificates = [der_certificate(content)]
            except ValueError:
                raise UsageError(
                    Diagnostic(
                        "anchor-not-a-certificate",
                        "the file given with --ca holds no certificate",
                        "",
                        "ask the partner for its issuing CA certificate as PEM (BEGIN CERTIFICATE) or DER",
                    )
                ) from None
        if len(certificates) > 1:
            raise UsageError(
                Diagnostic(
                    "anchor-bundle",
                    f"the file given with --ca holds {len(certificates)} certificates: {_told(certificates)}",
                    "each of them would be trusted",
                    "give the certificate of the CA that signs clients alone; two generations of it as two files: --ca ONE --ca TWO",
                )
            )
        if b"PRIVATE KEY" in content:
            raise UsageError(
                Diagnostic(
                    "anchor-private-key",
                    "the file given with --ca holds a private key",
                    "whoever has seen it can issue certificates for every client of this authority",
                    "tell the partner that its CA's key has leaked",
                )
            )
        found.append(certificates[0].public_bytes(Encoding.PEM))
    return tuple(found)


_SHOWN = 4


def _told(certificates: Sequence[x509.Certificate]) -> str:
    """Whose they are, so that the one that is meant can be picked."""
    names = [
        certificate.subject.rfc4514_string() + (" (a root)" if certificate.subject == certificate.issuer else "")
        for certificate in certificates[:_SHOWN]
    ]
    return "; ".join((*names, "…") if len(certificates) > _SHOWN else names)


def _authority(wish: NewPartner, files: Mapping[PurePosixPath, bytes]) -> dict[str, object]:
    if not wish.anchors:
        return {"managed": True}
    entry: dict[str, object] = {"anchor": _one_or_list(tuple(map(str, files)))}
    if wish.host:
        entry["host"] = wish.host
    if wish.depth:
        entry["depth"] = wish.depth
    return entry


def _one_or_list(values: tuple[str, ...]) -> object:
    return values[0] if len(values) == 1 else list(values)


def _free(gateway: Gateway, name: Name) -> Iterator[PurePosixPath]:
    """Paths for further certificates of this partner, in order and without end: numbers above those that its files have."""
    taken = (PurePosixPath(path) for authority in gateway.authorities.values() for path in authority.anchors)
    numbers = (path.stem.removeprefix(f"{name}-") for path in taken if path.parent == FOLDER and path.suffix == ".pem")
    highest = max((int(number) for number in numbers if number.isascii() and number.isdecimal()), default=0)
    return (FOLDER / f"{name}-{number}.pem" for number in count(highest + 1))


def _anchored(gateway: Gateway, partner: Name, asked: str) -> Name:
    """The authority of the partner whose anchors are meant."""
    mine = [a for a in gateway.partners[partner].authorities if gateway.authorities[a].anchors]
    if asked and asked in mine:
        return Name(asked)
    if len(mine) == 1 and not asked:
        return mine[0]
    if not mine:
        raise UsageError(
            Diagnostic(
                "partner-without-ca",
                f"partner {str(partner)!r} has no CA of its own: we sign its certificates",
                "its CA is renewed here",
                f"gatewright ca next {gateway.partners[partner].authorities[0]}",
            )
        )
    what = f"partner {str(partner)!r} has the authorities {', '.join(mine)}"
    raise UsageError(Diagnostic("which-authority", what, "", f"say which: --authority {mine[0]}"))


def _refuse_taken(kind: str, name: Name, known: Mapping[Name, object]) -> None:
    taken = next((other for other in known if other.casefold() == name.casefold()), None)
    if taken is not None:
        raise UsageError(
            Diagnostic(
                "name-taken",
                f"gateway.yaml has the {kind} {str(taken)!r} already",
                "",
                f"choose another name, or see what it is: gatewright partner show {taken}"
                if kind == "partner"
                else "choose another name, or make it the partner's: --authority " + taken,
            )
        )
