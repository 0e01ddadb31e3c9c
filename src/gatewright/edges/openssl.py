"""The host's ``openssl`` command: the one OpenSSL that httpd is certain to agree with.

Certificates go in on standard input and come out on standard output; nothing secret is ever handed to it.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.serialization import Encoding

from gatewright.errors import Diagnostic, EnvironmentFault, UsageError
from gatewright.model.machine import Anchor
from gatewright.pki.formats import armor
from gatewright.pki.reading import pem_certificates
from gatewright.pki.verify import Finding, Question, Revocation, Verdict

_TIMEOUT_S = 30
_INSTALL = (
    "install it: 'apt-get install openssl' (Debian, Ubuntu), 'dnf install openssl' (Fedora, RHEL), "
    "'apk add openssl' (Alpine), 'zypper install openssl' (SUSE), 'brew install openssl@3' (macOS)"
)
# Only the numbers are read; the words after them differ between releases (openssl-verify(1), DIAGNOSTICS).
_ERROR_LINE = re.compile(r"error (\d{1,4}) at (\d{1,4}) depth lookup")
SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # macOS, Alpine
)
"""Where systems keep the public CA certificates in one file."""


_TRUSTED = "-----BEGIN TRUSTED CERTIFICATE-----"


class Told(NamedTuple):
    """A certificate as plain PEM, as PEM with explicit trust, and its subject as mod_ssl spells it."""

    plain: str
    trusted: str
    subject: str


class OpenSsl:
    """The ``openssl`` found on PATH, or the one given.

    Raises :class:`EnvironmentFault` when made where there is none.
    """

    def __init__(self, binary: str | None = None) -> None:
        found = shutil.which(binary or "openssl")
        if found is None:
            raise EnvironmentFault(
                Diagnostic(
                    "openssl-missing",
                    f"{binary or 'openssl'} was not found on PATH",
                    "certificate names and chains must be judged by the OpenSSL of this host, as httpd will judge them",
                    _INSTALL,
                )
            )
        self._binary = found

    def version(self) -> str:
        """What ``openssl version`` prints, e.g. ``OpenSSL 3.0.19 27 Jan 2026 (Library: …)``."""
        return self._text(["version"], b"")

    def trusted(self, pem: bytes) -> str:
        """The certificate as ``BEGIN TRUSTED CERTIFICATE`` with explicit trust for clientAuth (openssl-x509(1)).

        httpd accepts such an issuing CA as the end of a chain without its root being present. Raises
        :class:`UsageError` when ``pem`` is not a certificate.
        """
        return self._text(["x509", "-addtrust", "clientAuth", "-trustout"], pem) + "\n"

    def subject(self, pem: bytes) -> str:
        """The subject exactly as mod_ssl spells ``SSL_CLIENT_S_DN``, and ``SSL_CLIENT_I_DN`` of what it issued.

        mod_ssl prints with ``XN_FLAG_RFC2253`` less ``ASN1_STRFLGS_ESC_MSB``: most specific part first, RFC 2253
        escapes, UTF-8 as it is (measured on httpd 2.4.71). Raises :class:`UsageError` when ``pem`` is not a certificate.
        """
        line = self._text(["x509", "-noout", "-subject", "-nameopt", "RFC2253,-esc_msb"], pem)
        return line.partition("=")[2]

    def anchor(self, authority: str, pem: bytes) -> Anchor:
        """The issuing CA of ``authority`` as httpd needs it. Raises :class:`UsageError` when ``pem`` is not one certificate.

        OpenSSL gets the certificate alone, as ``cryptography`` read it and the rules judged it, and never the file: in a file of
        several blocks it finds others first (``TRUSTED CERTIFICATE``), and would trust what nobody has looked at.
        """
        try:
            certificate, *more = pem_certificates(pem)
        except ValueError as problem:
            raise UsageError(_not_one(str(problem))) from problem
        if more:
            raise UsageError(_not_one(f"there are {1 + len(more)}"))
        told = _told(self._binary, certificate.public_bytes(Encoding.PEM))
        return Anchor(authority, told.plain, told.trusted, told.subject, certificate.issuer == certificate.subject)

    def verify(self, question: Question) -> Verdict:
        """The verdict of ``openssl verify`` on ``question``, read from its error numbers.

        Raises :class:`EnvironmentFault` when it ends without a verdict.
        """
        with tempfile.TemporaryDirectory(prefix="gatewright-verify-") as name:
            arguments = self._verify_arguments(question, Path(name))
            done = self._run(arguments, armor("CERTIFICATE", question.certificate.der))
        told = (done.stdout + b"\n" + done.stderr).decode("utf-8", "replace")
        findings = tuple(Finding(int(number), int(depth)) for number, depth in _ERROR_LINE.findall(told))
        engine = f"openssl verify ({' '.join(self.version().split()[:2])})"
        if done.returncode == 0 and not findings:
            return Verdict(engine, accepted=True)
        if findings:
            return Verdict(engine, accepted=False, findings=findings)
        complaint = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise EnvironmentFault(
            Diagnostic(
                "openssl-failed",
                "openssl verify ended without a verdict",
                complaint[0] if complaint else f"it ended with {done.returncode}",
                "run: openssl version",
            )
        )

    def system_anchors(self) -> tuple[str, bytes]:
        """The file of CA certificates that this host trusts, and its content.

        Raises :class:`EnvironmentFault` when there is none.
        """
        own = re.search(r'"(.+)"', self._text(["version", "-d"], b""))
        candidates = [*([f"{own[1]}/cert.pem"] if own else []), *SYSTEM_BUNDLES]
        for candidate in candidates:
            try:
                return candidate, Path(candidate).read_bytes()
            except OSError:
                continue
        raise EnvironmentFault(
            Diagnostic(
                "no-system-anchors",
                "this host has no file of trusted CA certificates",
                f"looked for {', '.join(candidates)}",
                "install the package ca-certificates, or give the CA with --anchor FILE",
            )
        )

    def told(self, pem: bytes) -> Told:
        """All that :meth:`anchor` needs of one plain certificate, from one process. Raises :class:`UsageError` where it is none."""
        arguments = ["x509", "-addtrust", "clientAuth", "-trustout", "-subject", "-nameopt", "RFC2253,-esc_msb"]
        line, found, body = self._text(arguments, pem).partition(f"\n{_TRUSTED}")
        plain = pem.decode("ascii")
        return Told(plain, f"{_TRUSTED}{body}\n", line.partition("=")[2]) if found else self._apart(plain, pem)

    def _apart(self, plain: str, pem: bytes) -> Told:
        """The same from a process each, should a release of OpenSSL print the two in another order."""
        return Told(plain, self.trusted(pem), self.subject(pem))

    @staticmethod
    def _verify_arguments(question: Question, folder: Path) -> list[str]:
        arguments = ["verify", "-purpose", f"ssl{question.purpose.value}", "-attime", str(int(question.at.timestamp()))]
        if question.anchors:  # -trusted shuts out every other store
            ders = [a.der for a in question.anchors]
            arguments += ["-trusted", _file(folder / "trusted.pem", "CERTIFICATE", ders)]
        else:
            arguments += ["-no-CAfile", "-no-CApath", "-no-CAstore"]
        if question.chain:
            ders = [c.der for c in question.chain]
            arguments += ["-untrusted", _file(folder / "untrusted.pem", "CERTIFICATE", ders)]
        if question.crls:
            arguments += ["-CRLfile", _file(folder / "crls.pem", "X509 CRL", question.crls)]
        switches = (
            (question.any_anchor, ["-partial_chain"]),
            (question.strict, ["-x509_strict"]),
            (question.revocation is Revocation.LEAF, ["-crl_check"]),
            (question.revocation is Revocation.CHAIN, ["-crl_check_all"]),
            (question.level is not None, ["-auth_level", str(question.level)]),
        )
        arguments += [word for wanted, words in switches if wanted for word in words]
        if question.host is not None:
            arguments += ["-verify_ip" if question.host.is_address else "-verify_hostname", question.host]
        return arguments

    def _text(self, arguments: Sequence[str], stdin: bytes) -> str:
        done = self._run(arguments, stdin)
        if done.returncode != 0:
            complaint = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise UsageError(
                _not_one(complaint[0] if complaint else f"openssl {arguments[0]} ended with {done.returncode}")
            )
        # Only the line end that openssl adds is cut off: a subject may end in an escaped space.
        return done.stdout.decode("utf-8", "surrogateescape").removesuffix("\n")

    def _run(self, arguments: Sequence[str], stdin: bytes) -> subprocess.CompletedProcess[bytes]:
        # The caller's OPENSSL_CONF and SSL_CERT_* must not change what is trusted; the host's own configuration stays.
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
        try:
            return subprocess.run(
                [self._binary, *arguments],
                input=stdin,
                capture_output=True,
                timeout=_TIMEOUT_S,
                check=False,
                env=environment,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EnvironmentFault(
                Diagnostic("openssl-failed", f"{self._binary} could not be run: {error}", fix="run: openssl version")
            ) from error


def _not_one(why: str) -> Diagnostic:
    return Diagnostic(
        "not-a-certificate",
        "this cannot be read as one PEM certificate",
        why,
        "look at what it is: gatewright cert show FILE",
    )


@functools.lru_cache(maxsize=256)
def _told(binary: str, pem: bytes) -> Told:
    """Asked once: a supervisor asks for the same few CAs at every change, and the answer depends on nothing else."""
    return OpenSsl(binary).told(pem)


def _file(path: Path, label: str, ders: Iterable[bytes]) -> str:
    path.write_bytes(b"".join(armor(label, der) for der in ders))
    return str(path)
