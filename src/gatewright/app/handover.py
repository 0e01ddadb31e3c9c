"""What a client's developer is handed: certificate, one page, and programs that work as they are.

Everything that goes into a program is quoted for its language; what can stand in a URL or a client's name is narrow already.
"""

from __future__ import annotations

import io
import json
import shlex
import string
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files as package_files
from pathlib import PurePosixPath

from gatewright.model.credentials import Binding, Credentials
from gatewright.model.gateway import Openness
from gatewright.model.values import HostName, Name, RoutePath

CODE = ("python_requests.py", "python_httpx.py", "Example.java", "example.mjs", "main.go", "Program.cs", "example.ps1")
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a ZIP archive can hold: equal packs are equal files."""


class _Template(string.Template):
    """``@@{name}``, because programs and shells have their own uses for the dollar."""

    delimiter = "@@"


@dataclass(frozen=True, slots=True)
class Door:
    """A path that the client may ask for; ``methods`` is empty for all, ``hours`` for always; what it ``demands`` besides the certificate."""

    path: RoutePath
    openness: Openness | None
    methods: tuple[str, ...] = ()
    hours: str = ""
    demands: Credentials | None = None


@dataclass(frozen=True, slots=True)
class Handover:
    """Everything that a pack says. ``try_it`` is a path to ask for; ``ca`` is absent where the server's certificate is public.

    ``key`` and ``p12`` are absent where the client's developer made the key. ``enrolled``: its certificate is looked at when it
    first comes, and that request answered with 503.
    """

    name: Name
    host: HostName
    port: int
    try_it: str
    doors: tuple[Door, ...]
    subject: str
    begins: datetime
    ends: datetime
    chain: bytes
    key: bytes | None = None
    p12: bytes | None = None
    ca: bytes | None = None
    enrolled: bool = False

    @property
    def base(self) -> str:
        """``https://host`` with the port where it is not HTTPS's own."""
        return f"https://{self.host.in_url}" + ("" if self.port == 443 else f":{self.port}")


@dataclass(frozen=True, slots=True)
class PackFile:
    """One file of a pack; ``secret`` ones are for their owner alone."""

    path: PurePosixPath
    content: bytes
    secret: bool = False


def pack(handover: Handover) -> tuple[PackFile, ...]:
    """Every file, in a fixed order."""
    return tuple(_files(handover))


def archive(folder: str, files: tuple[PackFile, ...]) -> bytes:
    """A ZIP archive with everything below ``folder``."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for file in files:
            entry = zipfile.ZipInfo(f"{folder}/{file.path}", _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o600 if file.secret else 0o644) << 16
            made.writestr(entry, file.content)
    return out.getvalue()


def _files(handover: Handover) -> Iterator[PackFile]:
    name = handover.name
    yield PackFile(PurePosixPath(f"{name}.pem"), handover.chain)
    if handover.key is not None:
        yield PackFile(PurePosixPath(f"{name}.key"), handover.key, secret=True)
    if handover.p12 is not None:
        yield PackFile(PurePosixPath(f"{name}.p12"), handover.p12, secret=True)
    if handover.ca is not None:
        yield PackFile(PurePosixPath("ca.pem"), handover.ca)
    words = _words(handover)
    for template in ("README.md", "curl.txt"):
        yield PackFile(PurePosixPath(template), _filled(template, words))
    for template in CODE:
        yield PackFile(PurePosixPath("code", template), _filled(template, words))
    yield PackFile(PurePosixPath("postman/collection.json"), _json(_postman(handover)))
    yield PackFile(PurePosixPath("bruno/bruno.json"), _json(_bruno(handover)))
    yield PackFile(PurePosixPath("bruno/try-it.bru"), _request(handover))


def _filled(template: str, words: dict[str, str]) -> bytes:
    text = (package_files("gatewright.app") / "pack" / f"{template}.template").read_text(encoding="utf-8")
    return _Template(text).substitute(words).encode()


def _words(handover: Handover) -> dict[str, str]:
    """What stands in templates: plain, as a shell's word (``_sh``), PowerShell's (``_ps``), or a literal of C's kin (``_code``)."""
    name, url = handover.name, handover.base + handover.try_it
    values = {"url": url, "chain": f"{name}.pem", "key": f"{name}.key", "p12": f"{name}.p12"}
    words = dict(values)
    for key, value in values.items():
        words |= {f"{key}_sh": shlex.quote(value), f"{key}_code": json.dumps(value), f"{key}_ps": _powershell(value)}
    kept = "with you alone: it is not in this folder. Put it beside this file under the name"
    both = f"make it from both: `openssl pkcs12 -export -in {name}.pem -inkey {name}.key -out {name}.p12`"
    return words | {
        "name": str(name),
        "host": str(handover.host),
        "port": str(handover.port),
        "base": handover.base,
        "subject": f"`{handover.subject.replace('`', '')}`",
        "begins": f"{handover.begins:%Y-%m-%d}",
        "ends": f"{handover.ends:%Y-%m-%d}",
        "curl_ca": "--cacert ca.pem" if handover.ca is not None else "",
        "key_said": f"`{name}.key`: keep it secret" if handover.key is not None else f"{kept} `{name}.key`",
        "p12_said": f"`{name}.p12`; its password comes another way" if handover.p12 is not None else both,
        "ca_said": "`ca.pem`" if handover.ca is not None else "a public CA that your system knows",
        "routes": "\n".join(map(_door, handover.doors)),
        "chain_said": ", with the issuing CA's behind it" if handover.chain.count(_BEGIN) > 1 else "",
        "besides": _ALSO if any(door.demands for door in handover.doors) else _ALONE,
        "curl_more": _given_to_curl(handover),
        "more": "".join(f"\n| {row} |" for row in _rows(handover)),
    }


