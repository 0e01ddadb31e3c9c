"""What the client commands make of a gateway file. Each function is one change: text and values in, text out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import PurePath

from cryptography import x509

from gatewright.app.editing import Wanted
from gatewright.app.own_cas import issuing_files
from gatewright.app.partnering import parsed_name
from gatewright.app.showing import read_given
from gatewright.errors import Diagnostic, FindingError, Severity, UsageError, ValueRejected
from gatewright.model.gateway import Client, Gateway, Openness, Subject
from gatewright.model.matchers import EmailAddress, KeyPin, SerialNumber, UriName
from gatewright.model.values import HostName, Name
from gatewright.pki import formats
from gatewright.pki.inspect import issued_by
from gatewright.pki.matching import match, pin_of
from gatewright.pki.verify import parsed
from gatewright.ports.files import Files
from gatewright.source.decoder import nearest
from gatewright.source.editing import Document

PARTS = {"C": "country", "ST": "state", "L": "locality", "O": "organization", "OU": "organizational_unit", "CN": "common_name"}  # fmt: skip
"""The parts of a subject by their short names (RFC 4514 §3), and what the gateway file calls them."""

_BEHIND_CLIENTS = ("authorities",)


@dataclass(frozen=True, slots=True)
class NewClient:
    """What ``client add`` was asked. ``known_by`` has one key of a client's entry; it is empty where ``certificate`` says it.

    ``issuers`` are the CAs of each authority, to tell whose the certificate is; ``between`` are those that came behind it, for an
    authority that has CAs between its anchor and its clients.
    """

    name: str
    authority: str = ""
    known_by: Mapping[str, object] = field(default_factory=dict)
    certificate: x509.Certificate | None = None
    groups: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    between: tuple[x509.Certificate, ...] = ()


Issuers = Callable[[Gateway], Mapping[Name, tuple[x509.Certificate, ...]]]
"""The issuing CAs of a gateway's authorities."""


def add_client(document: Document, gateway: Gateway, wish: NewClient, issuers: Issuers) -> Wanted:
    """A new client, in these groups and at these routes.

    Raises :class:`UsageError` for what is not there or taken, :class:`FindingError` where no authority issued the certificate.
    """
    name = parsed_name(wish.name)
    _refuse_taken(name, gateway)
    authority, known_by = wish.authority, dict(wish.known_by)
    if wish.certificate is not None:
        authority = authority or _issuer((wish.certificate, *wish.between), gateway, issuers(gateway))
        known_by = known_by or matcher_of(wish.certificate)
    if authority not in gateway.authorities:
        near = nearest(authority, gateway.authorities)
        what = f"gateway.yaml has no authority {authority!r}" if authority else "no authority is named"
        fix = f"write --authority {near}" if near else f"--authority with one of: {', '.join(gateway.authorities)}"
        raise UsageError(Diagnostic("unknown-authority", what, "it says who vouches for the client", fix))
    client = _client(authority, known_by)
    if wish.certificate is not None:
        answer = match(client, wish.certificate)
        if not answer.matches:
            raise FindingError(
                Diagnostic(
                    "certificate-not-the-clients",
                    f"the certificate is not one that this entry admits: {answer.reason}",
                    "its holder would be refused",
                    "name what it is to be known by: --key sha256:… fits every certificate with this key",
                )
            )
    document = document.add(("clients",), name, {"authority": authority, **known_by}, after=_BEHIND_CLIENTS)
    for group in wish.groups:
        if group not in gateway.groups:
            raise unknown("group", group, gateway.groups)
        document = document.append(("groups", group), name)
    notes: list[Diagnostic] = []
    for route in wish.routes:
        document, told = _at_route(document, gateway, name, route)
        notes += told
    return Wanted(document, notes=tuple(notes))


