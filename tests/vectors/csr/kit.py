"""What the vectors are made with: the register, the two clients they speak of, and builders."""

from __future__ import annotations

import functools
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from gatewright.model.gateway import Subject
from gatewright.model.values import HostName
from gatewright.pki.csr import Allowed, KeyStanding

SAN = Allowed("billing-bot", san=HostName("billing.example.org"))
SUBJECT = Allowed("globex-erp", subject=Subject(common_name="erp", organization="Globex"))


@dataclass(frozen=True)
class Vector:
    """One case: what is handed over, for whom, and what must be said about it."""

    name: str
    page: str
    build: Callable[[], bytes]
    allowed: Allowed
    accepted: bool
    codes: frozenset[str]
    standing: KeyStanding


VECTORS: list[Vector] = []


def _register(
    accepted: bool, codes: Sequence[str], allowed: Allowed, standing: KeyStanding
) -> Callable[[Callable[[], bytes]], Callable[[], bytes]]:
    def wrap(build: Callable[[], bytes]) -> Callable[[], bytes]:
        name = f"{build.__module__.rpartition('.')[2]}-{build.__name__}".replace("_", "-")
        assert build.__doc__, f"{name} has no page"
        assert all(v.name != name for v in VECTORS), f"{name} exists twice"
        VECTORS.append(Vector(name, build.__doc__, build, allowed, accepted, frozenset(codes), standing))
        return build

    return wrap


def refused(
    *codes: str, allowed: Allowed = SAN, standing: KeyStanding = KeyStanding.FREE
) -> Callable[[Callable[[], bytes]], Callable[[], bytes]]:
    """The request must be refused with exactly these error codes."""
    return _register(False, codes, allowed, standing)


def accepted(*codes: str, allowed: Allowed = SAN) -> Callable[[Callable[[], bytes]], Callable[[], bytes]]:
    """The request must be accepted with exactly these warnings and notes."""
    return _register(True, codes, allowed, KeyStanding.FREE)


@functools.cache
def p256() -> ec.EllipticCurvePrivateKey:
    """One P-256 key for every case in which the key does not matter."""
    return ec.generate_private_key(ec.SECP256R1())


def common_name(text: str = "billing.example.org") -> x509.Name:
    """A subject of one common name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def request(
    *extensions: x509.ExtensionType,
    subject: x509.Name | None = None,
    key: CertificateIssuerPrivateKeyTypes | None = None,
    critical: bool = False,
    encoding: Encoding = Encoding.PEM,
) -> bytes:
    """A request signed with ``key``, by ``cryptography``."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(common_name() if subject is None else subject)
    for extension in extensions:
        builder = builder.add_extension(extension, critical)
    signer = key or p256()
    hashless = not isinstance(signer, ec.EllipticCurvePrivateKey) and not hasattr(signer, "private_numbers")
    return builder.sign(signer, None if hashless else hashes.SHA256()).public_bytes(encoding)


def key_pem(key: CertificateIssuerPrivateKeyTypes | None = None) -> bytes:
    """``key`` as unencrypted PKCS #8 PEM."""
    return (key or p256()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def openssl(*arguments: str, files: dict[str, bytes] | None = None, out: str | None = None) -> bytes:
    """What ``openssl ARGUMENTS`` prints (or writes to ``out``), run in a fresh folder that holds ``files``."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in (files or {}).items():
            Path(folder, name).write_bytes(content)
        done = subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
        return Path(folder, out).read_bytes() if out else done.stdout


def openssl_request(
    extensions: str = "",
    *,
    arguments: Sequence[str] = (),
    key: bytes | None = None,
    subject: str = "CN=billing.example.org",
) -> bytes:
    """A request by ``openssl req``: ``extensions`` are lines of its section, ``subject`` lines of its name."""
    config = (
        "[req]\nprompt=no\nutf8=yes\ndistinguished_name=dn\n"
        + ("req_extensions=ext\n" if extensions else "")
        + "[dn]\n" + "\n".join(subject.split("/")) + "\n[ext]\n" + extensions + "\n"
    )  # fmt: skip
    files = {"c.cnf": config.encode(), "k.pem": key or key_pem()}
    return openssl("req", "-new", "-config", "c.cnf", "-key", "k.pem", *arguments, files=files)
