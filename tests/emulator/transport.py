"""A server's side of TLS, with its records in our hands: they can be cut off and split.

It stands in for a socket where server.py uses one. The TLS itself is OpenSSL's.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from typing import Any, Iterator, Optional

_HANDSHAKE, _CHANGE_CIPHER = 22, 20


@dataclass(frozen=True)
class TlsFaults:
    cut_at: Optional[int] = None  # the connection ends after so many bytes of the server's
    record_size: Optional[int] = None  # of payload in a record, where the bytes are ours to split


class Cut(OSError):
    """The bytes that the server may send are used up."""


class TlsSocket:
    def __init__(self, raw: socket.socket, context: ssl.SSLContext, faults: TlsFaults) -> None:
        self.raw = raw
        self._faults = faults
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._sent = 0
        self._encrypted = False
        self._abrupt = False

    def handshake(self) -> str:
        """Raises OSError; the version of TLS."""
        while True:
            try:
                self._tls.do_handshake()
                self._flush()
                return self._tls.version() or ""
            except ssl.SSLWantReadError:
                self._flush()
                self._feed()
            except ssl.SSLError:
                self._flush()  # the alert
                raise

    def recv(self, size: int) -> bytes:
        while True:
            try:
                return self._tls.read(size)
            except ssl.SSLWantReadError:
                self._flush()
                self._feed()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""

    def sendall(self, data: bytes) -> None:
        size = self._faults.record_size or max(1, len(data))
        for offset in range(0, len(data), size):
            self._tls.write(data[offset:offset + size])
            self._flush()

    def settimeout(self, seconds: Optional[float]) -> None:
        self.raw.settimeout(seconds)

    def setsockopt(self, *arguments: Any) -> None:
        self.raw.setsockopt(*arguments)

    def shutdown(self, how: int) -> None:
        self.raw.shutdown(how)

    def break_off(self) -> None:
        """From now on the end of the connection is not announced by close_notify."""
        self._abrupt = True

    def finish(self) -> None:
        """Says close_notify; nothing is waited for."""
        if self._abrupt:
            return
        try:
            self._tls.unwrap()
        except (OSError, ValueError):
            pass
        try:
            self._flush()
        except OSError:
            pass

    def close(self) -> None:
        self.raw.close()

    def _feed(self) -> None:
        data = self.raw.recv(65536)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _flush(self) -> None:
        data = self._outgoing.read()
        if not data:
            return
        if self._faults.record_size and not self._encrypted:
            data = b"".join(self._split(data, self._faults.record_size))
        if self._faults.cut_at is not None:
            data = data[:max(0, self._faults.cut_at - self._sent)]
        self.raw.sendall(data)
        self._sent += len(data)
        if self._faults.cut_at is not None and self._sent >= self._faults.cut_at:
            self._abrupt = True
            raise Cut("cut off")

    def _split(self, data: bytes, size: int) -> Iterator[bytes]:
        """Records again, those of the handshake that aren't encrypted in small pieces."""
        while data:
            length = int.from_bytes(data[3:5], "big")
            head, payload, data = data[:3], data[5:5 + length], data[5 + length:]
            self._encrypted = self._encrypted or head[0] == _CHANGE_CIPHER
            step = size if head[0] == _HANDSHAKE and not self._encrypted else max(1, length)
            for offset in range(0, length, step):
                piece = payload[offset:offset + step]
                yield head + len(piece).to_bytes(2, "big") + piece
