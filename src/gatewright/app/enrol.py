"""``client enrol``: a client's certificate is known before it first comes, so that not even its first request waits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath

from cryptography.hazmat.primitives.serialization import Encoding

from gatewright.app.enrolled import admit, digest_of, keep
from gatewright.app.enrolling import Contact, Looking
from gatewright.app.generations import current_number
from gatewright.app.policy import applied_gateway
from gatewright.app.showing import read_given
from gatewright.errors import Diagnostic, FindingError, UsageError
from gatewright.model.enrolment import clients_by_enrolment
from gatewright.model.gateway import Client, Gateway
from gatewright.model.values import Name
from gatewright.pki import formats
from gatewright.pki.matching import match
from gatewright.pki.verify import parsed


@dataclass(frozen=True, slots=True)
class EnrolReport:
    """What was enrolled. ``admitted`` is false where the policy in force does not know the client yet: apply it."""

    client: str
    authority: str
    digest: str
    not_after: datetime
    admitted: bool

    def as_dict(self) -> dict[str, object]:
        """For ``--json``."""
        return {
            "client": self.client,
            "authority": self.authority,
            "pem_sha1": self.digest,
            "not_after": self.not_after.isoformat(),
            "admitted": self.admitted,
        }


def enrol(looking: Looking, gateway: Gateway, name: str, file: PurePath) -> EnrolReport:
    """Enrol the first certificate in ``file`` as the client ``name`` of ``gateway``, the gateway file at hand.

    It must be valid now, of the client's authority as it is in force, and match exactly. Raises :class:`UsageError` for what
    was asked wrongly, :class:`FindingError` where the certificate is not that client's.
    """
    client = _client(gateway, name)
    certificate = parsed(formats.certificates(read_given(looking.files, file), str(file))[0])
    if certificate is None:
        raise _not_his(name, str(file), "it cannot be read")
    pem = certificate.public_bytes(Encoding.PEM)
    answer = looking(gateway, Contact(str(client.authority), pem))
    if name not in answer.clients:
        reason = answer.reason if not answer.clients else match(client, certificate).reason
        raise _not_his(name, str(file), reason)
    number = current_number(looking.files, looking.places)
    applied = applied_gateway(looking.files, looking.places, number) if number else None
    known = applied is not None and applied.clients.get(Name(name)) == client
    digest = keep(looking.files, looking.places, client.authority, pem)
    if known:
        layout = looking.places.layout(number)
        admit(looking.files, looking.places, layout, clients=[Name(name)], authority=client.authority, digest=digest)
    return EnrolReport(name, client.authority, digest_of(pem), certificate.not_valid_after_utc, known)


def _client(gateway: Gateway, name: str) -> Client:
    client = gateway.clients.get(Name(name))
    if client is None:
        known = ", ".join(clients_by_enrolment(gateway)) or "none"
        raise UsageError(
            Diagnostic(
                "client-unknown",
                f"the gateway file names no client {name!r}",
                "a certificate is enrolled as somebody whom routes can name",
                f"clients that are enrolled: {known}",
            )
        )
    if not client.by_enrolment:
        raise UsageError(
            Diagnostic(
                "client-needs-no-enrolment",
                f"httpd recognises {name!r} by itself, by {client.known_as}",
                "only clients known by URI or key are enrolled, because httpd cannot compare those",
                "nothing is to be done: its certificate is admitted as it is",
            )
        )
    return client


def _not_his(name: str, file: str, reason: str) -> FindingError:
    return FindingError(
        Diagnostic(
            "certificate-not-the-clients",
            f"the certificate in {file} is not {name}'s: {reason}",
            "an enrolled certificate is admitted without a further look at its names",
            f"see what is in it: gatewright cert show {file}",
        )
    )
