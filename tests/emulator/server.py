"""The listener: one thread a connection, kept connections, and delivery that can misbehave.

It hands each request to a function and sends what that returns, as late, as slowly and as
incompletely as asked for. It can stop listening for a while without losing its port. With `tls`
every connection begins with a handshake; one that fails is reported, not answered.
"""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from dataclasses import dataclass, field
from typing import Callable, Dict, Optional, Tuple, Union

from message import MalformedRequest, Request, RequestReader, Response, text_response
from transport import TlsFaults, TlsSocket

CONNECTIONS_MAX = 256


@dataclass
class Delivery:
    """How the bytes of a response reach the client."""

    delay_s: float = 0.0
    dribble_size: Optional[int] = None
    dribble_interval_s: float = 0.0
    cut_at: Optional[int] = None  # the connection ends after that many bytes
    cut_by_reset: bool = False
    silence: bool = False  # nothing is sent; the connection stays open until the client goes
    hangup: bool = False  # the connection ends after the answer, unannounced
    after: bytes = b""  # sent behind the message


@dataclass
class Reply:
    response: Response = field(default_factory=Response)
    delivery: Delivery = field(default_factory=Delivery)


@dataclass(frozen=True)
class Origin:
    """Where a request came from: the connection's number and the request's number on it."""

    connection: int
    index: int
    tls: str = ""  # the version, such as TLSv1.3


Handler = Callable[[Request, Origin], Reply]
TlsChoice = Callable[[], Tuple[ssl.SSLContext, TlsFaults]]  # asked for each connection
HANDSHAKE_TIMEOUT_S = 20.0


class Server:
    """Listens on one address. `start` returns when clients can connect."""

    def __init__(self, host: str, port: int, handler: Handler,
                 on_malformed: Optional[Callable[[Origin, str], None]] = None,
                 keep_alive_s: float = 120.0, tls: Optional[TlsChoice] = None,
                 on_handshake_failed: Optional[Callable[[Origin, str], None]] = None) -> None:
        self._handler = handler
        self.tls = tls
        self.on_handshake_failed = on_handshake_failed or (lambda origin, reason: None)
        self.on_malformed = on_malformed or (lambda origin, reason: None)
        self._keep_alive_s = keep_alive_s
        self._lock = threading.Lock()
        self._connections: Dict[int, _Connection] = {}
        self._listening = threading.Event()
        self._stopping = threading.Event()
        self.connection_count = 0
        self._socket = _bind(host, port)
        self.host, self.port = self._socket.getsockname()[:2]

    def start(self) -> None:
        self.resume()
        threading.Thread(target=self._accept_all, daemon=True).start()

    def pause(self) -> None:
        """Refuses connections and ends the idle ones; an answer under way is finished."""
        with self._lock:
            if not self._listening.is_set():
                return
            self._listening.clear()
            self._socket.shutdown(socket.SHUT_RDWR)  # Linux: keeps the port, leaves LISTEN
            for connection in list(self._connections.values()):
                connection.end_when_idle()

    def resume(self) -> None:
        with self._lock:
            if not self._listening.is_set() and not self._stopping.is_set():
                self._socket.listen(128)
                self._listening.set()

    def stop(self) -> None:
        self._stopping.set()
        self.pause()
        self._socket.close()

    def stopping(self) -> threading.Event:
        return self._stopping

    def _accept_all(self) -> None:
        while not self._stopping.is_set():
            self._listening.wait(1.0)
            try:
                client, _ = self._socket.accept()
            except OSError:
                self._stopping.wait(0.002)
                continue
            self._adopt(client)

    def _adopt(self, client: socket.socket) -> None:
        with self._lock:
            if len(self._connections) >= CONNECTIONS_MAX or not self._listening.is_set():
                reset(client)
                return
            self.connection_count += 1
            number = self.connection_count
            connection = _Connection(self, client, number, self._keep_alive_s)
            self._connections[number] = connection
        threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: "_Connection") -> None:
        try:
            connection.run(self._handler)
        except OSError:
            pass  # the client went away, or waited too long: nothing to answer
        finally:
            with self._lock:
                self._connections.pop(connection.number, None)
            connection.close()


