"""Unpredictable numbers from the operating system."""

from __future__ import annotations

import secrets

from cryptography import x509

# Without 0/O, 1/l/I: passphrases are sometimes read aloud. 55 letters and digits, 24 of them: 138 bits.
_LETTERS = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ2345679"


class SystemRandomness:
    """Implements :class:`gatewright.ports.keystore.Randomness`."""

    def serial(self) -> int:
        """159 random bits, positive: 20 octets at most, as RFC 5280 §4.1.2.2 demands."""
        return x509.random_serial_number()

    def passphrase(self) -> str:
        """24 letters and digits."""
        return "".join(secrets.choice(_LETTERS) for _ in range(24))

    def secret(self) -> str:
        """Two keys of 256 bits each, in hexadecimal."""
        return secrets.token_hex(64)
