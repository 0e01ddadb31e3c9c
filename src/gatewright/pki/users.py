"""Files of users and hashed passwords, as httpd's mod_authn_file reads them (htpasswd(1)); bcrypt only."""

from __future__ import annotations

import re

import bcrypt

from gatewright.errors import ValueRejected

MAX_PASSWORD = 72
"""Bytes: what follows is ignored by bcrypt, so it is refused here (Provos and Mazières 1999, §3)."""
MIN_PASSWORD = 12
"""Characters of a password that a human chooses: NIST SP 800-63B §5.1.1.2 asks for 8; who guesses needs no luck at those."""

_HASH = re.compile(r"\$2[aby]\$(0[4-9]|1[0-9])\$[./A-Za-z0-9]{53}\Z")
_NAME = re.compile(r"[A-Za-z0-9._@+-]{1,64}\Z")


def read(content: bytes) -> dict[str, str]:
    """Hashes by user, in the file's order. Raises ``ValueError`` whose text completes "it is not usable: …"."""
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError:
        raise ValueError("it is not plain text") from None
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, hashed = line.partition(":")
        if not _HASH.match(hashed):
            raise ValueError(
                f"line {number} is not NAME:HASH with a bcrypt hash ($2y$), the only kind that resists guessing"
            )
        if name in found:
            raise ValueError(f"line {number} names {name!r} a second time")
        found[name] = hashed
    return found


def text(users: dict[str, str]) -> bytes:
    """The file's content."""
    return "".join(f"{name}:{hashed}\n" for name, hashed in users.items()).encode("ascii")


def name_of(word: str) -> str:
    """``word`` as a user's name. Raises :class:`ValueRejected`: a colon would end it (RFC 7617 §2)."""
    if not _NAME.match(word):
        what, why = (
            f"{word[:80]!r} cannot be a user's name",
            "a colon would end it, and other characters are read differently",
        )
        raise ValueRejected("bad-user-name", what, why, "use up to 64 letters, digits and . _ @ + -")
    return word


def hashed(password: str, salt: bytes) -> str:
    """The bcrypt hash with ``salt`` (``bcrypt.gensalt``), spelled as httpd reads it.

    Raises :class:`ValueRejected` for a password that bcrypt would cut off, or that is too easy to guess.
    """
    raw = password.encode()
    if len(raw) > MAX_PASSWORD or "\0" in password:
        what = f"the password has more than {MAX_PASSWORD} bytes, or a NUL in it"
        raise ValueRejected(
            "bad-password", what, "bcrypt ignores what comes after", f"use at most {MAX_PASSWORD} bytes"
        )
    if len(password) < MIN_PASSWORD or any(ord(c) < 0x20 or ord(c) == 0x7F for c in password):
        what = f"the password has less than {MIN_PASSWORD} characters, or control characters"
        fix = f"use {MIN_PASSWORD} or more, or leave --stdin out to have one made"
        raise ValueRejected("bad-password", what, "short ones are guessed", fix)
    # $2b$ and $2y$ are the same algorithm under the names of two implementations; httpd's own knows $2y$.
    return bcrypt.hashpw(raw, salt).decode("ascii").replace("$2b$", "$2y$", 1)
