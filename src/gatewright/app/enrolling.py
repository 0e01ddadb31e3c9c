"""Looks at certificates that came for the first time, and enrols those that are a client's. Part of the supervisor.

httpd writes each valid certificate of an authority with such clients to a log, once, and answers 503. What that log says is
not believed: the chain is judged again, by the host's OpenSSL with the anchors of the generation in force, before the exact
matcher decides. How much is looked at, and what an authority that floods gets, is decided in ``plan.contacts``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gatewright.app.enrolled import (
    admit,
    clean_up,
    digest_of,
    keep,
    known_folder,
    quiet_folder,
    visible_folder,
    whose,
    write_entries,
)
from gatewright.app.generations import POLICY, current_number, read_manifest
from gatewright.app.places import Places
from gatewright.app.policy import applied_gateway
from gatewright.app.preparing import trusted_certificates
from gatewright.app.rotation import KEEP as KEEP_LOGS
from gatewright.compile.passes.server import CONTACTS_LOG
from gatewright.errors import GatewrightError
from gatewright.model.enrolment import clients_by_enrolment, enrolling_authorities
from gatewright.model.gateway import Gateway
from gatewright.model.values import Name
from gatewright.pki.matching import match
from gatewright.pki.reading import pem_certificate
from gatewright.pki.verify import Certificate, Question, Verdict
from gatewright.plan import contacts as c
from gatewright.plan.turns import Turns
from gatewright.ports.clock import Clock
from gatewright.ports.files import Files
from gatewright.ports.logs import Follower

CONTACTS = "contacts"
"""The name under which the log of contacts is followed."""

_AT_ONCE = 4
"""Looks in one call, of about 15 ms each: the supervisor must not be kept from its httpd."""
_WAITING = 250
"""Different certificates of one authority that may wait. What is beyond comes again by itself: its holder was told to."""
_REVIEW = timedelta(minutes=10)
"""How often expired certificates are removed. They do no harm meanwhile: httpd refuses them in the handshake."""
LARGEST_CONTACTS = 4 * 1024 * 1024
"""Octets of the log of contacts from which on it begins anew; nothing of it is needed once it was read."""


@dataclass(frozen=True, slots=True)
class Contact:
    """One line of the log: whose authority httpd says it is, the certificate as PEM, and what was sent with it."""

    authority: str
    pem: bytes
    sent: tuple[bytes, ...] = ()

    @property
    def digest(self) -> str:
        """The name that httpd computes of it."""
        return digest_of(self.pem)

    @classmethod
    def parse(cls, line: str) -> Contact | None:
        """A line of the log, or ``None`` where it is none (cut, or torn)."""
        authority, *texts = line.split("|")
        pems = [text.replace("\\n", "\n").encode("ascii", "replace") for text in texts if text != "-"]
        whole = all(
            p.startswith(b"-----BEGIN CERTIFICATE-----\n") and p.endswith(b"-----END CERTIFICATE-----\n") for p in pems
        )
        return cls(authority, pems[0], tuple(pems[1:])) if len(texts) == 3 and pems and whole else None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a look: the clients that the certificate is, and why, or why not."""

    clients: tuple[Name, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Looking:
    """Looks at one certificate: is it valid, and whose is it? ``verify`` is the host's ``openssl verify``."""

    places: Places
    files: Files
    clock: Clock
    verify: Callable[[Question], Verdict]

    def __call__(self, gateway: Gateway, contact: Contact) -> Answer:
        """The answer, by the policy ``gateway`` and the anchors of the generation in force.

        Raises :class:`~gatewright.errors.GatewrightError` where OpenSSL or the generation cannot be asked. Whatever else a
        stranger's bytes bring about is a no: httpd ends with its supervisor, so nobody's certificate may end that.
        """
        try:
            return self._looked(gateway, contact)
        except (GatewrightError, OSError, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as problem:  # noqa: BLE001 - a panic of the library's Rust code is no Exception
            return Answer((), f"it cannot be looked at ({type(problem).__name__})")

    def _looked(self, gateway: Gateway, contact: Contact) -> Answer:
        try:
            certificate = pem_certificate(contact.pem)
            if certificate.public_bytes(Encoding.PEM) != contact.pem:
                return Answer((), "it is not one certificate, written as httpd writes it")
            sent = tuple(Certificate(_der(pem)) for pem in contact.sent)
        except ValueError:
            return Answer((), "it cannot be read")
        anchors = self.anchors(gateway, contact.authority)
        apart = gateway.authorities[Name(contact.authority)].host is not None
        question = Question(
            Certificate(certificate.public_bytes(Encoding.DER)),
            self.clock.now(),
            sent if apart else (),
            tuple(Certificate(a.public_bytes(Encoding.DER)) for a in anchors),
            as_gateway=not apart,
            partial_chain=apart,
        )
        verdict = self.verify(question) if anchors else None
        if verdict is None or not verdict.accepted:
            numbers = ", ".join(str(f.number) for f in verdict.findings) if verdict else "no anchor"
            return Answer((), f"it does not verify against the anchors of {contact.authority} (error {numbers})")
        return self._matched(gateway, contact.authority, certificate)

    def _matched(self, gateway: Gateway, authority: str, certificate: x509.Certificate) -> Answer:
        clients = clients_by_enrolment(gateway, Name(authority))
        names = whose(clients, certificate)
        if names:
            return Answer(names, f"it is {' and '.join(names)}: {match(clients[names[0]], certificate).reason}")
        if len(clients) == 1:
            ((name, client),) = clients.items()
            return Answer((), f"it is not {name}: {match(client, certificate).reason}")
        return Answer((), f"it is none of the {len(clients)} clients of {authority} that are known by URI or key")

    def anchors(self, gateway: Gateway, authority: str) -> tuple[x509.Certificate, ...]:
        """The anchors of ``authority`` in the generation in force, from the very file that httpd has read."""
        layout = self.places.layout(current_number(self.files, self.places))
        manifest = read_manifest(self.files, layout)
        if manifest is None or Name(authority) not in gateway.authorities:
            return ()
        known = trusted_certificates(self.files, layout, gateway)
        return tuple(known[hashed] for hashed, _ in manifest.anchors.get(authority, ()) if hashed in known)


class Enrolling:
    """Called several times a second while httpd serves; usually one look at a log. ``say`` takes lines for the operator."""

    def __init__(
        self,
        looking: Looking,
        follower: Follower,
        say: Callable[[str], None],
        limits: c.Limits | None = None,
    ) -> None:
        self._looking, self._follower, self._say = looking, follower, say
        self._places, self._files, self._clock = looking.places, looking.files, looking.clock
        self._state = c.State(limits or c.Limits())
        self._waiting = Turns[Contact](_WAITING)
        self._contacts: dict[str, Contact] = {}
        self._seen: tuple[tuple[int, ...], Gateway] | None = None
        self._told = ""
        self._due: datetime | None = None
        self._log = self._places.folder / "logs" / CONTACTS_LOG
        self._follower.follow(CONTACTS, self._log, from_start=True)

    def __call__(self) -> None:
        """Do what is due. What goes wrong is said once, and tried again."""
        try:
            self._do()
        except GatewrightError as problem:
            told = " ".join(f"{d.what} ({d.fix})" for d in problem.diagnostics)
            if told != self._told:
                self._say(f"Warning: {told}")
            self._told = told
        else:
            self._told = ""

    def _do(self) -> None:
        gateway = self._in_force()
        if gateway is None or not enrolling_authorities(gateway):
            return
        self._feed(gateway, c.Time(self._clock.monotonic()))
        self._read()
        failed: list[GatewrightError] = []
        for contact in self._waiting.take(_AT_ONCE):
            if Name(contact.authority) in gateway.authorities:
                self._contacts = {contact.digest: contact}
                try:
                    self._feed(gateway, c.Seen(self._clock.monotonic(), contact.authority, contact.digest))
                except GatewrightError as problem:  # this one's, perhaps, and the others were not looked at yet
                    failed.append(problem)
        if failed:
            raise failed[0]

    def _in_force(self) -> Gateway | None:
        """The policy in force; when it is another one, or time has come, everything is looked at anew."""
        number = current_number(self._files, self._places)
        # A change of clients alone leaves the generation as it is but for its gateway file.
        version = (number, *self._files.stamp(self._places.layout(number).generation / POLICY))
        now = self._clock.now()
        if self._seen is not None and self._seen[0] == version and self._due is not None and now < self._due:
            return self._seen[1]
        gateway = applied_gateway(self._files, self._places, number) if number else None
        if gateway is None:
            return None
        self._review(number, gateway, now)
        self._seen, self._due = (version, gateway), now + _REVIEW
        return gateway

    def _review(self, number: int, gateway: Gateway, now: datetime) -> None:
        names = enrolling_authorities(gateway)
        if self._seen is None:
            # What an earlier supervisor remembered of refused certificates, or kept quiet, is forgotten.
            self._files.remove(self._places.contacts)
        for folder in (
            *(known_folder(self._places, name) for name in names),
            *([quiet_folder(self._places)] if names else []),
        ):
            visible_folder(self._files, self._places, folder)
        for name in names:
            clean_up(self._files, self._places, name, now)
        found = write_entries(self._files, self._places, self._places.layout(number), gateway, now)
        self._feed(gateway, c.Reviewed(found))

    def _read(self) -> None:
        for line in self._follower.read():
            contact = Contact.parse(line.text)
            if contact is not None:
                self._waiting.add(contact.authority, contact.digest, contact)
        # Here and not with the other logs: only now has all of it been read.
        self._files.rotate(self._log, LARGEST_CONTACTS, KEEP_LOGS)

    def _feed(self, gateway: Gateway, event: c.Event) -> None:
        waiting: list[c.Event] = [event]
        while waiting:
            self._state, commands = c.step(self._state, waiting.pop(0))
            for command in commands:
                waiting += self._carry_out(gateway, command)

    def _carry_out(self, gateway: Gateway, command: c.Command) -> list[c.Event]:
        match command:
            case c.Look(authority, digest):
                answer = self._looking(gateway, self._contacts[digest])
                now = self._clock.monotonic()
                return [c.Looked(now, authority, digest, bool(answer.clients), answer.reason)]
            case c.Enrol(authority, digest):
                self._enrol(gateway, authority, self._contacts[digest])
            case c.Remember(authority, digest):
                self._files.touch(known_folder(self._places, authority) / digest)
            case c.Forget(authority, digest):
                self._files.remove(known_folder(self._places, authority) / digest)
            case c.Quiet(authority, quiet):
                path = quiet_folder(self._places) / authority
                (self._files.touch if quiet else self._files.remove)(path)
            case c.Tell(text):
                self._say(text)
        return []

    def _enrol(self, gateway: Gateway, authority: str, contact: Contact) -> None:
        certificate = pem_certificate(contact.pem)
        digest = keep(self._files, self._places, authority, contact.pem)
        layout = self._places.layout(current_number(self._files, self._places))
        names = whose(clients_by_enrolment(gateway, Name(authority)), certificate)
        admit(self._files, self._places, layout, clients=names, authority=authority, digest=digest)
        # Last: until then its holder is told to come again, not that it is refused.
        self._files.touch(known_folder(self._places, authority) / digest)


def _der(pem: bytes) -> bytes:
    return pem_certificate(pem).public_bytes(Encoding.DER)