def issuers_in(files: Files, folder: PurePath) -> Issuers:
    """As they stand in the gateway's ``folder``: partners' as the gateway file names them, ours as they are published.

    What comes of it raises :class:`UsageError` for a file that is not there or holds no certificate.
    """

    def found(gateway: Gateway) -> Mapping[Name, tuple[x509.Certificate, ...]]:
        known = {}
        for name, authority in gateway.authorities.items():
            own = issuing_files(files, folder, name) if authority.managed else []
            paths = [*own, *(folder / anchor for anchor in authority.anchors)]
            read = [parsed(c) for p in paths for c in formats.certificates(read_given(files, p), str(p))]
            known[name] = tuple(c for c in read if c is not None)
        return known

    return found


def remove_client(document: Document, gateway: Gateway, name: str) -> Wanted:
    """Take a client out of the file: its entry, every group and every route. Raises :class:`UsageError` where a list would be left empty."""
    if name not in gateway.clients:
        raise unknown("client", name, gateway.clients)
    gone = {name}
    for group, members in gateway.groups.items():
        if name in members:
            if len(members) == 1:
                gone.add(group)
                document = document.remove(("groups", group))
            else:
                document = document.remove(("groups", group, members.index(Name(name))))
    for path, route in gateway.routes.items():
        left = [n for n in route.access.names if n not in gone]
        if len(left) == len(route.access.names):
            continue
        if not left and not route.access.any_of:
            raise UsageError(
                Diagnostic(
                    "access-nobody",
                    f"route {str(path)!r} would admit nobody without {name!r}",
                    "a route for nobody is a mistake more often than a wish",
                    f"remove the route from gateway.yaml, or add whom it is for first: gatewright client add NEW --route {path}",
                )
            )
        where = ("routes", str(path), "access")
        inside = document.data["routes"][str(path)]["access"]
        place = (*where, "clients") if isinstance(inside, dict) else where
        if not left:
            document = document.remove(place)
            continue
        for index in reversed([i for i, n in enumerate(route.access.names) if n in gone]):
            document = document.remove((*place, index))
    return Wanted(document.remove(("clients", name)))


def matcher_of(certificate: x509.Certificate) -> dict[str, object]:
    """What a certificate is best known by: its one URI, DNS name or e-mail address, else its subject, else its key.

    A name that is the certificate's only one of its kind, and that :func:`~gatewright.pki.matching.match` takes.
    """
    for entry in _ways(certificate):
        try:
            client = _client("x", entry)
        except UsageError:
            continue
        if match(client, certificate).matches:
            return entry
    return {"key": pin_of(certificate)}


