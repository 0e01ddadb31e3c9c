"""One connection as a probe needs it: plain or TLS, every refusal kept as a number.

pyOpenSSL with memory buffers rather than the standard library's ``ssl``: keys stay in memory, chains and suites are free, and
alerts arrive as numbers through OpenSSL's info callback (``SSL_CTX_set_info_callback(3)``: ``SSL_CB_READ_ALERT``, description in the low byte).
"""

from __future__ import annotations

import contextlib
import errno
import socket
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from gatewright.prove.cases import Http, Protocol, Tls
from gatewright.prove.minting import Credential

# RFC 8446 §4.1.2, RFC 5246 §6.2.1, and their forerunners.
_VERSIONS = {Tls.V10: 0x0301, Tls.V11: 0x0302, Tls.V12: 0x0303, Tls.V13: 0x0304}
_ALPN = {Http.H1: b"http/1.1", Http.H2: b"h2"}
_CHUNK = 65_536
_MOST = 64 << 20
"""Octets read from one connection: more than all that may share one are answered with. Whoever sends without end is not listened to."""


class Broken(Exception):
    """The connection carries nothing any more; why is in the :class:`Wire`."""


@dataclass
class Signs:
    """What was seen of a connection beside its data; see :class:`gatewright.prove.verdict.Seen`."""

    handshake: bool = False
    alert: int | None = None
    errno: int | None = None
    closed: bool = False
    resumed: bool = False
    certificate: str = ""
    note: str = ""


def context(protocol: Protocol, credential: Credential | None) -> SSL.Context:
    """Settings for many connections of one caller in one protocol. Weak certificates are sent, whatever OpenSSL thinks of them."""
    made = SSL.Context(SSL.TLS_METHOD)
    made.set_min_proto_version(_VERSIONS[protocol.tls])
    made.set_max_proto_version(_VERSIONS[protocol.tls])
    made.set_cipher_list(f"{protocol.suites or 'DEFAULT'}:@SECLEVEL=0".encode())
    made.set_verify(SSL.VERIFY_NONE)
    made.set_session_cache_mode(SSL.SESS_CACHE_CLIENT)
    made.set_alpn_protos([_ALPN[protocol.http]])
    if credential is not None:
        made.use_certificate(credential.certificate)
        made.use_privatekey(credential.key)
        for certificate in credential.chain:
            made.add_extra_chain_cert(certificate)
    return made


@dataclass
class Wire:
    """A TCP connection, with TLS inside after :meth:`shake`. ``patience_s`` limits every wait."""

    address: str
    port: int
    patience_s: float = 10.0
    signs: Signs = field(default_factory=Signs)
    tls: SSL.Connection | None = None
    _socket: socket.socket | None = None
    _left: int = field(default_factory=lambda: _MOST)

    def open(self) -> None:
        """Connect. Raises :class:`Broken`."""
        try:
            self._socket = socket.create_connection((self.address, self.port), self.patience_s)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as problem:
            raise self._broken(problem) from problem

    def shake(self, settings: SSL.Context, sni: str | None, session: SSL.Session | None = None) -> None:
        """Make the handshake. Raises :class:`Broken`."""
        self.tls = SSL.Connection(settings, None)
        self.tls.set_info_callback(self._note)
        self.tls.set_connect_state()
        if sni is not None:
            self.tls.set_tlsext_host_name(sni.encode("latin-1"))
        if session is not None:
            self.tls.set_session(session)
        while True:
            try:
                self.tls.do_handshake()
            except SSL.WantReadError:
                self._flush()
                self._fill()
            except SSL.Error as problem:
                self._flush_quietly()
                raise Broken from problem
            else:
                break
        self._flush()
        self.signs.handshake = True
        # pyOpenSSL has no public name for SSL_session_reused(3).
        self.signs.resumed = bool(SSL._lib.SSL_session_reused(self.tls._ssl))  # type: ignore[attr-defined]

    def peer(self) -> bytes:
        """The DER of the certificate that was shown."""
        assert self.tls is not None
        shown = self.tls.get_peer_certificate(as_cryptography=True)
        return b"" if shown is None else shown.public_bytes(Encoding.DER)

    def speaks_h2(self) -> bool:
        """Whether HTTP/2 was agreed on (RFC 7301)."""
        return self.tls is not None and self.tls.get_alpn_proto_negotiated() == b"h2"

    def send(self, data: bytes) -> None:
        """Send all of it. Raises :class:`Broken`, but only after what the other side said last has been read."""
        try:
            if self.tls is None:
                self._write(data)
                return
            while data:
                sent = self.tls.send(data[:_CHUNK])
                data = data[sent:]
            self._flush()
        except (Broken, SSL.Error):
            self._last_words()
            raise Broken from None

    def receive(self) -> bytes:
        """What came next, at least one byte. Raises :class:`Broken`: at the end too, with ``signs.closed`` set."""
        if self.tls is None:
            return self._read()
        while True:
            try:
                return self.tls.recv(_CHUNK)
            except SSL.WantReadError:
                self._flush()
                self._fill()
            except SSL.ZeroReturnError as problem:
                self.signs.closed = True
                raise Broken from problem
            except SSL.Error as problem:
                raise Broken from problem

    def finish(self) -> None:
        """Tell the other side that nothing more comes; what it still says can be read. Raises :class:`Broken`."""
        assert self._socket is not None
        try:
            if self.tls is None:
                self._socket.shutdown(socket.SHUT_WR)
            else:
                self.tls.shutdown()  # close_notify closes our direction only (RFC 8446 §6.1)
                self._flush()
        except (OSError, SSL.Error) as problem:
            raise Broken from problem

    def close(self) -> None:
        """End the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _note(self, _: SSL.Connection, where: int, ret: int) -> None:
        # Level in the high byte, description in the low one; close_notify (0) is an orderly end.
        if where & SSL.SSL_CB_READ_ALERT == SSL.SSL_CB_READ_ALERT:
            if ret & 0xFF:
                self.signs.alert = ret & 0xFF
            else:
                self.signs.closed = True

    def _last_words(self) -> None:
        """Read what is left, without more waiting than needed: the refusal may have come before our bytes went out."""
        try:
            while True:
                self.receive()
        except Broken:
            pass

    def _flush(self) -> None:
        assert self.tls is not None
        while True:
            try:
                data = self.tls.bio_read(_CHUNK)
            except SSL.WantReadError:
                return
            self._write(data)

    def _flush_quietly(self) -> None:
        with contextlib.suppress(Broken):
            self._flush()

    def _fill(self) -> None:
        assert self.tls is not None
        self.tls.bio_write(self._read())

    def _read(self) -> bytes:
        assert self._socket is not None
        try:
            data = self._socket.recv(_CHUNK)
        except OSError as problem:
            raise self._broken(problem) from problem
        self._left -= len(data)
        if not data:
            self.signs.closed = True
            raise Broken
        if self._left < 0:
            self.signs.note = f"it sent more than {_MOST} octets"
            raise Broken
        return data

    def _write(self, data: bytes) -> None:
        assert self._socket is not None
        try:
            self._socket.sendall(data)
        except OSError as problem:
            raise self._broken(problem) from problem

    def _broken(self, problem: OSError) -> Broken:
        self.signs.errno = errno.ETIMEDOUT if isinstance(problem, TimeoutError) else problem.errno
        return Broken()

    def patience(self, seconds: float) -> None:
        """From now on wait no longer than this."""
        if self._socket is not None:
            self._socket.settimeout(seconds)
