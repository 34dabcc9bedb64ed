"""HTTP/1 messages: a request as it was read, a response as it will be written.

Written for a test server: the reader is strict and says what was wrong, the writer can
break every rule when it is asked to. Nothing here knows about tokens or identities.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, List, Optional, Protocol, Sequence, Tuple
from urllib.parse import unquote_plus

HEAD_SIZE_MAX = 16 * 1024
BODY_SIZE_MAX = 1024 * 1024
_REQUEST_LINE = re.compile(rb"([A-Z]+) (\S+) HTTP/1\.([01])\Z")
_HEADER_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*\Z")

REASONS = {
    100: "Continue", 101: "Switching Protocols", 102: "Processing", 103: "Early Hints",
    200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 206: "Partial Content",
    301: "Moved Permanently", 302: "Found", 303: "See Other", 304: "Not Modified",
    307: "Temporary Redirect", 308: "Permanent Redirect",
    400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 408: "Request Timeout", 409: "Conflict", 410: "Gone",
    413: "Content Too Large", 415: "Unsupported Media Type", 429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway",
    503: "Service Unavailable", 504: "Gateway Timeout",
}


class MalformedRequest(Exception):
    """The bytes on the connection are no request that this server reads."""


@dataclass
class Request:
    """One request. `headers` keeps order, case and duplicates."""

    method: str
    target: str
    minor_version: int
    headers: List[Tuple[str, str]]
    body: bytes = b""

    @property
    def path(self) -> str:
        return self.target.split("?", 1)[0]

    @property
    def query(self) -> List[Tuple[str, str]]:
        """Decoded pairs in order; duplicates kept."""
        return decode_pairs(self.target.partition("?")[2])

    @property
    def form(self) -> List[Tuple[str, str]]:
        """The body's pairs where it says that it is a form; duplicates kept."""
        kind = (self.header("Content-Type") or "").partition(";")[0].strip().lower()
        if kind != "application/x-www-form-urlencoded":
            return []
        return decode_pairs(self.body.decode("latin-1"))

    def header_values(self, name: str) -> List[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name: str) -> Optional[str]:
        values = self.header_values(name)
        return values[0] if values else None

    def wants_close(self) -> bool:
        connection = (self.header("Connection") or "").lower()
        if "close" in connection:
            return True
        return self.minor_version == 0 and "keep-alive" not in connection


@dataclass
class Response:
    """One response, before framing. With `wire` the bytes are sent as they are."""

    status: int = 200
    headers: List[Tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    version: str = "HTTP/1.1"
    reason: Optional[str] = None
    date_offset_s: Optional[float] = 0.0  # None: no Date header
    server: str = "IMDS/emulator"
    framing: str = "length"  # length | chunked | close
    chunk_sizes: Sequence[int] = ()
    close: bool = False
    interim: Sequence[int] = ()
    wire: Optional[bytes] = None

    def serialise(self) -> bytes:
        if self.wire is not None:
            return self.wire
        reason = self.reason if self.reason is not None else REASONS.get(self.status, "Status")
        lines = [f"{self.version} {self.status} {reason}"]
        headers = [] if self.date_offset_s is None else [
            ("Date", formatdate(time.time() + self.date_offset_s, usegmt=True))]
        headers += [("Server", self.server)] + self.headers
        bodiless = self.status in (204, 304) or self.status < 200
        if self.framing == "length" and not bodiless:
            headers.append(("Content-Length", str(len(self.body))))
        elif self.framing == "chunked" and not bodiless:
            headers.append(("Transfer-Encoding", "chunked"))
        if self.close or self.framing == "close":
            headers.append(("Connection", "close"))
        lines += [f"{name}: {value}" for name, value in headers]
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        first = b"".join(f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}\r\n\r\n".encode()
                         for status in self.interim)
        body = chunked(self.body, self.chunk_sizes) if self.framing == "chunked" else self.body
        return first + head + (b"" if bodiless else body)

    def ends_connection(self) -> bool:
        return self.close or self.framing == "close" or self.wire is not None


def json_response(status: int, document: Any, **fields: Any) -> Response:
    body = json.dumps(document, separators=(",", ":")).encode()
    return Response(status, [("Content-Type", "application/json; charset=utf-8")], body, **fields)


def text_response(status: int, text: str, **fields: Any) -> Response:
    content_type = ("Content-Type", "text/plain; charset=utf-8")
    return Response(status, [content_type], text.encode(), **fields)


def chunked(body: bytes, sizes: Sequence[int]) -> bytes:
    """`body` in chunks of the given sizes; the last size repeats, none means one chunk."""
    out: List[bytes] = []
    offset, index = 0, 0
    while offset < len(body):
        size = sizes[min(index, len(sizes) - 1)] if sizes else len(body)
        piece = body[offset:offset + max(1, size)]
        out.append(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        offset += len(piece)
        index += 1
    return b"".join(out) + b"0\r\n\r\n"


def decode_pairs(text: str) -> List[Tuple[str, str]]:
    pairs = []
    for part in text.split("&") if text else []:
        name, _, value = part.partition("=")
        pairs.append((unquote_plus(name), unquote_plus(value)))
    return pairs


class Readable(Protocol):
    """A socket, or what stands in for one."""

    def recv(self, size: int, /) -> bytes: ...


class RequestReader:
    """Reads one request after the other from a socket; keeps what came early."""

    def __init__(self, connection: Readable) -> None:
        self._connection = connection
        self._pending = b""

    def read(self) -> Optional[Request]:
        """The next request, or None at the end of the connection."""
        while b"\r\n\r\n" not in self._pending:
            if len(self._pending) > HEAD_SIZE_MAX:
                raise MalformedRequest("head too large")
            if not self._receive():
                if self._pending:
                    raise MalformedRequest("connection ended inside the head")
                return None
        head, _, self._pending = self._pending.partition(b"\r\n\r\n")
        request = parse_head(head)
        request.body = self._read_body(request)
        return request

    def _read_body(self, request: Request) -> bytes:
        if request.header("Transfer-Encoding") is not None:
            raise MalformedRequest("request with Transfer-Encoding")
        sizes = request.header_values("Content-Length")
        if not sizes:
            return b""
        if len(sizes) > 1 or not sizes[0].isdigit() or int(sizes[0]) > BODY_SIZE_MAX:
            raise MalformedRequest("Content-Length unusable")
        size = int(sizes[0])
        while len(self._pending) < size:
            if not self._receive():
                raise MalformedRequest("connection ended inside the body")
        body, self._pending = self._pending[:size], self._pending[size:]
        return body

    def _receive(self) -> bool:
        data = self._connection.recv(65536)
        self._pending += data
        return bool(data)


def parse_head(head: bytes) -> Request:
    """A head without its final empty line."""
    lines = head.split(b"\r\n")
    match = _REQUEST_LINE.match(lines[0])
    if not match:
        raise MalformedRequest("request line")
    headers = []
    for line in lines[1:]:
        header = _HEADER_LINE.match(line)
        if not header or b"\n" in line or b"\0" in line:
            raise MalformedRequest("header line")
        headers.append((header[1].decode("latin-1"), header[2].decode("latin-1")))
    hosts = [value for name, value in headers if name.lower() == "host"]
    if len(hosts) > 1 or (match[3] == b"1" and not hosts):
        raise MalformedRequest("Host header missing or given twice")
    return Request(match[1].decode(), match[2].decode("latin-1"), int(match[3]), headers)
