"""Who may use a route, as one decision per request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gatewright.compile.expr import (
    AllOf,
    AnyOf,
    Call,
    Condition,
    Eq,
    Exists,
    Expr,
    IsEmpty,
    Joined,
    Lit,
    Not,
    OneOf,
    Var,
)
from gatewright.compile.inputs import Inputs
from gatewright.compile.ir import Node, directive, section
from gatewright.compile.members import READY as MEMBERS_READY
from gatewright.compile.members import Folder, decisions, own_folder
from gatewright.compile.pages import HOURS
from gatewright.compile.passes.during import during
from gatewright.compile.traits import traits
from gatewright.model.enrolment import ENTRY
from gatewright.model.gateway import Access, Client, Route
from gatewright.model.pki import SERIAL
from gatewright.model.values import Name

READY = ".ready"
"""The file without which the folder of revocations counts as lost, and every certificate as revoked."""

VERIFIED = Eq(Var("SSL_CLIENT_VERIFY"), Lit("SUCCESS"))

_ALWAYS = AllOf(())

# A partner's certificate may carry several DNS names; httpd numbers them. Ours carries exactly one.
_PARTNER_SANS = 4


def marker(inputs: Inputs) -> Condition:
    """The file that revokes the certificate at hand: named by the SHA-1 of its PEM text, all that httpd can compute, or by its serial number.

    Collisions do not help an attacker: to be *admitted* a certificate must be absent, and only we create the files. The
    signature is not part of what it signs, and of an ECDSA signature (r, s) anybody can make (r, n-s), which is as good (SEC 1
    §4.1.4): another text for the same certificate. Its serial number stays. A partner's certificate of the same number would be
    refused too; numbers of ours are 159 random bits.
    """
    by_text = Exists(Joined((Lit(f"{inputs.layout.revoked}/"), Call("sha1", Var("SSL_CLIENT_CERT")))))
    by_serial = Exists(Joined((Lit(f"{inputs.layout.revoked}/{SERIAL}"), Var("SSL_CLIENT_M_SERIAL"))))
    return AnyOf((by_text, by_serial))


def requirements(inputs: Inputs, access: Access, *besides: Node) -> tuple[Node, ...]:
    """The ``Require`` lines of one route; ``besides`` are further ones that must hold as well."""
    if access.is_public:
        # `check` refuses a public route with further demands; should one come here, those still hold.
        return (section("RequireAll", children=besides),) if besides else (directive("Require", "all", "granted"),)
    window = _ALWAYS if access.during is None else during(access.during)
    not_revoked = AllOf((Exists(Lit(f"{inputs.layout.revoked}/{READY}")), Not(marker(inputs))))
    conditions = tuple(c for c in (VERIFIED, _who(inputs, access), window, not_revoked) if c != _ALWAYS)
    return (
        section(
            "RequireAll",
            children=(*(directive("Require", "expr", Expr(condition)) for condition in conditions), *besides),
        ),
    )


def has_hours(inputs: Inputs) -> bool:
    """Whether any route is not always open."""
    return traits(inputs.gateway).hours


def hours(inputs: Inputs, access: Access) -> tuple[Node, ...]:
    """For the error page: when the route is open, where the hour is all that keeps this very caller out.

    Whoever would not be admitted within the hours either is not told them: here for not being named, on the page, which asks that
    first, for a certificate that is missing or revoked. Nothing is decided here.
    """
    if access.during is None:
        return ()
    only = _both(_who(inputs, access), Not(during(access.during)))
    return (directive("SetEnvIfExpr", Expr(only), f"{HOURS}={access.during}"),)


def forget_hours(around: Iterable[Route]) -> tuple[Node, ...]:
    """A location runs the lines of those around it before its own: what they said of the hour is about them alone."""
    said = any(route.access.during is not None for route in around)
    return (directive("SetEnvIf", "Request_URI", "^", f"!{HOURS}"),) if said else ()


def _who(inputs: Inputs, access: Access) -> Condition:
    if access.admits_any_client:
        return _issued_by(inputs, tuple(a.subject for a in inputs.anchors))
    decided = decisions(inputs.gateway)(access)
    by_authority: dict[Name, dict[Name, Client]] = {}
    for name in decided.clients:
        client = inputs.gateway.clients[name]
        by_authority.setdefault(client.authority, {})[name] = client
    named = tuple(
        _both(_issued_by(inputs, inputs.subjects(authority)), _any_client(inputs, authority, clients))
        for authority, clients in by_authority.items()
        if authority not in access.any_of
    )
    whole = tuple(subject for authority in access.any_of for subject in inputs.subjects(authority))
    groups = tuple(_member(inputs, folder) for folder in decided.folders)
    parts = (*((_issued_by(inputs, whole),) if access.any_of else ()), *named, *groups)
    return _ALWAYS if _ALWAYS in parts else AnyOf(parts)


def _member(inputs: Inputs, folder: Folder) -> Condition:
    """Whether the certificate at hand holds a name that stands in the folder of this group and of its issuer."""
    apart = inputs.apart
    issuer = (Lit("by-"), Call("sha1", Var("SSL_CLIENT_I_DN"))) if apart is None else (Lit(own_folder(apart)),)
    partners = any(not authority.managed for authority in inputs.gateway.authorities.values())
    files = [
        Exists(
            Joined(
                (Lit(f"{inputs.layout.members}/{folder.name}/"), *issuer, Lit(f"/{kind}-"), Call("sha1", Var(variable)))
            )
        )
        for kind in folder.kinds
        for variable in _variables(kind, _PARTNER_SANS if partners else 1)
    ]
    return AllOf((Exists(Lit(f"{inputs.layout.members}/{MEMBERS_READY}")), AnyOf(tuple(files))))


def _variables(kind: str, names: int) -> tuple[str, ...]:
    if kind == "serial":
        return ("SSL_CLIENT_M_SERIAL",)
    return tuple(f"SSL_CLIENT_SAN_{'DNS' if kind == 'dns' else 'Email'}_{n}" for n in range(names))


def _issued_by(inputs: Inputs, subjects: tuple[str, ...]) -> Condition:
    """Whether one of these CAs issued the certificate. Where one authority alone is trusted, the handshake has said so."""
    return _ALWAYS if inputs.apart is not None else OneOf(Var("SSL_CLIENT_I_DN"), subjects)


def _both(first: Condition, second: Condition) -> Condition:
    return second if first == _ALWAYS else AllOf((first, second))


def _any_client(inputs: Inputs, authority: Name, named: Mapping[Name, Client]) -> Condition:
    managed, clients = inputs.gateway.authorities[authority].managed, named.values()
    names = tuple(c.san for c in clients if c.san is not None)
    emails = tuple(c.email for c in clients if c.email is not None)
    serials = tuple(c.serial for c in clients if c.serial is not None)
    many = range(1 if managed else _PARTNER_SANS)
    return AnyOf(
        (
            *(OneOf(Var(f"SSL_CLIENT_SAN_DNS_{n}"), names) for n in many if names),
            *(OneOf(Var(f"SSL_CLIENT_SAN_Email_{n}"), emails) for n in many if emails),
            *((OneOf(Var("SSL_CLIENT_M_SERIAL"), serials),) if serials else ()),
            *(_subject(c) for c in clients if c.subject is not None),
            *(is_enrolled(inputs, name) for name, c in named.items() if c.by_enrolment),
        )
    )


def is_enrolled(inputs: Inputs, client: Name) -> Exists:
    """The certificate at hand was looked at and is this client's: for what httpd cannot compare by itself.

    The file's name is SHA-1 of the PEM text. To have another certificate taken for an enrolled one, an attacker would need a
    collision between two texts that each end in their own signature; only the authority itself could try, which may issue
    the client's certificate anyway.
    """
    folder = inputs.layout.members / client / inputs.gateway.clients[client].authority
    return Exists(Joined((Lit(f"{folder}/{ENTRY}"), Call("sha1", Var("SSL_CLIENT_CERT")))))


def _subject(client: Client) -> Condition:
    """Each part is there with this value, and there once: a second common name would otherwise be overlooked."""
    assert client.subject is not None
    return AllOf(
        tuple(
            condition
            for short, value in client.subject.parts()
            for condition in (
                Eq(Var(f"SSL_CLIENT_S_DN_{short}"), Lit(value)),
                IsEmpty(Var(f"SSL_CLIENT_S_DN_{short}_1")),
            )
        )
    )
