#!/usr/bin/python3
r"""An emulator of Azure's token endpoints, for developing and testing without Azure.

    /usr/bin/python3 emulator.py --listen 127.0.0.1:8169
    curl -H Metadata:true 'http://127.0.0.1:8169/metadata/identity/oauth2/token?\
api-version=2018-02-01&resource=https://vault.azure.net'

README.md beside this file has the options, the script's words and examples.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from dataclasses import asdict
from typing import Any, Dict, List, NoReturn, Optional

try:
    from tokens import Issuer, SigningKey
except ImportError as missing:
    sys.exit(f"emulator: {missing}; install Debian's python3-cryptography and start with "
             "/usr/bin/python3")

import discovery
from behaviour import NORMAL, Script, ScriptError, parse_script, parse_sizes, parse_time
from control import Control, parse_date
from identities import TENANT_ID, Identities, system_identity, user_identity
from imds import Imds
from journal import Journal
from message import Request, json_response
from server import Origin, Reply, Server, parse_address
from source import Answer, Settings, Source, World, scripted, shape_reply
from throttle import Throttle


class Emulator:
    """Routes requests to the sources, under the script, and keeps the request log."""

    def __init__(self, options: argparse.Namespace) -> None:
        key = SigningKey.load_or_create(options.key) if options.key else SigningKey.generate()
        self._world = World(
            Settings(options.numbers, options.expires_in, options.date, options.framing,
                     options.chunk_sizes, options.version, options.resource),
            Identities(None if options.no_system else system_identity(), options.user),
            Issuer(key, options.tenant, options.lifetime, options.token_size,
                   not options.no_cache))
        self._sources: List[Source] = [Imds(self._world)]
        self._script = Script(options.steps)
        self._throttle = Throttle(options.throttle, options.concurrent)
        self._journal = Journal(options.log, not options.quiet)
        host, port = options.listen
        self.server = Server(host, port, self.handle, self._journal.malformed,
                             options.keep_alive)
        self.control: Optional[Server] = None
        if options.control:
            control = Control(self._world, self._script, self.state, self._apply_refusal)
            host, port = options.control
            self.control = Server(host, port, control.handle)

    def start(self) -> None:
        self.server.start()
        if self.control:
            self.control.start()
        threading.Thread(target=self._watch_refusal, daemon=True).start()

    def stop(self) -> None:
        self.server.stop()
        if self.control:
            self.control.stop()

    def addresses(self) -> Dict[str, Any]:
        """What the ready file says."""
        addresses: Dict[str, Any] = {
            "pid": os.getpid(), "host": self.server.host, "port": self.server.port,
            "url": self._base_url(), "jwks_url": self._base_url() + discovery.KEYS_PATH,
            "control_url": None}
        if self.control:
            addresses["control_url"] = f"http://{self.control.host}:{self.control.port}"
        return addresses

    def state(self) -> Dict[str, Any]:
        identities = self._world.identities
        everyone = ([identities.system] if identities.system else []) + identities.users
        return {
            "requests": self._journal.request_count,
            "connections": self.server.connection_count,
            "tokens_issued": self._world.issuer.issued_count,
            "steps": self._script.remaining(), "refusing": self._script.refusing(),
            "lifetime": self._world.issuer.lifetime_s, "tenant": self._world.issuer.tenant_id,
            "identities": [asdict(identity) for identity in everyone],
        }

    def handle(self, request: Request, origin: Origin) -> Reply:
        source = next((each for each in self._sources if each.serves(request.path)), None)
        if source is None:
            found = discovery.answer(self._world.issuer, self._base_url(), request)
            answer = Answer(found or json_response(404, {"error": "Not found"}))
            reply = shape_reply(self._world.settings, answer, NORMAL)
            self._journal.record("discovery" if found else "other", request, origin, answer,
                                 reply, NORMAL)
            return reply
        with self._throttle as admitted:
            step = self._script.take(request.target)
            self._apply_refusal()
            if admitted:
                answer = scripted(source, request, step)
            else:
                answer = Answer(source.failure(429, step), refusal="throttled")
            reply = shape_reply(self._world.settings, answer, step)
            self._journal.record(source.name, request, origin, answer, reply, step)
            return reply

    def _base_url(self) -> str:
        port = "" if self.server.port == 80 else f":{self.server.port}"
        return f"http://{self.server.host}{port}"

    def _apply_refusal(self) -> None:
        if self._script.refusing():
            self.server.pause()
        else:
            self.server.resume()

    def _watch_refusal(self) -> None:
        while True:
            self._apply_refusal()
            self._script.wait_for_change()


def parse_options(arguments: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="emulator.py", allow_abbrev=False,
        description="An emulator of Azure's managed identity token endpoint (IMDS).")
    add = parser.add_argument
    add("--listen", metavar="ADDR:PORT", type=_typed(parse_address), default=("127.0.0.1", 8169),
        help="where to answer; port 0 takes a free one (default 127.0.0.1:8169)")
    add("--control", metavar="ADDR:PORT", type=_typed(parse_address),
        help="where to take commands while running (default: nowhere)")
    add("--ready-file", metavar="FILE", help="written once clients can connect: JSON with the "
        "real addresses")
    add("--log", metavar="FILE", help="appends one JSON line for each request")
    add("--quiet", action="store_true", help="no line on standard output for each request")
    add("--script", metavar="FILE", help="steps of behaviour, one a line")
    add("--step", metavar="LINE", action="append", default=[],
        help="one step of behaviour, after those of --script (repeatable)")
    add("--key", metavar="FILE", help="PEM file of the signing key; made when missing "
        "(default: a new key each time)")
    add("--tenant", metavar="ID", default=TENANT_ID, help="the tenant's id in every token")
    add("--no-system", action="store_true", help="the machine has no system-assigned identity")
    add("--user", metavar="NAME[,client_id=ID][,object_id=ID][,resource_id=ID]",
        type=_typed(user_identity), action="append", default=[],
        help="a user-assigned identity (repeatable)")
    add("--resource", metavar="URI", action="append", default=[],
        help="a resource the tenant knows (repeatable; default: any)")
    add("--lifetime", metavar="TIME", type=_typed(parse_time), default=86400.0,
        help="of a token (default 24h)")
    add("--token-size", metavar="BYTES", type=int, default=0, help="pads tokens to this size")
    add("--no-cache", action="store_true", help="a new token for every request")
    add("--numbers", action="store_true", help="numbers as numbers, not as strings")
    add("--expires-in", choices=("remaining", "issue"), default="remaining",
        help="what expires_in counts from (default: now)")
    add("--date", metavar="TIME|none", type=_typed(parse_date), default=0.0,
        help="falsifies the Date header by this much, or leaves it out")
    add("--chunked", metavar="SIZES", nargs="?", const="", help="chunked answers, such as 1,2,3")
    add("--http10", action="store_true", help="answers as an HTTP/1.0 server")
    add("--keep-alive", metavar="SECONDS", type=float, default=120.0,
        help="how long an idle connection is kept; 0 closes after each answer")
    add("--throttle", metavar="N", type=int, default=0,
        help="429 above this many token requests a second (IMDS: 20; default: no limit)")
    add("--concurrent", metavar="N", type=int, default=0,
        help="429 above this many token requests at once (IMDS: 5; default: no limit)")
    options = parser.parse_args(arguments)
    options.version = "HTTP/1.0" if options.http10 else "HTTP/1.1"
    options.framing = "close" if options.http10 else "length"
    options.chunk_sizes = []
    try:
        if options.chunked is not None:
            options.framing = "chunked"
            options.chunk_sizes = parse_sizes(options.chunked) if options.chunked else []
        options.steps = _read_steps(options.script, options.step)
    except (ScriptError, OSError) as error:
        parser.error(str(error))
    return options


def main() -> None:
    options = parse_options()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        emulator = Emulator(options)
        emulator.start()
    except (OSError, ValueError) as error:
        _fail(f"cannot start on {options.listen[0]}:{options.listen[1]}: {error}")
    addresses = emulator.addresses()
    if options.ready_file:
        write_atomically(options.ready_file, json.dumps(addresses) + "\n")
    if not options.quiet:
        print(f"emulator: listening on {addresses['url']}, keys at {addresses['jwks_url']}"
              + (f", control at {addresses['control_url']}" if emulator.control else ""),
              flush=True)
    stop.wait()
    emulator.stop()


def write_atomically(path: str, text: str) -> None:
    temporary = f"{path}.{os.getpid()}.tmp"
    with open(temporary, "w", encoding="utf-8") as stream:
        stream.write(text)
    os.rename(temporary, path)


def _read_steps(path: Optional[str], lines: List[str]) -> List[Any]:
    steps = []
    if path:
        with open(path, encoding="utf-8") as stream:
            steps += parse_script(stream.read(), path)
    return steps + parse_script("\n".join(lines), "--step")


def _typed(convert: Any) -> Any:
    """argparse hides the text of a ValueError, but not of its own error."""
    def wrapped(text: str) -> Any:
        try:
            return convert(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
    return wrapped


def _fail(text: str) -> NoReturn:
    print(f"emulator: {text}", file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    main()
