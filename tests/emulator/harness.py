"""Runs the emulator as a process of its own, for tests and demonstrations.

    with Emulator("--lifetime", "120s", script="status 429 x2") as emulator:
        run(["miagent", "get", "--endpoint", emulator.url, "--resource", "vault"])
        assert [r.status for r in emulator.requests()] == [429, 429, 200]

    with Emulator(sources=["app-service"]) as emulator:
        run(["miagent", "get", "--resource", "vault"], env=emulator.environment("app-service"))

The process shares one signing key with all emulators of this test process, so that starting
one takes about 100 ms.
"""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence
from urllib.parse import parse_qsl

PYTHON = "/usr/bin/python3"
PROGRAM = Path(__file__).resolve().parent / "emulator.py"
START_TIMEOUT_S = 20.0
TOKEN_PATH = "/metadata/identity/oauth2/token"


@dataclass(frozen=True)
class LoggedRequest:
    """One line of the request log; `raw` has all of it (README.md lists the fields)."""

    raw: Dict[str, Any]

    @property
    def source(self) -> str:
        return str(self.raw["source"])

    @property
    def status(self) -> Optional[int]:
        """What was sent; None when no status line was."""
        status = self.raw["status"]
        return None if status is None else int(status)

    @property
    def outcome(self) -> str:
        """answer | wire | silence | close | reset"""
        return str(self.raw["outcome"])

    @property
    def connection(self) -> int:
        return int(self.raw["connection"])

    @property
    def time(self) -> float:
        return float(self.raw["time"])

    @property
    def method(self) -> str:
        return str(self.raw.get("method", ""))

    @property
    def target(self) -> str:
        return str(self.raw.get("target", ""))

    @property
    def query(self) -> Dict[str, str]:
        return dict(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))

    @property
    def form(self) -> Dict[str, str]:
        """What was posted as a form; secrets hidden."""
        return {name: value for name, value in self.raw.get("form", [])}

    @property
    def resource(self) -> str:
        return self.query.get("resource", "") or self.form.get("resource", "")

    @property
    def error(self) -> str:
        """The error code, or why a request or a handshake failed."""
        return str(self.raw.get("error") or "")

    @property
    def token_sha256(self) -> Optional[str]:
        return self.raw.get("token_sha256")

    def header(self, name: str) -> Optional[str]:
        for key, value in self.raw.get("headers", []):
            if key.lower() == name.lower():
                return str(value)
        return None


