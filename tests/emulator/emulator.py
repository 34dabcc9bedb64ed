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
import shutil
import signal
import sys
import tempfile
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, NoReturn, Optional, Tuple

try:
    from tokens import Issuer, SigningKey
except ImportError as missing:
    sys.exit(f"emulator: {missing}; install Debian's python3-cryptography and start with "
             "/usr/bin/python3")

import discovery
from app_service import AppService
from app_service_2017 import DATES, AppService2017, AzureMl
from arm import Arm
from azure_arc import AzureArc
from behaviour import NORMAL, RESOURCES, Script, ScriptError, parse_script, parse_sizes, parse_time
from certificates import Authority
from cloud_shell import CloudShell
from control import Control, parse_date
from federation import Cluster, WorkloadIdentity
from identities import TENANT_ID, Identities, system_identity, user_identity
from imds import Imds
from journal import Journal
from message import Request, json_response
from server import Origin, Reply, Server, TlsChoice, parse_address
from service_fabric import ServiceFabric
from source import Answer, Settings, Source, World, scripted, shape_reply
from throttle import Throttle
from transport import TlsFaults
from vault import Vault
from vm_extension import VmExtension

SOURCES = ("imds", "cloud-shell", "vm-extension", "app-service", "app-service-2017", "azure-ml",
           "azure-arc", "service-fabric", "workload-identity", "arm", "vault")


@dataclass(frozen=True)
class Wanted:
    """What `--source` asks for."""

    name: str
    scheme: str  # "" for the source's own
    host: str
    port: int