_BEGIN = b"-----BEGIN CERTIFICATE-----"
_ALONE = "Nothing\nelse identifies you: no password, no token, no header."
_ALSO = "Where the\nlist below says so, a password or a bearer token is wanted as well, in every request."


def _door(door: Door) -> str:
    what = f"everything below `{door.path}`" if door.path.is_tree else f"`{door.path}`"
    if door.openness is Openness.PUBLIC:
        what += " (open to everybody)"
    more = [f"with {', '.join(door.methods)}"] if door.methods else []
    if door.demands is not None:
        more.append(f"and besides the certificate {_demanded(door.demands)}")
    if door.hours:
        more.append(f"open {door.hours}")
    return f"- {', '.join((what, *more))}"


def _demanded(credentials: Credentials) -> str:
    if credentials.bearer is None:
        return "a user name and password (HTTP Basic), which the operator gives you"
    bound = ", bound to this certificate (RFC 8705)" if credentials.bearer.bound is Binding.REQUIRED else ""
    return f"a bearer token of {credentials.bearer.issuer} for {json.dumps(credentials.bearer.audience)}{bound}"


def _given_to_curl(handover: Handover) -> str:
    """What the request to try wants besides the certificate: curl asks for the password itself."""
    covering = [door for door in handover.doors if door.path.covers(RoutePath(handover.try_it))]
    demands = max(covering, key=lambda door: len(door.path)).demands if covering else None
    if demands is None:
        return ""
    return " -u USER" if demands.bearer is None else ' -H "Authorization: Bearer $TOKEN"'


def _rows(handover: Handover) -> Iterator[str]:
    """What else this client may see, by what its routes demand and how it is known."""
    demands = [door.demands for door in handover.doors if door.demands is not None]
    if demands:
        yield "401 `credentials_required` | the path wants a password or token besides, see the list | give it as well, e.g. curl's `-u` or `-H`"
        yield "401 `credentials_invalid`, `token_invalid` | it was given and is not good | compare it with the list; renew it"
    if any(credentials.bearer is not None for credentials in demands):
        bound = "have a token issued for this certificate"
        yield f"401 `token_bound_to_another_certificate` | the token belongs to another certificate, or to none | {bound}"
    if any(door.methods for door in handover.doors):
        yield "405 `method_not_allowed` | the path takes other methods | see the list"
    if any(door.hours for door in handover.doors):
        yield "403 `outside_hours` | the path is shut at this time | come when the list says, in UTC"
    if handover.enrolled:
        yield "503 `certificate_not_enrolled_yet` | each new certificate is looked at once, when it first comes | ask again after a second"


def _powershell(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _json(data: object) -> bytes:
    return (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode()


def _postman(handover: Handover) -> object:
    """Postman's collection format 2.1. Certificates are settings of the program, never part of a collection."""
    return {
        "info": {
            "name": f"{handover.host} as {handover.name}",
            "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json",
        },
        "variable": [{"key": "base", "value": handover.base}],
        "item": [
            {
                "name": "Try it",
                "request": {"method": "GET", "url": "{{base}}" + handover.try_it},
                "event": [
                    {
                        "listen": "test",
                        "script": {
                            "type": "text/javascript",
                            "exec": ["pm.test('admitted', () => pm.expect(pm.response.code).to.be.below(400));"],
                        },
                    }
                ],
            }
        ],
    }


def _bruno(handover: Handover) -> object:
    """Bruno's collection settings: it knows which certificate goes to which host."""
    certificate = {
        "domain": handover.host.in_url,
        "type": "cert",
        "certFilePath": f"../{handover.name}.pem",
        "keyFilePath": f"../{handover.name}.key",
        "passphrase": "",
    }
    return {
        "version": "1",
        "name": f"{handover.host} as {handover.name}",
        "type": "collection",
        "clientCertificates": {"enabled": True, "certs": [certificate]},
    }


def _request(handover: Handover) -> bytes:
    url = handover.base + handover.try_it
    text = (
        "meta {\n  name: Try it\n  type: http\n  seq: 1\n}\n\n"
        f"get {{\n  url: {url}\n  body: none\n  auth: none\n}}\n\n"
        "assert {\n  res.status: lt 400\n}\n"
    )
    return text.encode()