def _ways(certificate: x509.Certificate) -> Iterator[dict[str, object]]:
    names: Iterable[x509.GeneralName] = ()
    with suppress(x509.ExtensionNotFound, ValueError):
        names = tuple(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    kinds: tuple[tuple[str, type[x509.GeneralName]], ...] = (
        ("uri", x509.UniformResourceIdentifier),
        ("san", x509.DNSName),
        ("email", x509.RFC822Name),
    )
    for key, kind in kinds:
        values = [str(name.value) for name in names if isinstance(name, kind)]
        if len(values) == 1:
            yield {key: values[0]}
    parts = {a.rfc4514_attribute_name: str(a.value) for a in certificate.subject}
    known = {PARTS[short]: value for short, value in parts.items() if short in {"O", "OU", "CN"}}
    if "common_name" in known:
        yield {"subject": known}


def _client(authority: str, known_by: Mapping[str, object]) -> Client:
    """The entry as a value. Raises :class:`UsageError` for one that cannot be."""
    parsers: Mapping[str, Callable[[str], object]] = {
        "san": HostName.parse, "email": EmailAddress.parse, "uri": UriName.parse, "serial": SerialNumber.parse, "key": KeyPin.parse
    }  # fmt: skip
    if len(known_by) != 1:
        what = "a client is known by one thing" if known_by else "nothing says what the client is known by"
        fix = "give one of --san, --email, --uri, --serial, --key, --subject, or --cert FILE"
        raise UsageError(Diagnostic("client-known-by", what, "", fix))
    ((kind, value),) = known_by.items()
    try:
        if isinstance(value, dict):
            return Client(Name(authority), subject=Subject(**value))
        attribute = "pin" if kind == "key" else kind
        return Client(Name(authority), **{attribute: parsers[kind](str(value))})  # type: ignore[arg-type] # its parser makes the attribute's own type
    except ValueRejected as problem:
        raise UsageError(problem.at(None)) from problem


def subject_parts(text: str) -> dict[str, object]:
    """The parts of ``O=Globex,CN=erp`` (RFC 4514). Raises :class:`UsageError` for what is not one."""
    try:
        given = [(a.rfc4514_attribute_name, str(a.value)) for a in x509.Name.from_rfc4514_string(text)]
        parts = dict(given)
        if len(parts) < len(given):
            raise ValueError(text)  # a part that is there twice is none that a client is known by
        known = {PARTS[short]: value for short, value in given}
        return {key: known[key] for key in PARTS.values() if key in known}
    except (ValueError, KeyError) as problem:
        fix = f"write it as 'O=Globex,CN=erp', with {', '.join(PARTS)}"
        raise UsageError(Diagnostic("bad-subject", f"{text!r} is no subject", "", fix)) from problem


def _issuer(
    chain: tuple[x509.Certificate, ...], gateway: Gateway, issuers: Mapping[Name, tuple[x509.Certificate, ...]]
) -> str:
    """Whose certificate it is: the authority with a CA that signed it, or where its ``depth`` allows it one of those behind it."""
    leaf, *between = chain
    below: x509.Certificate | None = leaf
    for steps in range(len(chain)):
        if below is None:
            break
        for name, authorities in issuers.items():
            if gateway.authorities[name].depth >= steps and any(issued_by(below, one) for one in authorities):
                return str(name)
        below = next((one for one in between if one != below and issued_by(below, one)), None)
    fix = "declare its issuing CA: gatewright partner add NAME --ca FILE; or give the authority: --authority NAME"
    deep = [str(name) for name, authority in gateway.authorities.items() if authority.depth]
    if deep:
        fix += f"; of a client of {' or '.join(deep)}, put the CAs in between behind its certificate in FILE"
    raise FindingError(
        Diagnostic(
            "not-issued-by-authority",
            f"no authority of gateway.yaml signed the certificate; its issuer is {leaf.issuer.rfc4514_string()}",
            "its holder would be refused in the handshake",
            fix,
        )
    )


def _at_route(document: Document, gateway: Gateway, name: Name, route: str) -> tuple[Document, tuple[Diagnostic, ...]]:
    found = next((r for path, r in gateway.routes.items() if path == route), None)
    if found is None:
        raise unknown("route", route, gateway.routes)
    if found.access.openness is not None:
        who = "everybody" if found.access.openness is Openness.PUBLIC else "any client"
        told = Diagnostic(
            "route-for-all", f"route {route!r} is for {who} already", "naming a client there would narrow it",
            severity=Severity.NOTE,
        )  # fmt: skip
        return document, (told,)
    where = ("routes", route, "access")
    if found.access.names:
        inside = document.data["routes"][route]["access"]
        return document.append((*where, "clients") if isinstance(inside, dict) else where, name), ()
    return document.add(where, "clients", [str(name)]), ()


def _refuse_taken(name: Name, gateway: Gateway) -> None:
    for kind, known in (("client", gateway.clients), ("group", gateway.groups)):
        taken = next((other for other in known if other.casefold() == name.casefold()), None)
        if taken is not None:
            what = f"gateway.yaml has the {kind} {str(taken)!r} already"
            why = "routes name clients and groups in one breath"
            raise UsageError(Diagnostic("name-taken", what, why, "choose another name"))


def unknown(kind: str, name: str, known: Iterable[object]) -> UsageError:
    """The error for a client, group or route that the gateway file does not have, with the nearest that it has."""
    names = [str(n) for n in known]
    near = nearest(name, names)
    fix = f"write {near!r}" if near else f"one of: {', '.join(names[:10])}" if names else f"declare the {kind} first"
    return UsageError(Diagnostic(f"unknown-{kind}", f"gateway.yaml has no {kind} {name!r}", "", fix))