@dataclass
class Place:
    """A source where it answers."""

    source: Source
    server: Server
    scheme: str

    @property
    def base_url(self) -> str:
        usual = {"http": 80, "https": 443}[self.scheme]
        port = "" if self.server.port == usual else f":{self.server.port}"
        return f"{self.scheme}://{self.server.host}{port}"


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
        self._own_folder = options.folder is None
        self._world.folder = Path(options.folder or tempfile.mkdtemp(prefix="emulator-"))
        self._world.settings.dates = options.dates
        self._script = Script(options.steps)
        self._throttle = Throttle(options.throttle, options.concurrent)
        self._journal = Journal(options.log, not options.quiet)
        self._keep_alive_s: float = options.keep_alive
        self._arc_keys = Path(options.arc_keys or self._world.folder / "tokens")
        self._authority: Optional[Authority] = None
        self._names: List[str] = options.tls_name
        self.cluster: Optional[Cluster] = None
        self.vault: Optional[Vault] = None
        self._places = [self._place(Wanted("imds", "", *options.listen))]
        for wanted in options.source:
            self._places.append(self._place(wanted))
        for text in options.secret:
            name, _, value = text.partition("=")
            self._need_vault().put(name, value)
        self.server = self._places[0].server
        self.control: Optional[Server] = None
        if options.control:
            control = Control(self._world, self._script, self.state, self._apply_refusal,
                              lambda: self.cluster, lambda: self.vault)
            host, port = options.control
            self.control = Server(host, port, control.handle)

    def start(self) -> None:
        for place in self._places:
            place.server.start()
        if self.control:
            self.control.start()
        threading.Thread(target=self._watch_refusal, daemon=True).start()

    def stop(self) -> None:
        for place in self._places:
            place.server.stop()
        if self.control:
            self.control.stop()
        if self._own_folder:
            shutil.rmtree(self._world.folder, ignore_errors=True)

    def addresses(self) -> Dict[str, Any]:
        """What the ready file says. It holds the secrets of the variables."""
        base_url = self._places[0].base_url
        addresses: Dict[str, Any] = {
            "pid": os.getpid(), "host": self.server.host, "port": self.server.port,
            "url": base_url, "jwks_url": base_url + discovery.KEYS_PATH, "control_url": None,
            "sources": {place.source.name: self._description(place)
                        for place in self._places},
            "ca_file": str(self._authority.ca_path) if self._authority else None}
        if self.control:
            addresses["control_url"] = f"http://{self.control.host}:{self.control.port}"
        return addresses

    def state(self) -> Dict[str, Any]:
        identities = self._world.identities
        everyone = ([identities.system] if identities.system else []) + identities.users
        return {
            "requests": self._journal.request_count,
            "connections": sum(place.server.connection_count for place in self._places),
            "tokens_issued": self._world.issuer.issued_count,
            "steps": self._script.remaining(), "refusing": self._script.refusing(),
            "lifetime": self._world.issuer.lifetime_s, "tenant": self._world.issuer.tenant_id,
            "identities": [asdict(identity) for identity in everyone],
            "sources": {place.source.name: self._description(place)
                        for place in self._places},
            "secrets": self.vault.versions() if self.vault else {},
        }

    def handle(self, place: Place, request: Request, origin: Origin) -> Reply:
        source = place.source
        if not source.serves(request.path):
            found = discovery.answer(self._world.issuer, place.base_url, request)
            answer = Answer(found or json_response(404, {"error": "Not found"}))
            reply = shape_reply(self._world.settings, answer, NORMAL)
            self._journal.record("discovery" if found else "other", request, origin, answer,
                                 reply, NORMAL)
            return reply
        if source.name in RESOURCES:
            return self._answer(source, request, origin, True)
        with self._throttle as admitted:
            return self._answer(source, request, origin, admitted)

    def _answer(self, source: Source, request: Request, origin: Origin, admitted: bool) -> Reply:
        step = self._script.take(request.target, source.name)
        self._apply_refusal()
        if admitted:
            answer = scripted(source, request, step)
        else:
            answer = Answer(source.failure(429, step), refusal="throttled")
        reply = shape_reply(self._world.settings, answer, step)
        self._journal.record(source.name, request, origin, answer, reply, step)
        return reply

    def _place(self, wanted: Wanted) -> Place:
        source = self._source(wanted.name)
        scheme = wanted.scheme or source.scheme
        place: List[Place] = []
        server = Server(
            wanted.host, wanted.port, lambda request, origin: self.handle(
                place[0], request, origin),
            self._journal.malformed, self._keep_alive_s,
            self._tls_choice(wanted.name) if scheme == "https" else None,
            lambda origin, reason: self._journal.handshake_failed(wanted.name, origin, reason))
        place.append(Place(source, server, scheme))
        return place[0]

    def _source(self, name: str) -> Source:
        world = self._world
        makers: Dict[str, Callable[[], Source]] = {
            "imds": lambda: Imds(world), "cloud-shell": lambda: CloudShell(world),
            "vm-extension": lambda: VmExtension(world), "app-service": lambda: AppService(world),
            "app-service-2017": lambda: AppService2017(world),
            "azure-ml": lambda: AzureMl(world),
            "azure-arc": lambda: AzureArc(world, self._arc_keys),
            "service-fabric": lambda: ServiceFabric(
                world, lambda: self._need_authority().thumbprint("self-signed")),
            "workload-identity": lambda: WorkloadIdentity(world, self._need_cluster()),
            "arm": lambda: Arm(world), "vault": self._need_vault,
        }
        return makers[name]()

    def _need_authority(self) -> Authority:
        if self._authority is None:
            self._authority = Authority(self._world.folder / "tls", self._names)
        return self._authority

    def _need_cluster(self) -> Cluster:
        if self.cluster is None:
            self.cluster = Cluster(self._world.folder / "federated-token")
        return self.cluster

    def _need_vault(self) -> Vault:
        if self.vault is None:
            self.vault = Vault(self._world)
        return self.vault

    def _tls_choice(self, name: str) -> TlsChoice:
        authority, settings = self._need_authority(), self._world.settings
        usual = "self-signed" if name == "service-fabric" else "good"

        def choose() -> Tuple[Any, TlsFaults]:
            context = authority.context(settings.certificate or usual, settings.tls)
            return context, TlsFaults(settings.tls_cut, settings.tls_records)
        return choose

    def _description(self, place: Place) -> Dict[str, Any]:
        return {"url": place.base_url, "endpoint": place.source.endpoint(place.base_url),
                "environment": place.source.environment(place.base_url)}

    def _apply_refusal(self) -> None:
        for place in self._places:
            if self._script.refusing(place.source.name):
                place.server.pause()
            else:
                place.server.resume()

    def _watch_refusal(self) -> None:
        while True:
            self._apply_refusal()
            self._script.wait_for_change()


def parse_source(text: str) -> Wanted:
    """`[http://|https://]NAME[@ADDR:PORT]`."""
    scheme, separator, rest = text.rpartition("://")
    name, at, address = rest.partition("@")
    if name not in SOURCES or (separator and scheme not in ("http", "https")):
        raise ValueError(f"{text!r}: expected [http://|https://]NAME[@ADDR:PORT], NAME one of "
                         f"{', '.join(SOURCES)}")
    host, port = parse_address(address) if at else ("127.0.0.1", 0)
    return Wanted(name, scheme, host, port)


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
    add("--source", metavar="[SCHEME://]NAME[@ADDR:PORT]", type=_typed(parse_source),
        action="append", default=[], help="another source or a resource, with a port of its own "
        f"(repeatable): {', '.join(SOURCES[1:])}")
    add("--folder", metavar="DIR", help="for certificates, the federated token and Arc's keys "
        "(default: one that is removed at the end)")
    add("--arc-keys", metavar="DIR", help="where Azure Arc's key files go (default: tokens in "
        "the folder)")
    add("--dates", choices=sorted(DATES), help="how App Service 2017 (default: linux) and Azure "
        "ML (default: unix) write expires_on")
    add("--tls-name", metavar="NAME", action="append", default=[],
        help="a host name for the certificates, beside 127.0.0.1 and localhost (repeatable)")
    add("--secret", metavar="NAME=VALUE", action="append", default=[],
        help="a secret in the vault (repeatable)")
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