class _Connection:
    def __init__(self, server: Server, client: socket.socket, number: int,
                 keep_alive_s: float) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.number = number
        self._server = server
        self._socket: Union[socket.socket, TlsSocket] = client
        self._tls_version = ""
        self._keep_alive_s = keep_alive_s
        self._lock = threading.Lock()
        self._busy = False
        self._ending = False

    def run(self, handler: Handler) -> None:
        if self._server.tls and not self._shake_hands(*self._server.tls()):
            return
        reader = RequestReader(self._socket)
        index = 0
        while not self._ending:
            self._socket.settimeout(self._keep_alive_s or 120.0)
            try:
                request = reader.read()
            except MalformedRequest as error:
                self._server.on_malformed(Origin(self.number, index + 1), str(error))
                self._send(Reply(text_response(400, f"Bad Request: {error}", close=True)))
                return
            if request is None or not self._begin():
                return
            index += 1
            reply = handler(request, Origin(self.number, index, self._tls_version))
            if self._keep_alive_s == 0 or request.wants_close() or request.method == "HEAD":
                reply.response.close = True
            kept = self._send(reply)
            with self._lock:
                self._busy = False
            if not kept or reply.response.ends_connection():
                return

    def end_when_idle(self) -> None:
        with self._lock:
            self._ending = True
            if not self._busy:
                _shutdown(self._socket)

    def close(self) -> None:
        if isinstance(self._socket, TlsSocket):
            self._socket.finish()
        _shutdown(self._socket)
        self._socket.close()

    def _shake_hands(self, context: ssl.SSLContext, faults: TlsFaults) -> bool:
        assert isinstance(self._socket, socket.socket)
        self._socket.settimeout(HANDSHAKE_TIMEOUT_S)
        wrapped = TlsSocket(self._socket, context, faults)
        self._socket = wrapped
        try:
            self._tls_version = wrapped.handshake()
            return True
        except OSError as error:
            wrapped.break_off()
            reason = getattr(error, "reason", None) or str(error) or type(error).__name__
            self._server.on_handshake_failed(Origin(self.number, 0), reason)
            return False

    def _begin(self) -> bool:
        with self._lock:
            self._busy = not self._ending
            return self._busy

    def _send(self, reply: Reply) -> bool:
        """True when the connection may be kept."""
        delivery = reply.delivery
        wait = self._server.stopping().wait
        if delivery.silence:
            self._socket.settimeout(None)
            while self._socket.recv(4096):
                pass
            return False
        wait(delivery.delay_s)
        data = reply.response.serialise() + delivery.after
        if delivery.cut_at is not None:
            data = data[:delivery.cut_at]
        size = delivery.dribble_size or max(1, len(data))
        for offset in range(0, len(data), size):
            if offset:
                wait(delivery.dribble_interval_s)
            self._socket.sendall(data[offset:offset + size])
        if delivery.cut_at is not None and isinstance(self._socket, TlsSocket):
            self._socket.break_off()
        if delivery.cut_at is not None and delivery.cut_by_reset:
            reset(self._socket)
        return delivery.cut_at is None and not delivery.hangup


def reset(connection: Union[socket.socket, TlsSocket]) -> None:
    """Ends a connection with RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def parse_address(text: str) -> Tuple[str, int]:
    """`ADDRESS:PORT`, IPv4."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{text!r}: expected ADDRESS:PORT")
    return host, int(port)


def _bind(host: str, port: int) -> socket.socket:
    """A bound socket. Port 0 is resolved first: only an explicit port survives a pause."""
    if port == 0:
        with socket.socket() as probe:
            probe.bind((host, 0))
            port = probe.getsockname()[1]
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((host, port))
    return bound


def _shutdown(connection: Union[socket.socket, TlsSocket]) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
