"""For the emulator's own tests: an emulator inside the test's process, with a client."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
import tempfile
import unittest
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple
from urllib.parse import urlsplit

import verify
from behaviour import parse_script
from emulator import Emulator as InProcess
from emulator import parse_options
from harness import exchange, shared_key_path

RESOURCE = "https://storage.azure.com/"
TARGET = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=" + RESOURCE


@dataclass
class Reply:
    status: int
    head: http.client.HTTPResponse
    body: bytes

    @property
    def json(self) -> Dict[str, Any]:
        return dict(json.loads(self.body))


class World:
    """An emulator inside this process, with a client."""

    def __init__(self, *options: str) -> None:
        self.log = tempfile.NamedTemporaryFile("r", suffix=".jsonl")
        self.emulator = InProcess(parse_options(
            ["--listen", "127.0.0.1:0", "--quiet", "--log", self.log.name,
             "--key", str(shared_key_path()), *options]))
        self.emulator.start()
        self.port = self.emulator.server.port
        self.key = self.emulator._world.issuer.key

    def steps(self, text: str) -> None:
        self.emulator._script.replace(parse_script(text))
        self.emulator._apply_refusal()

    def stop(self) -> None:
        self.emulator.stop()
        self.log.close()

    def get(self, target: str = TARGET, headers: Optional[Dict[str, str]] = None,
            method: str = "GET") -> Tuple[http.client.HTTPResponse, bytes]:
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            client.request(method, target,
                           headers={"Metadata": "true"} if headers is None else headers)
            response = client.getresponse()
            return response, response.read()
        finally:
            client.close()

    def document(self, target: str = TARGET) -> Dict[str, Any]:
        response, body = self.get(target)
        assert response.status == 200, body
        return dict(json.loads(body))

    def wire(self, target: str = TARGET) -> bytes:
        return exchange("127.0.0.1", self.port, f"GET {target} HTTP/1.1\r\nHost: x\r\n"
                        "Metadata: true\r\nConnection: close\r\n\r\n".encode())

    def endpoint(self, source: str) -> str:
        return str(self.emulator.addresses()["sources"][source]["endpoint"])

    def environment(self, source: str) -> Dict[str, str]:
        return dict(self.emulator.addresses()["sources"][source]["environment"])

    def trust(self) -> ssl.SSLContext:
        """A client's context that trusts the emulator's root and nothing else."""
        return ssl.create_default_context(cafile=self.emulator.addresses()["ca_file"])

    def call(self, url: str, headers: Optional[Dict[str, str]] = None, method: str = "GET",
             body: Optional[str] = None, context: Optional[ssl.SSLContext] = None) -> Reply:
        """One request on a connection of its own."""
        parts = urlsplit(url)
        assert parts.hostname
        client: http.client.HTTPConnection
        if parts.scheme == "https":
            client = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=10,
                                                 context=context or self.trust())
        else:
            client = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
        target = parts.path + ("?" + parts.query if parts.query else "")
        with contextlib.closing(client):
            client.request(method, target or "/", body=body, headers=headers or {})
            response = client.getresponse()
            return Reply(response.status, response, response.read())

    def claims(self, reply: Reply) -> Dict[str, Any]:
        """Of the token in a good answer, verified."""
        assert reply.status == 200, reply.body
        return verify.verify_token(reply.json["access_token"], [self.key.jwk])

    def entries(self) -> List[Dict[str, Any]]:
        self.log.seek(0)
        return [json.loads(line) for line in self.log]


class WorldTest(unittest.TestCase):
    options: Tuple[str, ...] = ()

    def setUp(self) -> None:
        self.world = World(*self.options)
        self.addCleanup(self.world.stop)
