"""A TLS server in front of a plain one, and certificates for it."""

from __future__ import annotations

import datetime
import ipaddress
import select
import socket
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, List, Optional

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)
NOW = datetime.datetime.utcnow()


@dataclass(frozen=True)
class Issued:
    certificate: x509.Certificate
    key: Any

    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def write(self, path: Path) -> str:
        """The certificate and the key in one PEM file."""
        path.write_bytes(self.pem() +
                         self.key.private_bytes(serialization.Encoding.PEM,
                                                serialization.PrivateFormat.PKCS8,
                                                serialization.NoEncryption()))
        return str(path)


def issue(issuer: Optional[Issued] = None, address: str = "127.0.0.1",
          end: datetime.datetime = NOW + 9 * DAY) -> Issued:
    """A server's certificate, or without an issuer a root's."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "leaf" if issuer else "test root")])
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (x509.CertificateBuilder().subject_name(name).public_key(key.public_key())
               .issuer_name(issuer.certificate.subject if issuer else name)
               .serial_number(x509.random_serial_number())
               .not_valid_before(NOW - 3 * DAY).not_valid_after(end)
               .add_extension(x509.BasicConstraints(issuer is None, None), critical=True))
    if issuer:
        builder = builder.add_extension(x509.SubjectAlternativeName(
            [x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
    return Issued(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


class Door:
    """A TLS server that hands every connection on to a plain port."""

    def __init__(self, certificate: str, port: int,
                 version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3, piece: int = 16384) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate)
        self.context.minimum_version = self.context.maximum_version = version
        self.to = port
        self.piece = piece  # bytes of an answer in a record
        self.count = 0      # of connections that shook hands
        self.asked = 0      # of connections at all
        self.clients: List[socket.socket] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self.listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            self.asked += 1
            self.clients.append(plain.dup())
            threading.Thread(target=self.pass_on, args=(plain,), daemon=True).start()

    def pass_on(self, plain: socket.socket) -> None:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            with self.context.wrap_socket(plain, server_side=True) as client, \
                    socket.create_connection(("127.0.0.1", self.to)) as server:
                self.count += 1
                while True:
                    ready = select.select([client, server], [], [], 30)[0]
                    if client in ready:
                        data = client.recv(65536)
                        server.sendall(data)
                        if not data:
                            return
                    if server in ready:
                        data = server.recv(65536)
                        for offset in range(0, len(data), self.piece):
                            client.sendall(data[offset:offset + self.piece])
                        if not data:
                            client.unwrap()
                            return
        except (OSError, ssl.SSLError):
            pass

    def drop(self) -> None:
        """Ends every connection, and without a word of TLS."""
        for client in self.clients:
            client.shutdown(socket.SHUT_RDWR)
            client.close()
        self.clients = []

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