class Emulator:
    """A running emulator. Options are those of emulator.py's command line.

    `script` is text in the script's line format. `listen` may name port 80 of the real address
    where the process runs inside a network namespace (see tests/e2e/netns.py). `sources` are
    values of `--source`: other sources than IMDS, and resources.
    """

    def __init__(self, *options: str, script: str = "", listen: str = "127.0.0.1:0",
                 narrate: bool = False, sources: Sequence[str] = ()) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="emulator-"))
        self._ready_path = self._folder / "ready.json"
        self._log_path = self._folder / "requests.jsonl"
        command = [PYTHON, str(PROGRAM), "--listen", listen, "--control", "127.0.0.1:0",
                   "--ready-file", str(self._ready_path), "--log", str(self._log_path)]
        if "--folder" not in options:
            command += ["--folder", str(self._folder)]
        for source in sources:
            command += ["--source", source]
        if "--key" not in options:
            command += ["--key", str(shared_key_path())]
        if script:
            script_path = self._folder / "script"
            script_path.write_text(script + "\n", encoding="utf-8")
            command += ["--script", str(script_path)]
        if not narrate:
            command.append("--quiet")
        self._process = subprocess.Popen(command + list(options), stdin=subprocess.DEVNULL,
                                         start_new_session=True, preexec_fn=end_with_parent)
        try:
            self._addresses = self._wait_ready()
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> "Emulator":
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """`http://ADDR:PORT`, for `endpoint` or AZURE_POD_IDENTITY_AUTHORITY_HOST."""
        return str(self._addresses["url"])

    @property
    def jwks_url(self) -> str:
        return str(self._addresses["jwks_url"])

    @property
    def port(self) -> int:
        return int(self._addresses["port"])

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ca_file(self) -> str:
        """The root certificate of the sources and resources that speak TLS, as PEM."""
        return str(self._addresses["ca_file"])

    def certificate(self, kind: str) -> str:
        """A PEM file of certificates.KINDS; it is there once a server has shown it."""
        return str(Path(self.ca_file).with_name(f"{kind}.pem"))

    def endpoint(self, source: str) -> str:
        """The address that a client of this source, or of `arm` or `vault`, is given."""
        return str(self._addresses["sources"][source]["endpoint"])

    def source_url(self, source: str) -> str:
        """`SCHEME://ADDR:PORT` of a source."""
        return str(self._addresses["sources"][source]["url"])

    def environment(self, source: str) -> Dict[str, str]:
        """The variables by which the agent's `auto` finds a source, as they are now."""
        return dict(self.state()["sources"][source]["environment"])

    def token_url(self, resource: str, more: str = "") -> str:
        """A valid token request's URL; `more` is appended (`&client_id=…`)."""
        return f"{self.url}{TOKEN_PATH}?api-version=2018-02-01&resource={resource}{more}"

    def add_steps(self, script: str) -> None:
        """Appends steps; they begin when those before them are done."""
        self._control("POST", "/script", script)

    def set_steps(self, script: str) -> None:
        """Replaces all steps, at once."""
        self._control("PUT", "/script", script)

    def clear_steps(self) -> None:
        """Back to normal answers."""
        self._control("DELETE", "/script")

    def settings(self, **settings: Any) -> None:
        """lifetime, token_size, cache, numbers, expires_in, date, system, users, header, dates,
        arc_agent, certificate, tls, tls_cut, tls_records."""
        self._control("PUT", "/settings", json.dumps(settings))

    def forget_tokens(self) -> None:
        """The next answers carry new tokens."""
        self._control("POST", "/forget")

    def revoke(self, token: str = "", claims: bool = False) -> None:
        """Resources refuse a token (SHA-256 or `uti`; all so far) until a forced refresh."""
        self._control("POST", "/revoke", json.dumps({"token": token, "claims": claims}))

    def write_federated_token(self, **changes: Any) -> None:
        """Writes its file again: lifetime, begins, issuer, subject, audience, other_key, content,
        link; remove=True removes it."""
        self._control("POST", "/federated", json.dumps(changes))

    def put_secret(self, name: str, value: str = "", **more: Any) -> str:
        """A new version in the vault; also enabled, denied, content_type, expires. Its name."""
        state = self._control("POST", "/secret", json.dumps(
            {"name": name, "value": value, **more}))
        return str(state["secrets"][name.lower()][-1])

    def remove_secret(self, name: str) -> None:
        self._control("POST", "/secret", json.dumps({"name": name, "remove": True}))

    def state(self) -> Dict[str, Any]:
        return self._control("GET", "/state")

    def requests(self, every: bool = False) -> List[LoggedRequest]:
        """Requests to sources and resources so far, oldest first; with `every` also those to
        other paths and failed handshakes."""
        try:
            lines = self._log_path.read_text(encoding="utf-8").splitlines(keepends=True)
        except FileNotFoundError:
            return []
        logged = [LoggedRequest(json.loads(line)) for line in lines if line.endswith("\n")]
        return [each for each in logged
                if every or each.source not in ("discovery", "other", "handshake")]

    def wait_requests(self, count: int, timeout_s: float = 10.0) -> List[LoggedRequest]:
        """Returns once there were at least `count` token requests; TimeoutError otherwise."""
        deadline = time.monotonic() + timeout_s
        while True:
            logged = self.requests()
            if len(logged) >= count:
                return logged
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(logged)} token requests after {timeout_s} s, "
                                   f"expected {count}")
            time.sleep(0.01)

    def stop(self) -> int:
        """Ends the process and removes its folder; its exit status."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            status = self._process.wait(timeout=5.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
        return status

    def _wait_ready(self) -> Dict[str, Any]:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._ready_path.exists():
                return dict(json.loads(self._ready_path.read_text(encoding="utf-8")))
            if self._process.poll() is not None:
                raise RuntimeError(f"the emulator ended with {self._process.returncode}")
            time.sleep(0.005)
        raise TimeoutError("the emulator did not get ready")

    def _control(self, method: str, path: str, body: str = "") -> Dict[str, Any]:
        host, port = str(self._addresses["control_url"])[len("http://"):].rsplit(":", 1)
        answer = exchange(host, int(port), f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n"
                          f"Connection: close\r\nContent-Length: {len(body.encode())}\r\n\r\n"
                          f"{body}".encode())
        head, _, content = answer.partition(b"\r\n\r\n")
        document: Dict[str, Any] = json.loads(content)
        if not head.startswith(b"HTTP/1.1 200 "):
            raise ValueError(document["error"])
        return document


def exchange(host: str, port: int, request: bytes, timeout_s: float = 10.0) -> bytes:
    """Sends bytes on a new connection and returns all that comes until it ends."""
    with socket.create_connection((host, port), timeout=timeout_s) as connection:
        connection.sendall(request)
        answer = b""
        while True:
            data = connection.recv(65536)
            if not data:
                return answer
            answer += data


def end_with_parent() -> None:
    """For Popen's preexec_fn: a test that is killed leaves no child behind."""
    _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)


_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)
_shared_folder: Optional[str] = None


def shared_key_path() -> Path:
    """A key file for this process: the first emulator makes it, the others read it."""
    global _shared_folder
    if _shared_folder is None:
        _shared_folder = tempfile.mkdtemp(prefix="emulator-key-")
        atexit.register(shutil.rmtree, _shared_folder, ignore_errors=True)
    return Path(_shared_folder) / "key.pem"


def clean_environment() -> Dict[str, str]:
    """An environment without variables that make a client look elsewhere than at IMDS."""
    hidden = ("IDENTITY_", "MSI_", "IMDS_", "AZURE_", "DEFAULT_IDENTITY_", "http_proxy", "HTTP_PROXY", "https_proxy",
              "HTTPS_PROXY", "ALL_PROXY", "all_proxy", "NOTIFY_SOCKET")
    return {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
