#!/usr/bin/python3
"""A real service that takes tokens: Azurite's blob service over https, with --oauth basic.

    /usr/bin/python3 tests/clients/azurite.py BUILD_FOLDER      (part of make test-clients)

BUILD_FOLDER is where run.py installed it. From Python:

    with Azurite(build_folder) as azurite:
        azurite.url, azurite.ca_file      # list containers: GET {url}?comp=list

Azurite checks a token's issuer, audience, nbf and exp, not its signature. Its certificate is of the
emulator's making. Exit 0 when it takes a good token and no other, 1 otherwise.
"""

from __future__ import annotations

import http.client
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from json import load
from pathlib import Path
from typing import Any, List, Optional, Tuple
from urllib.parse import quote, urlsplit

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "emulator"), str(HERE.parent / "e2e")]

from certificates import Authority
from harness import Emulator, clean_environment, end_with_parent
from support import config_text, memory_folder, miagent

ACCOUNT = "devstoreaccount1"
API_VERSION = "2021-12-02"
START_TIMEOUT_S = 60.0
AUDIENCE = "https://storage.azure.com"


class Azurite:
    """A running blob service on a port of its own of 127.0.0.1."""

    def __init__(self, build_folder: Path, certificate: str = "good") -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="azurite-"))
        authority = Authority(self._folder / "tls")
        chain, key = authority.paths(certificate)
        self.ca_file = str(authority.ca_path)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        program = build_folder / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
        self._process = subprocess.Popen(
            ["node", str(program), "--silent", "--disableTelemetry", "--oauth", "basic",
             "--cert", str(chain), "--key", str(key), "--location", str(self._folder / "data"),
             "--skipApiVersionCheck", "--blobHost", "127.0.0.1", "--blobPort", str(self.port)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=clean_environment(),
            start_new_session=True, preexec_fn=end_with_parent)
        try:
            self._wait_ready()
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> "Azurite":
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Of the account; `?comp=list` lists its containers."""
        return f"https://127.0.0.1:{self.port}/{ACCOUNT}"

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(timeout=10.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def list_containers(self, token: Optional[str]) -> Tuple[int, bytes]:
        """Status and body, by Python's own client."""
        parts = urlsplit(self.url)
        client = http.client.HTTPSConnection(
            "127.0.0.1", parts.port, timeout=20,
            context=ssl.create_default_context(cafile=self.ca_file))
        headers = {"x-ms-version": API_VERSION}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        try:
            client.request("GET", f"{parts.path}?comp=list", headers=headers)
            answer = client.getresponse()
            return answer.status, answer.read()
        finally:
            client.close()

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"Azurite ended with {self._process.returncode}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1.0).close()
                return
            except OSError:
                time.sleep(0.05)
        raise TimeoutError("Azurite did not get ready")


def take_token(emulator: Emulator, resource: str) -> str:
    request = urllib.request.Request(emulator.token_url(quote(resource, safe="")),
                                     headers={"Metadata": "true"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as answer:
        return str(load(answer)["access_token"])


def check(build_folder: Path) -> int:
    """The number of cases that went otherwise than expected."""
    failures = 0
    with Emulator() as emulator, Azurite(build_folder) as azurite:
        good = take_token(emulator, AUDIENCE)
        wrong = take_token(emulator, "https://vault.azure.net")
        emulator.set_steps("expired")
        expired = take_token(emulator, AUDIENCE)
        for name, token, expected in (("a good token", good, 200), ("no token", None, 403),
                                      ("a token for another audience", wrong, 403),
                                      ("an expired token", expired, 403)):
            status, body = azurite.list_containers(token)
            fine = status == expected and (expected != 200 or b"<Containers" in body)
            failures += not fine
            print(f"{'ok' if fine else 'FAILED':6} Azurite, {name}: {status}", flush=True)
    return failures


def check_agent(build_folder: Path) -> int:
    """The same by miagent: `call`, and curl with a header file that `once` published."""
    failures = 0

    def judge(name: str, fine: bool, seen: object) -> None:
        nonlocal failures
        failures += not fine
        print(f"{'ok' if fine else 'FAILED':6} Azurite, {name}: {seen}", flush=True)

    with Emulator() as emulator, Azurite(build_folder) as azurite:
        source = ["--source", "imds", "--endpoint", emulator.url]
        for audience, expected in ((AUDIENCE, 0), ("https://vault.azure.net", 69)):
            done = miagent("call", "--resource", audience, *source, "--ca", azurite.ca_file,
                           "--header", "x-ms-version: 2021-10-04", azurite.url + "?comp=list")
            fine = done.code == expected and ("<Containers" in done.out) == (expected == 0)
            judge(f"miagent call with a token for {audience}", fine, f"exit {done.code} {done.err}")
        memory, curl = memory_folder(), shutil.which("curl")
        if memory is None or curl is None:
            print("not run: curl with a header file: needs tmpfs and curl", flush=True)
            return failures
        with tempfile.TemporaryDirectory(prefix="miagent-azurite-", dir=memory) as folder:
            header, config = Path(folder) / "header", Path(folder) / "miagent.conf"
            config.write_text(config_text(
                {"t": {"resource": AUDIENCE, "source": "imds", "endpoint": emulator.url}},
                {str(header): {"token": "t", "format": "header"}}), encoding="utf-8")
            done = miagent("once", "-c", str(config))
            judge("miagent once", done.code == 0, f"exit {done.code} {done.err}")
            answer = subprocess.run(
                [curl, "--silent", "--output", "/dev/null", "--write-out", "%{http_code}",
                 "--cacert", azurite.ca_file, "-H", f"@{header}", "-H", "x-ms-version: 2021-10-04",
                 azurite.url + "?comp=list"], stdout=subprocess.PIPE, text=True, check=False,
                env=clean_environment(), timeout=60).stdout
            judge("curl with the header file", answer == "200", answer)
    return failures


def main(arguments: List[str]) -> int:
    if len(arguments) != 1:
        print("usage: azurite.py BUILD_FOLDER", file=sys.stderr)
        return 64
    folder = Path(arguments[0]).resolve()
    if not (folder / "node_modules" / "azurite").is_dir():
        print(f"azurite.py: {folder}: not installed there; run.py does that", file=sys.stderr)
        return 77
    return 1 if check(folder) + check_agent(folder) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
